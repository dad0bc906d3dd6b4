/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chunk: 4 MiB of a disk's content at a 4 MiB boundary, the unit in which images travel, are
 * poured and are compared. Each chunk that is not all zeros has a tag, Poly1305 (RFC 8439) under a
 * random key; the tags of all chunks make the content's digest. All-zero chunks have no tag, so
 * two descriptions of the same content (sparse or not) have the same digest.
 *
 * Why not SHA-256 of every byte: it runs at a fifth of the encryption's speed and would be the
 * slowest part of a pour. A tag finds any damage with all but a chance of 2^-80 (4 MiB, RFC 8439
 * and Bernstein 2005, theorem 3.3), also damage made on purpose by whoever does not know the key.
 * The key is made anew for each stream, travels inside it, and protects nothing else: against those
 * who can change the stream stands the connection (SSH, TLS), and the file itself is held against
 * its `image_sha256` by the deployment unit.
 */
#ifndef QUOIN_BASE_CHUNK_H
#define QUOIN_BASE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

#define CHUNK_SIZE (4u << 20)
/* The largest content, 16 TiB: the tags of all its chunks are then 64 MiB. */
#define CHUNK_MAX_CONTENT ((uint64_t)1 << 44)
#define CHUNK_KEY_SIZE    32u
#define CHUNK_TAG_SIZE    16u
#define CONTENT_DIGEST    32u

bool chunk_is_zero(const void *bytes, size_t length);

/* Makes tags; one for each thread. */
struct tagger;
bool tagger_new(const unsigned char key[CHUNK_KEY_SIZE], struct tagger **out, struct err *err);
/* `length` is 1 … CHUNK_SIZE; a shorter chunk (the content's end) is tagged as it is. */
bool tagger_tag(struct tagger *tagger, const void *bytes, size_t length,
                unsigned char out[CHUNK_TAG_SIZE], struct err *err);
void tagger_free(struct tagger *tagger);
DROP(tagger, struct tagger *, tagger_free);

/* The content's digest: SHA-256 of "quoin content 1", a zero byte, the size, then index and tag of
 * each chunk that is not all zeros, in ascending order; numbers are 64 bits, big endian. */
struct content;
bool content_new(uint64_t size, struct content **out, struct err *err);
bool content_add(struct content *content, uint64_t index, const unsigned char tag[CHUNK_TAG_SIZE],
                 struct err *err);
bool content_end(struct content *content, unsigned char out[CONTENT_DIGEST], struct err *err);
void content_free(struct content *content);
DROP(content, struct content *, content_free);

#endif
