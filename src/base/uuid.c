/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"

static void write_out(unsigned char b[16], unsigned version, char out[UUID_SIZE])
{
    b[6] = (unsigned char)((b[6] & 0x0f) | version << 4);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    (void)snprintf(out, UUID_SIZE,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
}

void uuid_make(char out[UUID_SIZE])
{
    unsigned char bytes[16];

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        abort();
    }
    write_out(bytes, 4, out);
}

void uuid_derive(const char *space, const char *name, char out[UUID_SIZE])
{
    AUTO(drop_free) char *both = text_make("%s/%s", space, name);
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)both, strlen(both), digest);
    write_out(digest, 8, out);
}

bool uuid_valid(const char *text)
{
    size_t i = 0;

    for (; i < UUID_SIZE - 1 && text[i]; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i])) {
            return false;
        }
    }
    return i == UUID_SIZE - 1 && text[i] == '\0';
}
