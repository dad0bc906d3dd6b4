/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-XTS (IEEE 1619) as LUKS2 with 4096-byte sectors uses it: one data unit is 4096 bytes, its
 * tweak the little-endian number of 512-byte sectors from the payload's start ("plain64"), so
 * tweaks go up by eight. There is a table of engines, each a library; the first use tests each
 * against known answers, measures it for some milliseconds, and keeps the fastest that is right.
 */
#ifndef QUOIN_SEAL_XTS_H
#define QUOIN_SEAL_XTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

#define XTS_SECTOR 4096u
#define XTS_KEY    64u

struct xts_engine {
    const char *name; /* "libgcrypt", "openssl" */

    /* For one thread. ERR_INPUT: no XTS_KEY bytes, or two equal halves. */
    bool (*open)(const struct secret *key, void **out, struct err *err);
    void (*close)(void *engine);
    /* One data unit of `length` bytes in place: 16 … XTS_SECTOR. */
    bool (*crypt)(void *engine, bool encrypt, const unsigned char tweak[16], unsigned char *bytes,
                  size_t length);
};

extern const struct xts_engine *const xts_engines[]; /* ended by NULL */
/* The fastest that passes its self-test, chosen once. ERR_SYSTEM: none does. */
bool xts_engine_best(const struct xts_engine **out, struct err *err);
/* Every known answer, both ways. */
bool xts_engine_test(const struct xts_engine *engine, struct err *err);

/* A key ready for use by one thread. */
struct xts;
/* `engine` NULL: the best. */
bool xts_new(const struct xts_engine *engine, const struct secret *key, struct xts **out,
             struct err *err);
/* In place. `offset` is that of the bytes in the payload; both multiples of XTS_SECTOR. */
bool xts_encrypt(struct xts *xts, uint64_t offset, void *bytes, size_t length, struct err *err);
bool xts_decrypt(struct xts *xts, uint64_t offset, void *bytes, size_t length, struct err *err);
void xts_free(struct xts *xts);
DROP(xts, struct xts *, xts_free);

#endif
