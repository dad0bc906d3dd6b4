/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log at the door: main, the HTTP server and the step runner, once an event. To the journal with
 * fields where standard error is the journal, else to standard error. Never a secret: there is no
 * way to format one.
 */
#ifndef QUOIN_BASE_LOG_H
#define QUOIN_BASE_LOG_H

#include <syslog.h>

#include "base/err.h"

/* The name before each line on standard error; messages above `level` (LOG_INFO, …) are left out.
 */
void log_begin(const char *program, int level);
void log_say(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with fields for those who search the journal: name, value, name, value, NULL; at most
 * LOG_MAX_FIELDS of them. */
#define LOG_MAX_FIELDS 8
void log_fields(int priority, const char *const *fields, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "what; remedy" at LOG_ERR. */
void log_err(const struct err *err);

#endif
