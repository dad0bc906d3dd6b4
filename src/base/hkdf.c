/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "base/secret_open.h"

DROP(kdf, EVP_KDF *, EVP_KDF_free);
DROP(kdf_ctx, EVP_KDF_CTX *, EVP_KDF_CTX_free);

/* OSSL_PARAM is made for reading and writing, so it takes no const; as an input it is only read. */
static OSSL_PARAM octets(const char *name, const void *bytes, size_t size)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)bytes, size);
}

static bool derive(const OSSL_PARAM *params, struct secret *out)
{
    AUTO(drop_kdf) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    AUTO(drop_kdf_ctx) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;

    return ctx && EVP_KDF_derive(ctx, secret_bytes(out), secret_size(out), params) == 1;
}

bool hkdf_derive(const struct secret *from, struct span salt, struct span info, size_t size,
                 struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *derived = NULL;
    static char sha256[] = "SHA256";
    OSSL_PARAM params[5] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0),
        octets(OSSL_KDF_PARAM_KEY, secret_look(from), secret_size(from)),
        octets(OSSL_KDF_PARAM_INFO, info.size ? info.bytes : "", info.size),
        OSSL_PARAM_construct_end(),
        OSSL_PARAM_construct_end(),
    };

    if (size == 0 || size > HKDF_MAX_SIZE || info.size > HKDF_MAX_INFO) {
        return err_set(err, ERR_INPUT, "HKDF gives 1 to %u bytes for at most %u of info, not %zu",
                       HKDF_MAX_SIZE, HKDF_MAX_INFO, size);
    }
    if (salt.size > 0) {
        params[3] = octets(OSSL_KDF_PARAM_SALT, salt.bytes, salt.size);
    }
    if (!secret_new(size, &derived, err)) {
        return false;
    }
    if (!derive(params, derived)) {
        return err_set(err, ERR_SYSTEM, "OpenSSL has no HKDF with SHA-256");
    }
    *out = TAKE(derived);
    return true;
}
