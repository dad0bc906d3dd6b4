/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/brought.h"

#include <string.h>

#include "base/secret_open.h"

bool brought_part(const struct secret *body, struct secret **out_password, const char **out_text,
                  size_t *out_length, struct err *err)
{
    const char *bytes = (const char *)secret_look(body);
    const char *end = memchr(bytes, '\n', secret_size(body));

    if (!end || end == bytes) {
        return err_set(err, ERR_INPUT, "no password before the file of keys");
    }
    size_t length = (size_t)(end - bytes);

    if (!secret_new(length, out_password, err)) {
        return false;
    }
    memcpy(secret_bytes(*out_password), bytes, length);
    *out_text = end + 1;
    *out_length = secret_size(body) - length - 1;
    return true;
}
