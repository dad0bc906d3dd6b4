/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/audit.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/uuid.h"
#include "manager/journal.h"

/* An agent's largest answer (agent/audit.h), and two of them a round: what is left comes with the
 * next one. A host that has more to say than any has does not keep the manager from the others. */
#define EVENTS_MAX  512u
#define ANSWERS_MAX 2u
#define WORD_MAX    63u
#define KEK_MAX     255u
#define WHY_MAX     255u
/* Twice what an audit tells at most in one; a sentence of two numbers. */
#define SECONDS 10u

/* How far a host was read: `source` is "" before the first time. */
struct cursor {
    char source[UUID_SIZE];
    int64_t next;
};

static bool cursor_find(struct database *database, const char *host, struct cursor *out,
                        struct err *err)
{
    AUTO(drop_json) json_t *rows = NULL;

    if (!database_rows(database, "SELECT source, next FROM audits WHERE host = ?1",
                       VALUES(TEXT_VALUE(host)), 1, &rows, err)) {
        return false;
    }
    const json_t *row = json_array_get(rows, 0);

    (void)snprintf(out->source, sizeof(out->source), "%s", json_string_or(row, "source", ""));
    out->next = json_integer_value(json_object_get(row, "next"));
    return true;
}

/* No row for a host that was removed meanwhile: ERR_CLASH, and nothing is kept of it. */
static bool cursor_keep(struct database *database, const char *host, const struct cursor *cursor,
                        struct err *err)
{
    return database_do(
        database,
        "INSERT INTO audits (host, source, next) VALUES (?1, ?2, ?3) ON CONFLICT"
        " (host) DO UPDATE SET source = ?2, next = ?3",
        VALUES(TEXT_VALUE(host), TEXT_VALUE(cursor->source), INTEGER_VALUE(cursor->next)), 3, err);
}

/* The machine's name, where the host still knows it. */
static const char *vm_name(const json_t *report, const char *id)
{
    return json_string_or(json_find(json_object_get(report, "vms"), "id", id), "name", id);
}

static bool keep_one(struct database *database, const char *host, const json_t *report,
                     const json_t *event, struct err *err)
{
    const char *at, *verb, *kek, *purpose, *vm, *result;
    const char *why = json_string_or(event, "why", "");
    json_int_t times = json_integer_value(json_object_get(event, "times"));
    char often[32] = "";

    if (!json_get_string(event, "at", WORD_MAX, &at, err) ||
        !json_get_string(event, "verb", WORD_MAX, &verb, err) ||
        !json_get_string(event, "kek", KEK_MAX, &kek, err) ||
        !json_get_string(event, "purpose", WORD_MAX, &purpose, err) ||
        !json_get_string(event, "vm", WORD_MAX, &vm, err) ||
        !json_get_string(event, "result", WORD_MAX, &result, err)) {
        return false;
    }
    bool done = strcmp(result, "done") == 0;
    const struct event about = {done ? "info" : "warning", "key-providers",
                                json_string_or(json_object_get(report, "provider"), "name", ""),
                                NULL};

    if (times > 1) {
        (void)snprintf(often, sizeof(often), ", %lld times", (long long)times);
    }
    AUTO(drop_free)
    char *what = text_make("%s with KEK %s for %s%s%s: %s%s%.*s%s", verb, kek, purpose,
                           vm[0] ? " of " : "", vm[0] ? vm_name(report, vm) : "", result,
                           why[0] ? ": " : "", (int)WHY_MAX, why, often);

    text_flatten(what);
    return journal_use(database, &about, host, at, what, err);
}

static bool keep_all(struct database *database, const char *host, const json_t *report,
                     const json_t *answer, const struct cursor *cursor, struct err *err)
{
    const struct event lost = {"warning", "hosts", host, NULL};
    const json_t *events = json_object_get(answer, "events");
    size_t i;
    json_t *event;

    json_array_foreach((json_t *)(uintptr_t)events, i, event)
    {
        if (!keep_one(database, host, report, event, err)) {
            return err_add(err, "event %zu", i);
        }
    }
    if (json_is_true(json_object_get(answer, "lost")) &&
        !journal_use(database, &lost, host, "now",
                     "older uses of keys are in the host's journal only: journalctl "
                     "QUOIN_EVENT=key",
                     err)) {
        return false;
    }
    return cursor_keep(database, host, cursor, err);
}

bool audit_keep(struct database *database, const char *host, const json_t *report,
                const json_t *answer, bool *out_more, struct err *err)
{
    struct cursor cursor = {.next = 0};
    const json_t *events;
    const char *source, *who;

    if (!json_get_string(answer, "host", WORD_MAX, &who, err) ||
        !json_get_string(answer, "source", UUID_SIZE - 1, &source, err) ||
        !json_get_integer(answer, "next", 0, INT64_MAX, &cursor.next, err) ||
        !json_get_array(answer, "events", EVENTS_MAX, &events, err)) {
        return err_add(err, "the audit of '%s'", host);
    }
    if (strcmp(who, host) != 0 || !uuid_valid(source)) {
        return err_set(err, ERR_CLASH, "the audit of '%s' is not its own", host);
    }
    (void)snprintf(cursor.source, sizeof(cursor.source), "%s", source);
    if (!database_begin(database, err) ||
        !database_end(database, keep_all(database, host, report, answer, &cursor, err), err)) {
        return err_add(err, "the audit of '%s'", host);
    }
    *out_more = json_array_size(events) > 0;
    return true;
}

static bool ask(struct client *client, const struct cursor *cursor, json_t **out, struct err *err)
{
    AUTO(drop_free)
    char *path = text_make("/v1/events?after=%lld%s%s", (long long)cursor->next,
                           cursor->source[0] ? "&source=" : "", cursor->source);
    const struct client_call call = {.method = "GET", .path = path, .seconds = SECONDS};

    return client_ask(client, &call, out, err);
}

static bool gather(struct database *database, struct client *client, const char *host,
                   const json_t *report, struct err *err)
{
    const json_t *has = json_object_get(report, "events");
    const char *source = json_string_or(has, "source", "");
    json_int_t next = json_integer_value(json_object_get(has, "next"));
    bool more = true;

    for (unsigned i = 0; i < ANSWERS_MAX && more; i++) {
        AUTO(drop_json) json_t *answer = NULL;
        struct cursor cursor = {.next = 0};

        if (!cursor_find(database, host, &cursor, err)) {
            return false;
        }
        if (strcmp(cursor.source, source) == 0 && cursor.next >= next) {
            return true;
        }
        if (!ask(client, &cursor, &answer, err) ||
            !audit_keep(database, host, report, answer, &more, err)) {
            return false;
        }
    }
    return true;
}

void audit_gather(struct database *database, struct client *client, const char *host,
                  const json_t *report)
{
    struct err err = {0};

    if (json_is_object(json_object_get(report, "events")) &&
        !gather(database, client, host, report, &err)) {
        log_err(&err);
    }
}
