/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/secret_json.h"

#include <string.h>

#include "base/secret_open.h"

/* A string in the document, without its quotes. */
struct piece {
    size_t start, length;
    bool escaped;
};

/* `at` stands behind the opening quote; afterwards behind the closing one. */
static bool string_scan(const unsigned char *bytes, size_t size, size_t *at, struct piece *out)
{
    *out = (struct piece){.start = *at};
    while (*at < size && bytes[*at] != '"') {
        if (bytes[*at] < ' ') {
            return false;
        }
        if (bytes[*at] == '\\') {
            out->escaped = true;
            (*at)++;
        }
        (*at)++;
    }
    if (*at >= size) {
        return false;
    }
    out->length = (*at)++ - out->start;
    return true;
}

static void space_skip(const unsigned char *bytes, size_t size, size_t *at)
{
    while (*at < size && strchr(" \t\r\n", bytes[*at]) && bytes[*at]) {
        (*at)++;
    }
}

/* Looks for `key` before a colon. */
static bool find(const struct secret *document, const char *key, struct piece *out, struct err *err)
{
    const unsigned char *bytes = secret_look(document);
    size_t size = secret_size(document), found = 0;

    for (size_t at = 0; at < size;) {
        struct piece piece = {0};

        if (bytes[at++] != '"') {
            continue;
        }
        if (!string_scan(bytes, size, &at, &piece)) {
            return err_set(err, ERR_INPUT, "not JSON: a string does not end");
        }
        space_skip(bytes, size, &at);
        if (at >= size || bytes[at] != ':') {
            continue;
        }
        if (piece.escaped) {
            return err_set(err, ERR_INPUT, "a key is written with a backslash");
        }
        if (piece.length != strlen(key) || memcmp(bytes + piece.start, key, piece.length) != 0) {
            continue;
        }
        at++;
        space_skip(bytes, size, &at);
        if (at >= size || bytes[at++] != '"' || !string_scan(bytes, size, &at, out)) {
            return err_set(err, ERR_INPUT, "'%s' is not a string", key);
        }
        found++;
    }
    if (found != 1) {
        return err_set(err, ERR_INPUT, found ? "'%s' is there twice" : "'%s' is missing", key);
    }
    return true;
}

static bool hex4(const unsigned char *from, size_t length, unsigned *out)
{
    *out = 0;
    for (size_t i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = i < length && from[i] ? strchr(digits, from[i] | 0x20) : NULL;

        if (!digit) {
            return false;
        }
        *out = *out << 4 | (unsigned)(digit - digits);
    }
    return true;
}

static size_t put_utf8(unsigned char *to, unsigned code)
{
    if (code < 0x80) {
        to[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (unsigned char)(0xc0 | code >> 6);
        to[1] = (unsigned char)(0x80 | (code & 0x3f));
        return 2;
    }
    size_t more = code < 0x10000 ? 2 : 3;

    to[0] = (unsigned char)((more == 2 ? 0xe0 : 0xf0) | code >> (6 * more));
    for (size_t i = 1; i <= more; i++) {
        to[i] = (unsigned char)(0x80 | (code >> (6 * (more - i)) & 0x3f));
    }
    return more + 1;
}

/* `from` stands behind "\u". Returns how many bytes were taken, 0 when they make no character. */
static size_t take_code(const unsigned char *from, size_t length, unsigned *out)
{
    unsigned high, low;

    if (!hex4(from, length, &high)) {
        return 0;
    }
    if (high < 0xd800 || high > 0xdfff) {
        *out = high;
        return high == 0 ? 0 : 4;
    }
    if (high > 0xdbff || length < 10 || from[4] != '\\' || from[5] != 'u' ||
        !hex4(from + 6, length - 6, &low) || low < 0xdc00 || low > 0xdfff) {
        return 0;
    }
    *out = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return 10;
}

/* The text is never longer than its written form, so `to` may be as large as `from`. */
static bool unescape(const unsigned char *from, size_t length, unsigned char *to, size_t *out_size)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    size_t n = 0;

    for (size_t i = 0; i < length;) {
        unsigned code = 0;

        if (from[i] != '\\') {
            to[n++] = from[i++];
            continue;
        }
        const char *letter = strchr(letters, from[++i]);

        if (letter && *letter) {
            to[n++] = (unsigned char)meanings[letter - letters];
            i++;
            continue;
        }
        size_t taken = from[i++] == 'u' ? take_code(from + i, length - i, &code) : 0;

        if (taken == 0) {
            return false;
        }
        n += put_utf8(to + n, code);
        i += taken;
    }
    *out_size = n;
    return true;
}

static bool move_out(struct secret *document, const struct piece *piece, const char *key,
                     size_t max, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *moved = NULL;
    unsigned char *from = secret_bytes(document) + piece->start;
    size_t size = 0;

    if (piece->length == 0) {
        return err_set(err, ERR_INPUT, "'%s' is empty", key);
    }
    if (!secret_new(piece->length, &moved, err)) {
        return false;
    }
    bool read = unescape(from, piece->length, secret_bytes(moved), &size);

    memset(from, ' ', piece->length);
    if (!read || size > max) {
        return err_set(err, ERR_INPUT,
                       read ? "'%s' is longer than %zu bytes" : "'%s' is not a JSON string", key,
                       max);
    }
    secret_cut(moved, size);
    *out = TAKE(moved);
    return true;
}

bool secret_json_read(struct secret *document, const char *key, size_t max,
                      struct secret **out_secret, json_t **out_rest, struct err *err)
{
    AUTO(drop_secret) struct secret *moved = NULL;
    struct piece piece = {0};

    if (!find(document, key, &piece, err) || !move_out(document, &piece, key, max, &moved, err) ||
        !json_read((const char *)secret_look(document), secret_size(document), out_rest, err)) {
        return false;
    }
    *out_secret = TAKE(moved);
    return true;
}
