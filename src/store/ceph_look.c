/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "store/ceph.h"

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

static void tell_status(const json_t *status, struct store_health *out)
{
    const json_t *health = json_object_get(status, "health");
    const json_t *disks = json_object_get(status, "osdmap");
    const json_t *map = json_object_get(status, "pgmap"), *state = NULL;
    const char *word = json_string_or(health, "status", "");
    json_int_t clean = 0, all = json_integer_value(json_object_get(map, "num_pgs"));
    size_t i;

    out->state = strcmp(word, "HEALTH_OK") == 0     ? STORE_OK
                 : strcmp(word, "HEALTH_WARN") == 0 ? STORE_WARN
                                                    : STORE_FAILED;
    tell_reasons(health, out);
    out->disks = number(disks, "num_osds");
    out->disks_up = number(disks, "num_up_osds");
    out->disks_in = number(disks, "num_in_osds");
    out->monitors = number(json_object_get(status, "monmap"), "num_mons");
    out->monitors_in_quorum = (unsigned)json_array_size(json_object_get(status, "quorum"));
    out->bytes_total = (uint64_t)json_integer_value(json_object_get(map, "bytes_total"));
    out->bytes_used = (uint64_t)json_integer_value(json_object_get(map, "bytes_used"));
    json_array_foreach(json_object_get(map, "pgs_by_state"), i, state)
    {
        clean += text_starts(json_string_or(state, "state_name", ""), "active+clean")
                     ? json_integer_value(json_object_get(state, "count"))
                     : 0;
    }
    out->clean = all > 0 && clean == all;
}

/* The link of a disk of this host; "" for one of another's. */
static void tell_disk(const struct store_conf *conf, int id, char out[PATH_MAX])
{
    AUTO(drop_free) char *block = ceph_path(conf, "/var/lib/ceph/osd/ceph-%d/block", id);
    ssize_t length = readlink(block, out, PATH_MAX - 1);

    out[length < 0 ? 0 : length] = '\0';
}

static json_t *list_members(const struct store_conf *conf, const json_t *tree)
{
    json_t *members = json_array();
    const json_t *nodes = json_object_get(tree, "nodes"), *host = NULL, *child = NULL, *node = NULL;
    size_t i, j, k;

    json_array_foreach(nodes, i, host)
    {
        json_array_foreach(json_object_get(host, "children"), j, child)
        {
            json_array_foreach(nodes, k, node)
            {
                int id = (int)json_integer_value(json_object_get(node, "id"));
                char disk[PATH_MAX];

                if (id < 0 || id != json_integer_value(child) ||
                    strcmp(json_string_or(host, "type", ""), "host") != 0) {
                    continue;
                }
                tell_disk(conf, id, disk);
                json_array_append_new(
                    members, json_pack("{si ss ss sb}", "id", id, "host",
                                       json_string_or(host, "name", ""), "disk", disk, "up",
                                       strcmp(json_string_or(node, "status", ""), "up") == 0));
            }
        }
    }
    return members;
}

static bool ask(const struct store_conf *conf, json_t **out_status, json_t **out_tree,
                struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    AUTO(drop_json) json_t *status = NULL;

    if (!ceph_connect(conf, CEPH_USER, SECONDS, &cluster, err) ||
        !ceph_command(cluster, json_pack("{ss}", "prefix", "status"), &status, err) ||
        !ceph_command(cluster, json_pack("{ss}", "prefix", "osd tree"), out_tree, err)) {
        return false;
    }
    *out_status = TAKE(status);
    return true;
}

bool ceph_look(const struct store_conf *conf, struct store_health *out, struct err *err)
{
    AUTO(drop_json) json_t *status = NULL, *tree = NULL;
    struct store_health health = {.state = STORE_AWAY};

    if (!ask(conf, &status, &tree, err)) {
        if (err->kind != ERR_AWAY && err->kind != ERR_ABSENT) {
            return err_add(err, "look at the datastore");
        }
        (void)snprintf(health.reasons, sizeof(health.reasons), "%s", err->what);
        *err = (struct err){.kind = ERR_NONE};
        health.members = json_array();
        *out = health;
        return true;
    }
    tell_status(status, &health);
    health.members = list_members(conf, tree);
    *out = health;
    return true;
}
