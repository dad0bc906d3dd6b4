/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/header_metadata.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/bigend.h"
#include "base/text.h"

/* The binary part, struct luks2_hdr_disk: offsets and sizes in bytes, numbers big endian. */
/* Of our token; said from the second on. */
#define FORMAT       1
#define AT_VERSION   6u
#define AT_SIZE      8u
#define AT_SEQUENCE  16u
#define AT_LABEL     24u
#define AT_CHECKSUM  72u /* the algorithm's name */
#define AT_UUID      168u
#define AT_SUBSYSTEM 208u
#define AT_OFFSET    256u
#define AT_PADDING   264u
#define AT_SUM       448u
#define BINARY_SIZE  4096u
#define LABEL_SIZE   48u
#define NAME_SIZE    32u
#define UUID_ROOM    40u
#define SUM_ROOM     64u
#define MAGIC_SIZE   6u

/* One copy: the binary part and 12 KiB of JSON. */
#define COPY_SIZE 16384u

static const char magic_first[MAGIC_SIZE] = {'L', 'U', 'K', 'S', '\xba', '\xbe'};
static const char magic_second[MAGIC_SIZE] = {'S', 'K', 'U', 'L', '\xba', '\xbe'};

static unsigned version_of(const unsigned char *copy)
{
    return (unsigned)copy[AT_VERSION] << 8 | copy[AT_VERSION + 1];
}

const char *header_kind(const unsigned char *bytes, size_t length)
{
    if (length < AT_SIZE || memcmp(bytes, magic_first, MAGIC_SIZE) != 0) {
        return "none";
    }
    switch (version_of(bytes)) {
    case 1:
        return "luks1";
    case 2:
        return "luks2";
    default:
        return "other";
    }
}

