/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/keeper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "agent/enrol.h"
#include "agent/vm.h"

/* Looks so often when all is well, and again after a failure: 1, 2, 4 … seconds. */
#define CALM_SECONDS 10u
#define MAX_SECONDS  30u

static bool runs_here(const struct vm *vm)
{
    const char *host = vm->agent->host.name;

    return strcmp(json_string_or(vm->config, "wanted", ""), "running") == 0 &&
           strcmp(json_string_or(vm->config, "host", ""), host) == 0;
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

static bool keep_vm(struct vm *vm, struct err *err)
{
    bool started = false;

    if (!vm_open(vm, err)) {
        return false;
    }
    if (!runs_here(vm)) {
        return true;
    }
    if (!vm_start(vm, &started, err)) {
        return false;
    }
    if (started) {
        log_say(LOG_NOTICE, "VM '%s' started", json_string_or(vm->config, "name", vm->uuid));
    }
    return vm_save_again(vm, err);
}

static bool keep_all(struct agent *agent, struct err *err)
{
    bool all = true;

    if (!enrol_serve(agent, err)) {
        return false;
    }
    if (!agent->host.store_type) {
        return true;
    }
    if (!vm_list_load(agent, err)) {
        return false;
    }
    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        struct err trouble = {0};
        bool kept = keep_vm(vm, &trouble);

        set_trouble(vm, kept ? NULL : &trouble);
        if (!kept) {
            *err = trouble;
            all = false;
        }
    }
    return all;
}

static unsigned keep_once(struct agent *agent, unsigned seconds)
{
    struct err err = {0};

    /* A step at work is not waited for: the next look comes soon enough. */
    if (pthread_mutex_trylock(&agent->work) != 0) {
        return CALM_SECONDS;
    }
    bool kept = keep_all(agent, &err);

    pthread_mutex_unlock(&agent->work);
    if (!kept && (!agent->waiting || strcmp(agent->waiting, err.what) != 0)) {
        log_err(&err);
    }
    agent_wait_for(agent, kept ? NULL : err.what);
    if (kept) {
        return CALM_SECONDS;
    }
    return seconds >= CALM_SECONDS     ? MAX_SECONDS
           : seconds * 2 > MAX_SECONDS ? MAX_SECONDS
                                       : seconds * 2;
}

static void *keep(void *context)
{
    struct agent *agent = context;
    unsigned seconds = 1;

    while (!agent->leaving) {
        struct pollfd woken = {agent->wake, POLLIN, 0};
        eventfd_t count;

        unsigned next = keep_once(agent, seconds);

        seconds = next == CALM_SECONDS ? 1 : next;
        (void)poll(&woken, 1, (int)next * 1000);
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
