/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys as a JWK set (RFC 7517), in a secret from its first byte: what lies inside a backup. Other
 * JOSE tools read it; this reader takes exactly what this writer writes, since the two meet only
 * across an authenticated encryption.
 *
 *   {"keys":[{"kty":"oct","kid":"native:…","k":"…"},{"kty":"oct","kid":"…","k":"…","seed":"…"}]}
 */
#ifndef QUOIN_KEY_JWKS_H
#define QUOIN_KEY_JWKS_H

#include "base/secret.h"
#include "key/envelope.h"

/* Of `k` and of `seed`. */
#define JWKS_KEY_SIZE 32u
/* A root key and 64 KEKs (NATIVE_MAX_KEKS). */
#define JWKS_MAX_KEYS 65u
/* A key takes less than 512 bytes. */
#define JWKS_MAX_TEXT (JWKS_MAX_KEYS * 512u)

struct jwk {
    char kid[ENVELOPE_MAX_KEK_ID + 1]; /* letters, digits, "-_.:" */
    struct secret *key;
    struct secret *seed; /* or NULL */
};

struct jwks {
    size_t count;
    struct jwk keys[JWKS_MAX_KEYS];
};

/* Empty; never NULL. */
struct jwks *jwks_new(void);
void jwks_free(struct jwks *jwks);
DROP(jwks, struct jwks *, jwks_free);
/* Takes `key` and `seed` over when it succeeds. */
bool jwks_add(struct jwks *jwks, const char *kid, struct secret *key, struct secret *seed,
              struct err *err);
bool jwks_write(const struct jwks *jwks, struct secret **out, struct err *err);
/* ERR_INPUT: not a set as jwks_write makes it. */
bool jwks_read(const struct secret *text, struct jwks **out, struct err *err);

#endif
