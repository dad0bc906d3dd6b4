/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a VM's packed files: refused, or read; and what was read packs to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/secret_open.h"
#include "hv/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the order in which they came, so that the bytes can be compared. */
static void judge(const struct secret *packed, struct pack_file files[2])
{
    AUTO(drop_secret) struct secret *again = NULL;
    struct err err = {0};
    bool turned = files[1].bytes && (!files[0].bytes || files[1].bytes < files[0].bytes);
    struct pack_file ordered[] = {files[turned ? 1 : 0], files[turned ? 0 : 1]};

    if (!pack_make(ordered, 2, &again, &err) || !secret_equal(packed, again)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pack_file files[] = {{.name = "vtpm"}, {.name = "nvram"}};
    AUTO(drop_secret) struct secret *packed = NULL;
    struct err err = {0};

    if (size == 0 || size > 4096 || !secret_new(size, &packed, &err)) {
        return 0;
    }
    memcpy(secret_bytes(packed), data, size);
    if (pack_read(packed, files, COUNT_OF(files), &err)) {
        judge(packed, files);
    } else if (err.kind != ERR_INPUT || files[0].bytes || files[1].bytes) {
        abort();
    }
    return 0;
}
