/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA256 (RFC 2104, FIPS 198-1) over bytes that are no secret. */
#ifndef QUOIN_BASE_HMAC_H
#define QUOIN_BASE_HMAC_H

#include "base/secret.h"
#include "base/span.h"

#define HMAC_SIZE 32u

bool hmac_make(const struct secret *key, struct span data, unsigned char out[HMAC_SIZE],
               struct err *err);
/* In constant time. ERR_DENIED: another key, or `data` or `mac` was changed. */
bool hmac_check(const struct secret *key, struct span data, const unsigned char mac[HMAC_SIZE],
                struct err *err);

#endif
