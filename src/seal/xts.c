/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/xts.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "seal/xts_engines.h"

/* A tweak counts these, also when a data unit is eight of them (dm-crypt without iv_large_sectors,
 * librbd since ceph PR 39005). */
#define TWEAK_SECTOR 512u

const struct xts_engine *const xts_engines[] = {&xts_gcrypt, &xts_openssl, NULL};

/* IEEE 1619-2007 vector 10 (first row: its first and last 32 bytes), and the same key and plain
 * bytes 00 01 02 … over whole sectors, made with another implementation of OpenSSL's API and held
 * against libgcrypt. */
static const struct answer {
    uint64_t tweak;
    size_t length;
    const char *first, *last;
} answers[] = {
    {0xff, 512, "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b",
     "773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151"},
    {8, 4096, "2ba7fe1526a56fbf446f4fff0e936e33f7761b8ba3f5fb1c2f12ce31e3dfc5fe",
     "d65f2141ebbe3d9d1f2e5c6c8e39c771e2fd980cdd5a62674a7fc3fd7fb797e1"},
    {0x0123456789abcdef, 4096, "5efb5c1c85b22336959d5b74201265888ae0e0998700a7c1134cb9572d761da1",
     "835c5bec6021cbdafc453f931f8cc22146179e520d2755cdecdebef2930f4d0d"},
};

static const char answers_key[] =
    "2718281828459045235360287471352662497757247093699959574966967627"
    "3141592653589793238462643383279502884197169399375105820974944592";

static bool same_hex(const unsigned char *bytes, const char *hex)
{
    for (size_t i = 0; hex[2 * i]; i++) {
        unsigned value = 0;

        if (sscanf(hex + 2 * i, "%2x", &value) != 1 || bytes[i] != value) {
            return false;
        }
    }
    return true;
}

static void tweak_make(uint64_t number, unsigned char out[16])
{
    uint64_t little = htole64(number);

    memset(out, 0, 16);
    memcpy(out, &little, sizeof(little));
}

static bool answer_holds(const struct xts_engine *engine, void *open, const struct answer *answer)
{
    unsigned char unit[XTS_SECTOR], tweak[16];

    tweak_make(answer->tweak, tweak);
    for (size_t i = 0; i < answer->length; i++) {
        unit[i] = (unsigned char)i;
    }
    if (!engine->crypt(open, true, tweak, unit, answer->length) || !same_hex(unit, answer->first) ||
        !same_hex(unit + answer->length - 32, answer->last) ||
        !engine->crypt(open, false, tweak, unit, answer->length)) {
        return false;
    }
    for (size_t i = 0; i < answer->length; i++) {
        if (unit[i] != (unsigned char)i) {
            return false;
        }
    }
    return true;
}

static bool known_key(struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *hex = NULL;

    if (!secret_new(2 * (size_t)XTS_KEY, &hex, err)) {
        return false;
    }
    memcpy(secret_bytes(hex), answers_key, 2 * (size_t)XTS_KEY);
    return secret_from_hex(hex, out, err);
}

bool xts_engine_test(const struct xts_engine *engine, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    void *open = NULL;
    bool right = true;

    if (!known_key(&key, err) || !engine->open(key, &open, err)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        right = right && answer_holds(engine, open, &answers[i]);
    }
    engine->close(open);
    return right || err_set(err, ERR_SYSTEM, "%s encrypts wrongly", engine->name);
}

static double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* The least time for 1 MiB out of some rounds, or -1 when it cannot be had. */
static double engine_time(const struct xts_engine *engine)
{
    static unsigned char bytes[1u << 20];
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_xts) struct xts *xts = NULL;
    struct err err = {0};
    double least = -1;

    if (!known_key(&key, &err) || !xts_new(engine, key, &xts, &err)) {
        return -1;
    }
    for (unsigned round = 0; round < 5; round++) {
        double began = now();

        if (!xts_encrypt(xts, 0, bytes, sizeof(bytes), &err)) {
            return -1;
        }
        double took = now() - began;

        least = least < 0 || took < least ? took : least;
    }
    return least;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct xts_engine *best;
static struct err best_err;

static void choose(void)
{
    double least = -1;

    for (size_t i = 0; xts_engines[i]; i++) {
        double took = xts_engine_test(xts_engines[i], &best_err) ? engine_time(xts_engines[i]) : -1;

        if (took >= 0 && (least < 0 || took < least)) {
            least = took;
            best = xts_engines[i];
        }
    }
}

bool xts_engine_best(const struct xts_engine **out, struct err *err)
{
    pthread_once(&once, choose);
    if (!best) {
        *err = best_err;
        return err_add(err, "no engine for AES-256-XTS");
    }
    *out = best;
    return true;
}

struct xts {
    const struct xts_engine *engine;
    void *open;
};

bool xts_new(const struct xts_engine *engine, const struct secret *key, struct xts **out,
             struct err *err)
{
    if (!engine && !xts_engine_best(&engine, err)) {
        return false;
    }
    if (secret_size(key) != XTS_KEY) {
        return err_set(err, ERR_INPUT, "a key for AES-256-XTS has %u bytes, not %zu", XTS_KEY,
                       secret_size(key));
    }
    if (memcmp(secret_look(key), secret_look(key) + XTS_KEY / 2, XTS_KEY / 2) == 0) {
        return err_set(err, ERR_INPUT, "the two halves of a key for AES-256-XTS are equal");
    }
    struct xts *xts = text_room(1, sizeof(*xts));

    xts->engine = engine;
    if (!engine->open(key, &xts->open, err)) {
        free(xts);
        return false;
    }
    *out = xts;
    return true;
}

static bool crypt_all(struct xts *xts, bool encrypt, uint64_t offset, unsigned char *bytes,
                      size_t length, struct err *err)
{
    unsigned char tweak[16];

    if (offset % XTS_SECTOR != 0 || length % XTS_SECTOR != 0) {
        return err_set(err, ERR_BUG, "%zu bytes at %llu are no whole sectors", length,
                       (unsigned long long)offset);
    }
    for (size_t at = 0; at < length; at += XTS_SECTOR) {
        tweak_make((offset + at) / TWEAK_SECTOR, tweak);
        if (!xts->engine->crypt(xts->open, encrypt, tweak, bytes + at, XTS_SECTOR)) {
            return err_set(err, ERR_SYSTEM, "%s failed at offset %llu", xts->engine->name,
                           (unsigned long long)(offset + at));
        }
    }
    return true;
}

bool xts_encrypt(struct xts *xts, uint64_t offset, void *bytes, size_t length, struct err *err)
{
    return crypt_all(xts, true, offset, bytes, length, err);
}

bool xts_decrypt(struct xts *xts, uint64_t offset, void *bytes, size_t length, struct err *err)
{
    return crypt_all(xts, false, offset, bytes, length, err);
}

void xts_free(struct xts *xts)
{
    if (xts) {
        xts->engine->close(xts->open);
        free(xts);
    }
}
