/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user brings a file after a host lost its keys: a backup, and the native key provider is put
 * back from it; or the recovery key, which waits in locked memory for the step key.recover.
 */
#ifndef QUOIN_AGENT_RECOVER_H
#define QUOIN_AGENT_RECOVER_H

#include "agent/agent.h"

/* `body`: a line with the password, then the file's text; under `work`. `*out_recovery`: it was the
 * recovery key. ERR_DENIED: wrong password; ERR_CLASH: another provider's keys are here, the file
 * is another cluster's, or of an older recovery key that no VM is wrapped for any more. */
bool recover_keys(struct agent *agent, const struct secret *body, bool *out_recovery,
                  struct err *err);
/* What key.recover put aside is wiped. */
bool recover_forget(struct agent *agent, struct err *err);

#endif
