/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <string.h>

bool store_backend_find(const char *type, const struct store_backend **out, struct err *err)
{
    AUTO(drop_text) struct text there = {0};

    for (size_t i = 0; stores[i]; i++) {
        if (strcmp(stores[i]->type, type) == 0) {
            *out = stores[i];
            return true;
        }
        text_addf(&there, "%s%s", i ? ", " : "", stores[i]->type);
    }
    (void)err_set(err, ERR_INPUT, "there is no datastore of type '%s'", type);
    return err_mend(err, "Use one of: %s.", there.bytes ? there.bytes : "(none)");
}

const char *store_state_name(enum store_state state)
{
    static const char *const names[] = {"ok", "warn", "failed", "away"};

    return names[state];
}

void store_health_clear(struct store_health *health)
{
    json_decref(health->members);
    json_decref(health->hosts);
    *health = (struct store_health){.members = NULL};
}

void store_attachment_clear(struct store_attachment *attachment)
{
    free(attachment->source);
    free(attachment->user);
    free(attachment->conf);
    free(attachment->hosts);
    secret_free(attachment->key);
    *attachment = (struct store_attachment){.protocol = NULL};
}
