/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A crew: threads that share some chunk buffers and one fate. The first failure, or the caller's
 * stop, ends them all. Buffers hold plain content on its way, so they are secrets: locked, not
 * dumped, wiped.
 */
#ifndef QUOIN_SEAL_CREW_H
#define QUOIN_SEAL_CREW_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/auto.h"
#include "base/chunk.h"
#include "base/err.h"

struct crew;

/* CHUNK_SIZE bytes at a page's start. */
struct buffer {
    unsigned char *bytes;
    struct crew *crew;
    struct buffer *next;
};

/* `stop` may be NULL; when it becomes true the crew fails with ERR_AWAY. */
bool crew_new(unsigned buffers, const atomic_bool *stop, struct crew **out, struct err *err);
void crew_free(struct crew *crew);
DROP(crew, struct crew *, crew_free);

/* Runs `work` in so many threads at once and waits for them and for all buffers: true when every
 * one of them returned true. What one of them says in `err` is the result. */
bool crew_run(struct crew *crew, unsigned threads,
              bool (*work)(struct crew *crew, void *context, struct err *err), void *context,
              struct err *err);
/* Waits for a free buffer. NULL: the crew has failed or was stopped, the thread shall return. */
struct buffer *crew_take(struct crew *crew);
/* A buffer is free again; fits image_done: with an error the crew fails. */
void crew_give(void *buffer, const struct err *err);
/* One for each CPU that we may use, or `wanted` if that is not 0; at most CREW_MAX. */
#define CREW_MAX 64u
unsigned crew_threads(unsigned wanted);

#endif
