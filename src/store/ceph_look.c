/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "store/ceph_spread.h"

/* So that a dead cluster holds nobody who asks for its health. */
#define SECONDS 2u

static unsigned number(const json_t *object, const char *key)
{
    return (unsigned)json_integer_value(json_object_get(object, key));
}

static void tell_reasons(const json_t *health, struct store_health *out)
{
    AUTO(drop_text) struct text text = {0};
    const json_t *check = NULL;
    const char *name = NULL;
    void *next = NULL;
    json_t *checks = json_object_get(health, "checks");

    json_object_foreach_safe(checks, next, name, check)
    {
        text_addf(&text, "%s%s", text.length ? "; " : "",
                  json_string_or(json_object_get(check, "summary"), "message", name));
    }
    (void)snprintf(out->reasons, sizeof(out->reasons), "%s", text.bytes ? text.bytes : "");
}

static void tell_status(const json_t *answer, const struct ceph_status *status,
                        struct store_health *out)
{
    const json_t *health = json_object_get(answer, "health");
    const json_t *disks = json_object_get(answer, "osdmap");
    const char *word = json_string_or(health, "status", "");

    out->state = strcmp(word, "HEALTH_OK") == 0     ? STORE_OK
                 : strcmp(word, "HEALTH_WARN") == 0 ? STORE_WARN
                                                    : STORE_FAILED;
    tell_reasons(health, out);
    out->disks = number(disks, "num_osds");
    out->disks_up = number(disks, "num_up_osds");
    out->disks_in = number(disks, "num_in_osds");
    out->bytes_total = (uint64_t)status->bytes_total;
    out->bytes_used = (uint64_t)status->bytes_used;
    out->degraded = status->degraded;
    out->misplaced = status->misplaced;
    out->clean = status->groups > 0 && status->clean == status->groups;
    out->available = status->groups > 0 && status->active == status->groups;
}

static void tell_copies(const struct store_conf *conf, const struct ceph_state *state,
                        struct store_health *out)
{
    const struct ceph_pool *pool = ceph_pools_find(&state->pools, conf->name);

    if (pool) {
        out->copies = pool->size;
        out->copies_least = pool->min_size;
        out->copies_on_hosts = pool->size > 1 && (int)pool->rule == state->rule_of_hosts;
    }
}

/* The link of a disk of this host; "" for one of another's. */
static void tell_disk(const struct store_conf *conf, int id, char out[PATH_MAX])
{
    AUTO(drop_free) char *block = ceph_path(conf, "/var/lib/ceph/osd/ceph-%d/block", id);
    ssize_t length = readlink(block, out, PATH_MAX - 1);

    out[length < 0 ? 0 : length] = '\0';
}

static json_t *list_members(const struct store_conf *conf, const struct ceph_tree *tree)
{
    json_t *members = json_array();

    for (size_t i = 0; i < tree->disk_count; i++) {
        const struct ceph_disk *disk = &tree->disks[i];
        char link[PATH_MAX];

        tell_disk(conf, disk->id, link);
        json_array_append_new(members, json_pack("{si ss ss sb sb}", "id", disk->id, "host",
                                                 disk->host >= 0 ? tree->hosts[disk->host] : "",
                                                 "disk", link, "up", disk->up, "in", disk->in));
    }
    return members;
}

/* All disks of a host have its one address. */
static void tell_address(const struct ceph_tree *tree, int place, const json_t *map, char out[64])
{
    out[0] = '\0';
    for (size_t i = 0; place >= 0 && !out[0] && i < tree->disk_count; i++) {
        if (tree->disks[i].host == place) {
            ceph_disk_address(map, tree->disks[i].id, out);
        }
    }
}

static json_t *describe_host(const char *host, const struct ceph_state *state,
                             const struct ceph_monitors *monitors, const json_t *map)
{
    const json_t *flags = json_object_get(map, "crush_node_flags");
    char disks_at[64];
    int place = ceph_tree_host(&state->tree, host), monitor = ceph_monitors_find(monitors, host);
    struct ceph_count disks =
        place >= 0 ? ceph_tree_count(&state->tree, place) : (struct ceph_count){0, 0, 0, 0};
    const char *word = monitor < 0 ? "none" : monitors->each[monitor].in_quorum ? "quorum" : "away";

    tell_address(&state->tree, place, map, disks_at);
    return json_pack("{ss si si si ss ss ss sb}", "name", host, "disks", (int)disks.all, "up",
                     (int)disks.up, "in", (int)disks.in, "monitor", word, "address",
                     monitor >= 0 ? monitors->each[monitor].address : "", "disks_at", disks_at,
                     "paused", json_array_size(json_object_get(flags, host)) > 0);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those with a disk, and those with a monitor alone. */
static json_t *list_hosts(const struct ceph_state *state, const struct ceph_monitors *monitors,
                          const json_t *map)
{
    size_t count = state->tree.host_count;
    AUTO(drop_free)
    const char **names = text_room(count + monitors->count + 1, sizeof(*names));
    json_t *hosts = json_array();

    for (size_t i = 0; i < count; i++) {
        names[i] = state->tree.hosts[i];
    }
    for (size_t i = 0; i < monitors->count; i++) {
        if (ceph_tree_host(&state->tree, monitors->each[i].host) < 0) {
            names[count++] = monitors->each[i].host;
        }
    }
    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(hosts, describe_host(names[i], state, monitors, map));
    }
    return hosts;
}

static bool ask(const struct store_conf *conf, struct store_health *out, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    AUTO(drop_json) json_t *answer = NULL, *map = NULL;
    AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};
    struct ceph_monitors monitors;
    struct ceph_status status;

    if (!ceph_connect(conf, CEPH_USER, SECONDS, &cluster, err) ||
        !ceph_command(cluster, json_pack("{ss}", "prefix", "status"), &answer, err) ||
        !ceph_status_read(answer, &status, err) || !ceph_state_look(cluster, &state, err) ||
        !ceph_monitors_look(cluster, &monitors, err) ||
        !ceph_command(cluster, json_pack("{ss}", "prefix", "osd dump"), &map, err)) {
        return false;
    }
    tell_status(answer, &status, out);
    tell_copies(conf, &state, out);
    out->monitors = (unsigned)monitors.count;
    out->monitors_in_quorum = (unsigned)monitors.in_quorum;
    out->members = list_members(conf, &state.tree);
    out->hosts = list_hosts(&state, &monitors, map);
    return true;
}

bool ceph_look(const struct store_conf *conf, struct store_health *out, struct err *err)
{
    struct store_health health = {.state = STORE_AWAY};

    if (!ask(conf, &health, err)) {
        if (err->kind != ERR_AWAY && err->kind != ERR_ABSENT) {
            return err_add(err, "look at the datastore");
        }
        (void)snprintf(health.reasons, sizeof(health.reasons), "%s", err->what);
        *err = (struct err){.kind = ERR_NONE};
        health.members = json_array();
        health.hosts = json_array();
    }
    *out = health;
    return true;
}
