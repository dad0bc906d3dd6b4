/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a sign in: what comes out as the secret is what jansson would have read there. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret_open.h"
#include "manager/secret_json.h"

#define MAX 1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const uint8_t *data, size_t size, const struct secret *secret, const json_t *rest)
{
    AUTO(drop_json) json_t *whole = NULL;
    struct err err = {0};

    /* jansson checks the secret's UTF-8 too, and may find more to refuse; never another text. */
    if (!json_object_get(rest, "password") || !json_read((const char *)data, size, &whole, &err)) {
        return;
    }
    const json_t *wanted = json_object_get(whole, "password");

    if (json_string_length(wanted) != secret_size(secret) ||
        memcmp(json_string_value(wanted), secret_look(secret), secret_size(secret)) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_secret) struct secret *document = NULL, *secret = NULL;
    AUTO(drop_json) json_t *rest = NULL;
    struct err err = {0};

    if (size == 0 || size > 64 * 1024 || !secret_new(size, &document, &err)) {
        return 0;
    }
    memcpy(secret_bytes(document), data, size);
    if (secret_json_read(document, "password", MAX, &secret, &rest, &err)) {
        judge(data, size, secret, rest);
    }
    return 0;
}
