/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the images under a running VM. libvirt's own block copy would do for plain images, but
 * its version 9.0 hands QEMU the key of an image that librbd decrypts only after it has told QEMU
 * to open it, so QEMU refuses. Therefore QEMU itself is spoken to, by way of libvirt: a dirty
 * bitmap on the old image, the new image as a second block node, incremental backups from one to
 * the other, and at last another node for the device. libvirt goes on naming the old image in the
 * running VM's XML; which images it has is asked of QEMU (`image`).
 */
#include <string.h>
#include <time.h>

#include "hv/libvirt.h"
#include "hv/nodes.h"

/* While waiting for a job of QEMU's. */
#define LOOK_NS 50000000

/* A running VM and what QEMU says of its nodes. */
struct guest {
    virConnectPtr connection;
    virDomainPtr domain; /* NULL: there is no such VM */
    json_t *nodes;
};

static void drop_guest(struct guest *guest)
{
    json_decref(guest->nodes);
    drop_domain(&guest->domain);
    drop_connection(&guest->connection);
}

static bool guest_look(struct guest *guest, struct err *err)
{
    json_decref(TAKE(guest->nodes));
    return libvirt_monitor(guest->domain, "query-named-block-nodes", json_pack("{s:b}", "flat", 1),
                           &guest->nodes, err);
}

static bool guest_open(struct hv *hv, const char *uuid, struct guest *out, struct err *err)
{
    return libvirt_connection(hv, &out->connection, err) &&
           libvirt_find(out->connection, uuid, &out->domain, err) &&
           (!out->domain || guest_look(out, err));
}

static bool guest_need(struct hv *hv, const char *uuid, struct guest *out, struct err *err)
{
    return guest_open(hv, uuid, out, err) &&
           (out->domain || err_set(err, ERR_ABSENT, "the virtual machine does not run"));
}

/* The guest's device of a disk: libvirt's alias in QEMU's tree. */
static char *device_path(unsigned disk)
{
    return text_make("/machine/peripheral/virtio-disk%u", disk);
}

/* The node that the device uses; the caller frees. */
static bool node_of(const struct guest *guest, unsigned disk, char **out, struct err *err)
{
    AUTO(drop_free) char *path = device_path(disk);
    AUTO(drop_json) json_t *answer = NULL;

    if (!libvirt_monitor(guest->domain, "qom-get",
                         json_pack("{s:s, s:s}", "path", path, "property", "drive"), &answer,
                         err)) {
        return false;
    }
    *out = text_copy(json_string_value(answer));
    return (*out && **out) || err_set(err, ERR_ABSENT, "the virtual machine has no disk %u", disk);
}

static void bitmap_remove(const struct guest *guest, const char *node)
{
    struct err none = {0};

    (void)libvirt_monitor(guest->domain, "block-dirty-bitmap-remove",
                          json_pack("{s:s, s:s}", "node", node, "name", NODES_BITMAP), NULL, &none);
}

static bool copy_track(struct hv *hv, const char *uuid, unsigned disk, struct err *err)
{
    AUTO(drop_guest) struct guest guest = {0};
    AUTO(drop_free) char *node = NULL;

    if (!guest_need(hv, uuid, &guest, err) || !node_of(&guest, disk, &node, err)) {
        return false;
    }
    bitmap_remove(&guest, node);
    return libvirt_monitor(guest.domain, "block-dirty-bitmap-add",
                           json_pack("{s:s, s:s}", "node", node, "name", NODES_BITMAP), NULL, err);
}

static void object_remove(const struct guest *guest, const char *node, const char *ending)
{
    AUTO(drop_free) char *id = text_make("%s-%s", node, ending);
    struct err none = {0};

    (void)libvirt_monitor(guest->domain, "object-del", json_pack("{s:s}", "id", id), NULL, &none);
}

/* The keys are needed while QEMU opens the image, and not after. */
static bool node_add(const struct guest *guest, const struct hv_target *target, const char *node,
                     struct err *err)
{
    AUTO(drop_free) char *key = text_make("%s-key", node);
    AUTO(drop_free) char *auth = text_make("%s-auth", node);
    AUTO(drop_secret) struct secret *storage = NULL;
    json_t *order = NULL;
    bool added = libvirt_storage_bytes(target->storage_key, &storage, err) &&
                 libvirt_monitor_secret(guest->domain, auth, storage, err) &&
                 libvirt_monitor_secret(guest->domain, key, target->key, err) &&
                 nodes_order(target, &order, err) &&
                 libvirt_monitor(guest->domain, "blockdev-add", order, NULL, err);

