/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

bool json_read(const char *bytes, size_t length, json_t **out, struct err *err)
{
    json_error_t where;

    if (length > JSON_MAX_BYTES) {
        return err_set(err, ERR_INPUT, "JSON of %zu bytes is larger than %u", length,
                       JSON_MAX_BYTES);
    }
    json_t *value = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &where);

    if (!value) {
        return err_set(err, ERR_INPUT, "not JSON at line %d, column %d: %s", where.line,
                       where.column, where.text);
    }
    *out = value;
    return true;
}

static char *dump(const json_t *value, size_t flags)
{
    char *bytes = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | flags);

    if (!bytes) {
        abort();
    }
    return bytes;
}

char *json_write(const json_t *value)
{
    return dump(value, 0);
}

char *json_write_canonical(const json_t *value)
{
    return dump(value, JSON_SORT_KEYS);
}

static bool refuse(const json_t *value, const char *key, const char *wanted, struct err *err)
{
    return err_set(err, ERR_INPUT, value ? "'%s' is not %s" : "'%s' is missing (%s)", key, wanted);
}

bool json_get_string(const json_t *object, const char *key, size_t max, const char **out,
                     struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value)) {
        return refuse(value, key, "a string", err);
    }
    if (json_string_length(value) > max || strlen(json_string_value(value)) > max) {
        return err_set(err, ERR_INPUT, "'%s' is longer than %zu bytes", key, max);
    }
    *out = json_string_value(value);
    return true;
}

bool json_get_integer(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out,
                      struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value)) {
        return refuse(value, key, "an integer", err);
    }
    if (json_integer_value(value) < min || json_integer_value(value) > max) {
        return err_set(err, ERR_INPUT, "'%s' is not between %lld and %lld", key, (long long)min,
                       (long long)max);
    }
    *out = json_integer_value(value);
    return true;
}

bool json_get_format(const json_t *object, const char *key, int newest, struct err *err)
{
    int64_t format = 0;

    if (!json_get_integer(object, key, 1, INT32_MAX, &format, err)) {
        return false;
    }
    if (format > newest) {
        err_set(err, ERR_CLASH, "written by a newer quoin: '%s' is %lld, and %d is known here", key,
                (long long)format, newest);
        return err_mend(err, "nothing of it was changed; use that newer version again");
    }
    return true;
}

bool json_format_known(const json_t *object, int newest, struct err *err)
{
    return !json_object_get(object, "format") || json_get_format(object, "format", newest, err);
}

bool json_get_bool(const json_t *object, const char *key, bool *out, struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_boolean(value)) {
        return refuse(value, key, "true or false", err);
    }
    *out = json_is_true(value);
    return true;
}

bool json_get_object(const json_t *object, const char *key, const json_t **out, struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_object(value)) {
        return refuse(value, key, "an object", err);
    }
    *out = value;
    return true;
}

bool json_get_array(const json_t *object, const char *key, size_t max, const json_t **out,
                    struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_array(value)) {
        return refuse(value, key, "a list", err);
    }
    if (json_array_size(value) > max) {
        return err_set(err, ERR_INPUT, "'%s' has more than %zu entries", key, max);
    }
    *out = value;
    return true;
}

const char *json_string_or(const json_t *object, const char *key, const char *otherwise)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : otherwise;
}

const json_t *json_find(const json_t *array, const char *key, const char *value)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        const char *there = json_string_value(json_object_get(item, key));

        if (there && strcmp(there, value) == 0) {
            return item;
        }
    }
    return NULL;
}

static void flatten_string(json_t *value)
{
    AUTO(drop_free) char *text = text_copy(json_string_value(value));

    text_flatten(text);
    (void)json_string_set(value, text);
}

void json_flatten(json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_string(value)) {
        flatten_string(value);
    }
    json_array_foreach(value, i, item)
    {
        json_flatten(item);
    }
    json_object_foreach(value, key, item)
    {
        json_flatten(item);
    }
}

json_t *json_of_err(const struct err *err)
{
    json_t *object = json_pack("{s:s, s:s, s:s}", "kind", err_kind_name(err->kind), "what",
                               err->what, "remedy", err->remedy);

    /* Bytes that are no UTF-8 came from a peer: say at least the kind. */
    return object ? object
                  : json_pack("{s:s, s:s, s:s}", "kind", err_kind_name(err->kind), "what",
                              "(unreadable)", "remedy", "");
}

/* Who says that it failed has failed: "none" is no kind of failure, and is not believed. */
bool json_to_err(const json_t *object, struct err *err)
{
    enum err_kind kind = err_kind_of(json_string_or(object, "kind", "bug"));

    err_set(err, kind == ERR_NONE ? ERR_BUG : kind, "%s",
            json_string_or(object, "what", "(no reason given)"));
    const char *remedy = json_string_or(object, "remedy", "");

    return remedy[0] ? err_mend(err, "%s", remedy) : false;
}
