/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The label that BlueStore keeps in the first 4096 bytes of a disk (bluestore_bdev_label_t of Ceph
 * 16): a readable line with the OSD's UUID, then the encoded struct with a table of names and
 * values, and a CRC-32C. Bytes of a disk are the world's: nothing in them is trusted. Pure.
 */
#ifndef QUOIN_STORE_CEPH_LABEL_H
#define QUOIN_STORE_CEPH_LABEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/uuid.h"

struct ceph_label {
    char osd[UUID_SIZE];
    char cluster[UUID_SIZE]; /* "" while ceph-osd --mkfs has not come so far */
    char number[16];         /* "whoami"; "" likewise */
    bool whole;              /* struct and checksum are right; otherwise only `osd` is known */
    bool ready;              /* ceph-osd --mkfs came to its end: there may be data */
};

/* False: no such label. */
bool ceph_label_read(const unsigned char *head, size_t length, struct ceph_label *out);

#endif
