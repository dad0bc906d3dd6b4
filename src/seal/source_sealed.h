/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of a disk that lies sealed on the datastore, as a source for a pour: what is
 * allocated of the raw image is read and decrypted here. A sector that was never written is all
 * zeros on the raw storage (AES-XTS gives that with a chance of 2^-32768), and is zeros in the
 * disk as well, as librbd gives it to a guest; it is not decrypted into noise.
 *
 * The image may be written to meanwhile. Each sector is then given as it was at one moment, before
 * or after; whoever copies a disk in use must know what was written and copy that again.
 */
#ifndef QUOIN_SEAL_SOURCE_SEALED_H
#define QUOIN_SEAL_SOURCE_SEALED_H

#include "base/image.h"
#include "seal/source.h"

/* `raw` and `dek` are borrowed until the source is closed. At most `limit` bytes a second are
 * given; 0: no limit. */
bool source_sealed(const struct medium *raw, const struct secret *dek, uint64_t limit,
                   struct source *out, struct err *err);
/* Payload bytes that are allocated: what a copy will take at most. */
bool source_sealed_bytes(const struct medium *raw, uint64_t *out, struct err *err);

#endif
