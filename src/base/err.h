/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An error: whose turn it is, what happened and how to mend it. It lives on the caller's stack and
 * owns nothing. Each layer adds only what it knows; the door (main, HTTP server) prints it once.
 */
#ifndef QUOIN_BASE_ERR_H
#define QUOIN_BASE_ERR_H

#include <stdbool.h>

enum err_kind {
    ERR_NONE,
    ERR_INPUT,  /* mend the request */
    ERR_DENIED, /* mend a permission */
    ERR_ABSENT, /* not there */
    ERR_CLASH,  /* there, but different */
    ERR_AWAY,   /* a peer did not answer: try again */
    ERR_SYSTEM, /* this machine or a host failed */
    ERR_BUG,    /* a fault in quoin */
};

struct err {
    enum err_kind kind;
    char what[768];   /* one line, outermost context first */
    char remedy[384]; /* one sentence, or empty */
};

/* All return false, so that a failure is one line: return err_set(…). */
bool err_set(struct err *err, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, with strerror(number) at the end; the kind follows from the number (ENOENT: absent, …).
 */
bool err_errno(struct err *err, int number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "context: " before what is already said. */
bool err_add(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says how to mend it; the innermost remedy stays if there is one. */
bool err_mend(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "input", "denied", … as JSON carries it; ERR_BUG for an unknown name. */
const char *err_kind_name(enum err_kind kind);
enum err_kind err_kind_of(const char *name);
/* CONTRACT: 0, 2, 3, 4, 5, 6, 7, 70. */
int err_exit_code(enum err_kind kind);
/* 200, 400, 403, 404, 409, 503, 500, 500. */
unsigned err_http_status(enum err_kind kind);

#endif
