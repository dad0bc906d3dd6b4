/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/step.h"

#include <string.h>

const struct step_maker step_makers[] = {
    {"provider.open", step_provider_open},
    {"provider.request", step_provider_request},
    {"key.make", step_key_make},
    {"key.take", step_key_take},
    {"key.rewrap", step_key_rewrap},
    {"key.look", step_key_look},
    {"key.retire", step_key_retire},
    {"ca.make", step_ca_make},
    {"agent.enrol", step_agent_enrol},
    {"agent.request", step_agent_request},
    {"ca.sign", step_ca_sign},
    {"host.share", step_host_share},
    {"provider.import", step_provider_import},
    {"store.join", step_store_join},
    {"store.settle", step_store_settle},
    {"store.monitor", step_store_monitor},
    {"store.spread", step_store_spread},
    {"store.leave", step_store_leave},
    {"store.pause", step_store_pause},
    {"host.maintenance", step_host_maintenance},
    {"store.begin", step_store_begin},
    {"store.disk", step_store_disk},
    {"store.pool", step_store_pool},
    {"store.holes", step_store_holes},
    {"recovery.make", step_recovery_make},
    {"recovery.follow", step_recovery_follow},
    {"key.recover", step_key_recover},
    {"key.forget", step_key_forget},
    {"vm.seal", step_vm_seal},
    {"disk.blank", step_disk_blank},
    {"disk.identity", step_disk_identity},
    {"vm.start", step_vm_start},
    {"vm.stop", step_vm_stop},
    {"vm.copy", step_vm_copy},
    {"vm.offer", step_vm_offer},
    {"vm.expect", step_vm_expect},
    {"vm.send", step_vm_send},
    {"vm.receive", step_vm_receive},
    {"vm.decline", step_vm_decline},
    {"vm.remove", step_vm_remove},
    {"store.remove", step_store_remove},
    {"provider.remove", step_provider_remove},
    {0},
};

static const struct step_maker *find(const char *kind, struct err *err)
{
    for (const struct step_maker *maker = step_makers; maker->kind; maker++) {
        if (strcmp(maker->kind, kind) == 0) {
            return maker;
        }
    }
    err_set(err, ERR_INPUT, "this agent knows no step '%s'", kind);
    err_mend(err, "use a quoin and a quoind of the same version");
    return NULL;
}

static bool make_locked(struct agent *agent, const struct step_maker *maker, const json_t *cluster,
                        const json_t *self, struct making *making, struct err *err)
{
    pthread_mutex_lock(&agent->state);
    bool joined = host_join(&agent->host, cluster, self, err);
    pthread_mutex_unlock(&agent->state);
    return joined && maker->make(agent, making, err);
}

bool step_make(struct agent *agent, const json_t *order, struct making *making, struct err *err)
{
    const char *kind;
    const json_t *cluster, *self;

    if (!json_get_string(order, "kind", 64, &kind, err) ||
        !json_get_object(order, "cluster", &cluster, err) ||
        !json_get_object(order, "host", &self, err) ||
        !json_get_object(order, "params", &making->params, err)) {
        return err_add(err, "a step");
    }
    const struct step_maker *maker = find(kind, err);

    if (!maker) {
        return false;
    }
    pthread_mutex_lock(&agent->work);
    bool made = make_locked(agent, maker, cluster, self, making, err);
    pthread_mutex_unlock(&agent->work);
    return made || err_add(err, "%s", kind);
}
