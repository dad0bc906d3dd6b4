/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ceph_map.h"

#include <stdio.h>
#include <string.h>

#define MAX_COPIES 32u

static bool copy_text(const json_t *object, const char *key, char *out, size_t room,
                      struct err *err)
{
    const char *text = NULL;

    if (!json_get_string(object, key, room - 1, &text, err)) {
        return false;
    }
    (void)snprintf(out, room, "%s", text);
    return true;
}

/* "10.77.0.11:3300" or "[fd00::11]:3300", without port and brackets; of a monitor or a disk. */
static bool read_address(const json_t *monitor, char out[64], struct err *err)
{
    char text[64];
    const json_t *vector = NULL, *list = NULL;

    if (!json_get_object(monitor, "public_addrs", &vector, err) ||
        !json_get_array(vector, "addrvec", 8, &list, err)) {
        return false;
    }
    /* A monitor that was named and never came has none. */
    if (json_array_size(list) == 0) {
        out[0] = '\0';
        return true;
    }
    if (!copy_text(json_array_get(list, 0), "addr", text, sizeof(text), err)) {
        return false;
    }
    char *port = strrchr(text, ':'), *from = text + (text[0] == '[');

    if (port) {
        *port = '\0';
    }
    (void)snprintf(out, 64, "%.*s", (int)strcspn(from, "]"), from);
    return true;
}

void ceph_disk_address(const json_t *dump, int id, char out[64])
{
    const json_t *disk = NULL;
    struct err unknown = {0};
    size_t i;

    out[0] = '\0';
    json_array_foreach(json_object_get(dump, "osds"), i, disk)
    {
        const json_t *number = json_object_get(disk, "osd");

        if (json_is_integer(number) && json_integer_value(number) == id &&
            !read_address(disk, out, &unknown)) {
            out[0] = '\0';
        }
    }
}

static bool is_named(const json_t *names, const char *name)
{
    const json_t *each = NULL;
    size_t i;

    json_array_foreach(names, i, each)
    {
        if (json_is_string(each) && strcmp(json_string_value(each), name) == 0) {
            return true;
        }
    }
    return false;
}

bool ceph_monitors_read(const json_t *answer, struct ceph_monitors *out, struct err *err)
{
    struct ceph_monitors monitors = {.count = 0};
    const json_t *map = NULL, *list = NULL, *names = NULL, *each = NULL;
    size_t i;

    if (!json_get_object(answer, "monmap", &map, err) ||
        !json_get_array(map, "mons", CEPH_MAX_MONS, &list, err) ||
        !json_get_array(answer, "quorum_names", CEPH_MAX_MONS, &names, err)) {
        return false;
    }
    json_array_foreach(list, i, each)
    {
        if (!copy_text(each, "name", monitors.each[i].host, CEPH_MAX_TEXT, err) ||
            !read_address(each, monitors.each[i].address, err)) {
            return false;
        }
        monitors.each[i].in_quorum = is_named(names, monitors.each[i].host);
        monitors.in_quorum += monitors.each[i].in_quorum;
        monitors.count++;
    }
    *out = monitors;
    return true;
}

