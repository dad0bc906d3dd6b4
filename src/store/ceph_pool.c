/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: where the copies go, how many there are, and the wait until it takes writes. The second
 * run raises copies and placement to what is wanted by then; it never lowers them.
 */
#include <rbd/librbd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/ceph.h"

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

/* Those that are up are under their hosts in the tree. */
static bool count_members(rados_t cluster, struct members *out, struct err *err)
{
    AUTO(drop_json) json_t *tree = NULL, *stat = NULL;
    const json_t *nodes = NULL, *node = NULL;
    int64_t up = 0, in = 0;
    struct members members = {0, 0, 0};
    size_t i;

    if (!ceph_command(cluster, json_pack("{ss}", "prefix", "osd stat"), &stat, err) ||
        !json_get_integer(stat, "num_up_osds", 0, 1 << 16, &up, err) ||
        !json_get_integer(stat, "num_in_osds", 0, 1 << 16, &in, err) ||
        !ceph_command(cluster, json_pack("{ss}", "prefix", "osd tree"), &tree, err) ||
        !json_get_array(tree, "nodes", 1u << 16, &nodes, err)) {
        return false;
    }
    json_array_foreach(nodes, i, node)
    {
        members.hosts += strcmp(json_string_or(node, "type", ""), "host") == 0 &&
                         json_array_size(json_object_get(node, "children")) > 0;
    }
    members.disks = (unsigned)up;
    members.late = (unsigned)(in > up ? in - up : 0);
    *out = members;
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

static unsigned choose_groups(const struct members *members, unsigned replicas)
{
    unsigned groups = GROUPS_MIN;

    while (groups < GROUPS_MAX && groups * 2 * replicas <= GROUPS_PER_DISK * members->disks) {
        groups *= 2;
    }
    return groups;
}

/* What there is of the pool now, and what it should become. */
struct shape {
    char rule[32], size[8], min_size[8], pg_num[8];
};

static void text_number(int64_t number, char out[8])
{
    (void)snprintf(out, 8, "%lld", (long long)number % 1000000);
}

/* `*out` is left alone and `*out_there` false when there is no such pool. */
static bool find_pool(rados_t cluster, const char *pool, bool *out_there, bool *out_for_images,
                      struct shape *out, struct err *err)
{
    AUTO(drop_json) json_t *pools = NULL;
    const json_t *entry = NULL;
    int64_t size = 0, min_size = 0, groups = 0, rule = 0;
    size_t i;

    *out_there = *out_for_images = false;
    if (!ceph_command(cluster, json_pack("{ss ss}", "prefix", "osd pool ls", "detail", "detail"),
                      &pools, err)) {
        return false;
    }
    json_array_foreach(pools, i, entry)
    {
        if (strcmp(json_string_or(entry, "pool_name", ""), pool) != 0) {
            continue;
        }
        if (!json_get_integer(entry, "size", 1, 10, &size, err) ||
            !json_get_integer(entry, "min_size", 0, 10, &min_size, err) ||
            !json_get_integer(entry, "crush_rule", 0, 255, &rule, err) ||
            !json_get_integer(entry, "pg_num_target", 1, 1 << 16, &groups, err)) {
            return false;
        }
        text_number(size, out->size);
        text_number(min_size, out->min_size);
        text_number(groups, out->pg_num);
        text_number(rule, out->rule);
        *out_there = true;
        *out_for_images =
            json_object_get(json_object_get(entry, "application_metadata"), "rbd") != NULL;
    }
    return true;
}

/* Copies lie on different hosts as soon as there are enough, before that on different disks. */
static const char *choose_rule(const struct store_conf *conf, const struct members *members)
{
    return members->hosts >= conf->replicas ? "quoin-hosts" : "quoin-disks";
}

/* The rule's number; made when there is none. */
static bool make_rule(rados_t cluster, const char *name, char out_number[8], struct err *err)
{
    const char *domain = strcmp(name, "quoin-hosts") == 0 ? "host" : "osd";
    AUTO(drop_json) json_t *rule = NULL;
    int64_t number = 0;
    struct err absent = {0};

    for (int look = 0; look < 2; look++) {
        if (ceph_command(cluster,
                         json_pack("{ss ss}", "prefix", "osd crush rule dump", "name", name), &rule,
                         &absent)) {
            break;
        }
        if (look == 1 || absent.kind != ERR_ABSENT) {
            return *err = absent, false;
        }
        if (!ceph_command(cluster,
                          json_pack("{ss ss ss ss}", "prefix", "osd crush rule create-replicated",
                                    "name", name, "root", "default", "type", domain),
                          NULL, err)) {
            return false;
        }
    }
    if (!json_get_integer(rule, "rule_id", 0, 255, &number, err)) {
        return false;
    }
    text_number(number, out_number);
    return true;
}

static bool create_pool(const struct store_conf *conf, rados_t cluster, const char *rule,
                        unsigned groups, struct err *err)
{
    return ceph_command(cluster,
                        json_pack("{ss ss si si ss ss si}", "prefix", "osd pool create", "pool",
                                  conf->name, "pg_num", (int)groups, "pgp_num", (int)groups,
                                  "pool_type", "replicated", "rule", rule, "size",
                                  (int)conf->replicas),
                        NULL, err);
}

static bool set_pool(rados_t cluster, const char *pool, const char *name, const char *value,
                     struct err *err)
{
    return ceph_command(cluster,
                        json_pack("{ss ss ss ss sb}", "prefix", "osd pool set", "pool", pool, "var",
                                  name, "val", value, "yes_i_really_mean_it", 1),
                        NULL, err);
}

/* Only what differs; copies and groups only upwards. */
static bool reshape(const struct store_conf *conf, rados_t cluster, const char *rule,
                    const struct shape *there, const struct shape *wanted, struct err *err)
{
    const char *pool = conf->name;
    bool more = atoi(there->size) < atoi(wanted->size);
    bool finer = atoi(there->pg_num) < atoi(wanted->pg_num);

    return (strcmp(there->rule, wanted->rule) == 0 ||
            set_pool(cluster, pool, "crush_rule", rule, err)) &&
           (!more || set_pool(cluster, pool, "size", wanted->size, err)) &&
           (atoi(there->min_size) >= atoi(wanted->min_size) ||
            set_pool(cluster, pool, "min_size", wanted->min_size, err)) &&
           (!finer || (set_pool(cluster, pool, "pg_num", wanted->pg_num, err) &&
                       set_pool(cluster, pool, "pgp_num", wanted->pg_num, err)));
}

/* Look, make, look again, make right. */
static bool shape_pool(const struct store_conf *conf, rados_t cluster,
                       const struct members *members, bool *out_for_images, struct err *err)
{
    const char *rule = choose_rule(conf, members);
    unsigned groups = choose_groups(members, conf->replicas);
    struct shape there, wanted;
    bool found = false;

    text_number(conf->replicas, wanted.size);
    text_number(conf->replicas - conf->replicas / 2, wanted.min_size);
    text_number(groups, wanted.pg_num);
    if (!make_rule(cluster, rule, wanted.rule, err) ||
        !find_pool(cluster, conf->name, &found, out_for_images, &there, err)) {
        return false;
    }
    if (!found && (!create_pool(conf, cluster, rule, groups, err) ||
                   !find_pool(cluster, conf->name, &found, out_for_images, &there, err))) {
        return false;
    }
    return found ? reshape(conf, cluster, rule, &there, &wanted, err)
                 : err_set(err, ERR_SYSTEM, "pool '%s' was made and is not there", conf->name);
}

/* As little as the agent and the hypervisor need: this pool alone, and to read the cluster's
 * state. `profile rbd` may fence dead clients. */
static bool make_user(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "/etc/ceph/ceph.client." CEPH_USER ".keyring");
    AUTO(drop_free) char *on_disks = text_make("profile rbd pool=%s", conf->name);

    return file_exists(path) ||
           ceph_keyring_fetch(cluster, "client." CEPH_USER,
                              json_pack("[ssssss]", "mon", "profile rbd, allow r", "mgr", "allow r",
                                        "osd", on_disks),
                              path, 0, 0, err);
}

