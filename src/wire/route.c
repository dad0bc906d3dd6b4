/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/route.h"

#include <string.h>

#include "base/auto.h"

static bool value_is_fit(const char *value, size_t length)
{
    if (length == 0 || length > ROUTE_VALUE_MAX || (length == 1 && value[0] == '.') ||
        (length == 2 && value[0] == '.' && value[1] == '.')) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool keep_value(struct route_values *values, const char *value, size_t length)
{
    if (values->count == ROUTE_VALUES_MAX || !value_is_fit(value, length)) {
        return false;
    }
    memcpy(values->value[values->count], value, length);
    values->value[values->count++][length] = '\0';
    return true;
}

/* Segment by segment; both begin with '/'. */
static bool path_matches(const char *pattern, const char *path, struct route_values *values)
{
    *values = (struct route_values){.path = pattern};
    while (*pattern == '/' && *path == '/') {
        pattern++, path++;
        size_t wanted = strcspn(pattern, "/"), given = strcspn(path, "/");

        if (*pattern == '{') {
            if (!keep_value(values, path, given)) {
                return false;
            }
        } else if (wanted != given || memcmp(pattern, path, given) != 0) {
            return false;
        }
        pattern += wanted;
        path += given;
    }
    return *pattern == '\0' && *path == '\0';
}

enum route_match route_find(const struct route *routes, size_t count, const char *method,
                            const char *path, const struct route **out, struct route_values *values)
{
    enum route_match match = ROUTE_NO_PATH;

    for (size_t i = 0; i < count; i++) {
        struct route_values found;

        if (!path_matches(routes[i].path, path, &found)) {
            continue;
        }
        if (strcmp(routes[i].method, method) == 0) {
            *out = &routes[i];
            *values = found;
            return ROUTE_FOUND;
        }
        match = ROUTE_NO_METHOD;
    }
    return match;
}

const char *route_value(const struct route_values *values, const char *name)
{
    const char *at = values->path;
    size_t length = strlen(name);

    for (unsigned i = 0; i < values->count; i++) {
        at = strchr(at, '{') + 1;
        if (strncmp(at, name, length) == 0 && at[length] == '}') {
            return values->value[i];
        }
    }
    return NULL;
}
