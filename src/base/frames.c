/* SPDX-License-Identifier: Apache-2.0 */
#include "base/frames.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "base/bigend.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/text.h"

static const char magic[8] = {'Q', 'U', 'O', 'I', 'N', 'I', 'M', 'G'};
#define START_SIZE (8u + 4u + 4u + 8u + CHUNK_KEY_SIZE)
#define FRAME_SIZE (8u + 4u)
#define END_OFFSET UINT64_MAX

static size_t chunk_length(uint64_t size, uint64_t offset)
{
    return size - offset < CHUNK_SIZE ? (size_t)(size - offset) : CHUNK_SIZE;
}

/* ---- writing ---- */

struct frames_out {
    int fd;
    uint64_t size;
    uint64_t at; /* of the file: all before it is in `bytes` or was given */
    bool ended;
    char sha256[DIGEST_HEX_SIZE]; /* what it must be, or "" */
    EVP_MD_CTX *hash;             /* of the file so far, or NULL */
    struct tagger *tagger;
    struct content *content;
    size_t given, length; /* of `bytes` */
    unsigned char bytes[FRAME_SIZE + CHUNK_SIZE];
};

void frames_out_free(struct frames_out *frames)
{
    if (frames) {
        EVP_MD_CTX_free(frames->hash);
        tagger_free(frames->tagger);
        content_free(frames->content);
        free(frames);
    }
}

static bool hash_begin(struct frames_out *frames, const char *sha256, struct err *err)
{
    if (strlen(sha256) != DIGEST_HEX_SIZE - 1) {
        return err_set(err, ERR_INPUT, "'%.80s' is no SHA-256 digest", sha256);
    }
    for (size_t i = 0; i < DIGEST_HEX_SIZE - 1; i++) {
        char c = sha256[i];

        frames->sha256[i] = c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c;
    }
    frames->hash = EVP_MD_CTX_new();
    return (frames->hash && EVP_DigestInit_ex(frames->hash, EVP_sha256(), NULL) == 1) ||
           err_set(err, ERR_SYSTEM, "OpenSSL cannot make a SHA-256 digest");
}

static bool out_start(struct frames_out *frames, struct err *err)
{
    unsigned char *key = frames->bytes + START_SIZE - CHUNK_KEY_SIZE;

    memcpy(frames->bytes, magic, sizeof(magic));
    bigend_put32(frames->bytes + 8, FRAMES_VERSION);
    bigend_put32(frames->bytes + 12, 0);
    bigend_put64(frames->bytes + 16, frames->size);
    if (RAND_bytes(key, CHUNK_KEY_SIZE) != 1) {
        return err_set(err, ERR_SYSTEM, "no random bytes to be had");
    }
    frames->length = START_SIZE;
    return tagger_new(key, &frames->tagger, err) &&
           content_new(frames->size, &frames->content, err);
}

bool frames_out_new(int fd, const char *sha256, struct frames_out **out, struct err *err)
{
    AUTO(drop_frames_out) struct frames_out *frames = text_room(1, sizeof(*frames));
    off_t size = lseek(fd, 0, SEEK_END);

    if (size < 0) {
        return err_errno(err, errno, "look at the image");
    }
    if (size == 0 || (uint64_t)size > CHUNK_MAX_CONTENT) {
        return err_set(err, ERR_INPUT, "an image of %lld bytes is empty or too large",
                       (long long)size);
    }
    frames->fd = fd;
    frames->size = (uint64_t)size;
    if ((sha256 && !hash_begin(frames, sha256, err)) || !out_start(frames, err)) {
        return false;
    }
    *out = TAKE(frames);
    return true;
}

static bool hash_zeros(struct frames_out *frames, uint64_t count, struct err *err)
{
    static const unsigned char zeros[65536];

    while (frames->hash && count > 0) {
        size_t piece = count < sizeof(zeros) ? (size_t)count : sizeof(zeros);

        if (EVP_DigestUpdate(frames->hash, zeros, piece) != 1) {
            return err_set(err, ERR_SYSTEM, "OpenSSL cannot make a SHA-256 digest");
        }
        count -= piece;
    }
    return true;
}

/* The start of the first chunk from `from` on that is not a hole; `size` when there is none. */
static uint64_t data_from(int fd, uint64_t from, uint64_t size)
{
    off_t data = from < size ? lseek(fd, (off_t)from, SEEK_DATA) : (off_t)size;

    if (data < 0) {
        return errno == ENXIO ? size : from; /* else: holes cannot be asked for here */
    }
    return (uint64_t)data >= size ? size : (uint64_t)data / CHUNK_SIZE * CHUNK_SIZE;
}

/* Puts the next chunk with data behind room for its frame; `*out_length` 0: there are no more. */
static bool out_read(struct frames_out *frames, uint64_t *out_offset, size_t *out_length,
                     struct err *err)
{
    unsigned char *bytes = frames->bytes + FRAME_SIZE;

