/* SPDX-License-Identifier: Apache-2.0 */
#include "key/ledger.h"

#include <string.h>
#include <time.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/hkdf.h"
#include "base/hmac.h"
#include "base/text.h"

#define FORMAT 1
/* 320 KEKs of some 300 bytes. */
#define MAX_BYTES (256u * 1024u)

void ledger_now(char out[LEDGER_TIME_SIZE])
{
    time_t now = time(NULL);
    struct tm parts;

    gmtime_r(&now, &parts);
    if (strftime(out, LEDGER_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        out[0] = '\0'; /* a year of five digits */
    }
}

/* --- the MAC -------------------------------------------------------------------------------- */

static bool mac_key(const struct secret *root_key, struct secret **out, struct err *err)
{
    return hkdf_derive(root_key, SPAN_NONE, span_text("quoin native ledger"), 32, out, err);
}

static bool mac_add(json_t *json, const struct secret *root_key, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *text = json_write_canonical(json);
    AUTO(drop_free) char *hex = NULL;
    unsigned char mac[HMAC_SIZE];

    if (!mac_key(root_key, &key, err) || !hmac_make(key, span_text(text), mac, err)) {
        return false;
    }
    hex = encode_hex(mac, sizeof(mac));
    json_object_set_new(json, "mac", json_string(hex));
    return true;
}

static bool mac_holds(const json_t *json, const struct secret *root_key, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_json) json_t *rest = json_copy((json_t *)(uintptr_t)json);
    AUTO(drop_free) unsigned char *mac = NULL;
    AUTO(drop_free) char *text = NULL;
    const char *hex = NULL;
    size_t size = 0;

    if (!json_get_string(json, "mac", 2 * HMAC_SIZE, &hex, err) ||
        !decode_hex(hex, &mac, &size, err) || !mac_key(root_key, &key, err)) {
        return false;
    }
    json_object_del(rest, "mac");
    text = json_write_canonical(rest);
    if (size == HMAC_SIZE && hmac_check(key, span_text(text), mac, err)) {
        return true;
    }
    return err_set(err, ERR_CLASH, "it was changed, or belongs to another root key");
}

/* --- reading and writing -------------------------------------------------------------------- */

static bool take(const json_t *json, const char *key, size_t room, char *out, struct err *err)
{
    const char *text = NULL;

    if (!json_get_string(json, key, room - 1, &text, err)) {
        return false;
    }
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool read_kek(const json_t *json, struct ledger_kek *kek, struct err *err)
{
    return take(json, "id", sizeof(kek->id), kek->id, err) &&
           take(json, "label", sizeof(kek->label), kek->label, err) &&
           take(json, "made", sizeof(kek->made), kek->made, err) &&
           take(json, "retired", sizeof(kek->retired), kek->retired, err) &&
           (uuid_valid(kek->id) || err_set(err, ERR_INPUT, "a KEK's id is no UUID"));
}

static bool read_fields(const json_t *json, struct ledger *ledger, struct err *err)
{
    const json_t *keks = NULL;

    if (!take(json, "cluster", sizeof(ledger->cluster), ledger->cluster, err) ||
        !take(json, "root", sizeof(ledger->root), ledger->root, err) ||
        !json_get_integer(json, "serial", 0, INT64_MAX - 1, &ledger->serial, err) ||
        !json_get_array(json, "keks", COUNT_OF(ledger->keks), &keks, err)) {
        return false;
    }
    while (ledger->count < json_array_size(keks)) {
        if (!read_kek(json_array_get(keks, ledger->count), &ledger->keks[ledger->count], err)) {
            return false;
        }
        ledger->count++;
    }
    return (uuid_valid(ledger->cluster) && uuid_valid(ledger->root)) ||
           err_set(err, ERR_INPUT, "cluster or root is no UUID");
}

bool ledger_read(const char *path, const struct secret *root_key, struct ledger **out,
                 struct err *err)
{
    AUTO(drop_free) struct ledger *ledger = text_room(1, sizeof(*ledger));
    AUTO(drop_free) char *text = NULL;
    AUTO(drop_json) json_t *json = NULL;
    size_t length = 0;

    if (!file_read(path, MAX_BYTES, &text, &length, err) || !json_read(text, length, &json, err) ||
        !json_get_format(json, "version", FORMAT, err) ||
        (root_key && !mac_holds(json, root_key, err)) || !read_fields(json, ledger, err)) {
        return err_add(err, "ledger '%s'", path);
    }
    *out = TAKE(ledger);
    return true;
}

static json_t *ledger_json(const struct ledger *ledger)
{
    json_t *keks = json_array();

    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_kek *kek = &ledger->keks[i];

        json_array_append_new(keks,
                              json_pack("{s:s, s:s, s:s, s:s}", "id", kek->id, "label", kek->label,
                                        "made", kek->made, "retired", kek->retired));
    }
    return json_pack("{s:i, s:s, s:s, s:I, s:o}", "version", FORMAT, "cluster", ledger->cluster,
                     "root", ledger->root, "serial", (json_int_t)ledger->serial, "keks", keks);
}

