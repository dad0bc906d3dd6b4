/* SPDX-License-Identifier: Apache-2.0 */
/* What this host knows of itself now, as docs/protocol.md says. Holds no secret. */
#ifndef QUOIN_AGENT_STATUS_H
#define QUOIN_AGENT_STATUS_H

#include "agent/agent.h"

/* Never fails: what cannot be told now is null. A new reference. */
json_t *status_make(struct agent *agent);
/* Adds "sealed_by" and "backup_fetched" of the native provider in a folder; null where it is none.
 */
void status_add_rest(const char *provider_folder, json_t *object);

#endif
