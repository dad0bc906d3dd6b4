/* SPDX-License-Identifier: Apache-2.0 */
#include "key/kmipobject.h"

#include <string.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "key/kmipattribute.h"

#define KEK_BITS 256
#define KEK_SIZE (KEK_BITS / 8)
/* What our keys are found by at the server, beside their name. */
#define NAMESPACE "quoin"

/* KMIP 1.4, section 9.1.3.2. */
enum { OBJECT_SYMMETRIC_KEY = 2, ALGORITHM_AES = 3, FORMAT_RAW = 1 };
enum { USAGE_ENCRYPT = 4, USAGE_DECRYPT = 8, USAGE_WRAP = 0x10, USAGE_UNWRAP = 0x20 };
enum { REASON_CESSATION = 6 };
enum { MODE_GCM = 9, MODE_NIST_KEY_WRAP = 13 };
enum { STATE_PRE_ACTIVE = 1, STATE_ACTIVE = 2, STATE_DEACTIVATED = 3, STATE_COMPROMISED = 4 };

/* --- asking about one object ------------------------------------------------------------------ */

/* The server must speak of what it was asked for. */
static bool is_about(const struct ttlv *payload, const char *id, struct err *err)
{
    struct ttlv said;

    if (!ttlv_get(payload, KMIP_UNIQUE_IDENTIFIER, TTLV_TEXT, "unique identifier", &said, err)) {
        return false;
    }
    return (said.length == strlen(id) && memcmp(said.value, id, said.length) == 0) ||
           err_set(err, ERR_CLASH, "the key server speaks of another object than '%s'", id);
}

static bool begin_about(struct kmipserver *server, enum kmip_operation operation, const char *id,
                        struct kmipcall *out, struct err *err)
{
    if (!kmipserver_begin(server, operation, false, out, err)) {
        return false;
    }
    ttlv_put_text(&out->writer, KMIP_UNIQUE_IDENTIFIER, id);
    return true;
}

/* The payload points into the message. */
static bool ask_about(struct kmipserver *server, struct kmipcall *call, const char *id,
                      struct secret **out_message, struct ttlv *out_payload, struct err *err)
{
    return kmipserver_ask(server, call, out_message, out_payload, err) &&
           is_about(out_payload, id, err);
}

/* An operation that gives nothing back. */
static bool tell_about(struct kmipserver *server, struct kmipcall *call, const char *id,
                       struct err *err)
{
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload;

    return ask_about(server, call, id, &message, &payload, err);
}

/* --- its state ------------------------------------------------------------------------------- */

static bool state_of(struct kmipserver *server, const char *id, uint32_t *out, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload;

    if (!begin_about(server, KMIP_GET_ATTRIBUTES, id, &call, err)) {
        return false;
    }
    kmipattribute_ask(&call.writer, kmipserver_version(server), KMIP_STATE);
    return ask_about(server, &call, id, &message, &payload, err) &&
           kmipattribute_enum(&payload, kmipserver_version(server), KMIP_STATE, out, err);
}

bool kmipobject_is_active(struct kmipserver *server, const char *id, struct err *err)
{
    uint32_t state = 0;

    if (!state_of(server, id, &state, err)) {
        return false;
    }
    switch (state) {
    case STATE_ACTIVE:
        return true;
    case STATE_PRE_ACTIVE:
        err_set(err, ERR_DENIED, "the KEK is not active yet");
        return err_mend(err, "activate it at the key server");
    case STATE_DEACTIVATED:
        err_set(err, ERR_DENIED, "the KEK was deactivated at the key server");
        return err_mend(err, "who deactivated it can say why; open with the recovery key");
    case STATE_COMPROMISED:
        err_set(err, ERR_DENIED, "the KEK was declared compromised at the key server");
        return err_mend(err, "open with the recovery key, then rotate");
    default:
        return err_set(err, ERR_ABSENT, "the KEK was destroyed at the key server");
    }
}

bool kmipobject_activate(struct kmipserver *server, const char *id, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    uint32_t state = 0;

    if (!state_of(server, id, &state, err)) {
        return false;
    }
    return (state != STATE_PRE_ACTIVE || (begin_about(server, KMIP_ACTIVATE, id, &call, err) &&
                                          tell_about(server, &call, id, err))) &&
           kmipobject_is_active(server, id, err);
}

/* --- the key itself -------------------------------------------------------------------------- */

