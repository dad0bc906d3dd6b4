/* SPDX-License-Identifier: Apache-2.0 */
/* The native key provider put back from its backup, on a host that lost it. */
#ifndef QUOIN_AGENT_RECOVER_H
#define QUOIN_AGENT_RECOVER_H

#include "agent/agent.h"

/* `body`: a line with the password, then the backup's text; under `work`. ERR_DENIED: wrong
 * password; ERR_CLASH: another provider's keys are here, or the backup is another cluster's. */
bool recover_keys(struct agent *agent, const struct secret *body, struct err *err);

#endif
