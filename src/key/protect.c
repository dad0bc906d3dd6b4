/* SPDX-License-Identifier: Apache-2.0 */
#include "key/protect.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret_open.h"
#include "base/span.h"
#include "base/text.h"
#include "key/jwe.h"

#define FORMAT   1
#define KDF_NAME "PBKDF2-HMAC-SHA512"
/* SP 800-132 section 5.1 asks for 128 bits at least. */
#define SALT_SIZE     16u
#define MAX_SALT_SIZE 64u
/* What the text's ceiling leaves room for. */
#define MAX_CONTENT (PROTECT_MAX_TEXT / 4 * 3)

DROP(kdf, EVP_KDF *, EVP_KDF_free);
DROP(kdf_ctx, EVP_KDF_CTX *, EVP_KDF_CTX_free);

/* What the header says besides alg and enc. */
struct words {
    const char *cluster;
    const char *salt;
    int64_t rounds;
};

/* --- the password --------------------------------------------------------------------------- */

static bool pbkdf2(const struct secret *password, struct span salt, unsigned rounds,
                   struct secret *out)
{
    AUTO(drop_kdf) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "PBKDF2", NULL);
    AUTO(drop_kdf_ctx) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    static char sha512[] = "SHA512";
    /* OSSL_PARAM takes no const; as inputs these are only read. */
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha512, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
                                          (void *)(uintptr_t)secret_look(password),
                                          secret_size(password)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.bytes,
                                          salt.size),
        OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &rounds),
        OSSL_PARAM_construct_end(),
    };

    return ctx && EVP_KDF_derive(ctx, secret_bytes(out), secret_size(out), params) == 1;
}

static bool stretch(const struct secret *password, struct span salt, unsigned rounds,
                    struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;

    if (!secret_new(JWE_KEY_SIZE, &key, err)) {
        return false;
    }
    if (!pbkdf2(password, salt, rounds, key)) {
        return err_set(err, ERR_SYSTEM, "OpenSSL has no PBKDF2 with SHA-512");
    }
    *out = TAKE(key);
    return true;
}

/* --- making --------------------------------------------------------------------------------- */

bool protect_password_fits(const struct secret *password, struct err *err)
{
    size_t size = secret_size(password);

    if (size < PROTECT_MIN_PASSWORD || size > PROTECT_MAX_PASSWORD) {
        err_set(err, ERR_INPUT, "the password of such a file has %u to %u bytes",
                PROTECT_MIN_PASSWORD, PROTECT_MAX_PASSWORD);
        return err_mend(err, "choose a longer one: who finds the file can try as long as he likes");
    }
    return true;
}

bool protect_seal(const char *kind, const char *cluster, const struct secret *password,
                  const struct secret *content, char **out_text, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_json) json_t *header = NULL;
    AUTO(drop_json) json_t *json = NULL;
    AUTO(drop_free) char *hex = NULL;
    unsigned char salt[SALT_SIZE];

    if (!protect_password_fits(password, err)) {
        return false;
    }
    if (RAND_bytes(salt, sizeof(salt)) != 1) {
        return err_set(err, ERR_SYSTEM, "no random bytes to be had");
    }
    hex = encode_hex(salt, sizeof(salt));
    header = json_pack("{s:{s:i, s:s, s:s, s:i, s:s}}", "quoin", kind, FORMAT, "cluster", cluster,
                       "kdf", KDF_NAME, "rounds", (int)PROTECT_ROUNDS, "salt", hex);
    if (!stretch(password, span_of(salt, sizeof(salt)), PROTECT_ROUNDS, &key, err) ||
        !jwe_seal(header, key, content, &json, err)) {
        return false;
    }
    *out_text = json_write(json);
    return true;
}

/* --- reading -------------------------------------------------------------------------------- */

static bool read_words(const char *kind, const json_t *header, struct words *out, struct err *err)
{
    const json_t *quoin = NULL;
    const char *kdf = NULL;

    if (!json_get_object(header, "quoin", &quoin, err) ||
        !json_get_format(quoin, kind, FORMAT, err) ||
        !json_get_string(quoin, "cluster", UUID_SIZE - 1, &out->cluster, err) ||
        !json_get_string(quoin, "kdf", 32, &kdf, err) ||
        !json_get_integer(quoin, "rounds", PROTECT_MIN_ROUNDS, PROTECT_MAX_ROUNDS, &out->rounds,
                          err) ||
        !json_get_string(quoin, "salt", 2 * MAX_SALT_SIZE, &out->salt, err)) {
        return false;
    }
    return (strcmp(kdf, KDF_NAME) == 0 && uuid_valid(out->cluster)) ||
           err_set(err, ERR_INPUT, "stretched by '%s', of cluster '%s'", kdf, out->cluster);
}

/* `out` borrows from `out_jwe`. */
static bool read_file(const char *kind, const char *text, size_t length, struct jwe **out_jwe,
                      struct words *out, struct err *err)
{
    AUTO(drop_json) json_t *json = NULL;

    if (length > PROTECT_MAX_TEXT) {
        return err_set(err, ERR_INPUT, "the file is longer than %u bytes", PROTECT_MAX_TEXT);
    }
    return json_read(text, length, &json, err) && jwe_read(json, MAX_CONTENT, out_jwe, err) &&
           read_words(kind, (*out_jwe)->header, out, err);
}

bool protect_look(const char *kind, const char *text, size_t length, char out_cluster[UUID_SIZE],
                  struct err *err)
{
    AUTO(drop_jwe) struct jwe *jwe = NULL;
    struct words words;

    if (!read_file(kind, text, length, &jwe, &words, err)) {
        return false;
    }
    memcpy(out_cluster, words.cluster, UUID_SIZE);
    return true;
}

static bool open_under(const struct secret *password, const struct jwe *jwe,
                       const struct words *words, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) unsigned char *salt = NULL;
    size_t salt_size = 0;

    if (!decode_hex(words->salt, &salt, &salt_size, err) ||
        !stretch(password, span_of(salt, salt_size), (unsigned)words->rounds, &key, err)) {
        return false;
    }
    return jwe_open(jwe, key, out, err) ||
           err_add(err, "the password is wrong, or the file was changed");
}

bool protect_open(const char *kind, const char *text, size_t length, const char *cluster,
                  const struct secret *password, struct secret **out, char out_cluster[UUID_SIZE],
                  struct err *err)
{
    AUTO(drop_jwe) struct jwe *jwe = NULL;
    struct words words;

    if (!read_file(kind, text, length, &jwe, &words, err)) {
        return false;
    }
    if (cluster && strcmp(cluster, words.cluster) != 0) {
        return err_set(err, ERR_CLASH, "the file is of cluster %s, not of %s", words.cluster,
                       cluster);
    }
    if (!open_under(password, jwe, &words, out, err)) {
        return false;
    }
    if (out_cluster) {
        memcpy(out_cluster, words.cluster, UUID_SIZE);
    }
    return true;
}
