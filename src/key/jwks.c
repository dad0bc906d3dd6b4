/* SPDX-License-Identifier: Apache-2.0 */
#include "key/jwks.h"

#include <string.h>

#include "base/secret_open.h"
#include "base/text.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char kid_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:";

/* 32 bytes are 43 digits, the last of which carries 4 bits. */
#define DIGITS ((JWKS_KEY_SIZE * 8 + 5) / 6)

struct jwks *jwks_new(void)
{
    return text_room(1, sizeof(struct jwks));
}

void jwks_free(struct jwks *jwks)
{
    if (jwks) {
        for (size_t i = 0; i < jwks->count; i++) {
            secret_free(jwks->keys[i].key);
            secret_free(jwks->keys[i].seed);
        }
        free(jwks);
    }
}

bool jwks_add(struct jwks *jwks, const char *kid, struct secret *key, struct secret *seed,
              struct err *err)
{
    size_t length = strlen(kid);
    struct jwk *jwk = &jwks->keys[jwks->count];

    if (jwks->count == JWKS_MAX_KEYS) {
        return err_set(err, ERR_INPUT, "more than %u keys", JWKS_MAX_KEYS);
    }
    if (length == 0 || length >= sizeof(jwk->kid) || strspn(kid, kid_letters) != length ||
        secret_size(key) != JWKS_KEY_SIZE || (seed && secret_size(seed) != JWKS_KEY_SIZE)) {
        return err_set(err, ERR_INPUT, "no key of a set looks like this one");
    }
    memcpy(jwk->kid, kid, length + 1);
    jwk->key = key;
    jwk->seed = seed;
    jwks->count++;
    return true;
}

/* --- writing: a cursor in locked memory that is large enough for every set ---------------------
 */

struct writer {
    unsigned char *at;
};

static void put(struct writer *writer, const char *text)
{
    size_t length = strlen(text);

    memcpy(writer->at, text, length);
    writer->at += length;
}

static void put_digits(struct writer *writer, const struct secret *secret)
{
    const unsigned char *from = secret_look(secret);
    unsigned bits = 0, have = 0;

    for (size_t i = 0; i < JWKS_KEY_SIZE; i++) {
        bits = (bits << 8 | from[i]) & 0xffff;
        have += 8;
        while (have >= 6) {
            have -= 6;
            *writer->at++ = (unsigned char)base64_digits[bits >> have & 63];
        }
    }
    *writer->at++ = (unsigned char)base64_digits[bits << (6 - have) & 63];
}

static void put_key(struct writer *writer, const struct jwk *jwk)
{
    put(writer, "{\"kty\":\"oct\",\"kid\":\"");
    put(writer, jwk->kid);
    put(writer, "\",\"k\":\"");
    put_digits(writer, jwk->key);
    if (jwk->seed) {
        put(writer, "\",\"seed\":\"");
        put_digits(writer, jwk->seed);
    }
    put(writer, "\"}");
}

bool jwks_write(const struct jwks *jwks, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *text = NULL;
    struct writer writer;

    if (!secret_new(JWKS_MAX_TEXT, &text, err)) {
        return false;
    }
    writer.at = secret_bytes(text);
    put(&writer, "{\"keys\":[");
    for (size_t i = 0; i < jwks->count; i++) {
        put(&writer, i > 0 ? "," : "");
        put_key(&writer, &jwks->keys[i]);
    }
    put(&writer, "]}");
    secret_cut(text, (size_t)(writer.at - secret_bytes(text)));
    *out = TAKE(text);
    return true;
}

/* --- reading: never past the end, and nothing but what writing makes ----------------------------
 */

struct reader {
    const unsigned char *at;
    const unsigned char *end;
};

static bool get(struct reader *reader, const char *text)
{
    size_t length = strlen(text);

    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, text, length) != 0) {
        return false;
    }
    reader->at += length;
    return true;
}

static int digit_of(unsigned char c)
{
    const char *digit = c ? strchr(base64_digits, c) : NULL;

    return digit ? (int)(digit - base64_digits) : -1;
}

static bool get_digits(struct reader *reader, struct secret *into)
{
    unsigned char *to = secret_bytes(into);
    unsigned bits = 0, have = 0;

    if (reader->end - reader->at < (ptrdiff_t)DIGITS) {
        return false;
    }
    for (size_t i = 0; i < DIGITS; i++) {
        int digit = digit_of(*reader->at++);

        if (digit < 0) {
            return false;
        }
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *to++ = (unsigned char)(bits >> have);
        }
    }
    return (bits & ((1u << have) - 1)) == 0;
}

static bool get_secret(struct reader *reader, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;

    if (!secret_new(JWKS_KEY_SIZE, &secret, err)) {
        return false;
    }
    if (!get_digits(reader, secret)) {
        return err_set(err, ERR_INPUT, "not a key of %u bytes", JWKS_KEY_SIZE);
    }
    *out = TAKE(secret);
    return true;
}

static bool get_kid(struct reader *reader, char out[ENVELOPE_MAX_KEK_ID + 1])
{
    size_t length = 0;

    while (reader->at < reader->end && *reader->at && strchr(kid_letters, *reader->at)) {
        if (length == ENVELOPE_MAX_KEK_ID) {
            return false;
        }
        out[length++] = (char)*reader->at++;
    }
    out[length] = '\0';
    return length > 0;
}

static bool get_key(struct reader *reader, struct jwks *jwks, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL, *seed = NULL;
    char kid[ENVELOPE_MAX_KEK_ID + 1];

    if (!get(reader, "{\"kty\":\"oct\",\"kid\":\"") || !get_kid(reader, kid) ||
        !get(reader, "\",\"k\":\"")) {
        return err_set(err, ERR_INPUT, "not a JWK as quoin writes it");
    }
    if (!get_secret(reader, &key, err) ||
        (get(reader, "\",\"seed\":\"") && !get_secret(reader, &seed, err))) {
        return false;
    }
    if (!get(reader, "\"}")) {
        return err_set(err, ERR_INPUT, "a JWK does not end");
    }
    if (!jwks_add(jwks, kid, key, seed, err)) {
        return false;
    }
    key = seed = NULL;
    return true;
}

bool jwks_read(const struct secret *text, struct jwks **out, struct err *err)
{
    AUTO(drop_jwks) struct jwks *jwks = jwks_new();
    struct reader reader = {secret_look(text), secret_look(text) + secret_size(text)};
    bool more;

    if (!get(&reader, "{\"keys\":[")) {
        return err_set(err, ERR_INPUT, "not a JWK set as quoin writes it");
    }
    do {
        if (!get_key(&reader, jwks, err)) {
            return false;
        }
        more = get(&reader, ",");
    } while (more);
    if (!get(&reader, "]}") || reader.at != reader.end) {
        return err_set(err, ERR_INPUT, "a JWK set does not end where it should");
    }
    *out = TAKE(jwks);
    return true;
}
