/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running VM goes from one host to another. The deployment unit asks both, in this order:
 *
 *   here:  vm.offer    the VM runs here, under its lease       -> a request for a certificate
 *   there: vm.expect   the VM's key from the provider, a CA    -> the certificate, the CA, a port
 *                      for this one move, a door for who has
 *                      its certificate
 *   here:  vm.send     memory, vTPM and firmware go over; when all is there and nothing is here
 *                      any more the lease is given: its record names the other host
 *   there: vm.receive  once the record names this host: the lease is taken, the VM goes on
 *   there: vm.decline  it does not come: what was prepared is taken back
 *
 * Never two writers: what came stands still until the host there has the lease, and the lease is
 * given only by who had it, once nothing of the VM is here. A host to which another takes over in
 * between has no turn any more: what came is destroyed (vm_turn). So whoever dies when, the VM goes
 * on here, or there, or is taken over like any other (agent/takeover.h); the keepers of both hosts
 * see to that without the deployment unit.
 *
 * No key of the VM passes: the host there opens the home by itself. The CA's key is in the memory
 * of the host there and signs two certificates; their keys lie where the hypervisor reads them, in
 * memory, for as long as the move takes.
 */
#ifndef QUOIN_AGENT_MOVE_H
#define QUOIN_AGENT_MOVE_H

#include "agent/step.h"
#include "agent/vm.h"

/* The door for a VM that comes, open only then. */
#define MOVE_PORT 7444u

struct move;

/* All under `work`. */

void move_free(struct move *move);
/* This host waits for the VM to come. */
bool move_expects(const struct vm *vm);
/* It is not expected any more: from here on nothing of it can come. Not expected: nothing. */
void move_close(const struct vm *vm);
/* By the keeper, for a VM that is neither here nor expected: keys and files that an agent before us
 * had prepared for it are gone, once. */
bool move_tidy(struct vm *vm, struct err *err);
/* By the keeper: a VM that came and was given goes on; one that nobody sends is not waited for any
 * more. */
bool move_keep(struct vm *vm, struct err *err);

#endif
