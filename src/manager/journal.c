/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

/* `host` NULL: those that the manager saw itself. */
static bool shorten(struct database *database, const char *kind, const char *host, int max,
                    struct err *err)
{
    return database_do(database,
                       "DELETE FROM events WHERE kind = ?1 AND host IS ?2 AND id <= (SELECT id FROM"
                       " events WHERE kind = ?1 AND host IS ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
                       VALUES(TEXT_VALUE(kind), TEXT_VALUE(host), INTEGER_VALUE(max)), 3, err);
}

/* The same sentence about the same object, lately. */
static bool is_kept(struct database *database, const struct event *event, const char *what,
                    bool *out, struct err *err)
{
    AUTO(drop_json) json_t *rows = NULL;

    if (event->quiet_seconds == 0) {
        *out = false;
        return true;
    }
    if (!database_rows(database,
                       "SELECT 1 FROM events WHERE at > unixepoch() - ?1 AND object = ?2"
                       " AND name = ?3 AND what = ?4 LIMIT 1",
                       VALUES(INTEGER_VALUE(event->quiet_seconds), TEXT_VALUE(event->object),
                              TEXT_VALUE(event->name), TEXT_VALUE(what)),
                       4, &rows, err)) {
        return false;
    }
    *out = json_array_size(rows) > 0;
    return true;
}

static bool keep(struct database *database, const struct event *event, const char *what,
                 struct err *err)
{
    bool kept = false;

    if (!is_kept(database, event, what, &kept, err) || kept) {
        return kept;
    }
    return database_do(database,
                       "INSERT INTO events (at, severity, object, name, actor, what)"
                       " VALUES (unixepoch(), ?1, ?2, ?3, ?4, ?5)",
                       VALUES(TEXT_VALUE(event->severity), TEXT_VALUE(event->object),
                              TEXT_VALUE(event->name), TEXT_VALUE(event->actor), TEXT_VALUE(what)),
                       5, err) &&
           shorten(database, "cluster", NULL, JOURNAL_MAX, err);
}

void journal_event(struct database *database, const struct event *event, const char *format, ...)
{
    char what[JOURNAL_WHAT];
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

bool journal_use(struct database *database, const struct event *event, const char *host,
                 const char *at, const char *what, struct err *err)
{
    return database_do(database,
                       "INSERT INTO events (at, severity, object, name, what, kind, host) VALUES"
                       " (coalesce(unixepoch(?1), unixepoch()), ?2, ?3, ?4, ?5, 'key', ?6)",
                       VALUES(TEXT_VALUE(at), TEXT_VALUE(event->severity),
                              TEXT_VALUE(event->object), TEXT_VALUE(event->name), TEXT_VALUE(what),
                              TEXT_VALUE(host)),
                       6, err) &&
           shorten(database, "key", host, JOURNAL_USES_MAX, err);
}

bool journal_task_begin(struct database *database, const struct task *task, int64_t *out_id,
                        struct err *err)
{
    AUTO(drop_json) json_t *rows = NULL;
    bool ok =
        database_begin(database, err) &&
        database_end(
            database,
            database_do(database,
                        "INSERT INTO tasks (kind, object, name, actor, state, percent,"
                        " began) VALUES (?1, ?2, ?3, ?4, 'running', 0, unixepoch())",
                        VALUES(TEXT_VALUE(task->kind), TEXT_VALUE(task->object),
                               TEXT_VALUE(task->name), TEXT_VALUE(task->actor)),
                        4, err) &&
                database_do(database,
                            "DELETE FROM tasks WHERE id <= (SELECT max(id) FROM tasks) - ?1",
                            VALUES(INTEGER_VALUE(JOURNAL_MAX)), 1, err) &&
                database_rows(database, "SELECT max(id) AS id FROM tasks", NULL, 0, &rows, err),
            err);

    if (ok) {
        *out_id = json_integer_value(json_object_get(json_array_get(rows, 0), "id"));
    }
    return ok;
}

bool journal_task(struct database *database, const struct task *task, struct err *err)
{
    return database_do(database,
                       "INSERT INTO tasks (kind, object, name, actor, state, percent, began, ended)"
                       " VALUES (?1, ?2, ?3, ?4, 'done', 100, unixepoch(), unixepoch())",
                       VALUES(TEXT_VALUE(task->kind), TEXT_VALUE(task->object),
                              TEXT_VALUE(task->name), TEXT_VALUE(task->actor)),
                       4, err) &&
           database_do(database, "DELETE FROM tasks WHERE id <= (SELECT max(id) FROM tasks) - ?1",
                       VALUES(INTEGER_VALUE(JOURNAL_MAX)), 1, err);
}

void journal_task_tell(struct database *database, int64_t id, unsigned percent, const char *doing)
{
    struct err err = {0};

    if (!database_do(database,
                     "UPDATE tasks SET percent = ?2, doing = ?3 WHERE id = ?1"
                     " AND state = 'running'",
                     VALUES(INTEGER_VALUE(id), INTEGER_VALUE(percent), TEXT_VALUE(doing)), 3,
                     &err)) {
        log_err(&err);
    }
}

void journal_task_end(struct database *database, int64_t id, const struct err *failure)
{
    struct err err = {0};

    if (!database_do(database,
                     "UPDATE tasks SET state = ?2, error = ?3, remedy = ?4, doing = NULL,"
                     " percent = CASE WHEN ?3 IS NULL THEN 100 ELSE percent END,"
                     " ended = unixepoch() WHERE id = ?1 AND state = 'running'",
                     VALUES(INTEGER_VALUE(id), TEXT_VALUE(failure ? "failed" : "done"),
                            TEXT_VALUE(failure ? failure->what : NULL),
                            TEXT_VALUE(failure && failure->remedy[0] ? failure->remedy : NULL)),
                     4, &err)) {
        log_err(&err);
    }
}

bool journal_tasks_left(struct database *database, struct err *err)
{
    return database_do(database,
                       "UPDATE tasks SET state = 'failed', ended = unixepoch(), doing = NULL,"
                       " error = 'the manager was started again meanwhile', remedy = 'ask for it"
                       " again: what is done already is found done' WHERE state = 'running'",
                       NULL, 0, err);
}

bool journal_list(struct database *database, const char *which, const char *kind, unsigned limit,
                  json_t **out, struct err *err)
{
    static const char events[] =
        "SELECT id, strftime('%Y-%m-%dT%H:%M:%SZ', at, 'unixepoch') AS at, severity, kind, object,"
        " name, host, actor, what FROM events WHERE ?2 IS NULL OR kind = ?2"
        " ORDER BY events.id DESC LIMIT ?1";
    static const char tasks[] = "SELECT id, kind, object, name, actor, state, percent, doing,"
                                " error, remedy,"
                                " strftime('%Y-%m-%dT%H:%M:%SZ', began, 'unixepoch') AS began,"
                                " strftime('%Y-%m-%dT%H:%M:%SZ', ended, 'unixepoch') AS ended"
                                " FROM tasks WHERE ?2 IS NULL OR kind = ?2"
                                " ORDER BY tasks.id DESC LIMIT ?1";

    return database_rows(database, strcmp(which, "tasks") == 0 ? tasks : events,
                         VALUES(INTEGER_VALUE(limit), TEXT_VALUE(kind)), 2, out, err);
}
