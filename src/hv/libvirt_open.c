/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to a daemon, within bounded time. virConnectOpen asks the daemon several things and waits
 * for each answer for ever: one that is stopped, or hangs, would hold up whoever asks. So it is
 * called by a thread of its own, for which the others wait until a deadline. The thread goes on:
 * who asks later gets its connection, or fails at once. An attempt that nobody waits for any more
 * ends when the daemon answers, or is no more.
 */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "hv/libvirt.h"

struct libvirt_attempt {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned holders; /* who began it, and its thread; the last one frees it */
    char *uri;
    int64_t began;
    bool over;
    virConnectPtr connection; /* when it is over: NULL, and `err`; or not yet taken */
    struct err err;
};

static void let_go(struct libvirt_attempt *attempt)
{
    pthread_mutex_lock(&attempt->lock);
    bool last = --attempt->holders == 0;
    pthread_mutex_unlock(&attempt->lock);
    if (last) {
        drop_connection(&attempt->connection);
        pthread_cond_destroy(&attempt->ended);
        pthread_mutex_destroy(&attempt->lock);
        free(attempt->uri);
        free(attempt);
    }
}

static void *open_it(void *context)
{
    struct libvirt_attempt *attempt = context;
    struct err err = {0};
    virConnectPtr connection = virConnectOpen(attempt->uri);

    if (!connection) {
        libvirt_err(&err, "be reached");
    }
    pthread_mutex_lock(&attempt->lock);
    attempt->connection = connection;
    attempt->err = err;
    attempt->over = true;
    pthread_cond_broadcast(&attempt->ended);
    pthread_mutex_unlock(&attempt->lock);
    let_go(attempt);
    return NULL;
}

static struct libvirt_attempt *attempt_new(const char *uri)
{
    struct libvirt_attempt *attempt = text_room(1, sizeof(*attempt));
    pthread_condattr_t by_clock;

    pthread_condattr_init(&by_clock);
    pthread_condattr_setclock(&by_clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&attempt->lock, NULL);
    pthread_cond_init(&attempt->ended, &by_clock);
    pthread_condattr_destroy(&by_clock);
    attempt->uri = text_copy(uri);
    attempt->holders = 2;
    attempt->began = clock_ms();
    return attempt;
}

/* NULL: no thread could be started. */
static struct libvirt_attempt *attempt_begin(const char *uri, struct err *err)
{
    struct libvirt_attempt *attempt = attempt_new(uri);
    pthread_attr_t detached;
    pthread_t thread;
    sigset_t all, before;

    sigfillset(&all);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int number = pthread_create(&thread, &detached, open_it, attempt);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    if (number != 0) {
        let_go(attempt);
        let_go(attempt);
        err_errno(err, number, "start a thread that reaches the hypervisor's daemon");
        return NULL;
    }
    return attempt;
}

/* True: it is over. */
static bool wait_until(struct libvirt_attempt *attempt, int64_t end)
{
    const struct timespec at = {.tv_sec = (time_t)(end / 1000), .tv_nsec = end % 1000 * 1000000};
    int number = 0;

    pthread_mutex_lock(&attempt->lock);
    while (!attempt->over && number == 0) {
        number = pthread_cond_timedwait(&attempt->ended, &attempt->lock, &at);
    }
    bool over = attempt->over;
    pthread_mutex_unlock(&attempt->lock);
    return over;
}

bool libvirt_open_in_time(const char *uri, int64_t milliseconds, struct libvirt_attempt **attempt,
                          virConnectPtr *out, struct err *err)
{
    if (!*attempt) {
        *attempt = attempt_begin(uri, err);
    }
    if (!*attempt) {
        return false;
    }
    if (!wait_until(*attempt, (*attempt)->began + milliseconds)) {
        return err_set(err, ERR_AWAY, "the hypervisor's daemon does not answer: for %lld s now",
                       (long long)(clock_ms() - (*attempt)->began) / 1000);
    }
    struct libvirt_attempt *over = TAKE(*attempt);
    virConnectPtr connection = TAKE(over->connection);

    if (connection) {
        *out = connection;
    } else {
        *err = over->err;
    }
    let_go(over);
    return connection != NULL;
}

void libvirt_attempt_drop(struct libvirt_attempt *attempt)
{
    if (attempt) {
        let_go(attempt);
    }
}
