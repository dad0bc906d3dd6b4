/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an identity disk: refused, or read; and what was read holds nothing that could write
 * a line of its own into a network's configuration. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret_open.h"
#include "manager/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct identity *identity)
{
    const char *const texts[] = {identity->cluster, identity->hostname, identity->user,
                                 identity->address, identity->gateway,  identity->mac};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (texts[i] && strpbrk(texts[i], "\n\r =;'\"<>[]")) {
            abort();
        }
    }
    if (secret_size(identity->tls_key) == 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_secret) struct secret *disk = NULL;
    AUTO(drop_identity) struct identity *identity = NULL;
    struct err err = {0};

    if (size > IDENTITY_MAX || !secret_new(size + 1, &disk, &err)) {
        return 0;
    }
    memcpy(secret_bytes(disk), data, size);
    if (identity_read(disk, &identity, &err)) {
        judge(identity);
    }
    return 0;
}
