/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one host of the cluster tells another in a parcel (key/parcel.h): the native provider's
 * keys, the datastore's keys, and a nonce. Beside the parcel goes a proof: the same nonce in an
 * envelope under the cluster's KEK. The receiver opens both, each in its own way, and they must be
 * the same: so it has the very key provider and KEK that the cluster has, before a disk of it is
 * touched. Used when a host joins, and whenever a native provider has a new KEK. Under `work`.
 *
 *   host.share {"certificate": the receiver's}  ->  {"from","kek","parcel","proof"}
 */
#ifndef QUOIN_AGENT_SHARE_H
#define QUOIN_AGENT_SHARE_H

#include "agent/agent.h"
#include "key/parcel.h"

/* Whom the certificate names, if it is a host's of this cluster, else ERR_DENIED. */
bool share_receiver(const struct agent *agent, const char *certificate, struct peer *out,
                    struct err *err);
/* The native provider's keys alone, for that host. NULL with success: another provider, there is
 * nothing to give. A new reference. */
bool share_keys(struct agent *agent, const char *certificate, json_t **out, struct err *err);
/* The parcel in `params`, which must be for this host. ERR_ABSENT: there is none. */
bool share_open(const struct agent *agent, const json_t *params, struct parcel **out,
                struct err *err);
/* A native provider's keys out of a parcel, sealed to this host. Another provider: nothing. */
bool share_import(struct agent *agent, const struct parcel *parcel, struct err *err);
/* The same into a folder that is not the provider's yet: a move to a native provider. */
bool share_import_to(struct agent *agent, const char *folder, const struct hostseal_conf *conf,
                     const struct parcel *parcel, struct err *err);
/* The proof in `params` opens here and holds the parcel's nonce; its KEK is this host's from now
 * on. ERR_CLASH: this host's key provider is not the cluster's. */
bool share_prove(struct agent *agent, const json_t *params, const struct parcel *parcel,
                 bool *out_changed, struct err *err);
/* The datastore's keys in it; NULL: none. Borrowed. */
const struct secret *share_store_keys(const struct parcel *parcel);

#endif
