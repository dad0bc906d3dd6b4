/* SPDX-License-Identifier: Apache-2.0 */
#include "key/jwe.h"

#include <string.h>

#include "base/aead.h"
#include "base/aeskw.h"
#include "base/encode.h"
#include "base/text.h"

#define WRAPPED_SIZE (JWE_KEY_SIZE + AESKW_EXTRA)

/* RFC 7518 section 5.3: the only one there is here. */
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

static char *protect(const char *alg, const json_t *header)
{
    AUTO(drop_json) json_t *copy = json_deep_copy(header);
    AUTO(drop_free) char *text = NULL;

    json_object_set_new(copy, "alg", json_string(alg));
    json_object_set_new(copy, "enc", json_string(content_name));
    text = json_write_canonical(copy);
    return encode_base64url(text, strlen(text));
}

bool jwe_seal_as(const char *alg, const json_t *header, const struct secret *kek,
                 const struct secret *content, json_t **out, struct err *err)
{
    AUTO(drop_secret) struct secret *content_key = NULL;
    AUTO(drop_free) unsigned char *wrapped = NULL, *box = NULL;
    AUTO(drop_free) char *aad = protect(alg, header);
    size_t wrapped_size = 0, box_size = 0;

    if (!kek_fits(kek, err) || !secret_random(JWE_KEY_SIZE, &content_key, err) ||
        !aeskw_wrap(kek, content_key, &wrapped, &wrapped_size, err) ||
        !aead_seal(content_key, span_text(aad), content, &box, &box_size, err)) {
        return false;
    }
    *out = json_object();
    json_object_set_new(*out, "protected", json_string(aad));
    set_base64url(*out, "encrypted_key", wrapped, wrapped_size);
    set_base64url(*out, "iv", box, AEAD_IV_SIZE);
    set_base64url(*out, "ciphertext", box + AEAD_IV_SIZE, box_size - AEAD_EXTRA);
    set_base64url(*out, "tag", box + box_size - AEAD_TAG_SIZE, AEAD_TAG_SIZE);
    return true;
}

bool jwe_seal(const json_t *header, const struct secret *kek, const struct secret *content,
              json_t **out, struct err *err)
{
    return jwe_seal_as(JWE_ALG, header, kek, content, out, err);
}

static bool names_are_ours(const char *wanted, const json_t *header, struct err *err)
{
    const char *alg = NULL, *enc = NULL;

    if (!json_get_string(header, "alg", 32, &alg, err) ||
        !json_get_string(header, "enc", 32, &enc, err)) {
        return false;
    }
    return (strcmp(alg, wanted) == 0 && strcmp(enc, content_name) == 0) ||
           err_set(err, ERR_INPUT, "encrypted by %s and %s, not by %s and %s", alg, enc, wanted,
                   content_name);
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
            names_are_ours(alg, jwe->header, err)) ||
           err_add(err, "protected header");
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

bool jwe_read_as(const char *alg, const json_t *json, size_t max, struct jwe **out, struct err *err)
{
    AUTO(drop_jwe) struct jwe *jwe = text_room(1, sizeof(*jwe));
    size_t wrapped_size = 0;

    if (!json_is_object(json) || json_object_size(json) != MEMBERS) {
        return err_set(err, ERR_INPUT, "a JWE here has %d members: protected … tag", MEMBERS);
    }
    if (!read_header(alg, json, jwe, err) ||
        !read_bytes(json, "encrypted_key", WRAPPED_SIZE, WRAPPED_SIZE, &jwe->wrapped, &wrapped_size,
                    err) ||
        !read_box(json, max, jwe, err)) {
        return false;
    }
    *out = TAKE(jwe);
    return true;
}

bool jwe_read(const json_t *json, size_t max, struct jwe **out, struct err *err)
{
    return jwe_read_as(JWE_ALG, json, max, out, err);
}

bool jwe_open(const struct jwe *jwe, const struct secret *kek, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *content_key = NULL;

    return kek_fits(kek, err) &&
           aeskw_unwrap(kek, span_of(jwe->wrapped, WRAPPED_SIZE), &content_key, err) &&
           aead_open(content_key, span_text(jwe->aad), span_of(jwe->box, jwe->box_size), out, err);
}

void jwe_free(struct jwe *jwe)
{
    if (jwe) {
        json_decref(jwe->header);
        free(jwe->aad);
        free(jwe->wrapped);
        free(jwe->box);
        free(jwe);
    }
}
