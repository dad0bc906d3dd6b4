/* SPDX-License-Identifier: Apache-2.0 */
#include "key/ecjwk.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/encode.h"
#include "base/pem.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "key/p256.h"

DROP(number, BIGNUM *, BN_clear_free);
DROP(group, EC_GROUP *, EC_GROUP_free);
DROP(point, EC_POINT *, EC_POINT_free);
DROP(build, OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free);
DROP(params, OSSL_PARAM *, OSSL_PARAM_free);

bool ecjwk_public(const struct secret *private_key, char **out_pem, struct err *err)
{
    AUTO(drop_pkey) EVP_PKEY *key = NULL;

    return p256_private(private_key, &key, err) && p256_public_pem(key, out_pem, err);
}

/* --- what a JWK says of the public half ----------------------------------------------------- */

struct halves {
    char *x, *y; /* base64url */
};

static void drop_halves(struct halves *halves)
{
    free(halves->x);
    free(halves->y);
}

static bool halves_of(const EVP_PKEY *key, struct halves *out, struct err *err)
{
    unsigned char point[P256_POINT];

    if (!p256_point(key, point, err)) {
        return false;
    }
    out->x = encode_base64url(point + 1, P256_SIZE);
    out->y = encode_base64url(point + 1 + P256_SIZE, P256_SIZE);
    return true;
}

bool ecjwk_thumb(const char *public_pem, char out[ECJWK_THUMB_SIZE], struct err *err)
{
    AUTO(drop_pkey) EVP_PKEY *key = NULL;
    AUTO(drop_halves) struct halves halves = {0};
    unsigned char digest[SHA256_DIGEST_LENGTH];

    if (!p256_public(public_pem, &key, err) || !halves_of(key, &halves, err)) {
        return false;
    }
    AUTO(drop_free)
    char *text = text_make("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", halves.x,
                           halves.y);

    SHA256((const unsigned char *)text, strlen(text), digest);
    AUTO(drop_free) char *thumb = encode_base64url(digest, sizeof(digest));

    memcpy(out, thumb, ECJWK_THUMB_SIZE);
    return true;
}

/* --- writing -------------------------------------------------------------------------------- */

#define BEFORE_D   "{\"crv\":\"P-256\",\"d\":\""
#define BEFORE_KID "\",\"kid\":\""

static bool kid_fits(const char *kid)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:";
    size_t length = strlen(kid);

    return length > 0 && length <= ECJWK_MAX_KID && strspn(kid, letters) == length;
}

/* The private number, as base64url of all its bytes. */
static bool digits_of(const EVP_PKEY *key, struct secret **out, struct err *err)
{
    AUTO(drop_number) BIGNUM *number = NULL;
    AUTO(drop_secret) struct secret *bytes = NULL;

    if (!secret_new(P256_SIZE, &bytes, err)) {
        return false;
    }
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1 ||
        BN_bn2binpad(number, secret_bytes(bytes), P256_SIZE) < 0) {
        return p256_failed(err, ERR_SYSTEM, "OpenSSL gives no private number");
    }
    return secret_to_base64url(bytes, out, err);
}

bool ecjwk_write(const struct secret *private_key, const char *kid, struct secret **out_text,
                 struct err *err)
{
    AUTO(drop_pkey) EVP_PKEY *key = NULL;
    AUTO(drop_secret) struct secret *digits = NULL;
    AUTO(drop_halves) struct halves halves = {0};

    if (!kid_fits(kid)) {
        return err_set(err, ERR_INPUT, "no key has the id '%.40s'", kid);
    }
    if (!p256_private(private_key, &key, err) || !digits_of(key, &digits, err) ||
        !halves_of(key, &halves, err)) {
        return false;
    }
    AUTO(drop_free)
    char *rest = text_make(BEFORE_KID "%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", kid,
                           halves.x, halves.y);
    size_t n = strlen(BEFORE_D), middle = secret_size(digits);

    if (!secret_new(n + middle + strlen(rest), out_text, err)) {
        return false;
    }
    memcpy(secret_bytes(*out_text), BEFORE_D, n);
    memcpy(secret_bytes(*out_text) + n, secret_look(digits), middle);
    memcpy(secret_bytes(*out_text) + n + middle, rest, strlen(rest));
    return true;
}

