/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#define MAX_LINE 1536

static const char *program_name = "quoin";
static int log_level = LOG_INFO;

void log_begin(const char *program, int level)
{
    program_name = program;
    log_level = level;
}

static bool send(int priority, const char *const *fields, const char *line)
{
    char text[3 + LOG_MAX_FIELDS][MAX_LINE + 16];
    struct iovec parts[3 + LOG_MAX_FIELDS];
    int count = 3;

    (void)snprintf(text[0], sizeof(text[0]), "MESSAGE=%s", line);
    (void)snprintf(text[1], sizeof(text[1]), "PRIORITY=%i", priority);
    (void)snprintf(text[2], sizeof(text[2]), "SYSLOG_IDENTIFIER=%s", program_name);
    for (; fields && fields[0] && count < 3 + LOG_MAX_FIELDS; fields += 2) {
        (void)snprintf(text[count], sizeof(text[count]), "%s=%s", fields[0], fields[1]);
        count++;
    }
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){text[i], strlen(text[i])};
    }
    return sd_journal_sendv(parts, count) == 0;
}

__attribute__((format(printf, 3, 0))) static void say(int priority, const char *const *fields,
                                                      const char *format, va_list list)
{
    char line[MAX_LINE];

    if (priority > log_level) {
        return;
    }
    (void)vsnprintf(line, sizeof(line), format, list);
    if (!getenv("JOURNAL_STREAM") || !send(priority, fields, line)) {
        fprintf(stderr, "%s: %s\n", program_name, line);
    }
}

void log_say(int priority, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(priority, NULL, format, list);
    va_end(list);
}

void log_fields(int priority, const char *const *fields, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(priority, fields, format, list);
    va_end(list);
}

void log_err(const struct err *err)
{
    if (err->remedy[0]) {
        log_say(LOG_ERR, "%s; %s", err->what, err->remedy);
    } else {
        log_say(LOG_ERR, "%s", err->what);
    }
}
