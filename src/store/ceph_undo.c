/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undoing a host's part, in the opposite order: disks' daemons, manager, monitor, their folders,
 * keys, disks, and the settings last, because they say whose all this is. Interrupted, the next run
 * goes on.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "store/ceph.h"
#include "store/ceph_keys.h"

DROP(dir, DIR *, closedir);

/* "ceph-3" and half-made "ceph-3.new" under one folder: each stopped, then removed. */
static bool undo_kind(const struct store_conf *conf, const char *kind, struct err *err)
{
    AUTO(drop_free) char *folder = ceph_path(conf, "/var/lib/ceph/%s", kind);
    AUTO(drop_dir) DIR *dir = opendir(folder);
    const struct dirent *entry = NULL;

    while (dir && (entry = readdir(dir))) {
        const char *id = entry->d_name + strlen("ceph-");
        AUTO(drop_free) char *path = text_make("%s/%s", folder, entry->d_name);

        if (!text_starts(entry->d_name, "ceph-")) {
            continue;
        }
        if ((!strchr(id, '.') && !ceph_daemons(conf)->stop(conf->root, kind, id, err)) ||
            !file_remove_tree(path, err)) {
            return err_add(err, "remove %s.%s", kind, id);
        }
    }
    return true;
}

static bool clear_disks(const struct store_conf *conf, json_t *cleared, struct err *err)
{
    AUTO(drop_free) struct disk *disks = NULL;
    size_t count = 0;

    if (!disk_list(&disks, &count, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!disk_is_ours(&disks[i], conf->cluster)) {
            continue;
        }
        if (!disk_clear(&disks[i], conf->cluster, err)) {
            return false;
        }
        json_array_append_new(cleared, json_string(disks[i].link));
    }
    return true;
}

/* Daemons are only ours to stop where the settings say so. */
static bool undo_daemons(const struct store_conf *conf, struct err *err)
{
    static const char *const kinds[] = {"osd", "mgr", "mon"};
    char cluster[UUID_SIZE];

    if (!ceph_conf_cluster(conf, cluster, err)) {
        return false;
    }
    if (!cluster[0]) {
        return true;
    }
    if (strcmp(cluster, conf->cluster) != 0) {
        return err_set(err, ERR_CLASH, "this host serves cluster %s", cluster);
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (!undo_kind(conf, kinds[i], err)) {
            return false;
        }
    }
    return ceph_keys_remove(conf, err);
}

bool ceph_undo(const struct store_conf *conf, const struct progress *progress, json_t **out_cleared,
               struct err *err)
{
    AUTO(drop_json) json_t *cleared = json_array();
    AUTO(drop_free) char *file = ceph_path(conf, "/etc/ceph/ceph.conf");

    progress_tell(progress, 0, "stop the datastore's daemons");
    if (!undo_daemons(conf, err)) {
        return false;
    }
    progress_tell(progress, 50, "clear the datastore's disks");
    if (!clear_disks(conf, cleared, err) || !file_remove(file, err)) {
        return false;
    }
    progress_tell(progress, 100, "the datastore is gone from this host");
    *out_cleared = TAKE(cleared);
    return true;
}
