/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/keeper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "agent/cached.h"
#include "agent/copy.h"
#include "agent/enrol.h"
#include "agent/home.h"
#include "agent/lease.h"
#include "agent/move.h"
#include "agent/notice.h"
#include "agent/rekey.h"
#include "agent/rewrap.h"
#include "agent/takeover.h"
#include "agent/vm.h"

/* Looks so often when all is well, and again after a failure: 1, 2, 4 … seconds. */
#define CALM_SECONDS 10u
#define MAX_SECONDS  30u

static bool is_at_home(const struct vm *vm)
{
    return strcmp(json_string_or(vm->config, "host", ""), vm->agent->host.name) == 0;
}

/* It is this host's turn, which its home may not say yet: it came from another host just now. */
static bool is_ours(const struct vm *vm)
{
    return lease_holds(vm->agent, vm->uuid) || lease_is_given(vm->agent, vm->uuid);
}

static bool runs_here(const struct vm *vm)
{
    return strcmp(json_string_or(vm->config, "wanted", ""), "running") == 0 &&
           (is_at_home(vm) || is_ours(vm));
}

/* Says it once, not at every try. */
static void set_trouble(struct vm *vm, const struct err *err)
{
    if (err && (!vm->trouble || strcmp(vm->trouble, err->what) != 0)) {
        log_err(err);
    }
    pthread_mutex_lock(&vm->lock);
    free(vm->trouble);
    vm->trouble = err ? text_copy(err->what) : NULL;
    pthread_mutex_unlock(&vm->lock);
}

/* What is here though it is another's turn goes: a move that was broken off left it. */
static bool clear_stray(struct vm *vm, struct hv *hv, enum hv_state state, struct err *err)
{
    struct err theirs = {0};

    if (state == HV_ABSENT) {
        return move_tidy(vm, err);
    }
    if (move_expects(vm) || vm_turn(vm, hv, &state, &theirs) || theirs.kind == ERR_CLASH) {
        return true;
    }
    *err = theirs;
    return false;
}

/* Off here; a lease that a stop was killed in giving back goes back now. */
static bool keep_off(struct vm *vm, struct err *err)
{
    struct hv_look look = {0};
    struct hv *hv = NULL;

    if (!vm_save_again(vm, err)) {
        return false;
    }
    vm_close(vm);
    if (!agent_hv(vm->agent, &hv, err) || !vm->agent->hypervisor->look(hv, vm->uuid, &look, err)) {
        return false;
    }
    if (!lease_holds(vm->agent, vm->uuid)) {
        return clear_stray(vm, hv, look.state, err);
    }
    return look.state != HV_ABSENT || lease_drop(vm->agent, vm->uuid, err);
}

static bool keep_vm(struct vm *vm, struct err *err)
{
    bool started = false, taken = false;
    struct err ignored = {0};
    struct hv *hv = NULL;

    /* So that status can say what runs here, also while the key that opens its home is away. */
    (void)agent_hv(vm->agent, &hv, &ignored);
    if (lease_was_lost(vm->agent, vm->uuid)) {
        vm_forget(vm);
    }
    if (!move_keep(vm, err) || !takeover_try(vm, &taken, err)) {
        return false;
    }
    /* What was known of it is as old as its last host's turn. */
    if (vm->config && !is_at_home(vm) && is_ours(vm)) {
        vm_forget(vm);
    }
    if (!vm->config && !vm_open(vm, err)) {
        return false;
    }
    /* Steps open it again; until then this host needs no key of it. */
    if (!runs_here(vm)) {
        return keep_off(vm, err);
    }
    if (!vm_start(vm, &started, err)) {
        /* Another host has it: its home says so. */
        if (err->kind == ERR_CLASH && !lease_holds(vm->agent, vm->uuid)) {
            vm_forget(vm);
        }
        return false;
    }
    if (started) {
        log_say(LOG_NOTICE, "VM '%s' started", json_string_or(vm->config, "name", vm->uuid));
    }
    return vm_save_again(vm, err) && copy_sweep(vm, err);
}

/* Says once what it waits for. */
static bool keep_ready(struct agent *agent, struct err *err)
{
    if (enrol_serve(agent, err) && (!agent->host.store_type || vm_list_load(agent, err))) {
        return true;
    }
    if (!agent->waiting || strcmp(agent->waiting, err->what) != 0) {
        log_err(err);
    }
    return false;
}

/* A new recovery key, or one where there was none: this host's VMs follow while they run. */
static bool keep_recovery(struct vm *vm, struct err *err)
{
    bool holds = true, changed = false;

    /* While a rekey is open another host may not have the new KEK yet: key.rewrap does this as
     * well. */
    if (!vm->key || !rewrap_is_ours(vm) || rekey_is_open(vm->agent)) {
        return true;
    }
    if (!notice_holds(vm->agent, vm->recovery, &holds, err)) {
        return false;
    }
    return holds || rewrap_vm(vm, &changed, err);
}

static bool keep_all(struct agent *agent, struct err *err)
{
    bool all = true;

    if (!takeover_heal(agent, err) || !keep_ready(agent, err)) {
        return false;
    }
    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        struct err trouble = {0};
        bool kept = keep_vm(vm, &trouble) && home_remember(vm, &trouble) &&
                    cached_keep(vm, &trouble) && keep_recovery(vm, &trouble);

        set_trouble(vm, kept ? NULL : &trouble);
        if (!kept) {
            *err = trouble;
            all = false;
        }
    }
    return all;
}

/* Seconds until the next look; `*backoff` is where a row of failures has got to. */
static unsigned keep_once(struct agent *agent, unsigned *backoff)
{
    struct err err = {0};

    /* A step at work is not waited for: the next look comes soon enough. */
    if (pthread_mutex_trylock(&agent->work) != 0) {
        return CALM_SECONDS;
    }
    bool kept = keep_all(agent, &err);

    pthread_mutex_unlock(&agent->work);
    agent_wait_for(agent, kept ? NULL : &err);
    if (kept) {
        *backoff = 1;
        return CALM_SECONDS;
    }
    *backoff = *backoff * 2 < MAX_SECONDS ? *backoff * 2 : MAX_SECONDS;
    return *backoff / 2;
}

static void *keep(void *context)
{
    struct agent *agent = context;
    unsigned backoff = 1;

    while (!agent->leaving) {
        struct pollfd woken = {agent->wake, POLLIN, 0};
        unsigned seconds = keep_once(agent, &backoff);
        eventfd_t count;

        (void)poll(&woken, 1, (int)seconds * 1000);
        (void)eventfd_read(agent->wake, &count);
    }
    return NULL;
}

bool keeper_start(struct agent *agent, pthread_t *out, struct err *err)
{
    int number = pthread_create(out, NULL, keep, agent);

    return number == 0 || err_errno(err, number, "start the keeper");
}

void keeper_stop(struct agent *agent, pthread_t keeper)
{
    agent->leaving = true;
    (void)eventfd_write(agent->wake, 1);
    (void)pthread_join(keeper, NULL);
}
