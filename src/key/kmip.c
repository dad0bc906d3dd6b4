/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KMIP key provider: KEKs live at an external key server, which the host itself asks over
 * mutual TLS (KMIP 1.2 to 1.4). A KEK is an AES-256 symmetric key with a name and an application
 * that its operators understand; its id here is "kmip:<unique identifier>". To wrap and unwrap it
 * is fetched into locked memory for the moment, after its state was found to be active.
 */
#include <inttypes.h>
#include <string.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "key/kmipaccess.h"
#include "key/provider.h"
#include "wire/stream.h"

#define ID_START "kmip:"
#define KEK_BITS 256
#define KEK_SIZE (KEK_BITS / 8)
/* What our keys are found by at the server, beside their name. */
#define NAMESPACE "quoin"

/* KMIP 1.4, section 9.1.3.2. */
enum { OBJECT_SYMMETRIC_KEY = 2, ALGORITHM_AES = 3, FORMAT_RAW = 1, NAME_IS_TEXT = 1 };
enum { USAGE_ENCRYPT = 4, USAGE_DECRYPT = 8, USAGE_WRAP = 0x10, USAGE_UNWRAP = 0x20 };
enum { REASON_CESSATION = 6 };
enum { STATE_PRE_ACTIVE = 1, STATE_ACTIVE = 2, STATE_DEACTIVATED = 3, STATE_COMPROMISED = 4 };

struct kmip {
    struct kmipaccess *access;
    struct kmipserver_conf conf; /* points into `access` */
    struct kmipserver *server;
    char cluster[UUID_SIZE];
};

static void kmip_close(void *self)
{
    struct kmip *kmip = self;

    kmipserver_free(kmip->server);
    kmipaccess_free(kmip->access);
    free(kmip);
}
DROP(kmip, struct kmip *, kmip_close);

/* Asks nobody yet: a host may start while its key server is away, and say so. */
static bool kmip_open(const struct provider_conf *conf, void **out_self, struct err *err)
{
    AUTO(drop_kmip) struct kmip *kmip = text_room(1, sizeof(*kmip));

    if (!kmipaccess_open(conf, &kmip->access, err)) {
        return false;
    }
    memcpy(kmip->cluster, conf->cluster, UUID_SIZE);
    kmip->conf = kmipaccess_servers(kmip->access);
    kmip->server = kmipserver_new(&kmip->conf);
    *out_self = TAKE(kmip);
    return true;
}

/* --- one object at the server ------------------------------------------------------------------
 */

/* ERR_INPUT: no id of a KEK here. Borrowed from it. */
static bool object_of(const char *kek_id, const char **out, struct err *err)
{
    *out = kek_id + strlen(ID_START);
    return (text_starts(kek_id, ID_START) && **out) ||
           err_set(err, ERR_INPUT, "'%s' is no id of a KEK at a key server", kek_id);
}

/* The server must speak of what it was asked for. */
static bool is_about(const struct ttlv *payload, const char *object, struct err *err)
{
    struct ttlv id;

    if (!ttlv_get(payload, KMIP_UNIQUE_IDENTIFIER, TTLV_TEXT, "unique identifier", &id, err)) {
        return false;
    }
    return (id.length == strlen(object) && memcmp(id.value, object, id.length) == 0) ||
           err_set(err, ERR_CLASH, "the key server speaks of another object than '%s'", object);
}

/* An operation that takes an object's id and little else. */
static bool ask_about(struct kmip *kmip, enum kmip_operation operation, const char *object,
                      void (*put_more)(struct ttlv_writer *writer), struct secret **out_message,
                      struct ttlv *out_payload, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};

    if (!kmipserver_begin(kmip->server, operation, false, &call, err)) {
        return false;
    }
    ttlv_put_text(&call.writer, KMIP_UNIQUE_IDENTIFIER, object);
    if (put_more) {
        put_more(&call.writer);
    }
    return kmipserver_ask(kmip->server, &call, out_message, out_payload, err) &&
           is_about(out_payload, object, err);
}

static bool tell_about(struct kmip *kmip, enum kmip_operation operation, const char *object,
                       void (*put_more)(struct ttlv_writer *writer), struct err *err)
{
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload;

    return ask_about(kmip, operation, object, put_more, &message, &payload, err);
}

static void put_state_name(struct ttlv_writer *writer)
{
    ttlv_put_text(writer, KMIP_ATTRIBUTE_NAME, "State");
}

static void put_raw_format(struct ttlv_writer *writer)
{
    ttlv_put_enum(writer, KMIP_KEY_FORMAT_TYPE, FORMAT_RAW);
}

static void put_cessation(struct ttlv_writer *writer)
{
    ttlv_put_begin(writer, KMIP_REVOCATION_REASON);
    ttlv_put_enum(writer, KMIP_REVOCATION_REASON_CODE, REASON_CESSATION);
    ttlv_put_end(writer);
}

