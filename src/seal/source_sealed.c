/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/source_sealed.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "seal/header.h"
#include "seal/xts.h"

struct sealed {
    pthread_mutex_t lock; /* `at`, `given` */
    const struct medium *raw;
    const struct secret *dek;
    uint64_t size, chunks; /* of the disk */
    bool *there;           /* a chunk that is allocated, if only in part */
    uint64_t at;           /* the chunk to look at next */
    uint64_t limit, given; /* bytes a second; bytes so far */
    int64_t began;
};

static bool mark(void *context, uint64_t offset, uint64_t length, struct err *err)
{
    struct sealed *sealed = context;
    uint64_t whole = HEADER_SIZE + sealed->size;
    uint64_t end = offset < whole && length < whole - offset ? offset + length : whole;

    (void)err;
    for (uint64_t at = offset < HEADER_SIZE ? HEADER_SIZE : offset; at < end;
         at += CHUNK_SIZE - at % CHUNK_SIZE) {
        uint64_t index = (at - HEADER_SIZE) / CHUNK_SIZE;

        if (index < sealed->chunks) {
            sealed->there[index] = true;
        }
    }
    return true;
}

_Static_assert(HEADER_SIZE % CHUNK_SIZE == 0, "chunks of the disk are chunks of the image");

/* The index of the next chunk, or `chunks`. Waits where a limit asks for it. */
static uint64_t take(struct sealed *sealed)
{
    int64_t wait = 0;

    pthread_mutex_lock(&sealed->lock);
    while (sealed->at < sealed->chunks && !sealed->there[sealed->at]) {
        sealed->at++;
    }
    uint64_t index = sealed->at;

    sealed->at += index < sealed->chunks;
    if (sealed->limit > 0 && index < sealed->chunks) {
        wait = sealed->began + (int64_t)(sealed->given * 1000 / sealed->limit) - clock_ms();
        sealed->given += CHUNK_SIZE;
    }
    pthread_mutex_unlock(&sealed->lock);
    if (wait > 0) {
        nanosleep(&(struct timespec){wait / 1000, wait % 1000 * 1000000}, NULL);
    }
    return index;
}

static bool open_sectors(struct xts *xts, unsigned char *bytes, uint64_t offset, size_t length,
                         struct err *err)
{
    for (size_t at = 0; at < length; at += XTS_SECTOR) {
        if (!chunk_is_zero(bytes + at, XTS_SECTOR) &&
            !xts_decrypt(xts, offset + at, bytes + at, XTS_SECTOR, err)) {
            return false;
        }
    }
    return true;
}

static bool sealed_next(void *self, void *to, uint64_t *out_index, size_t *out_length,
                        struct err *err)
{
    struct sealed *sealed = self;
    AUTO(drop_xts) struct xts *xts = NULL;
    uint64_t index = take(sealed), offset = index * CHUNK_SIZE;

    if (index >= sealed->chunks) {
        *out_length = 0;
        return true;
    }
    uint64_t left = sealed->size - offset;
    size_t length = left < CHUNK_SIZE ? (size_t)left : CHUNK_SIZE;

    if (!xts_new(NULL, sealed->dek, &xts, err) ||
        !medium_read(sealed->raw, HEADER_SIZE + offset, to, length, err) ||
        !open_sectors(xts, to, offset, length, err)) {
        return err_add(err, "read the disk");
    }
    *out_index = index;
    *out_length = length;
    return true;
}

static const unsigned char *sealed_digest(void *self)
{
    (void)self;
    return NULL;
}

static void sealed_close(void *self)
{
    struct sealed *sealed = self;

    pthread_mutex_destroy(&sealed->lock);
    free(sealed->there);
    free(sealed);
}

static bool disk_size(const struct medium *raw, uint64_t *out, struct err *err)
{
    uint64_t size = 0;

    if (!raw->io->size(raw->image, &size, err)) {
        return false;
    }
    if (size <= HEADER_SIZE || (size - HEADER_SIZE) % XTS_SECTOR != 0) {
        return err_set(err, ERR_CLASH, "an image of %llu bytes holds no sealed disk",
                       (unsigned long long)size);
    }
    *out = size - HEADER_SIZE;
    return true;
}

bool source_sealed(const struct medium *raw, const struct secret *dek, uint64_t limit,
                   struct source *out, struct err *err)
{
    uint64_t size = 0;

    if (!disk_size(raw, &size, err)) {
        return false;
    }
    struct sealed *sealed = text_room(1, sizeof(*sealed));
    struct source source = {.next = sealed_next,
                            .digest = sealed_digest,
                            .close = sealed_close,
                            .self = sealed,
                            .size = size};

    *sealed = (struct sealed){.raw = raw,
                              .dek = dek,
                              .size = size,
                              .chunks = (size + CHUNK_SIZE - 1) / CHUNK_SIZE,
                              .limit = limit,
                              .began = clock_ms()};
    pthread_mutex_init(&sealed->lock, NULL);
    sealed->there = text_room(sealed->chunks, sizeof(*sealed->there));
    if (!raw->io->extents(raw->image, mark, sealed, err) ||
        (RAND_bytes(source.key, sizeof(source.key)) != 1 &&
         !err_set(err, ERR_SYSTEM, "no random bytes to be had"))) {
        sealed_close(sealed);
        return err_add(err, "read the disk");
    }
    *out = source;
    return true;
}

static bool add_up(void *context, uint64_t offset, uint64_t length, struct err *err)
{
    uint64_t *sum = context, from = offset < HEADER_SIZE ? HEADER_SIZE : offset;

    (void)err;
    *sum += offset + length > from ? offset + length - from : 0;
    return true;
}

bool source_sealed_bytes(const struct medium *raw, uint64_t *out, struct err *err)
{
    uint64_t sum = 0;

    if (!raw->io->extents(raw->image, add_up, &sum, err)) {
        return false;
    }
    *out = sum;
    return true;
}
