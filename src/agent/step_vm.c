/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a VM: sealed, its disks poured, started, stopped, removed. */
#include <string.h>

#include "agent/copy.h"
#include "agent/disk.h"
#include "agent/identity.h"
#include "agent/lease.h"
#include "agent/step.h"
#include "agent/vm.h"

/* The document fits many times; a whole number of the datastore's objects. */
#define IDENTITY_BYTES (16u * 1024u * 1024u)

static bool add_disk(json_t *disks, const char *vm, const char *name, int64_t bytes)
{
    AUTO(drop_free) char *label = text_make("disk/%s", name);
    char uuid[UUID_SIZE];

    uuid_derive(vm, label, uuid);
    json_array_append_new(disks, json_pack("{s:s, s:s, s:I, s:b}", "name", name, "uuid", uuid,
                                           "bytes", (json_int_t)bytes, "poured", 0));
    return true;
}

static bool add_disks(json_t *config, const char *vm, const json_t *params, struct err *err)
{
    json_t *disks = json_array();
    const json_t *list;
    json_t *item;
    size_t i;

    json_object_set_new(config, "disks", disks);
    if (!json_get_array(params, "disks", DOMAIN_MAX_DISKS - 1, &list, err)) {
        return false;
    }
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *name;
        int64_t bytes;

        if (!json_get_string(item, "name", DOMAIN_MAX_DISK_NAME, &name, err) ||
            !json_get_integer(item, "bytes", 1 << 20, (int64_t)1 << 44, &bytes, err)) {
            return err_add(err, "disks[%zu]", i);
        }
        if (bytes % XTS_SECTOR != 0) {
            return err_set(err, ERR_INPUT, "disk '%s' is no whole number of %u-byte sectors", name,
                           XTS_SECTOR);
        }
        (void)add_disk(disks, vm, name, bytes);
    }
    return add_disk(disks, vm, "identity", IDENTITY_BYTES);
}

/* The configuration that params ask for, as the home keeps it. */
static bool make_config(const char *vm, const json_t *params, json_t **out, struct err *err)
{
    static const char *const objects[] = {"network", "admin"};
    AUTO(drop_json) json_t *config = json_object();
    const char *name, *accel;
    int64_t cpus, memory;

    if (!json_get_string(params, "name", DOMAIN_MAX_NAME, &name, err) ||
        !json_get_string(params, "accel", 8, &accel, err) ||
        !json_get_integer(params, "cpus", 1, DOMAIN_MAX_CPUS, &cpus, err) ||
        !json_get_integer(params, "memory", DOMAIN_MIN_MEMORY, DOMAIN_MAX_MEMORY, &memory, err) ||
        !add_disks(config, vm, params, err)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        const json_t *object;

        if (!json_get_object(params, objects[i], &object, err)) {
            return false;
        }
        json_object_set_new(config, objects[i], json_deep_copy(object));
    }
    json_object_set_new(config, "name", json_string(name));
    json_object_set_new(config, "accel", json_string(accel));
    json_object_set_new(config, "cpus", json_integer(cpus));
    json_object_set_new(config, "memory", json_integer(memory));
    *out = TAKE(config);
    return true;
}

static json_t *sealed_json(const struct vm *vm)
{
    /* A copy: it is written out when another step may be at work already. */
    return json_pack("{s:s, s:s, s:o}", "vm", vm->uuid, "kek", vm->agent->host.provider.kek,
                     "disks", json_deep_copy(json_object_get(vm->config, "disks")));
}

bool step_vm_seal(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_json) json_t *config = NULL;
    char uuid[UUID_SIZE];
    const char *name;
    struct vm *vm = NULL;

    if (!json_get_string(making->params, "name", DOMAIN_MAX_NAME, &name, err)) {
        return false;
    }
    AUTO(drop_free) char *label = text_make("vm/%s", name);

    uuid_derive(agent->host.cluster_id, label, uuid);
    if (!make_config(uuid, making->params, &config, err) ||
        !vm_make(agent, uuid, config, &making->changed, &vm, err)) {
        return false;
    }
    making->result = sealed_json(vm);
    return true;
}

static bool find(struct agent *agent, const struct making *making, struct vm **out, struct err *err)
{
    const char *uuid;

    return json_get_string(making->params, "vm", UUID_SIZE, &uuid, err) &&
           vm_find(agent, uuid, out, err);
}

bool step_disk_blank(struct agent *agent, struct making *making, struct err *err)
{
    const char *disk;
    struct vm *vm = NULL;

    return find(agent, making, &vm, err) &&
           json_get_string(making->params, "disk", DOMAIN_MAX_DISK_NAME, &disk, err) &&
           disk_pour_blank(vm, disk, making, err);
}

bool step_disk_identity(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_secret) struct secret *document = NULL;
    struct vm *vm = NULL;

    return find(agent, making, &vm, err) && vm_open(vm, err) && identity_make(vm, &document, err) &&
           disk_pour_bytes(vm, "identity", document, making, err);
}

bool step_vm_start(struct agent *agent, struct making *making, struct err *err)
{
    char host[STORE_MAX_HOLDER];
    struct vm *vm = NULL;

    if (!find(agent, making, &vm, err)) {
        return false;
    }
    if (!vm_start(vm, &making->changed, err)) {
        /* It runs where another host has taken it over: what is wanted holds. */
        if (err->kind != ERR_CLASH || !lease_elsewhere(agent, vm->uuid, host)) {
            return false;
        }
        vm_forget(vm);
        making->changed = false;
        making->result = json_pack("{s:s, s:s}", "state", "running", "host", host);
        return true;
    }
    making->result = json_pack("{s:s, s:s}", "state", "running", "host", agent->host.name);
    return true;
}

bool step_vm_stop(struct agent *agent, struct making *making, struct err *err)
{
    struct vm *vm = NULL;

    return find(agent, making, &vm, err) && vm_stop(vm, &making->changed, err);
}

/* No disk of this world is faster; a larger number would not fit QEMU's. */
#define MAX_LIMIT ((int64_t)1 << 40)

bool step_vm_copy(struct agent *agent, struct making *making, struct err *err)
{
    int64_t limit = 0;
    struct vm *vm = NULL;

    return (!json_object_get(making->params, "limit") ||
            json_get_integer(making->params, "limit", 0, MAX_LIMIT, &limit, err)) &&
           find(agent, making, &vm, err) && vm_open(vm, err) &&
           copy_vm(vm, (uint64_t)limit, making, err);
}

bool step_vm_remove(struct agent *agent, struct making *making, struct err *err)
{
    const char *uuid;
    struct vm *vm = NULL;

    if (!json_get_string(making->params, "vm", UUID_SIZE, &uuid, err)) {
        return false;
    }
    if (!agent->host.store_type) {
        return true;
    }
    if (!vm_find(agent, uuid, &vm, err)) {
        return err->kind == ERR_ABSENT;
    }
    making->changed = true;
    return vm_remove(vm, making->progress, err);
}
