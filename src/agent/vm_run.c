/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and stopping a VM: the part of agent/vm.h that talks to the hypervisor. */
#include <string.h>
#include <time.h>

#include "agent/copy.h"
#include "agent/disk.h"
#include "agent/home.h"
#include "agent/lease.h"
#include "agent/move.h"
#include "agent/takeover.h"
#include "agent/vm_domain.h"

/* The guest gets this long to shut down; systemd in the manager needs a few seconds. */
#define STOP_SECONDS 60u

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

bool vm_keep_still(struct vm *vm, struct err *err)
{
    bool any;

    files_watch_stop(TAKE(vm->watch));
    return save_files(vm, &any, err);
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
    AUTO(vm_domain_clear) struct vm_domain start = {0};
    bool off = state != HV_PAUSED;

    if (!off && !copy_settle(vm, hv, &off, err)) {
        return false;
    }
    if (off && vm->watch && !keep_files(vm, err)) {
        return false;
    }
    return vm_domain_make(vm, &start, err) &&
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

/* What is here though it is another's turn: it ran here before that one took it over, or it came
 * here and was never given. Nothing of it is kept. */
static bool discard(struct vm *vm, struct hv *hv, enum hv_state *state, struct err *err)
{
    files_watch_stop(TAKE(vm->watch));
    if (*state == HV_ABSENT) {
        return files_clear(vm->uuid, err);
    }
    if (!vm->agent->hypervisor->destroy(hv, vm->uuid, err) || !files_clear(vm->uuid, err)) {
        return false;
    }
    log_say(LOG_WARNING, "VM %s was here though it is another host's turn: it is destroyed",
            vm->uuid);
    *state = HV_ABSENT;
    return true;
}

static bool turn(struct vm *vm, struct hv *hv, bool to_stop, enum hv_state *state, struct err *err)
{
    char holder[STORE_MAX_HOLDER], stuck[STORE_MAX_HOLDER];
    struct agent *agent = vm->agent;
    struct hv_look now = {0};

    if (!lease_give_again(agent, vm->uuid, err)) {
        return false;
    }
    if (lease_holds(agent, vm->uuid)) {
        return true;
    }
    if (!lease_holder(agent, vm->uuid, holder, err)) {
        return false;
    }
    if (strcmp(holder, agent->host.name) == 0) {
        return true;
    }
    /* The door first, then another look: nothing may come while this host takes its turn. */
    move_close(vm);
    if (!agent->hypervisor->look(hv, vm->uuid, &now, err)) {
        return false;
    }
    *state = now.state;
    if (!discard(vm, hv, state, err)) {
        return false;
    }
    if (agent->host.maintenance && !to_stop) {
        err_set(err, ERR_CLASH, "host '%s' is in maintenance", agent->host.name);
        return err_mend(err, "quoin host maintenance %s off", agent->host.name);
    }
    return !holder[0] || lease_is_ripe(agent, vm->uuid, stuck) ||
           err_set(err, ERR_CLASH, "host '%s' has it", holder);
}

bool vm_turn(struct vm *vm, struct hv *hv, enum hv_state *state, struct err *err)
{
    return turn(vm, hv, false, state, err);
}

/* What runs here without a lease that can be ours is another's. What stands still came from another
 * host, whose lock ends soon: the record said that it is ours. */
static bool lease_or_destroy(struct vm *vm, struct hv *hv, bool to_stop, enum hv_state *state,
                             struct err *err)
{
    struct err failed = {0};

    if (!turn(vm, hv, to_stop, state, err)) {
        return false;
    }
    if (lease_take(vm->agent, vm->uuid, err)) {
        return takeover_fence(vm, err);
    }
    if (err->kind == ERR_CLASH && *state != HV_PAUSED && !discard(vm, hv, state, &failed)) {
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
    if (!lease_or_destroy(vm, hv, false, &look.state, err)) {
        return false;
    }
    *out_started = look.state != HV_RUNNING;
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
        !lease_or_destroy(vm, hv, true, &look.state, err) || !want(vm, "off", err) ||
        !vm->agent->hypervisor->stop(hv, vm->uuid, STOP_SECONDS, err) || !keep_files(vm, err) ||
        !lease_drop(vm->agent, vm->uuid, err)) {
        return err_add(err, "stop VM '%s'", vm->uuid);
    }
    *out_stopped = look.state != HV_ABSENT;
    vm_close(vm);
    return true;
}
