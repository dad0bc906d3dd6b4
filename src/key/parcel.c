/* SPDX-License-Identifier: Apache-2.0 */
#include "key/parcel.h"

#include <string.h>

#include "base/encode.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "key/ecdh.h"
#include "key/jwe.h"
#include "wire/certificate.h"

#define FORMAT 1
/* "NAME LENGTH\n": a name, a blank, at most seven digits. */
#define HEAD_MAX      (PARCEL_MAX_NAME + 1 + 7 + 1)
#define LENGTH_DIGITS 7u

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

struct parcel *parcel_new(void)
{
    return text_room(1, sizeof(struct parcel));
}

void parcel_free(struct parcel *parcel)
{
    if (parcel) {
        for (size_t i = 0; i < parcel->count; i++) {
            secret_free(parcel->parts[i].bytes);
        }
        free(parcel);
    }
}

const struct secret *parcel_part(const struct parcel *parcel, const char *name)
{
    for (size_t i = 0; i < parcel->count; i++) {
        if (strcmp(parcel->parts[i].name, name) == 0) {
            return parcel->parts[i].bytes;
        }
    }
    return NULL;
}

static bool name_valid(const char *name, size_t length)
{
    return length > 0 && length <= PARCEL_MAX_NAME && strspn(name, name_letters) >= length;
}

bool parcel_add(struct parcel *parcel, const char *name, struct secret *bytes, struct err *err)
{
    AUTO(drop_secret) struct secret *owned = bytes;

    if (parcel->count == PARCEL_MAX_PARTS || !name_valid(name, strlen(name)) ||
        parcel_part(parcel, name)) {
        return err_set(err, ERR_BUG, "a parcel takes no part '%s'", name);
    }
    struct parcel_part *part = &parcel->parts[parcel->count++];

    memcpy(part->name, name, strlen(name) + 1);
    part->bytes = TAKE(owned);
    return true;
}

/* --- what lies inside ------------------------------------------------------------------------- */

static bool pack(const struct parcel *parcel, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *text = NULL;
    size_t room = 0, n = 0;

    for (size_t i = 0; i < parcel->count; i++) {
        room += HEAD_MAX + secret_size(parcel->parts[i].bytes);
    }
    if (room == 0 || room > PARCEL_MAX_BYTES) {
        return err_set(err, ERR_INPUT, "a parcel has 1 to %u bytes, not %zu", PARCEL_MAX_BYTES,
                       room);
    }
    if (!secret_new(room, &text, err)) {
        return false;
    }
    for (size_t i = 0; i < parcel->count; i++) {
        const struct parcel_part *part = &parcel->parts[i];
        AUTO(drop_free) char *head = text_make("%s %zu\n", part->name, secret_size(part->bytes));

        memcpy(secret_bytes(text) + n, head, strlen(head));
        n += strlen(head);
        memcpy(secret_bytes(text) + n, secret_look(part->bytes), secret_size(part->bytes));
        n += secret_size(part->bytes);
    }
    secret_cut(text, n);
    *out = TAKE(text);
    return true;
}

/* "NAME LENGTH\n" at `at`; the number of its bytes, 0: something else. */
static size_t read_head(const unsigned char *at, size_t left, char name[PARCEL_MAX_NAME + 1],
                        size_t *out_length)
{
    size_t n = 0, digits = 0, length = 0;

    while (n < left && n <= PARCEL_MAX_NAME && at[n] && strchr(name_letters, at[n])) {
        n++;
    }
    if (n == 0 || n > PARCEL_MAX_NAME || n == left || at[n] != ' ') {
        return 0;
    }
    memcpy(name, at, n);
    name[n++] = '\0';
    for (; n < left && at[n] >= '0' && at[n] <= '9' && digits < LENGTH_DIGITS; n++, digits++) {
        length = length * 10 + (size_t)(at[n] - '0');
    }
    if (digits == 0 || n == left || at[n] != '\n' || (digits > 1 && at[n - digits] == '0')) {
        return 0;
    }
    *out_length = length;
    return n + 1;
}

static bool read_part(const unsigned char *at, size_t left, struct parcel *parcel, size_t *out_used,
                      struct err *err)
{
    AUTO(drop_secret) struct secret *bytes = NULL;
    char name[PARCEL_MAX_NAME + 1];
    size_t length = 0;
    size_t head = read_head(at, left, name, &length);

    if (head == 0 || length == 0 || length > left - head || parcel->count == PARCEL_MAX_PARTS ||
        parcel_part(parcel, name)) {
        return err_set(err, ERR_INPUT, "this is no part of a parcel");
    }
    if (!secret_new(length, &bytes, err)) {
        return false;
    }
    memcpy(secret_bytes(bytes), at + head, length);
    *out_used = head + length;
    return parcel_add(parcel, name, TAKE(bytes), err);
}

bool parcel_read(const struct secret *text, struct parcel **out, struct err *err)
{
    AUTO(drop_parcel) struct parcel *parcel = parcel_new();
    size_t size = secret_size(text), used = 0;

    for (size_t n = 0; n < size; n += used) {
        if (!read_part(secret_look(text) + n, size - n, parcel, &used, err)) {
            return false;
        }
    }
    *out = TAKE(parcel);
    return true;
}

