/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys on the curve P-256 (FIPS 186-5, "prime256v1" in OpenSSL) as OpenSSL has them: read, held to
 * their curve, and written. The one curve of this program's own keys. Private to this room.
 */
#ifndef QUOIN_KEY_P256_H
#define QUOIN_KEY_P256_H

#include <openssl/evp.h>

#include "base/secret.h"

#define P256_SIZE  32u                 /* bytes of a coordinate, and of a private number */
#define P256_POINT (1 + 2 * P256_SIZE) /* 0x04, x, y: SEC 1 section 2.3.3 */
#define P256_GROUP "prime256v1"

DROP(pkey, EVP_PKEY *, EVP_PKEY_free);
DROP(pkey_ctx, EVP_PKEY_CTX *, EVP_PKEY_CTX_free);

/* OpenSSL's queue of errors is emptied. False, always. */
bool p256_failed(struct err *err, enum err_kind kind, const char *what);

/* From PKCS#8 PEM; the caller frees. ERR_INPUT: no private key on P-256. */
bool p256_private(const struct secret *pem, EVP_PKEY **out, struct err *err);
/* From a certificate or a SubjectPublicKeyInfo, as PEM. ERR_INPUT: no public key on P-256. */
bool p256_public(const char *pem, EVP_PKEY **out, struct err *err);
/* ERR_INPUT: not on the curve, or the point at infinity. */
bool p256_of_point(const unsigned char point[P256_POINT], EVP_PKEY **out, struct err *err);

/* As SubjectPublicKeyInfo PEM; the caller frees. */
bool p256_public_pem(const EVP_PKEY *key, char **out, struct err *err);
bool p256_point(const EVP_PKEY *key, unsigned char out[P256_POINT], struct err *err);

#endif
