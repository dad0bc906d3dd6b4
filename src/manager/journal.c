/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

/* An event is one line. */
#define WHAT_SIZE 512u

static bool keep(struct database *database, const struct event *event, const char *what,
                 struct err *err)
{
    return database_do(database,
                       "INSERT INTO events (at, severity, object, name, actor, what)"
                       " SELECT unixepoch(), ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM"
                       " events WHERE at > unixepoch() - ?6 AND object = ?2 AND name = ?3"
                       " AND what = ?5)",
                       VALUES(TEXT_VALUE(event->severity), TEXT_VALUE(event->object),
                              TEXT_VALUE(event->name), TEXT_VALUE(event->actor), TEXT_VALUE(what),
                              INTEGER_VALUE(event->quiet_seconds)),
                       6, err) &&
           database_do(database, "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?1",
                       VALUES(INTEGER_VALUE(JOURNAL_MAX)), 1, err);
}

void journal_event(struct database *database, const struct event *event, const char *format, ...)
{
    char what[WHAT_SIZE];
    struct err err = {0};
    va_list list;

    va_start(list, format);
    (void)vsnprintf(what, sizeof(what), format, list);
    va_end(list);
    log_say(event->severity[0] == 'i' ? LOG_INFO : LOG_WARNING, "%s '%s': %s", event->object,
            event->name, what);
    if (!keep(database, event, what, &err)) {
        log_err(&err);
    }
}

bool journal_task(struct database *database, const char *kind, const char *object, const char *name,
                  const char *actor, struct err *err)
{
    return database_do(
               database,
               "INSERT INTO tasks (kind, object, name, actor, state, began, ended)"
               " VALUES (?1, ?2, ?3, ?4, 'done', unixepoch(), unixepoch())",
               VALUES(TEXT_VALUE(kind), TEXT_VALUE(object), TEXT_VALUE(name), TEXT_VALUE(actor)), 4,
               err) &&
           database_do(database, "DELETE FROM tasks WHERE id <= (SELECT max(id) FROM tasks) - ?1",
                       VALUES(INTEGER_VALUE(JOURNAL_MAX)), 1, err);
}

bool journal_list(struct database *database, const char *which, unsigned limit, json_t **out,
                  struct err *err)
{
    static const char events[] =
        "SELECT id, strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch') AS at, severity, object, name,"
        " actor, what FROM events ORDER BY events.id DESC LIMIT ?1";
    static const char tasks[] = "SELECT id, kind, object, name, actor, state,"
                                " strftime('%Y-%m-%dT%H:%M:%SZ', began, 'unixepoch') AS began,"
                                " strftime('%Y-%m-%dT%H:%M:%SZ', ended, 'unixepoch') AS ended"
                                " FROM tasks ORDER BY tasks.id DESC LIMIT ?1";

    return database_rows(database, strcmp(which, "tasks") == 0 ? tasks : events,
                         VALUES(INTEGER_VALUE(limit)), 1, out, err);
}
