/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/live.h"

#include <string.h>
#include <time.h>

#define AT_SIZE 32u

/* Unix seconds as RFC 3339, or null. */
static json_t *at_of(const json_t *seconds)
{
    time_t at = (time_t)json_integer_value(seconds);
    char text[AT_SIZE];
    struct tm tm;

    if (at <= 0 || !gmtime_r(&at, &tm) || strftime(text, sizeof(text), "%FT%TZ", &tm) == 0) {
        return json_null();
    }
    return json_string(text);
}

static void copy(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);

    json_object_set(to, key, value ? value : json_null());
}

static bool is_up(const json_t *host)
{
    return strcmp(json_string_or(host, "state", ""), "up") == 0;
}

/* When its agent's certificate ends. */
static json_t *certificate_end(const json_t *report)
{
    const json_t *own = json_find(json_object_get(report, "certificates"), "name", "host");

    return own ? at_of(json_object_get(own, "ends")) : json_null();
}

static void add_host(json_t *item, const json_t *now)
{
    static const char *const keys[] = {"version", "enrolled", "waiting"};
    const json_t *host = json_object_get(now, json_string_or(item, "name", ""));
    const json_t *report = json_object_get(host, "report");
    json_t *osds = json_object_get(json_object_get(report, "datastore"), "osds");

    json_object_set_new(item, "state", json_string(json_string_or(host, "state", "unknown")));
    json_object_set_new(item, "since", at_of(json_object_get(host, "since")));
    json_object_set_new(item, "seen", at_of(json_object_get(host, "seen")));
    copy(item, host, "trouble");
    copy(item, host, "skew");
    json_object_set_new(item, "certificate_ends", certificate_end(report));
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        copy(item, report, keys[i]);
    }
    json_t *disks = json_array();
    size_t i;
    json_t *osd;

    json_array_foreach(osds, i, osd)
    {
        const char *on = json_string_or(osd, "host", NULL);

        if (!on || strcmp(on, json_string_or(item, "name", "")) == 0) {
            json_array_append(disks, osd);
        }
    }
    json_object_set_new(item, "disks", disks);
}

/* The newest report about the datastore, from a host that is up and can tell. */
static const json_t *datastore_of(const json_t *now, const char *name)
{
    const json_t *best = NULL;
    json_int_t newest = 0;
    const char *key;
    json_t *host;

    json_object_foreach((json_t *)(uintptr_t)now, key, host)
    {
        const json_t *datastore = json_object_get(json_object_get(host, "report"), "datastore");
        bool tells = strcmp(json_string_or(datastore, "health", "away"), "away") != 0;
        json_int_t seen = json_integer_value(json_object_get(host, "seen"));

        if (is_up(host) && strcmp(json_string_or(datastore, "name", ""), name) == 0 &&
            (!best || (tells && seen >= newest))) {
            best = datastore;
            newest = seen;
        }
    }
    return best;
}

/* Every disk that any host tells of, once; what its own host says of it counts. Where there are
 * many, a host tells of its own and of those that are down only. */
static json_t *all_osds(const json_t *now, const char *name)
{
    AUTO(drop_json) json_t *by_id = json_object();
    json_t *all = json_array(), *host, *osd;
    const char *who, *key;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)now, who, host)
    {
        const json_t *datastore = json_object_get(json_object_get(host, "report"), "datastore");

        if (!is_up(host) || strcmp(json_string_or(datastore, "name", ""), name) != 0) {
            continue;
        }
        json_array_foreach(json_object_get(datastore, "osds"), i, osd)
        {
            char id[24];

            (void)snprintf(id, sizeof(id), "%lld",
                           (long long)json_integer_value(json_object_get(osd, "id")));
            if (!json_object_get(by_id, id) || strcmp(json_string_or(osd, "host", who), who) == 0) {
                json_object_set(by_id, id, osd);
            }
        }
    }
    json_object_foreach(by_id, key, osd)
    {
        json_array_append(all, osd);
    }
    return all;
}

static void add_datastore(json_t *item, const json_t *now)
{
    static const char *const keys[] = {"health",     "reasons", "bytes_total", "bytes_used",
                                       "replicas",   "copies",  "monitors",    "monitors_in_quorum",
                                       "osds_total", "osds_up"};
    const char *name = json_string_or(item, "name", "");
    const json_t *datastore = datastore_of(now, name);

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        copy(item, datastore, keys[i]);
    }
    json_object_set_new(item, "osds", datastore ? all_osds(now, name) : json_null());
}

/* One entry for each host; above them what holds for all: a backup that is missing somewhere is
 * missing. */
