/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a set of block digests, as they are and with a right sum. */
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/blocks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written again the same. */
static void judge(const uint8_t *data, size_t size)
{
    AUTO(drop_blocks) struct blocks *blocks = NULL;
    AUTO(drop_free) unsigned char *again = NULL;
    static const unsigned char zeros[BLOCK_BYTES];
    size_t length = 0;
    struct err err = {0};

    if (!blocks_read(data, size, &blocks, &err)) {
        return;
    }
    blocks_has(blocks, zeros);
    if (!blocks_write(blocks, &again, &length, &err) || length != size ||
        memcmp(again, data, size) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_free) unsigned char *summed = malloc(size + 32);

    judge(data, size);
    memcpy(summed, data, size);
    SHA256(summed, size, summed + size);
    judge(summed, size + 32);
    return 0;
}
