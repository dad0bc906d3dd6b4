/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a LUKS2 header. Its checksums would hide the rest from a fuzzer, so the bytes are
 * taken as the JSON of a header that is well made otherwise, and as they are.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/seal/hostile.h"
#include "seal/header.h"
#include "seal/header_metadata.h"

#define DISK "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b44"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct secret *vm_key(void)
{
    static struct secret *made;
    struct err err = {0};

    if (!made && !secret_random(32, &made, &err)) {
        abort();
    }
    return made;
}

static bool says(json_t *metadata, const char *path, const char *text)
{
    const char *key;
    json_t *parent = hostile_at(metadata, path, &key);

    return strcmp(json_string_or(parent, key, ""), text) == 0;
}

/* What passes has our cipher and one bounded derivation, and still opens for nobody. */
static void judge(const unsigned char *header, size_t size)
{
    const struct header_want want = {DISK, 1};
    AUTO(drop_header_facts) struct header_facts facts = {0};
    struct err err = {0};

    if (!header_look(header, size, DISK, &facts, &err)) {
        return;
    }
    AUTO(drop_json) json_t *metadata = hostile_get(header);

    if (!says(metadata, "segments.0.encryption", "aes-xts-plain64") ||
        !says(metadata, "keyslots.0.area.encryption", "aes-xts-plain64") ||
        !says(metadata, "keyslots.0.kdf.type", "pbkdf2") || facts.generation < 1 ||
        header_open(header, size, &want, vm_key(), NULL, &err)) {
        abort();
    }
}

static unsigned char *frame(void)
{
    static unsigned char *made;
    static struct secret *dek;
    const struct header_plan plan = {DISK, "{\"a\":\"b\"}", 3, "{\"c\":\"d\"}"};
    struct err err = {0};

    if (!made &&
        (!header_dek_make(&dek, &err) || !header_make(&plan, vm_key(), dek, &made, &err))) {
        abort();
    }
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char header[HEADER_SIZE];
    AUTO(drop_free) unsigned char *exact = malloc(size ? size : 1);

    memcpy(exact, data, size);
    judge(exact, size);
    if (size > COPY_SIZE - JSON_AT) {
        return 0;
    }
    memcpy(header, frame(), 32768);
    for (unsigned i = 0; i < 2; i++) {
        unsigned char *copy = header + (size_t)i * COPY_SIZE;

        memset(copy + JSON_AT, 0, COPY_SIZE - JSON_AT);
        memcpy(copy + JSON_AT, data, size);
        hostile_sum(copy);
    }
    judge(header, HEADER_SIZE);
    return 0;
}
