/* SPDX-License-Identifier: Apache-2.0 */
#include "key/jwe.h"

#include <string.h>

#include "base/encode.h"
#include "base/text.h"

/* RFC 7518 sections 4.4, 4.7 and 5.3: the only ones there are here. */
static const struct {
    const char *name;
    size_t size; /* of the wrapped content key */
} algs[] = {
    [JWE_A256KW] = {"A256KW", JWE_KEY_SIZE + AESKW_EXTRA},
    [JWE_A256GCMKW] = {"A256GCMKW", JWE_KEY_SIZE},
};
static const char content_name[] = "A256GCM";

/* protected, encrypted_key, iv, ciphertext, tag */
#define MEMBERS 5

static bool kek_fits(const struct secret *kek, struct err *err)
{
    return secret_size(kek) == JWE_KEY_SIZE ||
           err_set(err, ERR_INPUT, "a key encryption key has %u bytes, not %zu", JWE_KEY_SIZE,
                   secret_size(kek));
}

static void set_base64url(json_t *object, const char *key, const void *bytes, size_t size)
{
    AUTO(drop_free) char *text = encode_base64url(bytes, size);

    json_object_set_new(object, key, json_string(text));
}

const char *jwe_alg_name(enum jwe_alg alg)
{
    return algs[alg].name;
}

/* --- a KEK at hand ---------------------------------------------------------------------------- */

static bool local_wrap(void *self, const struct secret *content_key, struct jwe_wrapped *out,
                       struct err *err)
{
    const struct secret *kek = self;
    AUTO(drop_free) unsigned char *wrapped = NULL;
    struct jwe_wrapped made = {.alg = JWE_A256KW};

    if (!kek_fits(kek, err) || !aeskw_wrap(kek, content_key, &wrapped, &made.size, err)) {
        return false;
    }
    memcpy(made.bytes, wrapped, made.size);
    *out = made;
    return true;
}

static bool local_unwrap(void *self, const struct jwe_wrapped *wrapped, struct secret **out,
                         struct err *err)
{
    const struct secret *kek = self;
    unsigned char box[JWE_KEY_SIZE + AEAD_EXTRA];

    if (!kek_fits(kek, err)) {
        return false;
    }
    if (wrapped->alg == JWE_A256KW) {
        return aeskw_unwrap(kek, span_of(wrapped->bytes, wrapped->size), out, err);
    }
    memcpy(box, wrapped->iv, AEAD_IV_SIZE);
    memcpy(box + AEAD_IV_SIZE, wrapped->bytes, JWE_KEY_SIZE);
    memcpy(box + AEAD_IV_SIZE + JWE_KEY_SIZE, wrapped->tag, AEAD_TAG_SIZE);
    return aead_open(kek, SPAN_NONE, span_of(box, sizeof(box)), out, err);
}

struct jwe_kek jwe_kek_of(const struct secret *kek)
{
    /* Not written to: the contract's `self` is one for all. */
    return (struct jwe_kek){(void *)(uintptr_t)kek, local_wrap, local_unwrap};
}

/* --- sealing --------------------------------------------------------------------------------- */

static char *protect(const char *alg, const json_t *header, const struct jwe_wrapped *key)
{
    AUTO(drop_json) json_t *copy = json_deep_copy(header);
    AUTO(drop_free) char *text = NULL;

    json_object_set_new(copy, "alg", json_string(alg));
    json_object_set_new(copy, "enc", json_string(content_name));
    if (key->alg == JWE_A256GCMKW) {
        set_base64url(copy, "iv", key->iv, sizeof(key->iv));
        set_base64url(copy, "tag", key->tag, sizeof(key->tag));
    }
    text = json_write_canonical(copy);
    return encode_base64url(text, strlen(text));
}