static bool all_clean(const json_t *status)
{
    const json_t *map = json_object_get(status, "pgmap"), *state = NULL;
    json_int_t all = json_integer_value(json_object_get(map, "num_pgs")), clean = 0;
    size_t i;

    json_array_foreach(json_object_get(map, "pgs_by_state"), i, state)
    {
        if (text_starts(json_string_or(state, "state_name", ""), "active+clean")) {
            clean += json_integer_value(json_object_get(state, "count"));
        }
    }
    return all > 0 && clean == all;
}

static bool wait_for_clean(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    int64_t stop = clock_ms() + 1000 * (int64_t)ceph_seconds(conf);

    for (;;) {
        AUTO(drop_json) json_t *status = NULL;

        if (!ceph_command(cluster, json_pack("{ss}", "prefix", "status"), &status, err)) {
            return false;
        }
        if (all_clean(status)) {
            return true;
        }
        if (clock_ms() >= stop) {
            (void)err_set(err, ERR_AWAY, "the datastore's data has not all its copies after %u s",
                          ceph_seconds(conf));
            return err_mend(err, "Look at 'ceph status' and 'ceph health detail', then run again.");
        }
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
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

/* The monitor of this host took its haste from the file; it is told, and the file is for its next
 * start. What else is in haste matters only while a daemon starts. */
static bool settle(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    bool hasty = false;

    if (!ceph_conf_is_hasty(conf, &hasty, err)) {
        return false;
    }
    return (!hasty || ceph_tell_monitor(cluster, conf->host,
                                        json_pack("{ss s[sss]}", "prefix", "injectargs",
                                                  "injected_args", "--paxos_propose_interval=1",
                                                  "--paxos_min_wait=0.05", "--mon_tick_interval=5"),
                                        err)) &&
           ceph_conf_make(conf, false, err);
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
    if (!shape_pool(conf, cluster, &members, &for_images, err)) {
        return err_add(err, "make pool '%s'", conf->name);
    }
    progress_tell(progress, 50, "wait until the datastore is clean");
    if (!wait_for_clean(conf, cluster, err)) {
        return false;
    }
    progress_tell(progress, 90, "write and read an object");
    if (!takes_writes(conf, cluster, err) ||
        (!for_images && !make_for_images(conf, cluster, err)) || !make_user(conf, cluster, err) ||
        !settle(conf, cluster, err)) {
        return false;
    }
    progress_tell(progress, 100, "the datastore takes writes");
    return true;
}
