/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public test vectors (Wycheproof's JSON) for unit tests, from the folder QUOIN_VECTORS; a test
 * skips, saying so, where it is absent. Bytes there are hexadecimal; as secrets here, since that
 * is what the functions under test take.
 */
#ifndef QUOIN_TESTS_VECTORS_H
#define QUOIN_TESTS_VECTORS_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "base/base.h"
#include "base/secret_open.h"

/* The caller drops it; a skipped test never comes back. */
static inline json_t *vectors_load(const char *file)
{
    const char *folder = getenv("QUOIN_VECTORS");
    AUTO(drop_free) char *bytes = NULL;
    char path[1024]; /* nothing to free: skip() jumps away */
    json_t *json = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)snprintf(path, sizeof(path), "%s/wycheproof/%s", folder ? folder : "", file);
    if (!folder || !file_exists(path)) {
        print_message("no test vectors at '%s': skipped\n", path);
        skip();
    }
    assert_true(file_read(path, JSON_MAX_BYTES, &bytes, &length, &err));
    assert_true(json_read(bytes, length, &json, &err));
    return json;
}

/* What `key` holds in hexadecimal. */
static inline struct span vectors_bytes(const json_t *test, const char *key, unsigned char **out)
{
    struct err err = {0};
    size_t length = 0;

    assert_true(decode_hex(json_string_value(json_object_get(test, key)), out, &length, &err));
    return span_of(*out, length);
}

/* The same as a secret; NULL when it is empty or absent. */
static inline struct secret *vectors_secret(const json_t *test, const char *key)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    struct span span = json_object_get(test, key) ? vectors_bytes(test, key, &bytes) : SPAN_NONE;
    struct secret *secret = NULL;
    struct err err = {0};

    if (span.size == 0) {
        return NULL;
    }
    assert_true(secret_new(span.size, &secret, &err));
    memcpy(secret_bytes(secret), span.bytes, span.size);
    return secret;
}

static inline bool vectors_valid(const json_t *test)
{
    return strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;
}

/* A secret of these characters. */
static inline struct secret *secret_of_text(const char *text)
{
    struct secret *secret = NULL;
    struct err err = {0};

    assert_true(secret_new(strlen(text), &secret, &err));
    memcpy(secret_bytes(secret), text, strlen(text));
    return secret;
}

#endif
