/* SPDX-License-Identifier: Apache-2.0 */
/* The datastore on this host: its disks marked as ours, then made, then proven. */
#include <string.h>

#include "agent/step.h"

/* As many disks as one host of the field has; a shelf more is a second host. */
#define MAX_DISKS 64u

/* {"wwn"|"serial"|"uuid"|"path", "bytes", "consent", "identity"?} */
static bool read_order(const struct agent *agent, const json_t *params, struct disk_order *out,
                       struct err *err)
{
    const json_t *disk;
    int64_t bytes;
    bool consent;

    if (!json_get_object(params, "disk", &disk, err) ||
        !json_get_integer(params, "bytes", 0, INT64_MAX, &bytes, err) ||
        !json_get_bool(params, "consent", &consent, err)) {
        return false;
    }
    *out = (struct disk_order){.name = {.wwn = json_string_or(disk, "wwn", NULL),
                                        .serial = json_string_or(disk, "serial", NULL),
                                        .uuid = json_string_or(disk, "uuid", NULL),
                                        .path = json_string_or(disk, "path", NULL)},
                               .size = (uint64_t)bytes,
                               .cluster = agent->host.cluster_id,
                               .host = agent->host.name,
                               .consent = consent};
    return true;
}

/* The order names the disk as the plan saw it: the same name, found again, of the same size. */
static bool find_identity(struct disk_order *order, struct disk *disk, struct err *err)
{
    if (!disk_find(&order->name, disk, err)) {
        return false;
    }
    order->identity = disk->identity;
    return true;
}

bool step_store_disk(struct agent *agent, struct making *making, struct err *err)
{
    struct disk_order order;
    struct disk before, after;

    if (!read_order(agent, making->params, &order, err) || !find_identity(&order, &before, err) ||
        !disk_take(&order, &after, err)) {
        return false;
    }
    making->changed = before.content != DISK_MEMBER;
    making->result = json_pack("{s:s, s:s}", "identity", after.identity, "node", after.node);
    return true;
}

struct order_list {
    struct disk_order orders[MAX_DISKS];
    struct disk disks[MAX_DISKS];
    size_t count;
};

static bool read_orders(const struct agent *agent, const json_t *params, struct order_list *out,
                        struct err *err)
{
    const json_t *list;
    json_t *item;
    size_t i;

    if (!json_get_array(params, "disks", MAX_DISKS, &list, err)) {
        return false;
    }
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (!read_order(agent, item, &out->orders[i], err) ||
            !find_identity(&out->orders[i], &out->disks[i], err)) {
            return err_add(err, "disks[%zu]", i);
        }
    }
    out->count = json_array_size(list);
    return true;
}

static bool take_conf(struct agent *agent, const json_t *params, struct err *err)
{
    const char *type, *name, *network;
    int64_t replicas;
    const struct store_backend *backend;
    struct host *host = &agent->host;

    if (!json_get_string(params, "type", 16, &type, err) ||
        !json_get_string(params, "name", 63, &name, err) ||
        !json_get_string(params, "network", 64, &network, err) ||
        !json_get_integer(params, "replicas", 1, 16, &replicas, err) ||
        !store_backend_find(type, &backend, err)) {
        return false;
    }
    if (host->store_name && strcmp(host->store_name, name) != 0) {
        return err_set(err, ERR_CLASH, "the datastore here is '%s', not '%s'", host->store_name,
                       name);
    }
    pthread_mutex_lock(&agent->state);
    host_set(&host->store_name, name);
    host_set(&host->store_network, network);
    host_set(&host->store_type, type);
    host->store_replicas = (int)replicas;
    pthread_mutex_unlock(&agent->state);
    return agent_save(agent, err);
}

bool step_store_make(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_free) struct order_list *list = text_room(1, sizeof(*list));
    struct store_monitor monitor;
    struct store *store = NULL;

    if (!read_orders(agent, making->params, list, err) || !take_conf(agent, making->params, err) ||
        !store_backend_find(agent->host.store_type, &agent->backend, err)) {
        return false;
    }
    const struct store_conf conf = agent_store_conf(agent, &monitor);
    struct store_health before = {0}, after = {0};

    (void)agent->backend->look(&conf, &before, &(struct err){0});
    if (!agent->backend->make(&conf, list->orders, list->count, making->progress, err) ||
        !agent_store(agent, &store, err) || !agent->backend->look(&conf, &after, err)) {
        return false;
    }
    making->changed = !before.clean;
    making->result = json_pack("{s:I, s:i}", "bytes_total", (json_int_t)after.bytes_total,
                               "disks_up", (int)after.disks_up);
    return true;
}

bool step_store_holes(struct agent *agent, struct making *making, struct err *err)
{
    struct store *store = NULL;
    bool hold = false;

    if (!agent_store(agent, &store, err) || !agent->backend->holes(store, &hold, err)) {
        return false;
    }
    making->changed = hold != agent->host.holes_proven;
    pthread_mutex_lock(&agent->state);
    agent->host.holes_proven = hold;
    pthread_mutex_unlock(&agent->state);
    making->result = json_pack("{s:b}", "proven", hold);
    return agent_save(agent, err);
}

bool step_store_remove(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_free) struct order_list *list = text_room(1, sizeof(*list));
    struct store_monitor monitor;

    if (agent->vms) {
        return err_set(err, ERR_CLASH, "VMs of this cluster are still on the datastore");
    }
    if (!read_orders(agent, making->params, list, err)) {
        return false;
    }
    if (!agent->host.store_type) {
        return true;
    }
    agent_store_close(agent);
    const struct store_conf conf = agent_store_conf(agent, &monitor);

    if (!store_backend_find(agent->host.store_type, &agent->backend, err) ||
        !agent->backend->undo(&conf, list->orders, list->count, making->progress, err)) {
        return false;
    }
    pthread_mutex_lock(&agent->state);
    host_set(&agent->host.store_type, NULL);
    host_set(&agent->host.store_name, NULL);
    agent->host.holes_proven = false;
    pthread_mutex_unlock(&agent->state);
    making->changed = true;
    return agent_save(agent, err);
}
