/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/auto.h"
#include "base/secret_open.h"

DROP(bio, BIO *, BIO_free);

int pem_no_passphrase(char *to, int size, int writing, void *context)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

EVP_PKEY *pem_private_read(const struct secret *pem)
{
    AUTO(drop_bio) BIO *bio = BIO_new_mem_buf(secret_look(pem), (int)secret_size(pem));

    return bio ? PEM_read_bio_PrivateKey(bio, NULL, pem_no_passphrase, NULL) : NULL;
}

/* BIO_s_secmem wipes its buffer when freed; the secret is the only copy that stays. */
bool pem_private_write(const EVP_PKEY *key, struct secret **out, struct err *err)
{
    AUTO(drop_bio) BIO *bio = BIO_new(BIO_s_secmem());
    char *bytes = NULL;

    if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
        ERR_clear_error();
        return err_set(err, ERR_SYSTEM, "a private key cannot be written");
    }
    size_t length = (size_t)BIO_get_mem_data(bio, &bytes);

    if (!secret_new(length, out, err)) {
        return false;
    }
    memcpy(secret_bytes(*out), bytes, length);
    return true;
}
