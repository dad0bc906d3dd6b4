/* SPDX-License-Identifier: Apache-2.0 */
#include "store/disk.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "store/disk_sysfs.h"
#include "store/mark.h"
#include "store/store.h"

/* What signatures live in: partition tables, file systems, RAID members at either end. */
#define EDGE  (10ull << 20)
#define PIECE (1u << 20)

#define DISK_BY_ID "/dev/disk/by-id/"

DROP(probe, blkid_probe, blkid_free_probe);

static bool is_zero(const unsigned char *bytes, size_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

/* Ours or another cluster's: our mark, or the label that a datastore put in its place. */
static bool read_member(const unsigned char *head, struct disk *disk)
{
    struct mark mark;

    if (mark_read(head, MARK_SIZE, &mark)) {
        memcpy(disk->cluster, mark.cluster, sizeof(mark.cluster));
        memcpy(disk->host, mark.host, strlen(mark.host) + 1);
        memcpy(disk->member, mark.disk, sizeof(mark.disk));
        (void)snprintf(disk->content_name, sizeof(disk->content_name), "quoin");
        return true;
    }
    for (size_t i = 0; stores[i]; i++) {
        if (stores[i]->label(head, MARK_SIZE, disk->cluster, disk->member)) {
            (void)snprintf(disk->content_name, sizeof(disk->content_name), "%s", stores[i]->type);
            return true;
        }
    }
    return false;
}

/* What libblkid's low-level probe finds; "" when nothing. Doubtful is foreign. */
static bool probe_content(int fd, char out[64], struct err *err)
{
    AUTO(drop_probe) blkid_probe probe = blkid_new_probe();
    const char *type = NULL;

    if (!probe || blkid_probe_set_device(probe, fd, 0, 0) != 0) {
        return err_set(err, ERR_SYSTEM, "libblkid cannot look at it");
    }
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe,
                                      BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE | BLKID_SUBLKS_MAGIC);
    blkid_probe_enable_partitions(probe, 1);
    int found = blkid_do_safeprobe(probe);

    if (found == -1) {
        return err_set(err, ERR_SYSTEM, "libblkid failed to look at it");
    }
    if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) != 0 &&
        blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL) != 0) {
        type = found == 1 ? "" : "several signatures";
    }
    (void)snprintf(out, 64, "%s", type);
    return true;
}

static bool read_content(int fd, struct disk *disk, struct err *err)
{
    AUTO(drop_free) unsigned char *head = text_room(1, PIECE);

    if (disk->size < PIECE) {
        disk->content = DISK_FOREIGN;
        return true;
    }
    if (!file_pread(fd, head, PIECE, 0, err)) {
        return false;
    }
    if (read_member(head, disk)) {
        disk->content = DISK_MEMBER;
        return true;
    }
    if (!probe_content(fd, disk->content_name, err)) {
        return false;
    }
    if (!disk->content_name[0] && !is_zero(head, PIECE)) {
        (void)snprintf(disk->content_name, sizeof(disk->content_name), "data");
    }
    disk->content = disk->content_name[0] ? DISK_FOREIGN : DISK_EMPTY;
    return true;
}

static bool disk_describe(dev_t number, struct disk *out, struct err *err)
{
    struct disk disk;

    if (!disk_sysfs_describe(number, &disk, err)) {
        return false;
    }
    AUTO(drop_fd) int fd = open(disk.node, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && errno == EBUSY) {
        disk.busy = true;
        fd = open(disk.node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0) {
        return err_errno(err, errno, "open %s", disk.node);
    }
    if (!read_content(fd, &disk, err)) {
        return err_add(err, "look at %s", disk.node);
    }
    *out = disk;
    return true;
}

static bool uuid_is_on(const char *node, const char *uuid)
{
    AUTO(drop_probe) blkid_probe probe = blkid_new_probe_from_filename(node);
    const char *value = NULL;

    if (!probe) {
        return false;
    }
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_UUID | BLKID_SUBLKS_TYPE);
    blkid_probe_enable_partitions(probe, 1);
    (void)blkid_do_safeprobe(probe);
    return (blkid_probe_lookup_value(probe, "UUID", &value, NULL) == 0 &&
            strcasecmp(value, uuid) == 0) ||
           (blkid_probe_lookup_value(probe, "PTUUID", &value, NULL) == 0 &&
            strcasecmp(value, uuid) == 0);
}

