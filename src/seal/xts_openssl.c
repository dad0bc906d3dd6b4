/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSSL: one context for each direction, since its XTS keys are made for one. */
#include "seal/xts_engines.h"

#include <openssl/evp.h>

#include "base/secret_open.h"
#include "base/text.h"

struct engine {
    EVP_CIPHER_CTX *ways[2]; /* decrypt, encrypt */
};

static void engine_close(void *self)
{
    struct engine *engine = self;

    if (engine) {
        EVP_CIPHER_CTX_free(engine->ways[0]);
        EVP_CIPHER_CTX_free(engine->ways[1]);
        free(engine);
    }
}

static bool way_open(const struct secret *key, int encrypt, EVP_CIPHER_CTX **out)
{
    *out = EVP_CIPHER_CTX_new();
    return *out &&
           EVP_CipherInit_ex(*out, EVP_aes_256_xts(), NULL, secret_look(key), NULL, encrypt) == 1;
}

static bool engine_open(const struct secret *key, void **out, struct err *err)
{
    struct engine *engine = text_room(1, sizeof(*engine));

    if (!way_open(key, 0, &engine->ways[0]) || !way_open(key, 1, &engine->ways[1])) {
        engine_close(engine);
        return err_set(err, ERR_SYSTEM, "OpenSSL cannot do AES-256-XTS");
    }
    *out = engine;
    return true;
}

static bool engine_crypt(void *self, bool encrypt, const unsigned char tweak[16],
                         unsigned char *bytes, size_t length)
{
    struct engine *engine = self;
    EVP_CIPHER_CTX *way = engine->ways[encrypt];
    int made = 0;

    return EVP_CipherInit_ex(way, NULL, NULL, NULL, tweak, -1) == 1 &&
           EVP_CipherUpdate(way, bytes, &made, bytes, (int)length) == 1 && (size_t)made == length;
}

const struct xts_engine xts_openssl = {
    .name = "openssl",
    .open = engine_open,
    .close = engine_close,
    .crypt = engine_crypt,
};
