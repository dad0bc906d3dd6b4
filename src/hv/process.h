/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process of a VM, by the kernel alone: for when the plug must be out by a certain time,
 * whether or not the hypervisor's daemon answers. QEMU is known by its argument "-uuid UUID", which
 * libvirt gives each of them. The daemon sees by itself that it ended.
 *
 * Asked nicely (SIGTERM, as libvirt's own destroy does first) QEMU writes what lies in its caches,
 * and where the datastore is away it waits for that: so it is not asked.
 */
#ifndef QUOIN_HV_PROCESS_H
#define QUOIN_HV_PROCESS_H

#include <stdbool.h>

#include "base/err.h"

/* Every QEMU of this VM gets SIGKILL; who does not end is not waited for. Only processes of root
 * and of the user that QEMU runs as are looked at: nobody else's stand in the way. ERR_INPUT: no
 * UUID; ERR_SYSTEM: not all could be looked at, or signalled; what could be was. */
bool process_signal(const char *uuid, struct err *err);
/* The same, and none runs when it returns; none there succeeds. What its guest had not flushed is
 * lost, as by a power cut. ERR_SYSTEM: also, one does not end. */
bool process_kill(const char *uuid, struct err *err);

#endif
