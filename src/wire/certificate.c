/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/certificate.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/encode.h"
#include "base/pem.h"
#include "base/text.h"
#include "wire/certificate_der.h"

/* Clocks of hosts differ before anything set them. */
#define BACKDATE_SECONDS (5 * 60)
#define DAY_SECONDS      (24 * 60 * 60)
/* RFC 5280: at most 20 octets and positive. */
#define SERIAL_BITS 127

DROP(key, EVP_PKEY *, EVP_PKEY_free);
DROP(x509, X509 *, X509_free);
DROP(request, X509_REQ *, X509_REQ_free);
DROP(bio, BIO *, BIO_free);
DROP(extension, X509_EXTENSION *, X509_EXTENSION_free);
DROP(names, GENERAL_NAMES *, GENERAL_NAMES_free);
DROP(store, X509_STORE *, X509_STORE_free);
DROP(store_ctx, X509_STORE_CTX *, X509_STORE_CTX_free);
DROP(number, BIGNUM *, BN_free);

/* OpenSSL's own words; its queue is empty afterwards. */
static bool openssl_failed(struct err *err, enum err_kind kind, const char *doing)
{
    char reason[200] = "no reason given";
    unsigned long code = ERR_peek_last_error();

    if (code) {
        ERR_error_string_n(code, reason, sizeof(reason));
    }
    ERR_clear_error();
    return err_set(err, kind, "%s: %s", doing, reason);
}

static BIO *bio_of(const char *pem)
{
    size_t length = strlen(pem);

    return BIO_new_mem_buf(pem, length <= CERTIFICATE_MAX ? (int)length : 0);
}

static bool key_load(const struct secret *secret, EVP_PKEY **out, struct err *err)
{
    *out = pem_private_read(secret);
    return *out || openssl_failed(err, ERR_INPUT, "read a private key");
}

static bool x509_load(const char *pem, X509 **out, struct err *err)
{
    AUTO(drop_bio) BIO *bio = bio_of(pem);

    *out = bio ? PEM_read_bio_X509(bio, NULL, pem_no_passphrase, NULL) : NULL;
    return *out || openssl_failed(err, ERR_INPUT, "read a certificate");
}

static char *text_of_bio(BIO *bio)
{
    struct text text = {0};
    char *bytes = NULL;
    long length = BIO_get_mem_data(bio, &bytes);

    text_add_bytes(&text, bytes, (size_t)length);
    return text_take(&text);
}

static bool x509_save(X509 *x509, char **out, struct err *err)
{
    AUTO(drop_bio) BIO *bio = BIO_new(BIO_s_mem());

    if (!bio || !PEM_write_bio_X509(bio, x509)) {
        return openssl_failed(err, ERR_SYSTEM, "write a certificate");
    }
    *out = text_of_bio(bio);
    return true;
}

bool certificate_key_make(struct secret **out_key, struct err *err)
{
    AUTO(drop_key) EVP_PKEY *key = EVP_EC_gen("P-256");

    return key ? pem_private_write(key, out_key, err)
               : openssl_failed(err, ERR_SYSTEM, "make a key");
}

static bool name_set(X509_NAME *name, const char *common_name)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                      -1, -1, 0) == 1;
}

static bool serial_set(X509 *x509)
{
    AUTO(drop_number) BIGNUM *number = BN_new();

    return number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
}

static bool extension_add(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    AUTO(drop_extension)
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);

    return extension && X509_add_ext(x509, extension, -1) == 1;
}

/* What every certificate has. */
static bool x509_begin(X509 *x509, const char *common_name, EVP_PKEY *key, X509 *issuer,
                       unsigned days)
{
    return X509_set_version(x509, X509_VERSION_3) && serial_set(x509) &&
           X509_gmtime_adj(X509_getm_notBefore(x509), -BACKDATE_SECONDS) &&
           X509_gmtime_adj(X509_getm_notAfter(x509), (long)days * DAY_SECONDS) &&
           name_set(X509_get_subject_name(x509), common_name) &&
           X509_set_issuer_name(x509, X509_get_subject_name(issuer)) &&
           X509_set_pubkey(x509, key) &&
           extension_add(x509, issuer, NID_subject_key_identifier, "hash") &&
           extension_add(x509, issuer, NID_authority_key_identifier, "keyid");
}

