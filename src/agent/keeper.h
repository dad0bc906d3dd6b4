/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: a thread that keeps running what shall run on this host. After a power cut it opens
 * the agent's door, waits for datastore and key provider, opens the envelopes, and starts the VMs
 * again; while they run it stores what could not be stored before. It waits with back-off, says
 * what for, and gives nothing up.
 */
#ifndef QUOIN_AGENT_KEEPER_H
#define QUOIN_AGENT_KEEPER_H

#include "agent/agent.h"

bool keeper_start(struct agent *agent, pthread_t *out, struct err *err);
/* Ends it and waits. */
void keeper_stop(struct agent *agent, pthread_t keeper);

#endif