static bool answers_to(const struct disk *disk, const struct disk_name *name)
{
    const char *link = strrchr(disk->link, '/') + 1;

    if (name->wwn) {
        return disk_wwn_same(disk->wwn, name->wwn);
    }
    if (name->serial) {
        return strcmp(disk->serial, name->serial) == 0 ||
               (text_starts(disk->link, "/dev/disk/by-id/") &&
                disk_link_has_serial(link, name->serial));
    }
    return strcasecmp(disk->member, name->uuid) == 0 || uuid_is_on(disk->node, name->uuid);
}

/* Any link under by-id that ends with the serial number; the best one need not be it. */
static bool has_serial_link(dev_t number, const char *serial)
{
    static const char *const starts[] = {"scsi-", "ata-", "nvme-", "virtio-"};
    bool found = false;

    for (size_t i = 0; !found && i < COUNT_OF(starts); i++) {
        AUTO(drop_free) char *name = text_make("%s%s", starts[i], serial);

        found = disk_sysfs_link("by-id", name) == number;
    }
    return found;
}

static bool find_by_looking(const struct disk_name *name, struct disk *out, struct err *err)
{
    AUTO(drop_free) dev_t *numbers = NULL;
    size_t count = 0, found = 0;
    struct err ignored = {0};

    if (!disk_sysfs_list(&numbers, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct disk disk;

        if (!disk_describe(numbers[i], &disk, &ignored)) {
            continue;
        }
        if (answers_to(&disk, name) ||
            (name->serial && has_serial_link(numbers[i], name->serial))) {
            *out = disk;
            found++;
        }
    }
    if (found > 1) {
        (void)err_set(err, ERR_CLASH, "%zu disks answer to it", found);
        return err_mend(err, "Name the disk by another of its names.");
    }
    return found == 1 || err_set(err, ERR_ABSENT, "no disk of this host answers to it");
}

static bool find_by_path(const char *path, struct disk *out, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return err_errno(err, errno, "find it");
    }
    return S_ISBLK(st.st_mode) ? disk_describe(st.st_rdev, out, err)
                               : err_set(err, ERR_INPUT, "it is no block device");
}

bool disk_find(const struct disk_name *name, struct disk *out, struct err *err)
{
    const char *const names[] = {name->wwn, name->serial, name->uuid, name->path};
    static const char *const kinds[] = {"wwn", "serial", "uuid", "path"};
    const char *given = NULL, *kind = NULL;
    struct disk disk;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (names[i] && given) {
            return err_set(err, ERR_INPUT, "a disk has exactly one name: %s or %s", kind, kinds[i]);
        }
        kind = names[i] ? kinds[i] : kind;
        given = names[i] ? names[i] : given;
    }
    if (!given || !given[0] || strlen(given) >= DISK_TEXT) {
        return err_set(err, ERR_INPUT, "a disk needs a name: wwn, serial, uuid or path");
    }
    if (!(name->path ? find_by_path(given, &disk, err) : find_by_looking(name, &disk, err))) {
        return err_add(err, "disk %s '%s'", kind, given);
    }
    if (name->uuid && uuid_valid(name->uuid)) {
        (void)snprintf(disk.asked, sizeof(disk.asked), "%s", name->uuid);
    }
    *out = disk;
    return true;
}

bool disk_list(struct disk **out, size_t *out_count, struct err *err)
{
    AUTO(drop_free) dev_t *numbers = NULL;
    size_t count = 0, found = 0;
    struct err ignored = {0};

    if (!disk_sysfs_list(&numbers, &count, err)) {
        return false;
    }
    AUTO(drop_free) struct disk *disks = text_room(count + 1, sizeof(*disks));

    for (size_t i = 0; i < count; i++) {
        found += disk_describe(numbers[i], &disks[found], &ignored);
    }
    *out = TAKE(disks);
    *out_count = found;
    return true;
}

/* The UUID of what lay on a disk goes with the wipe: so the disk takes it over, and the next run
 * finds it by the same name. */
static void own_uuid(const struct disk *disk, const char *cluster, char out[UUID_SIZE])
{
    if (disk->asked[0]) {
        memcpy(out, disk->asked, UUID_SIZE);
    } else {
        mark_disk_uuid(cluster, disk->identity, out);
    }
}

/* A member whose label does not say its cluster yet (an interrupted start) is known by its UUID. */
bool disk_is_ours(const struct disk *disk, const char *cluster)
{
    char member[UUID_SIZE];

    own_uuid(disk, cluster, member);
    return disk->content == DISK_MEMBER && strcmp(disk->cluster[0] ? disk->cluster : disk->member,
                                                  disk->cluster[0] ? cluster : member) == 0;
}

