/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/maker.h"

#include <string.h>

#include "agent/member.h"

/* A KEK's id, a name and some braces. */
#define MAKER_MAX_TEXT 1024u
#define MAKER_FORMAT   1

/* Who makes what follows `old`, by the object; "": nobody yet. What cannot be read says nothing:
 * who can write it can remove it as well. What a newer quoin wrote is ERR_CLASH. */
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
    if (length > MAKER_MAX_TEXT || !json_read(text, length, &said, &why)) {
        return true;
    }
    if (!json_get_format(json_object_get(said, "quoin"), "rekey", MAKER_FORMAT, &why)) {
        *err = why;
        return why.kind != ERR_CLASH;
    }
    if (strcmp(json_string_or(said, "old", ""), old) == 0) {
        (void)snprintf(out_host, ROLE_NAME_MAX + 1, "%s", json_string_or(said, "maker", ""));
    }
    return true;
}

bool maker_is_this(struct agent *agent, bool *out, struct err *err)
{
    char maker[ROLE_NAME_MAX + 1] = "";
    struct store *store = NULL;
    uint64_t version = 0;

    if (agent->host.store_type &&
        !(agent_store(agent, &store, err) &&
          read_object(agent, store, agent->host.provider.kek, maker, &version, err))) {
        return err_add(err, "ask who makes the next KEK");
    }
    *out = strcmp(maker, agent->host.name) == 0;
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
    if (maker[0] && !member_is(agent, maker, &member, err)) {
        return err_add(err, "ask who makes the next KEK");
    }
    if (member) {
        err_set(err, ERR_CLASH, "host '%s' has begun to make the KEK that follows this one", maker);
        return err_mend(err, "ask that host first: it goes on there");
    }
    AUTO(drop_json)
    json_t *said = json_pack("{s:{s:i}, s:s, s:s}", "quoin", "rekey", MAKER_FORMAT, "old",
                             host->provider.kek, "maker", host->name);
    AUTO(drop_free) char *text = json_write(said);

    return agent->backend->objects->write(store, MAKER_OBJECT, text, strlen(text), version, NULL,
                                          err) ||
           err_add(err, "say that this host makes the next KEK");
}
