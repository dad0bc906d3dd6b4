/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/source.h"

#include <errno.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/secret_open.h"
#include "base/text.h"

static bool random_key(struct source *source, struct err *err)
{
    return RAND_bytes(source->key, sizeof(source->key)) == 1 ||
           err_set(err, ERR_SYSTEM, "no random bytes to be had");
}

static const unsigned char *no_digest(void *self)
{
    (void)self;
    return NULL;
}

/* ---- frames: one thread reads at a time ---- */

struct stream {
    pthread_mutex_t lock;
    struct frames_in *frames;
};

static bool stream_next(void *self, void *to, uint64_t *out_index, size_t *out_length,
                        struct err *err)
{
    struct stream *stream = self;
    bool ok;

    pthread_mutex_lock(&stream->lock);
    ok = frames_in_next(stream->frames, to, out_index, out_length, err);
    pthread_mutex_unlock(&stream->lock);
    return ok;
}

static const unsigned char *stream_digest(void *self)
{
    struct stream *stream = self;

    return frames_in_digest(stream->frames);
}

static void stream_close(void *self)
{
    struct stream *stream = self;

    frames_in_free(stream->frames);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

bool source_frames(frames_read *read, void *context, struct source *out, struct err *err)
{
    struct frames_in *frames = NULL;

    if (!frames_in_new(read, context, &frames, err)) {
        return false;
    }
    struct stream *stream = text_room(1, sizeof(*stream));

    pthread_mutex_init(&stream->lock, NULL);
    stream->frames = frames;
    *out = (struct source){.next = stream_next,
                           .digest = stream_digest,
                           .close = stream_close,
                           .self = stream,
                           .size = frames_in_size(frames)};
    memcpy(out->key, frames_in_key(frames), CHUNK_KEY_SIZE);
    return true;
}

/* ---- a file: only the place to read next is shared ---- */

struct plain_file {
    pthread_mutex_t lock;
    int fd;
    uint64_t at, size;
};

/* The next chunk with data, and moves on behind it; `size` when there is none. */
static uint64_t file_take(struct plain_file *file)
{
    uint64_t offset = file->size;

    pthread_mutex_lock(&file->lock);
    if (file->at < file->size) {
        off_t data = lseek(file->fd, (off_t)file->at, SEEK_DATA);

        if (data >= 0 || errno != ENXIO) {
            offset = data < 0 ? file->at : (uint64_t)data / CHUNK_SIZE * CHUNK_SIZE;
        }
        file->at = offset + CHUNK_SIZE;
    }
    pthread_mutex_unlock(&file->lock);
    return offset;
}

static bool file_next(void *self, void *to, uint64_t *out_index, size_t *out_length,
                      struct err *err)
{
    struct plain_file *file = self;
    uint64_t offset = file_take(file);
    uint64_t left = file->size - offset;
    size_t length = left < CHUNK_SIZE ? (size_t)left : CHUNK_SIZE;

    if (length > 0 && !file_pread(file->fd, to, length, (off_t)offset, err)) {
        return err_add(err, "read the image");
    }
    *out_index = offset / CHUNK_SIZE;
    *out_length = length;
    return true;
}

static void file_close(void *self)
{
    struct plain_file *file = self;

    pthread_mutex_destroy(&file->lock);
    free(file);
}

bool source_file(int fd, struct source *out, struct err *err)
{
    off_t size = lseek(fd, 0, SEEK_END);

    if (size < 0) {
        return err_errno(err, errno, "look at the image");
    }
    if (size == 0 || (uint64_t)size > CHUNK_MAX_CONTENT) {
        return err_set(err, ERR_INPUT, "an image of %lld bytes is empty or too large",
                       (long long)size);
    }
    struct source source = {
        .next = file_next, .digest = no_digest, .close = file_close, .size = (uint64_t)size};

    if (!random_key(&source, err)) {
        return false;
    }
    struct plain_file *file = text_room(1, sizeof(*file));

    pthread_mutex_init(&file->lock, NULL);
    file->fd = fd;
    file->size = (uint64_t)size;
    source.self = file;
    *out = source;
    return true;
}

/* ---- memory ---- */

struct memory {
    pthread_mutex_t lock;
    const struct secret *bytes;
    size_t at;
};

static bool memory_next(void *self, void *to, uint64_t *out_index, size_t *out_length,
                        struct err *err)
{
    struct memory *memory = self;

    (void)err;
    pthread_mutex_lock(&memory->lock);
    size_t left = secret_size(memory->bytes) - memory->at;

    *out_index = memory->at / CHUNK_SIZE;
    *out_length = left < CHUNK_SIZE ? left : CHUNK_SIZE;
    memcpy(to, secret_look(memory->bytes) + memory->at, *out_length);
    memory->at += *out_length;
    pthread_mutex_unlock(&memory->lock);
    return true;
}

static void memory_close(void *self)
{
    struct memory *memory = self;

    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

bool source_secret(const struct secret *bytes, struct source *out, struct err *err)
{
    struct source source = {.next = memory_next,
                            .digest = no_digest,
                            .close = memory_close,
                            .size = secret_size(bytes)};

    if (!random_key(&source, err)) {
        return false;
    }
    struct memory *memory = text_room(1, sizeof(*memory));

    pthread_mutex_init(&memory->lock, NULL);
    memory->bytes = bytes;
    source.self = memory;
    *out = source;
    return true;
}

/* ---- nothing ---- */

static bool blank_next(void *self, void *to, uint64_t *out_index, size_t *out_length,
                       struct err *err)
{
    (void)self, (void)to, (void)out_index, (void)err;
    *out_length = 0;
    return true;
}

static void blank_close(void *self)
{
    (void)self;
}

bool source_blank(struct source *out, struct err *err)
{
    struct source source = {.next = blank_next, .digest = no_digest, .close = blank_close};

    if (!random_key(&source, err)) {
        return false;
    }
    *out = source;
    return true;
}

void source_close(struct source *source)
{
    if (source->close) {
        source->close(source->self);
        source->close = NULL;
    }
}