static bool refuse(struct err *err, enum err_kind kind, const struct disk *disk, const char *why,
                   const char *remedy)
{
    (void)err_set(err, kind, "disk %s (%s) %s", disk->identity, disk->node, why);
    return err_mend(err, "%s", remedy);
}

static bool may_wipe_content(const struct disk *disk, const char *cluster, bool consent,
                             struct err *err)
{
    if (disk->content == DISK_MEMBER && !disk_is_ours(disk, cluster)) {
        (void)err_set(err, ERR_CLASH, "disk %s (%s) belongs to cluster %s%s%s", disk->identity,
                      disk->node, disk->cluster[0] ? disk->cluster : "(unknown)",
                      disk->host[0] ? " of host " : "", disk->host);
        return err_mend(err, "Choose another disk; or destroy that cluster first, or clear the "
                             "disk by hand if nothing on it is needed.");
    }
    if (disk->content == DISK_FOREIGN && !consent) {
        (void)err_set(err, ERR_CLASH, "disk %s (%s) is not empty: %s", disk->identity, disk->node,
                      disk->content_name);
        return err_mend(err, "Save what is on it and allow it to be wiped, or choose another.");
    }
    return true;
}

bool disk_may_take(const struct disk *disk, const char *cluster, bool consent, struct err *err)
{
    bool ours = disk_is_ours(disk, cluster);

    if (disk->root) {
        return refuse(err, ERR_CLASH, disk, "holds the running system", "Choose another disk.");
    }
    if (disk->mounted || disk->held || (disk->busy && !ours)) {
        return refuse(err, ERR_CLASH, disk,
                      disk->mounted ? "is mounted or swapped to"
                      : disk->held  ? "carries volumes in use (device-mapper, RAID)"
                                    : "is in use",
                      "Free it first, or choose another disk.");
    }
    if (disk->read_only) {
        return refuse(err, ERR_INPUT, disk, "is read-only", "Choose another disk.");
    }
    if (disk->size < DISK_MIN) {
        return refuse(err, ERR_INPUT, disk, "is too small", "Choose a disk of 4 GiB or more.");
    }
    return may_wipe_content(disk, cluster, consent, err);
}

static bool leads_to(const char *link, const struct disk *disk)
{
    struct stat st;

    return text_starts(link, DISK_BY_ID) && stat(link, &st) == 0 && S_ISBLK(st.st_mode) &&
           st.st_rdev == disk->number;
}

/* The same disk as the plan saw? A device node may have gone to another disk since. */
static bool is_as_ordered(const struct disk *disk, const struct disk_order *order, struct err *err)
{
    if (order->identity && strcmp(disk->identity, order->identity) != 0) {
        return err_set(err, ERR_CLASH, "disk %s is now %s", order->identity, disk->identity) ||
               err_mend(err, "Plan again.");
    }
    if (order->link && !leads_to(order->link, disk)) {
        (void)err_set(err, ERR_CLASH,
                      "%s is not the disk it was when it was planned: %s leads "
                      "elsewhere now",
                      disk->node, order->link);
        return err_mend(err, "Plan again.");
    }
    if (order->size && disk->size != order->size) {
        (void)err_set(err, ERR_CLASH, "disk %s (%s) has %llu bytes, not %llu as planned",
                      disk->identity, disk->node, (unsigned long long)disk->size,
                      (unsigned long long)order->size);
        return err_mend(err, "Plan again.");
    }
    return true;
}

static bool zero(int fd, uint64_t from, uint64_t to, struct err *err)
{
    AUTO(drop_free) unsigned char *zeros = text_room(1, PIECE);

    while (from < to) {
        size_t length = to - from < PIECE ? (size_t)(to - from) : PIECE;

        if (!file_pwrite(fd, zeros, length, (off_t)from, err)) {
            return false;
        }
        from += length;
    }
    return true;
}

static bool sync_disk(int fd, struct err *err)
{
    return fdatasync(fd) == 0 || err_errno(err, errno, "bring it to stable storage");
}

/* The device opened so that nobody else can use it, and still the same one. */
static bool open_alone(const struct disk *disk, int *out_fd, struct err *err)
{
    AUTO(drop_fd) int fd = open(disk->node, O_RDWR | O_EXCL | O_CLOEXEC);
    uint64_t size = 0;
    struct stat st;

    if (fd < 0) {
        return errno == EBUSY ? refuse(err, ERR_CLASH, disk, "is in use", "Free it first.")
                              : err_errno(err, errno, "open %s", disk->node);
    }
    if (fstat(fd, &st) != 0 || !S_ISBLK(st.st_mode) || st.st_rdev != disk->number ||
        ioctl(fd, BLKGETSIZE64, &size) != 0 || size != disk->size) {
        return err_set(err, ERR_CLASH, "%s changed while it was looked at", disk->node);
    }
    *out_fd = TAKE_FD(fd);
    return true;
}

