/* SPDX-License-Identifier: Apache-2.0 */
/* What happened (events) and what was asked for (tasks), the newest kept. */
#ifndef QUOIN_MANAGER_JOURNAL_H
#define QUOIN_MANAGER_JOURNAL_H

#include "manager/database.h"

/* A host that flaps every five seconds fills this in seven hours; a quiet cluster in years. */
#define JOURNAL_MAX 5000
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
/* A task that is done, such as "create" of an object. */
bool journal_task(struct database *database, const char *kind, const char *object, const char *name,
                  const char *actor, struct err *err);
/* "events" or "tasks", newest first, `limit` or fewer. */
bool journal_list(struct database *database, const char *which, unsigned limit, json_t **out,
                  struct err *err);

#endif
