/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/proof.h"

#include <pthread.h>
#include <string.h>

#include "base/text.h"
#include "seal/chest.h"
#include "seal/crew.h"
#include "seal/header.h"
#include "seal/header_metadata.h"

/* Reading waits for the disks: more of it is in flight than there are CPUs. */
#define PROOF_BUFFERS 8u
/* The two copies of the metadata, which are text; behind them all must be even. */
#define METADATA_BLOCKS 8u

/* Four counts side by side, so that equal neighbours do not wait for each other. */
double proof_chi_square(const unsigned char block[BLOCK_BYTES])
{
    const double expected = BLOCK_BYTES / 256.0;
    uint16_t counts[4][256] = {0};
    double sum = 0;

    for (size_t i = 0; i < BLOCK_BYTES; i += 4) {
        counts[0][block[i]]++;
        counts[1][block[i + 1]]++;
        counts[2][block[i + 2]]++;
        counts[3][block[i + 3]]++;
    }
    for (size_t byte = 0; byte < 256; byte++) {
        double off = counts[0][byte] + counts[1][byte] + counts[2][byte] + counts[3][byte];

        off -= expected;
        sum += off * off;
    }
    return sum / expected;
}

struct examination {
    const struct proof *proof;
    uint64_t size;   /* of the raw image */
    uint64_t chunks; /* of it */
    bool *allocated; /* for each chunk */
    atomic_uint_fast64_t next;
    pthread_mutex_t lock; /* for the result */
    struct proof_result result;
};

static void drop_examination(struct examination *examination)
{
    free(examination->allocated);
    pthread_mutex_destroy(&examination->lock);
}

static bool mark_allocated(void *context, uint64_t offset, uint64_t length, struct err *err)
{
    struct examination *examination = context;

    if (length == 0 || offset >= examination->size || length > examination->size - offset) {
        return err_set(err, ERR_SYSTEM, "%llu bytes at %llu are not within the image",
                       (unsigned long long)length, (unsigned long long)offset);
    }
    for (uint64_t i = offset / CHUNK_SIZE; i <= (offset + length - 1) / CHUNK_SIZE; i++) {
        examination->allocated[i] = true;
    }
    return true;
}

/* Blocks in front of `even_from` may be uneven. */
static void examine_blocks(const struct proof *proof, const unsigned char *bytes, size_t length,
                           uint64_t offset, uint64_t even_from, struct proof_result *out)
{
    for (size_t at = 0; at + BLOCK_BYTES <= length; at += BLOCK_BYTES) {
        const unsigned char *block = bytes + at;

        if (chunk_is_zero(block, BLOCK_BYTES)) {
            out->zero_blocks++;
            continue;
        }
        bool uneven = offset + at >= even_from && proof_chi_square(block) > PROOF_CHI_SQUARE;
        bool known = proof->plain && blocks_has(proof->plain, block);

        out->known_blocks += known;
        if (uneven || known) {
            out->plain_blocks++;
            out->first_plain = offset + at < out->first_plain ? offset + at : out->first_plain;
        }
    }
    out->bytes_examined += length;
}

static void examine_header(const struct proof *proof, const unsigned char *bytes, size_t length,
                           struct proof_result *out)
{
    AUTO(drop_header_facts) struct header_facts facts = {0};
    struct err err = {0};

    snprintf(out->header, sizeof(out->header), "%s", header_kind(bytes, length));
    if (!header_look(bytes, length, proof->uuid, &facts, &err)) {
        snprintf(out->header_fault, sizeof(out->header_fault), "%.255s", err.what);
        return;
    }
    snprintf(out->header_fault, sizeof(out->header_fault), "%s",
             facts.unfinished ? "the disk was not poured to its end" : "");
    snprintf(out->cipher, sizeof(out->cipher), "%s", facts.cipher);
    out->key_bits = facts.key_bits;
}

static bool examine_chunk(struct examination *examination, unsigned char *bytes, uint64_t index,
                          struct proof_result *out, struct err *err)
{
    const struct proof *proof = examination->proof;
    uint64_t offset = index * CHUNK_SIZE, left = examination->size - offset;
    size_t length = left < CHUNK_SIZE ? (size_t)left : CHUNK_SIZE;

    if (!medium_read(&proof->raw, offset, bytes, length, err)) {
        return err_add(err, "read the raw image at %llu", (unsigned long long)offset);
    }
    if (index == 0) {
        examine_header(proof, bytes, length, out);
    }
    examine_blocks(proof, bytes, length, offset, METADATA_BLOCKS * (uint64_t)BLOCK_BYTES, out);
    return true;
}