static bool write_mark(int fd, const struct disk *disk, const struct disk_order *order,
                       struct err *err)
{
    struct mark mark = {.cluster = ""};
    unsigned char head[MARK_SIZE];

    (void)snprintf(mark.cluster, sizeof(mark.cluster), "%s", order->cluster);
    (void)snprintf(mark.host, sizeof(mark.host), "%s", order->host);
    own_uuid(disk, order->cluster, mark.disk);
    return mark_write(&mark, head, err) && file_pwrite(fd, head, MARK_SIZE, 0, err) &&
           sync_disk(fd, err);
}

/* Only with the exclusive hold on it: content again, rules again, then the mark, then the rest. */
static bool wipe(int fd, const struct disk_order *order, struct disk *disk, struct err *err)
{
    disk->cluster[0] = disk->host[0] = disk->member[0] = disk->content_name[0] = '\0';
    disk->busy = false;
    if (!read_content(fd, disk, err) || !disk_may_take(disk, order->cluster, order->consent, err) ||
        !write_mark(fd, disk, order, err) || !zero(fd, MARK_SIZE, EDGE, err) ||
        !zero(fd, disk->size - EDGE, disk->size, err) || !sync_disk(fd, err)) {
        return false;
    }
    (void)ioctl(fd, BLKRRPART, 0); /* forget old partitions; disks without any say no */
    return true;
}

/* With a member's label in place of the mark nothing is left to wipe. */
static bool is_taken(const struct disk *disk, const char *cluster)
{
    return disk_is_ours(disk, cluster) && strcmp(disk->content_name, "quoin") != 0;
}

bool disk_take_again(const struct disk_order *order, struct disk *disk, struct err *err)
{
    AUTO(drop_fd) int fd = -1;

    return (disk_is_ours(disk, order->cluster) ||
            err_set(err, ERR_BUG, "disk %s is not ours", disk->identity)) &&
           open_alone(disk, &fd, err) && wipe(fd, order, disk, err);
}

bool disk_take(const struct disk_order *order, struct disk *out, struct err *err)
{
    AUTO(drop_fd) int fd = -1;
    struct disk disk;

    if (!disk_find(&order->name, &disk, err) || !is_as_ordered(&disk, order, err) ||
        !disk_may_take(&disk, order->cluster, order->consent, err)) {
        return false;
    }
    if (!is_taken(&disk, order->cluster)) {
        if (!open_alone(&disk, &fd, err)) {
            return false;
        }
        if (!wipe(fd, order, &disk, err)) {
            return err_add(err, "wipe disk %s (%s)", disk.identity, disk.node);
        }
        char asked[UUID_SIZE];

        memcpy(asked, disk.asked, sizeof(asked));
        if (!disk_describe(disk.number, &disk, err)) {
            return false;
        }
        memcpy(disk.asked, asked, sizeof(asked));
        disk.busy = false;
    }
    if (!disk_is_ours(&disk, order->cluster)) {
        return err_set(err, ERR_SYSTEM, "disk %s (%s) does not keep what is written to it",
                       disk.identity, disk.node);
    }
    *out = disk;
    return true;
}

bool disk_clear(const struct disk *disk, const char *cluster, struct err *err)
{
    AUTO(drop_fd) int fd = -1;
    struct disk now = *disk;
    uint64_t range[2] = {EDGE, disk->size - 2 * EDGE};

    if (!open_alone(disk, &fd, err) || !read_content(fd, &now, err)) {
        return false;
    }
    if (!disk_is_ours(&now, cluster)) {
        return err_set(err, ERR_CLASH, "disk %s (%s) is not of this cluster", disk->identity,
                       disk->node);
    }
    (void)ioctl(fd, BLKDISCARD, range); /* a courtesy: what it held was ciphertext */
    if (!zero(fd, disk->size - EDGE, disk->size, err) || !zero(fd, MARK_SIZE, EDGE, err) ||
        !sync_disk(fd, err) || !zero(fd, 0, MARK_SIZE, err) || !sync_disk(fd, err)) {
        return err_add(err, "clear disk %s (%s)", disk->identity, disk->node);
    }
    return true;
}
