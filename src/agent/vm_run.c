/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping a VM: the part of agent/vm.h that talks to the hypervisor. */
#include <string.h>
#include <time.h>

#include "agent/copy.h"
#include "agent/disk.h"
#include "agent/home.h"
#include "agent/lease.h"
#include "agent/takeover.h"
#include "agent/vm.h"
#include "base/hkdf.h"

/* The guest gets this long to shut down; systemd in the manager needs a few seconds. */
#define STOP_SECONDS 60u

/* All that one start needs; the strings and keys that it owns are freed at its end. */
struct start {
    struct domain domain;
    struct hv_keys keys;
    struct store_attachment attachments[DOMAIN_MAX_DISKS];
    struct secret *owned[DOMAIN_MAX_DISKS + 1];
    char *bridge;
};

static void drop_start(struct start *start)
{
    for (size_t i = 0; i < DOMAIN_MAX_DISKS; i++) {
        store_attachment_clear(&start->attachments[i]);
        secret_free(start->owned[i]);
    }
    secret_free(start->owned[DOMAIN_MAX_DISKS]);
}

bool vm_tpm(const struct vm *vm, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *raw = NULL;

    if (vm->tpm) {
        return secret_copy(vm->tpm, out, err);
    }
    return hkdf_derive(vm->key, SPAN_NONE, span_text("tpm"), 32, &raw, err) &&
           secret_to_hex(raw, out, err);
}

static bool add_disk(struct vm *vm, struct store *store, json_t *disk, size_t i,
                     struct start *start, struct err *err)
{
    const char *name = json_string_or(disk, "name", "");
    AUTO(drop_free) char *image = disk_image_name(vm, disk);
    struct store_attachment *attachment = &start->attachments[i];

    if (!json_is_true(json_object_get(disk, "poured"))) {
        return err_set(err, ERR_ABSENT, "disk '%s' is not poured yet", name);
    }
    if (!disk_check(vm, disk, err) ||
        !vm->agent->backend->images->attachment(store, image, attachment, err) ||
        !header_passphrase(vm->key, json_string_or(disk, "uuid", ""), &start->owned[i], err)) {
        return err_add(err, "disk '%s'", name);
    }
    start->keys.disks[i] = start->owned[i];
    start->domain.disks[i] = (struct domain_disk){
        .name = name, .source = attachment->source, .read_only = strcmp(name, "identity") == 0};
    return true;
}

static bool add_disks(struct vm *vm, struct start *start, struct err *err)
{
    const json_t *disks = json_object_get(vm->config, "disks");
    struct store *store = NULL;

    start->domain.disk_count = json_array_size(disks);
    if (start->domain.disk_count == 0 || start->domain.disk_count > DOMAIN_MAX_DISKS) {
        return err_set(err, ERR_INPUT, "a VM has 1 to %d disks", DOMAIN_MAX_DISKS);
    }
    if (!agent_store(vm->agent, &store, err)) {
        return false;
    }
    for (size_t i = 0; i < start->domain.disk_count; i++) {
        if (!add_disk(vm, store, json_array_get(disks, i), i, start, err)) {
            return false;
        }
    }
    const struct store_attachment *first = &start->attachments[0];

    start->domain.storage =
        (struct domain_storage){first->protocol, first->user, first->conf, first->hosts};
    start->keys.storage = first->key;
    return true;
}

static bool prepare(struct vm *vm, struct start *start, struct err *err)
{
    const json_t *network = json_object_get(vm->config, "network");
    const char *bridge, *name, *accel;
    int64_t cpus, memory;

    if (!json_get_string(vm->config, "name", DOMAIN_MAX_NAME, &name, err) ||
        !json_get_string(vm->config, "accel", 8, &accel, err) ||
        !json_get_integer(vm->config, "cpus", 1, DOMAIN_MAX_CPUS, &cpus, err) ||
        !json_get_integer(vm->config, "memory", DOMAIN_MIN_MEMORY, DOMAIN_MAX_MEMORY, &memory,
                          err) ||
        !json_get_string(network, "bridge", 15, &bridge, err)) {
        return err_add(err, "the configuration");
    }
    start->domain = (struct domain){.uuid = vm->uuid,
                                    .name = name,
                                    .kvm = strcmp(accel, "kvm") == 0,
                                    .cpus = (unsigned)cpus,
                                    .memory = (unsigned)memory,
                                    .bridge = bridge,
                                    .started = time(NULL)};
    if (!vm_tpm(vm, &start->owned[DOMAIN_MAX_DISKS], err)) {
        return false;
    }
    start->keys.tpm = start->owned[DOMAIN_MAX_DISKS];
    return add_disks(vm, start, err);
}

/* The files as they are now go into the home. One lock around both: an older look at them never
 * follows a newer one. `*out_any` false: there are none. */
static bool save_files(struct vm *vm, bool *out_any, struct err *err)
{
    struct secret *files = NULL;
    struct err absent = {0};

    pthread_mutex_lock(&vm->lock);
    bool gathered = files_gather(vm->uuid, &files, &absent);

    *out_any = gathered || absent.kind != ERR_ABSENT;
    if (gathered) {
        secret_free(vm->files);
        vm->files = files;
    } else if (*out_any) {
        *err = absent;
    }
    bool saved = !*out_any || (gathered && home_store(vm, err));

    vm->unsaved = !saved;
    pthread_mutex_unlock(&vm->lock);
    return saved;
}

bool vm_save_again(struct vm *vm, struct err *err)
{
    bool any;

    return !vm->unsaved || (save_files(vm, &any, err) && (any || vm_save(vm, err)));
}