static bool all_zero(struct span bytes)
{
    const unsigned char *at = bytes.bytes;
    unsigned char any = 0;

    for (size_t i = 0; i < bytes.size; i++) {
        any |= at[i];
    }
    return any == 0;
}

/* 256 bits of AES in the clear, and nothing that only looks like it. */
static bool take_material(const struct ttlv *payload, struct secret **out, struct err *err)
{
    struct ttlv type, key, block, format, value, material, item;

    if (!ttlv_get(payload, KMIP_OBJECT_TYPE, TTLV_ENUM, "object type", &type, err) ||
        !ttlv_get(payload, KMIP_SYMMETRIC_KEY, TTLV_STRUCTURE, "symmetric key", &key, err) ||
        !ttlv_get(&key, KMIP_KEY_BLOCK, TTLV_STRUCTURE, "key block", &block, err) ||
        !ttlv_get(&block, KMIP_KEY_FORMAT_TYPE, TTLV_ENUM, "key format", &format, err) ||
        !ttlv_get(&block, KMIP_KEY_VALUE, TTLV_STRUCTURE, "key value", &value, err) ||
        !ttlv_get(&value, KMIP_KEY_MATERIAL, TTLV_BYTES, "key material", &material, err)) {
        return false;
    }
    if (ttlv_enum(&type) != OBJECT_SYMMETRIC_KEY || ttlv_enum(&format) != FORMAT_RAW ||
        ttlv_find(&block, KMIP_KEY_WRAPPING_DATA, TTLV_STRUCTURE, &item) ||
        (ttlv_find(&block, KMIP_CRYPTOGRAPHIC_ALGORITHM, TTLV_ENUM, &item) &&
         ttlv_enum(&item) != ALGORITHM_AES) ||
        (ttlv_find(&block, KMIP_CRYPTOGRAPHIC_LENGTH, TTLV_INTEGER, &item) &&
         ttlv_integer(&item) != KEK_BITS) ||
        material.length != KEK_SIZE || all_zero(ttlv_span(&material))) {
        return err_set(err, ERR_CLASH, "the key server gives something else than an AES-256 key");
    }
    if (!secret_new(KEK_SIZE, out, err)) {
        return false;
    }
    memcpy(secret_bytes(*out), material.value, KEK_SIZE);
    return true;
}

bool kmipobject_get(struct kmipserver *server, const char *id, struct secret **out, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload;

    if (!begin_about(server, KMIP_GET, id, &call, err)) {
        return false;
    }
    ttlv_put_enum(&call.writer, KMIP_KEY_FORMAT_TYPE, FORMAT_RAW);
    return ask_about(server, &call, id, &message, &payload, err) &&
           take_material(&payload, out, err);
}

/* --- wrapping where the key is ---------------------------------------------------------------- */

static void put_parameters(struct ttlv_writer *writer, enum jwe_alg alg)
{
    ttlv_put_begin(writer, KMIP_CRYPTOGRAPHIC_PARAMETERS);
    ttlv_put_enum(writer, KMIP_BLOCK_CIPHER_MODE,
                  alg == JWE_A256GCMKW ? MODE_GCM : MODE_NIST_KEY_WRAP);
    ttlv_put_enum(writer, KMIP_CRYPTOGRAPHIC_ALGORITHM, ALGORITHM_AES);
    if (alg == JWE_A256GCMKW) {
        ttlv_put_integer(writer, KMIP_TAG_LENGTH, AEAD_TAG_SIZE);
    }
    ttlv_put_end(writer);
}

/* Exactly `size` bytes. */
static bool take_bytes(const struct ttlv *payload, enum kmip_tag tag, const char *what, size_t size,
                       unsigned char *out, struct err *err)
{
    struct ttlv item;

    if (!ttlv_get(payload, tag, TTLV_BYTES, what, &item, err)) {
        return false;
    }
    if (item.length != size) {
        return err_set(err, ERR_CLASH, "the key server gives %u bytes of %s, not %zu", item.length,
                       what, size);
    }
    memcpy(out, item.value, size);
    return true;
}

/* A tag beside the data came with KMIP 1.4; before, each server has its own way. */
static bool version_suits(struct kmipserver *server, enum jwe_alg alg, struct err *err)
{
    return kmipserver_reach(server, err) &&
           (alg == JWE_A256KW || kmip_version_from(kmipserver_version(server), 1, 4) ||
            err_set(err, ERR_CLASH, "AES-GCM at the key server needs KMIP 1.4"));
}

