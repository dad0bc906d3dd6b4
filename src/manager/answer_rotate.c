/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "manager/answer.h"
#include "manager/inventory.h"

/* The task, as the collection shows it. */
static bool rotate(struct manager *manager, const char *which, const char *user, json_t **out,
                   struct err *err)
{
    AUTO(drop_json) json_t *provider = NULL;
    int64_t task = 0;

    if (!inventory_get(manager->database, inventory_kind_find("key-providers"), which, &provider,
                       err) ||
        !rotate_begin(manager->rotate, json_string_or(provider, "name", ""), user, &task, err)) {
        return err_add(err, "rotate");
    }
    AUTO(drop_free) char *number = text_make("%lld", (long long)task);

    return answer_find(manager, "tasks", number, out, err);
}

void answer_rotate(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_json) json_t *session = answer_to_whom(request, manager);
    AUTO(drop_json) json_t *task = NULL;
    struct err err = {0};

    if (!session) {
        return;
    }
    if (!rotate(manager, request_value(request, "item"), json_string_or(session, "user", ""), &task,
                &err)) {
        reply_err(request, &err);
        return;
    }
    reply_json(request, 202, task);
}