/* `alg` of NULL: what the KEK's wrapping is called. */
static bool seal_named(const char *alg, const json_t *header, const struct jwe_kek *kek,
                       const struct secret *content, json_t **out, struct err *err)
{
    AUTO(drop_secret) struct secret *content_key = NULL;
    AUTO(drop_free) unsigned char *box = NULL;
    AUTO(drop_free) char *aad = NULL;
    struct jwe_wrapped key;
    size_t box_size = 0;

    if (!secret_random(JWE_KEY_SIZE, &content_key, err) ||
        !kek->wrap(kek->self, content_key, &key, err)) {
        return false;
    }
    aad = protect(alg ? alg : algs[key.alg].name, header, &key);
    if (!aead_seal(content_key, span_text(aad), content, &box, &box_size, err)) {
        return false;
    }
    *out = json_object();
    json_object_set_new(*out, "protected", json_string(aad));
    set_base64url(*out, "encrypted_key", key.bytes, key.size);
    set_base64url(*out, "iv", box, AEAD_IV_SIZE);
    set_base64url(*out, "ciphertext", box + AEAD_IV_SIZE, box_size - AEAD_EXTRA);
    set_base64url(*out, "tag", box + box_size - AEAD_TAG_SIZE, AEAD_TAG_SIZE);
    return true;
}

bool jwe_seal_by(const json_t *header, const struct jwe_kek *kek, const struct secret *content,
                 json_t **out, struct err *err)
{
    return seal_named(NULL, header, kek, content, out, err);
}

bool jwe_seal_as(const char *alg, const json_t *header, const struct secret *kek,
                 const struct secret *content, json_t **out, struct err *err)
{
    const struct jwe_kek at_hand = jwe_kek_of(kek);

    return seal_named(alg, header, &at_hand, content, out, err);
}

bool jwe_seal(const json_t *header, const struct secret *kek, const struct secret *content,
              json_t **out, struct err *err)
{
    return jwe_seal_as(JWE_ALG, header, kek, content, out, err);
}

/* --- reading --------------------------------------------------------------------------------- */

/* `wanted` is of A256KW's shape; NULL: any of the table. */
static bool names_are_ours(const char *wanted, const json_t *header, enum jwe_alg *out,
                           struct err *err)
{
    const char *alg = NULL, *enc = NULL;

    if (!json_get_string(header, "alg", 32, &alg, err) ||
        !json_get_string(header, "enc", 32, &enc, err)) {
        return false;
    }
    for (size_t i = 0; i < (wanted ? 1 : COUNT_OF(algs)); i++) {
        if (strcmp(alg, wanted ? wanted : algs[i].name) == 0 && strcmp(enc, content_name) == 0) {
            *out = (enum jwe_alg)i;
            return true;
        }
    }
    return err_set(err, ERR_INPUT, "encrypted by %s and %s, not by %s and %s", alg, enc,
                   wanted ? wanted : "A256KW or A256GCMKW", content_name);
}

/* Between `min` and `max` bytes. */
static bool read_bytes(const json_t *json, const char *key, size_t min, size_t max,
                       unsigned char **out, size_t *out_size, struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    const char *text = NULL;
    size_t size = 0;

    if (!json_get_string(json, key, max / 3 * 4 + 4, &text, err)) {
        return false;
    }
    if (!decode_base64url(text, &bytes, &size, err)) {
        return err_add(err, "%s", key);
    }
    if (size < min || size > max) {
        return err_set(err, ERR_INPUT, "%s has %zu bytes", key, size);
    }
    *out = TAKE(bytes);
    *out_size = size;
    return true;
}

/* Exactly `size` bytes, into `out`. */
static bool read_exactly(const json_t *json, const char *key, size_t size, unsigned char *out,
                         struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    size_t got = 0;

    if (!read_bytes(json, key, size, size, &bytes, &got, err)) {
        return false;
    }
    memcpy(out, bytes, size);
    return true;
}

