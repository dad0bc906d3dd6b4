/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/text.h"
#include "base/uuid.h"
#include "manager/answer.h"
#include "manager/inventory.h"
#include "manager/journal.h"
#include "manager/live.h"

static bool is_journal(const char *collection)
{
    return strcmp(collection, "events") == 0 || strcmp(collection, "tasks") == 0;
}

/* `limit` and `only` (a kind, or NULL) are for events and tasks. */
static bool list_items(struct manager *manager, const char *collection, unsigned limit,
                       const char *only, json_t **out, struct err *err)
{
    const struct inventory_kind *kind = inventory_kind_find(collection);

    if (is_journal(collection)) {
        watch_settle(manager->watch);
        return journal_list(manager->database, collection, only, limit, out, err);
    }
    if (!kind && strcmp(collection, "vms") != 0) {
        return err_set(err, ERR_ABSENT, "there is no collection '%.64s'", collection);
    }
    AUTO(drop_json) json_t *now = watch_look(manager->watch);
    AUTO(drop_json) json_t *keks = NULL;

    if (!kind) {
        if (!database_rows(manager->database, "SELECT kek, since FROM keks", NULL, 0, &keks, err)) {
            return false;
        }
        *out = live_vms(now, keks);
        return true;
    }
    if (!inventory_list(manager->database, kind, out, err)) {
        return false;
    }
    live_add(kind, *out, now);
    return true;
}

static unsigned limit_of(const struct request *request)
{
    const char *text = request_query(request, "limit");
    unsigned long limit = text ? strtoul(text, NULL, 10) : JOURNAL_ANSWER;

    return limit == 0 || limit > JOURNAL_ANSWER_MAX ? JOURNAL_ANSWER_MAX : (unsigned)limit;
}

void answer_list(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_json) json_t *session = answer_to_whom(request, manager);
    AUTO(drop_json) json_t *items = NULL, *body = NULL;
    struct err err = {0};

    if (!session) {
        return;
    }
    if (!list_items(manager, request_value(request, "collection"), limit_of(request),
                    request_query(request, "kind"), &items, &err)) {
        reply_err(request, &err);
        return;
    }
    body = json_pack("{s:O}", "items", items);
    reply_json(request, 200, body);
}

/* By name or id; events and tasks have numbers. */
static bool is_called(const json_t *item, const char *which)
{
    const json_t *id = json_object_get(item, "id");
    AUTO(drop_free)
    char *number = text_make("%lld", (long long)json_integer_value(id));

    return json_is_integer(id) ? strcmp(number, which) == 0
                               : strcmp(json_string_or(item, "name", ""), which) == 0 ||
                                     strcmp(json_string_or(item, "id", ""), which) == 0;
}

static bool find_item(const json_t *items, const char *which, const json_t **out, struct err *err)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        if (is_called(item, which)) {
            *out = item;
            return true;
        }
    }
    return err_set(err, ERR_ABSENT, "there is no '%.64s' here", which);
}

bool answer_find(struct manager *manager, const char *collection, const char *which, json_t **out,
                 struct err *err)
{
    AUTO(drop_json) json_t *items = NULL;
    const json_t *item = NULL;

    if (!list_items(manager, collection, JOURNAL_MAX, NULL, &items, err) ||
        !find_item(items, which, &item, err)) {
        return err_add(err, "%s", collection);
    }
    *out = json_incref((json_t *)(uintptr_t)item);
    return true;
}

void answer_item(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_json) json_t *session = answer_to_whom(request, manager);
    AUTO(drop_json) json_t *item = NULL;
    struct err err = {0};

    if (!session) {
        return;
    }
    if (!answer_find(manager, request_value(request, "collection"), request_value(request, "item"),
                     &item, &err)) {
        reply_err(request, &err);
        return;
    }
    reply_json(request, 200, item);
}

/* A collection that people may change. */
static const struct inventory_kind *kind_of(const struct request *request, struct err *err)
{
    const char *collection = request_value(request, "collection");
    const struct inventory_kind *kind = inventory_kind_find(collection);

    if (!kind) {
        bool shown = is_journal(collection) || strcmp(collection, "vms") == 0;

        err_set(err, shown ? ERR_INPUT : ERR_ABSENT,
                shown ? "'%.64s' can be read, not changed" : "there is no collection '%.64s'",
                collection);
    }
    return kind;
}

/* This manager is of one cluster; its hosts would answer to no other. */
static bool is_ours(const struct manager *manager, const struct inventory_kind *kind,
                    const json_t *wish, struct err *err)
{
    const char *id = json_string_or(wish, "id", "");

    if (strcmp(kind->name, "clusters") == 0 && uuid_valid(id) &&
        strcmp(id, manager->identity->cluster_id) != 0) {
        return err_set(err, ERR_CLASH, "this manager is of the cluster %s, not %.36s",
                       manager->identity->cluster_id, id);
    }
    return true;
}

/* The item, its task and its event: all or none. */
static bool create(struct manager *manager, const struct inventory_kind *kind, const json_t *wish,
                   const char *user, json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *item = NULL;
    bool created = false;

    if (!is_ours(manager, kind, wish, err) || !database_begin(manager->database, err)) {
        return false;
    }
    bool ok = inventory_make(manager->database, kind, wish, &created, &item, err);
    const char *name = json_string_or(item, "name", "");

    if (ok && created) {
        const struct event event = {"info", kind->name, name, user};
        const struct task task = {"create", kind->name, name, user};

        ok = journal_task(manager->database, &task, err);
        journal_event(manager->database, &event, "%s created", kind->one);
    }
    if (!database_end(manager->database, ok, err)) {
        return false;
    }
    json_object_set_new(item, "created", json_boolean(created));
    *out = TAKE(item);
    return true;
}

static bool watch_if_host(struct manager *manager, const struct inventory_kind *kind,
                          struct err *err)
{
    return strcmp(kind->name, "hosts") != 0 || watch_again(manager->watch, err);
}

void answer_create(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_json) json_t *session = answer_to_whom(request, manager);
    AUTO(drop_json) json_t *wish = NULL, *item = NULL;
    struct err err = {0};
    const struct inventory_kind *kind = session ? kind_of(request, &err) : NULL;

    if (!session) {
        return;
    }
    if (!kind || !request_json(request, &wish, &err) ||
        !create(manager, kind, wish, json_string_or(session, "user", ""), &item, &err) ||
        !watch_if_host(manager, kind, &err)) {
        reply_err(request, &err);
        return;
    }
    reply_json(request, json_is_true(json_object_get(item, "created")) ? 201 : 200, item);
}

static bool remove_item(struct manager *manager, const struct inventory_kind *kind,
                        const char *which, const char *user, struct err *err)
{
    const struct event event = {"info", kind->name, which, user};
    const struct task task = {"remove", kind->name, which, user};

    if (!database_begin(manager->database, err)) {
        return false;
    }
    bool ok = inventory_remove(manager->database, kind, which, err) &&
              journal_task(manager->database, &task, err);

    if (ok) {
        journal_event(manager->database, &event, "%s removed", kind->one);
    }
    return database_end(manager->database, ok, err);
}

void answer_remove(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_json) json_t *session = answer_to_whom(request, manager);
    struct err err = {0};
    const struct inventory_kind *kind = session ? kind_of(request, &err) : NULL;

    if (!session) {
        return;
    }
    if (!kind ||
        !remove_item(manager, kind, request_value(request, "item"),
                     json_string_or(session, "user", ""), &err) ||
        !watch_if_host(manager, kind, &err)) {
        reply_err(request, &err);
        return;
    }
    reply_empty(request);
}
