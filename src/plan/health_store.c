/* SPDX-License-Identifier: Apache-2.0 */
/* The datastore's quorum, redundancy, disks and room, as the hosts that reach it say. */
#include <stdio.h>
#include <string.h>

#include "plan/health_find.h"

/* Ceph warns at 85 % of a disk and stops at 95 %. */
#define FULL_WARNING 80
#define FULL_ERROR   90

/* How many of a host's disks there are. */
struct disks {
    unsigned all, up;
};

static const json_t *datastore_of(const json_t *host)
{
    return json_object_get(health_status(host), "datastore");
}

static bool is_up(const json_t *host)
{
    return strcmp(json_string_or(host, "state", ""), "up") == 0;
}

static bool is_away(const json_t *datastore)
{
    return strcmp(json_string_or(datastore, "health", ""), "away") == 0;
}

/* What a host that reaches it says, or NULL; `out_blind` are those that do not. */
static const json_t *who_tells(const struct health *health, json_t *out_blind)
{
    const json_t *best = NULL;
    size_t i;
    json_t *host;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        const json_t *datastore = datastore_of(host);

        if (is_away(datastore)) {
            json_array_append(out_blind, json_object_get(host, "name"));
        } else if (json_is_object(datastore) && !best) {
            best = datastore;
        }
    }
    return best;
}

static void look_at_reach(struct health *health, const json_t *best, const json_t *blind)
{
    size_t i;
    json_t *name;

    if (!best && json_array_size(blind) > 0) {
        const struct health_place place = {"error", "datastore.away", "datastores", NULL, blind};

        health_find(health, &place,
                    "bring back the hosts that have its monitors; it goes on by itself then",
                    "the datastore does not answer any host");
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)blind, i, name)
    {
        const struct health_place place = {"error", "datastore.unreachable", "hosts",
                                           json_string_value(name), name};

        health_find(health, &place, "check that host's way to the datastore's network",
                    "host '%s' does not reach the datastore, others do", json_string_value(name));
    }
}

/* The reasons as one text: agents say one, the manager keeps a list. The caller frees. */
static char *reasons_of(const json_t *datastore)
{
    const json_t *reasons = json_object_get(datastore, "reasons");
    AUTO(drop_text) struct text text = {0};
    size_t i;
    json_t *reason;

    text_add(&text, json_is_string(reasons) ? json_string_value(reasons) : "");
    json_array_foreach((json_t *)(uintptr_t)reasons, i, reason)
    {
        text_addf(&text, "%s%s", i ? "; " : "", json_string_value(reason));
    }
    return text_take(&text);
}

static void look_at_state(struct health *health, const json_t *best)
{
    const char *state = json_string_or(best, "health", ""),
               *name = json_string_or(best, "name", "");
    AUTO(drop_free) char *why = reasons_of(best);
    bool failed = strcmp(state, "failed") == 0;
    const struct health_place place = {failed ? "error" : "warning",
                                       failed ? "datastore.failed" : "datastore.warns",
                                       "datastores", name, NULL};

    if (failed || strcmp(state, "warn") == 0) {
        health_find(health, &place,
                    failed
                        ? "bring back hosts and disks that are away; data is safe while copies are"
                        : "it may mend itself; on any host, ceph health detail says more",
                    "datastore '%s' %s: %s", name, failed ? "cannot be used" : "is not well",
                    why[0] ? why : "it gives no reason");
    }
}

static void look_at_room(struct health *health, const json_t *best)
{
    json_int_t total = json_integer_value(json_object_get(best, "bytes_total"));
    json_int_t used = json_integer_value(json_object_get(best, "bytes_used"));
    const char *name = json_string_or(best, "name", "");
    int percent = total > 0 ? (int)(100.0 * (double)used / (double)total) : 0;
    const struct health_place place = {percent >= FULL_ERROR ? "error" : "warning",
                                       "datastore.full", "datastores", name, NULL};

    if (percent >= FULL_WARNING) {
        health_find(health, &place, "add disks or hosts, or remove what is not needed",
                    "datastore '%s' is %d %% full", name, percent);
    }
}

static size_t hosts_up(const struct health *health)
{
    size_t count = 0, i;
    json_t *host;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        count += is_up(host);
    }
    return count;
}

static void look_at_quorum(struct health *health, const json_t *best)
{
    json_int_t all = json_integer_value(json_object_get(best, "monitors"));
    json_int_t in = json_integer_value(json_object_get(best, "monitors_in_quorum"));
    const char *name = json_string_or(best, "name", "");
    const struct health_place less = {"warning", "quorum.less", "datastores", name, NULL};
    const struct health_place one = {"warning", "quorum.one", "datastores", name, NULL};
    AUTO(drop_json) json_t *away = json_array();
    size_t i;
    json_t *host;

    json_array_foreach(json_object_get(best, "hosts"), i, host)
    {
        if (strcmp(json_string_or(host, "monitor", ""), "away") == 0) {
            json_array_append(away, json_object_get(host, "name"));
        }
    }
    if (in < all) {
        AUTO(drop_free) char *names = health_names(away);

        health_find(health, &less, "bring back those hosts, or take them out: quoin host remove",
                    "%lld of %lld monitors of datastore '%s' are in the quorum%s%s; it stops below "
                    "%lld",
                    (long long)in, (long long)all, name, names[0] ? ", away: " : "", names,
                    (long long)(all / 2 + 1));
    } else if (all == 1 && json_array_size(health->hosts) >= 3) {
        health_find(health, &one, "run the deploy again: it gives three hosts a monitor",
                    "datastore '%s' has one monitor: it stops with that monitor's host", name);
    }
}

