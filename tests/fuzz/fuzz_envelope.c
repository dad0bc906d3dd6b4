/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an envelope: refused, or read; and then never opened by a key that is not its own.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "key/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct secret *kek(void)
{
    static struct secret *made;
    struct err err = {0};

    if (!made && !secret_random(32, &made, &err)) {
        abort();
    }
    return made;
}

/* What was read reads again the same, and it opens for nobody who guesses. */
static void judge(const struct envelope *envelope)
{
    AUTO(drop_envelope) struct envelope *again = NULL;
    AUTO(drop_secret) struct secret *out = NULL;
    const char *text = envelope_text(envelope);
    struct err err = {0};

    if (!envelope_read(text, strlen(text), &again, &err) ||
        strcmp(envelope_text(again), text) != 0 ||
        envelope_open(kek(), envelope, envelope_about(envelope), &out, &err)) {
        abort();
    }
}

/* The same bytes as the protected header of an envelope that is well made otherwise: base64url
 * would hide it from the fuzzer. */
static void judge_header(const uint8_t *data, size_t size)
{
    static const unsigned char wrapped[40], iv[12], content[32], tag[16];
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_free) char *header = encode_base64url(data, size);
    AUTO(drop_free) char *key_part = encode_base64url(wrapped, sizeof(wrapped));
    AUTO(drop_free) char *iv_part = encode_base64url(iv, sizeof(iv));
    AUTO(drop_free) char *content_part = encode_base64url(content, sizeof(content));
    AUTO(drop_free) char *tag_part = encode_base64url(tag, sizeof(tag));
    AUTO(drop_json)
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "protected", header, "encrypted_key",
                             key_part, "iv", iv_part, "ciphertext", content_part, "tag", tag_part);
    struct err err = {0};

    if (envelope_of_json(json, &envelope, &err)) {
        judge(envelope);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err err = {0};

    if (envelope_read((const char *)data, size, &envelope, &err)) {
        judge(envelope);
    }
    judge_header(data, size);
    return 0;
}
