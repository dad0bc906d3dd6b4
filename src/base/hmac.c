/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hmac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/secret_open.h"

bool hmac_make(const struct secret *key, struct span data, unsigned char out[HMAC_SIZE],
               struct err *err)
{
    unsigned char mac[HMAC_SIZE];
    size_t size = 0;

    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret_look(key), secret_size(key),
                   data.size ? data.bytes : mac, data.size, mac, sizeof(mac), &size) ||
        size != sizeof(mac)) {
        return err_set(err, ERR_SYSTEM, "OpenSSL has no HMAC with SHA-256");
    }
    memcpy(out, mac, sizeof(mac));
    return true;
}

bool hmac_check(const struct secret *key, struct span data, const unsigned char mac[HMAC_SIZE],
                struct err *err)
{
    unsigned char ours[HMAC_SIZE];

    if (!hmac_make(key, data, ours, err)) {
        return false;
    }
    return CRYPTO_memcmp(ours, mac, HMAC_SIZE) == 0 ||
           err_set(err, ERR_DENIED, "the MAC is another key's, or the data was changed");
}
