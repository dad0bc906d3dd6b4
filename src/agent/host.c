/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/host.h"

#include <stddef.h>
#include <string.h>

#define HOST_MAX_BYTES 65536u
#define NAME_MAX_BYTES 255u

static const struct {
    const char *key;
    size_t offset;
} fields[] = {
    {"cluster_id", offsetof(struct host, cluster_id)},
    {"cluster", offsetof(struct host, cluster)},
    {"datacenter", offsetof(struct host, datacenter)},
    {"host", offsetof(struct host, name)},
    {"address", offsetof(struct host, address)},
    {"store_type", offsetof(struct host, store_type)},
    {"store_name", offsetof(struct host, store_name)},
    {"store_network", offsetof(struct host, store_network)},
    {"provider_name", offsetof(struct host, provider.name)},
    {"provider_type", offsetof(struct host, provider.type)},
    {"provider_tpm", offsetof(struct host, provider.tpm)},
    {"provider_cache", offsetof(struct host, provider.cache)},
    {"provider_pcrs", offsetof(struct host, provider.pcrs)},
    {"provider_folder", offsetof(struct host, provider.folder)},
    {"kek", offsetof(struct host, provider.kek)},
    {"kek_made", offsetof(struct host, provider.made)},
    {"next_name", offsetof(struct host, next.name)},
    {"next_type", offsetof(struct host, next.type)},
    {"next_tpm", offsetof(struct host, next.tpm)},
    {"next_cache", offsetof(struct host, next.cache)},
    {"next_pcrs", offsetof(struct host, next.pcrs)},
    {"next_folder", offsetof(struct host, next.folder)},
    {"next_label", offsetof(struct host, next_label)},
    {"old_name", offsetof(struct host, old.name)},
    {"old_type", offsetof(struct host, old.type)},
    {"old_tpm", offsetof(struct host, old.tpm)},
    {"old_cache", offsetof(struct host, old.cache)},
    {"old_pcrs", offsetof(struct host, old.pcrs)},
    {"old_folder", offsetof(struct host, old.folder)},
    {"old_kek", offsetof(struct host, old.kek)},
    {"old_kek_made", offsetof(struct host, old.made)},
};

static char **field_of(struct host *host, size_t i)
{
    return (char **)((char *)host + fields[i].offset);
}

static char *path_of(const struct host *host)
{
    return text_make("%s/cluster.json", host->folder);
}

void host_set(char **field, const char *value)
{
    char *copy = text_copy(value);

    free(*field);
    *field = copy;
}

void host_provider_clear(struct host_provider *provider)
{
    free(provider->name);
    free(provider->type);
    free(provider->tpm);
    free(provider->pcrs);
    free(provider->cache);
    free(provider->folder);
    free(provider->kek);
    free(provider->made);
    *provider = (struct host_provider){0};
}

void host_provider_take(struct host_provider *to, struct host_provider *from)
{
    host_provider_clear(to);
    *to = *from;
    *from = (struct host_provider){0};
}

struct host_provider host_provider_copy(const struct host_provider *from)
{
    return (struct host_provider){.name = text_copy(from->name),
                                  .type = text_copy(from->type),
                                  .tpm = text_copy(from->tpm),
                                  .pcrs = text_copy(from->pcrs),
                                  .cache = text_copy(from->cache),
                                  .folder = text_copy(from->folder),
                                  .kek = text_copy(from->kek),
                                  .made = text_copy(from->made)};
}

bool host_monitors_check(const json_t *monitors, struct err *err)
{
    const char *name, *address;

    if (!json_is_array(monitors) || json_array_size(monitors) == 0 ||
        json_array_size(monitors) > STORE_MAX_MONITORS) {
        return err_set(err, ERR_INPUT, "a datastore has 1 to %d monitors", STORE_MAX_MONITORS);
    }
    for (size_t i = 0; i < json_array_size(monitors); i++) {
        const json_t *monitor = json_array_get(monitors, i);

        if (!json_get_string(monitor, "host", NAME_MAX_BYTES, &name, err) ||
            !json_get_string(monitor, "address", NAME_MAX_BYTES, &address, err)) {
            return err_add(err, "monitors[%zu]", i);
        }
    }
    return true;
}

struct store_conf host_store_conf(const struct host *host,
                                  struct store_monitor monitors[STORE_MAX_MONITORS])
{
    size_t count = json_array_size(host->monitors);

    for (size_t i = 0; i < count; i++) {
        const json_t *monitor = json_array_get(host->monitors, i);

        monitors[i] = (struct store_monitor){.host = json_string_or(monitor, "host", ""),
                                             .address = json_string_or(monitor, "address", "")};
    }
    if (count == 0) {
        monitors[count++] = (struct store_monitor){.host = host->name, .address = host->address};
    }
    return (struct store_conf){.cluster = host->cluster_id,
                               .name = host->store_name,
                               .network = host->store_network,
                               .host = host->name,
                               .address = host->address,
                               .monitors = monitors,
                               .monitor_count = count,
                               .replicas = (unsigned)host->store_replicas,
                               .root = ""};
}

