/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include <openssl/sha.h>
#include <stdint.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *encode_hex(const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    char *out = text_room(length * 2 + 1, 1);

    for (size_t i = 0; i < length; i++) {
        out[2 * i] = hex_digits[from[i] >> 4];
        out[2 * i + 1] = hex_digits[from[i] & 15];
    }
    return out;
}

char *encode_base64url(const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    char *out = text_room(length / 3 * 4 + 5, 1);
    size_t n = 0;

    for (size_t i = 0; i < length; i += 3) {
        uint32_t group = (uint32_t)from[i] << 16;
        size_t rest = length - i;

        group |= rest > 1 ? (uint32_t)from[i + 1] << 8 : 0;
        group |= rest > 2 ? from[i + 2] : 0;
        out[n++] = base64_digits[group >> 18];
        out[n++] = base64_digits[group >> 12 & 63];
        if (rest > 1) {
            out[n++] = base64_digits[group >> 6 & 63];
        }
        if (rest > 2) {
            out[n++] = base64_digits[group & 63];
        }
    }
    return out;
}

bool decode_base64url(const char *text, unsigned char **out, size_t *out_length, struct err *err)
{
    size_t length = strlen(text);
    AUTO(drop_free) unsigned char *bytes = text_room(length / 4 * 3 + 3, 1);
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    for (size_t i = 0; i < length; i++) {
        const char *digit = strchr(base64_digits, text[i]);

        if (!digit || length % 4 == 1) {
            return err_set(err, ERR_INPUT, "not base64url at character %zu", i);
        }
        bits = bits << 6 | (uint32_t)(digit - base64_digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[n++] = (unsigned char)(bits >> have & 0xff);
        }
    }
    if ((bits & ((1u << have) - 1)) != 0) {
        return err_set(err, ERR_INPUT, "base64url has stray bits at its end");
    }
    *out_length = n;
    *out = TAKE(bytes);
    return true;
}

bool decode_hex(const char *text, unsigned char **out, size_t *out_length, struct err *err)
{
    size_t length = strlen(text);
    AUTO(drop_free) unsigned char *bytes = text_room(length / 2 + 1, 1);

    for (size_t i = 0; i < length; i++) {
        const char *digit =
            strchr(hex_digits, text[i] >= 'A' && text[i] <= 'F' ? text[i] | 0x20 : text[i]);

        if (!digit || length % 2 != 0) {
            return err_set(err, ERR_INPUT, "not hexadecimal at character %zu", i);
        }
        bytes[i / 2] = (unsigned char)(bytes[i / 2] << 4 | (digit - hex_digits));
    }
    *out_length = length / 2;
    *out = TAKE(bytes);
    return true;
}

void digest_hex(const void *bytes, size_t length, char out[DIGEST_HEX_SIZE])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256(bytes, length, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = hex_digits[digest[i] >> 4];
        out[2 * i + 1] = hex_digits[digest[i] & 15];
    }
    out[2 * sizeof(digest)] = '\0';
}
