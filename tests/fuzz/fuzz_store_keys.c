/* SPDX-License-Identifier: Apache-2.0 */
/* The datastore's keys as a joining host gets them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret_open.h"
#include "store/ceph_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_secret) struct secret *text = NULL, *again = NULL;
    AUTO(drop_keys) struct ceph_keys keys = {.cluster = ""};
    struct err err = {0};

    if (size == 0 || size > STORE_MAX_KEYS || !secret_new(size, &text, &err)) {
        return 0;
    }
    memcpy(secret_bytes(text), data, size);
    if (ceph_keys_read(text, &keys, &err) &&
        (!ceph_keys_write(&keys, &again, &err) || !secret_equal(text, again))) {
        abort(); /* what is read as keys is what would be written */
    }
    return 0;
}
