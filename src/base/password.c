/* SPDX-License-Identifier: Apache-2.0 */
#include "base/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret_open.h"
#include "base/text.h"

#define LOG_N     15u
#define BLOCK     8u
#define LANES     1u
#define SALT_SIZE 16u
#define HASH_SIZE 32u
/* 128 * N * r bytes and a little: what OpenSSL may take. */
#define MEMORY (48u * 1024u * 1024u)

static bool stretch(const struct secret *password, const unsigned char *salt, unsigned log_n,
                    unsigned char out[HASH_SIZE], struct err *err)
{
    if (EVP_PBE_scrypt((const char *)secret_look(password), secret_size(password), salt, SALT_SIZE,
                       1ull << log_n, BLOCK, LANES, MEMORY, out, HASH_SIZE) != 1) {
        return err_set(err, ERR_SYSTEM, "scrypt failed");
    }
    return true;
}

bool password_hash(const struct secret *password, char **out, struct err *err)
{
    unsigned char salt[SALT_SIZE], hash[HASH_SIZE];

    if (RAND_bytes(salt, SALT_SIZE) != 1) {
        return err_set(err, ERR_SYSTEM, "no random bytes to be had");
    }
    if (!stretch(password, salt, LOG_N, hash, err)) {
        return false;
    }
    AUTO(drop_free) char *salt_text = encode_base64url(salt, SALT_SIZE);
    AUTO(drop_free) char *hash_text = encode_base64url(hash, HASH_SIZE);

    *out = text_make("scrypt$%u$%u$%u$%s$%s", LOG_N, BLOCK, LANES, salt_text, hash_text);
    return true;
}

static bool read_part(const char *text, size_t size, unsigned char *to, struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    size_t length = 0;

    if (!decode_base64url(text, &bytes, &length, err)) {
        return false;
    }
    if (length != size) {
        return err_set(err, ERR_INPUT, "a password hash has a part of %zu bytes", length);
    }
    memcpy(to, bytes, size);
    return true;
}

bool password_check(const struct secret *password, const char *hash, struct err *err)
{
    char salt_text[PASSWORD_HASH_MAX], hash_text[PASSWORD_HASH_MAX];
    unsigned char salt[SALT_SIZE], wanted[HASH_SIZE], made[HASH_SIZE];
    unsigned log_n = 0;
    int end = 0;

    if (strlen(hash) >= PASSWORD_HASH_MAX ||
        sscanf(hash, "scrypt$%2u$8$1$%60[A-Za-z0-9_-]$%60[A-Za-z0-9_-]%n", &log_n, salt_text,
               hash_text, &end) != 3 ||
        hash[end] != '\0' || log_n < 1 || log_n > LOG_N) {
        return err_set(err, ERR_INPUT, "not a password hash of ours");
    }
    if (!read_part(salt_text, SALT_SIZE, salt, err) ||
        !read_part(hash_text, HASH_SIZE, wanted, err) ||
        !stretch(password, salt, log_n, made, err)) {
        return false;
    }
    bool same = CRYPTO_memcmp(wanted, made, HASH_SIZE) == 0;

    OPENSSL_cleanse(made, HASH_SIZE);
    return same || err_set(err, ERR_DENIED, "wrong user or password");
}