/* What the header says of the content key's wrapping. */
static bool read_wrapping(const char *alg, const json_t *header, struct jwe_wrapped *out,
                          struct err *err)
{
    if (!names_are_ours(alg, header, &out->alg, err)) {
        return false;
    }
    out->size = algs[out->alg].size;
    return out->alg == JWE_A256KW || (read_exactly(header, "iv", sizeof(out->iv), out->iv, err) &&
                                      read_exactly(header, "tag", sizeof(out->tag), out->tag, err));
}

static bool read_header(const char *alg, const json_t *json, struct jwe *jwe, struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    const char *aad = NULL;
    size_t size = 0;

    if (!json_get_string(json, "protected", JWE_MAX_HEADER, &aad, err)) {
        return false;
    }
    jwe->aad = text_copy(aad);
    return (decode_base64url(aad, &bytes, &size, err) &&
            json_read((const char *)bytes, size, &jwe->header, err) &&
            read_wrapping(alg, jwe->header, &jwe->key, err)) ||
           err_add(err, "protected header");
}

static bool read_box(const json_t *json, size_t max, struct jwe *jwe, struct err *err)
{
    AUTO(drop_free) unsigned char *iv = NULL, *sealed = NULL, *tag = NULL;
    size_t iv_size = 0, size = 0, tag_size = 0;

    if (!read_bytes(json, "iv", AEAD_IV_SIZE, AEAD_IV_SIZE, &iv, &iv_size, err) ||
        !read_bytes(json, "ciphertext", 1, max, &sealed, &size, err) ||
        !read_bytes(json, "tag", AEAD_TAG_SIZE, AEAD_TAG_SIZE, &tag, &tag_size, err)) {
        return false;
    }
    jwe->box_size = size + AEAD_EXTRA;
    jwe->box = text_room(jwe->box_size, 1);
    memcpy(jwe->box, iv, iv_size);
    memcpy(jwe->box + iv_size, sealed, size);
    memcpy(jwe->box + iv_size + size, tag, tag_size);
    return true;
}

static bool read_named(const char *alg, const json_t *json, size_t max, struct jwe **out,
                       struct err *err)
{
    AUTO(drop_jwe) struct jwe *jwe = text_room(1, sizeof(*jwe));

    if (!json_is_object(json) || json_object_size(json) != MEMBERS) {
        return err_set(err, ERR_INPUT, "a JWE here has %d members: protected … tag", MEMBERS);
    }
    if (!read_header(alg, json, jwe, err) ||
        !read_exactly(json, "encrypted_key", jwe->key.size, jwe->key.bytes, err) ||
        !read_box(json, max, jwe, err)) {
        return false;
    }
    *out = TAKE(jwe);
    return true;
}

bool jwe_read_as(const char *alg, const json_t *json, size_t max, struct jwe **out, struct err *err)
{
    return read_named(alg, json, max, out, err);
}

bool jwe_read_either(const json_t *json, size_t max, struct jwe **out, struct err *err)
{
    return read_named(NULL, json, max, out, err);
}

bool jwe_read(const json_t *json, size_t max, struct jwe **out, struct err *err)
{
    return read_named(JWE_ALG, json, max, out, err);
}

bool jwe_open_by(const struct jwe *jwe, const struct jwe_kek *kek, struct secret **out,
                 struct err *err)
{
    AUTO(drop_secret) struct secret *content_key = NULL;

    return kek->unwrap(kek->self, &jwe->key, &content_key, err) &&
           aead_open(content_key, span_text(jwe->aad), span_of(jwe->box, jwe->box_size), out, err);
}

bool jwe_open(const struct jwe *jwe, const struct secret *kek, struct secret **out, struct err *err)
{
    const struct jwe_kek at_hand = jwe_kek_of(kek);

    return jwe_open_by(jwe, &at_hand, out, err);
}

void jwe_free(struct jwe *jwe)
{
    if (jwe) {
        json_decref(jwe->header);
        free(jwe->aad);
        free(jwe->box);
        free(jwe);
    }
}
