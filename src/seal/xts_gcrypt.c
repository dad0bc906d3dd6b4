/* SPDX-License-Identifier: Apache-2.0 */
/* libgcrypt: has VAES code, so the fastest here on recent processors. Keys are in its locked
 * memory. */
#include "seal/xts_engines.h"

#include <gcrypt.h>
#include <pthread.h>

#include "base/secret_open.h"

/* Locked memory for key schedules, two of about 1 KiB for each thread. */
#define LOCKED_BYTES 131072

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

static void begin(void)
{
    if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
        if (!gcry_check_version(GCRYPT_VERSION)) {
            return;
        }
        gcry_control(GCRYCTL_INIT_SECMEM, LOCKED_BYTES, 0);
        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    }
    ready = true;
}

static void engine_close(void *engine)
{
    gcry_cipher_close(engine);
}

static bool engine_open(const struct secret *key, void **out, struct err *err)
{
    gcry_cipher_hd_t handle = NULL;

    pthread_once(&once, begin);
    gcry_error_t failed = ready ? gcry_cipher_open(&handle, GCRY_CIPHER_AES256,
                                                   GCRY_CIPHER_MODE_XTS, GCRY_CIPHER_SECURE)
                                : GPG_ERR_NOT_INITIALIZED;

    if (!failed) {
        failed = gcry_cipher_setkey(handle, secret_look(key), secret_size(key));
    }
    if (failed) {
        gcry_cipher_close(handle);
        return err_set(err, ERR_SYSTEM, "libgcrypt cannot do AES-256-XTS: %s",
                       gcry_strerror(failed));
    }
    *out = handle;
    return true;
}

static bool engine_crypt(void *engine, bool encrypt, const unsigned char tweak[16],
                         unsigned char *bytes, size_t length)
{
    gcry_cipher_hd_t handle = engine;

    if (gcry_cipher_setiv(handle, tweak, 16) != 0) {
        return false;
    }
    return (encrypt ? gcry_cipher_encrypt(handle, bytes, length, NULL, 0)
                    : gcry_cipher_decrypt(handle, bytes, length, NULL, 0)) == 0;
}

const struct xts_engine xts_gcrypt = {
    .name = "libgcrypt",
    .open = engine_open,
    .close = engine_close,
    .crypt = engine_crypt,
};
