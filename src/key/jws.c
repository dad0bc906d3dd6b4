/* SPDX-License-Identifier: Apache-2.0 */
#include "key/jws.h"

#include <openssl/ec.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "key/p256.h"

/* r and s: RFC 7518 section 3.4. */
#define SIGNATURE (2 * P256_SIZE)
/* Of two integers of 33 bytes at most. */
#define DER_MAX 80u

static const char header[] = "{\"alg\":\"ES256\"}";

DROP(digest, EVP_MD_CTX *, EVP_MD_CTX_free);
DROP(pair, ECDSA_SIG *, ECDSA_SIG_free);

/* DER to two numbers of a fixed size. */
static bool flat(const unsigned char *der, size_t size, unsigned char out[SIGNATURE])
{
    AUTO(drop_pair) ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);

    return pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, P256_SIZE) == P256_SIZE &&
           BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + P256_SIZE, P256_SIZE) == P256_SIZE;
}

static bool unflat(const unsigned char *bytes, unsigned char out[DER_MAX], size_t *out_size)
{
    AUTO(drop_pair) ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, P256_SIZE, NULL),
           *s = BN_bin2bn(bytes + P256_SIZE, P256_SIZE, NULL);

    if (!pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return false;
    }
    int size = i2d_ECDSA_SIG(pair, &out);

    *out_size = (size_t)size;
    return size > 0 && size <= (int)DER_MAX;
}

bool jws_sign(const struct secret *private_key, const json_t *payload, json_t **out,
              struct err *err)
{
    AUTO(drop_pkey) EVP_PKEY *key = NULL;
    AUTO(drop_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    AUTO(drop_free) char *text = json_write_canonical(payload);
    AUTO(drop_free) char *body = encode_base64url(text, strlen(text));
    AUTO(drop_free) char *head = encode_base64url(header, strlen(header));
    AUTO(drop_free) char *whole = text_make("%s.%s", head, body);
    unsigned char der[DER_MAX], bytes[SIGNATURE];
    size_t size = sizeof(der);

    if (!p256_private(private_key, &key, err)) {
        return err_add(err, "sign a document");
    }
    if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(ctx, der, &size, (const unsigned char *)whole, strlen(whole)) != 1 ||
        !flat(der, size, bytes)) {
        return p256_failed(err, ERR_SYSTEM, "OpenSSL does not sign");
    }
    AUTO(drop_free) char *signature = encode_base64url(bytes, sizeof(bytes));

    *out = json_pack("{s:s, s:s, s:s}", "payload", body, "protected", head, "signature", signature);
    return true;
}

static bool is_signed(EVP_PKEY *key, const char *head, const char *body,
                      const unsigned char *signature)
{
    AUTO(drop_digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    AUTO(drop_free) char *whole = text_make("%s.%s", head, body);
    unsigned char der[DER_MAX];
    size_t size = 0;

    return ctx && unflat(signature, der, &size) &&
           EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
           EVP_DigestVerify(ctx, der, size, (const unsigned char *)whole, strlen(whole)) == 1;
}

static bool read_signature(const json_t *jws, unsigned char out[SIGNATURE], struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    const char *text = NULL;
    size_t size = 0;

    if (!json_get_string(jws, "signature", 2 * SIGNATURE, &text, err) ||
        !decode_base64url(text, &bytes, &size, err)) {
        return false;
    }
    if (size != SIGNATURE) {
        return err_set(err, ERR_INPUT, "a signature has %u bytes, not %zu", SIGNATURE, size);
    }
    memcpy(out, bytes, SIGNATURE);
    return true;
}

/* Nothing is read of the payload before the signature was found good. */
bool jws_verify(const char *certificate, const json_t *jws, json_t **out_payload, struct err *err)
{
    AUTO(drop_pkey) EVP_PKEY *key = NULL;
    AUTO(drop_free) char *wanted = encode_base64url(header, strlen(header));
    AUTO(drop_free) unsigned char *bytes = NULL;
    unsigned char signature[SIGNATURE];
    const char *head = NULL, *body = NULL;
    size_t size = 0;

    if (!p256_public(certificate, &key, err) ||
        !json_get_string(jws, "protected", 64, &head, err) ||
        !json_get_string(jws, "payload", JWS_MAX_PAYLOAD, &body, err) ||
        !read_signature(jws, signature, err)) {
        return err_add(err, "signed document");
    }
    if (json_object_size(jws) != 3 || strcmp(head, wanted) != 0) {
        return err_set(err, ERR_INPUT, "the document is not signed as ours are");
    }
    if (!is_signed(key, head, body, signature)) {
        return p256_failed(err, ERR_DENIED, "the document is not signed by the cluster's CA");
    }
    return decode_base64url(body, &bytes, &size, err) &&
           json_read((const char *)bytes, size, out_payload, err);
}
