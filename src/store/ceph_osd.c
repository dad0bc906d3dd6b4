/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One OSD a disk. Its UUID is the disk's own, which follows from the cluster and the disk's name,
 * so that a second run, or another host into which the disk was moved, finds the same OSD again. A
 * disk whose label says that it was made whole is never made anew: its folder is written again from
 * the label.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/ceph.h"
#include "store/ceph_label.h"
#include "store/ceph_map.h"
#include "store/mark.h"

#define ACCOUNT "ceph"
#define SECONDS 10u

struct osd {
    unsigned number;
    char uuid[UUID_SIZE];
    char id[16]; /* the number as text */
};

/* The same number for the same UUID, however often it is asked. */
static bool reserve(rados_t cluster, struct osd *osd, struct err *err)
{
    AUTO(drop_json) json_t *answer = NULL;
    int64_t number = 0;

    if (!ceph_command(cluster, json_pack("{ss ss}", "prefix", "osd new", "uuid", osd->uuid),
                      &answer, err) ||
        !json_get_integer(answer, "osdid", 0, INT32_MAX, &number, err)) {
        return err_add(err, "reserve a place for the disk");
    }
    osd->number = (unsigned)number;
    (void)snprintf(osd->id, sizeof(osd->id), "%u", osd->number);
    return true;
}

static bool is_known(rados_t cluster, const char *uuid, bool *out, struct err *err)
{
    AUTO(drop_json) json_t *map = NULL;
    const json_t *disks = NULL, *disk = NULL;
    size_t i;

    if (!ceph_command(cluster, json_pack("{ss}", "prefix", "osd dump"), &map, err) ||
        !json_get_array(map, "osds", CEPH_MAX_DISKS, &disks, err)) {
        return false;
    }
    *out = false;
    json_array_foreach(disks, i, disk)
    {
        *out = *out || strcmp(json_string_or(disk, "uuid", ""), uuid) == 0;
    }
    return true;
}

/* `*out_there` false: the disk has no label. */
static bool read_label(const struct disk *disk, struct ceph_label *out, bool *out_there,
                       struct err *err)
{
    unsigned char head[MARK_SIZE];
    AUTO(drop_fd) int fd = open(disk->node, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return err_errno(err, errno, "open %s", disk->node);
    }
    if (!file_pread(fd, head, sizeof(head), 0, err)) {
        return false;
    }
    *out_there = ceph_label_read(head, sizeof(head), out);
    return true;
}

/* A disk that was made whole and that the cluster does not know has left it, or its cluster was
 * lost and it holds the only copy: what is on it is neither used nor wiped. */
static bool refuse_departed(rados_t cluster, const struct disk *disk, struct err *err)
{
    struct ceph_label label;
    bool there = false, known = false;

    if (!read_label(disk, &label, &there, err)) {
        return false;
    }
    if (!there || !label.whole || !label.ready) {
        return true;
    }
    if (!is_known(cluster, disk->member, &known, err)) {
        return false;
    }
    if (!known) {
        (void)err_set(err, ERR_CLASH,
                      "disk %s (%s) was a member once, and the datastore does not know it any more",
                      disk->identity, disk->node);
        return err_mend(err, "If its host left the cluster, undo what is left on it first.");
    }
    return true;
}

/* Whoever was making it and was killed needs a moment to let it go. */
static bool take_again(const struct disk_order *order, struct disk *disk, struct err *err)
{
    int64_t stop = clock_ms() + 1000 * (int64_t)SECONDS;

    for (;;) {
        struct err busy = {0};

        if (disk_take_again(order, disk, &busy)) {
            return true;
        }
        if (busy.kind != ERR_CLASH || clock_ms() >= stop) {
            return *err = busy, false;
        }
        nanosleep(&(struct timespec){0, 200000000}, NULL);
    }
}

/* What the disk holds: nothing (`*out_ready` false) or this OSD. A start that was interrupted goes
 * back to nothing; a damaged label may have data behind it, and is left alone. */
static bool look_at_label(const struct disk_order *order, struct disk *disk, bool *out_ready,
                          struct err *err)
{
    struct ceph_label label;
    bool there = false;

    if (!read_label(disk, &label, &there, err)) {
        return false;
    }
    *out_ready = false;
    if (!there) {
        return true;
    }
    if (!label.whole) {
        (void)err_set(err, ERR_CLASH, "the label of disk %s (%s) is damaged", disk->identity,
                      disk->node);
        return err_mend(err, "Look at it with ceph-bluestore-tool; or clear the disk by hand if "
                             "nothing on it is needed.");
    }
    *out_ready = label.ready;
    return label.ready || take_again(order, disk, err);
}

