/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/auto.h"
#include "base/secret_open.h"

/* OpenSSL: at least 112 bits, so RSA 2048 and SHA-256. */
#define SECURITY_LEVEL 2
/* A chain of ours longer than this is none. */
#define MAX_CHAIN 8
/* A CA bundle or a chain of certificates. */
#define MAX_PEM (64u * 1024u)

DROP(bio, BIO *, BIO_free);
DROP(certificate, X509 *, X509_free);
DROP(private_key, EVP_PKEY *, EVP_PKEY_free);

static BIO *bio_of(const char *pem)
{
    return BIO_new_mem_buf(pem, (int)strnlen(pem, MAX_PEM));
}

static bool trust(SSL_CTX *context, const char *pem, struct err *err)
{
    AUTO(drop_bio) BIO *bio = bio_of(pem ? pem : "");
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    int count = 0;

    for (;;) {
        AUTO(drop_certificate) X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

        if (!certificate || X509_STORE_add_cert(store, certificate) != 1) {
            break;
        }
        count++;
    }
    ERR_clear_error();
    return count > 0 ||
           err_set(err, ERR_INPUT, "the CA of the key server is no certificate in PEM");
}

static bool present_chain(SSL_CTX *context, const char *pem, struct err *err)
{
    AUTO(drop_bio) BIO *bio = bio_of(pem ? pem : "");
    AUTO(drop_certificate) X509 *own = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    X509 *next;

    if (!own || SSL_CTX_use_certificate(context, own) != 1) {
        ERR_clear_error();
        return err_set(err, ERR_INPUT, "the client certificate is none in PEM");
    }
    for (int i = 0; i < MAX_CHAIN && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)); i++) {
        if (SSL_CTX_add_extra_chain_cert(context, next) != 1) {
            X509_free(next);
        }
    }
    ERR_clear_error();
    return true;
}

/* No question at a terminal: a key under a password is refused. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static bool present_key(SSL_CTX *context, const struct secret *pem, struct err *err)
{
    AUTO(drop_bio) BIO *bio = pem ? BIO_new_mem_buf(secret_look(pem), (int)secret_size(pem)) : NULL;
    AUTO(drop_private_key)
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    bool good = key && SSL_CTX_use_PrivateKey(context, key) == 1;

    ERR_clear_error();
    return good || err_set(err, ERR_INPUT,
                           "the client's private key is none in PEM, is under a password, or does "
                           "not belong to its certificate");
}

bool tls_set(SSL_CTX *context, const char *ca, const char *certificate, const struct secret *key,
             struct err *err)
{
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return trust(context, ca, err) && present_chain(context, certificate, err) &&
           present_key(context, key, err);
}

bool tls_expect_name(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ||
           (X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
            SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                     (void *)(uintptr_t)host) == 1);
}