/* --- reading -------------------------------------------------------------------------------- */

static bool key_build(const unsigned char point[P256_POINT], const BIGNUM *number, EVP_PKEY **out)
{
    AUTO(drop_build) OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    AUTO(drop_params) OSSL_PARAM *params = NULL;
    AUTO(drop_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);

    if (!build || !ctx ||
        !OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, P256_GROUP, 0) ||
        !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, P256_POINT) ||
        !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number)) {
        return false;
    }
    params = OSSL_PARAM_BLD_to_param(build);
    return params && EVP_PKEY_fromdata_init(ctx) == 1 &&
           EVP_PKEY_fromdata(ctx, out, EVP_PKEY_KEYPAIR, params) == 1;
}

/* The public point is the private number times the curve's generator. */
static bool private_of(const struct secret *bytes, struct secret **out, struct err *err)
{
    AUTO(drop_group) EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    AUTO(drop_point) EC_POINT *product = group ? EC_POINT_new(group) : NULL;
    AUTO(drop_number)
    BIGNUM *number = BN_bin2bn(secret_look(bytes), (int)secret_size(bytes), NULL);
    AUTO(drop_pkey) EVP_PKEY *key = NULL;
    unsigned char point[P256_POINT];

    if (!product || !number || BN_is_zero(number) ||
        BN_cmp(number, EC_GROUP_get0_order(group)) >= 0 ||
        EC_POINT_mul(group, product, number, NULL, NULL, NULL) != 1 ||
        EC_POINT_point2oct(group, product, POINT_CONVERSION_UNCOMPRESSED, point, sizeof(point),
                           NULL) != P256_POINT ||
        !key_build(point, number, &key)) {
        return p256_failed(err, ERR_INPUT, "this is no private number of P-256");
    }
    return pem_private_write(key, out, err);
}

static bool not_ours(struct err *err)
{
    return err_set(err, ERR_INPUT, "this is no private key as quoin writes it");
}

/* What stands in `text` between `before`, which must be at `*at`, and `end`. */
static const char *piece(const struct secret *text, size_t *at, const char *before, const char *end,
                         size_t *out_size)
{
    const char *from = (const char *)secret_look(text) + *at;
    size_t rest = secret_size(text) - *at, skip = strlen(before);

    if (rest < skip || memcmp(from, before, skip) != 0) {
        return NULL;
    }
    const char *found = memmem(from + skip, rest - skip, end, strlen(end));

    *out_size = found ? (size_t)(found - from) - skip : 0;
    *at += skip + *out_size;
    return found ? from + skip : NULL;
}

static bool take(const struct secret *text, struct secret **out_digits,
                 char out_kid[ECJWK_MAX_KID + 1], struct err *err)
{
    size_t at = 0, size = 0, kid_size = 0;
    const char *digits = piece(text, &at, BEFORE_D, "\"", &size);
    const char *kid = digits ? piece(text, &at, BEFORE_KID, "\"", &kid_size) : NULL;

    if (!kid || size == 0 || kid_size > ECJWK_MAX_KID) {
        return not_ours(err);
    }
    memcpy(out_kid, kid, kid_size);
    out_kid[kid_size] = '\0';
    if (!secret_new(size, out_digits, err)) {
        return false;
    }
    memcpy(secret_bytes(*out_digits), digits, size);
    return true;
}

bool ecjwk_read(const struct secret *text, struct secret **out_private,
                char out_kid[ECJWK_MAX_KID + 1], struct err *err)
{
    AUTO(drop_secret) struct secret *digits = NULL, *bytes = NULL, *key = NULL, *again = NULL;
    char kid[ECJWK_MAX_KID + 1];

    if (secret_size(text) > ECJWK_MAX_TEXT) {
        return not_ours(err);
    }
    if (!take(text, &digits, kid, err) || !secret_from_base64url(digits, &bytes, err) ||
        !private_of(bytes, &key, err) || !ecjwk_write(key, kid, &again, err)) {
        return false;
    }
    if (!secret_equal(text, again)) {
        return not_ours(err);
    }
    memcpy(out_kid, kid, sizeof(kid));
    *out_private = TAKE(key);
    return true;
}
