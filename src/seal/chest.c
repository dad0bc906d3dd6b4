/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/chest.h"

#include <string.h>

#include "base/aead.h"
#include "base/bigend.h"
#include "base/cursor.h"
#include "base/hkdf.h"
#include "base/json.h"
#include "base/secret_open.h"
#include "base/text.h"

static const char magic[8] = {'Q', 'U', 'O', 'I', 'N', 'H', 'O', 'M'};
#define VERSION        1u
#define HEAD_SIZE      16u /* magic, version, length of what is said in clear */
#define MAX_GENERATION ((int64_t)1 << 53)

/* ---- entries ---- */

struct entry {
    char name[CHEST_MAX_NAME + 1];
    struct secret *bytes;
};

/* Ascending by name. */
struct chest {
    size_t count;
    struct entry entries[CHEST_MAX_ENTRIES];
};

struct chest *chest_new(void)
{
    return text_room(1, sizeof(struct chest));
}

void chest_free(struct chest *chest)
{
    if (chest) {
        for (size_t i = 0; i < chest->count; i++) {
            secret_free(chest->entries[i].bytes);
        }
        free(chest);
    }
}

static bool name_is_right(const char *name, size_t length)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char later[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

    if (length == 0 || length > CHEST_MAX_NAME || !memchr(first, name[0], sizeof(first) - 1)) {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        if (!memchr(later, name[i], sizeof(later) - 1)) {
            return false;
        }
    }
    return true;
}

/* Where the name is, or belongs. */
static size_t place_of(const struct chest *chest, const char *name, bool *out_there)
{
    size_t at = 0;

    while (at < chest->count && strcmp(chest->entries[at].name, name) < 0) {
        at++;
    }
    *out_there = at < chest->count && strcmp(chest->entries[at].name, name) == 0;
    return at;
}

static size_t archive_size(const struct chest *chest)
{
    size_t size = 4;

    for (size_t i = 0; i < chest->count; i++) {
        size += 1 + strlen(chest->entries[i].name) + 4 + secret_size(chest->entries[i].bytes);
    }
    return size;
}

bool chest_put(struct chest *chest, const char *name, struct secret **bytes, struct err *err)
{
    bool there;

    if (!name_is_right(name, strlen(name))) {
        return err_set(err, ERR_INPUT, "a chest has no place for the name '%.80s'", name);
    }
    size_t at = place_of(chest, name, &there);
    size_t old = there ? secret_size(chest->entries[at].bytes) : 0;

    if ((!there && chest->count == CHEST_MAX_ENTRIES) ||
        archive_size(chest) - old + 1 + strlen(name) + 4 + secret_size(*bytes) >
            CHEST_MAX_ARCHIVE) {
        return err_set(err, ERR_INPUT, "a chest has no room for '%s' of %zu bytes", name,
                       secret_size(*bytes));
    }
    struct entry *entry = &chest->entries[at];

    if (there) {
        secret_free(entry->bytes);
    } else {
        memmove(entry + 1, entry, (chest->count - at) * sizeof(*entry));
        chest->count++;
    }
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    entry->bytes = TAKE(*bytes);
    return true;
}

const struct secret *chest_get(const struct chest *chest, const char *name)
{
    bool there;
    size_t at = place_of(chest, name, &there);

    return there ? chest->entries[at].bytes : NULL;
}

void chest_remove(struct chest *chest, const char *name)
{
    bool there;
    size_t at = place_of(chest, name, &there);

    if (there) {
        struct entry *entry = &chest->entries[at];

        secret_free(entry->bytes);
        chest->count--;
        memmove(entry, entry + 1, (chest->count - at) * sizeof(*entry));
    }
}

size_t chest_count(const struct chest *chest)
{
    return chest->count;
}

const char *chest_name(const struct chest *chest, size_t index)
{
    return chest->entries[index].name;
}

/* ---- the archive ---- */

static bool archive_write(const struct chest *chest, struct secret **out, struct err *err)
{
    if (!secret_new(archive_size(chest), out, err)) {
        return false;
    }
    unsigned char *at = secret_bytes(*out);

    bigend_put32(at, (uint32_t)chest->count);
    at += 4;
    for (size_t i = 0; i < chest->count; i++) {
        const struct entry *entry = &chest->entries[i];
        size_t name = strlen(entry->name), size = secret_size(entry->bytes);

        *at++ = (unsigned char)name;
        memcpy(at, entry->name, name);
        bigend_put32(at + name, (uint32_t)size);
        memcpy(at + name + 4, secret_look(entry->bytes), size);
        at += name + 4 + size;
    }
    return true;
}

