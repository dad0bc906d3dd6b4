/* SPDX-License-Identifier: Apache-2.0 */
#include "key/backup.h"

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
#include "key/native.h"

#define FORMAT   1
#define KDF_NAME "PBKDF2-HMAC-SHA512"
/* SP 800-132 section 5.1 asks for 128 bits at least. */
#define SALT_SIZE     16u
#define MAX_SALT_SIZE 64u

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

static bool seal_under(const struct secret *password, const char *cluster,
                       const struct secret *content, char **out_text, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_json) json_t *header = NULL;
    AUTO(drop_json) json_t *json = NULL;
    AUTO(drop_free) char *hex = NULL;
    unsigned char salt[SALT_SIZE];

    if (RAND_bytes(salt, sizeof(salt)) != 1) {
        return err_set(err, ERR_SYSTEM, "no random bytes to be had");
    }
    hex = encode_hex(salt, sizeof(salt));
    header = json_pack("{s:{s:i, s:s, s:s, s:i, s:s}}", "quoin", "backup", FORMAT, "cluster",
                       cluster, "kdf", KDF_NAME, "rounds", (int)BACKUP_ROUNDS, "salt", hex);
    if (!stretch(password, span_of(salt, sizeof(salt)), BACKUP_ROUNDS, &key, err) ||
        !jwe_seal(header, key, content, &json, err)) {
        return false;
    }
    *out_text = json_write(json);
    return true;
}

bool backup_make(const char *folder, const struct hostseal_conf *host, const char *cluster,
                 const struct secret *password, char **out_text, struct err *err)
{
    AUTO(drop_jwks) struct jwks *jwks = NULL;
    AUTO(drop_secret) struct secret *content = NULL;
    char owner[UUID_SIZE];

    if (secret_size(password) < BACKUP_MIN_PASSWORD ||
        secret_size(password) > BACKUP_MAX_PASSWORD) {
        err_set(err, ERR_INPUT, "the password of a backup has %u to %u bytes", BACKUP_MIN_PASSWORD,
                BACKUP_MAX_PASSWORD);
        return err_mend(err, "choose a longer one: who finds the file can try as long as he likes");
    }
    return (native_export(folder, host, cluster, &jwks, owner, err) &&
            jwks_write(jwks, &content, err) &&
            seal_under(password, owner, content, out_text, err)) ||
           err_add(err, "back up the native key provider");
}

bool backup_fetched(const char *folder, struct err *err)
{
    return native_fetched(folder, err);
}

/* --- reading -------------------------------------------------------------------------------- */

static bool read_words(const json_t *header, struct words *out, struct err *err)
{
    const json_t *quoin = NULL;
    const char *kdf = NULL;
    int64_t format = 0;

    if (!json_get_object(header, "quoin", &quoin, err) ||
        !json_get_integer(quoin, "backup", 1, FORMAT, &format, err) ||
        !json_get_string(quoin, "cluster", UUID_SIZE - 1, &out->cluster, err) ||
        !json_get_string(quoin, "kdf", 32, &kdf, err) ||
        !json_get_integer(quoin, "rounds", BACKUP_MIN_ROUNDS, BACKUP_MAX_ROUNDS, &out->rounds,
                          err) ||
        !json_get_string(quoin, "salt", 2 * MAX_SALT_SIZE, &out->salt, err)) {
        return false;
    }
    return (strcmp(kdf, KDF_NAME) == 0 && uuid_valid(out->cluster)) ||
           err_set(err, ERR_INPUT, "stretched by '%s', of cluster '%s'", kdf, out->cluster);
}

/* `out` borrows from `out_jwe`. */
static bool read_backup(const char *text, size_t length, struct jwe **out_jwe, struct words *out,
                        struct err *err)
{
    AUTO(drop_json) json_t *json = NULL;

    if (length > BACKUP_MAX_TEXT) {
        return err_set(err, ERR_INPUT, "a backup is longer than %u bytes", BACKUP_MAX_TEXT);
    }
    return (json_read(text, length, &json, err) && jwe_read(json, JWKS_MAX_TEXT, out_jwe, err) &&
            read_words((*out_jwe)->header, out, err)) ||
           err_add(err, "this is no backup of a native key provider");
}

bool backup_look(const char *text, size_t length, char **out_cluster, struct err *err)
{
    AUTO(drop_jwe) struct jwe *jwe = NULL;
    struct words words;

    if (!read_backup(text, length, &jwe, &words, err)) {
        return false;
    }
    *out_cluster = text_copy(words.cluster);
    return true;
}

static bool open_under(const struct secret *password, const struct jwe *jwe,
                       const struct words *words, struct jwks **out, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL, *content = NULL;
    AUTO(drop_free) unsigned char *salt = NULL;
    size_t salt_size = 0;

    if (!decode_hex(words->salt, &salt, &salt_size, err) ||
        !stretch(password, span_of(salt, salt_size), (unsigned)words->rounds, &key, err)) {
        return false;
    }
    if (!jwe_open(jwe, key, &content, err)) {
        return err_add(err, "the password is wrong, or the backup was changed");
    }
    return jwks_read(content, out, err);
}

bool backup_restore(const char *folder, const struct hostseal_conf *host, const char *cluster,
                    const char *text, size_t length, const struct secret *password, struct err *err)
{
    AUTO(drop_jwe) struct jwe *jwe = NULL;
    AUTO(drop_jwks) struct jwks *jwks = NULL;
    struct words words;

    if (!read_backup(text, length, &jwe, &words, err)) {
        return false;
    }
    if (cluster && strcmp(cluster, words.cluster) != 0) {
        return err_set(err, ERR_CLASH, "the backup is of cluster %s, not of %s", words.cluster,
                       cluster);
    }
    return (open_under(password, jwe, &words, &jwks, err) &&
            native_import(folder, host, words.cluster, jwks, err)) ||
           err_add(err, "recover the native key provider");
}
