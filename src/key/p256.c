/* SPDX-License-Identifier: Apache-2.0 */
#include "key/p256.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/pem.h"
#include "base/text.h"

#define PEM_MAX (32u * 1024u)

DROP(bio, BIO *, BIO_free);
DROP(x509, X509 *, X509_free);

bool p256_failed(struct err *err, enum err_kind kind, const char *what)
{
    ERR_clear_error();
    return err_set(err, kind, "%s", what);
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[64] = "";

    return key && EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           strcmp(group, P256_GROUP) == 0;
}

bool p256_private(const struct secret *pem, EVP_PKEY **out, struct err *err)
{
    AUTO(drop_pkey) EVP_PKEY *key = pem_private_read(pem);

    if (!is_p256(key)) {
        return p256_failed(err, ERR_INPUT, "there is no private key on P-256");
    }
    *out = TAKE(key);
    return true;
}

bool p256_public(const char *pem, EVP_PKEY **out, struct err *err)
{
    size_t length = strlen(pem);
    AUTO(drop_bio) BIO *bio = BIO_new_mem_buf(pem, length <= PEM_MAX ? (int)length : 0);
    AUTO(drop_pkey) EVP_PKEY *key = NULL;

    if (bio && strstr(pem, "-----BEGIN CERTIFICATE-----")) {
        AUTO(drop_x509) X509 *x509 = PEM_read_bio_X509(bio, NULL, pem_no_passphrase, NULL);

        key = x509 ? X509_get_pubkey(x509) : NULL;
    } else if (bio) {
        key = PEM_read_bio_PUBKEY(bio, NULL, pem_no_passphrase, NULL);
    }
    if (!is_p256(key)) {
        return p256_failed(err, ERR_INPUT, "there is no public key on P-256");
    }
    *out = TAKE(key);
    return true;
}

/* OSSL_PARAM takes no const; as an input it is only read. */
bool p256_of_point(const unsigned char point[P256_POINT], EVP_PKEY **out, struct err *err)
{
    static char group[] = P256_GROUP;
    AUTO(drop_pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point,
                                          P256_POINT),
        OSSL_PARAM_construct_end(),
    };

    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        return p256_failed(err, ERR_INPUT, "this is no point on P-256");
    }
    return true;
}

bool p256_public_pem(const EVP_PKEY *key, char **out, struct err *err)
{
    AUTO(drop_bio) BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;

    if (!bio || !PEM_write_bio_PUBKEY(bio, key)) {
        return p256_failed(err, ERR_SYSTEM, "a public key cannot be written");
    }
    long length = BIO_get_mem_data(bio, &bytes);

    *out = text_make("%.*s", (int)length, bytes);
    return true;
}

bool p256_point(const EVP_PKEY *key, unsigned char out[P256_POINT], struct err *err)
{
    size_t size = 0;

    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out, P256_POINT, &size) !=
            1 ||
        size != P256_POINT || out[0] != POINT_CONVERSION_UNCOMPRESSED) {
        return p256_failed(err, ERR_SYSTEM, "OpenSSL gives no point");
    }
    return true;
}
