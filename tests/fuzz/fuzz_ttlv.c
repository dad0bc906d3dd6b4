/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a message from a key server: refused, or walked to its end; and the response in it
 * taken apart. Nothing is allocated for it but the message itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/secret_open.h"
#include "key/kmipcall.h"

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

static void as_response(const uint8_t *data, size_t size)
{
    static const enum kmip_operation operations[] = {KMIP_CREATE, KMIP_GET, KMIP_GET_ATTRIBUTES,
                                                     KMIP_DISCOVER_VERSIONS};
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