bool certificate_authority_make(const char *common_name, unsigned days, struct secret **out_key,
                                char **out_certificate, struct err *err)
{
    AUTO(drop_key) EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(drop_x509) X509 *x509 = X509_new();
    AUTO(drop_secret) struct secret *secret = NULL;

    if (!key || !x509 || !x509_begin(x509, common_name, key, x509, days) ||
        !extension_add(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !extension_add(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !X509_sign(x509, key, EVP_sha256())) {
        return openssl_failed(err, ERR_SYSTEM, "make a certificate authority");
    }
    if (!pem_private_write(key, &secret, err) || !x509_save(x509, out_certificate, err)) {
        return false;
    }
    *out_key = TAKE(secret);
    return true;
}

bool certificate_request_make(const struct secret *key, const char *common_name, char **out_request,
                              struct err *err)
{
    AUTO(drop_key) EVP_PKEY *pkey = NULL;
    AUTO(drop_request) X509_REQ *request = X509_REQ_new();
    AUTO(drop_bio) BIO *bio = BIO_new(BIO_s_mem());

    if (!key_load(key, &pkey, err)) {
        return false;
    }
    if (!request || !bio || !name_set(X509_REQ_get_subject_name(request), common_name) ||
        !X509_REQ_set_pubkey(request, pkey) || !X509_REQ_sign(request, pkey, EVP_sha256()) ||
        !PEM_write_bio_X509_REQ(bio, request)) {
        return openssl_failed(err, ERR_SYSTEM, "make a certificate request");
    }
    *out_request = text_of_bio(bio);
    return true;
}

static bool san_add(GENERAL_NAMES *names, int kind, const char *value)
{
    GENERAL_NAME *name = a2i_GENERAL_NAME(NULL, NULL, NULL, kind, value, 0);

    if (!name || sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return false;
    }
    return true;
}

static bool sans_set(X509 *x509, const struct certificate_wish *wish)
{
    AUTO(drop_names) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    bool ok = names != NULL;

    for (const char *const *at = wish->names; ok && at && *at; at++) {
        ok = san_add(names, GEN_DNS, *at);
    }
    for (const char *const *at = wish->addresses; ok && at && *at; at++) {
        ok = san_add(names, GEN_IPADD, *at);
    }
    if (ok && wish->uri) {
        ok = san_add(names, GEN_URI, wish->uri);
    }
    return ok && (sk_GENERAL_NAME_num(names) == 0 ||
                  X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1);
}

static bool usages_set(X509 *x509, X509 *issuer, const struct certificate_wish *wish)
{
    const char *usage = wish->server && wish->client ? "serverAuth,clientAuth"
                        : wish->server               ? "serverAuth"
                                                     : "clientAuth";

    return extension_add(x509, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           extension_add(x509, issuer, NID_key_usage, "critical,digitalSignature") &&
           extension_add(x509, issuer, NID_ext_key_usage, usage);
}

static bool sign(const struct authority *authority, EVP_PKEY *key,
                 const struct certificate_wish *wish, char **out, struct err *err)
{
    AUTO(drop_x509) X509 *issuer = NULL, *x509 = X509_new();
    AUTO(drop_key) EVP_PKEY *issuer_key = NULL;

    if (!x509_load(authority->certificate, &issuer, err) ||
        !key_load(authority->key, &issuer_key, err)) {
        return err_add(err, "the authority");
    }
    if (!wish->server && !wish->client) {
        return err_set(err, ERR_INPUT, "a certificate must be for a server or a client");
    }
    if (!x509 || !x509_begin(x509, wish->common_name, key, issuer, wish->days) ||
        !usages_set(x509, issuer, wish) || !sans_set(x509, wish)) {
        return openssl_failed(err, ERR_INPUT, "fill in a certificate");
    }
    if (X509_check_private_key(issuer, issuer_key) != 1 ||
        !X509_sign(x509, issuer_key, EVP_sha256())) {
        return openssl_failed(err, ERR_INPUT, "sign a certificate");
    }
    return x509_save(x509, out, err);
}

static bool request_load(const char *pem, X509_REQ **out, struct err *err)
{
    AUTO(drop_bio) BIO *bio = bio_of(pem);

    *out = bio ? PEM_read_bio_X509_REQ(bio, NULL, pem_no_passphrase, NULL) : NULL;
    return *out || openssl_failed(err, ERR_INPUT, "read a certificate request");
}

bool certificate_request_name(const char *request, char out[65], struct err *err)
{
    AUTO(drop_request) X509_REQ *loaded = NULL;
    char name[65] = "";

    if (!request_load(request, &loaded, err)) {
        return false;
    }
    if (X509_NAME_get_text_by_NID(X509_REQ_get_subject_name(loaded), NID_commonName, name,
                                  sizeof(name)) <= 0) {
        return err_set(err, ERR_INPUT, "a certificate request names nobody");
    }
    memcpy(out, name, sizeof(name));
    return true;
}

bool certificate_sign(const struct authority *authority, const char *request,
                      const struct certificate_wish *wish, char **out_certificate, struct err *err)
{
    AUTO(drop_request) X509_REQ *loaded = NULL;

    if (!request_load(request, &loaded, err)) {
        return false;
    }
    EVP_PKEY *key = X509_REQ_get0_pubkey(loaded);

    if (!key || X509_REQ_verify(loaded, key) != 1) {
        return openssl_failed(err, ERR_INPUT, "the request is not signed by its own key");
    }
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_bits(key) != 256) {
        return err_set(err, ERR_INPUT, "the request's key is not EC P-256");
    }
    return sign(authority, key, wish, out_certificate, err);
}

bool certificate_make(const struct authority *authority, const struct secret *key,
                      const struct certificate_wish *wish, char **out_certificate, struct err *err)
{
    AUTO(drop_key) EVP_PKEY *pkey = NULL;

    return key_load(key, &pkey, err) && sign(authority, pkey, wish, out_certificate, err);
}

static bool time_of(const ASN1_TIME *from, time_t *out)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(from, &tm) != 1) {
        return false;
    }
    *out = timegm(&tm);
    return true;
}

