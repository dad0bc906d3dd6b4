/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mark: the first 4096 bytes of a disk that quoin wiped, one line of ASCII and zeros. It says
 * whose the disk is from before the wipe until the datastore writes its own label in its place.
 *
 *     quoin-disk-1 <cluster UUID> <host name> <disk UUID>\n
 */
#ifndef QUOIN_STORE_MARK_H
#define QUOIN_STORE_MARK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

#define MARK_SIZE     4096u
#define MARK_MAX_HOST 253u /* a DNS name (RFC 1035) */

struct mark {
    char cluster[UUID_SIZE];
    char host[MARK_MAX_HOST + 1];
    char disk[UUID_SIZE];
};

/* The disk's own UUID: the same for the same cluster and identity. */
void mark_disk_uuid(const char *cluster, const char *identity, char out[UUID_SIZE]);
/* All MARK_SIZE bytes. ERR_INPUT: no UUID, or a host name with other bytes than a DNS name's. */
bool mark_write(const struct mark *mark, unsigned char out[MARK_SIZE], struct err *err);
/* False: there is no mark in it. Strict: any other byte, and it is none. */
bool mark_read(const unsigned char *head, size_t length, struct mark *out);

#endif
