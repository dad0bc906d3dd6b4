/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <time.h>

#include "base/base.h"
#include "hv/files.h"
#include "hv/place.h"

/* A firmware's or TPM's change is several writes close together; a second without one ends it, and
 * no change waits longer than five. */
#define QUIET_MS 1000
#define LATE_MS  5000

struct files_watch {
    char uuid[UUID_SIZE];
    void (*changed)(void *context, const char *uuid);
    void *context;
    int notify;              /* inotify */
    int stop;                /* eventfd */
    int wanted[PLACE_COUNT]; /* watch descriptors, as in `places` */
    int64_t first, last;     /* when the changes not told yet began and went on, or 0 */
    pthread_t thread;
    bool runs;
};

/* The folders hold locks and temporary files as well. An overflow may hide one of ours. */
static bool is_ours(const struct files_watch *watch, const struct inotify_event *event)
{
    bool ours = (event->mask & IN_Q_OVERFLOW) != 0;

    for (size_t i = 0; i < PLACE_COUNT; i++) {
        ours = ours || (event->wd == watch->wanted[i] && event->len > 0 &&
                        !strcmp(event->name, places[i].file));
    }
    return ours;
}

static void take_events(struct files_watch *watch)
{
    _Alignas(struct inotify_event) char room[4096];
    ssize_t length = read(watch->notify, room, sizeof(room));

    for (ssize_t at = 0; at < length;) {
        const struct inotify_event *event = (const void *)(room + at);

        if (is_ours(watch, event)) {
            watch->last = clock_ms();
            watch->first = watch->first ? watch->first : watch->last;
        }
        at += (ssize_t)(sizeof(*event) + event->len);
    }
}

/* Milliseconds until the changes are to be told; -1: there are none. */
static int wait_ms(const struct files_watch *watch)
{
    int64_t quiet = watch->last + QUIET_MS, late = watch->first + LATE_MS;
    int64_t left = (quiet < late ? quiet : late) - clock_ms();

    return watch->first == 0 ? -1 : left < 0 ? 0 : (int)left;
}

static void *watch_run(void *argument)
{
    struct files_watch *watch = argument;
    struct pollfd fds[] = {{.fd = watch->stop, .events = POLLIN},
                           {.fd = watch->notify, .events = POLLIN}};

    for (;;) {
        (void)poll(fds, COUNT_OF(fds), wait_ms(watch));
        if (fds[0].revents) {
            return NULL;
        }
        if (fds[1].revents) {
            take_events(watch);
        }
        if (wait_ms(watch) == 0) {
            watch->first = 0;
            watch->changed(watch->context, watch->uuid);
        }
    }
}

/* Signals are for the program's own threads. */
static bool start_thread(struct files_watch *watch, struct err *err)
{
    sigset_t all, before;
    int number;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    number = pthread_create(&watch->thread, NULL, watch_run, watch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    watch->runs = number == 0;
    return watch->runs || err_errno(err, number, "start a thread");
}

static bool add_places(struct files_watch *watch, struct err *err)
{
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        AUTO(drop_free) char *folder = place_folder(&places[i], watch->uuid);

        if (!place_make(&places[i], watch->uuid, err)) {
            return false;
        }
        watch->wanted[i] = inotify_add_watch(watch->notify, folder,
                                             IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
        if (watch->wanted[i] < 0) {
            return err_errno(err, errno, "watch %s", folder);
        }
    }
    return true;
}

DROP(watch, struct files_watch *, files_watch_stop);

bool files_watch_start(const char *uuid, void (*changed)(void *context, const char *uuid),
                       void *context, struct files_watch **out, struct err *err)
{
    AUTO(drop_watch) struct files_watch *watch = NULL;

    if (!uuid_valid(uuid)) {
        return err_set(err, ERR_INPUT, "'%.64s' is no virtual machine's UUID", uuid);
    }
    watch = text_room(1, sizeof(*watch));
    memcpy(watch->uuid, uuid, UUID_SIZE);
    watch->changed = changed;
    watch->context = context;
    watch->first = watch->last = clock_ms(); /* whatever changed before is told as well */
    watch->stop = eventfd(0, EFD_CLOEXEC);
    watch->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->stop < 0 || watch->notify < 0) {
        return err_errno(err, errno, "watch files");
    }
    if (!add_places(watch, err) || !start_thread(watch, err)) {
        return err_add(err, "watch the files of virtual machine %s", uuid);
    }
    *out = TAKE(watch);
    return true;
}

void files_watch_stop(struct files_watch *watch)
{
    if (!watch) {
        return;
    }
    if (watch->runs) {
        while (eventfd_write(watch->stop, 1) < 0 && errno == EINTR) {
        }
        pthread_join(watch->thread, NULL);
    }
    drop_fd(&watch->stop);
    drop_fd(&watch->notify);
    free(watch);
}
