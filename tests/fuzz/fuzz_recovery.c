/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a notice of the recovery key, as what a signed one says, and as a private JWK. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/secret_open.h"
#include "key/ecjwk.h"
#include "key/jws.h"
#include "key/recovery.h"
#include "wire/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secret *ca_key;
static char *ca;

static void begin(void)
{
    struct err err = {0};

    if (!ca && !certificate_authority_make("CA", 30, &ca_key, &ca, &err)) {
        abort();
    }
}

/* Nobody guesses the CA's signature. */
static void as_notice(const char *text, size_t size)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    struct err err = {0};

    if (recovery_read(text, size, ca, NULL, 1, &notice, &err)) {
        abort();
    }
}

static void as_payload(const char *text, size_t size)
{
    AUTO(drop_json) json_t *payload = NULL;
    AUTO(drop_json) json_t *jws = NULL;
    AUTO(drop_free) char *whole = NULL;
    AUTO(drop_recovery) struct recovery *notice = NULL;
    char id[RECOVERY_ID_SIZE];
    struct err err = {0};

    if (!json_read(text, size, &payload, &err) || !jws_sign(ca_key, payload, &jws, &err)) {
        return;
    }
    whole = json_write(jws);
    if (recovery_read(whole, strlen(whole), ca, NULL, 1, &notice, &err) &&
        (!recovery_id(notice->public_key, id, &err) || strcmp(id, notice->id) != 0)) {
        abort();
    }
}

static void as_jwk(const uint8_t *data, size_t size)
{
    AUTO(drop_secret) struct secret *text = NULL, *key = NULL, *again = NULL;
    char kid[ECJWK_MAX_KID + 1];
    struct err err = {0};

    if (size == 0 || size > 4096 || !secret_new(size, &text, &err)) {
        return;
    }
    memcpy(secret_bytes(text), data, size);
    if (ecjwk_read(text, &key, kid, &err) &&
        (!ecjwk_write(key, kid, &again, &err) || !secret_equal(text, again))) {
        abort();
    }
}

/* What was read is read again as it was written; one that the CA vouches for is read either way. */
static void as_envelope(const char *text, size_t size)
{
    AUTO(drop_envelope) struct envelope *any = NULL, *ours = NULL;
    AUTO(drop_free) char *whole = text_make("%.*s", (int)size, text);
    struct err err = {0};

    if (size > 16384) {
        return;
    }
    if (recovery_envelope(whole, ca, &ours, &err) && !recovery_envelope(whole, NULL, &any, &err)) {
        abort();
    }
    if (!any && recovery_envelope(whole, NULL, &any, &err)) {
        AUTO(drop_free) char *said = NULL;

        if (!recovery_sign(any, ca_key, &said, &err) || !recovery_envelope(said, ca, &ours, &err)) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    as_notice((const char *)data, size);
    as_payload((const char *)data, size);
    as_jwk(data, size);
    as_envelope((const char *)data, size);
    return 0;
}