int ceph_monitors_find(const struct ceph_monitors *monitors, const char *host)
{
    for (size_t i = 0; i < monitors->count; i++) {
        if (strcmp(monitors->each[i].host, host) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool ceph_monitors_can_spare(const struct ceph_monitors *monitors, const char *host)
{
    int place = ceph_monitors_find(monitors, host);

    if (place < 0) {
        return true;
    }
    size_t left = monitors->count - 1;
    size_t there = monitors->in_quorum - monitors->each[place].in_quorum;

    return there > left / 2;
}

void ceph_tree_clear(struct ceph_tree *tree)
{
    free(tree->disks);
    free(tree->hosts);
    *tree = (struct ceph_tree){.disks = NULL};
}

int ceph_tree_host(const struct ceph_tree *tree, const char *host)
{
    for (size_t i = 0; i < tree->host_count; i++) {
        if (strcmp(tree->hosts[i], host) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static int by_id(const void *a, const void *b)
{
    const struct ceph_disk *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

static struct ceph_disk *find_disk(const struct ceph_tree *tree, int id)
{
    const struct ceph_disk key = {.id = id};

    return tree->disk_count ? bsearch(&key, tree->disks, tree->disk_count, sizeof(key), by_id)
                            : NULL;
}

const struct ceph_disk *ceph_tree_disk(const struct ceph_tree *tree, int id)
{
    return find_disk(tree, id);
}

static bool add_disk(struct ceph_tree *tree, const json_t *node, struct err *err)
{
    struct ceph_disk disk = {.host = -1};
    int64_t id = 0;

    if (tree->disk_count == CEPH_MAX_DISKS) {
        return err_set(err, ERR_INPUT, "more than %u disks", CEPH_MAX_DISKS);
    }
    if (!json_get_integer(node, "id", 0, INT32_MAX, &id, err)) {
        return false;
    }
    disk.id = (int)id;
    disk.up = strcmp(json_string_or(node, "status", ""), "up") == 0;
    disk.in = json_number_value(json_object_get(node, "reweight")) > 0;
    tree->disks[tree->disk_count++] = disk;
    return true;
}

static bool add_host(struct ceph_tree *tree, const json_t *node, struct err *err)
{
    if (tree->host_count == CEPH_MAX_HOSTS) {
        return err_set(err, ERR_INPUT, "more than %u hosts", CEPH_MAX_HOSTS);
    }
    return copy_text(node, "name", tree->hosts[tree->host_count], CEPH_MAX_TEXT, err) &&
           ++tree->host_count;
}

static bool add_nodes(struct ceph_tree *tree, const json_t *nodes, struct err *err)
{
    const json_t *node = NULL;
    size_t i;

    json_array_foreach(nodes, i, node)
    {
        const char *type = json_string_or(node, "type", "");

        if ((strcmp(type, "osd") == 0 && !add_disk(tree, node, err)) ||
            (strcmp(type, "host") == 0 && !add_host(tree, node, err))) {
            return false;
        }
    }
    return true;
}

/* Which disks are under which host; once the disks are sorted. */
static void link_nodes(struct ceph_tree *tree, const json_t *nodes)
{
    const json_t *node = NULL, *child = NULL;
    size_t i, j;

    json_array_foreach(nodes, i, node)
    {
        int host = strcmp(json_string_or(node, "type", ""), "host") == 0
                       ? ceph_tree_host(tree, json_string_or(node, "name", ""))
                       : -1;

        json_array_foreach(json_object_get(node, "children"), j, child)
        {
            json_int_t id = json_integer_value(child);
            struct ceph_disk *disk = id >= 0 && id <= INT32_MAX ? find_disk(tree, (int)id) : NULL;

            if (host >= 0 && disk) {
                disk->host = host;
            }
        }
    }
}

bool ceph_tree_read(const json_t *answer, struct ceph_tree *out, struct err *err)
{
    AUTO(drop_tree) struct ceph_tree tree = {.disks = NULL};
    const json_t *nodes = NULL, *stray = NULL;

    if (!json_get_array(answer, "nodes", CEPH_MAX_DISKS + 2 * CEPH_MAX_HOSTS, &nodes, err) ||
        !json_get_array(answer, "stray", CEPH_MAX_DISKS, &stray, err)) {
        return false;
    }
    tree.disks =
        text_room(json_array_size(nodes) + json_array_size(stray) + 1, sizeof(*tree.disks));
    tree.hosts = text_room(json_array_size(nodes) + 1, sizeof(*tree.hosts));
    if (!add_nodes(&tree, nodes, err) || !add_nodes(&tree, stray, err)) {
        return err_add(err, "the tree of disks");
    }
    qsort(tree.disks, tree.disk_count, sizeof(*tree.disks), by_id);
    link_nodes(&tree, nodes);
    *out = tree;
    tree = (struct ceph_tree){.disks = NULL};
    return true;
}

struct ceph_count ceph_tree_count(const struct ceph_tree *tree, int host)
{
    struct ceph_count count = {0, 0, 0, 0};

    for (size_t i = 0; i < tree->disk_count; i++) {
        const struct ceph_disk *disk = &tree->disks[i];

        if (host < 0 || disk->host == host) {
            count.all++;
            count.up += disk->up;
            count.in += disk->in;
            count.ready += disk->up && disk->in;
        }
    }
    return count;
}

unsigned ceph_tree_hosts_ready(const struct ceph_tree *tree, int without)
{
    unsigned ready = 0;

    for (size_t i = 0; i < tree->host_count; i++) {
        ready += (int)i != without && ceph_tree_count(tree, (int)i).ready > 0;
    }
    return ready;
}

static bool read_pool(const json_t *entry, struct ceph_pool *out, struct err *err)
{
    int64_t id = 0, size = 0, min_size = 0, rule = 0, groups = 0, wanted = 0;

    if (!json_get_integer(entry, "pool_id", 1, INT32_MAX, &id, err) ||
        !copy_text(entry, "pool_name", out->name, sizeof(out->name), err) ||
        !json_get_integer(entry, "size", 1, MAX_COPIES, &size, err) ||
        !json_get_integer(entry, "min_size", 0, MAX_COPIES, &min_size, err) ||
        !json_get_integer(entry, "crush_rule", 0, 255, &rule, err) ||
        !json_get_integer(entry, "pg_num", 1, CEPH_MAX_GROUPS, &groups, err) ||
        !json_get_integer(entry, "pg_num_target", 1, CEPH_MAX_GROUPS, &wanted, err)) {
        return err_add(err, "a pool");
    }
    out->id = (int)id;
    out->size = (unsigned)size;
    out->min_size = (unsigned)min_size;
    out->rule = (unsigned)rule;
    out->groups = (unsigned)groups;
    out->groups_wanted = (unsigned)wanted;
    out->for_images =
        json_object_get(json_object_get(entry, "application_metadata"), "rbd") != NULL;
    return true;
}

bool ceph_pools_read(const json_t *answer, struct ceph_pools *out, struct err *err)
{
    struct ceph_pools pools = {.count = 0};
    const json_t *entry = NULL;
    size_t i;

    if (!json_is_array(answer) || json_array_size(answer) > CEPH_MAX_POOLS) {
        return err_set(err, ERR_INPUT, "a list of at most %u pools is expected", CEPH_MAX_POOLS);
    }
    json_array_foreach(answer, i, entry)
    {
        if (!read_pool(entry, &pools.each[i], err)) {
            return false;
        }
        pools.count++;
    }
    *out = pools;
    return true;
}

const struct ceph_pool *ceph_pools_find(const struct ceph_pools *pools, const char *name)
{
    for (size_t i = 0; i < pools->count; i++) {
        if (strcmp(pools->each[i].name, name) == 0) {
            return &pools->each[i];
        }
    }
    return NULL;
}

static const struct ceph_pool *pool_of_group(const struct ceph_pools *pools, const json_t *group)
{
    char *end = NULL;
    long id = strtol(json_string_or(group, "pgid", ""), &end, 10);

    for (size_t i = 0; *end == '.' && i < pools->count; i++) {
        if (pools->each[i].id == id) {
            return &pools->each[i];
        }
    }
    return NULL;
}

/* Each copy has its place: no hole, none where it should leave, no host twice where that counts. */
static bool copies_are_placed(const json_t *copies, const struct ceph_pool *pool,
                              const struct ceph_tree *tree, const struct ceph_wish *wish)
{
    int hosts[MAX_COPIES];
    const json_t *copy = NULL;
    size_t i;

    if (json_array_size(copies) != pool->size) {
        return false;
    }
    json_array_foreach(copies, i, copy)
    {
        json_int_t id = json_is_integer(copy) ? json_integer_value(copy) : -1;
        const struct ceph_disk *disk =
            id >= 0 && id <= INT32_MAX ? ceph_tree_disk(tree, (int)id) : NULL;

        if (!disk || disk->host < 0 || disk->host == wish->leaving) {
            return false;
        }
        for (size_t j = 0; (int)pool->rule == wish->rule_of_hosts && j < i; j++) {
            if (hosts[j] == disk->host) {
                return false;
            }
        }
        hosts[i] = disk->host;
    }
    return true;
}

bool ceph_groups_read(const json_t *answer, const struct ceph_pools *pools,
                      const struct ceph_tree *tree, const struct ceph_wish *wish,
                      struct ceph_groups *out, struct err *err)
{
    const json_t *list = NULL, *group = NULL;
    struct ceph_groups groups = {0, 0};
    size_t i;

    if (!json_get_array(answer, "pg_stats", CEPH_MAX_GROUPS, &list, err)) {
        return false;
    }
    for (i = 0; i < pools->count; i++) {
        groups.all += pools->each[i].groups_wanted;
    }
    json_array_foreach(list, i, group)
    {
        const struct ceph_pool *pool = pool_of_group(pools, group);
        const json_t *acting = json_object_get(group, "acting");

        groups.settled += pool && pool->groups == pool->groups_wanted &&
                          text_starts(json_string_or(group, "state", ""), "active+clean") &&
                          json_equal(acting, json_object_get(group, "up")) &&
                          copies_are_placed(acting, pool, tree, wish);
    }
    /* Told before their number changed: it is not the whole truth yet. */
    if (json_array_size(list) != groups.all && groups.settled >= groups.all && groups.all > 0) {
        groups.settled = groups.all - 1;
    }
    *out = groups;
    return true;
}

static int64_t whole(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static double percent(const json_t *object, const char *key)
{
    return 100.0 * json_number_value(json_object_get(object, key));
}

bool ceph_status_read(const json_t *answer, struct ceph_status *out, struct err *err)
{
    struct ceph_status status = {.groups = 0};
    const json_t *map = NULL, *state = NULL;
    const json_t *managers = json_object_get(answer, "mgrmap");
    int64_t groups = 0;
    size_t i;

    if (!json_get_object(answer, "pgmap", &map, err) ||
        !json_get_integer(map, "num_pgs", 0, CEPH_MAX_GROUPS, &groups, err)) {
        return false;
    }
    json_array_foreach(json_object_get(map, "pgs_by_state"), i, state)
    {
        const char *name = json_string_or(state, "state_name", "");
        unsigned count = (unsigned)whole(state, "count");

        status.active += text_starts(name, "active") ? count : 0;
        status.clean += text_starts(name, "active+clean") ? count : 0;
    }
    status.groups = (unsigned)groups;
    status.degraded = percent(map, "degraded_ratio");
    status.misplaced = percent(map, "misplaced_ratio");
    status.bytes_total = whole(map, "bytes_total");
    status.bytes_used = whole(map, "bytes_used");
    status.data_bytes = whole(map, "data_bytes");
    status.behind = whole(map, "degraded_objects") + whole(map, "misplaced_objects");
    status.managers = (unsigned)whole(managers, "num_standbys") +
                      json_is_true(json_object_get(managers, "available"));
    *out = status;
    return true;
}
