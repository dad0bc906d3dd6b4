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
};

static void look_at_vm(struct health *health, const json_t *host, const json_t *vm)
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

        if (strcmp(odd_states[i].state, json_string_or(vm, "state", "")) == 0) {
            health_find(health, &place, odd_states[i].remedy, "virtual machine '%s' on '%s' is %s",
                        name, on, odd_states[i].state);
        }
    }
}

/* Under which of an entry's lists its host is told; NULL: it says nothing of it. */
static const char *list_of(const json_t *vm)
{
    const char *state = json_string_or(vm, "state", "");

    return strcmp(state, "running") == 0 || strcmp(state, "paused") == 0 ? "hosts"
           : strcmp(state, "crashed") == 0                               ? "crashed"
           : strcmp(state, "off") == 0                                   ? "off"
                                                                         : NULL;
}

/* {id: {"name", "hosts", "crashed", "off": [names]}}: who says what of a machine. */
static void note(json_t *noted, const json_t *host, const json_t *vm)
{
    const char *id = json_string_or(vm, "id", ""), *list = list_of(vm);
    json_t *entry = json_object_get(noted, id);

    if (!list || !id[0]) {
        return;
    }
    if (!entry) {
        entry = json_pack("{s:s, s:[], s:[], s:[]}", "name", json_string_or(vm, "name", id),
                          "hosts", "crashed", "off");
        json_object_set_new(noted, id, entry);
    }
    json_array_append(json_object_get(entry, list), json_object_get(host, "name"));
}

static size_t count_of(const json_t *entry, const char *list)
{
    return json_array_size(json_object_get(entry, list));
}

static void look_at_twice(struct health *health, const json_t *entry, const char *name)
{
    const json_t *hosts = json_object_get(entry, "hosts");
    const struct health_place place = {"error", "vm.twice", "vms", name, hosts};
    AUTO(drop_free) char *names = health_names(hosts);

    health_find(health, &place, "stop it on all but the one that holds its lease, before it writes",
                "virtual machine '%s' runs on more than one host: %s", name, names);
}

/* Every host knows of every machine, and it is off on all but one: told once, when it is off on
 * all.
 */
static void look_at_off(struct health *health, const json_t *entry, const char *name)
{
    const json_t *hosts = json_object_get(entry, "off");
    const struct health_place place = {"warning", "vm.off", "vms", name, hosts};
    AUTO(drop_free) char *names = health_names(hosts);

    health_find(health, &place, "its host's journal says why: journalctl -u quoind",
                "virtual machine '%s' is off: it runs on none of %s", name, names);
}

void health_vms(struct health *health)
{
    AUTO(drop_json) json_t *noted = json_object();
    size_t i, n;
    json_t *host, *vm, *entry;
    const char *id;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        json_array_foreach(json_object_get(health_status(host), "vms"), n, vm)
        {
            note(noted, host, vm);
            look_at_vm(health, host, vm);
        }
    }
    json_object_foreach(noted, id, entry)
    {
        if (count_of(entry, "hosts") > 1) {
            look_at_twice(health, entry, json_string_or(entry, "name", id));
        }
        if (count_of(entry, "hosts") + count_of(entry, "crashed") == 0) {
            look_at_off(health, entry, json_string_or(entry, "name", id));
        }
    }
}
