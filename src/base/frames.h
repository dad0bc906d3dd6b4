/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image as a sparse stream, from the deployment unit to the host. Numbers are big endian.
 *
 *   start   "QUOINIMG"  version u32 = 1  zero u32  size u64  key[32]
 *   data    offset u64  length u32  length bytes          any number of these
 *   end     2^64 - 1    length u32 = 32  digest[32]       then nothing more
 *
 * Data frames ascend, do not overlap, do not cross a 4 MiB boundary (so are 1 byte … 4 MiB long)
 * and lie within the size; what no frame covers is zeros. `digest` is the content's (base/chunk.h)
 * under `key`. The stream is read as hostile: nothing is believed before it was checked, and no
 * memory is taken by what it says.
 */
#ifndef QUOIN_BASE_FRAMES_H
#define QUOIN_BASE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/chunk.h"
#include "base/err.h"

#define FRAMES_VERSION 1u

/* Writes: the content of a file or block device becomes a stream. */
struct frames_out;
/* `fd` is borrowed and read from offset 0; holes are skipped by SEEK_DATA, zeros by looking.
 * `sha256` (64 hexadecimal digits) or NULL: hold the bytes against it while they are read; the end
 * is never given when they differ (ERR_CLASH), so the host throws away what it poured. */
bool frames_out_new(int fd, const char *sha256, struct frames_out **out, struct err *err);
/* The next bytes: 1 … room of them, 0 at the end, -1 with err filled in. Fits client_pull. */
ssize_t frames_out_pull(void *frames_out, char *to, size_t room, struct err *err);
/* The file's size, and how far into it we are, for progress. */
uint64_t frames_out_size(const struct frames_out *frames);
uint64_t frames_out_at(const struct frames_out *frames);
void frames_out_free(struct frames_out *frames);
DROP(frames_out, struct frames_out *, frames_out_free);

/* Reads: a stream becomes chunks. */
struct frames_in;
/* Where the bytes come from: 1 … room bytes, 0 at the end. Fits request_read. */
typedef bool frames_read(void *context, void *to, size_t room, size_t *out_length, struct err *err);
/* Reads the start. ERR_INPUT: not such a stream, or a size over CHUNK_MAX_CONTENT or of 0. */
bool frames_in_new(frames_read *read, void *context, struct frames_in **out, struct err *err);
uint64_t frames_in_size(const struct frames_in *frames);
/* Borrowed: CHUNK_KEY_SIZE bytes. */
const unsigned char *frames_in_key(const struct frames_in *frames);
/* The next chunk that has data, whole, zeros where no frame was; `to` has CHUNK_SIZE bytes.
 * `*out_length` is CHUNK_SIZE but for the content's last chunk, and 0 at the end of the stream.
 * ERR_INPUT: the stream breaks its rules or ends early. */
bool frames_in_next(struct frames_in *frames, void *to, uint64_t *out_index, size_t *out_length,
                    struct err *err);
/* What the end announced; NULL before frames_in_next came to the end. */
const unsigned char *frames_in_digest(const struct frames_in *frames);
void frames_in_free(struct frames_in *frames);
DROP(frames_in, struct frames_in *, frames_in_free);

#endif
