/* SPDX-License-Identifier: Apache-2.0 */
#include "base/aead.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/secret_open.h"
#include "base/text.h"

DROP(cipher_ctx, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free);

static bool key_fits(const struct secret *key, struct err *err)
{
    return secret_size(key) == AEAD_KEY_SIZE ||
           err_set(err, ERR_INPUT, "AES-256-GCM takes a key of %u bytes, not of %zu", AEAD_KEY_SIZE,
                   secret_size(key));
}

/* Sizes are checked by the callers, so they fit an int. */
static bool encrypt(const struct secret *key, struct span aad, struct span plain,
                    unsigned char *box)
{
    AUTO(drop_cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char *sealed = box + AEAD_IV_SIZE;
    int n = 0;

    return ctx && RAND_bytes(box, AEAD_IV_SIZE) == 1 &&
           EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), secret_look(key), box, NULL) == 1 &&
           EVP_EncryptUpdate(ctx, NULL, &n, aad.size ? aad.bytes : box, (int)aad.size) == 1 &&
           EVP_EncryptUpdate(ctx, sealed, &n, plain.bytes, (int)plain.size) == 1 &&
           EVP_EncryptFinal_ex(ctx, sealed + n, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, sealed + plain.size) == 1;
}

bool aead_seal_bytes(const struct secret *key, struct span aad, struct span plain,
                     unsigned char **out_box, size_t *out_size, struct err *err)
{
    AUTO(drop_free) unsigned char *box = NULL;

    if (!key_fits(key, err)) {
        return false;
    }
    if (plain.size == 0 || plain.size > SECRET_MAX || aad.size > SECRET_MAX) {
        return err_set(err, ERR_INPUT, "a box holds 1 to %u bytes, not %zu", SECRET_MAX,
                       plain.size);
    }
    box = text_room(plain.size + AEAD_EXTRA, 1);
    if (!encrypt(key, aad, plain, box)) {
        return err_set(err, ERR_SYSTEM, "OpenSSL did not seal with AES-256-GCM");
    }
    *out_box = TAKE(box);
    *out_size = plain.size + AEAD_EXTRA;
    return true;
}

bool aead_seal(const struct secret *key, struct span aad, const struct secret *plain,
               unsigned char **out_box, size_t *out_size, struct err *err)
{
    return aead_seal_bytes(key, aad, span_of(secret_look(plain), secret_size(plain)), out_box,
                           out_size, err);
}

static bool decrypt(const struct secret *key, struct span aad, const unsigned char *box,
                    struct secret *plain)
{
    AUTO(drop_cipher_ctx) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const unsigned char *sealed = box + AEAD_IV_SIZE;
    int size = (int)secret_size(plain);
    unsigned char tag[AEAD_TAG_SIZE];
    int n = 0;

    memcpy(tag, sealed + size, sizeof(tag));
    return ctx && EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), secret_look(key), box, NULL) == 1 &&
           EVP_DecryptUpdate(ctx, NULL, &n, aad.size ? aad.bytes : box, (int)aad.size) == 1 &&
           EVP_DecryptUpdate(ctx, secret_bytes(plain), &n, sealed, size) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, secret_bytes(plain) + n, &n) == 1;
}

bool aead_open(const struct secret *key, struct span aad, struct span box, struct secret **out,
               struct err *err)
{
    AUTO(drop_secret) struct secret *plain = NULL;

    if (!key_fits(key, err)) {
        return false;
    }
    if (box.size <= AEAD_EXTRA || box.size > SECRET_MAX + AEAD_EXTRA || aad.size > SECRET_MAX) {
        return err_set(err, ERR_INPUT, "no box is %zu bytes long", box.size);
    }
    if (!secret_new(box.size - AEAD_EXTRA, &plain, err)) {
        return false;
    }
    if (!decrypt(key, aad, box.bytes, plain)) {
        return err_set(err, ERR_DENIED, "the key is another, or what it sealed was changed");
    }
    *out = TAKE(plain);
    return true;
}