bool host_load(const char *folder, struct host *out, struct err *err)
{
    AUTO(host_clear) struct host host = {.folder = text_copy(folder)};
    AUTO(drop_free) char *path = path_of(&host);
    AUTO(drop_free) char *bytes = NULL;
    AUTO(drop_json) json_t *object = NULL;
    size_t length = 0;

    if (!file_exists(path)) {
        *out = host;
        host = (struct host){0};
        return true;
    }
    if (!file_read(path, HOST_MAX_BYTES, &bytes, &length, err) ||
        !json_read(bytes, length, &object, err) || !json_format_known(object, HOST_FORMAT, err)) {
        return err_add(err, "what this host is part of, '%s'", path);
    }
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        host_set(field_of(&host, i), json_string_or(object, fields[i].key, NULL));
    }
    host.store_replicas = (int)json_integer_value(json_object_get(object, "store_replicas"));
    host.holes_proven = json_is_true(json_object_get(object, "holes_proven"));
    host.member = json_is_true(json_object_get(object, "member"));
    host.maintenance = json_is_true(json_object_get(object, "maintenance"));
    host.recovery = json_is_true(json_object_get(object, "recovery"));
    if (json_object_get(object, "monitors")) {
        if (!host_monitors_check(json_object_get(object, "monitors"), err)) {
            return err_add(err, "what this host is part of, '%s'", path);
        }
        host.monitors = json_incref(json_object_get(object, "monitors"));
    }
    *out = host;
    host = (struct host){0};
    return true;
}

bool host_save(const struct host *host, struct err *err)
{
    AUTO(drop_free) char *path = path_of(host);
    AUTO(drop_json) json_t *object = json_object();
    struct host copy = *host;

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (*field_of(&copy, i)) {
            json_object_set_new(object, fields[i].key, json_string(*field_of(&copy, i)));
        }
    }
    json_object_set_new(object, "format", json_integer(HOST_FORMAT));
    json_object_set_new(object, "store_replicas", json_integer(host->store_replicas));
    json_object_set_new(object, "holes_proven", json_boolean(host->holes_proven));
    json_object_set_new(object, "member", json_boolean(host->member));
    json_object_set_new(object, "maintenance", json_boolean(host->maintenance));
    json_object_set_new(object, "recovery", json_boolean(host->recovery));
    if (host->monitors) {
        json_object_set(object, "monitors", host->monitors);
    }
    AUTO(drop_free) char *bytes = json_write(object);

    return file_make_folder(host->folder, 0700, err) &&
           file_write(path, bytes, strlen(bytes), 0600, err);
}

static bool refuse_other(const struct host *host, const char *id, const char *name,
                         const char *self, struct err *err)
{
    if (strcmp(host->cluster_id, id) != 0) {
        err_set(err, ERR_CLASH, "this host is part of cluster '%s' (%s), not of '%s' (%s)",
                host->cluster, host->cluster_id, name, id);
        return err_mend(err, "take it out of that cluster first (quoin destroy), or use another "
                             "host");
    }
    if (strcmp(host->name, self) != 0) {
        return err_set(err, ERR_CLASH, "this host is '%s' in its cluster, not '%s'", host->name,
                       self);
    }
    return true;
}

bool host_join(struct host *host, const json_t *cluster, const json_t *self, struct err *err)
{
    const char *id, *name, *datacenter, *host_name, *address;

    if (!json_get_string(cluster, "id", UUID_SIZE, &id, err) ||
        !json_get_string(cluster, "name", NAME_MAX_BYTES, &name, err) ||
        !json_get_string(cluster, "datacenter", NAME_MAX_BYTES, &datacenter, err) ||
        !json_get_string(self, "name", NAME_MAX_BYTES, &host_name, err) ||
        !json_get_string(self, "address", NAME_MAX_BYTES, &address, err)) {
        return err_add(err, "cluster and host of a step");
    }
    if (!uuid_valid(id)) {
        return err_set(err, ERR_INPUT, "'%s' is no cluster id", id);
    }
    if (host->cluster_id) {
        return refuse_other(host, id, name, host_name, err);
    }
    host_set(&host->cluster_id, id);
    host_set(&host->cluster, name);
    host_set(&host->datacenter, datacenter);
    host_set(&host->name, host_name);
    host_set(&host->address, address);
    return host_save(host, err);
}

bool host_leave(struct host *host, struct err *err)
{
    AUTO(drop_free) char *path = path_of(host);

    if (!file_remove(path, err)) {
        return false;
    }
    AUTO(drop_free) char *folder = text_copy(host->folder);

    host_clear(host);
    host->folder = TAKE(folder);
    return true;
}

struct host host_copy(const struct host *host)
{
    struct host from = *host, copy = *host;

    copy.folder = text_copy(host->folder);
    copy.monitors = json_deep_copy(host->monitors);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        *field_of(&copy, i) = text_copy(*field_of(&from, i));
    }
    return copy;
}

void host_clear(struct host *host)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        free(*field_of(host, i));
    }
    free(host->folder);
    json_decref(host->monitors);
    *host = (struct host){0};
}