bool ledger_write(const char *path, const struct secret *root_key, struct ledger *ledger,
                  struct err *err)
{
    AUTO(drop_json) json_t *json = NULL;
    AUTO(drop_free) char *text = NULL;

    ledger->serial++;
    json = ledger_json(ledger);
    if (!mac_add(json, root_key, err)) {
        return false;
    }
    text = json_write_canonical(json);
    return file_write(path, text, strlen(text), 0600, err);
}

/* --- what is in it -------------------------------------------------------------------------- */

struct ledger_kek *ledger_find(struct ledger *ledger, const char *id)
{
    for (size_t i = 0; i < ledger->count; i++) {
        if (strcmp(ledger->keks[i].id, id) == 0) {
            return &ledger->keks[i];
        }
    }
    return NULL;
}

size_t ledger_active(const struct ledger *ledger)
{
    size_t active = 0;

    for (size_t i = 0; i < ledger->count; i++) {
        active += ledger->keks[i].retired[0] == '\0';
    }
    return active;
}

static void set_label(struct ledger_kek *kek, const char *label)
{
    size_t length = strnlen(label, LEDGER_MAX_LABEL);

    for (size_t i = 0; i < length; i++) {
        kek->label[i] = label[i] >= ' ' && label[i] <= '~' ? label[i] : '?';
    }
    kek->label[length] = '\0';
}

const struct ledger_kek *ledger_labelled(const struct ledger *ledger, const char *label)
{
    struct ledger_kek wanted = {0};

    set_label(&wanted, label);
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_kek *kek = &ledger->keks[i];

        if (kek->retired[0] == '\0' && strcmp(kek->label, wanted.label) == 0) {
            return kek;
        }
    }
    return NULL;
}

bool ledger_add(struct ledger *ledger, const char *id, const char *label, struct err *err)
{
    struct ledger_kek *kek = &ledger->keks[ledger->count];

    if (ledger_active(ledger) >= LEDGER_MAX_ACTIVE) {
        err_set(err, ERR_CLASH, "the native provider has %u KEKs already", LEDGER_MAX_ACTIVE);
        return err_mend(err, "retire those that no envelope uses any more");
    }
    *kek = (struct ledger_kek){0};
    memcpy(kek->id, id, UUID_SIZE);
    set_label(kek, label);
    ledger_now(kek->made);
    ledger->count++;
    return true;
}

static void forget_oldest_retired(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->keks[i].retired[0] != '\0') {
            ledger->count--;
            memmove(&ledger->keks[i], &ledger->keks[i + 1],
                    (ledger->count - i) * sizeof(ledger->keks[i]));
            return;
        }
    }
}

void ledger_retire(struct ledger *ledger, const char *id)
{
    struct ledger_kek *kek = ledger_find(ledger, id);

    if (kek && kek->retired[0] == '\0') {
        ledger_now(kek->retired);
    }
    if (ledger->count - ledger_active(ledger) > LEDGER_MAX_RETIRED) {
        forget_oldest_retired(ledger);
    }
}
