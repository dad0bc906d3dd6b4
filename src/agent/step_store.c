/* SPDX-License-Identifier: Apache-2.0 */
/* The datastore on this host: its services, its disks, a pool that takes writes; and its end. */
#include <string.h>

#include "agent/ca.h"
#include "agent/lease_record.h"
#include "agent/member.h"
#include "agent/share.h"
#include "agent/step.h"
#include "agent/takeover.h"
#include "agent/vm.h"

static bool find_backend(struct agent *agent, struct err *err)
{
    if (!agent->host.store_type) {
        return err_set(err, ERR_ABSENT, "this host has no datastore yet");
    }
    return store_backend_find(agent->host.store_type, &agent->backend, err);
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

/* Who has a monitor, or should have; kept, so that the host finds the datastore after a start. */
static bool take_monitors(struct agent *agent, const json_t *params, bool *out_changed,
                          struct err *err)
{
    const json_t *monitors = json_object_get(params, "monitors");

    if (!host_monitors_check(monitors, err)) {
        return false;
    }
    *out_changed = !json_equal(monitors, agent->host.monitors);
    if (!*out_changed) {
        return true;
    }
    pthread_mutex_lock(&agent->state);
    json_decref(agent->host.monitors);
    agent->host.monitors = json_deep_copy(monitors);
    pthread_mutex_unlock(&agent->state);
    return agent_save(agent, err);
}

static void look(struct agent *agent, struct store_health *out)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const struct store_conf conf = host_store_conf(&agent->host, monitors);
    struct err ignored = {0};

    *out = (struct store_health){.state = STORE_AWAY};
    (void)agent->backend->look(&conf, out, &ignored);
}

static bool is_one_of_several(const struct agent *agent)
{
    return agent->host.member && json_array_size(agent->host.monitors) > 0;
}

bool step_store_begin(struct agent *agent, struct making *making, struct err *err)
{
    struct store_health before;
    struct store_monitor monitors[STORE_MAX_MONITORS];

    if (!take_conf(agent, making->params, err) || !find_backend(agent, err)) {
        return false;
    }
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    /* One of several has begun already, and which daemons it has is not this step's. */
    if (is_one_of_several(agent)) {
        return agent->backend->care->settle(&conf, err);
    }
    look(agent, &before);
    making->changed = before.state == STORE_AWAY;
    store_health_clear(&before);
    return agent->backend->build->begin(&conf, making->progress, err);
}

/* {"disk":{"wwn"|"serial"|"uuid"|"path"},"link"?,"bytes","consent"} */
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
                               .link = json_string_or(params, "link", NULL),
                               .size = (uint64_t)bytes,
                               .cluster = agent->host.cluster_id,
                               .host = agent->host.name,
                               .consent = consent};
    return true;
}

bool step_store_disk(struct agent *agent, struct making *making, struct err *err)
{
    struct disk_order order;
    struct disk before;
    struct store_monitor monitors[STORE_MAX_MONITORS];
    unsigned member = 0;

    if (!find_backend(agent, err) || !read_order(agent, making->params, &order, err) ||
        !disk_find(&order.name, &before, err)) {
        return false;
    }
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    if (!agent->backend->build->disk(&conf, &order, making->progress, &member, err)) {
        return false;
    }
    making->changed = before.content != DISK_MEMBER;
    making->result = json_pack("{s:i, s:s}", "osd", (int)member, "identity", before.identity);
    return true;
}

/* {"disks"}: those this host has. More copies than that come with more hosts: store.spread. */
static unsigned possible_copies(const struct agent *agent, const json_t *params)
{
    json_int_t disks = json_integer_value(json_object_get(params, "disks"));

    return disks > 0 && disks < agent->host.store_replicas ? (unsigned)disks
                                                           : (unsigned)agent->host.store_replicas;
}

bool step_store_pool(struct agent *agent, struct making *making, struct err *err)
{
    struct store_health before, after;
    struct store_monitor monitors[STORE_MAX_MONITORS];
    struct store *store = NULL;

    if (!find_backend(agent, err)) {
        return false;
    }
    struct store_conf conf = host_store_conf(&agent->host, monitors);

    look(agent, &before);
    making->changed = !before.clean;
    conf.replicas = possible_copies(agent, making->params);
    store_health_clear(&before);
    if ((!is_one_of_several(agent) && !agent->backend->build->pool(&conf, making->progress, err)) ||
        !agent_store(agent, &store, err) || !ca_publish(agent, &making->changed, err) ||
        !member_set(agent, true, err)) {
        return false;
    }
    look(agent, &after);
    making->result = json_pack("{s:I, s:i}", "bytes_total", (json_int_t)after.bytes_total,
                               "disks_up", (int)after.disks_up);
    store_health_clear(&after);
    return true;
}

bool step_store_holes(struct agent *agent, struct making *making, struct err *err)
{
    struct store *store = NULL;
    bool hold = false;

    /* Proven once for this host and these librbd settings; a host that joins proves its own. */
    if (agent->host.holes_proven) {
        making->result = json_pack("{s:b}", "proven", 1);
        return true;
    }
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

/* A host that leaves may know VMs of the cluster, but none may run on it. */
static bool forget_vms(struct agent *agent, struct err *err)
{
    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        struct hv_look look = {.state = HV_ABSENT};
        struct hv *hv = NULL;

        if (!agent_hv(agent, &hv, err) || !agent->hypervisor->look(hv, vm->uuid, &look, err)) {
            return false;
        }
        if (look.state != HV_ABSENT) {
            err_set(err, ERR_CLASH, "VM '%s' runs on this host", vm->uuid);
            return err_mend(err, "move it to another host, or stop it, first");
        }
    }
    pthread_mutex_lock(&agent->state);
    struct vm *all = TAKE(agent->vms);
    pthread_mutex_unlock(&agent->state);
    vm_list_free(all);
    return true;
}

