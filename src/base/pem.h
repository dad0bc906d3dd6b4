/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys as PEM (PKCS #8, RFC 5958), not encrypted, in locked memory alone. */
#ifndef QUOIN_BASE_PEM_H
#define QUOIN_BASE_PEM_H

#include <openssl/evp.h>

#include "base/err.h"
#include "base/secret.h"

/* NULL: there is none, and OpenSSL's queue says why. The caller frees the key. */
EVP_PKEY *pem_private_read(const struct secret *pem);
/* ERR_SYSTEM: OpenSSL cannot, or no memory can be locked. */
bool pem_private_write(const EVP_PKEY *key, struct secret **out, struct err *err);
/* For OpenSSL's readers of PEM: a passphrase is never asked for on a terminal. */
int pem_no_passphrase(char *to, int size, int writing, void *context);

#endif
