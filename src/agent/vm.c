/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/vm.h"

#include <string.h>

#include "agent/home.h"
#include "agent/lease.h"
#include "agent/takeover.h"

/* One object a VM: "home." and its UUID. */
#define HOME_PREFIX "home."

static struct vm *vm_new(struct agent *agent, const char *uuid)
{
    struct vm *vm = text_room(1, sizeof(*vm));

    vm->agent = agent;
    pthread_mutex_init(&vm->lock, NULL);
    memcpy(vm->uuid, uuid, UUID_SIZE);
    return vm;
}

void vm_close(struct vm *vm)
{
    files_watch_stop(TAKE(vm->watch));
    pthread_mutex_lock(&vm->lock);
    secret_free(TAKE(vm->key));
    secret_free(TAKE(vm->files));
    secret_free(TAKE(vm->tpm));
    pthread_mutex_unlock(&vm->lock);
}

void vm_forget(struct vm *vm)
{
    vm_close(vm);
    pthread_mutex_lock(&vm->lock);
    json_decref(TAKE(vm->config));
    vm->unsaved = false;
    pthread_mutex_unlock(&vm->lock);
}

static void vm_free(struct vm *vm)
{
    vm_close(vm);
    json_decref(vm->config);
    json_decref(vm->shown);
    free(vm->envelope);
    free(vm->recovery);
    free(vm->trouble);
    pthread_mutex_destroy(&vm->lock);
    free(vm);
}

void vm_list_free(struct vm *vm)
{
    while (vm) {
        struct vm *next = vm->next;

        vm_free(vm);
        vm = next;
    }
}

static struct vm *known(struct agent *agent, const char *uuid)
{
    struct vm *vm = agent->vms;

    while (vm && strcmp(vm->uuid, uuid) != 0) {
        vm = vm->next;
    }
    return vm;
}

static struct vm *list_add(struct agent *agent, const char *uuid)
{
    struct vm *vm = vm_new(agent, uuid);

    pthread_mutex_lock(&agent->state);
    vm->next = agent->vms;
    agent->vms = vm;
    pthread_mutex_unlock(&agent->state);
    return vm;
}

static void list_take(struct vm *vm)
{
    struct agent *agent = vm->agent;

    pthread_mutex_lock(&agent->state);
    struct vm **link = &agent->vms;

    while (*link != vm) {
        link = &(*link)->next;
    }
    *link = vm->next;
    pthread_mutex_unlock(&agent->state);
    vm_free(vm);
}

bool vm_list_load(struct agent *agent, struct err *err)
{
    AUTO(drop_json) json_t *names = NULL;
    struct store *store = NULL;
    json_t *name;
    size_t i;

    if (!agent_store(agent, &store, err) ||
        !agent->backend->objects->list(store, HOME_PREFIX, &names, err)) {
        return err_add(err, "list the VMs on the datastore");
    }
    json_array_foreach(names, i, name)
    {
        const char *uuid = json_string_value(name) + strlen(HOME_PREFIX);

        if (uuid_valid(uuid) && !known(agent, uuid)) {
            (void)list_add(agent, uuid);
        }
    }
    return true;
}

bool vm_find(struct agent *agent, const char *uuid, struct vm **out, struct err *err)
{
    struct vm *vm = known(agent, uuid);

    if (!vm) {
        if (!vm_list_load(agent, err)) {
            return false;
        }
        vm = known(agent, uuid);
    }
    if (!vm) {
        return err_set(err, ERR_ABSENT, "there is no VM '%s' on the datastore", uuid);
    }
    *out = vm;
    return true;
}

bool vm_disk(const struct vm *vm, const char *disk, json_t **out, struct err *err)
{
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(vm->config, "disks"), i, item)
    {
        if (strcmp(json_string_or(item, "name", ""), disk ? disk : "") == 0) {
            *out = item;
            return true;
        }
    }
    return err_set(err, ERR_ABSENT, "VM '%s' has no disk '%s'",
                   json_string_or(vm->config, "name", vm->uuid), disk ? disk : "");
}

void vm_note(struct vm *vm, json_t *part, const char *name, json_t *value)
{
    pthread_mutex_lock(&vm->lock);
    json_object_set_new(part, name, value);
    pthread_mutex_unlock(&vm->lock);
}