/* Adds what one thread found to what is known. */
static void gather(struct examination *examination, const struct proof_result *part)
{
    struct proof_result *all = &examination->result;

    pthread_mutex_lock(&examination->lock);
    all->bytes_examined += part->bytes_examined;
    all->zero_blocks += part->zero_blocks;
    all->plain_blocks += part->plain_blocks;
    all->known_blocks += part->known_blocks;
    all->first_plain = part->first_plain < all->first_plain ? part->first_plain : all->first_plain;
    if (part->header[0]) {
        memcpy(all->header, part->header, sizeof(all->header));
        memcpy(all->header_fault, part->header_fault, sizeof(all->header_fault));
        memcpy(all->cipher, part->cipher, sizeof(all->cipher));
        all->key_bits = part->key_bits;
    }
    pthread_mutex_unlock(&examination->lock);
}

static bool examine_some(struct crew *crew, void *context, struct err *err)
{
    struct examination *examination = context;
    struct proof_result part = {.first_plain = UINT64_MAX};
    bool ok = true;
    uint64_t index;

    while (ok && (index = atomic_fetch_add(&examination->next, 1)) < examination->chunks) {
        struct buffer *buffer;

        if (!examination->allocated[index]) {
            continue;
        }
        buffer = crew_take(crew);
        if (!buffer) {
            break;
        }
        ok = examine_chunk(examination, buffer->bytes, index, &part, err);
        crew_give(buffer, NULL);
        progress_tell(examination->proof->progress, (unsigned)(100 * index / examination->chunks),
                      "examine the raw disk");
    }
    gather(examination, &part);
    return ok;
}

static bool examination_begin(const struct proof *proof, struct examination *out, struct err *err)
{
    const struct medium *raw = &proof->raw;

    pthread_mutex_init(&out->lock, NULL);
    out->proof = proof;
    out->result = (struct proof_result){.header = "none", .first_plain = UINT64_MAX};
    snprintf(out->result.header_fault, sizeof(out->result.header_fault), "there is no LUKS header");
    if (!raw->io->size(raw->image, &out->size, err)) {
        return false;
    }
    if (out->size == 0 || out->size > CHUNK_MAX_CONTENT + HEADER_SIZE) {
        return err_set(err, ERR_INPUT, "a disk's image cannot have %llu bytes",
                       (unsigned long long)out->size);
    }
    out->chunks = (out->size + CHUNK_SIZE - 1) / CHUNK_SIZE;
    out->allocated = text_room(out->chunks, sizeof(bool));
    return raw->io->extents(raw->image, mark_allocated, out, err);
}

bool proof(const struct proof *proof, struct proof_result *out, struct err *err)
{
    AUTO(drop_examination) struct examination examination = {0};
    AUTO(drop_crew) struct crew *crew = NULL;
    struct proof_result *result = &examination.result;

    if (proof->plain) {
        blocks_count(proof->plain); /* puts them in order, before threads look at them */
    }
    if (!examination_begin(proof, &examination, err) ||
        !crew_new(PROOF_BUFFERS, proof->stop, &crew, err) ||
        !crew_run(crew, proof->threads ? crew_threads(proof->threads) : PROOF_BUFFERS, examine_some,
                  &examination, err)) {
        return err_add(err, "examine disk %s", proof->uuid);
    }
    result->encrypted = result->bytes_examined > 0 && result->plain_blocks == 0 &&
                        result->header_fault[0] == '\0' && result->key_bits != 0;
    *out = *result;
    return true;
}

/* Whole blocks from the front, and the last 4 KiB once more from the end. */
static bool all_even(const unsigned char *bytes, size_t length)
{
    for (size_t at = 0; at + BLOCK_BYTES <= length; at += BLOCK_BYTES) {
        if (proof_chi_square(bytes + at) > PROOF_CHI_SQUARE) {
            return false;
        }
    }
    return length < BLOCK_BYTES ||
           proof_chi_square(bytes + length - BLOCK_BYTES) <= PROOF_CHI_SQUARE;
}

bool proof_chest(const unsigned char *bytes, size_t length, const char *vm, struct err *err)
{
    AUTO(drop_chest_about) struct chest_about about = {0};
    size_t clear = 0;

    if (!chest_look(bytes, length, &about, &clear, err)) {
        return false;
    }
    if (strcmp(about.vm, vm) != 0) {
        return err_set(err, ERR_CLASH, "this is the home of VM %s, not of %s", about.vm, vm);
    }
    return all_even(bytes + clear, length - clear) ||
           err_set(err, ERR_CLASH, "the home of VM %s is not ciphertext", vm);
}