static bool entry_read(struct cursor *rest, struct chest *chest, struct err *err)
{
    struct entry *entry = &chest->entries[chest->count];
    const unsigned char *length = cursor_take(rest, 1);
    const unsigned char *name = length ? cursor_take(rest, *length) : NULL;
    const unsigned char *size = name ? cursor_take(rest, 4) : NULL;
    const unsigned char *bytes = size ? cursor_take(rest, bigend_get32(size)) : NULL;

    if (!bytes || !name_is_right((const char *)name, *length)) {
        return err_set(err, ERR_INPUT, "the chest is cut off, or has a bad name");
    }
    memcpy(entry->name, name, *length);
    entry->name[*length] = '\0';
    if (chest->count > 0 && strcmp(chest->entries[chest->count - 1].name, entry->name) >= 0) {
        return err_set(err, ERR_INPUT, "the names in the chest do not ascend");
    }
    if (!secret_new(bigend_get32(size), &entry->bytes, err)) {
        return err_add(err, "'%s' in the chest", entry->name);
    }
    memcpy(secret_bytes(entry->bytes), bytes, bigend_get32(size));
    chest->count++;
    return true;
}

static bool archive_read(const struct secret *archive, struct chest **out, struct err *err)
{
    AUTO(drop_chest) struct chest *chest = chest_new();
    struct cursor rest = {secret_look(archive), secret_size(archive)};
    const unsigned char *count = cursor_take(&rest, 4);

    if (!count || bigend_get32(count) > CHEST_MAX_ENTRIES) {
        return err_set(err, ERR_INPUT, "the chest has too many entries");
    }
    for (uint32_t i = bigend_get32(count); i > 0; i--) {
        if (!entry_read(&rest, chest, err)) {
            return false;
        }
    }
    if (rest.left != 0) {
        return err_set(err, ERR_INPUT, "the chest has something behind its last entry");
    }
    *out = TAKE(chest);
    return true;
}

/* ---- the seal ---- */

void chest_about_clear(struct chest_about *about)
{
    free(about->envelope);
    free(about->recovery);
    *about = (struct chest_about){0};
}

static bool box_key(const struct secret *vm_key, struct secret **out, struct err *err)
{
    return hkdf_derive(vm_key, SPAN_NONE, span_text("home"), AEAD_KEY_SIZE, out, err);
}

static bool add_envelope(json_t *clear, const char *name, const char *text, struct err *err)
{
    AUTO(drop_json) json_t *envelope = NULL;

    if (strlen(text) > CHEST_MAX_ENVELOPE) {
        return err_set(err, ERR_INPUT, "a chest's envelope is longer than %u bytes",
                       CHEST_MAX_ENVELOPE);
    }
    if (!json_read(text, strlen(text), &envelope, err)) {
        return err_add(err, "a chest's envelope");
    }
    if (!json_is_object(envelope)) {
        return err_set(err, ERR_INPUT, "a chest's envelope is no JSON object");
    }
    json_object_set(clear, name, envelope);
    return true;
}

/* Magic, version and what is said in clear: the box's associated data. */
static bool clear_write(const struct chest_about *about, struct text *out, struct err *err)
{
    AUTO(drop_json)
    json_t *clear =
        json_pack("{s:s,s:I}", "vm", about->vm, "generation", (json_int_t)about->generation);
    unsigned char head[HEAD_SIZE];

    if (!uuid_valid(about->vm) || about->generation < 1 || about->generation > MAX_GENERATION) {
        return err_set(err, ERR_INPUT, "a chest cannot be of VM '%.40s', generation %lld",
                       about->vm, (long long)about->generation);
    }
    if (!add_envelope(clear, "jwe", about->envelope, err) ||
        (about->recovery && !add_envelope(clear, "recovery", about->recovery, err))) {
        return false;
    }
    AUTO(drop_free) char *text = json_write(clear);

    memcpy(head, magic, sizeof(magic));
    bigend_put32(head + 8, VERSION);
    bigend_put32(head + 12, (uint32_t)strlen(text));
    text_add_bytes(out, (const char *)head, sizeof(head));
    text_add(out, text);
    return true;
}

bool chest_seal(const struct chest *chest, const struct chest_about *about,
                const struct secret *vm_key, unsigned char **out, size_t *out_length,
                struct err *err)
{
    AUTO(drop_text) struct text text = {0};
    AUTO(drop_secret) struct secret *archive = NULL, *key = NULL;
    AUTO(drop_free) unsigned char *box = NULL;
    size_t size = 0;

