/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A password as a hash that may be stored: scrypt (RFC 7914), N = 2^15, r = 8, p = 1 (32 MiB and
 * about 60 ms), 16 random bytes of salt:
 *
 *   scrypt$15$8$1$SALT$HASH      log2 N, r, p, then salt and 32 bytes in base64url
 */
#ifndef QUOIN_BASE_PASSWORD_H
#define QUOIN_BASE_PASSWORD_H

#include <stdbool.h>

#include "base/secret.h"

/* The text form, its NUL included. */
#define PASSWORD_HASH_MAX 128u

/* The caller frees. */
bool password_hash(const struct secret *password, char **out, struct err *err);
/* ERR_DENIED: another password. ERR_INPUT: not such a hash, or one that costs more than ours. */
bool password_check(const struct secret *password, const char *hash, struct err *err);

#endif
