/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recovery key as a host knows it (key/recovery.h). The notice lies on the datastore, so that
 * every host can wrap for it, and as recovery.json on each host that has seen it: what is missing
 * or older there is put back from here, what is not signed by the cluster's CA is refused.
 *
 * The private half is made on one host and rests there, wrapped by the provider's KEK, as
 * recovery.envelope, until the user says that he has it in a file: then it is wiped. So the host's
 * disk alone opens nothing by it; a rekey wraps it again (rewrap_recovery). A second one begins the
 * same way, beside the first, which stays good until the file of the second is with the user; only
 * then the notice names it and every envelope is made anew (agent/rewrap.h), by each host for its
 * own VMs.
 *
 *   none ──notice_make──► made ──notice_give, notice_fetched──► fetched
 *                                  notice_give (a new key is made) ┘   └─ notice_fetched ─► fetched
 *
 * Called under `work`.
 */
#ifndef QUOIN_AGENT_NOTICE_H
#define QUOIN_AGENT_NOTICE_H

#include "agent/agent.h"
#include "key/recovery.h"

#define NOTICE_OBJECT "cluster.recovery"

/* NULL with success: the cluster has no recovery key. ERR_DENIED: not signed by the cluster's CA.
 * The caller frees. */
bool notice_read(struct agent *agent, struct recovery **out, struct err *err);
/* There is one afterwards. */
bool notice_make(struct agent *agent, bool *out_made, struct err *err);
/* The file for the user: of the private half that rests here, else of a new one. The caller frees.
 * ERR_ABSENT: the cluster has no recovery key. */
bool notice_give(struct agent *agent, const struct secret *password, char **out_text,
                 struct err *err);
/* `body` (brought.h): the password, and the file as it lies on a disk of the user's. It is opened
 * first: only what opens is with the user, and is wiped here. Twice succeeds. ERR_ABSENT: none was
 * given. ERR_CLASH: the file is of another recovery key. ERR_DENIED, ERR_INPUT: it does not open;
 * nothing was changed. */
bool notice_fetched(struct agent *agent, const struct secret *body, struct err *err);

/* The private half as it rests here, an envelope; the caller frees. ERR_ABSENT: none does. */
bool notice_private_read(const struct agent *agent, char **out_envelope, struct err *err);
bool notice_private_write(const struct agent *agent, const char *envelope, struct err *err);
/* It opens, or none rests here. */
bool notice_private_prove(struct agent *agent, struct err *err);
bool notice_private_wipe(const struct agent *agent, struct err *err);

/* What this host knows of it is wiped: it is no part of the cluster any more. */
bool notice_forget(struct agent *agent, struct err *err);

/* NULL with success: there is no recovery key to wrap for. ERR_ABSENT: none is known, but one is
 * required (agent/host.h). JSON text that the caller frees, signed
 * by the cluster's CA (recovery_sign). `about` names VM, purpose and generation. */
bool notice_wrap(struct agent *agent, const struct envelope_about *about,
                 const struct secret *secret, char **out_envelope, struct err *err);
/* By the recovery key's private half, what notice_wrap made. ERR_DENIED: the cluster's CA did not
 * sign it, so it was made by somebody else. */
bool notice_unwrap(const struct agent *agent, const struct secret *recovery_key, const char *text,
                   const struct envelope_about *expected, struct secret **out, struct err *err);
/* `envelope` (or NULL) is for the recovery key there is, if there is one, and signed by the CA. */
bool notice_holds(struct agent *agent, const char *envelope, bool *out, struct err *err);
/* The id in an envelope for it; a new reference, null when there is none. */
json_t *notice_id_of(const char *envelope);
/* {"state":"none"|"made"|"fetched","id","made","fetched","held"}: what this host saw last. "held":
 * a private half rests here. A new reference; needs no lock. */
json_t *notice_look(const char *folder);

#endif
