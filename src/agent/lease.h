/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: which host may run a VM. A host that has a VM running holds its lease, and renews it by a
 * thread of its own, whatever else the agent is at. Another thread, the guard, watches the clock:
 * when the lease could not be renewed in time it ends the VM's process before the lease can run
 * out. A third has the hypervisor's daemon say that nothing is left, however long that takes.
 *
 *   request sent        renewed here …        the guard pulls the plug    the lease runs out
 *   |---- RENEW ----|---- RENEW ----| …                    |--- MARGIN ---|
 *   0               2               4                      20             24 s
 *
 * Time is counted from before the request was sent, by a clock that nobody sets and that goes on in
 * sleep. That a lease ran out is no proof that its holder stopped: the holder may be frozen, and
 * the datastore's clock may have been set. So whoever takes over fences the last holder first
 * (agent/takeover.h); the lease only says whose turn it is, the fence makes it safe.
 *
 * What this host holds is noted under /run, which no boot outlives: an agent that was restarted
 * goes on where it was.
 */
#ifndef QUOIN_AGENT_LEASE_H
#define QUOIN_AGENT_LEASE_H

#include "agent/agent.h"

/* Longer than the datastore needs to work on without one host (its disks are held for failed after
 * 9 to 13 s, and their data is taken over in one or two more), counted from the last renewal
 * before: so a host does not lose its VMs because another one failed. And short enough that another
 * host runs them within 30 s of a power cut. */
#define LEASE_SECONDS 24u
#define LEASE_RENEW   2u
/* From the guard's pull to a dead hypervisor, on a busy host. */
#define LEASE_MARGIN 4u
/* How often a host looks at the leases of others. */
#define LEASE_LOOK 2u

struct leases;

/* Before agent_open has the host's file read: `folder` is where notes are kept, taken. */
struct leases *leases_new(struct agent *agent, char *folder);
void leases_free(struct leases *leases);
/* The three threads; the notes of an agent before us are read first. */
bool lease_start(struct agent *agent, struct err *err);
void lease_stop(struct agent *agent);

/* All of these but lease_holds, lease_check, lease_is_given and lease_status are called under
 * `work`. */

/* This host's, and renewed from now on. What the last holder left to be fenced is not yet: see
 * takeover_fence. ERR_CLASH: another host holds it; ERR_AWAY. */
bool lease_take(struct agent *agent, const char *uuid, struct err *err);
/* Nothing of it runs here any more. Not held: succeeds. */
bool lease_drop(struct agent *agent, const char *uuid, struct err *err);
/* The VM is gone, and its lease with it. */
bool lease_remove(struct agent *agent, const char *uuid, struct err *err);
/* The first host that is to be fenced before the VM may start: a new reference, NULL: none. */
json_t *lease_pending(struct agent *agent, const char *uuid);
/* It was: so it is noted on the datastore. */
bool lease_fenced(struct agent *agent, const char *uuid, struct err *err);

/* Nothing of it runs here any more, and the VM stands still on `host`, whose turn it is from now
 * on. Noted before it is done, so that it is done also by an agent that comes after. ERR_AWAY: not
 * done yet, lease_give_again does it; ERR_CLASH: somebody took it over. */
bool lease_give(struct agent *agent, const char *uuid, const char *host, const char *address,
                struct err *err);
/* What could not be given yet is given now. Nothing is: succeeds. */
bool lease_give_again(struct agent *agent, const char *uuid, struct err *err);
/* Whose turn it is, as the record says now; "": nobody's. */
bool lease_holder(struct agent *agent, const char *uuid, char out[STORE_MAX_HOLDER],
                  struct err *err);
/* It is this host's turn, as it was seen last, and it has not taken it. */
bool lease_is_given(struct agent *agent, const char *uuid);

/* True until the moment the guard would pull the plug. */
bool lease_holds(struct agent *agent, const char *uuid);
/* The same as a refusal: ERR_AWAY. */
bool lease_check(struct agent *agent, const char *uuid, struct err *err);
/* As lease_check where this host held the lease since its start; for one it never held, true. */
bool lease_allows(struct agent *agent, const char *uuid, struct err *err);
/* This host held it, and lost it since the last question: what the agent knows of the VM is old. */
bool lease_was_lost(struct agent *agent, const char *uuid);

/* Nobody renewed it for as long as it lasts, by this host's own clock, and it is free; or for three
 * times as long and it is not (`out_stuck` is who holds it then; else ""): the datastore's clock
 * was set back. */
bool lease_is_ripe(struct agent *agent, const char *uuid, char out_stuck[STORE_MAX_HOLDER]);
/* Another host was quicker: not ripe until it is looked at again. */
void lease_unripe(struct agent *agent, const char *uuid);
/* Another host holds it now, which is told. */
bool lease_elsewhere(struct agent *agent, const char *uuid, char out_host[STORE_MAX_HOLDER]);
/* The datastore itself said, since the agent's start, that `host` held a lease from there. */
bool lease_located(struct agent *agent, const char *host, const char *address);
/* The VM shall not run: not ripe until somebody writes the record. */
void lease_dismiss(struct agent *agent, const char *uuid);

/* The datastore may have fenced this host: asked once after each failure. */
bool lease_is_suspect(struct agent *agent);
/* It is to be asked again. */
void lease_suspect(struct agent *agent);
/* Everything this host ever held since its boot, for the time after a fence; a new reference. */
json_t *lease_list(struct agent *agent);
/* After a fence was lifted: nothing is held, the connection is made anew. */
void lease_forget(struct agent *agent);
/* {"holder","state":"held"|"lost"|"other"|"free","renewed":ms ago|null}, or NULL: unknown. */
json_t *lease_status(struct agent *agent, const char *uuid);
/* The datastore goes away from this host. */
void lease_store_close(struct agent *agent);

/* One round of each thread, for tests. */
void lease_renew_due(struct agent *agent);
void lease_guard_due(struct agent *agent);

#endif
