/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM (NIST SP 800-38D) with a random 96-bit IV. A box is IV, ciphertext, tag, one after
 * the other. What is opened always lands in a secret, and only after the tag was found right.
 *
 * Limit: with random IVs one key may seal 2^32 boxes (SP 800-38D section 8.3). Derive a key for
 * each purpose by hkdf_derive and no key comes near it. A box holds one secret, so at most
 * SECRET_MAX bytes; larger things are sealed in pieces, the piece's number in `aad`.
 */
#ifndef QUOIN_BASE_AEAD_H
#define QUOIN_BASE_AEAD_H

#include "base/secret.h"
#include "base/span.h"

#define AEAD_KEY_SIZE 32u
#define AEAD_IV_SIZE  12u
#define AEAD_TAG_SIZE 16u
/* How much larger a box is than what is in it. */
#define AEAD_EXTRA (AEAD_IV_SIZE + AEAD_TAG_SIZE)

/* `aad` is bound, not stored: opening needs the same. The caller frees the box.
 * ERR_INPUT: the key is not AEAD_KEY_SIZE bytes, or nothing to seal. */
bool aead_seal(const struct secret *key, struct span aad, const struct secret *plain,
               unsigned char **out_box, size_t *out_size, struct err *err);
/* The same for bytes that are no secret to this program (a state file read from a disk). */
bool aead_seal_bytes(const struct secret *key, struct span aad, struct span plain,
                     unsigned char **out_box, size_t *out_size, struct err *err);
/* ERR_DENIED: another key, other `aad`, or the box was changed. ERR_INPUT: no box has this size. */
bool aead_open(const struct secret *key, struct span aad, struct span box, struct secret **out,
               struct err *err);

#endif
