/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <signal.h>

#include "hv/libvirt.h"

/* Held by its maker and by each tie; the last one frees it. */
struct libvirt_events {
    pthread_mutex_t lock;
    unsigned holders;
    hv_changed *changed; /* NULL: ended */
    void *context;
};

static void *loop_run(void *nothing)
{
    (void)nothing;
    for (;;) {
        (void)virEventRunDefaultImpl();
    }
    return NULL;
}

/* libvirt would print each error on standard error; they come back through libvirt_err. */
static void say_nothing(void *context, virErrorPtr error)
{
    (void)context;
    (void)error;
}

static bool loop_runs;

static void loop_start(void)
{
    pthread_attr_t detached;
    pthread_t thread;
    sigset_t all, before;

    virSetErrorFunc(NULL, say_nothing);
    sigfillset(&all);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    loop_runs = virInitialize() == 0 && virEventRegisterDefaultImpl() == 0 &&
                pthread_create(&thread, &detached, loop_run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
}

bool libvirt_loop_start(struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, loop_start);
    return loop_runs || err_set(err, ERR_SYSTEM, "the hypervisor's event loop does not start");
}

struct libvirt_events *libvirt_events_new(hv_changed *changed, void *context)
{
    struct libvirt_events *events = text_room(1, sizeof(*events));

    pthread_mutex_init(&events->lock, NULL);
    events->holders = 1;
    events->changed = changed;
    events->context = context;
    return events;
}

static void let_go(void *context)
{
    struct libvirt_events *events = context;

    pthread_mutex_lock(&events->lock);
    bool last = --events->holders == 0;
    pthread_mutex_unlock(&events->lock);
    if (last) {
        pthread_mutex_destroy(&events->lock);
        free(events);
    }
}

/* Which of libvirt's events say what. */
static const struct {
    int event;
    enum hv_state state;
} meanings[] = {
    {VIR_DOMAIN_EVENT_STARTED, HV_RUNNING},  {VIR_DOMAIN_EVENT_RESUMED, HV_RUNNING},
    {VIR_DOMAIN_EVENT_SUSPENDED, HV_PAUSED}, {VIR_DOMAIN_EVENT_STOPPED, HV_ABSENT},
    {VIR_DOMAIN_EVENT_CRASHED, HV_CRASHED},
};

static int tell(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *context)
{
    struct libvirt_events *events = context;
    char uuid[VIR_UUID_STRING_BUFLEN];

    (void)connection;
    (void)detail;
    if (virDomainGetUUIDString(domain, uuid) < 0) {
        return 0;
    }
    pthread_mutex_lock(&events->lock);
    for (size_t i = 0; i < COUNT_OF(meanings); i++) {
        if (meanings[i].event == event && events->changed) {
            events->changed(events->context, uuid, meanings[i].state);
        }
    }
    pthread_mutex_unlock(&events->lock);
    return 0;
}

bool libvirt_events_tie(struct libvirt_events *events, virConnectPtr connection, int *out_tie,
                        struct err *err)
{
    int tie;

    pthread_mutex_lock(&events->lock);
    events->holders++;
    pthread_mutex_unlock(&events->lock);
    tie = virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                           VIR_DOMAIN_EVENT_CALLBACK(tell), events, let_go);
    if (tie < 0) {
        let_go(events);
        return libvirt_err(err, "ask for events");
    }
    *out_tie = tie;
    return true;
}

void libvirt_events_untie(virConnectPtr connection, int tie)
{
    (void)virConnectDomainEventDeregisterAny(connection, tie);
}

void libvirt_events_end(struct libvirt_events *events)
{
    pthread_mutex_lock(&events->lock);
    events->changed = NULL;
    pthread_mutex_unlock(&events->lock);
    let_go(events);
}
