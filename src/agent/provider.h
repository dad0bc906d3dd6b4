/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key providers of this host: the one that wraps, and in the course of a move the one that is
 * left, which still opens what it wrapped. Which they are stands in the host's file (agent/host.h);
 * here they are open or not. agent_key and agent_key_for (agent/agent.h) give them out. Under
 * `work`.
 */
#ifndef QUOIN_AGENT_PROVIDER_H
#define QUOIN_AGENT_PROVIDER_H

#include "agent/agent.h"

/* What the host's file says is known from now on; what was open is closed. */
void provider_find(struct agent *agent);

#endif