/* {HOST: {"all","up"}}: what its own host says of a disk counts more than what others say. */
static json_t *disks_by_host(const struct health *health)
{
    json_t *by_id = json_object(), *by_host = json_object();
    size_t i, n;
    json_t *host, *disk;
    const char *key;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        const char *self = json_string_or(host, "name", "");

        json_array_foreach(json_object_get(datastore_of(host), "osds"), n, disk)
        {
            char id[24];

            (void)snprintf(id, sizeof(id), "%lld",
                           (long long)json_integer_value(json_object_get(disk, "id")));
            if (!json_object_get(by_id, id) ||
                strcmp(json_string_or(disk, "host", self), self) == 0) {
                json_object_set(by_id, id, disk);
            }
        }
    }
    json_object_foreach(by_id, key, disk)
    {
        const char *at = json_string_or(disk, "host", "");
        json_t *list = json_object_get(by_host, at);

        if (!list) {
            list = json_array();
            json_object_set_new(by_host, at, list);
        }
        json_array_append(list, disk);
    }
    json_decref(by_id);
    return by_host;
}

static struct disks count_disks(const json_t *list, struct text *out_down)
{
    struct disks disks = {0};
    size_t i;
    json_t *disk;

    json_array_foreach((json_t *)(uintptr_t)list, i, disk)
    {
        bool up = json_is_true(json_object_get(disk, "up"));

        disks.all++;
        disks.up += up;
        if (!up) {
            text_addf(out_down, "%sosd.%lld%s%s", out_down->length ? ", " : "",
                      (long long)json_integer_value(json_object_get(disk, "id")),
                      json_string_or(disk, "disk", "")[0] ? " on " : "",
                      json_string_or(disk, "disk", ""));
        }
    }
    return disks;
}

/* A host that is away has its finding already. */
static void look_at_disks(struct health *health, const json_t *by_host)
{
    size_t i;
    json_t *host;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        const char *name = json_string_or(host, "name", "");
        AUTO(drop_text) struct text down = {0};
        struct disks disks = count_disks(json_object_get(by_host, name), &down);

        if (!json_is_object(datastore_of(host)) || is_away(datastore_of(host))) {
            continue;
        }
        if (disks.all == 0 && json_object_size(by_host) > 0) {
            health_find_host(health, "warning", "disk.none", host,
                             "run the deploy again, or name disks for it in the blueprint",
                             "host '%s' has no disk in the datastore", name);
        } else if (disks.up == 0 && disks.all > 0) {
            health_find_host(health, "error", "disk.all_down", host,
                             "see that its disks are there (lsblk) and their daemons run "
                             "(systemctl list-units 'ceph-osd@*')",
                             "host '%s' has lost all its disks in the datastore: %s", name,
                             down.bytes);
        } else if (disks.up < disks.all) {
            health_find_host(health, "error", "disk.down", host,
                             "see that the disk is there (lsblk) and its daemon runs (systemctl "
                             "list-units 'ceph-osd@*')",
                             "%u of %u disks of '%s' in the datastore are down: %s",
                             disks.all - disks.up, disks.all, name, down.bytes);
        }
    }
}

static json_int_t hosts_with_disks(const json_t *by_host)
{
    json_int_t count = 0;
    const char *name;
    json_t *list;

    json_object_foreach((json_t *)(uintptr_t)by_host, name, list)
    {
        AUTO(drop_text) struct text down = {0};

        count += count_disks(list, &down).up > 0;
    }
    return count;
}

/* `replicas` is what is wanted, `copies` (if it is known) what the datastore makes now. */
static void look_at_copies(struct health *health, const json_t *best, const json_t *by_host)
{
    json_int_t wanted = json_integer_value(json_object_get(best, "replicas"));
    json_int_t copies = json_integer_value(json_object_get(best, "copies"));
    json_int_t with = hosts_with_disks(by_host);
    const char *name = json_string_or(best, "name", "");
    const struct health_place one = {"info", "redundancy.one", "datastores", name, NULL};
    const struct health_place less = {"warning", "redundancy.less", "datastores", name, NULL};

    if (wanted == 1) {
        health_find(health, &one, "add hosts, and raise datastore.replicas in the blueprint",
                    "datastore '%s' keeps one copy: a lost disk is lost data", name);
    } else if (wanted > 1 && with > 0 && with < wanted) {
        health_find(health, &less, "bring back or add hosts with disks",
                    "datastore '%s' shall keep %lld copies, and %lld host%s working disks", name,
                    (long long)wanted, (long long)with, with == 1 ? " has" : "s have");
    } else if (copies > 0 && copies < wanted) {
        health_find(health, &less, "run the same deploy again: it raises them",
                    "datastore '%s' keeps %lld of the %lld copies that are wanted", name,
                    (long long)copies, (long long)wanted);
    }
}

static void look_at_paused(struct health *health, const json_t *best)
{
    size_t i;
    json_t *host;

    json_array_foreach(json_object_get(best, "hosts"), i, host)
    {
        if (json_is_true(json_object_get(host, "paused"))) {
            AUTO(drop_free)
            char *remedy = text_make("when it is done: quoin host maintenance %s off",
                                     json_string_or(host, "name", ""));

            health_find_host(health, "info", "host.maintenance", host, remedy,
                             "host '%s' is in maintenance", json_string_or(host, "name", ""));
        }
    }
}

void health_store(struct health *health)
{
    AUTO(drop_json) json_t *blind = json_array();
    const json_t *best = who_tells(health, blind);

    look_at_reach(health, best, blind);
    if (best && hosts_up(health) > 0) {
        AUTO(drop_json) json_t *by_host = disks_by_host(health);

        look_at_state(health, best);
        look_at_quorum(health, best);
        look_at_disks(health, by_host);
        look_at_copies(health, best, by_host);
        look_at_room(health, best);
        look_at_paused(health, best);
    }
}
