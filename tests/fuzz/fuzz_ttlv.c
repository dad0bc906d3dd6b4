/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a message from a key server: refused, or walked to its end; and the response in it
 * taken apart. Nothing is allocated for it but the message itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/secret_open.h"
#include "key/kmipattribute.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sums up every byte of every value, so that ASan sees one that is out of bounds. */
static unsigned walk(const struct ttlv *structure, unsigned depth)
{
    struct ttlv_reader reader = ttlv_inside(structure);
    struct ttlv item;
    unsigned sum = 0;

    if (depth > TTLV_MAX_DEPTH) {
        abort();
    }
    while (ttlv_next(&reader, &item)) {
        if (item.type == TTLV_STRUCTURE) {
            sum += walk(&item, depth + 1);
            continue;
        }
        for (uint32_t i = 0; i < item.length; i++) {
            sum += item.value[i];
        }
    }
    return sum;
}

static void read_attributes(const struct ttlv *payload)
{
    static const struct kmip_version versions[] = {{1, 2}, {2, 1}};
    struct err err = {0};
    uint32_t state;

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        (void)kmipattribute_enum(payload, versions[i], KMIP_STATE, &state, &err);
        (void)kmipattribute_has_name(payload, versions[i], "quoin: cluster edge-01");
    }
}

static void as_response(const uint8_t *data, size_t size)
{
    static const enum kmip_operation operations[] = {KMIP_CREATE,         KMIP_GET,
                                                     KMIP_GET_ATTRIBUTES, KMIP_DISCOVER_VERSIONS,
                                                     KMIP_LOCATE,         KMIP_DECRYPT};
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload;
    struct err err = {0};

    if (size == 0 || size > KMIP_MAX_REPLY || !secret_new(size, &message, &err)) {
        return;
    }
    memcpy(secret_bytes(message), data, size);
    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        if (kmipcall_reply(message, operations[i], &payload, &err)) {
            (void)walk(&payload, 0);
            read_attributes(&payload);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    volatile unsigned sum;
    struct ttlv whole;
    struct err err = {0};

    if (ttlv_read(span_of(data, size), &whole, &err)) {
        sum = walk(&whole, 1);
        (void)sum;
        as_response(data, size);
    }
    return 0;
}