/* So many bytes of a key in a row are no chance: one in 2^58 for all places together. */
#define SEEN_SIZE 8u

static bool shows(const unsigned char *bytes, size_t size, const struct secret *key)
{
    for (size_t at = 0; at + SEEN_SIZE <= secret_size(key); at += SEEN_SIZE) {
        if (memmem(bytes, size, secret_look(key) + at, SEEN_SIZE)) {
            return true;
        }
    }
    return false;
}

/* What comes back goes into an envelope for everybody to read. */
static bool hides(const struct jwe_wrapped *made, const struct secret *key, struct err *err)
{
    if (!shows(made->bytes, made->size, key) && !shows(made->tag, sizeof(made->tag), key)) {
        return true;
    }
    err_set(err, ERR_CLASH, "the key server gives back in clear what it was to encrypt");
    return err_mend(err, "it encrypts nothing: do not trust it with keys");
}

bool kmipobject_encrypt(struct kmipserver *server, const char *id, enum jwe_alg alg,
                        const struct secret *content_key, struct jwe_wrapped *out, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL, *iv = NULL;
    bool gcm = alg == JWE_A256GCMKW;
    struct jwe_wrapped made = {.alg = alg, .size = JWE_KEY_SIZE + (gcm ? 0 : AESKW_EXTRA)};
    struct ttlv payload;

    if (!version_suits(server, alg, err) || !secret_random(sizeof(made.iv), &iv, err) ||
        !begin_about(server, KMIP_ENCRYPT, id, &call, err)) {
        return false;
    }
    put_parameters(&call.writer, alg);
    ttlv_put_bytes(&call.writer, KMIP_DATA, span_of(secret_look(content_key), JWE_KEY_SIZE));
    if (gcm) {
        memcpy(made.iv, secret_look(iv), sizeof(made.iv));
        ttlv_put_bytes(&call.writer, KMIP_IV_COUNTER_NONCE, span_of(made.iv, sizeof(made.iv)));
    }
    if (!ask_about(server, &call, id, &message, &payload, err) ||
        !take_bytes(&payload, KMIP_DATA, "wrapped key", made.size, made.bytes, err) ||
        (gcm && !take_bytes(&payload, KMIP_AEAD_TAG, "authentication tag", sizeof(made.tag),
                            made.tag, err)) ||
        !hides(&made, content_key, err)) {
        return false;
    }
    *out = made;
    return true;
}

bool kmipobject_decrypt(struct kmipserver *server, const char *id,
                        const struct jwe_wrapped *wrapped, struct secret **out, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL, *content_key = NULL;
    bool gcm = wrapped->alg == JWE_A256GCMKW;
    struct ttlv payload;

    if (!version_suits(server, wrapped->alg, err) ||
        !begin_about(server, KMIP_DECRYPT, id, &call, err)) {
        return false;
    }
    put_parameters(&call.writer, wrapped->alg);
    ttlv_put_bytes(&call.writer, KMIP_DATA, span_of(wrapped->bytes, wrapped->size));
    if (gcm) {
        ttlv_put_bytes(&call.writer, KMIP_IV_COUNTER_NONCE,
                       span_of(wrapped->iv, sizeof(wrapped->iv)));
        ttlv_put_bytes(&call.writer, KMIP_AEAD_TAG, span_of(wrapped->tag, sizeof(wrapped->tag)));
    }
    if (!ask_about(server, &call, id, &message, &payload, err) ||
        !secret_new(JWE_KEY_SIZE, &content_key, err) ||
        !take_bytes(&payload, KMIP_DATA, "unwrapped key", JWE_KEY_SIZE, secret_bytes(content_key),
                    err)) {
        return false;
    }
    *out = TAKE(content_key);
    return true;
}

/* --- making and finding ------------------------------------------------------------------------
 */

static bool id_is_ours(const struct ttlv *id, struct err *err)
{
    for (size_t i = 0; i < id->length; i++) {
        if (id->value[i] <= ' ' || id->value[i] > '~') {
            return err_set(err, ERR_CLASH,
                           "the key server's ids have characters that do not print");
        }
    }
    return (id->length > 0 && id->length <= KMIPOBJECT_MAX_ID) ||
           err_set(err, ERR_CLASH, "the key server's ids have %u characters", id->length);
}

