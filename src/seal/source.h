/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a pour takes plain chunks from: a stream of frames, a file, or nothing (a blank disk). A
 * source is asked by several threads at once and keeps them apart itself.
 */
#ifndef QUOIN_SEAL_SOURCE_H
#define QUOIN_SEAL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/chunk.h"
#include "base/frames.h"
#include "base/secret.h"

struct source {
    /* A chunk that may have data, each at most once: `to` has CHUNK_SIZE bytes, `*out_length` of
     * them are set (all but for the content's last chunk). 0: there are no more. */
    bool (*next)(void *self, void *to, uint64_t *out_index, size_t *out_length, struct err *err);
    /* After the end: what the content's digest must be, or NULL when nobody announced one. */
    const unsigned char *(*digest)(void *self);
    void (*close)(void *self);
    void *self;
    uint64_t size;                     /* of the content, bytes */
    unsigned char key[CHUNK_KEY_SIZE]; /* for tags: the announced one, or random */
};

/* Reads the stream's start. `read` is called by one thread at a time. */
bool source_frames(frames_read *read, void *context, struct source *out, struct err *err);
/* `fd` is borrowed; holes are skipped, threads read side by side. */
bool source_file(int fd, struct source *out, struct err *err);
/* What was made in memory (an identity disk). `bytes` is borrowed. */
bool source_secret(const struct secret *bytes, struct source *out, struct err *err);
/* Nothing: all of the disk is zeros. */
bool source_blank(struct source *out, struct err *err);
void source_close(struct source *source);
__attribute__((unused)) static inline void drop_source(struct source *source)
{
    source_close(source);
}

#endif
