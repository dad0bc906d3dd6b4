/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takeover: a VM that shall run, and whose host does not renew its lease, is started here. In this
 * order, and each only after the one before it:
 *
 *   1. the lease is ours (of several hosts exactly one gets it), and the record says so
 *   2. the last holder is fenced: its whole address, and every disk of the datastore knows it
 *   3. the record says that it was, the home says that the VM is ours, the VM is started
 *
 * Whoever dies or freezes in between is itself the last holder of the record, and so fenced by the
 * next, together with whom it had not fenced yet.
 *
 * The other side: a host that was fenced finds out, destroys whatever it ran, sees that nothing of
 * it is left, and only then has its fence lifted. It does so under `work`, so that no start is
 * under way on which it would be lifted. One that was taken out of the datastore meanwhile does the
 * same and stays fenced, until it is brought in anew by the operator, or undone.
 */
#ifndef QUOIN_AGENT_TAKEOVER_H
#define QUOIN_AGENT_TAKEOVER_H

#include "agent/vm.h"

/* All under `work`. */

/* Whoever may still have the VM running cannot write any more. Its lease is held. */
bool takeover_fence(struct vm *vm, struct err *err);
/* Starts a VM of a host that does not renew its lease; `*out_taken` false: there is nothing to do.
 */
bool takeover_try(struct vm *vm, bool *out_taken, struct err *err);
/* When the datastore has fenced this host: see above. Not fenced, or not asked again since:
 * succeeds. Failing: nothing may be started yet. ERR_DENIED: the datastore does not list this host
 * any more. */
bool takeover_heal(struct agent *agent, struct err *err);
/* The same for a host that comes in anew, by a step: listed or not. */
bool takeover_admit(struct agent *agent, struct err *err);

#endif