static void add_provider(json_t *item, const json_t *now)
{
    static const char *const keys[] = {"kek",     "state", "sealed_by", "backup_fetched",
                                       "trouble", "remedy"};
    const char *wanted = json_string_or(item, "name", ""), *name;
    json_t *hosts = json_array();
    const json_t *first = NULL;
    bool missing = false;
    json_t *host;

    json_object_foreach((json_t *)(uintptr_t)now, name, host)
    {
        const json_t *provider = json_object_get(json_object_get(host, "report"), "provider");

        if (strcmp(json_string_or(provider, "name", ""), wanted) != 0) {
            continue;
        }
        json_t *entry = json_pack("{s:s}", "host", name);

        for (size_t i = 0; i < COUNT_OF(keys); i++) {
            copy(entry, provider, keys[i]);
        }
        json_object_set_new(entry, "last_success",
                            at_of(json_object_get(provider, "last_success")));
        json_object_set_new(entry, "last_failure",
                            at_of(json_object_get(provider, "last_failure")));
        json_object_set_new(entry, "host_state",
                            json_string(json_string_or(host, "state", "unknown")));
        json_array_append_new(hosts, entry);
        first = !first || is_up(host) ? provider : first;
        missing = missing || json_is_false(json_object_get(provider, "backup_fetched"));
    }
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        copy(item, first, keys[i]);
    }
    if (missing) {
        json_object_set_new(item, "backup_fetched", json_false());
    }
    json_object_set_new(item, "hosts", hosts);
}

static const struct {
    const char *kind;
    void (*add)(json_t *item, const json_t *now);
} adders[] = {
    {"hosts", add_host},
    {"datastores", add_datastore},
    {"key-providers", add_provider},
};

void live_add(const struct inventory_kind *kind, json_t *items, const json_t *now)
{
    size_t n;
    json_t *item;

    for (size_t i = 0; i < COUNT_OF(adders); i++) {
        if (strcmp(adders[i].kind, kind->name) == 0) {
            json_array_foreach(items, n, item)
            {
                adders[i].add(item, now);
            }
        }
    }
}

/* Its envelope against the KEK that new keys are wrapped with on its host. */
static const char *envelope_state(const json_t *vm, const json_t *report)
{
    const char *kek = json_string_or(vm, "kek", "");
    const char *current = json_string_or(json_object_get(report, "provider"), "kek", "");

    return !kek[0] || !current[0] ? "unknown" : strcmp(kek, current) == 0 ? "current" : "old";
}

static json_t *kek_since(const json_t *keks, const char *kek)
{
    size_t i;
    json_t *row;

    json_array_foreach((json_t *)(uintptr_t)keks, i, row)
    {
        if (strcmp(json_string_or(row, "kek", ""), kek) == 0) {
            return at_of(json_object_get(row, "since"));
        }
    }
    return json_null();
}

/* A machine whose host is away may run or not. */
static json_t *vm_item(const json_t *vm, const char *host, bool up)
{
    static const char *const keys[] = {"name",    "id",   "encrypted", "kek",   "generation",
                                       "trouble", "cpus", "memory",    "disks", "network"};
    json_t *item = json_object();

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        copy(item, vm, keys[i]);
    }
    json_object_set_new(item, "host", json_string(host));
    json_object_set_new(item, "state",
                        json_string(up ? json_string_or(vm, "state", "unknown") : "unknown"));
    json_object_set_new(item, "since", at_of(json_object_get(vm, "since")));
    return item;
}

json_t *live_vms(const json_t *now, const json_t *keks)
{
    json_t *items = json_array();
    const char *name;
    json_t *host;

    json_object_foreach((json_t *)(uintptr_t)now, name, host)
    {
        const json_t *report = json_object_get(host, "report");
        size_t i;
        json_t *vm;

        json_array_foreach(json_object_get(report, "vms"), i, vm)
        {
            json_t *item = vm_item(vm, name, is_up(host));

            json_object_set_new(item, "envelope", json_string(envelope_state(vm, report)));
            json_object_set_new(item, "kek_since", kek_since(keks, json_string_or(vm, "kek", "")));
            json_array_append_new(items, item);
        }
    }
    return items;
}

json_t *live_view(const json_t *now, const char *cluster_id, time_t at)
{
    json_t *hosts = json_array();
    const char *name;
    json_t *host;

    json_object_foreach((json_t *)(uintptr_t)now, name, host)
    {
        json_t *one = json_pack("{s:s}", "name", name);

        copy(one, host, "state");
        copy(one, host, "trouble");
        copy(one, host, "skew");
        json_object_set(one, "status", json_object_get(host, "report"));
        json_array_append_new(hosts, one);
    }
    return json_pack("{s:s, s:I, s:s, s:o}", "cluster", cluster_id, "now", (json_int_t)at, "asker",
                     "the manager", "hosts", hosts);
}
