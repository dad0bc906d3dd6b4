/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a backup file, as its header, and as the key set inside: refused or read, with no
 * stretching of a password before the header is found good. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/secret_open.h"
#include "key/backup.h"
#include "key/jwks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_backup(const char *text, size_t size)
{
    AUTO(drop_free) char *cluster = NULL;
    struct err err = {0};

    if (backup_look(text, size, &cluster, &err) && !uuid_valid(cluster)) {
        abort();
    }
}

static void as_header(const uint8_t *data, size_t size)
{
    static const unsigned char wrapped[40], iv[12], content[32], tag[16];
    AUTO(drop_free) char *header = encode_base64url(data, size);
    AUTO(drop_free) char *key_part = encode_base64url(wrapped, sizeof(wrapped));
    AUTO(drop_free) char *iv_part = encode_base64url(iv, sizeof(iv));
    AUTO(drop_free) char *content_part = encode_base64url(content, sizeof(content));
    AUTO(drop_free) char *tag_part = encode_base64url(tag, sizeof(tag));
    AUTO(drop_free)
    char *text = text_make("{\"protected\":\"%s\",\"encrypted_key\":\"%s\",\"iv\":\"%s\","
                           "\"ciphertext\":\"%s\",\"tag\":\"%s\"}",
                           header, key_part, iv_part, content_part, tag_part);

    as_backup(text, strlen(text));
}

/* What is read is written again as the very same bytes. */
static void as_keys(const uint8_t *data, size_t size)
{
    AUTO(drop_secret) struct secret *text = NULL, *again = NULL;
    AUTO(drop_jwks) struct jwks *jwks = NULL;
    struct err err = {0};

    if (size == 0 || size > JWKS_MAX_TEXT || !secret_new(size, &text, &err)) {
        return;
    }
    memcpy(secret_bytes(text), data, size);
    if (jwks_read(text, &jwks, &err) &&
        (!jwks_write(jwks, &again, &err) || !secret_equal(text, again))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_backup((const char *)data, size);
    as_header(data, size);
    as_keys(data, size);
    return 0;
}
