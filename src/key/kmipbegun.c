/* SPDX-License-Identifier: Apache-2.0 */
#include "key/kmipbegun.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/uuid.h"

/* A KEK and a canary's, and what a rotation begins: a handful. */
#define MAX_TEXT 16384u

static bool read_all(const char *path, json_t **out, struct err *err)
{
    AUTO(drop_free) char *text = NULL;
    size_t length = 0;

    if (!file_exists(path)) {
        *out = json_object();
        return true;
    }
    return (file_read(path, MAX_TEXT, &text, &length, err) && json_read(text, length, out, err)) ||
           err_add(err, "the KEKs that were begun");
}

/* With nothing begun there is no file. */
static bool write_all(const char *path, const json_t *all, struct err *err)
{
    AUTO(drop_free) char *text = json_write_canonical(all);

    return json_object_size(all) == 0 ? file_remove(path, err)
                                      : file_write(path, text, strlen(text), 0600, err);
}

static char *fresh_name(const char *label)
{
    char uuid[UUID_SIZE];

    uuid_make(uuid);
    /* Names are unique at many servers. */
    return text_make("quoin: %.100s (%s)", label, uuid);
}

bool kmipbegun_name(const char *path, const char *label, char **out_name, bool *out_again,
                    struct err *err)
{
    AUTO(drop_json) json_t *all = NULL;
    const char *known;

    if (!read_all(path, &all, err)) {
        return false;
    }
    known = json_string_or(json_object_get(all, label), "name", NULL);
    AUTO(drop_free) char *name = known ? text_copy(known) : fresh_name(label);

    if (!known) {
        json_object_set_new(all, label, json_pack("{s:s}", "name", name));
        if (!write_all(path, all, err)) {
            return false;
        }
    }
    *out_again = known != NULL;
    *out_name = TAKE(name);
    return true;
}

bool kmipbegun_note(const char *path, const char *label, const char *id, struct err *err)
{
    AUTO(drop_json) json_t *all = NULL;

    if (!read_all(path, &all, err)) {
        return false;
    }
    json_t *one = json_object_get(all, label);

    if (!one) {
        return true;
    }
    json_object_set_new(one, "id", json_string(id));
    return write_all(path, all, err);
}

bool kmipbegun_settle(const char *path, const char *id, struct err *err)
{
    AUTO(drop_json) json_t *all = NULL;
    const char *label;
    json_t *one;
    void *next;

    if (!file_exists(path)) {
        return true;
    }
    if (!read_all(path, &all, err)) {
        return false;
    }
    json_object_foreach_safe(all, next, label, one)
    {
        if (strcmp(json_string_or(one, "id", ""), id) == 0) {
            json_object_del(all, label);
            return write_all(path, all, err);
        }
    }
    return true;
}

bool kmipbegun_forget(const char *path, const char *label, struct err *err)
{
    AUTO(drop_json) json_t *all = NULL;

    if (!read_all(path, &all, err)) {
        return false;
    }
    json_object_del(all, label);
    return write_all(path, all, err);
}