    if (!clear_write(about, &text, err) || !archive_write(chest, &archive, err) ||
        !box_key(vm_key, &key, err) ||
        !aead_seal(key, span_of(text.bytes, text.length), archive, &box, &size, err)) {
        return err_add(err, "seal the home of VM %s", about->vm);
    }
    text_add_bytes(&text, (const char *)box, size);
    *out_length = text.length;
    *out = (unsigned char *)text_take(&text);
    return true;
}

/* `*out_clear`: how many bytes come before the box. */
static bool clear_read(const unsigned char *bytes, size_t length, struct chest_about *out,
                       size_t *out_clear, struct err *err)
{
    AUTO(drop_json) json_t *clear = NULL;
    const char *vm;
    const json_t *jwe, *recovery;

    if (length < HEAD_SIZE || length > CHEST_MAX_OBJECT ||
        memcmp(bytes, magic, sizeof(magic)) != 0 || bigend_get32(bytes + 8) < VERSION) {
        return err_set(err, ERR_INPUT, "this is no sealed home of a VM");
    }
    if (bigend_get32(bytes + 8) > VERSION) {
        /* No clash: that would say that another host has the VM. */
        err_set(err, ERR_INPUT,
                "the sealed home of a VM was written by a newer quoin: its format is %u, and %u is "
                "known here",
                bigend_get32(bytes + 8), VERSION);
        return err_mend(err, "nothing of it was changed; use that newer version again");
    }
    size_t size = bigend_get32(bytes + 12);

    if (size > CHEST_MAX_ABOUT || size > length - HEAD_SIZE ||
        length - HEAD_SIZE - size <= AEAD_EXTRA) {
        return err_set(err, ERR_INPUT, "the sealed home of a VM is cut off");
    }
    if (!json_read((const char *)bytes + HEAD_SIZE, size, &clear, err) ||
        !json_get_string(clear, "vm", UUID_SIZE - 1, &vm, err) ||
        !json_get_integer(clear, "generation", 1, MAX_GENERATION, &out->generation, err) ||
        !json_get_object(clear, "jwe", &jwe, err)) {
        return err_add(err, "the sealed home of a VM");
    }
    recovery = json_object_get(clear, "recovery");
    if (!uuid_valid(vm) || json_object_size(clear) != (recovery ? 4 : 3) ||
        (recovery && !json_is_object(recovery))) {
        return err_set(err, ERR_INPUT, "the sealed home of a VM says what it should not");
    }
    memcpy(out->vm, vm, UUID_SIZE);
    out->envelope = json_write(jwe);
    out->recovery = recovery ? json_write(recovery) : NULL;
    *out_clear = HEAD_SIZE + size;
    return true;
}

bool chest_look(const unsigned char *bytes, size_t length, struct chest_about *out,
                size_t *out_clear, struct err *err)
{
    AUTO(drop_chest_about) struct chest_about about = {0};
    size_t clear = 0;

    if (!clear_read(bytes, length, &about, &clear, err)) {
        return false;
    }
    if (out_clear) {
        *out_clear = clear;
    }
    *out = about;
    about = (struct chest_about){0};
    return true;
}

static bool about_is_right(const struct chest_about *about, const char *vm, int64_t generation,
                           struct err *err)
{
    if (strcmp(about->vm, vm) != 0) {
        return err_set(err, ERR_CLASH, "this is the home of VM %s, not of %s", about->vm, vm);
    }
    if (about->generation < generation) {
        err_set(err, ERR_CLASH,
                "the home of VM %s is of generation %lld, but generation %lld is known", vm,
                (long long)about->generation, (long long)generation);
        return err_mend(err, "an old home was put back; bring back the latest one");
    }
    return true;
}

bool chest_open(const unsigned char *bytes, size_t length, const char *vm, int64_t generation,
                const struct secret *vm_key, struct chest **out, struct err *err)
{
    AUTO(drop_chest_about) struct chest_about about = {0};
    AUTO(drop_secret) struct secret *key = NULL, *archive = NULL;
    size_t clear = 0;

    if (!clear_read(bytes, length, &about, &clear, err) ||
        !about_is_right(&about, vm, generation, err)) {
        return false;
    }
    if (!box_key(vm_key, &key, err) ||
        !aead_open(key, span_of(bytes, clear), span_of(bytes + clear, length - clear), &archive,
                   err) ||
        !archive_read(archive, out, err)) {
        return err_add(err, "open the home of VM %s", vm);
    }
    return true;
}
