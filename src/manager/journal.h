/* SPDX-License-Identifier: Apache-2.0 */
/* What happened (events) and what was asked for (tasks), the newest kept. */
#ifndef QUOIN_MANAGER_JOURNAL_H
#define QUOIN_MANAGER_JOURNAL_H

#include "manager/database.h"

/* Of events of the cluster, and of tasks. A host that flaps every five seconds fills this in seven
 * hours; a quiet cluster in years. */
#define JOURNAL_MAX 5000
/* Of the uses of keys that one host told of: it pushes out its own alone. With a thousand hosts
 * some 200 MiB. */
#define JOURNAL_USES_MAX 500
/* An event is one line of so many bytes. */
#define JOURNAL_WHAT 512u
/* What one answer carries. */
#define JOURNAL_ANSWER_MAX 1000
#define JOURNAL_ANSWER     200

struct event {
    const char *severity; /* "info", "warning", "error" */
    const char *object;   /* a collection: "hosts" */
    const char *name;     /* of the object */
    const char *actor;    /* a user, or NULL: seen by the manager */
    /* The same sentence about the same object is not kept again for so many seconds: who repeats
     * himself shall not push out what others did. */
    unsigned quiet_seconds;
};

/* Also to the log. A database that cannot keep it is logged, not returned: what happened happened.
 */
void journal_event(struct database *database, const struct event *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A use of a KEK on a host, as its audit told: kept apart, so that uses and what else happens do
 * not push each other out. `at` is RFC 3339, or anything: then it is now. */
bool journal_use(struct database *database, const struct event *event, const char *host,
                 const char *at, const char *what, struct err *err);
/* "events" or "tasks", newest first, `limit` or fewer; of events those of a kind ("cluster", "key")
 * or, with NULL, all. */
bool journal_list(struct database *database, const char *which, const char *kind, unsigned limit,
                  json_t **out, struct err *err);

/* What somebody asked for. */
struct task {
    const char *kind;   /* "create", "remove", "rotate" */
    const char *object; /* a collection */
    const char *name;   /* of the object */
    const char *actor;  /* a user */
};

/* A task that is done already, such as "create" of an object. */
bool journal_task(struct database *database, const struct task *task, struct err *err);
/* One that takes its time: it is "running" until task_end. */
bool journal_task_begin(struct database *database, const struct task *task, int64_t *out_id,
                        struct err *err);
/* `doing` is a short phrase. Failures are logged: the work goes on. */
void journal_task_tell(struct database *database, int64_t id, unsigned percent, const char *doing);
/* `failure` NULL: "done", else "failed" with its error. */
void journal_task_end(struct database *database, int64_t id, const struct err *failure);
/* Those that a manager before us left running have failed: nobody waits for them any more. */
bool journal_tasks_left(struct database *database, struct err *err);

#endif
