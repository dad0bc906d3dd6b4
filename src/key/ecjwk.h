/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private key on P-256 as other JOSE tools want it: a JWK (RFC 7517), in a secret from its first
 * byte,
 *
 *   {"crv":"P-256","d":…,"kid":…,"kty":"EC","x":…,"y":…}
 *
 * and what there is to say of its public half. Elsewhere in this program a private key is PKCS#8
 * PEM (wire/certificate.h), a public key SubjectPublicKeyInfo PEM (ecdh.h takes it).
 */
#ifndef QUOIN_KEY_ECJWK_H
#define QUOIN_KEY_ECJWK_H

#include "base/secret.h"

/* RFC 7638: SHA-256 in base64url and a NUL; `jose jwk thp` says the same. */
#define ECJWK_THUMB_SIZE 44
#define ECJWK_MAX_KID    127u
#define ECJWK_MAX_TEXT   512u
/* As PEM it has 178 bytes. */
#define ECJWK_MAX_PUBLIC 1024u

/* The public half; the caller frees. ERR_INPUT: no private key on P-256. */
bool ecjwk_public(const struct secret *private_key, char **out_pem, struct err *err);
/* Tells one public key from another. ERR_INPUT: no public key on P-256. */
bool ecjwk_thumb(const char *public_pem, char out[ECJWK_THUMB_SIZE], struct err *err);
/* `kid`: letters, digits, "-_.:"; ERR_INPUT for another. */
bool ecjwk_write(const struct secret *private_key, const char *kid, struct secret **out_text,
                 struct err *err);
/* ERR_INPUT: not exactly what ecjwk_write makes. */
bool ecjwk_read(const struct secret *text, struct secret **out_private,
                char out_kid[ECJWK_MAX_KID + 1], struct err *err);

#endif
