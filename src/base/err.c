/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct {
    const char *name;
    int exit_code;
    unsigned http_status;
} kinds[] = {
    [ERR_NONE] = {"none", 0, 200},     [ERR_INPUT] = {"input", 2, 400},
    [ERR_DENIED] = {"denied", 3, 403}, [ERR_ABSENT] = {"absent", 4, 404},
    [ERR_CLASH] = {"clash", 5, 409},   [ERR_AWAY] = {"away", 6, 503},
    [ERR_SYSTEM] = {"system", 7, 500}, [ERR_BUG] = {"bug", 70, 500},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static enum err_kind kind_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return ERR_ABSENT;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EEXIST:
    case EBUSY:
        return ERR_CLASH;
    case ETIMEDOUT:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EPIPE:
        return ERR_AWAY;
    default:
        return ERR_SYSTEM;
    }
}

bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    va_list list;

    err->kind = kind;
    err->remedy[0] = '\0';
    va_start(list, format);
    (void)vsnprintf(err->what, sizeof(err->what), format, list);
    va_end(list);
    text_flatten(err->what);
    return false;
}

bool err_errno(struct err *err, int number, const char *format, ...)
{
    va_list list;

    err->kind = kind_of_errno(number);
    err->remedy[0] = '\0';
    va_start(list, format);
    (void)vsnprintf(err->what, sizeof(err->what), format, list);
    va_end(list);
    size_t length = strlen(err->what);
    (void)snprintf(err->what + length, sizeof(err->what) - length, ": %s", strerror(number));
    text_flatten(err->what);
    if (number == ENOSPC || number == EDQUOT) {
        return err_mend(err, "make room there, then run the same command again");
    }
    return false;
}

bool err_add(struct err *err, const char *format, ...)
{
    char inner[sizeof(err->what)];
    va_list list;

    memcpy(inner, err->what, sizeof(inner));
    va_start(list, format);
    (void)vsnprintf(err->what, sizeof(err->what), format, list);
    va_end(list);
    size_t length = strlen(err->what);
    (void)snprintf(err->what + length, sizeof(err->what) - length, ": %s", inner);
    text_flatten(err->what);
    return false;
}

bool err_mend(struct err *err, const char *format, ...)
{
    va_list list;

    if (err->remedy[0] != '\0') {
        return false;
    }
    va_start(list, format);
    (void)vsnprintf(err->remedy, sizeof(err->remedy), format, list);
    va_end(list);
    text_flatten(err->remedy);
    return false;
}

const char *err_kind_name(enum err_kind kind)
{
    return (size_t)kind < KINDS ? kinds[kind].name : kinds[ERR_BUG].name;
}

enum err_kind err_kind_of(const char *name)
{
    for (size_t i = 0; name && i < KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return (enum err_kind)i;
        }
    }
    return ERR_BUG;
}

int err_exit_code(enum err_kind kind)
{
    return (size_t)kind < KINDS ? kinds[kind].exit_code : kinds[ERR_BUG].exit_code;
}

unsigned err_http_status(enum err_kind kind)
{
    return (size_t)kind < KINDS ? kinds[kind].http_status : kinds[ERR_BUG].http_status;
}
