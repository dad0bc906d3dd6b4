/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers as an attacker writes them: the JSON of a good one changed, both copies written again
 * with right checksums. Made when a test runs, so that each case says what it changes.
 */
#ifndef QUOIN_TESTS_SEAL_HOSTILE_H
#define QUOIN_TESTS_SEAL_HOSTILE_H

#include <endian.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/json.h"
#include "seal/header.h"

#define COPY_SIZE 16384u
#define JSON_AT   4096u
#define SUM_AT    448u

static inline void hostile_sum(unsigned char *copy)
{
    memset(copy + SUM_AT, 0, 64);
    SHA256(copy, COPY_SIZE, copy + SUM_AT);
}

/* Replaces the JSON of copy 0, 1 or, with 2, of both. */
static inline void hostile_put(unsigned char *header, const json_t *metadata, unsigned which)
{
    AUTO(drop_free) char *text = json_write(metadata);

    for (unsigned i = 0; i < 2; i++) {
        unsigned char *copy = header + (size_t)i * COPY_SIZE;

        if (which == 2 || which == i) {
            memset(copy + JSON_AT, 0, COPY_SIZE - JSON_AT);
            memcpy(copy + JSON_AT, text, strlen(text));
            hostile_sum(copy);
        }
    }
}

static inline json_t *hostile_get(const unsigned char *header)
{
    return json_loads((const char *)header + JSON_AT, 0, NULL);
}

/* What "a.b.c" names; the last step of the path is left in `*out_key`. */
static inline json_t *hostile_at(json_t *metadata, const char *path, const char **out_key)
{
    const char *dot;
    char key[64];

    while ((dot = strchr(path, '.')) != NULL) {
        snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
        metadata = json_object_get(metadata, key);
        path = dot + 1;
    }
    *out_key = path;
    return metadata;
}

/* Sets `path` to the JSON `value`; NULL removes it. */
static inline void hostile_set(unsigned char *header, const char *path, const char *value,
                               unsigned which)
{
    AUTO(drop_json) json_t *metadata = hostile_get(header);
    const char *key;
    json_t *parent = hostile_at(metadata, path, &key);

    if (value) {
        json_object_set_new(parent, key, json_loads(value, JSON_DECODE_ANY, NULL));
    } else {
        json_object_del(parent, key);
    }
    hostile_put(header, metadata, which);
}

#endif
