/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deep rekey: a VM gets a new VM key, and each of its disks a new data key and with it another
 * image, while it runs or while it is off.
 *
 *   copy (pour) ─► catch up ─► pause ─► catch up ─► home ─► turn, go on ─► proof ─► old ones gone
 *
 * The home says which image is a disk, and is written once, under the new key, while the guest
 * stands still and both images hold the same: so at each moment the home's images open and hold
 * all that the guest was told is written. What an interruption leaves is an image that no home
 * names; it is removed by the next copy, by the keeper, or with the VM. A guest that is found
 * paused is given the images that its home names before it goes on (copy_settle). The home that
 * names new images says "unproven": only a proof of them takes that away, and only then the old
 * ones go, whoever comes to it first.
 */
#ifndef QUOIN_AGENT_COPY_H
#define QUOIN_AGENT_COPY_H

#include "agent/step.h"
#include "agent/vm.h"

/* `limit`: bytes a second, 0: as fast as it goes. The result is docs/protocol.md's for vm.copy.
 * ERR_SYSTEM: the datastore has no room for another image of each disk. */
bool copy_vm(struct vm *vm, uint64_t limit, struct making *making, struct err *err);
/* A paused VM's disks become what the home says. `*out_off`: they could not, and it was ended. */
bool copy_settle(struct vm *vm, struct hv *hv, bool *out_off, struct err *err);
/* What an interrupted copy left is closed and removed, after the proof that it did not come to; for
 * a VM of this host. ERR_CLASH: there are plain blocks, and the old images are kept. */
bool copy_sweep(struct vm *vm, struct err *err);

#endif