    for (;;) {
        uint64_t offset = data_from(frames->fd, frames->at, frames->size);

        if (!hash_zeros(frames, offset - frames->at, err)) {
            return false;
        }
        size_t length = chunk_length(frames->size, offset);

        frames->at = offset + length;
        *out_offset = offset;
        *out_length = length;
        if (length == 0) {
            return true;
        }
        if (!file_pread(frames->fd, bytes, length, (off_t)offset, err)) {
            return err_add(err, "read the image");
        }
        if (frames->hash && EVP_DigestUpdate(frames->hash, bytes, length) != 1) {
            return err_set(err, ERR_SYSTEM, "OpenSSL cannot make a SHA-256 digest");
        }
        if (!chunk_is_zero(bytes, length)) {
            return true;
        }
    }
}

static bool hash_is_right(struct frames_out *frames, struct err *err)
{
    unsigned char digest[32];
    AUTO(drop_free) char *hex = NULL;

    if (!frames->hash) {
        return true;
    }
    if (EVP_DigestFinal_ex(frames->hash, digest, NULL) != 1) {
        return err_set(err, ERR_SYSTEM, "OpenSSL cannot make a SHA-256 digest");
    }
    hex = encode_hex(digest, sizeof(digest));
    if (strcmp(hex, frames->sha256) != 0) {
        err_set(err, ERR_CLASH, "the image's SHA-256 is %s, not %s", hex, frames->sha256);
        return err_mend(err, "give the image that image_sha256 was made of");
    }
    return true;
}

static bool out_end(struct frames_out *frames, struct err *err)
{
    if (!hash_is_right(frames, err) ||
        !content_end(frames->content, frames->bytes + FRAME_SIZE, err)) {
        return false;
    }
    bigend_put64(frames->bytes, END_OFFSET);
    bigend_put32(frames->bytes + 8, CONTENT_DIGEST);
    frames->length = FRAME_SIZE + CONTENT_DIGEST;
    frames->ended = true;
    return true;
}

static bool out_next(struct frames_out *frames, struct err *err)
{
    unsigned char tag[CHUNK_TAG_SIZE];
    uint64_t offset;
    size_t length;

    if (!out_read(frames, &offset, &length, err)) {
        return false;
    }
    if (length == 0) {
        return out_end(frames, err);
    }
    bigend_put64(frames->bytes, offset);
    bigend_put32(frames->bytes + 8, (uint32_t)length);
    frames->length = FRAME_SIZE + length;
    return tagger_tag(frames->tagger, frames->bytes + FRAME_SIZE, length, tag, err) &&
           content_add(frames->content, offset / CHUNK_SIZE, tag, err);
}

ssize_t frames_out_pull(void *frames_out, char *to, size_t room, struct err *err)
{
    struct frames_out *frames = frames_out;

    if (frames->given == frames->length) {
        if (frames->ended) {
            return 0;
        }
        frames->given = frames->length = 0;
        if (!out_next(frames, err)) {
            frames->length = 0;
            return -1;
        }
    }
    size_t piece = frames->length - frames->given;

    piece = piece < room ? piece : room;
    memcpy(to, frames->bytes + frames->given, piece);
    frames->given += piece;
    return (ssize_t)piece;
}

uint64_t frames_out_size(const struct frames_out *frames)
{
    return frames->size;
}

uint64_t frames_out_at(const struct frames_out *frames)
{
    return frames->at;
}

/* ---- reading ---- */

enum in_state { IN_DATA, IN_ENDED, IN_BROKEN };

struct frames_in {
    frames_read *read;
    void *context;
    uint64_t size;
    uint64_t at; /* the end of the last frame: the next begins there or later */
    enum in_state state;
    struct err broken; /* why, when the state is IN_BROKEN */
    bool waiting;      /* `offset` and `length` are of a frame whose bytes come next */
    uint64_t offset;
    size_t length;
    unsigned char key[CHUNK_KEY_SIZE];
    unsigned char digest[CONTENT_DIGEST];
};

static bool in_bytes(struct frames_in *frames, void *to, size_t length, struct err *err)
{
    unsigned char *at = to;

    while (length > 0) {
        size_t came = 0;

        if (!frames->read(frames->context, at, length, &came, err)) {
            return err_add(err, "read the image stream");
        }
        if (came == 0 || came > length) {
            return err_set(err, ERR_INPUT, "the image stream ends early, at byte %llu of %llu",
                           (unsigned long long)frames->at, (unsigned long long)frames->size);
        }
        at += came;
        length -= came;
    }
    return true;
}

