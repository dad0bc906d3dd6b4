/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text: lower-case hexadecimal, and base64url without padding (RFC 4648 section 5). */
#ifndef QUOIN_BASE_ENCODE_H
#define QUOIN_BASE_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* The caller frees; never NULL. Not for secrets. */
char *encode_hex(const void *bytes, size_t length);
char *encode_base64url(const void *bytes, size_t length);
/* Strict: no padding, no other character, no stray bits. `*out_length` bytes that the caller frees.
 */
bool decode_base64url(const char *text, unsigned char **out, size_t *out_length, struct err *err);
bool decode_hex(const char *text, unsigned char **out, size_t *out_length, struct err *err);
/* SHA-256 (FIPS 180-4) as 64 hexadecimal digits and a NUL. */
#define DIGEST_HEX_SIZE 65
void digest_hex(const void *bytes, size_t length, char out[DIGEST_HEX_SIZE]);

#endif
