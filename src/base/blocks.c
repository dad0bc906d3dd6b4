/* SPDX-License-Identifier: Apache-2.0 */
#include "base/blocks.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

#include "base/chunk.h"
#include "base/file.h"
#include "base/text.h"

static const char magic[8] = {'Q', 'U', 'O', 'I', 'N', 'B', 'L', 'K'};
#define VERSION   1u
#define HEAD_SIZE 24u
#define SUM_SIZE  32u
/* Digests are found by their first two bytes, then by halving. */
#define FIRSTS 65536u

struct digest {
    unsigned char bytes[BLOCK_DIGEST];
};

struct blocks {
    struct digest *digests;
    size_t count, room;
    size_t sorted;   /* so many at the front ascend without a repeat */
    uint32_t *first; /* FIRSTS + 1 places; NULL until settled */
};

static bool digest_block(const void *block, struct digest *out)
{
    unsigned char whole[SHA256_DIGEST_LENGTH];

    if (!SHA256(block, BLOCK_BYTES, whole)) {
        return false;
    }
    memcpy(out->bytes, whole, BLOCK_DIGEST);
    return true;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, BLOCK_DIGEST);
}

static size_t first_of(const struct digest *digest)
{
    return (size_t)digest->bytes[0] << 8 | digest->bytes[1];
}

static void sort(struct blocks *blocks)
{
    size_t kept = 0;

    if (blocks->sorted == blocks->count) {
        return;
    }
    qsort(blocks->digests, blocks->count, sizeof(struct digest), compare);
    for (size_t i = 0; i < blocks->count; i++) {
        if (kept == 0 || compare(&blocks->digests[kept - 1], &blocks->digests[i]) != 0) {
            blocks->digests[kept++] = blocks->digests[i];
        }
    }
    blocks->count = blocks->sorted = kept;
}

/* Sorted, and an index over the first two bytes. */
static void settle(struct blocks *blocks)
{
    size_t at = 0;

    if (blocks->first) {
        return;
    }
    sort(blocks);
    blocks->first = text_room(FIRSTS + 1, sizeof(*blocks->first));
    for (size_t first = 0; first <= FIRSTS; first++) {
        while (at < blocks->count && first_of(&blocks->digests[at]) < first) {
            at++;
        }
        blocks->first[first] = (uint32_t)at;
    }
}

static bool make_room(struct blocks *blocks, struct err *err)
{
    if (blocks->count < blocks->room) {
        return true;
    }
    sort(blocks);
    if (blocks->count == BLOCKS_MAX) {
        return err_set(err, ERR_INPUT, "an image has more than %u different blocks", BLOCKS_MAX);
    }
    if (blocks->count >= blocks->room / 2) { /* else sorting out repeats has made room */
        size_t room = blocks->room ? blocks->room * 2 : 4096;
        struct digest *more;

        room = room < BLOCKS_MAX ? room : BLOCKS_MAX;
        more = realloc(blocks->digests, room * sizeof(*more));
        if (!more) {
            return err_set(err, ERR_SYSTEM, "no memory for %zu digests", room);
        }
        blocks->digests = more;
        blocks->room = room;
    }
    return true;
}

static bool add_block(struct blocks *blocks, const unsigned char *block, struct err *err)
{
    if (chunk_is_zero(block, BLOCK_BYTES)) {
        return true;
    }
    if (!make_room(blocks, err)) {
        return false;
    }
    if (!digest_block(block, &blocks->digests[blocks->count])) {
        return err_set(err, ERR_SYSTEM, "OpenSSL cannot make a SHA-256 digest");
    }
    blocks->count++;
    free(blocks->first);
    blocks->first = NULL;
    return true;
}

struct blocks *blocks_new(void)
{
    return text_room(1, sizeof(struct blocks));
}

bool blocks_add(struct blocks *blocks, const void *bytes, size_t length, struct err *err)
{
    const unsigned char *at = bytes;
    unsigned char last[BLOCK_BYTES] = {0};

    for (; length >= BLOCK_BYTES; at += BLOCK_BYTES, length -= BLOCK_BYTES) {
        if (!add_block(blocks, at, err)) {
            return false;
        }
    }
    memcpy(last, at, length);
    return length == 0 || add_block(blocks, last, err);
}

