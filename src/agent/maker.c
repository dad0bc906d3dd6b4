/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/maker.h"

#include <string.h>

#include "agent/member.h"

/* A KEK's id, a name and some braces. */
#define MAKER_MAX_TEXT 1024u

/* Who makes what follows `old`, by the object; "": nobody yet. What cannot be read says nothing:
 * who can write it can remove it as well. */
static bool read_object(struct agent *agent, struct store *store, const char *old,
                        char out_host[ROLE_NAME_MAX + 1], uint64_t *out_version, struct err *err)
{
    AUTO(drop_free) char *text = NULL;
    AUTO(drop_json) json_t *said = NULL;
    struct err why = {0};
    size_t length = 0;

    out_host[0] = '\0';
    *out_version = 0;
    if (!agent->backend->objects->read(store, MAKER_OBJECT, &text, &length, out_version, &why)) {
        *err = why;
        return why.kind == ERR_ABSENT;
    }
    if (length <= MAKER_MAX_TEXT && json_read(text, length, &said, &why) &&
        strcmp(json_string_or(said, "old", ""), old) == 0) {
        (void)snprintf(out_host, ROLE_NAME_MAX + 1, "%s", json_string_or(said, "maker", ""));
    }
    return true;
}

static bool is_member(struct agent *agent, const char *host, bool *out, struct err *err)
{
    AUTO(drop_json) json_t *names = NULL;
    const json_t *name;
    size_t i;

    if (!member_names(agent, &names, err)) {
        return false;
    }
    *out = false;
    json_array_foreach(names, i, name)
    {
        *out = *out || strcmp(json_string_value(name), host) == 0;
    }
    return true;
}

bool maker_claim(struct agent *agent, struct err *err)
{
    const struct host *host = &agent->host;
    char maker[ROLE_NAME_MAX + 1];
    struct store *store = NULL;
    uint64_t version = 0;
    bool member = false;

    if (!host->store_type) {
        return true;
    }
    if (!agent_store(agent, &store, err) ||
        !read_object(agent, store, host->provider.kek, maker, &version, err)) {
        return err_add(err, "ask who makes the next KEK");
    }
    if (strcmp(maker, host->name) == 0) {
        return true;
    }
    if (maker[0] && !is_member(agent, maker, &member, err)) {
        return err_add(err, "ask who makes the next KEK");
    }
    if (member) {
        err_set(err, ERR_CLASH, "host '%s' has begun to make the KEK that follows this one", maker);
        return err_mend(err, "ask again: it goes on where that host is");
    }
    AUTO(drop_json)
    json_t *said = json_pack("{s:{s:i}, s:s, s:s}", "quoin", "rekey", 1, "old", host->provider.kek,
                             "maker", host->name);
    AUTO(drop_free) char *text = json_write(said);

    return agent->backend->objects->write(store, MAKER_OBJECT, text, strlen(text), version, NULL,
                                          err) ||
           err_add(err, "say that this host makes the next KEK");
}
