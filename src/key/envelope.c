/* SPDX-License-Identifier: Apache-2.0 */
#include "key/envelope.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "base/hkdf.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "key/ecdh.h"

#define DIGEST_SIZE 32u

struct envelope {
    struct jwe *jwe;
    json_t *json;
    char *text;
    bool agreed;                 /* for a public key, not under a KEK */
    struct envelope_about about; /* its strings lie in jwe->header */
};

/* RFC 7518 section 4.6.1: nobody is named, so `jose` needs nothing but the private key. */
static const struct ecdh_parties nobody = {"", ""};

/* Letters that a name, purpose or KEK id may be made of. */
static const char small_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
static const char name_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789-_.";
static const char hex_letters[] = "0123456789abcdef";

static bool made_of(const char *text, const char *letters, size_t max)
{
    size_t length = text ? strlen(text) : 0;

    return length > 0 && length <= max && strspn(text, letters) == length;
}

/* Printable, no blanks: it goes into logs and command lines. */
static bool kek_id_valid(const char *id)
{
    size_t length = id ? strlen(id) : 0;

    for (size_t i = 0; i < length; i++) {
        if (id[i] <= ' ' || id[i] > '~') {
            return false;
        }
    }
    return length > 0 && length <= ENVELOPE_MAX_KEK_ID;
}

static bool about_valid(const struct envelope_about *about, struct err *err)
{
    const struct {
        const char *what;
        bool valid;
    } rules[] = {
        {"provider's name", made_of(about->provider, name_letters, ENVELOPE_MAX_NAME)},
        {"provider's type", made_of(about->type, small_letters, ENVELOPE_MAX_NAME)},
        {"KEK id", kek_id_valid(about->kek_id)},
        {"cluster", about->cluster && uuid_valid(about->cluster)},
        {"VM", about->vm && uuid_valid(about->vm)},
        {"purpose", made_of(about->purpose, small_letters, ENVELOPE_MAX_PURPOSE)},
        {"generation", about->generation >= 1 && about->generation <= ENVELOPE_MAX_GENERATION},
        {"check", made_of(about->check, hex_letters, KEY_CHECK_SIZE - 1) &&
                      strlen(about->check) == KEY_CHECK_SIZE - 1},
    };

    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        if (!rules[i].valid) {
            return err_set(err, ERR_INPUT, "no envelope has such a %s", rules[i].what);
        }
    }
    return true;
}

bool key_check_make(const struct secret *secret, char out[KEY_CHECK_SIZE], struct err *err)
{
    AUTO(drop_secret) struct secret *value = NULL;
    AUTO(drop_free) char *hex = NULL;

    if (!hkdf_derive(secret, SPAN_NONE, span_text("quoin key check"), (KEY_CHECK_SIZE - 1) / 2,
                     &value, err)) {
        return false;
    }
    hex = encode_hex(secret_look(value), secret_size(value));
    memcpy(out, hex, KEY_CHECK_SIZE);
    return true;
}

bool key_check(const struct secret *secret, const char *check, struct err *err)
{
    char ours[KEY_CHECK_SIZE];

    if (!key_check_make(secret, ours, err)) {
        return false;
    }
    return strcmp(ours, check) == 0 ||
           err_set(err, ERR_CLASH, "this is key %s, but key %s is meant", ours, check);
}

static json_t *header_of(const struct envelope_about *about)
{
    return json_pack("{s:s, s:{s:{s:s, s:s}, s:s, s:s, s:s, s:I, s:s}}", "kid", about->kek_id,
                     "quoin", "provider", "name", about->provider, "type", about->type, "cluster",
                     about->cluster, "vm", about->vm, "purpose", about->purpose, "generation",
                     (json_int_t)about->generation, "check", about->check);
}

static bool seal_agreed(const char *public_key, json_t *header, const struct secret *secret,
                        json_t **out, struct err *err)
{
    AUTO(drop_secret) struct secret *kek = NULL;
    json_t *epk = NULL;

    if (!ecdh_make(public_key, &nobody, &epk, &kek, err)) {
        return false;
    }
    json_object_set_new(header, "epk", epk);
    return jwe_seal_as(ECDH_ALG, header, kek, secret, out, err);
}

/* Exactly one of `kek` and `public_key`. */
static bool seal(const struct jwe_kek *kek, const char *public_key,
                 const struct envelope_about *about, const struct secret *secret,
                 struct envelope **out, struct err *err)
{
    struct envelope_about full = *about;
    AUTO(drop_json) json_t *header = NULL;
    AUTO(drop_json) json_t *json = NULL;
    char check[KEY_CHECK_SIZE];

