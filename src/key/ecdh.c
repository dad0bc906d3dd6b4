/* SPDX-License-Identifier: Apache-2.0 */
#include "key/ecdh.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret_open.h"
#include "base/text.h"

#define COORDINATE 32u
/* 0x04, x, y: SEC 1 section 2.3.3 */
#define POINT    (1 + 2 * COORDINATE)
#define KEK_SIZE 32u
#define PEM_MAX  (32u * 1024u)

DROP(bio, BIO *, BIO_free);
DROP(x509, X509 *, X509_free);
DROP(pkey, EVP_PKEY *, EVP_PKEY_free);
DROP(pkey_ctx, EVP_PKEY_CTX *, EVP_PKEY_CTX_free);
DROP(kdf, EVP_KDF *, EVP_KDF_free);
DROP(kdf_ctx, EVP_KDF_CTX *, EVP_KDF_CTX_free);

static bool failed(struct err *err, enum err_kind kind, const char *what)
{
    ERR_clear_error();
    return err_set(err, kind, "%s", what);
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[64] = "";

    return key && EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

/* --- the derivation --------------------------------------------------------------------------- */

static void add_number(struct text *text, size_t number)
{
    const unsigned char bytes[4] = {(unsigned char)(number >> 24), (unsigned char)(number >> 16),
                                    (unsigned char)(number >> 8), (unsigned char)number};

    text_add_bytes(text, (const char *)bytes, sizeof(bytes));
}

static void add_party(struct text *text, struct span span)
{
    add_number(text, span.size);
    if (span.size > 0) {
        text_add_bytes(text, span.bytes, span.size);
    }
}

/* OSSL_PARAM takes no const; as an input it is only read. */
static OSSL_PARAM octets(const char *name, const void *bytes, size_t size)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)bytes, size);
}

bool ecdh_derive(const struct secret *shared, const char *algorithm, struct span from,
                 struct span to, size_t size, struct secret **out, struct err *err)
{
    AUTO(drop_kdf) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SSKDF", NULL);
    AUTO(drop_kdf_ctx) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    AUTO(drop_secret) struct secret *derived = NULL;
    AUTO(drop_text) struct text info = {0};
    static char sha256[] = "SHA256";

    add_party(&info, span_text(algorithm));
    add_party(&info, from);
    add_party(&info, to);
    add_number(&info, size * 8);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0),
        octets(OSSL_KDF_PARAM_KEY, secret_look(shared), secret_size(shared)),
        octets(OSSL_KDF_PARAM_INFO, info.bytes, info.length),
        OSSL_PARAM_construct_end(),
    };

    if (!secret_new(size, &derived, err)) {
        return false;
    }
    if (!ctx || EVP_KDF_derive(ctx, secret_bytes(derived), size, params) != 1) {
        return failed(err, ERR_SYSTEM, "OpenSSL has no Concat KDF with SHA-256");
    }
    *out = TAKE(derived);
    return true;
}

static bool agree(EVP_PKEY *ours, EVP_PKEY *theirs, const struct ecdh_parties *parties,
                  struct secret **out, struct err *err)
{
    AUTO(drop_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ours, NULL);
    AUTO(drop_secret) struct secret *shared = NULL;
    size_t size = COORDINATE;

    if (strlen(parties->from) > ECDH_MAX_PARTY || strlen(parties->to) > ECDH_MAX_PARTY) {
        return err_set(err, ERR_INPUT, "a party's name is longer than %u", ECDH_MAX_PARTY);
    }
    if (!secret_new(COORDINATE, &shared, err)) {
        return false;
    }
    if (!ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, theirs) != 1 ||
        EVP_PKEY_derive(ctx, secret_bytes(shared), &size) != 1 || size != COORDINATE) {
        return failed(err, ERR_INPUT, "the two keys agree on nothing");
    }
    return ecdh_derive(shared, ECDH_ALG, span_text(parties->from), span_text(parties->to), KEK_SIZE,
                       out, err);
}

/* --- keys, in and out ------------------------------------------------------------------------- */