static bool state_of(struct kmip *kmip, const char *object, uint32_t *out, struct err *err)
{
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload, attribute, value;

    if (!ask_about(kmip, KMIP_GET_ATTRIBUTES, object, put_state_name, &message, &payload, err) ||
        !ttlv_get(&payload, KMIP_ATTRIBUTE, TTLV_STRUCTURE, "attribute", &attribute, err) ||
        !ttlv_get(&attribute, KMIP_ATTRIBUTE_VALUE, TTLV_ENUM, "state", &value, err)) {
        return false;
    }
    *out = ttlv_enum(&value);
    return true;
}

/* --- the KEK for a moment ------------------------------------------------------------------------
 */

static bool is_active(uint32_t state, struct err *err)
{
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

static bool fetch(struct kmip *kmip, const char *object, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload;
    uint32_t state = 0;

    return state_of(kmip, object, &state, err) && is_active(state, err) &&
           ask_about(kmip, KMIP_GET, object, put_raw_format, &message, &payload, err) &&
           take_material(&payload, out, err);
}

static bool kek_of(struct kmip *kmip, const char *kek_id, struct secret **out, struct err *err)
{
    const char *object = NULL;

    return object_of(kek_id, &object, err) &&
           (fetch(kmip, object, out, err) || err_add(err, "KEK %s", kek_id));
}

static bool kmip_wrap(void *self, const struct envelope_about *about, const struct secret *secret,
                      struct envelope **out, struct err *err)
{
    AUTO(drop_secret) struct secret *kek = NULL;

    return kek_of(self, about->kek_id, &kek, err) && envelope_seal(kek, about, secret, out, err);
}

static bool kmip_unwrap(void *self, const struct envelope *envelope,
                        const struct envelope_about *expected, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *kek = NULL;

    return kek_of(self, envelope_about(envelope)->kek_id, &kek, err) &&
           envelope_open(kek, envelope, expected, out, err);
}

/* --- making and retiring -------------------------------------------------------------------------
 */

static void put_attribute(struct ttlv_writer *writer, const char *name)
{
    ttlv_put_begin(writer, KMIP_ATTRIBUTE);
    ttlv_put_text(writer, KMIP_ATTRIBUTE_NAME, name);
}

static void put_name(struct ttlv_writer *writer, const char *name)
{
    put_attribute(writer, "Name");
    ttlv_put_begin(writer, KMIP_ATTRIBUTE_VALUE);
    ttlv_put_text(writer, KMIP_NAME_VALUE, name);
    ttlv_put_enum(writer, KMIP_NAME_TYPE, NAME_IS_TEXT);
    ttlv_put_end(writer);
    ttlv_put_end(writer);
}

static void put_application(struct ttlv_writer *writer, const char *cluster)
{
    put_attribute(writer, "Application Specific Information");
    ttlv_put_begin(writer, KMIP_ATTRIBUTE_VALUE);
    ttlv_put_text(writer, KMIP_APPLICATION_NAMESPACE, NAMESPACE);
    ttlv_put_text(writer, KMIP_APPLICATION_DATA, cluster);
    ttlv_put_end(writer);
    ttlv_put_end(writer);
}

static void put_key_template(struct ttlv_writer *writer, const char *name, const char *cluster)
{
    ttlv_put_enum(writer, KMIP_OBJECT_TYPE, OBJECT_SYMMETRIC_KEY);
    ttlv_put_begin(writer, KMIP_TEMPLATE_ATTRIBUTE);
    put_attribute(writer, "Cryptographic Algorithm");
    ttlv_put_enum(writer, KMIP_ATTRIBUTE_VALUE, ALGORITHM_AES);
    ttlv_put_end(writer);
    put_attribute(writer, "Cryptographic Length");
    ttlv_put_integer(writer, KMIP_ATTRIBUTE_VALUE, KEK_BITS);
    ttlv_put_end(writer);
    put_attribute(writer, "Cryptographic Usage Mask");
    ttlv_put_integer(writer, KMIP_ATTRIBUTE_VALUE,
                     USAGE_ENCRYPT | USAGE_DECRYPT | USAGE_WRAP | USAGE_UNWRAP);
    ttlv_put_end(writer);
    put_name(writer, name);
    put_application(writer, cluster);
    ttlv_put_end(writer);
}

/* The id of what was made: it must fit in an envelope, and be read again from there. */
static bool take_id(const struct ttlv *payload, char **out, struct err *err)
{
    struct ttlv id;

    if (!ttlv_get(payload, KMIP_UNIQUE_IDENTIFIER, TTLV_TEXT, "unique identifier", &id, err)) {
        return false;
    }
    for (size_t i = 0; i < id.length; i++) {
        if (id.value[i] <= ' ' || id.value[i] > '~') {
            return err_set(err, ERR_CLASH,
                           "the key server's ids have characters that do not print");
        }
    }
    if (id.length == 0 || id.length > ENVELOPE_MAX_KEK_ID - strlen(ID_START)) {
        return err_set(err, ERR_CLASH, "the key server's ids have %u characters", id.length);
    }
    *out = text_make("%.*s", (int)id.length, (const char *)id.value);
    return true;
}

static bool create(struct kmip *kmip, const char *name, char **out, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload;

    /* Twice would leave a key behind that nobody knows. */
    if (!kmipserver_begin(kmip->server, KMIP_CREATE, true, &call, err)) {
        return false;
    }
    put_key_template(&call.writer, name, kmip->cluster);
    return kmipserver_ask(kmip->server, &call, &message, &payload, err) &&
           take_id(&payload, out, err);
}

static bool activate(struct kmip *kmip, const char *object, struct err *err)
{
    AUTO(drop_secret) struct secret *kek = NULL;

    return tell_about(kmip, KMIP_ACTIVATE, object, NULL, err) && fetch(kmip, object, &kek, err);
}

/* Destroying needs it out of use first. What is gone already is as good as destroyed. */
static bool destroy(struct kmip *kmip, const char *object, struct err *err)
{
    struct err gone = {0};
    uint32_t state = 0;

    if (!state_of(kmip, object, &state, &gone)) {
        if (gone.kind != ERR_ABSENT) {
            *err = gone;
        }
        return gone.kind == ERR_ABSENT;
    }
    return (state != STATE_ACTIVE || tell_about(kmip, KMIP_REVOKE, object, put_cessation, err)) &&
           tell_about(kmip, KMIP_DESTROY, object, NULL, err);
}

static bool kmip_kek_make(void *self, const char *label, char **out_kek_id, struct err *err)
{
    struct kmip *kmip = self;
    AUTO(drop_free) char *name = NULL;
    AUTO(drop_free) char *object = NULL;
    char uuid[UUID_SIZE];
    struct err ignored = {0};

    uuid_make(uuid);
    /* Names are unique at many servers. */
    name = text_make("quoin: %.100s (%s)", label, uuid);
    if (!create(kmip, name, &object, err)) {
        return err_add(err, "make a KEK at the key server");
    }
    if (!activate(kmip, object, err)) {
        (void)destroy(kmip, object, &ignored);
        return err_add(err, "activate a KEK at the key server");
    }
    *out_kek_id = text_make(ID_START "%s", object);
    return true;
}

static bool kmip_kek_retire(void *self, const char *kek_id, struct err *err)
{
    const char *object = NULL;

    return object_of(kek_id, &object, err) &&
           (destroy(self, object, err) || err_add(err, "retire KEK %s", kek_id));
}

/* --- what people want to know
 * ---------------------------------------------------------------------- */

static json_t *servers_json(const struct kmip *kmip)
{
    json_t *servers = json_array();

    for (size_t i = 0; kmip->conf.servers[i]; i++) {
        json_array_append_new(servers, json_string(kmip->conf.servers[i]));
    }
    return servers;
}

/* Away is something to say, not a failure to say something. */
static bool kmip_look(void *self, json_t **out, struct err *err)
{
    struct kmip *kmip = self;
    struct err reason = {0};
    bool there = kmipserver_reach(kmip->server, &reason);
    struct kmip_version version = kmipserver_version(kmip->server);
    long long ours = 0;

    (void)err;
    *out = json_pack("{s:s, s:s, s:o, s:s, s:s*}", "protection", "kms", "backup", "kms", "servers",
                     servers_json(kmip), "state", there ? "good" : err_kind_name(reason.kind),
                     "server", kmipserver_name(kmip->server));
    if (there) {
        AUTO(drop_free) char *text = text_make("%d.%d", version.major, version.minor);

        json_object_set_new(*out, "version", json_string(text));
        json_object_set_new(*out, "server_certificate_expires",
                            json_integer(kmipserver_expires(kmip->server)));
    } else {
        json_object_set_new(*out, "trouble", json_of_err(&reason));
    }
    if (stream_pem_expires(kmip->conf.certificate, &ours, &reason)) {
        json_object_set_new(*out, "client_certificate_expires", json_integer(ours));
    }
    return true;
}

const struct key_provider kmip_provider = {
    .type = "kmip",
    .summary = "keys at an external key server that speaks KMIP 1.2 to 1.4",
    .open = kmip_open,
    .close = kmip_close,
    .kek_make = kmip_kek_make,
    .wrap = kmip_wrap,
    .unwrap = kmip_unwrap,
    .kek_retire = kmip_kek_retire,
    .look = kmip_look,
};