static bool all_zero(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* A text that fills its field up with zeros. */
static bool field_is(const unsigned char *field, size_t room, const char *text)
{
    size_t length = strlen(text);

    return length < room && memcmp(field, text, length) == 0 &&
           all_zero(field + length, room - length);
}

/* Over the whole copy, with the place of the sum itself all zeros. */
static bool sum_is_right(const unsigned char *copy)
{
    unsigned char whole[COPY_SIZE], sum[SHA256_DIGEST_LENGTH];

    memcpy(whole, copy, COPY_SIZE);
    memset(whole + AT_SUM, 0, SUM_ROOM);
    return SHA256(whole, COPY_SIZE, sum) && memcmp(copy + AT_SUM, sum, sizeof(sum)) == 0 &&
           all_zero(copy + AT_SUM + sizeof(sum), SUM_ROOM - sizeof(sum));
}

static bool copy_is_right(const unsigned char *bytes, unsigned index, const char *uuid,
                          struct err *err)
{
    const unsigned char *copy = bytes + (size_t)index * COPY_SIZE;
    const char *fault = NULL;

    if (memcmp(copy, index == 0 ? magic_first : magic_second, MAGIC_SIZE) != 0) {
        fault = "is missing";
    } else if (version_of(copy) != 2) {
        fault = "is not of version 2";
    } else if (bigend_get64(copy + AT_SIZE) != COPY_SIZE ||
               bigend_get64(copy + AT_OFFSET) != (uint64_t)index * COPY_SIZE) {
        fault = "is not where it says, or of another size";
    } else if (!field_is(copy + AT_CHECKSUM, NAME_SIZE, "sha256") || !sum_is_right(copy)) {
        fault = "has a wrong checksum";
    } else if (!field_is(copy + AT_UUID, UUID_ROOM, uuid)) {
        fault = "has another disk's UUID";
    } else if (!all_zero(copy + AT_LABEL, LABEL_SIZE) ||
               !all_zero(copy + AT_SUBSYSTEM, LABEL_SIZE) ||
               !all_zero(copy + AT_PADDING, AT_SUM - AT_PADDING) ||
               !all_zero(copy + AT_SUM + SUM_ROOM, BINARY_SIZE - AT_SUM - SUM_ROOM)) {
        fault = "holds what should be empty";
    }
    return !fault || err_set(err, ERR_CLASH, "copy %u of the LUKS2 header %s", index + 1, fault);
}

bool header_metadata_read(const unsigned char *bytes, size_t length, const char *uuid, json_t **out,
                          struct err *err)
{
    const unsigned char *json = bytes + BINARY_SIZE;
    const size_t room = COPY_SIZE - BINARY_SIZE;

    if (strcmp(header_kind(bytes, length), "none") == 0) {
        return err_set(err, ERR_ABSENT, "there is no LUKS header");
    }
    if (length < 2 * (size_t)COPY_SIZE) {
        return err_set(err, ERR_CLASH, "the LUKS header is cut off");
    }
    if (!copy_is_right(bytes, 0, uuid, err) || !copy_is_right(bytes, 1, uuid, err)) {
        return false;
    }
    if (bigend_get64(bytes + AT_SEQUENCE) != bigend_get64(bytes + COPY_SIZE + AT_SEQUENCE) ||
        memcmp(json, json + COPY_SIZE, room) != 0) {
        return err_set(err, ERR_CLASH, "the two copies of the LUKS2 header differ");
    }
    size_t used = strnlen((const char *)json, room);

    if (used == room || !all_zero(json + used, room - used)) {
        return err_set(err, ERR_CLASH, "the JSON of the LUKS2 header has no end");
    }
    if (!json_read((const char *)json, used, out, err)) {
        err->kind = ERR_CLASH;
        return err_add(err, "the LUKS2 header");
    }
    return true;
}

/* ---- the one shape ---- */

/* What may differ from header to header; all else is written out in `shape`. */
struct variable {
    json_t *salt, *digest_salt, *digest, *token;
};

/* libcryptsetup's layout for a 512-bit key: 4,000 stripes in the keyslot; 1 MiB for keyslots. */
static json_t *shape(const struct variable *in)
{
    return json_pack(
        "{s:{s:{s:s,s:i,s:{s:s,s:i,s:s},s:{s:s,s:s,s:s,s:s,s:i},s:{s:s,s:s,s:i,s:O}}},"
        "s:{s:O},"
        "s:{s:{s:s,s:s,s:s,s:s,s:s,s:i}},"
        "s:{s:{s:s,s:[s],s:[s],s:s,s:i,s:O,s:O}},"
        "s:{s:s,s:s}}",
        "keyslots", "0", "type", "luks2", "key_size", 64, "af", "type", "luks1", "stripes", 4000,
        "hash", "sha256", "area", "type", "raw", "offset", "32768", "size", "258048", "encryption",
        "aes-xts-plain64", "key_size", 64, "kdf", "type", "pbkdf2", "hash", "sha256", "iterations",
        (int)HEADER_ITERATIONS, "salt", in->salt, /**/
        "tokens", "0", in->token,                 /**/
        "segments", "0", "type", "crypt", "offset", "4194304", "size", "dynamic", "iv_tweak", "0",
        "encryption", "aes-xts-plain64", "sector_size", 4096, /**/
        "digests", "0", "type", "pbkdf2", "keyslots", "0", "segments", "0", "hash", "sha256",
        "iterations", (int)HEADER_ITERATIONS, "salt", in->digest_salt, "digest", in->digest, /**/
        "config", "json_size", "12288", "keyslots_size", "1048576");
}

static json_t *at(const json_t *value, const char *a, const char *b, const char *c)
{
    json_t *found = json_object_get(json_object_get(value, a), b);

    return c ? json_object_get(found, c) : found;
}

/* Names the first place where `is` is not as `must`. */
static bool differs(const json_t *must, const json_t *is, const char *path, struct err *err)
{
    const char *key;
    json_t *value;

    if (json_is_object(must) && json_is_object(is)) {
        json_object_foreach((json_t *)(uintptr_t)is, key, value)
        {
            AUTO(drop_free) char *below = text_make("%s.%.40s", path, key);
            const json_t *wanted = json_object_get(must, key);

            if (!wanted) {
                return err_set(err, ERR_CLASH, "the LUKS2 header has '%s', which is not ours",
                               below);
            }
            if (!json_equal(wanted, value)) {
                return differs(wanted, value, below, err);
            }
        }
        return err_set(err, ERR_CLASH, "the LUKS2 header lacks a part of '%s'", path);
    }
    AUTO(drop_free) char *have = json_write(is);
    AUTO(drop_free) char *want = json_write(must);

    return err_set(err, ERR_CLASH, "the LUKS2 header says '%s' is %.80s, not %.80s", path, have,
                   want);
}

static bool envelope_is_right(const json_t *envelope, struct err *err)
{
    AUTO(drop_free) char *text = json_write(envelope);

    return strlen(text) <= HEADER_MAX_ENVELOPE ||
           err_set(err, ERR_CLASH, "the envelope in the LUKS2 header is too long");
}

/* The one for the recovery key may be missing. */
static bool envelopes_are_right(const json_t *token, const json_t *jwe, struct err *err)
{
    const json_t *recovery = json_object_get(token, "recovery");

    if (recovery && !json_is_object(recovery)) {
        return err_set(err, ERR_CLASH, "the token in the LUKS2 header is not one of ours");
    }
    return envelope_is_right(jwe, err) && (!recovery || envelope_is_right(recovery, err));
}

static bool token_is_right(const json_t *token, struct err *err)
{
    const char *check, *mac;
    size_t members = json_object_get(token, "recovery") ? 7 : 6;
    const json_t *jwe, *keyslots;
    int64_t generation;

    if (!json_format_known(token, FORMAT, err) || !json_get_object(token, "jwe", &jwe, err) ||
        !json_get_array(token, "keyslots", 1, &keyslots, err) ||
        !json_get_integer(token, "generation", 1, (int64_t)1 << 53, &generation, err) ||
        !json_get_string(token, "check", 16, &check, err) ||
        !json_get_string(token, "mac", 64, &mac, err)) {
        err->kind = ERR_CLASH;
        return err_add(err, "the token in the LUKS2 header");
    }
    AUTO(drop_json) json_t *first = json_pack("[s]", "0");

    if (json_object_size(token) != members ||
        strcmp(json_string_or(token, "type", ""), "quoin") != 0 || !json_equal(keyslots, first) ||
        strspn(check, "0123456789abcdef") != 16 || strspn(mac, "0123456789abcdef") != 64) {
        return err_set(err, ERR_CLASH, "the token in the LUKS2 header is not one of ours");
    }
    return envelopes_are_right(token, jwe, err);
}

bool header_metadata_check(const json_t *metadata, const json_t **out_token, struct err *err)
{
    struct variable in = {
        .salt = json_object_get(at(metadata, "keyslots", "0", "kdf"), "salt"),
        .digest_salt = at(metadata, "digests", "0", "salt"),
        .digest = at(metadata, "digests", "0", "digest"),
        .token = at(metadata, "tokens", "0", NULL),
    };
    const size_t longest = 64; /* of base64: 32 bytes are 44 */

    if (!json_is_string(in.salt) || !json_is_string(in.digest_salt) || !json_is_string(in.digest) ||
        json_string_length(in.salt) > longest || json_string_length(in.digest_salt) > longest ||
        json_string_length(in.digest) > longest) {
        return err_set(err, ERR_CLASH, "the LUKS2 header lacks its keyslot or its digest");
    }
    if (!json_is_object(in.token)) {
        return err_set(err, ERR_CLASH, "the LUKS2 header has no token of ours");
    }
    AUTO(drop_json) json_t *must = shape(&in);

    if (!must) {
        return err_set(err, ERR_BUG, "cannot say what a LUKS2 header must be");
    }
    if (!json_equal(must, metadata)) {
        return differs(must, metadata, "metadata", err);
    }
    *out_token = in.token;
    return token_is_right(in.token, err);
}