/* Exactly one quoin:// URI is a peer; none is none, and two are nobody. */
static bool peer_of(X509 *x509, struct peer *out, struct err *err)
{
    AUTO(drop_names)
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    unsigned found = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_URI) {
            continue;
        }
        AUTO(drop_free)
        char *uri =
            text_make("%.*s", ASN1_STRING_length(name->d.uniformResourceIdentifier),
                      (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier));

        if (strlen(uri) != (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier) ||
            !role_read(uri, out, err)) {
            return false;
        }
        found++;
    }
    return found == 1 || err_set(err, ERR_DENIED, "it has %u quoin:// names, not one", found);
}

static bool facts_of(X509 *x509, struct certificate_facts *out, struct err *err)
{
    struct certificate_facts facts = {0};
    struct err ignored;
    unsigned char digest[32];
    unsigned size = 0;
    uint32_t flags = X509_get_extension_flags(x509);
    uint32_t usage = flags & EXFLAG_XKUSAGE ? X509_get_extended_key_usage(x509) : 0;

    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, facts.common_name,
                                    sizeof(facts.common_name));
    if (!time_of(X509_get0_notBefore(x509), &facts.not_before) ||
        !time_of(X509_get0_notAfter(x509), &facts.not_after) ||
        X509_digest(x509, EVP_sha256(), digest, &size) != 1 || (flags & EXFLAG_INVALID)) {
        return openssl_failed(err, ERR_INPUT, "read a certificate's fields");
    }
    facts.has_peer = peer_of(x509, &facts.peer, &ignored);
    facts.server = usage & XKU_SSL_SERVER;
    facts.client = usage & XKU_SSL_CLIENT;
    facts.authority = flags & EXFLAG_CA;
    AUTO(drop_free) char *hex = encode_hex(digest, size);

    memcpy(facts.fingerprint, hex, sizeof(facts.fingerprint));
    *out = facts;
    return true;
}

bool certificate_read(const char *certificate, struct certificate_facts *out, struct err *err)
{
    AUTO(drop_x509) X509 *x509 = NULL;

    return x509_load(certificate, &x509, err) && facts_of(x509, out, err);
}

bool certificate_read_der(const unsigned char *der, size_t length, struct certificate_facts *out,
                          struct err *err)
{
    AUTO(drop_x509)
    X509 *x509 = length <= CERTIFICATE_MAX ? d2i_X509(NULL, &der, (long)length) : NULL;

    if (!x509) {
        return openssl_failed(err, ERR_INPUT, "read a certificate");
    }
    return facts_of(x509, out, err);
}

bool certificate_check(const char *certificate, const char *authority, struct err *err)
{
    AUTO(drop_x509) X509 *x509 = NULL, *issuer = NULL;
    AUTO(drop_store) X509_STORE *store = X509_STORE_new();
    AUTO(drop_store_ctx) X509_STORE_CTX *context = X509_STORE_CTX_new();

    if (!x509_load(certificate, &x509, err) || !x509_load(authority, &issuer, err)) {
        return false;
    }
    if (!store || !context || !X509_STORE_add_cert(store, issuer) ||
        !X509_STORE_CTX_init(context, store, x509, NULL)) {
        return openssl_failed(err, ERR_SYSTEM, "check a certificate");
    }
    if (X509_verify_cert(context) != 1) {
        const char *why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));

        ERR_clear_error();
        return err_set(err, ERR_DENIED, "the certificate is refused: %s", why);
    }
    return true;
}

bool certificate_fits(const char *certificate, const struct secret *key, struct err *err)
{
    AUTO(drop_x509) X509 *x509 = NULL;
    AUTO(drop_key) EVP_PKEY *pkey = NULL;

    if (!x509_load(certificate, &x509, err) || !key_load(key, &pkey, err)) {
        return false;
    }
    if (X509_check_private_key(x509, pkey) != 1) {
        ERR_clear_error();
        return err_set(err, ERR_CLASH, "the certificate belongs to another private key");
    }
    return true;
}
