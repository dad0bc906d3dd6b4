/* SPDX-License-Identifier: Apache-2.0 */
#include "base/aeskw.h"

#include <openssl/evp.h>

#include "base/secret_open.h"
#include "base/text.h"

DROP(cipher_ctx, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free);

static const EVP_CIPHER *cipher_for(const struct secret *kek)
{
    switch (secret_size(kek)) {
    case 16:
        return EVP_aes_128_wrap();
    case 24:
        return EVP_aes_192_wrap();
    case 32:
        return EVP_aes_256_wrap();
    default:
        return NULL;
    }
}

/* RFC 3394 section 2: two or more blocks of 64 bits. OpenSSL alone would let zero pass. */
static bool sizes_fit(const struct secret *kek, size_t key_size, struct err *err)
{
    if (!cipher_for(kek)) {
        return err_set(err, ERR_INPUT, "AES key wrap takes no KEK of %zu bytes", secret_size(kek));
    }
    if (key_size < 16 || key_size > AESKW_MAX_KEY || key_size % 8 != 0) {
        return err_set(err, ERR_INPUT, "AES key wrap takes no key of %zu bytes", key_size);
    }
    return true;
}

/* `to` has room for what comes out; true if exactly `expected` bytes came. */
static bool run_cipher(const struct secret *kek, bool wrap, struct span from, unsigned char *to,
                       size_t expected)
{
    AUTO(drop_cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0, rest = 0;

    if (!ctx) {
        return false;
    }
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    return EVP_CipherInit_ex2(ctx, cipher_for(kek), secret_look(kek), NULL, wrap, NULL) == 1 &&
           EVP_CipherUpdate(ctx, to, &n, from.bytes, (int)from.size) == 1 &&
           EVP_CipherFinal_ex(ctx, to + n, &rest) == 1 && (size_t)n + (size_t)rest == expected;
}

bool aeskw_wrap(const struct secret *kek, const struct secret *key, unsigned char **out,
                size_t *out_size, struct err *err)
{
    AUTO(drop_free) unsigned char *wrapped = NULL;
    size_t size = secret_size(key);

    if (!sizes_fit(kek, size, err)) {
        return false;
    }
    wrapped = text_room(size + AESKW_EXTRA, 1);
    if (!run_cipher(kek, true, span_of(secret_look(key), size), wrapped, size + AESKW_EXTRA)) {
        return err_set(err, ERR_SYSTEM, "OpenSSL did not wrap with AES");
    }
    *out = TAKE(wrapped);
    *out_size = size + AESKW_EXTRA;
    return true;
}

bool aeskw_unwrap(const struct secret *kek, struct span wrapped, struct secret **out,
                  struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;

    /* A size below AESKW_EXTRA wraps around to a huge one, which does not fit either. */
    if (!sizes_fit(kek, wrapped.size - AESKW_EXTRA, err)) {
        return false;
    }
    /* OpenSSL moves the whole of its input through the output. */
    if (!secret_new(wrapped.size, &key, err)) {
        return false;
    }
    if (!run_cipher(kek, false, wrapped, secret_bytes(key), wrapped.size - AESKW_EXTRA)) {
        return err_set(err, ERR_DENIED, "the KEK is another, or what it wrapped was changed");
    }
    secret_cut(key, wrapped.size - AESKW_EXTRA);
    *out = TAKE(key);
    return true;
}
