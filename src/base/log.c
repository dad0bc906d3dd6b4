/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-journal.h>

static const char *program_name = "quoin";
static int log_level = LOG_INFO;

void log_begin(const char *program, int level)
{
    program_name = program;
    log_level = level;
}

void log_say(int priority, const char *format, ...)
{
    char line[1536];
    va_list list;

    if (priority > log_level) {
        return;
    }
    va_start(list, format);
    (void)vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    if (getenv("JOURNAL_STREAM") &&
        sd_journal_send("MESSAGE=%s", line, "PRIORITY=%i", priority, "SYSLOG_IDENTIFIER=%s",
                        program_name, NULL) == 0) {
        return;
    }
    fprintf(stderr, "%s: %s\n", program_name, line);
}

void log_err(const struct err *err)
{
    if (err->remedy[0]) {
        log_say(LOG_ERR, "%s; %s", err->what, err->remedy);
    } else {
        log_say(LOG_ERR, "%s", err->what);
    }
}