/* --- on its way ------------------------------------------------------------------------------- */

bool parcel_receiver(const char *certificate, const char *authority, const char *cluster,
                     struct peer *out, struct err *err)
{
    struct certificate_facts facts;

    if (!certificate_check(certificate, authority, err) ||
        !certificate_read(certificate, &facts, err)) {
        return false;
    }
    if (facts.authority || !facts.client || !facts.has_peer || facts.peer.role != ROLE_HOST) {
        return err_set(err, ERR_DENIED, "the certificate is no host's");
    }
    if (strcmp(facts.peer.cluster, cluster) != 0) {
        return err_set(err, ERR_DENIED, "the certificate is of cluster %s, not %s",
                       facts.peer.cluster, cluster);
    }
    *out = facts.peer;
    return true;
}

static json_t *header_of(const struct parcel_about *about, const char *to, json_t *epk)
{
    AUTO(drop_free) char *apu = encode_base64url(about->from, strlen(about->from));
    AUTO(drop_free) char *apv = encode_base64url(to, strlen(to));

    return json_pack("{s:o, s:s, s:s, s:{s:i, s:s}}", "epk", epk, "apu", apu, "apv", apv, "quoin",
                     "parcel", FORMAT, "cluster", about->cluster);
}

bool parcel_seal(const struct parcel *parcel, const struct parcel_about *about,
                 const char *certificate, const char *authority, json_t **out, struct err *err)
{
    AUTO(drop_secret) struct secret *text = NULL, *kek = NULL;
    AUTO(drop_json) json_t *header = NULL;
    struct peer to;
    json_t *epk = NULL;

    if (!parcel_receiver(certificate, authority, about->cluster, &to, err)) {
        return err_add(err, "the parcel's receiver");
    }
    const struct ecdh_parties parties = {about->from, to.name};

    if (!pack(parcel, &text, err) || !ecdh_make(certificate, &parties, &epk, &kek, err)) {
        return false;
    }
    header = header_of(about, to.name, epk);
    return jwe_seal_as(ECDH_ALG, header, kek, text, out, err);
}

/* The name in "apu" or "apv"; the caller frees. */
static bool party_of(const json_t *header, const char *key, char **out, struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    const char *text = NULL;
    size_t size = 0;

    if (!json_get_string(header, key, 2 * ROLE_NAME_MAX, &text, err) ||
        !decode_base64url(text, &bytes, &size, err)) {
        return false;
    }
    if (size == 0 || size > ROLE_NAME_MAX || memchr(bytes, '\0', size)) {
        return err_set(err, ERR_INPUT, "%s is no host's name", key);
    }
    *out = text_make("%.*s", (int)size, (const char *)bytes);
    return true;
}

static bool check_header(const json_t *header, const struct parcel_about *about, const char *from,
                         const char *to, struct err *err)
{
    const json_t *quoin = NULL;
    const char *cluster = NULL;

    if (json_object_size(header) != 6 || !json_get_object(header, "quoin", &quoin, err) ||
        !json_get_format(quoin, "parcel", FORMAT, err) ||
        !json_get_string(quoin, "cluster", UUID_SIZE, &cluster, err) ||
        json_object_size(quoin) != 2) {
        return err_set(err, ERR_INPUT, "its header is no parcel's");
    }
    if (strcmp(cluster, about->cluster) != 0) {
        return err_set(err, ERR_CLASH, "it is for cluster %s, not %s", cluster, about->cluster);
    }
    if (strcmp(to, about->to) != 0) {
        return err_set(err, ERR_CLASH, "it is for host '%s', not '%s'", to, about->to);
    }
    return !about->from || strcmp(from, about->from) == 0 ||
           err_set(err, ERR_CLASH, "it is from host '%s', not '%s'", from, about->from);
}

static bool open_text(const json_t *json, const struct parcel_about *about,
                      const struct secret *private_key, struct secret **out, struct err *err)
{
    AUTO(drop_jwe) struct jwe *jwe = NULL;
    AUTO(drop_free) char *from = NULL, *to = NULL;
    AUTO(drop_secret) struct secret *kek = NULL;
    const json_t *epk = NULL;

    if (!jwe_read_as(ECDH_ALG, json, PARCEL_MAX_BYTES, &jwe, err) ||
        !party_of(jwe->header, "apu", &from, err) || !party_of(jwe->header, "apv", &to, err) ||
        !check_header(jwe->header, about, from, to, err) ||
        !json_get_object(jwe->header, "epk", &epk, err)) {
        return false;
    }
    const struct ecdh_parties parties = {from, to};

    return ecdh_find(private_key, epk, &parties, &kek, err) && jwe_open(jwe, kek, out, err);
}

bool parcel_open(const json_t *json, const struct parcel_about *about,
                 const struct secret *private_key, struct parcel **out, struct err *err)
{
    AUTO(drop_secret) struct secret *text = NULL;

    return (open_text(json, about, private_key, &text, err) && parcel_read(text, out, err)) ||
           err_add(err, "open a parcel");
}
