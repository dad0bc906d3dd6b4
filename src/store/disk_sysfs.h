/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of the disks of this host, without udev: /sys/dev/block, the links under
 * /dev/disk, /proc/self/mountinfo and /proc/swaps. Nothing here opens a device.
 */
#ifndef QUOIN_STORE_DISK_SYSFS_H
#define QUOIN_STORE_DISK_SYSFS_H

#include "store/disk.h"

/* More disks than any host of the field has, partitions included. */
#define DISK_MAX 4096u

/* Everything but content, `busy` and sizes that need an open device. ERR_INPUT: not a whole disk.
 */
bool disk_sysfs_describe(dev_t number, struct disk *out, struct err *err);
/* Numbers of all whole disks; the caller frees. */
bool disk_sysfs_list(dev_t **out, size_t *out_count, struct err *err);
/* The disk a link of this name in this folder under /dev/disk points to; 0: none. */
dev_t disk_sysfs_link(const char *folder, const char *name);

/* "naa.5000c500…", "0x5000c500…" and "wwn-0x5000c500…" are the same name. Pure. */
bool disk_wwn_same(const char *a, const char *b);
/* Does "ata-QEMU_HARDDISK_QM00001" or "scsi-quoin-h1-2" end with this serial number? Pure. */
bool disk_link_has_serial(const char *link, const char *serial);

#endif
