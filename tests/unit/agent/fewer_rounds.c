/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PBKDF2 of the tests in this folder stretches a password a thousand times, not 600,000: files are
 * made and opened here by the hundred, and what the rounds are worth is shown in tests/unit/key.
 */
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#define ROUNDS 1000u
#define MOST   8u

int __real_EVP_KDF_derive(EVP_KDF_CTX *ctx, unsigned char *key, size_t size,
                          const OSSL_PARAM params[]);
int __wrap_EVP_KDF_derive(EVP_KDF_CTX *ctx, unsigned char *key, size_t size,
                          const OSSL_PARAM params[]);

int __wrap_EVP_KDF_derive(EVP_KDF_CTX *ctx, unsigned char *key, size_t size,
                          const OSSL_PARAM params[])
{
    OSSL_PARAM fewer[MOST];
    unsigned rounds = ROUNDS;
    size_t i = 0;

    for (; i < MOST - 1 && params[i].key; i++) {
        fewer[i] = strcmp(params[i].key, OSSL_KDF_PARAM_ITER) == 0
                       ? OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &rounds)
                       : params[i];
    }
    fewer[i] = OSSL_PARAM_construct_end();
    return params[i].key ? 0 : __real_EVP_KDF_derive(ctx, key, size, fewer);
}
