/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a virtual machine that change while it runs and belong to it wherever it runs: the
 * emulated TPM's state and the firmware's variables.
 *
 *   vtpm   /var/lib/libvirt/swtpm/UUID/tpm2/tpm2-00.permall   libvirt's place; encrypted by swtpm
 *   nvram  /run/quoin-vm/UUID/nvram.fd                        in memory only: QEMU writes it clear
 *
 * They are gathered into one secret, which the caller seals and stores as the VM's home object, and
 * put back in place from it before the next start, on this host or another:
 *
 *   "QHOME1\n" then for each file: "NAME LENGTH\n" and LENGTH bytes
 *
 * The folders belong to users that QEMU and swtpm run as, so nothing here follows a symbolic link
 * or reads what is no plain file.
 */
#ifndef QUOIN_HV_HOME_H
#define QUOIN_HV_HOME_H

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

/* A variable store of OVMF's 4 MB builds is 528 KiB, a TPM's state at most 40 KiB. */
#define HOME_MAX_SIZE SECRET_MAX

/* Puts the files in place with the owners and modes that libvirt wants, replacing what is there.
 * `packed` NULL: a first start: fresh firmware variables, no TPM state (libvirt makes the TPM).
 * Never while the VM runs: ERR_CLASH when its files are in use. ERR_INPUT: not a packed home. */
bool home_put(const char *uuid, const struct secret *packed, struct err *err);
/* All of the files that are there now, each as it was at one moment, also while the VM runs.
 * ERR_ABSENT: none is there; ERR_AWAY: they change all the time. */
bool home_gather(const char *uuid, struct secret **out, struct err *err);
/* Removes them; not there succeeds. Only when the VM is off and its home is stored. */
bool home_clear(const char *uuid, struct err *err);

struct home_watch;
/* From now on until home_watch_stop: `changed` is called, from a thread of its own, when the files
 * were changed and then quiet for a second, or were changed for five. The files' folders are made
 * if they are not there yet. `uuid` is the VM's. */
bool home_watch_start(const char *uuid, void (*changed)(void *context, const char *uuid),
                      void *context, struct home_watch **out, struct err *err);
/* After it returns `changed` is not called any more. */
void home_watch_stop(struct home_watch *watch);

#endif
