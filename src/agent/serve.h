/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's two doors and their one table of routes (docs/protocol.md). */
#ifndef QUOIN_AGENT_SERVE_H
#define QUOIN_AGENT_SERVE_H

#include "agent/agent.h"

/* The unix socket, for root on this host. */
bool serve_local(struct agent *agent, const char *socket, struct server **out, struct err *err);
/* Mutual TLS on AGENT_PORT; `agent->network` afterwards. */
bool serve_network(struct agent *agent, const char *certificate, const struct secret *key,
                   const char *authority, struct err *err);

#endif
