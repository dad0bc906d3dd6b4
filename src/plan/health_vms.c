/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual machines: running once, sealed, under a lease that is held by the host that runs them. */
#include <string.h>

#include "plan/health_find.h"

static const struct {
    const char *state, *severity, *code, *remedy;
} odd_states[] = {
    {"crashed", "error", "vm.crashed", "its host starts it again; its journal says why it ended"},
    {"paused", "warning", "vm.paused",
     "often its disk gave an error: see to the datastore, then on its host: virsh resume"},
    {"off", "warning", "vm.off", "its host's journal says why: journalctl -u quoind"},
};

/* `running`: by id, those that run on some host. Off is what does not run anywhere. */
static void look_at_vm(struct health *health, const json_t *running, const json_t *host,
                       const json_t *vm)
{
    const char *name = json_string_or(vm, "name", json_string_or(vm, "id", ""));
    const char *on = json_string_or(host, "name", ""), *trouble = json_string_or(vm, "trouble", "");
    const json_t *hosts = json_object_get(host, "name");

    if (json_is_false(json_object_get(vm, "encrypted"))) {
        const struct health_place place = {"error", "vm.plain", "vms", name, hosts};

        health_find(health, &place, "do not use it; deploy it again",
                    "virtual machine '%s' on '%s' is not encrypted", name, on);
    }
    if (json_is_integer(json_object_get(vm, "cached"))) {
        const struct health_place place = {"warning", "vm.cached", "vms", name, hosts};

        health_find(health, &place,
                    "bring the key provider back before the time of that key (encryption.cache) is "
                    "over: afterwards it does not start again",
                    "virtual machine '%s' was opened by the key that was kept on '%s': its key "
                    "provider is away",
                    name, on);
    }
    if (trouble[0]) {
        const struct health_place place = {"error", "vm.trouble", "vms", name, hosts};

        health_find(health, &place,
                    "its host tries again by itself; its journal says more: journalctl -u quoind",
                    "virtual machine '%s' on '%s': %s", name, on, trouble);
    }
    for (size_t i = 0; i < COUNT_OF(odd_states) && !trouble[0]; i++) {
        const struct health_place place = {odd_states[i].severity, odd_states[i].code, "vms", name,
                                           hosts};

        if (strcmp(odd_states[i].state, json_string_or(vm, "state", "")) == 0 &&
            (strcmp(odd_states[i].state, "off") != 0 ||
             !json_object_get(running, json_string_or(vm, "id", "")))) {
            health_find(health, &place, odd_states[i].remedy, "virtual machine '%s' on '%s' is %s",
                        name, on, odd_states[i].state);
        }
    }
}

static bool runs(const json_t *vm)
{
    const char *state = json_string_or(vm, "state", "");

    return strcmp(state, "running") == 0 || strcmp(state, "paused") == 0;
}

/* {id: {"name", "hosts": [names]}} of those that run. */
static void note_running(json_t *running, const json_t *host, const json_t *vm)
{
    const char *id = json_string_or(vm, "id", "");
    json_t *entry = json_object_get(running, id);

    if (!runs(vm) || !id[0]) {
        return;
    }
    if (!entry) {
        entry = json_pack("{s:s, s:[]}", "name", json_string_or(vm, "name", id), "hosts");
        json_object_set_new(running, id, entry);
    }
    json_array_append(json_object_get(entry, "hosts"), json_object_get(host, "name"));
}

static void look_at_twice(struct health *health, const json_t *running)
{
    const char *id;
    json_t *entry;

    json_object_foreach((json_t *)(uintptr_t)running, id, entry)
    {
        const json_t *hosts = json_object_get(entry, "hosts");
        const char *name = json_string_or(entry, "name", id);
        const struct health_place place = {"error", "vm.twice", "vms", name, hosts};

        if (json_array_size(hosts) > 1) {
            AUTO(drop_free) char *names = health_names(hosts);

            health_find(health, &place,
                        "stop it on all but the one that holds its lease, before it writes",
                        "virtual machine '%s' runs on more than one host: %s", name, names);
        }
    }
}

void health_vms(struct health *health)
{
    AUTO(drop_json) json_t *running = json_object();
    size_t i, n;
    json_t *host, *vm;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        json_array_foreach(json_object_get(health_status(host), "vms"), n, vm)
        {
            note_running(running, host, vm);
        }
    }
    look_at_twice(health, running);
    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        json_array_foreach(json_object_get(health_status(host), "vms"), n, vm)
        {
            look_at_vm(health, running, host, vm);
        }
    }
}
