/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What plain blocks look like: the digests of an image's 4 KiB blocks that are not all zeros, as a
 * sorted set. The deployment unit makes it from the image, the host holds raw storage against it.
 * A digest is the first 96 bits of SHA-256: with the largest set and 16 TiB of raw storage the
 * chance that any block of ciphertext is taken for a plain one is 2^-42.
 *
 *   "QUOINBLK"  version u32 = 1  zero u32  count u64  count digests of 12 bytes, ascending
 *   SHA-256 of all that
 */
#ifndef QUOIN_BASE_BLOCKS_H
#define QUOIN_BASE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

#define BLOCK_BYTES  4096u
#define BLOCK_DIGEST 12u
/* 16 GiB of blocks that differ and are not zeros: 48 MiB of digests. */
#define BLOCKS_MAX (4u << 20)
/* The largest set on the wire. */
#define BLOCKS_MAX_BYTES (24u + (size_t)BLOCKS_MAX * BLOCK_DIGEST + 32u)

struct blocks;

/* An empty set. */
struct blocks *blocks_new(void);
/* `length` bytes that begin at a multiple of BLOCK_BYTES; a shorter last block is filled up with
 * zeros. ERR_INPUT: more than BLOCKS_MAX different blocks. */
bool blocks_add(struct blocks *blocks, const void *bytes, size_t length, struct err *err);
/* All of a file or block device, holes skipped. */
bool blocks_add_file(struct blocks *blocks, int fd, struct err *err);
/* The set as bytes; the caller frees. */
bool blocks_write(struct blocks *blocks, unsigned char **out, size_t *out_length, struct err *err);
/* Strict; ERR_INPUT. */
bool blocks_read(const unsigned char *bytes, size_t length, struct blocks **out, struct err *err);
/* How many different blocks. */
size_t blocks_count(struct blocks *blocks);
/* Is this block of BLOCK_BYTES bytes one of them? Only after blocks_count, blocks_write or
 * blocks_read put them in order; then from any thread. */
bool blocks_has(const struct blocks *blocks, const void *block);
void blocks_free(struct blocks *blocks);
DROP(blocks, struct blocks *, blocks_free);

#endif
