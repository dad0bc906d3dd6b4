/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/lines.h"

#include <string.h>

static bool take_line(struct lines *lines, const char *bytes, size_t length, struct err *err)
{
    AUTO(drop_json) json_t *line = NULL;

    if (length > LINES_MAX) {
        return err_set(err, ERR_INPUT, "a line is longer than %u bytes", LINES_MAX);
    }
    if (length == 0) {
        return true;
    }
    return json_read(bytes, length, &line, err) && lines->take(lines->context, line, err);
}

static bool take_rest(struct lines *lines, struct err *err)
{
    AUTO(drop_text) struct text line = lines->rest;

    lines->rest = (struct text){0};
    return take_line(lines, line.bytes, line.length, err);
}

bool lines_feed(struct lines *lines, const char *bytes, size_t length, struct err *err)
{
    const char *end;

    while (length > 0 && (end = memchr(bytes, '\n', length))) {
        size_t size = (size_t)(end - bytes);

        if (lines->rest.length > 0) {
            text_add_bytes(&lines->rest, bytes, size);
            if (!take_rest(lines, err)) {
                return false;
            }
        } else if (!take_line(lines, bytes, size, err)) {
            return false;
        }
        bytes += size + 1;
        length -= size + 1;
    }
    if (lines->rest.length + length > LINES_MAX) {
        return err_set(err, ERR_INPUT, "a line is longer than %u bytes", LINES_MAX);
    }
    text_add_bytes(&lines->rest, bytes, length);
    return true;
}

bool lines_end(struct lines *lines, struct err *err)
{
    bool whole = lines->rest.length == 0;

    text_clear(&lines->rest);
    return whole || err_set(err, ERR_AWAY, "the answer broke off in the middle of a line");
}
