/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/change.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "manager/journal.h"

/* A cluster has two, in the midst of a rotation. */
#define KEKS_MAX 1000

struct change {
    json_t *health; /* of each datastore by name: many hosts report the same one */
    json_t *waits;  /* events that are not written yet */
};

struct change *change_new(void)
{
    struct change *change = text_room(1, sizeof(*change));

    change->health = json_object();
    change->waits = json_array();
    return change;
}

void change_free(struct change *change)
{
    if (change) {
        json_decref(change->health);
        json_decref(change->waits);
        free(change);
    }
}

static void note(struct change *change, const struct event *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void note(struct change *change, const struct event *event, const char *format, ...)
{
    char what[JOURNAL_WHAT];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(what, sizeof(what), format, list);
    va_end(list);
    /* What was cut may end inside a character: then it is no JSON, and left out. */
    json_t *one = json_pack("{s:s, s:s, s:s, s:s*}", "severity", event->severity, "object",
                            event->object, "name", event->name, "what", what);

    json_array_append_new(change->waits, one);
}

/* Keys are kept with the time of their first sight. */
static void note_kek(struct change *change, const json_t *before, const json_t *after)
{
    const char *kek = json_string_or(after, "kek", "");

    if (kek[0] && strcmp(json_string_or(before, "kek", ""), kek) != 0) {
        json_array_append_new(change->waits, json_pack("{s:s}", "kek", kek));
    }
}

bool change_waits(const struct change *change)
{
    return json_array_size(change->waits) > 0;
}

json_t *change_take(struct change *change)
{
    json_t *events = change->waits;

    change->waits = json_array();
    return events;
}

static void keep_kek(struct database *database, const char *kek)
{
    struct err err = {0};

    if (!database_do(database, "INSERT OR IGNORE INTO keks (kek, since) VALUES (?1, unixepoch())",
                     VALUES(TEXT_VALUE(kek)), 1, &err) ||
        !database_do(database, "DELETE FROM keks WHERE rowid <= (SELECT max(rowid) FROM keks) - ?1",
                     VALUES(INTEGER_VALUE(KEKS_MAX)), 1, &err)) {
        log_err(&err);
    }
}

void change_write(struct database *database, const json_t *events)
{
    struct err err = {0};
    size_t i;
    json_t *one;

    if (!database_begin(database, &err)) {
        log_err(&err);
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)events, i, one)
    {
        if (json_object_get(one, "kek")) {
            keep_kek(database, json_string_or(one, "kek", ""));
            continue;
        }
        const struct event event = {json_string_or(one, "severity", "info"),
                                    json_string_or(one, "object", ""),
                                    json_string_or(one, "name", ""), NULL};

        journal_event(database, &event, "%s", json_string_or(one, "what", "(unreadable)"));
    }
    if (!database_end(database, true, &err)) {
        log_err(&err);
    }
}

void change_up(struct change *change, const char *host)
{
    const struct event event = {"info", "hosts", host, NULL};

    note(change, &event, "the host answers");
}

void change_away(struct change *change, const char *host, const char *why)
{
    const struct event event = {"error", "hosts", host, NULL};

    note(change, &event, "the host does not answer: %s", why);
}

static const json_t *vm_of(const json_t *report, const char *id)
{
    return json_find(json_object_get(report, "vms"), "id", id);
}

static const char *vm_severity(const char *state)
{
    return strcmp(state, "running") == 0   ? "info"
           : strcmp(state, "crashed") == 0 ? "error"
                                           : "warning";
}

static void compare_vms(struct change *change, const char *host, const json_t *before,
                        const json_t *after)
{
    size_t i;
    json_t *vm;

    json_array_foreach(json_object_get(after, "vms"), i, vm)
    {
        const char *state = json_string_or(vm, "state", "unknown");
        const json_t *was = vm_of(before, json_string_or(vm, "id", ""));
        const struct event event = {vm_severity(state), "vms", json_string_or(vm, "name", ""),
                                    NULL};

        note_kek(change, was, vm);
        if (before && (!was || strcmp(state, json_string_or(was, "state", "unknown")) != 0)) {
            note(change, &event, "the virtual machine is %s on %s", state, host);
        }
    }
}

static void compare_removed(struct change *change, const char *host, const json_t *before,
                            const json_t *after)
{
    size_t i;
    json_t *vm;

    json_array_foreach(json_object_get(before, "vms"), i, vm)
    {
        const struct event event = {"info", "vms", json_string_or(vm, "name", ""), NULL};

        if (!vm_of(after, json_string_or(vm, "id", ""))) {
            note(change, &event, "the virtual machine is no longer on %s", host);
        }
    }
}

static void compare_datastore(struct change *change, const json_t *after)
{
    const json_t *datastore = json_object_get(after, "datastore");
    const char *name = json_string_or(datastore, "name", NULL);
    const char *health = json_string_or(datastore, "health", NULL);
    const json_t *reasons = json_object_get(datastore, "reasons");

    if (!name || !health) {
        return;
    }
    const char *was = json_string_or(change->health, name, NULL);
    const struct event event = {strcmp(health, "ok") == 0       ? "info"
                                : strcmp(health, "failed") == 0 ? "error"
                                                                : "warning",
                                "datastores", name, NULL};

    if (was && strcmp(was, health) != 0) {
        const char *why = json_string_value(json_array_get(reasons, 0));

        note(change, &event, "health is %s, was %s%s%s", health, was, why ? ": " : "",
             why ? why : "");
    }
    json_object_set_new(change->health, name, json_string(health));
}

static void compare_provider(struct change *change, const char *host, const json_t *before,
                             const json_t *after)
{
    const json_t *was = json_object_get(before, "provider"),
                 *is = json_object_get(after, "provider");
    const struct event event = {"info", "key-providers", json_string_or(is, "name", ""), NULL};
    const char *kek = json_string_or(is, "kek", NULL), *old = json_string_or(was, "kek", NULL);

    note_kek(change, was, is);
    if (json_is_false(json_object_get(was, "backup_fetched")) &&
        json_is_true(json_object_get(is, "backup_fetched"))) {
        note(change, &event, "a backup of the keys of %s was fetched", host);
    }
    if (kek && old && strcmp(kek, old) != 0) {
        note(change, &event, "new keys on %s are wrapped with %s now", host, kek);
    }
}

void change_report(struct change *change, const char *host, const json_t *before,
                   const json_t *after)
{
    compare_vms(change, host, before, after);
    compare_removed(change, host, before, after);
    compare_datastore(change, after);
    compare_provider(change, host, before, after);
}