    full.check = check;
    if (!key_check_make(secret, check, err) || !about_valid(&full, err)) {
        return false;
    }
    if (secret_size(secret) > ENVELOPE_MAX_SECRET) {
        return err_set(err, ERR_INPUT, "an envelope holds at most %u bytes, not %zu",
                       ENVELOPE_MAX_SECRET, secret_size(secret));
    }
    header = header_of(&full);
    return (kek ? jwe_seal_by(header, kek, secret, &json, err)
                : seal_agreed(public_key, header, secret, &json, err)) &&
           envelope_of_json(json, out, err);
}

bool envelope_seal(const struct secret *kek, const struct envelope_about *about,
                   const struct secret *secret, struct envelope **out, struct err *err)
{
    const struct jwe_kek at_hand = jwe_kek_of(kek);

    return seal(&at_hand, NULL, about, secret, out, err);
}

bool envelope_seal_at(const struct jwe_kek *kek, const struct envelope_about *about,
                      const struct secret *secret, struct envelope **out, struct err *err)
{
    return seal(kek, NULL, about, secret, out, err);
}

bool envelope_seal_to(const char *public_key, const struct envelope_about *about,
                      const struct secret *secret, struct envelope **out, struct err *err)
{
    return seal(NULL, public_key, about, secret, out, err);
}

/* {"alg","enc","kid","quoin"}, with "epk" after an agreement, "iv" and "tag" of A256GCMKW, and
 * nothing else. */
static bool read_outer(const struct jwe *jwe, bool agreed, struct envelope_about *about,
                       const json_t **out_quoin, struct err *err)
{
    const json_t *header = jwe->header, *epk = NULL;
    size_t more = jwe->key.alg == JWE_A256GCMKW ? 2 : agreed ? 1 : 0;

    if (json_object_size(header) != 4 + more ||
        (agreed && !json_get_object(header, "epk", &epk, err))) {
        return err_set(err, ERR_INPUT, "an envelope's header has alg, enc, kid and quoin only");
    }
    return json_get_string(header, "kid", ENVELOPE_MAX_KEK_ID, &about->kek_id, err) &&
           json_get_object(header, "quoin", out_quoin, err);
}

static bool read_about(const struct jwe *jwe, bool agreed, struct envelope_about *about,
                       struct err *err)
{
    const json_t *quoin = NULL, *provider = NULL;

    if (!read_outer(jwe, agreed, about, &quoin, err) ||
        !json_get_object(quoin, "provider", &provider, err) ||
        !json_get_string(provider, "name", ENVELOPE_MAX_NAME, &about->provider, err) ||
        !json_get_string(provider, "type", ENVELOPE_MAX_NAME, &about->type, err) ||
        !json_get_string(quoin, "cluster", UUID_SIZE, &about->cluster, err) ||
        !json_get_string(quoin, "vm", UUID_SIZE, &about->vm, err) ||
        !json_get_string(quoin, "purpose", ENVELOPE_MAX_PURPOSE, &about->purpose, err) ||
        !json_get_integer(quoin, "generation", 1, ENVELOPE_MAX_GENERATION, &about->generation,
                          err) ||
        !json_get_string(quoin, "check", KEY_CHECK_SIZE, &about->check, err)) {
        return false;
    }
    if (json_object_size(provider) != 2 || json_object_size(quoin) != 6) {
        return err_set(err, ERR_INPUT, "the header says more of quoin than it may");
    }
    return about_valid(about, err);
}

static bool read_jwe(const json_t *json, struct envelope *envelope, struct err *err)
{
    struct err ignored = {0};

    if (jwe_read_either(json, ENVELOPE_MAX_SECRET, &envelope->jwe, err)) {
        return true;
    }
    envelope->agreed = jwe_read_as(ECDH_ALG, json, ENVELOPE_MAX_SECRET, &envelope->jwe, &ignored);
    return envelope->agreed;
}

bool envelope_of_json(const json_t *json, struct envelope **out, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = text_room(1, sizeof(*envelope));

    if (!read_jwe(json, envelope, err) ||
        !read_about(envelope->jwe, envelope->agreed, &envelope->about, err)) {
        return err_add(err, "envelope");
    }
    envelope->json = json_deep_copy(json);
    envelope->text = json_write(json);
    if (strlen(envelope->text) > ENVELOPE_MAX_TEXT) {
        return err_set(err, ERR_INPUT, "an envelope is longer than %u bytes", ENVELOPE_MAX_TEXT);
    }
    *out = TAKE(envelope);
    return true;
}