static bool own_device(const struct disk *disk, struct err *err)
{
    uid_t user = 0;
    gid_t group = 0;

    return ceph_account(&user, &group, err) &&
           (chown(disk->node, user, group) == 0 ||
            err_errno(err, errno, "give %s to ceph", disk->node));
}

static bool link_block(const struct disk *disk, const char *folder, struct err *err)
{
    AUTO(drop_free) char *block = text_make("%s/block", folder);
    uid_t user = 0;
    gid_t group = 0;

    if (!file_remove(block, err) || !ceph_account(&user, &group, err)) {
        return false;
    }
    return (symlink(disk->link, block) == 0 && lchown(block, user, group) == 0) ||
           err_errno(err, errno, "make '%s'", block);
}

static bool fetch_keyring(rados_t cluster, const struct osd *osd, const char *folder,
                          struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/keyring", folder);
    AUTO(drop_free) char *entity = text_make("osd.%s", osd->id);
    uid_t user = 0;
    gid_t group = 0;

    return ceph_account(&user, &group, err) &&
           ceph_keyring_fetch(cluster, entity,
                              json_pack("[ssssss]", "mon", "allow profile osd", "mgr",
                                        "allow profile osd", "osd", "allow *"),
                              path, user, group, err);
}

static bool prime_folder(const struct disk *disk, const char *folder, struct err *err)
{
    return ceph_program(RUN("setpriv", "--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups",
                            "ceph-bluestore-tool", "prime-osd-dir", "--path", folder, "--dev",
                            disk->link),
                        60, err);
}

static bool make_anew(const struct store_conf *conf, const struct osd *osd, const char *folder,
                      struct err *err)
{
    AUTO(drop_free) char *file = ceph_path(conf, "/etc/ceph/ceph.conf");
    AUTO(drop_free) char *keyring = text_make("%s/keyring", folder);

    return ceph_program(RUN("ceph-osd", "-c", file, "-i", osd->id, "--mkfs", "--osd-uuid",
                            osd->uuid, "--osd-data", folder, "--keyring", keyring, "--setuser",
                            ACCOUNT, "--setgroup", ACCOUNT),
                        ceph_seconds(conf), err);
}

static bool make_folder(const struct store_conf *conf, const struct disk_order *order,
                        rados_t cluster, const struct osd *osd, struct disk *disk, struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "/var/lib/ceph/osd/ceph-%s", osd->id);
    AUTO(drop_free) char *beside = text_make("%s.new", path);
    bool ready = false;

    if (file_exists(path)) {
        return link_block(disk, path, err);
    }
    if (!look_at_label(order, disk, &ready, err) || !ceph_folder(beside, true, err) ||
        !fetch_keyring(cluster, osd, beside, err) || !link_block(disk, beside, err) ||
        !own_device(disk, err) ||
        !(ready ? prime_folder(disk, beside, err) : make_anew(conf, osd, beside, err))) {
        return err_add(err, "make disk %s a member", disk->identity);
    }
    return rename(beside, path) == 0 || err_errno(err, errno, "make '%s'", path);
}

bool ceph_osd_make(const struct store_conf *conf, const struct disk_order *order,
                   const struct progress *progress, unsigned *out_member, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    struct osd osd;
    struct disk disk;

    progress_tell(progress, 0, "take the disk");
    if (!disk_take(order, &disk, err)) {
        return false;
    }
    memcpy(osd.uuid, disk.member, sizeof(osd.uuid));
    progress_tell(progress, 20, "make the disk a member");
    if (!ceph_connect(conf, CEPH_ADMIN, SECONDS, &cluster, err) ||
        !refuse_departed(cluster, &disk, err) || !reserve(cluster, &osd, err) ||
        !make_folder(conf, order, cluster, &osd, &disk, err) ||
        !ceph_leave_undo_host(cluster, conf->host, err) ||
        !ceph_leave_undo_disk(cluster, osd.number, order->size, err)) {
        return false;
    }
    progress_tell(progress, 80, "start the disk's daemon");
    if (!ceph_daemons(conf)->start(conf->root, "osd", osd.id, disk.link, err)) {
        return false;
    }
    *out_member = osd.number;
    progress_tell(progress, 100, "the disk is a member");
    return true;
}
