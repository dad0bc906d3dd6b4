/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rekey.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/cached.h"
#include "agent/provider.h"
#include "key/ledger.h"
#include "key/native.h"

static bool same_provider(const struct host_provider *a, const struct host_provider *b)
{
    return a->name && b->name && strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0;
}

bool rekey_is_open(const struct agent *agent)
{
    return agent->host.old.kek != NULL;
}

/* Its secrets go one after the other: by another name first, so that a kill in between leaves no
 * half of it that would have to be opened. What has such a name goes with provider.remove too. */
static bool destroy(const char *folder, struct err *err)
{
    AUTO(drop_free) char *gone = text_make("%s.lost-gone", folder);

    if (!native_destroy(gone, err)) {
        return false;
    }
    if (file_exists(folder) && rename(folder, gone) != 0) {
        return err_errno(err, errno, "put '%s' aside", folder);
    }
    return native_destroy(gone, err);
}

static bool is_move(const struct host *host, const struct host_provider *other)
{
    return host->provider.name && !same_provider(&host->provider, other);
}

/* ---- the intended one ---- */

bool rekey_make(struct agent *agent, char **out_kek, struct err *err)
{
    struct host *host = &agent->host;
    AUTO(drop_provider) struct provider other = {0};
    AUTO(drop_free) char *kek = NULL;
    struct key *key = NULL;

    if (!(is_move(host, &host->next) ? provider_open(agent, &host->next, &other, &key, err)
                                     : agent_key(agent, &key, err))) {
        return false;
    }
    if (!key_kek_make(key, host->next_label, &kek, err) || !key_prove_kek(key, kek, err)) {
        return false;
    }
    *out_kek = TAKE(kek);
    return true;
}

static bool forget_intent(struct agent *agent, struct err *err)
{
    struct host *host = &agent->host;
    struct host_provider gone = {0};

    pthread_mutex_lock(&agent->state);
    host_provider_take(&gone, &host->next);
    host_set(&host->next_label, NULL);
    pthread_mutex_unlock(&agent->state);
    host_provider_clear(&gone);
    return agent_save(agent, err);
}

/* Asking for it by its label gives it, or makes it for the moment. */
static bool retire_next(struct agent *agent, bool move, struct err *err)
{
    struct host *host = &agent->host;
    AUTO(drop_provider) struct provider other = {0};
    AUTO(drop_free) char *kek = NULL;
    struct key *key = NULL;

    return (move ? provider_open(agent, &host->next, &other, &key, err)
                 : agent_key(agent, &key, err)) &&
           key_kek_make(key, host->next_label, &kek, err) && key_kek_retire(key, kek, err);
}

/* The folder was there before the intent was: it is gone where an earlier try came this far. */
static bool give_up(struct agent *agent, struct err *err)
{
    struct host *host = &agent->host;
    AUTO(drop_free) char *folder = provider_path(agent, &host->next);
    bool move = is_move(host, &host->next);

    if ((!(move && !file_exists(folder)) && !retire_next(agent, move, err)) ||
        (move && !destroy(folder, err))) {
        err_add(err, "give up the move to key provider '%s' that was begun", host->next.name);
        return err_mend(err,
                        "finish it with its own blueprint, or try again when it answers; where "
                        "it is gone for good: quoin key recover --file FILE");
    }
    return forget_intent(agent, err);
}

bool rekey_intend(struct agent *agent, struct host_provider *next, struct err *err)
{
    struct host *host = &agent->host;
    char uuid[UUID_SIZE];

    if (host->next_label && same_provider(&host->next, next)) {
        return true;
    }
    if (host->next_label && !give_up(agent, err)) {
        return false;
    }
    uuid_make(uuid);
    AUTO(drop_free) char *label = text_make("%s %s", host->cluster, uuid);

    pthread_mutex_lock(&agent->state);
    host_provider_take(&host->next, next);
    host_set(&host->next_label, label);
    pthread_mutex_unlock(&agent->state);
    return agent_save(agent, err);
}

/* ---- two KEKs ---- */

bool rekey_begin(struct agent *agent, const char *kek, struct err *err)
{
    struct host *host = &agent->host;
    bool move = is_move(host, &host->next);
    struct host_provider old = host_provider_copy(&host->provider);
    char now[LEDGER_TIME_SIZE];

    if (move) {
        agent_key_close(agent); /* it borrows the strings that change place */
    }
    ledger_now(now);
    pthread_mutex_lock(&agent->state);
    if (old.kek) {
        host_provider_take(&host->old, &old);
    }
    host_set(&host->provider.kek, kek);
    host_set(&host->provider.made, now);
    if (move) {
        host_set(&host->next.kek, kek);
        host_set(&host->next.made, now);
        host_provider_take(&host->provider, &host->next);
    }
    pthread_mutex_unlock(&agent->state);
    host_provider_clear(&old);
    if (move) {
        provider_find(agent);
    }
    return forget_intent(agent, err);
}

/* ---- the end of the old one ---- */

/* What a native provider wrapped is lost with its folder: that a part of it is gone already, from a
 * try that was killed, is no reason to stop. */
static bool retire(struct agent *agent, const struct host_provider *old, bool move, struct err *err)
{
    const struct envelope_about about = {.provider = old->name, .type = old->type};
    struct key *key = NULL;

    if (move && !file_exists(agent->old.folder)) {
        return true;
    }
    bool retired = agent_key_for(agent, &about, &key, err) && key_kek_retire(key, old->kek, err);

    if (!retired && !(move && strcmp(old->type, "native") == 0)) {
        err_add(err, "retire the KEK %s", old->kek);
        return err_mend(err, "all is under the new KEK; run the same command again when the old "
                             "key provider answers");
    }
    return true;
}

bool rekey_end(struct agent *agent, struct err *err)
{
    struct host *host = &agent->host;
    bool move = is_move(host, &host->old);

    if (!rekey_is_open(agent)) {
        return true;
    }
    if (!cached_wipe(agent, err) || !retire(agent, &host->old, move, err) ||
        (move && !destroy(agent->old.folder, err))) {
        return false;
    }
    struct host_provider gone = {0};

    pthread_mutex_lock(&agent->state);
    host_provider_take(&gone, &host->old);
    pthread_mutex_unlock(&agent->state);
    provider_find(agent);
    host_provider_clear(&gone);
    return agent_save(agent, err);
}