bool step_store_remove(struct agent *agent, struct making *making, struct err *err)
{
    bool leaves = json_is_true(json_object_get(making->params, "leave"));
    struct store_monitor monitors[STORE_MAX_MONITORS];
    struct err away = {0};
    json_t *cleared = NULL;

    if (!agent->host.store_type) {
        return true;
    }
    /* An agent that has just started may not know of its VMs yet; a datastore that is away or was
     * never finished cannot tell, and may go all the same. */
    if (!leaves) {
        (void)vm_list_load(agent, &away);
    } else if (!forget_vms(agent, err)) {
        return false;
    }
    if (agent->vms) {
        err_set(err, ERR_CLASH, "VMs of this cluster are still on the datastore");
        return err_mend(err, "run the same command again: it removes them first");
    }
    agent_store_close(agent);
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    if (!find_backend(agent, err) ||
        !agent->backend->build->undo(&conf, making->progress, &cleared, err)) {
        return false;
    }
    making->result = json_pack("{s:o}", "zapped", cleared);
    making->changed = true;
    pthread_mutex_lock(&agent->state);
    host_set(&agent->host.store_type, NULL);
    host_set(&agent->host.store_name, NULL);
    agent->host.holes_proven = agent->host.member = false;
    json_decref(TAKE(agent->host.monitors));
    pthread_mutex_unlock(&agent->state);
    return agent_save(agent, err);
}

/* --- one of several hosts --------------------------------------------------------------------- */

bool step_store_join(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_parcel) struct parcel *parcel = NULL;
    struct store_monitor monitors[STORE_MAX_MONITORS];
    struct store *store = NULL;
    bool other = false;

    if (!share_open(agent, making->params, &parcel, err)) {
        return false;
    }
    const struct secret *keys = share_store_keys(parcel);

    if (!keys) {
        return err_set(err, ERR_ABSENT, "the host that sent the parcel has no datastore yet");
    }
    if (!take_conf(agent, making->params, err) ||
        !take_monitors(agent, making->params, &other, err) || !find_backend(agent, err)) {
        return false;
    }
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    making->changed = other || !agent->host.member;
    return agent->backend->build->join(&conf, keys, making->progress, err) &&
           takeover_admit(agent, err) && agent_store(agent, &store, err) &&
           member_set(agent, true, err);
}

bool step_store_settle(struct agent *agent, struct making *making, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];

    if (!find_backend(agent, err) || !take_conf(agent, making->params, err) ||
        !take_monitors(agent, making->params, &making->changed, err)) {
        return false;
    }
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    return agent->backend->care->settle(&conf, err);
}

static bool has_monitor(struct agent *agent)
{
    struct store_health health;

    look(agent, &health);
    const json_t *host = json_find(health.hosts, "name", agent->host.name);
    bool has = strcmp(json_string_or(host, "monitor", ""), "quorum") == 0;

    store_health_clear(&health);
    return has;
}

bool step_store_monitor(struct agent *agent, struct making *making, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];

    if (!find_backend(agent, err)) {
        return false;
    }
    bool had = has_monitor(agent);
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    if (!agent->backend->build->monitor(&conf, making->progress, err)) {
        return false;
    }
    making->changed = had != has_monitor(agent);
    return true;
}

bool step_store_spread(struct agent *agent, struct making *making, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    struct store_health before;
    unsigned copies = 0;

    if (!find_backend(agent, err)) {
        return false;
    }
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    look(agent, &before);
    unsigned had = before.copies_on_hosts ? before.copies : 0;

    store_health_clear(&before);
    if (!agent->backend->care->spread(&conf, making->progress, &copies, err)) {
        return false;
    }
    making->changed = had != copies;
    making->result = json_pack("{s:i}", "copies", (int)copies);
    return true;
}

bool step_store_leave(struct agent *agent, struct making *making, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const char *address = json_string_or(making->params, "address", NULL);
    const char *host;

    if (!json_get_string(making->params, "host", 255, &host, err) || !find_backend(agent, err)) {
        return false;
    }
    /* By name it is known to nobody: then what the datastore knows is enough. */
    address = address && lease_address_valid(address) ? address : NULL;
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    making->changed = true;
    return agent->backend->care->leave(&conf, host, address, making->progress, err);
}

static bool is_paused(struct agent *agent, const char *name)
{
    struct store_health health;

    look(agent, &health);
    const json_t *host = json_find(health.hosts, "name", name);
    bool paused = json_is_true(json_object_get(host, "paused"));

    store_health_clear(&health);
    return paused;
}

bool step_store_pause(struct agent *agent, struct making *making, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const char *host;
    bool on = false;

    if (!json_get_string(making->params, "host", 255, &host, err) ||
        !json_get_bool(making->params, "on", &on, err) || !find_backend(agent, err)) {
        return false;
    }
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    making->changed = is_paused(agent, host) != on;
    return agent->backend->care->pause(&conf, host, on, err);
}

bool step_host_maintenance(struct agent *agent, struct making *making, struct err *err)
{
    bool on = false;

    if (!json_get_bool(making->params, "on", &on, err)) {
        return false;
    }
    struct hv *hv = NULL;

    /* Who asks next what runs here must be told the truth. */
    if (on && (!agent_hv(agent, &hv, err) || !vm_list_load(agent, err))) {
        return false;
    }
    making->changed = agent->host.maintenance != on;
    pthread_mutex_lock(&agent->state);
    agent->host.maintenance = on;
    pthread_mutex_unlock(&agent->state);
    return agent_save(agent, err);
}
