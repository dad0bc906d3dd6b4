/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/check_disk.h"

#include <string.h>

#include "plan/disk.h"

/* Sectors of the encryption are this large; a disk with larger blocks cannot write one alone. */
#define BLOCK_MAX 4096
/* Ceph says "nearfull" at this share, and nobody should plan beyond it. */
#define ROOM_PERCENT 85

/* One disk under check. */
struct subject {
    const struct blueprint_disk *wanted;
    const struct facts_disk *disk;
    char part[32]; /* ".disks[1]" */
};

static bool same(const struct facts_disk *a, const struct facts_disk *b)
{
    return a->major == b->major && a->minor == b->minor;
}

static bool named_before(struct finder *finder, const struct subject *subject)
{
    for (const struct blueprint_disk *other = finder->host->disks; other < subject->wanted;
         other++) {
        const struct facts_disk *disk = NULL;

        if (facts_disk_match(finder->facts, other, &disk) == 1 && same(disk, subject->disk)) {
            find(finder, SEVERITY_ERROR, subject->part, "name each disk once",
                 "%s '%s' and %s '%s' are one disk (%s)", disk_by_name(subject->wanted->by),
                 subject->wanted->id, disk_by_name(other->by), other->id, disk->node);
            return true;
        }
    }
    return false;
}

static void check_use(struct finder *finder, const struct subject *subject)
{
    const struct facts_disk *disk = subject->disk;
    bool ours = disk_owner(disk, finder->cluster_id, subject->wanted) == DISK_OURS;

    if (disk->root) {
        find_kind(finder, ERR_CLASH, subject->part, "name another disk",
                  "%s is the disk that '%s' itself runs from", disk->node, finder->host->name);
    } else if (disk->mounted) {
        find_kind(finder, ERR_CLASH, subject->part, "unmount it if it is the right one",
                  "%s is mounted", disk->node);
    } else if (disk->busy && !ours) {
        find_kind(finder, ERR_CLASH, subject->part,
                  "end what uses it: lsblk and lsof show what that is", "%s is in use", disk->node);
    }
    if (disk->read_only) {
        find(finder, SEVERITY_ERROR, subject->part, "name another disk", "%s is read-only",
             disk->node);
    }
}

static void check_content(struct finder *finder, const struct subject *subject)
{
    const struct facts_disk *disk = subject->disk;
    const char *holds = disk->signature[0] ? disk->signature : "data of an unknown kind";

    switch (disk_owner(disk, finder->cluster_id, subject->wanted)) {
    case DISK_OURS:
        return;
    case DISK_FOREIGN:
        find_kind(
            finder, ERR_CLASH, subject->part,
            "destroy that cluster first, or name the --state folder that it was deployed with; "
            "if it is gone for good: wipefs -a, and zero the disk's first 4 MiB",
            "%s belongs to another cluster (%s)", disk->node, disk_cluster(disk));
        return;
    case DISK_NOBODY:
        break;
    }
    if (!disk->signature[0] && disk->zero) {
        return;
    }
    if (subject->wanted->wipe) {
        find(finder, SEVERITY_WARNING, subject->part, "look twice whether it is the right one",
             "%s holds %s, which will be gone", disk->node, holds);
    } else {
        find_kind(finder, ERR_CLASH, subject->part,
                  "if it is the right one and nothing on it is needed, write wipe: true beside it",
                  "%s holds %s", disk->node, holds);
    }
}