/* From the watch's thread: vTPM state or firmware variables changed. */
static void files_changed(void *context, const char *uuid)
{
    struct err err = {0};
    bool any;

    (void)uuid;
    if (!save_files(context, &any, &err)) {
        log_err(&err);
    }
}

static bool watch(struct vm *vm, struct err *err)
{
    return vm->watch || files_watch_start(vm->uuid, files_changed, vm, &vm->watch, err);
}

/* True: the home says so too. */
static bool want(struct vm *vm, const char *wanted, struct err *err)
{
    const char *host = vm->agent->host.name;

    if (strcmp(json_string_or(vm->config, "wanted", ""), wanted) == 0 &&
        strcmp(json_string_or(vm->config, "host", ""), host) == 0) {
        return vm_save_again(vm, err);
    }
    vm_note(vm, vm->config, "wanted", json_string(wanted));
    vm_note(vm, vm->config, "host", json_string(host));
    return vm_save(vm, err);
}

static bool keep_files(struct vm *vm, struct err *err)
{
    bool any;

    files_watch_stop(TAKE(vm->watch));
    return save_files(vm, &any, err) && (!any || files_clear(vm->uuid, err));
}

/* The VM is off, so whoever still holds a lock on its disks is a dead hypervisor's client: after a
 * power cut its lock would block the start for half a minute. */
static bool fence_dead(struct vm *vm, struct err *err)
{
    const struct store_backend *backend = vm->agent->backend;
    struct store *store = NULL;
    json_t *disk;
    size_t i;

    if (!agent_store(vm->agent, &store, err)) {
        return false;
    }
    json_array_foreach(json_object_get(vm->config, "disks"), i, disk)
    {
        AUTO(drop_free) char *image = disk_image_name(vm, disk);

        if (!backend->fence(store, image, err)) {
            return err_add(err, "fence disk '%s'", json_string_or(disk, "name", ""));
        }
    }
    return true;
}

/* One that ran here until now may have changes that are not in its home yet, and its watch looks at
 * folders that files_put replaces. A paused one goes on with the files that it has. */
static bool start_now(struct vm *vm, struct hv *hv, enum hv_state state, struct err *err)
{
    AUTO(drop_start) struct start start = {0};
    bool off = state != HV_PAUSED;

    if (!off && !copy_settle(vm, hv, &off, err)) {
        return false;
    }
    if (off && vm->watch && !keep_files(vm, err)) {
        return false;
    }
    return prepare(vm, &start, err) &&
           (!off || (fence_dead(vm, err) && files_put(vm->uuid, vm->files, err))) &&
           vm->agent->hypervisor->start(hv, &start.domain, &start.keys, err);
}

/* The lease may have been lost while the hypervisor was at it: then the guard may have looked
 * before there was anything to stop. Another host that took over has fenced this one. */
static bool start_leased(struct vm *vm, struct hv *hv, enum hv_state state, struct err *err)
{
    struct err failed = {0};

    if (!lease_check(vm->agent, vm->uuid, err) || !start_now(vm, hv, state, err)) {
        return false;
    }
    if (lease_check(vm->agent, vm->uuid, err)) {
        return true;
    }
    if (!vm->agent->hypervisor->destroy(hv, vm->uuid, &failed)) {
        *err = failed;
    }
    return false;
}

/* What runs here without a lease that can be ours is another's. */
static bool lease_or_destroy(struct vm *vm, struct hv *hv, enum hv_state state, struct err *err)
{
    struct err failed = {0};

    if (lease_take(vm->agent, vm->uuid, err)) {
        return takeover_fence(vm, err);
    }
    if (err->kind == ERR_CLASH && state != HV_ABSENT &&
        !vm->agent->hypervisor->destroy(hv, vm->uuid, &failed)) {
        *err = failed;
    }
    return false;
}

static bool start_when_off(struct vm *vm, bool *out_started, struct err *err)
{
    const struct hypervisor *hypervisor = vm->agent->hypervisor;
    struct hv_look look = {0};
    struct hv *hv = NULL;

    if (!agent_hv(vm->agent, &hv, err) || !hypervisor->look(hv, vm->uuid, &look, err)) {
        return false;
    }
    *out_started = look.state != HV_RUNNING;
    if (!lease_or_destroy(vm, hv, look.state, err)) {
        return false;
    }
    if (look.state == HV_CRASHED && !hypervisor->destroy(hv, vm->uuid, err)) {
        return false;
    }
    if (!want(vm, "running", err) || (*out_started && !start_leased(vm, hv, look.state, err))) {
        return false;
    }
    return watch(vm, err);
}

bool vm_start(struct vm *vm, bool *out_started, struct err *err)
{
    return (vm_open(vm, err) && start_when_off(vm, out_started, err)) ||
           err_add(err, "start VM '%s'", vm->uuid);
}

/* Whoever holds its lease elsewhere is the one to stop it there. */
bool vm_stop(struct vm *vm, bool *out_stopped, struct err *err)
{
    struct hv_look look = {0};
    struct hv *hv = NULL;

    if (!vm_open(vm, err) || !agent_hv(vm->agent, &hv, err) ||
        !vm->agent->hypervisor->look(hv, vm->uuid, &look, err) ||
        !lease_or_destroy(vm, hv, look.state, err) || !want(vm, "off", err) ||
        !vm->agent->hypervisor->stop(hv, vm->uuid, STOP_SECONDS, err) || !keep_files(vm, err) ||
        !lease_drop(vm->agent, vm->uuid, err)) {
        return err_add(err, "stop VM '%s'", vm->uuid);
    }
    *out_stopped = look.state != HV_ABSENT;
    vm_close(vm);
    return true;
}