bool blocks_add_file(struct blocks *blocks, int fd, struct err *err)
{
    AUTO(drop_free) unsigned char *chunk = text_room(1, CHUNK_SIZE);
    off_t size = lseek(fd, 0, SEEK_END);
    off_t at = 0;

    if (size < 0) {
        return err_errno(err, errno, "look at the image");
    }
    while (at < size) {
        off_t data = lseek(fd, at, SEEK_DATA);

        if (data < 0 && errno == ENXIO) {
            break;
        }
        at = data < 0 ? at : data / BLOCK_BYTES * BLOCK_BYTES;
        size_t length = size - at < (off_t)CHUNK_SIZE ? (size_t)(size - at) : CHUNK_SIZE;

        if (!file_pread(fd, chunk, length, at, err) || !blocks_add(blocks, chunk, length, err)) {
            return err_add(err, "read the image");
        }
        at += (off_t)length;
    }
    return true;
}

bool blocks_write(struct blocks *blocks, unsigned char **out, size_t *out_length, struct err *err)
{
    settle(blocks);
    size_t body = HEAD_SIZE + blocks->count * sizeof(struct digest);
    AUTO(drop_free) unsigned char *bytes = text_room(1, body + SUM_SIZE);
    uint32_t version = htobe32(VERSION);
    uint64_t count = htobe64(blocks->count);

    memcpy(bytes, magic, sizeof(magic));
    memcpy(bytes + 8, &version, sizeof(version));
    memcpy(bytes + 16, &count, sizeof(count));
    if (blocks->count > 0) {
        memcpy(bytes + HEAD_SIZE, blocks->digests, body - HEAD_SIZE);
    }
    if (!SHA256(bytes, body, bytes + body)) {
        return err_set(err, ERR_SYSTEM, "OpenSSL cannot make a SHA-256 digest");
    }
    *out_length = body + SUM_SIZE;
    *out = TAKE(bytes);
    return true;
}

static bool head_is_right(const unsigned char *bytes, size_t length, uint64_t *out_count,
                          struct err *err)
{
    uint32_t version, zero;

    if (length < HEAD_SIZE + SUM_SIZE || memcmp(bytes, magic, sizeof(magic)) != 0) {
        return err_set(err, ERR_INPUT, "this is no set of block digests");
    }
    memcpy(&version, bytes + 8, sizeof(version));
    memcpy(&zero, bytes + 12, sizeof(zero));
    memcpy(out_count, bytes + 16, sizeof(*out_count));
    *out_count = be64toh(*out_count);
    if (be32toh(version) != VERSION || zero != 0) {
        return err_set(err, ERR_INPUT, "the set of block digests has version %u, not %u",
                       be32toh(version), VERSION);
    }
    if (*out_count > BLOCKS_MAX ||
        length != HEAD_SIZE + *out_count * sizeof(struct digest) + SUM_SIZE) {
        return err_set(err, ERR_INPUT, "the set of block digests has %zu bytes for %llu digests",
                       length, (unsigned long long)*out_count);
    }
    return true;
}

static bool digests_are_right(const unsigned char *bytes, size_t length, uint64_t count,
                              struct err *err)
{
    const unsigned char *digests = bytes + HEAD_SIZE;
    unsigned char sum[SUM_SIZE];

    if (!SHA256(bytes, length - SUM_SIZE, sum) ||
        memcmp(sum, bytes + length - SUM_SIZE, SUM_SIZE) != 0) {
        return err_set(err, ERR_INPUT, "the set of block digests is damaged");
    }
    for (uint64_t i = 1; i < count; i++) {
        if (compare(digests + (i - 1) * BLOCK_DIGEST, digests + i * BLOCK_DIGEST) >= 0) {
            return err_set(err, ERR_INPUT, "the set of block digests is not in order");
        }
    }
    return true;
}

bool blocks_read(const unsigned char *bytes, size_t length, struct blocks **out, struct err *err)
{
    uint64_t count = 0;

    if (!head_is_right(bytes, length, &count, err) ||
        !digests_are_right(bytes, length, count, err)) {
        return false;
    }
    struct blocks *blocks = blocks_new();

    blocks->digests = text_room(count ? count : 1, sizeof(struct digest));
    blocks->count = blocks->room = blocks->sorted = count;
    memcpy(blocks->digests, bytes + HEAD_SIZE, count * sizeof(struct digest));
    settle(blocks);
    *out = blocks;
    return true;
}

size_t blocks_count(struct blocks *blocks)
{
    settle(blocks);
    return blocks->count;
}

bool blocks_has(const struct blocks *blocks, const void *block)
{
    struct digest digest;

    assert(blocks->first);
    if (!digest_block(block, &digest)) {
        return false;
    }
    uint32_t from = blocks->first[first_of(&digest)], to = blocks->first[first_of(&digest) + 1];

    return from < to &&
           bsearch(&digest, blocks->digests + from, to - from, sizeof(digest), compare) != NULL;
}

void blocks_free(struct blocks *blocks)
{
    if (blocks) {
        free(blocks->digests);
        free(blocks->first);
        free(blocks);
    }
}