    object_remove(guest, node, "key");
    object_remove(guest, node, "auth");
    return added;
}

static bool copy_add(struct hv *hv, const char *uuid, const struct hv_target *target,
                     struct err *err)
{
    AUTO(drop_guest) struct guest guest = {0};
    char node[NODES_NAME];

    nodes_name(target->source, node);
    return guest_need(hv, uuid, &guest, err) &&
           (nodes_added(guest.nodes, target->source) || node_add(&guest, target, node, err));
}

/* A job of that name, a new reference; NULL: there is none. */
static bool job_look(const struct guest *guest, const char *id, json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *jobs = NULL;
    json_t *job;
    size_t i;

    *out = NULL;
    if (!libvirt_monitor(guest->domain, "query-jobs", NULL, &jobs, err)) {
        return false;
    }
    json_array_foreach(jobs, i, job)
    {
        if (strcmp(json_string_or(job, "id", ""), id) == 0) {
            *out = json_incref(job);
        }
    }
    return true;
}

/* It is told to end, and not waited for: what clears up afterwards looks again. */
static bool job_give_up(const struct guest *guest, const char *id, struct err *err)
{
    struct err ignored = {0};

    (void)libvirt_monitor(guest->domain, "job-cancel", json_pack("{s:s}", "id", id), NULL,
                          &ignored);
    return err_set(err, ERR_AWAY, "QEMU's job did not come forward for %d seconds",
                   NODES_STILL_SECONDS);
}

/* Until it is concluded; then it is dismissed, and what went wrong is said. */
static bool job_end(const struct guest *guest, const char *id, struct err *err)
{
    struct nodes_pace pace = {0};

    for (;;) {
        AUTO(drop_json) json_t *job = NULL;

        if (!job_look(guest, id, &job, err)) {
            return false;
        }
        if (!job) {
            return true;
        }
        if (strcmp(json_string_or(job, "status", ""), "concluded") == 0) {
            const char *fault = json_string_or(job, "error", NULL);

            return libvirt_monitor(guest->domain, "job-dismiss", json_pack("{s:s}", "id", id), NULL,
                                   err) &&
                   (!fault || err_set(err, ERR_SYSTEM, "QEMU does not copy: %s", fault));
        }
        if (!nodes_pace(&pace, job, clock_ms())) {
            return job_give_up(guest, id, err);
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
}

static bool catch_up(struct guest *guest, const char *from, const char *to, uint64_t limit,
                     struct err *err)
{
    AUTO(drop_free) char *id = text_make(NODES_PREFIX "copy-%s", from);

    return libvirt_monitor(guest->domain, "blockdev-backup",
                           json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:b}", "job-id", id, "device",
                                     from, "target", to, "sync", "incremental", "bitmap",
                                     NODES_BITMAP, "speed", (json_int_t)limit, "auto-dismiss", 0),
                           NULL, err) &&
           job_end(guest, id, err);
}

static bool copy_catch_up(struct hv *hv, const char *uuid, const struct hv_target *target,
                          uint64_t limit, uint64_t *out_left, struct err *err)
{
    AUTO(drop_guest) struct guest guest = {0};
    AUTO(drop_free) char *node = NULL;

    if (!guest_need(hv, uuid, &guest, err) || !node_of(&guest, target->disk, &node, err)) {
        return false;
    }
    const char *to = nodes_added(guest.nodes, target->source);

    if (!to) {
        return err_set(err, ERR_ABSENT, "image '%s' was not opened", target->source);
    }
    if (!catch_up(&guest, node, to, limit, err) || !guest_look(&guest, err)) {
        return false;
    }
    int64_t left = nodes_dirty(guest.nodes, node);

    *out_left = left < 0 ? 0 : (uint64_t)left;
    return left >= 0 || err_set(err, ERR_SYSTEM, "QEMU does not know any more where it wrote");
}

static bool copy_pause(struct hv *hv, const char *uuid, struct err *err)
{
    AUTO(drop_guest) struct guest guest = {0};

    return guest_need(hv, uuid, &guest, err) &&
           (virDomainSuspend(guest.domain) == 0 || libvirt_err(err, "pause it"));
}

static bool need_paused(const struct guest *guest, struct err *err)
{
    int state = VIR_DOMAIN_NOSTATE;

    if (virDomainGetState(guest->domain, &state, NULL, 0) < 0) {
        return libvirt_err(err, "look at a virtual machine");
    }
    return state == VIR_DOMAIN_PAUSED ||
           err_set(err, ERR_CLASH, "the virtual machine is not paused");
}