/* The id of what was made: it must fit in an envelope, and be read again from there. */
static bool take_id(const struct ttlv *payload, char **out, struct err *err)
{
    struct ttlv id;

    if (!ttlv_get(payload, KMIP_UNIQUE_IDENTIFIER, TTLV_TEXT, "unique identifier", &id, err) ||
        !id_is_ours(&id, err)) {
        return false;
    }
    *out = text_make("%.*s", (int)id.length, (const char *)id.value);
    return true;
}

bool kmipobject_make(struct kmipserver *server, const char *name, const char *cluster,
                     const char *purpose, char **out_id, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL;
    AUTO(drop_free) char *data = text_make("cluster %s, %s", cluster, purpose);
    struct ttlv payload;

    /* Twice would leave a key behind that nobody knows. */
    if (!kmipserver_begin(server, KMIP_CREATE, true, &call, err)) {
        return false;
    }
    ttlv_put_enum(&call.writer, KMIP_OBJECT_TYPE, OBJECT_SYMMETRIC_KEY);
    struct kmipattributes attributes =
        kmipattributes_begin(&call.writer, kmipserver_version(server), true);

    kmipattributes_enum(&attributes, KMIP_CRYPTOGRAPHIC_ALGORITHM, ALGORITHM_AES);
    kmipattributes_integer(&attributes, KMIP_CRYPTOGRAPHIC_LENGTH, KEK_BITS);
    kmipattributes_integer(&attributes, KMIP_CRYPTOGRAPHIC_USAGE_MASK,
                           USAGE_ENCRYPT | USAGE_DECRYPT | USAGE_WRAP | USAGE_UNWRAP);
    kmipattributes_name(&attributes, name);
    kmipattributes_application(&attributes, NAMESPACE, data);
    kmipattributes_end(&attributes);
    return kmipserver_ask(server, &call, &message, &payload, err) && take_id(&payload, out_id, err);
}

/* A server that does not know how to search by name may give any object of ours. */
static bool has_name(struct kmipserver *server, const char *id, const char *name, bool *out,
                     struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload;

    if (!begin_about(server, KMIP_GET_ATTRIBUTES, id, &call, err)) {
        return false;
    }
    kmipattribute_ask(&call.writer, kmipserver_version(server), KMIP_NAME);
    if (!ask_about(server, &call, id, &message, &payload, err)) {
        return false;
    }
    *out = kmipattribute_has_name(&payload, kmipserver_version(server), name);
    return true;
}

bool kmipobject_find(struct kmipserver *server, const char *name, char **out_id, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL;
    AUTO(drop_free) char *id = NULL;
    struct ttlv payload, item;
    bool same = false;

    if (!kmipserver_begin(server, KMIP_LOCATE, false, &call, err)) {
        return false;
    }
    ttlv_put_integer(&call.writer, KMIP_MAXIMUM_ITEMS, 1);
    struct kmipattributes attributes =
        kmipattributes_begin(&call.writer, kmipserver_version(server), false);

    kmipattributes_name(&attributes, name);
    kmipattributes_end(&attributes);
    if (!kmipserver_ask(server, &call, &message, &payload, err)) {
        return false;
    }
    if (ttlv_find(&payload, KMIP_UNIQUE_IDENTIFIER, TTLV_TEXT, &item) &&
        (!take_id(&payload, &id, err) || !has_name(server, id, name, &same, err))) {
        return false;
    }
    *out_id = same ? TAKE(id) : NULL;
    return true;
}

/* --- destroying ------------------------------------------------------------------------------ */

static bool revoke_object(struct kmipserver *server, const char *id, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};

    if (!begin_about(server, KMIP_REVOKE, id, &call, err)) {
        return false;
    }
    ttlv_put_begin(&call.writer, KMIP_REVOCATION_REASON);
    ttlv_put_enum(&call.writer, KMIP_REVOCATION_REASON_CODE, REASON_CESSATION);
    ttlv_put_end(&call.writer);
    return tell_about(server, &call, id, err);
}

bool kmipobject_destroy(struct kmipserver *server, const char *id, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    struct err gone = {0};
    uint32_t state = 0;

    if (!state_of(server, id, &state, &gone)) {
        if (gone.kind != ERR_ABSENT) {
            *err = gone;
        }
        return gone.kind == ERR_ABSENT;
    }
    if (state > STATE_COMPROMISED) {
        return true; /* destroyed, its record kept */
    }
    return (state != STATE_ACTIVE || revoke_object(server, id, err)) &&
           begin_about(server, KMIP_DESTROY, id, &call, err) && tell_about(server, &call, id, err);
}
