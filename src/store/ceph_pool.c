/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: made on the first host, and the wait until it takes writes. Raising its copies is
 * ceph_spread's.
 */
#include <rbd/librbd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/ceph.h"
#include "store/ceph_spread.h"

#define SECONDS 10u
/* Placement groups: a power of two, about so many copies of them on each disk. */
#define GROUPS_PER_DISK 32u
#define GROUPS_MIN      32u
#define GROUPS_MAX      1024u
#define PROBE_OBJECT    "quoin-takes-writes"

struct members {
    unsigned disks, hosts;
    unsigned late; /* belong to it and are not up */
};

static bool count_members(rados_t cluster, struct members *out, struct err *err)
{
    AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};

    if (!ceph_state_look(cluster, &state, err)) {
        return false;
    }
    struct ceph_count disks = ceph_tree_count(&state.tree, -1);

    out->disks = disks.up;
    out->late = disks.in > disks.up ? disks.in - disks.up : 0;
    out->hosts = ceph_tree_hosts_ready(&state.tree, -1);
    return true;
}

static bool wait_for_members(const struct store_conf *conf, rados_t cluster, struct members *out,
                             struct err *err)
{
    int64_t stop = clock_ms() + 1000 * (int64_t)ceph_seconds(conf);

    for (;;) {
        if (!count_members(cluster, out, err)) {
            return false;
        }
        if (out->disks >= conf->replicas && out->hosts > 0 && out->late == 0) {
            return true;
        }
        if (clock_ms() >= stop) {
            (void)err_set(err, ERR_AWAY, "%u disks are up, %u are not; %u copies are wanted",
                          out->disks, out->late, conf->replicas);
            return err_mend(err, "Look at 'journalctl -u \"ceph-osd@*\"', or give more disks.");
        }
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
}

unsigned ceph_pool_groups(unsigned disks, unsigned copies)
{
    unsigned groups = GROUPS_MIN;

    while (groups < GROUPS_MAX && groups * 2 * copies <= GROUPS_PER_DISK * disks) {
        groups *= 2;
    }
    return groups;
}

/* Copies lie on different hosts as soon as there are enough, before that on different disks. */
static bool create_pool(const struct store_conf *conf, rados_t cluster,
                        const struct members *members, struct err *err)
{
    const char *rule = members->hosts >= conf->replicas ? CEPH_RULE_HOSTS : CEPH_RULE_DISKS;
    int groups = (int)ceph_pool_groups(members->disks, conf->replicas);
    int number = 0;

    return ceph_rule_make(cluster, rule, &number, err) &&
           ceph_command(cluster,
                        json_pack("{ss ss si si ss ss si}", "prefix", "osd pool create", "pool",
                                  conf->name, "pg_num", groups, "pgp_num", groups, "pool_type",
                                  "replicated", "rule", rule, "size", (int)conf->replicas),
                        NULL, err);
}

/* Look, make, look again. What is there is left as it is: `spread` raises it. */
static bool make_pool(const struct store_conf *conf, rados_t cluster, const struct members *members,
                      bool *out_for_images, struct err *err)
{
    for (int look = 0; look < 2; look++) {
        AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};

        if (!ceph_state_look(cluster, &state, err)) {
            return false;
        }
        const struct ceph_pool *pool = ceph_pools_find(&state.pools, conf->name);

        if (pool) {
            *out_for_images = pool->for_images;
            return true;
        }
        if (look == 0 && !create_pool(conf, cluster, members, err)) {
            return false;
        }
    }
    return err_set(err, ERR_SYSTEM, "pool '%s' was made and is not there", conf->name);
}

static bool make_user(const struct store_conf *conf, rados_t cluster, const char *user,
                      const char *on_monitors, const char *on_disks, struct err *err)
{
    AUTO(drop_free) char *entity = text_make("client.%s", user);
    AUTO(drop_free) char *path = ceph_path(conf, "/etc/ceph/ceph.%s.keyring", entity);

    return file_exists(path) || ceph_keyring_fetch(cluster, entity,
                                                   json_pack("[ssssss]", "mon", on_monitors, "mgr",
                                                             "allow r", "osd", on_disks),
                                                   path, 0, 0, err);
}

/* As little as each needs. The agent: this pool alone, and to fence dead clients (`profile rbd`).
 * The hypervisor: the images in the pool's own namespace (https://docs.ceph.com, "User
 * Management": object_prefix; every object of an image, and of the list of them, begins with
 * "rbd_"), so no home and no lease; and it fences nobody: the agent has done so before it starts.
 */
static bool make_users(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    AUTO(drop_free) char *all = text_make("profile rbd pool=%s", conf->name);
    AUTO(drop_free)
    char *images = text_make("allow rwx pool=%s namespace=\"\" object_prefix rbd_", conf->name);

    return make_user(conf, cluster, CEPH_USER, "profile rbd, allow r", all, err) &&
           make_user(conf, cluster, CEPH_VM, "profile simple-rados-client", images, err);
}

/* "Created" is not enough: one object goes there and comes back. */
static bool takes_writes(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    AUTO(drop_ioctx) rados_ioctx_t pool = NULL;
    char wrote[UUID_SIZE], read[UUID_SIZE] = "";
    int r = rados_ioctx_create(cluster, conf->name, &pool);

    if (r < 0) {
        return ceph_errno(err, r, "open pool '%s'", conf->name);
    }
    uuid_make(wrote);
    rados_ioctx_set_namespace(pool, CEPH_OBJECTS);
    r = rados_write_full(pool, PROBE_OBJECT, wrote, sizeof(wrote));
    r = r < 0 ? r : rados_read(pool, PROBE_OBJECT, read, sizeof(read), 0);
    r = r < 0 ? r : rados_remove(pool, PROBE_OBJECT);
    if (r < 0) {
        return ceph_errno(err, r, "write to pool '%s'", conf->name);
    }
    if (memcmp(wrote, read, sizeof(read)) != 0) {
        return err_set(err, ERR_SYSTEM, "pool '%s' does not give back what it took", conf->name);
    }
    return true;
}

static bool make_for_images(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    AUTO(drop_ioctx) rados_ioctx_t pool = NULL;
    int r = rados_ioctx_create(cluster, conf->name, &pool);

    r = r < 0 ? r : rbd_pool_init(pool, false);
    return r >= 0 || ceph_errno(err, r, "make pool '%s' one for images", conf->name);
}

bool ceph_pool_make(const struct store_conf *conf, const struct progress *progress, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    struct members members;
    bool for_images = false;

    if (conf->replicas < 1) {
        return err_set(err, ERR_INPUT, "a datastore has at least one copy of its data");
    }
    progress_tell(progress, 0, "wait for the disks");
    if (!ceph_connect(conf, CEPH_ADMIN, SECONDS, &cluster, err) ||
        !wait_for_members(conf, cluster, &members, err)) {
        return false;
    }
    progress_tell(progress, 30, "make the pool");
    if (!make_pool(conf, cluster, &members, &for_images, err) ||
        !ceph_pool_refine(conf, cluster, err)) {
        return err_add(err, "make pool '%s'", conf->name);
    }
    progress_tell(progress, 50, "wait until the datastore is clean");
    if (!ceph_wait_settled(conf, cluster, &(struct ceph_wait){.progress = NULL}, err)) {
        return false;
    }
    progress_tell(progress, 90, "write and read an object");
    if (!takes_writes(conf, cluster, err) ||
        (!for_images && !make_for_images(conf, cluster, err)) || !make_users(conf, cluster, err) ||
        !ceph_settle(conf, err)) {
        return false;
    }
    progress_tell(progress, 100, "the datastore takes writes");
    return true;
}
