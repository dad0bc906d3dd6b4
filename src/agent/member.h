/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may be fenced. A lease's record names hosts and addresses, and whoever can write to the
 * datastore can write one; a fence by such a word alone could take the whole cluster's storage
 * away. So a host is fenced only at an address that is known for its own from somewhere else:
 *
 *   the monitors that this host was told by a step · the datastore's own maps, of monitors and of
 *   disks · the address from which the datastore saw it hold a lease · or the fence is there
 * already
 *
 * The last one is the way out for people: who knows that a host is off fences it by hand.
 */
#ifndef QUOIN_AGENT_MEMBER_H
#define QUOIN_AGENT_MEMBER_H

#include "agent/agent.h"

/* Under `work`. ERR_DENIED: not its address, or this host's own; nothing is fenced, the VM is not
 * started. ERR_AWAY: the datastore does not say. */
bool member_check(struct agent *agent, const char *host, const char *address, struct err *err);

/* Every host that has a disk or a monitor in the datastore, this one too, by its maps: an array of
 * names, each once; a new reference. ERR_ABSENT: there is no datastore. ERR_AWAY. */
bool member_names(struct agent *agent, json_t **out, struct err *err);
/* Whether `host` is one of these. */
bool member_is(struct agent *agent, const char *host, bool *out, struct err *err);

/* This host is one of the datastore's, or is none any more: kept on its disk, told in its status.
 */
bool member_set(struct agent *agent, bool member, struct err *err);

#endif
