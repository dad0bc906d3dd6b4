/* SPDX-License-Identifier: Apache-2.0 */
/* However a stream is cut into pieces, the same lines come out and the same end is reached. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/base.h"
#include "wire/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(void *context, const json_t *line, struct err *err)
{
    AUTO(drop_free) char *bytes = json_write(line);

    (void)err;
    text_addf(context, "%s\n", bytes);
    return true;
}

static bool split(const char *bytes, size_t size, size_t step, struct text *out)
{
    struct lines lines = {take, out, {0}};
    struct err err = {0};
    bool ok = true;

    for (size_t at = 0; ok && at < size; at += step) {
        ok = lines_feed(&lines, bytes + at, size - at < step ? size - at : step, &err);
    }
    return lines_end(&lines, &err) && ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_text) struct text whole = {0}, pieces = {0};

    if (size > 1) {
        bool a = split((const char *)data + 1, size - 1, size, &whole);
        bool b = split((const char *)data + 1, size - 1, data[0] % 17 + 1u, &pieces);

        assert(a == b);
        assert(whole.length == pieces.length);
        assert(whole.length == 0 || memcmp(whole.bytes, pieces.bytes, whole.length) == 0);
    }
    return 0;
}
