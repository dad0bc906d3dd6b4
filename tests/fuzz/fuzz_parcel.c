/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what lies in a parcel, and as its protected header: refused, or read; what was read
 * stands in the bytes, and a header opens for nobody. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/secret_open.h"
#include "key/parcel.h"
#include "wire/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct secret *private_key(void)
{
    static struct secret *made;
    struct err err = {0};

    if (!made && !certificate_key_make(&made, &err)) {
        abort();
    }
    return made;
}

static void judge_inside(const uint8_t *data, size_t size)
{
    AUTO(drop_secret) struct secret *text = NULL;
    AUTO(drop_parcel) struct parcel *parcel = NULL;
    struct err err = {0};
    size_t all = 0;

    if (!secret_new(size, &text, &err)) {
        abort();
    }
    memcpy(secret_bytes(text), data, size);
    if (!parcel_read(text, &parcel, &err)) {
        return;
    }
    for (size_t i = 0; i < parcel->count; i++) {
        const struct parcel_part *part = &parcel->parts[i];

        all += secret_size(part->bytes) + strlen(part->name) + 3;
        if (parcel_part(parcel, part->name) != part->bytes ||
            !memmem(data, size, secret_look(part->bytes), secret_size(part->bytes))) {
            abort();
        }
    }
    if (all > size || parcel->count == 0) {
        abort();
    }
}

/* base64url would hide the header from the fuzzer. */
static void judge_header(const uint8_t *data, size_t size)
{
    static const unsigned char wrapped[40], iv[12], content[32], tag[16];
    AUTO(drop_free) char *header = encode_base64url(data, size);
    AUTO(drop_free) char *key_part = encode_base64url(wrapped, sizeof(wrapped));
    AUTO(drop_free) char *iv_part = encode_base64url(iv, sizeof(iv));
    AUTO(drop_free) char *content_part = encode_base64url(content, sizeof(content));
    AUTO(drop_free) char *tag_part = encode_base64url(tag, sizeof(tag));
    AUTO(drop_json)
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "protected", header, "encrypted_key",
                             key_part, "iv", iv_part, "ciphertext", content_part, "tag", tag_part);
    const struct parcel_about about = {"01234567-89ab-4cde-8f01-23456789abcd", NULL, "h2"};
    struct parcel *parcel = NULL;
    struct err err = {0};

    if (parcel_open(json, &about, private_key(), &parcel, &err)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && size <= PARCEL_MAX_BYTES) {
        judge_inside(data, size);
        judge_header(data, size);
    }
    return 0;
}