static bool load_public(const char *pem, EVP_PKEY **out, struct err *err)
{
    size_t length = strlen(pem);
    AUTO(drop_bio) BIO *bio = BIO_new_mem_buf(pem, length <= PEM_MAX ? (int)length : 0);
    AUTO(drop_pkey) EVP_PKEY *key = NULL;

    if (bio && strstr(pem, "-----BEGIN CERTIFICATE-----")) {
        AUTO(drop_x509) X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        key = x509 ? X509_get_pubkey(x509) : NULL;
    } else if (bio) {
        key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    }
    if (!is_p256(key)) {
        return failed(err, ERR_INPUT, "there is no public key on P-256");
    }
    *out = TAKE(key);
    return true;
}

/* A PEM passphrase is never asked for on a terminal. */
static int no_passphrase(char *to, int size, int writing, void *context)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static bool load_private(const struct secret *secret, EVP_PKEY **out, struct err *err)
{
    AUTO(drop_bio) BIO *bio = BIO_new_mem_buf(secret_look(secret), (int)secret_size(secret));
    AUTO(drop_pkey)
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

    if (!is_p256(key)) {
        return failed(err, ERR_INPUT, "there is no private key on P-256");
    }
    *out = TAKE(key);
    return true;
}

static bool epk_json(const EVP_PKEY *key, json_t **out, struct err *err)
{
    unsigned char point[POINT];
    size_t size = 0;

    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
                                        &size) != 1 ||
        size != POINT || point[0] != POINT_CONVERSION_UNCOMPRESSED) {
        return failed(err, ERR_SYSTEM, "OpenSSL gives no point");
    }
    AUTO(drop_free) char *x = encode_base64url(point + 1, COORDINATE);
    AUTO(drop_free) char *y = encode_base64url(point + 1 + COORDINATE, COORDINATE);

    *out = json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x", x, "y", y);
    return true;
}

static bool coordinate(const json_t *epk, const char *key, unsigned char *out, struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    const char *text = NULL;
    size_t size = 0;

    if (!json_get_string(epk, key, 64, &text, err) || !decode_base64url(text, &bytes, &size, err)) {
        return err_add(err, "epk");
    }
    if (size != COORDINATE) {
        return err_set(err, ERR_INPUT, "epk: %s has %zu bytes", key, size);
    }
    memcpy(out, bytes, COORDINATE);
    return true;
}

/* OpenSSL refuses a point that is not on the curve, and the one at infinity. */
static bool load_point(const unsigned char point[POINT], EVP_PKEY **out, struct err *err)
{
    static char group[] = "prime256v1";
    AUTO(drop_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        octets(OSSL_PKEY_PARAM_PUB_KEY, point, POINT),
        OSSL_PARAM_construct_end(),
    };

    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        return failed(err, ERR_INPUT, "epk is no point on P-256");
    }
    return true;
}

static bool load_epk(const json_t *epk, EVP_PKEY **out, struct err *err)
{
    unsigned char point[POINT] = {POINT_CONVERSION_UNCOMPRESSED};

    if (json_object_size(epk) != 4 || strcmp(json_string_or(epk, "kty", ""), "EC") != 0 ||
        strcmp(json_string_or(epk, "crv", ""), "P-256") != 0) {
        return err_set(err, ERR_INPUT, "epk is no key on P-256 as RFC 7518 writes it");
    }
    return coordinate(epk, "x", point + 1, err) &&
           coordinate(epk, "y", point + 1 + COORDINATE, err) && load_point(point, out, err);
}

bool ecdh_make(const char *pem, const struct ecdh_parties *parties, json_t **out_epk,
               struct secret **out_kek, struct err *err)
{
    AUTO(drop_pkey) EVP_PKEY *theirs = NULL, *ours = EVP_EC_gen("P-256");
    AUTO(drop_json) json_t *epk = NULL;

    if (!ours) {
        return failed(err, ERR_SYSTEM, "OpenSSL makes no key on P-256");
    }
    if (!load_public(pem, &theirs, err) || !epk_json(ours, &epk, err) ||
        !agree(ours, theirs, parties, out_kek, err)) {
        return false;
    }
    *out_epk = TAKE(epk);
    return true;
}

bool ecdh_find(const struct secret *private_key, const json_t *epk,
               const struct ecdh_parties *parties, struct secret **out_kek, struct err *err)
{
    AUTO(drop_pkey) EVP_PKEY *ours = NULL, *theirs = NULL;

    return load_private(private_key, &ours, err) && load_epk(epk, &theirs, err) &&
           agree(ours, theirs, parties, out_kek, err);
}