bool vm_open(struct vm *vm, struct err *err)
{
    pthread_mutex_lock(&vm->lock);
    bool opened = vm->key || home_load(vm, err);
    pthread_mutex_unlock(&vm->lock);
    return opened;
}

bool vm_open_again(struct vm *vm, struct err *err)
{
    files_watch_stop(TAKE(vm->watch));
    pthread_mutex_lock(&vm->lock);
    vm->unsaved = false;
    bool opened = home_load(vm, err);
    pthread_mutex_unlock(&vm->lock);
    if (!opened) {
        vm_forget(vm);
    }
    return opened;
}

/* What a deploy says of a VM; where it runs, and how far its disks are, is not the deploy's. */
static bool same_wish(const json_t *have, const json_t *want)
{
    static const char *const keys[] = {"name", "cpus", "memory", "network"};
    const json_t *a = json_object_get(have, "disks"), *b = json_object_get(want, "disks");

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (!json_equal(json_object_get(have, keys[i]), json_object_get(want, keys[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < json_array_size(a) || i < json_array_size(b); i++) {
        const json_t *x = json_array_get(a, i), *y = json_array_get(b, i);

        if (!json_equal(json_object_get(x, "name"), json_object_get(y, "name")) ||
            !json_equal(json_object_get(x, "bytes"), json_object_get(y, "bytes"))) {
            return false;
        }
    }
    return true;
}

static bool make_new(struct vm *vm, const json_t *config, struct err *err)
{
    pthread_mutex_lock(&vm->lock);
    bool made = home_make(vm, config, err);
    pthread_mutex_unlock(&vm->lock);
    return made;
}

bool vm_make(struct agent *agent, const char *uuid, const json_t *config, bool *out_made,
             struct vm **out, struct err *err)
{
    if (!vm_list_load(agent, err)) {
        return false;
    }
    struct vm *vm = known(agent, uuid);

    *out_made = !vm;
    if (!vm) {
        vm = list_add(agent, uuid);
        if (!make_new(vm, config, err)) {
            list_take(vm);
            return false;
        }
    }
    if (!vm_open(vm, err)) {
        return false;
    }
    if (!same_wish(vm->config, config)) {
        err_set(err, ERR_CLASH, "VM '%s' is here already, with another configuration",
                json_string_or(config, "name", uuid));
        return err_mend(err, "deploy the blueprint it was made from, or destroy it first");
    }
    *out = vm;
    return true;
}

bool vm_save(struct vm *vm, struct err *err)
{
    pthread_mutex_lock(&vm->lock);
    bool saved = home_store(vm, err);
    /* Files that could not be gathered are not saved by this. */
    vm->unsaved = vm->unsaved || !saved;
    pthread_mutex_unlock(&vm->lock);
    return saved;
}

static bool remove_images(struct vm *vm, struct store *store, const struct progress *progress,
                          struct err *err)
{
    const struct store_images *images = vm->agent->backend->images;
    AUTO(drop_free) char *prefix = text_make("vm-%s-", vm->uuid);
    AUTO(drop_json) json_t *names = NULL;
    json_t *name;
    size_t i;

    if (!images->list(store, &names, err)) {
        return false;
    }
    json_array_foreach(names, i, name)
    {
        if (text_starts(json_string_value(name), prefix) &&
            !images->remove(store, json_string_value(name), progress, err)) {
            return false;
        }
    }
    return true;
}

/* The home goes last: as long as it is there, the rest can be found and removed. */
bool vm_remove(struct vm *vm, const struct progress *progress, struct err *err)
{
    AUTO(drop_free) char *object = text_make(HOME_PREFIX "%s", vm->uuid);
    struct agent *agent = vm->agent;
    struct store *store = NULL;
    struct hv *hv = NULL;

    files_watch_stop(TAKE(vm->watch));
    /* Whoever has it running elsewhere keeps it; whoever may have is fenced first. */
    if (!lease_take(agent, vm->uuid, err) || !takeover_fence(vm, err) ||
        !agent_hv(agent, &hv, err) || !agent->hypervisor->destroy(hv, vm->uuid, err) ||
        !files_clear(vm->uuid, err) || !agent_store(agent, &store, err) ||
        !remove_images(vm, store, progress, err) ||
        !agent->backend->objects->remove(store, object, err) || !home_forget(vm, err) ||
        !lease_remove(agent, vm->uuid, err)) {
        return err_add(err, "remove VM '%s'", vm->uuid);
    }
    list_take(vm);
    return true;
}
