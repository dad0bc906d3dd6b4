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
 *   "QFILES1\n" then for each file: "NAME LENGTH\n" and LENGTH bytes
 *
 * The folders belong to users that QEMU and swtpm run as, so nothing here follows a symbolic link
 * or reads what is no plain file.
 */
#ifndef QUOIN_HV_FILES_H
#define QUOIN_HV_FILES_H

#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

/* Root's own folder in memory; tmpfiles.d makes it (dist/host/quoin.tmpfiles). */
#define FILES_NVRAM_FOLDER "/run/quoin-vm"
#define FILES_NVRAM_FILE   "nvram.fd"

/* A variable store of OVMF's 4 MB builds is 528 KiB, a TPM's state at most 40 KiB. */
#define FILES_MAX_SIZE SECRET_MAX

/* Puts the files in place with the owners and modes that libvirt wants, replacing what is there.
 * `packed` NULL: a first start: fresh firmware variables, no TPM state (libvirt makes the TPM).
 * ERR_CLASH: the VM runs, its files are in use. ERR_INPUT: not what files_gather gave. */
bool files_put(const char *uuid, const struct secret *packed, struct err *err);
/* All of the files that are there now, each as it was at one moment, also while the VM runs.
 * ERR_ABSENT: none is there; ERR_AWAY: they change all the time. */
bool files_gather(const char *uuid, struct secret **out, struct err *err);
/* Removes them; not there succeeds. Only when the VM is off and its home is stored. */
bool files_clear(const char *uuid, struct err *err);

struct files_watch;
/* Until files_watch_stop `changed` is called, from a thread of its own: once soon after the start,
 * for what changed before, and then whenever the files were changed and quiet for a second, or were
 * changed for five. Folders that are not there yet are made. */
bool files_watch_start(const char *uuid, void (*changed)(void *context, const char *uuid),
                       void *context, struct files_watch **out, struct err *err);
/* After it returns `changed` is not called any more. */
void files_watch_stop(struct files_watch *watch);

#endif