static bool copy_turn(struct hv *hv, const char *uuid, unsigned disk, const char *source,
                      struct err *err)
{
    AUTO(drop_guest) struct guest guest = {0};
    AUTO(drop_free) char *path = device_path(disk);
    AUTO(drop_free) char *now = NULL;

    if (!guest_need(hv, uuid, &guest, err) || !need_paused(&guest, err) ||
        !node_of(&guest, disk, &now, err)) {
        return false;
    }
    const char *node = nodes_added(guest.nodes, source);

    if (!node) {
        return err_set(err, ERR_ABSENT, "image '%s' was not opened", source);
    }
    return strcmp(node, now) == 0 || libvirt_monitor(guest.domain, "qom-set",
                                                     json_pack("{s:s, s:s, s:s}", "path", path,
                                                               "property", "drive", "value", node),
                                                     NULL, err);
}

static bool copy_image(struct hv *hv, const char *uuid, unsigned disk, char **out, struct err *err)
{
    AUTO(drop_guest) struct guest guest = {0};
    AUTO(drop_free) char *node = NULL;
    char *image;

    if (!guest_need(hv, uuid, &guest, err) || !node_of(&guest, disk, &node, err)) {
        return false;
    }
    image = nodes_image(guest.nodes, node);
    if (!image) {
        return err_set(err, ERR_ABSENT, "disk %u has no image of the datastore", disk);
    }
    *out = image;
    return true;
}

static bool jobs_end(const struct guest *guest, struct err *err)
{
    AUTO(drop_json) json_t *jobs = NULL;
    json_t *job;
    size_t i;

    if (!libvirt_monitor(guest->domain, "query-jobs", NULL, &jobs, err)) {
        return false;
    }
    json_array_foreach(jobs, i, job)
    {
        const char *id = json_string_or(job, "id", "");
        struct err ended = {0};

        if (!text_starts(id, NODES_PREFIX)) {
            continue;
        }
        /* One that has concluded cannot be cancelled; job_end dismisses it then as well. */
        (void)libvirt_monitor(guest->domain, "job-cancel", json_pack("{s:s}", "id", id), NULL,
                              &ended);
        (void)job_end(guest, id, &ended);
    }
    return true;
}

/* A node and what it stands on: libvirt makes two of one image. */
static void node_close(const struct guest *guest, const char *node)
{
    static const char format[] = "-format";
    size_t length = strlen(node), ending = strlen(format);
    struct err in_use = {0};

    if (!libvirt_monitor(guest->domain, "blockdev-del", json_pack("{s:s}", "node-name", node), NULL,
                         &in_use)) {
        return;
    }
    object_remove(guest, node, "encryption-secret0");
    if (length > ending && strcmp(node + length - ending, format) == 0) {
        AUTO(drop_free)
        char *below = text_make("%.*s-storage", (int)(length - ending), node);

        (void)libvirt_monitor(guest->domain, "blockdev-del", json_pack("{s:s}", "node-name", below),
                              NULL, &in_use);
        object_remove(guest, below, "auth-secret0");
    }
}

/* What a device uses, or what another node stands on, QEMU does not close: that is not ours to
 * know. */
static bool nodes_close(struct guest *guest, struct err *err)
{
    AUTO(drop_json) json_t *blocks = NULL;
    json_t *node;
    size_t i;

    if (!libvirt_monitor(guest->domain, "query-block", NULL, &blocks, err) ||
        !guest_look(guest, err)) {
        return false;
    }
    json_array_foreach(guest->nodes, i, node)
    {
        const char *name = json_string_or(node, "node-name", "");
        AUTO(drop_free) char *image = nodes_image(guest->nodes, name);

        if (!image) {
            continue;
        }
        if (nodes_dirty(guest->nodes, name) >= 0) {
            bitmap_remove(guest, name);
        }
        if (!nodes_used(blocks, name)) {
            node_close(guest, name);
        }
    }
    return true;
}

static bool copy_clear(struct hv *hv, const char *uuid, struct err *err)
{
    AUTO(drop_guest) struct guest guest = {0};

    return guest_open(hv, uuid, &guest, err) &&
           (!guest.domain || (jobs_end(&guest, err) && nodes_close(&guest, err)));
}

const struct hv_copies libvirt_copies = {
    .track = copy_track,
    .add = copy_add,
    .catch_up = copy_catch_up,
    .pause = copy_pause,
    .turn = copy_turn,
    .image = copy_image,
    .clear = copy_clear,
};
