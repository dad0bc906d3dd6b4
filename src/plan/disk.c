/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/disk.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "blueprint/blueprint.h"

const char *disk_cluster(const struct facts_disk *disk)
{
    return disk->mark_cluster[0] ? disk->mark_cluster : disk->store_cluster;
}

static bool derives(const struct facts_disk *disk, const char *cluster_id, const char *kind,
                    const char *name)
{
    AUTO(drop_free) char *identity = text_make("%s%s", kind, name);
    char id[UUID_SIZE];

    uuid_derive(cluster_id, identity, id);
    return name[0] && strcmp(id, disk->store_id) == 0;
}

/* Whether the datastore's id on it is the one that the store gives this disk in this cluster:
 * derived from the best name that the store finds (store/disk_sysfs.c), which is one of these. */
static bool is_member(const struct facts_disk *disk, const char *cluster_id)
{
    static const char by_id[] = "/dev/disk/by-id/";

    if (derives(disk, cluster_id, "wwn-", disk->wwn) ||
        derives(disk, cluster_id, "serial-", disk->serial) ||
        derives(disk, cluster_id, "path-", disk->node)) {
        return true;
    }
    for (size_t i = 0; i < disk->links.count; i++) {
        const char *link = disk->links.items[i];
        const char *name = text_starts(link, by_id) ? link + strlen(by_id) : "";

        if (derives(disk, cluster_id, "id-", name) ||
            (text_starts(name, "wwn-") && derives(disk, cluster_id, "", name))) {
            return true;
        }
    }
    return false;
}

enum disk_owner disk_owner(const struct facts_disk *disk, const char *cluster_id,
                           const struct blueprint_disk *wanted)
{
    const char *cluster = disk_cluster(disk);

    if (!cluster[0] && disk->store_id[0] && cluster_id) {
        bool asked =
            wanted && wanted->by == DISK_BY_UUID && strcmp(wanted->id, disk->store_id) == 0;

        return asked || is_member(disk, cluster_id) ? DISK_OURS : DISK_NOBODY;
    }
    if (!cluster[0]) {
        return DISK_NOBODY;
    }
    return cluster_id && strcmp(cluster, cluster_id) == 0 ? DISK_OURS : DISK_FOREIGN;
}

static bool has_link(const struct facts_disk *disk, const char *link)
{
    for (size_t i = 0; i < disk->links.count; i++) {
        if (strcmp(disk->links.items[i], link) == 0) {
            return true;
        }
    }
    return false;
}

/* udev names its links TYPE-MODEL_SERIAL, TYPE-SERIAL and wwn-WWN: where lsblk knows nothing of a
 * disk, they do. */
static bool link_ends(const struct facts_disk *disk, const char *start, const char *part)
{
    size_t length = strlen(part);

    for (size_t i = 0; i < disk->links.count; i++) {
        const char *link = disk->links.items[i];
        size_t all = strlen(link);

        if (text_starts(link, start) && all > length + strlen(start) - 1 &&
            strcasecmp(link + all - length, part) == 0 &&
            (link[all - length - 1] == '-' || link[all - length - 1] == '_')) {
            return true;
        }
    }
    return false;
}

/* A UUID may be the device's own, that of what lies on it, or, once that was wiped, that of our
 * mark or of the datastore, which are made to be the same. */
static bool has_uuid(const struct facts_disk *disk, const char *uuid)
{
    return strcasecmp(disk->uuid, uuid) == 0 || strcmp(disk->mark_disk, uuid) == 0 ||
           strcmp(disk->store_id, uuid) == 0;
}

static bool is_it(const struct facts_disk *disk, const struct blueprint_disk *wanted)
{
    switch (wanted->by) {
    case DISK_BY_WWN:
        return strcasecmp(disk->wwn, wanted->id) == 0 ||
               link_ends(disk, "/dev/disk/by-id/wwn-", wanted->id);
    case DISK_BY_SERIAL:
        return strcmp(disk->serial, wanted->id) == 0 ||
               link_ends(disk, "/dev/disk/by-id/", wanted->id);
    case DISK_BY_UUID:
        return has_uuid(disk, wanted->id);
    case DISK_BY_PATH:
        return strcmp(disk->node, wanted->id) == 0 || has_link(disk, wanted->id);
    }
    return false;
}

size_t facts_disk_match(const struct facts *facts, const struct blueprint_disk *wanted,
                        const struct facts_disk **out)
{
    const struct facts_disk *first = NULL;
    size_t found = 0;

    for (size_t i = 0; i < facts->disk_count; i++) {
        if (is_it(&facts->disks[i], wanted)) {
            first = found ? first : &facts->disks[i];
            found++;
        }
    }
    *out = first;
    return found;
}
