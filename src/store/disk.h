/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk of this host: found by exactly one of its names, described by facts, and wiped only when
 * everything said about it still holds. A disk that bears another cluster's mark is never wiped,
 * whatever the consent. Works without udev: sysfs, and the links under /dev/disk where there are
 * any. Nothing here changes a disk but disk_wipe and disk_clear.
 */
#ifndef QUOIN_STORE_DISK_H
#define QUOIN_STORE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/base.h"

/* The longest identity, link or serial number that a disk may have; sysfs gives far less. */
#define DISK_TEXT 256

/* As written in a blueprint: exactly one is set. */
struct disk_name {
    const char *wwn; /* "0x5000c50000000101", "eui.…", "naa.…": as sysfs or a wwn- link says */
    const char *serial; /* as sysfs or the end of a by-id link says */
    const char *uuid;   /* of a file system or partition table: /dev/disk/by-uuid, by-partuuid */
    const char *path;   /* a device node or a link to one */
};

enum disk_content {
    DISK_EMPTY,   /* no signature that libblkid knows, and the first MiB is zeros */
    DISK_FOREIGN, /* something that is not ours: `content_name` says what */
    DISK_MEMBER,  /* marked as part of the cluster `cluster` */
};

struct disk {
    char identity[DISK_TEXT]; /* the same however it was named: "wwn-0x…", "serial-…" or "path-…" */
    char node[DISK_TEXT]; /* "/dev/sda": may change with the next boot */
    char link[DISK_TEXT]; /* the most stable link to it; `node` where there is none */
    char wwn[DISK_TEXT], serial[DISK_TEXT], model[DISK_TEXT]; /* "" where unknown */
    dev_t number;
    uint64_t size;          /* bytes */
    unsigned block_size;    /* bytes of a logical sector */
    unsigned physical_size; /* bytes of a physical sector */
    bool rotational, read_only, removable;
    bool mounted; /* it, a part of it, or what stands on it is mounted or swapped to */
    bool held;    /* device-mapper, md or the like stands on it */
    bool root;    /* the running system's root is on it */
    bool busy;    /* the kernel refuses an exclusive open: someone uses it */
    enum disk_content content;
    char content_name[64];   /* "ext4", "gpt", "data": what libblkid calls it */
    char cluster[UUID_SIZE]; /* of the mark; "" without one */
    char host[DISK_TEXT];    /* the host's name in the mark; "" when the mark has none */
    char member[UUID_SIZE];  /* the disk's own UUID in the mark; "" without one */
    char asked[UUID_SIZE];   /* the UUID that it was named by, which it keeps as its own; or "" */
};

/* ERR_INPUT: not exactly one name, or no whole disk; ERR_ABSENT: no such disk; ERR_CLASH: two disks
 * answer to the name. Any of `content` of a disk in use is told as far as it can be read. */
bool disk_find(const struct disk_name *name, struct disk *out, struct err *err);
/* The rules, in one place. True: this cluster may make it its own. `consent` allows foreign
 * content to be wiped. ERR_CLASH: mounted, held, root, busy, foreign without consent, another
 * cluster's (named); ERR_INPUT: read-only or smaller than DISK_MIN. */
bool disk_may_take(const struct disk *disk, const char *cluster, bool consent, struct err *err);

/* Does its mark, or its member's label, name this cluster? */
bool disk_is_ours(const struct disk *disk, const char *cluster);

/* The smallest disk that holds a datastore's own metadata and something besides. */
#define DISK_MIN (4ull << 30)

/* What the plan says about a disk that it wipes; checked again right before. */
struct disk_order {
    struct disk_name name;
    const char *identity; /* of struct disk, when the plan was made; NULL: the name says enough */
    const char *link; /* under /dev/disk/by-id, that led to it when the plan was made; or NULL */
    uint64_t size;
    const char *cluster; /* UUID */
    const char *host;    /* name of this host */
    bool consent;        /* the user allowed this disk's foreign content to go */
};

/* Look: ours already, true. Else check everything again on an exclusively opened disk, write the
 * mark first, then wipe all other signatures; look again. Interrupted anywhere, it can be run
 * again. ERR_CLASH: not what the plan said, or any refusal of disk_may_take. */
bool disk_take(const struct disk_order *order, struct disk *out, struct err *err);
/* The wipe again, of a disk that is ours already and holds nothing yet: back to the mark alone. */
bool disk_take_again(const struct disk_order *order, struct disk *disk, struct err *err);
/* Every whole disk of this host; the caller frees. */
bool disk_list(struct disk **out, size_t *out_count, struct err *err);
/* Only a disk with this cluster's mark, which goes last: first and last 10 MiB zeros, the rest
 * discarded where the device can. ERR_CLASH: not ours, or in use. */
bool disk_clear(const struct disk *disk, const char *cluster, struct err *err);

#endif