static void check_shape(struct finder *finder, const struct subject *subject)
{
    const struct facts_disk *disk = subject->disk;
    char has[16], need[16];

    if (disk->bytes < PLAN_DISK_MIN_BYTES) {
        find(finder, SEVERITY_ERROR, subject->part, "name a larger disk",
             "%s has %s; the datastore needs %s of a disk", disk->node, text_size(disk->bytes, has),
             text_size(PLAN_DISK_MIN_BYTES, need));
    }
    if (disk->logical > BLOCK_MAX) {
        find(finder, SEVERITY_ERROR, subject->part, "name another disk",
             "%s has blocks of %u bytes; at most %u are fine", disk->node, disk->logical,
             BLOCK_MAX);
    }
    find(finder, SEVERITY_INFO, subject->part, "", "%s: %s, blocks of %u/%u bytes, %s%s%s",
         disk->node, text_size(disk->bytes, has), disk->logical, disk->physical,
         disk->rotational ? "rotational" : "not rotational", disk->model[0] ? ", " : "",
         disk->model);
}

static void check_disk(struct finder *finder, struct subject *subject)
{
    size_t found = facts_disk_match(finder->facts, subject->wanted, &subject->disk);

    if (found != 1) {
        find(finder, SEVERITY_ERROR, subject->part,
             found ? "name it by something that only it has"
                   : "lsblk -o NAME,SIZE,WWN,SERIAL on the host shows its disks",
             "'%s' has %s disk with the %s '%s'", finder->host->name,
             found ? "more than one" : "no", disk_by_name(subject->wanted->by),
             subject->wanted->id);
        find_mark(finder, found ? ERR_INPUT : ERR_ABSENT);
        return;
    }
    if (!named_before(finder, subject)) {
        check_use(finder, subject);
        check_content(finder, subject);
        check_shape(finder, subject);
    }
}

void check_disks(struct finder *finder)
{
    for (size_t i = 0; i < finder->host->disk_count; i++) {
        struct subject subject = {.wanted = &finder->host->disks[i]};

        (void)snprintf(subject.part, sizeof(subject.part), ".disks[%zu]", i);
        check_disk(finder, &subject);
    }
}

/* What the host's disks can hold; those that are not found are left out, they have their finding.
 */
static uint64_t room_of(const struct blueprint_host *host, const struct facts *facts)
{
    uint64_t room = 0;

    for (size_t i = 0; i < host->disk_count; i++) {
        const struct facts_disk *disk = NULL;

        if (facts_disk_match(facts, &host->disks[i], &disk) == 1) {
            room += disk->bytes / 100 * ROOM_PERCENT;
        }
    }
    return room;
}

/* The pool is thin: what must fit now is the image; what may be written one day is all disks. */
static void say_room(const struct blueprint *blueprint, struct findings *findings, uint64_t room,
                     uint64_t need)
{
    AUTO(drop_free) char *what = NULL;
    char now[16], later[16], has[16];
    unsigned copies = blueprint->datastore.replicas;

    if (room < blueprint->manager.image_bytes * copies) {
        what = text_make("the manager's image, in %u cop%s, is %s; the disks have room for %s",
                         copies, copies == 1 ? "y" : "ies",
                         text_size(blueprint->manager.image_bytes * copies, now),
                         text_size(room, has));
        blueprint_find(blueprint, findings, SEVERITY_ERROR, "datastore", what,
                       "name more or larger disks, or keep fewer copies");
    } else if (room < need * copies) {
        what = text_make("the manager's disks, in %u cop%s, may grow to %s; the disks have room "
                         "for %s",
                         copies, copies == 1 ? "y" : "ies", text_size(need * copies, later),
                         text_size(room, has));
        blueprint_find(blueprint, findings, SEVERITY_WARNING, "datastore", what,
                       "name more or larger disks before it does");
    }
}

void check_room(const struct blueprint *blueprint, const struct host_answer *answers,
                struct findings *findings)
{
    uint64_t need = 0, room = 0;

    for (size_t i = 0; i < blueprint->manager.disk_count; i++) {
        need += blueprint->manager.disks[i].bytes;
    }
    for (size_t i = 0; i < blueprint->host_count; i++) {
        if (!answers[i].facts) {
            return; /* nobody knows */
        }
        room += room_of(&blueprint->hosts[i], answers[i].facts);
    }
    say_room(blueprint, findings, room, need);
}