bool envelope_read(const char *text, size_t length, struct envelope **out, struct err *err)
{
    AUTO(drop_json) json_t *json = NULL;

    if (length > ENVELOPE_MAX_TEXT) {
        return err_set(err, ERR_INPUT, "an envelope is longer than %u bytes", ENVELOPE_MAX_TEXT);
    }
    if (!json_read(text, length, &json, err)) {
        return err_add(err, "envelope");
    }
    return envelope_of_json(json, out, err);
}

static bool same(const char *what, const char *expected, const char *actual, struct err *err)
{
    return !expected || strcmp(expected, actual) == 0 ||
           err_set(err, ERR_CLASH, "the envelope is for %s %s, not %s", what, actual, expected);
}

static bool as_expected(const struct envelope_about *actual, const struct envelope_about *expected,
                        struct err *err)
{
    if (!same("provider", expected->provider, actual->provider, err) ||
        !same("provider type", expected->type, actual->type, err) ||
        !same("KEK", expected->kek_id, actual->kek_id, err) ||
        !same("cluster", expected->cluster, actual->cluster, err) ||
        !same("VM", expected->vm, actual->vm, err) ||
        !same("purpose", expected->purpose, actual->purpose, err)) {
        return false;
    }
    return expected->generation == 0 || expected->generation == actual->generation ||
           err_set(err, ERR_CLASH,
                   "the envelope is of generation %" PRId64 ", but generation %" PRId64 " is due",
                   actual->generation, expected->generation);
}

static bool open_agreed(const struct secret *private_key, const struct envelope *envelope,
                        struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *kek = NULL;

    return ecdh_find(private_key, json_object_get(envelope->jwe->header, "epk"), &nobody, &kek,
                     err) &&
           jwe_open(envelope->jwe, kek, out, err);
}

/* Exactly one of `kek` and `private_key`. */
static bool open_as(const struct jwe_kek *kek, const struct secret *private_key,
                    const struct envelope *envelope, const struct envelope_about *expected,
                    struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    const struct envelope_about *about = &envelope->about;

    if (!expected->cluster || !expected->vm || !expected->purpose) {
        return err_set(err, ERR_BUG, "an envelope is opened for a cluster, a VM and a purpose");
    }
    if (!as_expected(about, expected, err)) {
        return false;
    }
    if (!envelope->agreed != !private_key) {
        return err_set(err, ERR_INPUT, "the envelope is %s",
                       envelope->agreed ? "for a public key, not under a KEK"
                                        : "under a KEK, not for a public key");
    }
    if (!(kek ? jwe_open_by(envelope->jwe, kek, &secret, err)
              : open_agreed(private_key, envelope, &secret, err))) {
        return err_add(err, "open the envelope under KEK %s", about->kek_id);
    }
    if (!key_check(secret, about->check, err)) {
        return false;
    }
    *out = TAKE(secret);
    return true;
}

bool envelope_open(const struct secret *kek, const struct envelope *envelope,
                   const struct envelope_about *expected, struct secret **out, struct err *err)
{
    const struct jwe_kek at_hand = jwe_kek_of(kek);

    return open_as(&at_hand, NULL, envelope, expected, out, err);
}

bool envelope_open_at(const struct jwe_kek *kek, const struct envelope *envelope,
                      const struct envelope_about *expected, struct secret **out, struct err *err)
{
    return open_as(kek, NULL, envelope, expected, out, err);
}

enum jwe_alg envelope_alg(const struct envelope *envelope)
{
    return envelope->jwe->key.alg;
}

bool envelope_open_by(const struct secret *private_key, const struct envelope *envelope,
                      const struct envelope_about *expected, struct secret **out, struct err *err)
{
    return open_as(NULL, private_key, envelope, expected, out, err);
}

const struct envelope_about *envelope_about(const struct envelope *envelope)
{
    return &envelope->about;
}

const char *envelope_text(const struct envelope *envelope)
{
    return envelope->text;
}

json_t *envelope_json(const struct envelope *envelope)
{
    return json_deep_copy(envelope->json);
}

bool envelope_digest(const struct envelope *envelope, char **out, struct err *err)
{
    AUTO(drop_free) char *text = json_write_canonical(envelope->json);
    unsigned char digest[DIGEST_SIZE];

    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1) {
        return err_set(err, ERR_SYSTEM, "OpenSSL has no SHA-256");
    }
    *out = encode_base64url(digest, sizeof(digest));
    return true;
}

void envelope_free(struct envelope *envelope)
{
    if (envelope) {
        jwe_free(envelope->jwe);
        json_decref(envelope->json);
        free(envelope->text);
        free(envelope);
    }
}
