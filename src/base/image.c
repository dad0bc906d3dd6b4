/* SPDX-License-Identifier: Apache-2.0 */
#include "base/image.h"

#include <pthread.h>

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool done, ok;
    struct err err;
};

static void finish(void *context, const struct err *err)
{
    struct waiting *waiting = context;

    pthread_mutex_lock(&waiting->lock);
    waiting->done = true;
    waiting->ok = !err;
    if (err) {
        waiting->err = *err;
    }
    pthread_cond_signal(&waiting->came);
    pthread_mutex_unlock(&waiting->lock);
}

static bool wait_for(struct waiting *waiting, struct err *err)
{
    pthread_mutex_lock(&waiting->lock);
    while (!waiting->done) {
        pthread_cond_wait(&waiting->came, &waiting->lock);
    }
    pthread_mutex_unlock(&waiting->lock);
    if (!waiting->ok) {
        *err = waiting->err;
    }
    return waiting->ok;
}

#define WAITING                                                                                    \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER                        \
    }

bool medium_read(const struct medium *medium, uint64_t offset, void *bytes, size_t length,
                 struct err *err)
{
    struct waiting waiting = WAITING;

    return medium->io->read_at(medium->image, offset, bytes, length, finish, &waiting, err) &&
           wait_for(&waiting, err);
}

bool medium_write(const struct medium *medium, uint64_t offset, const void *bytes, size_t length,
                  struct err *err)
{
    struct waiting waiting = WAITING;

    return medium->io->write_at(medium->image, offset, bytes, length, finish, &waiting, err) &&
           wait_for(&waiting, err);
}
