/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/change.h"

#include <string.h>

#include "base/text.h"
#include "manager/journal.h"

struct change {
    struct database *database;
    json_t *health; /* of each datastore by name: many hosts report the same one */
};

struct change *change_new(struct database *database)
{
    struct change *change = text_room(1, sizeof(*change));

    change->database = database;
    change->health = json_object();
    return change;
}

void change_free(struct change *change)
{
    if (change) {
        json_decref(change->health);
        free(change);
    }
}

void change_up(struct change *change, const char *host)
{
    const struct event event = {"info", "hosts", host, NULL};

    journal_event(change->database, &event, "the host answers");
}

void change_away(struct change *change, const char *host, const char *why)
{
    const struct event event = {"error", "hosts", host, NULL};

    journal_event(change->database, &event, "the host does not answer: %s", why);
}

static const json_t *vm_of(const json_t *report, const char *id)
{
    size_t i;
    json_t *vm;

    json_array_foreach(json_object_get(report, "vms"), i, vm)
    {
        if (strcmp(json_string_or(vm, "id", ""), id) == 0) {
            return vm;
        }
    }
    return NULL;
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

        if (before && (!was || strcmp(state, json_string_or(was, "state", "unknown")) != 0)) {
            journal_event(change->database, &event, "the virtual machine is %s on %s", state, host);
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
            journal_event(change->database, &event, "the virtual machine is no longer on %s", host);
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

        journal_event(change->database, &event, "health is %s, was %s%s%s", health, was,
                      why ? ": " : "", why ? why : "");
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

    if (json_is_false(json_object_get(was, "backup_fetched")) &&
        json_is_true(json_object_get(is, "backup_fetched"))) {
        journal_event(change->database, &event, "a backup of the keys of %s was fetched", host);
    }
    if (kek && old && strcmp(kek, old) != 0) {
        journal_event(change->database, &event, "new keys on %s are wrapped with %s now", host,
                      kek);
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
