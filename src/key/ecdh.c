/* SPDX-License-Identifier: Apache-2.0 */
#include "key/ecdh.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "key/p256.h"

#define KEK_SIZE 32u

DROP(kdf, EVP_KDF *, EVP_KDF_free);
DROP(kdf_ctx, EVP_KDF_CTX *, EVP_KDF_CTX_free);

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
        return p256_failed(err, ERR_SYSTEM, "OpenSSL has no Concat KDF with SHA-256");
    }
    *out = TAKE(derived);
    return true;
}

static bool agree(EVP_PKEY *ours, EVP_PKEY *theirs, const struct ecdh_parties *parties,
                  struct secret **out, struct err *err)
{
    AUTO(drop_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ours, NULL);
    AUTO(drop_secret) struct secret *shared = NULL;
    size_t size = P256_SIZE;

    if (strlen(parties->from) > ECDH_MAX_PARTY || strlen(parties->to) > ECDH_MAX_PARTY) {
        return err_set(err, ERR_INPUT, "a party's name is longer than %u", ECDH_MAX_PARTY);
    }
    if (!secret_new(P256_SIZE, &shared, err)) {
        return false;
    }
    if (!ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, theirs) != 1 ||
        EVP_PKEY_derive(ctx, secret_bytes(shared), &size) != 1 || size != P256_SIZE) {
        return p256_failed(err, ERR_INPUT, "the two keys agree on nothing");
    }
    return ecdh_derive(shared, ECDH_ALG, span_text(parties->from), span_text(parties->to), KEK_SIZE,
                       out, err);
}

/* --- keys, in and out ------------------------------------------------------------------------- */

static bool epk_json(const EVP_PKEY *key, json_t **out, struct err *err)
{
    unsigned char point[P256_POINT];

    if (!p256_point(key, point, err)) {
        return false;
    }
    AUTO(drop_free) char *x = encode_base64url(point + 1, P256_SIZE);
    AUTO(drop_free) char *y = encode_base64url(point + 1 + P256_SIZE, P256_SIZE);

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
    if (size != P256_SIZE) {
        return err_set(err, ERR_INPUT, "epk: %s has %zu bytes", key, size);
    }
    memcpy(out, bytes, P256_SIZE);
    return true;
}

static bool load_epk(const json_t *epk, EVP_PKEY **out, struct err *err)
{
    unsigned char point[P256_POINT] = {POINT_CONVERSION_UNCOMPRESSED};

    if (json_object_size(epk) != 4 || strcmp(json_string_or(epk, "kty", ""), "EC") != 0 ||
        strcmp(json_string_or(epk, "crv", ""), "P-256") != 0) {
        return err_set(err, ERR_INPUT, "epk is no key on P-256 as RFC 7518 writes it");
    }
    return coordinate(epk, "x", point + 1, err) &&
           coordinate(epk, "y", point + 1 + P256_SIZE, err) &&
           (p256_of_point(point, out, err) || err_add(err, "epk"));
}

bool ecdh_make(const char *pem, const struct ecdh_parties *parties, json_t **out_epk,
               struct secret **out_kek, struct err *err)
{
    AUTO(drop_pkey) EVP_PKEY *theirs = NULL, *ours = EVP_EC_gen("P-256");
    AUTO(drop_json) json_t *epk = NULL;

    if (!ours) {
        return p256_failed(err, ERR_SYSTEM, "OpenSSL makes no key on P-256");
    }
    if (!p256_public(pem, &theirs, err) || !epk_json(ours, &epk, err) ||
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

    return p256_private(private_key, &ours, err) && load_epk(epk, &theirs, err) &&
           agree(ours, theirs, parties, out_kek, err);
}
