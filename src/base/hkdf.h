/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HKDF with SHA-256 (RFC 5869), extract and expand: one secret gives many, told apart by `info`.
 * The same inputs always give the same secret; nobody gets from one output to another or back.
 * By hand: openssl kdf -keylen N -kdfopt digest:SHA256 -kdfopt hexkey:… -kdfopt info:… HKDF
 */
#ifndef QUOIN_BASE_HKDF_H
#define QUOIN_BASE_HKDF_H

#include "base/secret.h"
#include "base/span.h"

/* RFC 5869 section 2.3: 255 blocks of the hash. */
#define HKDF_MAX_SIZE (255u * 32u)
/* OpenSSL 3.0 keeps `info` in a buffer of this size and refuses more. */
#define HKDF_MAX_INFO 1024u

/* `size` bytes, 1 … HKDF_MAX_SIZE. No salt (SPAN_NONE) means 32 zero bytes, as the RFC says.
 * ERR_INPUT: a size out of range. */
bool hkdf_derive(const struct secret *from, struct span salt, struct span info, size_t size,
                 struct secret **out, struct err *err);

#endif
