/* SPDX-License-Identifier: Apache-2.0 */
/* What this host knows of itself now, as docs/protocol.md says. Holds no secret. */
#ifndef QUOIN_AGENT_STATUS_H
#define QUOIN_AGENT_STATUS_H

#include "agent/agent.h"

/* Never fails: what cannot be told now is null. A new reference. */
json_t *status_make(struct agent *agent);

#endif
