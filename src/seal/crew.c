/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/crew.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/secret_open.h"
#include "base/text.h"

#define PAGE 4096u
/* How often a thread that waits for a buffer looks whether it shall stop, in milliseconds. */
#define LOOK_AROUND 200

struct crew {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    const atomic_bool *stop;
    struct buffer *free;
    unsigned free_count, count;
    bool failed;
    struct err err;
    struct buffer *buffers;
    struct secret **memory;
};

static bool add_buffer(struct crew *crew, unsigned index, struct err *err)
{
    struct buffer *buffer = &crew->buffers[index];

    if (!secret_new(CHUNK_SIZE + PAGE, &crew->memory[index], err)) {
        return false;
    }
    uintptr_t at = (uintptr_t)secret_bytes(crew->memory[index]);

    buffer->bytes = secret_bytes(crew->memory[index]) + (PAGE - at % PAGE) % PAGE;
    buffer->crew = crew;
    buffer->next = crew->free;
    crew->free = buffer;
    crew->free_count++;
    return true;
}

bool crew_new(unsigned buffers, const atomic_bool *stop, struct crew **out, struct err *err)
{
    AUTO(drop_crew) struct crew *crew = text_room(1, sizeof(*crew));

    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->freed, NULL);
    crew->stop = stop;
    crew->count = buffers;
    crew->buffers = text_room(buffers, sizeof(*crew->buffers));
    crew->memory = text_room(buffers, sizeof(struct secret *));
    for (unsigned i = 0; i < buffers; i++) {
        if (!add_buffer(crew, i, err)) {
            return false;
        }
    }
    *out = TAKE(crew);
    return true;
}

void crew_free(struct crew *crew)
{
    if (!crew) {
        return;
    }
    for (unsigned i = 0; i < crew->count; i++) {
        secret_free(crew->memory[i]);
    }
    free(crew->memory);
    free(crew->buffers);
    pthread_cond_destroy(&crew->freed);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

/* With the lock held. The first error stays. */
static void fail(struct crew *crew, const struct err *err)
{
    if (!crew->failed) {
        crew->failed = true;
        crew->err = *err;
    }
    pthread_cond_broadcast(&crew->freed);
}

static void look_at_stop(struct crew *crew)
{
    struct err err = {0};

    if (crew->stop && atomic_load(crew->stop)) {
        err_set(&err, ERR_AWAY, "cancelled");
        fail(crew, &err);
    }
}

struct buffer *crew_take(struct crew *crew)
{
    struct buffer *buffer = NULL;

    pthread_mutex_lock(&crew->lock);
    look_at_stop(crew);
    while (!crew->free && !crew->failed) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_AROUND * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&crew->freed, &crew->lock, &until);
        look_at_stop(crew);
    }
    if (!crew->failed) {
        buffer = crew->free;
        crew->free = buffer->next;
        crew->free_count--;
    }
    pthread_mutex_unlock(&crew->lock);
    return buffer;
}

void crew_give(void *context, const struct err *err)
{
    struct buffer *buffer = context;
    struct crew *crew = buffer->crew;

    pthread_mutex_lock(&crew->lock);
    buffer->next = crew->free;
    crew->free = buffer;
    crew->free_count++;
    if (err) {
        fail(crew, err);
    }
    pthread_cond_broadcast(&crew->freed);
    pthread_mutex_unlock(&crew->lock);
}

struct hand {
    struct crew *crew;
    bool (*work)(struct crew *crew, void *context, struct err *err);
    void *context;
    pthread_t thread;
    bool started;
};

static void *hand_run(void *self)
{
    struct hand *hand = self;
    struct err err = {0};

    if (!hand->work(hand->crew, hand->context, &err)) {
        pthread_mutex_lock(&hand->crew->lock);
        fail(hand->crew, &err);
        pthread_mutex_unlock(&hand->crew->lock);
    }
    return NULL;
}

/* Writes that were begun end, also after a failure: their buffers are in use until then. */
static bool wait_for_buffers(struct crew *crew, struct err *err)
{
    bool ok;

    pthread_mutex_lock(&crew->lock);
    while (crew->free_count < crew->count) {
        pthread_cond_wait(&crew->freed, &crew->lock);
    }
    ok = !crew->failed;
    if (!ok) {
        *err = crew->err;
    }
    pthread_mutex_unlock(&crew->lock);
    return ok;
}

bool crew_run(struct crew *crew, unsigned threads,
              bool (*work)(struct crew *crew, void *context, struct err *err), void *context,
              struct err *err)
{
    struct hand hands[CREW_MAX] = {0};

    threads = threads < CREW_MAX ? threads : CREW_MAX;
    for (unsigned i = 0; i < threads; i++) {
        hands[i] = (struct hand){.crew = crew, .work = work, .context = context};
        hands[i].started = pthread_create(&hands[i].thread, NULL, hand_run, &hands[i]) == 0;
    }
    if (!hands[0].started) {
        hand_run(&hands[0]); /* no thread to be had: do it here */
    }
    for (unsigned i = 0; i < threads; i++) {
        if (hands[i].started) {
            pthread_join(hands[i].thread, NULL);
        }
    }
    return wait_for_buffers(crew, err);
}

unsigned crew_threads(unsigned wanted)
{
    cpu_set_t cpus;

    if (wanted == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) == 0) {
        wanted = (unsigned)CPU_COUNT(&cpus);
    }
    wanted = wanted ? wanted : 1;
    return wanted < CREW_MAX ? wanted : CREW_MAX;
}