static bool in_start(struct frames_in *frames, struct err *err)
{
    unsigned char start[START_SIZE];

    if (!in_bytes(frames, start, sizeof(start), err)) {
        return false;
    }
    if (memcmp(start, magic, sizeof(magic)) != 0 || bigend_get32(start + 12) != 0) {
        return err_set(err, ERR_INPUT, "this is no image stream");
    }
    if (bigend_get32(start + 8) != FRAMES_VERSION) {
        return err_set(err, ERR_INPUT, "the image stream has version %u, not %u",
                       bigend_get32(start + 8), FRAMES_VERSION);
    }
    frames->size = bigend_get64(start + 16);
    if (frames->size == 0 || frames->size > CHUNK_MAX_CONTENT) {
        return err_set(err, ERR_INPUT, "an image of %llu bytes is empty or too large",
                       (unsigned long long)frames->size);
    }
    memcpy(frames->key, start + 24, CHUNK_KEY_SIZE);
    return true;
}

bool frames_in_new(frames_read *read, void *context, struct frames_in **out, struct err *err)
{
    AUTO(drop_frames_in) struct frames_in *frames = text_room(1, sizeof(*frames));

    frames->read = read;
    frames->context = context;
    if (!in_start(frames, err)) {
        return false;
    }
    *out = TAKE(frames);
    return true;
}

static bool in_end(struct frames_in *frames, size_t length, struct err *err)
{
    unsigned char more;
    size_t came = 0;

    if (length != CONTENT_DIGEST) {
        return err_set(err, ERR_INPUT, "the image stream's end has %zu bytes", length);
    }
    if (!in_bytes(frames, frames->digest, CONTENT_DIGEST, err) ||
        !frames->read(frames->context, &more, 1, &came, err)) {
        return false;
    }
    if (came != 0) {
        return err_set(err, ERR_INPUT, "the image stream goes on after its end");
    }
    frames->state = IN_ENDED;
    return true;
}

static bool frame_is_right(const struct frames_in *frames, uint64_t offset, size_t length,
                           struct err *err)
{
    if (length == 0 || length > CHUNK_SIZE || offset < frames->at || offset >= frames->size ||
        length > frames->size - offset ||
        offset / CHUNK_SIZE != (offset + length - 1) / CHUNK_SIZE) {
        return err_set(err, ERR_INPUT, "the image stream has a frame of %zu bytes at %llu", length,
                       (unsigned long long)offset);
    }
    return true;
}

/* Reads a frame's head, unless one waits; at the end the state says so. */
static bool in_frame(struct frames_in *frames, struct err *err)
{
    unsigned char head[FRAME_SIZE];

    if (frames->waiting) {
        return true;
    }
    if (!in_bytes(frames, head, sizeof(head), err)) {
        return false;
    }
    uint64_t offset = bigend_get64(head);
    size_t length = bigend_get32(head + 8);

    if (offset == END_OFFSET) {
        return in_end(frames, length, err);
    }
    if (!frame_is_right(frames, offset, length, err)) {
        return false;
    }
    frames->waiting = true;
    frames->offset = offset;
    frames->length = length;
    return true;
}

/* The waiting frame's bytes; zeros before it, from `*filled` on. */
static bool in_data(struct frames_in *frames, unsigned char *to, size_t *filled, struct err *err)
{
    size_t within = (size_t)(frames->offset % CHUNK_SIZE);

    memset(to + *filled, 0, within - *filled);
    if (!in_bytes(frames, to + within, frames->length, err)) {
        return false;
    }
    *filled = within + frames->length;
    frames->at = frames->offset + frames->length;
    frames->waiting = false;
    return true;
}

static bool in_chunk(struct frames_in *frames, unsigned char *to, uint64_t *out_index,
                     size_t *out_length, struct err *err)
{
    size_t filled = 0;

    if (!in_frame(frames, err)) {
        return false;
    }
    if (frames->state == IN_ENDED) {
        *out_length = 0;
        return true;
    }
    uint64_t index = frames->offset / CHUNK_SIZE;
    size_t length = chunk_length(frames->size, index * CHUNK_SIZE);

    while (frames->state == IN_DATA && frames->offset / CHUNK_SIZE == index) {
        if (!in_data(frames, to, &filled, err) || !in_frame(frames, err)) {
            return false;
        }
    }
    memset(to + filled, 0, length - filled);
    *out_index = index;
    *out_length = length;
    return true;
}

bool frames_in_next(struct frames_in *frames, void *to, uint64_t *out_index, size_t *out_length,
                    struct err *err)
{
    if (frames->state == IN_BROKEN) {
        *err = frames->broken;
        return false;
    }
    if (frames->state == IN_ENDED) {
        *out_length = 0;
        return true;
    }
    if (!in_chunk(frames, to, out_index, out_length, err)) {
        frames->state = IN_BROKEN;
        frames->broken = *err;
        return false;
    }
    return true;
}

uint64_t frames_in_size(const struct frames_in *frames)
{
    return frames->size;
}

const unsigned char *frames_in_key(const struct frames_in *frames)
{
    return frames->key;
}

const unsigned char *frames_in_digest(const struct frames_in *frames)
{
    return frames->state == IN_ENDED ? frames->digest : NULL;
}

void frames_in_free(struct frames_in *frames)
{
    free(frames);
}
