/* SPDX-License-Identifier: Apache-2.0 */
/* The key provider on this host: proven by a real round trip, its KEK made or found. */
#include <string.h>

#include "agent/cached.h"
#include "agent/notice.h"
#include "agent/provider.h"
#include "agent/recover.h"
#include "agent/rekey.h"
#include "agent/share.h"
#include "agent/status.h"
#include "agent/step.h"
#include "key/kmiprequest.h"
#include "key/native.h"

/* An open key borrows these: what stays the same stays where it is. */
static void take(char **field, const char *value)
{
    if (!*field || !value || strcmp(*field, value) != 0) {
        host_set(field, value);
    }
}

static bool same(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

/* Other PCRs: what the provider keeps is bound to them when it is opened next, this host's private
 * key now, and keys of VMs are kept anew. What does not open any more is brought back by
 * key.recover.
 */
static bool rebind(struct agent *agent, const struct host_provider *given, struct err *err)
{
    const struct hostseal_conf conf = provider_sealing(agent, given);
    AUTO(drop_free) char *tls = agent_path(agent, "tls.key");
    AUTO(drop_secret) struct secret *secret = NULL;
    struct err why = {0};

    agent_key_close(agent);
    if (!cached_wipe(agent, err)) {
        return false;
    }
    if (file_exists(tls) && !hostseal_open(&conf, tls, "agent-tls", &secret, &why) &&
        why.kind != ERR_DENIED) {
        *err = why;
        return false;
    }
    return true;
}

/* Nothing is under another provider's keys before a KEK is known: until then a name may change. */
static bool take_conf(struct agent *agent, const json_t *params, struct err *err)
{
    AUTO(host_provider_clear) struct host_provider given = {0};
    struct host *host = &agent->host;

    if (!provider_read(agent, params, &given, err)) {
        return false;
    }
    bool other = host->provider.name && (strcmp(host->provider.name, given.name) != 0 ||
                                         strcmp(host->provider.type, given.type) != 0);

    if (other && host->provider.kek) {
        err_set(err, ERR_CLASH, "the key provider here is '%s' (%s), not '%s' (%s)",
                host->provider.name, host->provider.type, given.name, given.type);
        return err_mend(err,
                        "change to another provider with quoin key move --to BLUEPRINT, or name "
                        "the one that is here");
    }
    if (other) {
        agent_key_close(agent);
    }
    /* Kept anew for the time that is allowed now, if any. */
    if (!same(host->provider.cache, given.cache) && !cached_wipe(agent, err)) {
        return false;
    }
    if (!same(host->provider.pcrs, given.pcrs) && !rebind(agent, &given, err)) {
        return false;
    }
    pthread_mutex_lock(&agent->state);
    take(&host->provider.name, given.name);
    take(&host->provider.type, given.type);
    take(&host->provider.tpm, given.tpm);
    take(&host->provider.pcrs, given.pcrs);
    take(&host->provider.cache, given.cache);
    host->recovery = strcmp(json_string_or(params, "recovery", host->recovery ? "required" : "off"),
                            "required") == 0;
    pthread_mutex_unlock(&agent->state);
    return agent_save(agent, err);
}

/* An external provider, opened with what the step brought; it keeps that in its folder, sealed to
 * this host, and is opened from there ever after. */
static bool open_given(struct agent *agent, const json_t *params, struct err *err)
{
    AUTO(drop_provider) struct provider given = {0};
    struct key *key = NULL;

    agent_key_close(agent);
    return provider_open_given(agent, &agent->host.provider, params, &given, &key, err);
}

/* The first one, as every later one: by a label that is kept before it is made. */
static bool make_kek(struct agent *agent, struct key *key, struct making *making, struct err *err)
{
    const struct host_provider *host = &agent->host.provider;
    AUTO(drop_free) char *kek = NULL;

    if (host->kek) {
        return key_prove_here(key, host->kek, err);
    }
    AUTO(host_provider_clear) struct host_provider next = host_provider_copy(host);

    if (!rekey_intend(agent, &next, err) || !rekey_make(agent, &kek, err) ||
        !rekey_begin(agent, kek, err)) {
        return false;
    }
    making->changed = true;
    return true;
}

/* The first host makes the KEK; a further one has a parcel from another, and takes the cluster's:
 * it opens what that host wrapped, or it has another provider and is refused. */
static bool find_kek(struct agent *agent, struct key *key, const struct parcel *parcel,
                     struct making *making, struct err *err)
{
    return parcel ? share_prove(agent, making->params, parcel, &making->changed, err)
                  : make_kek(agent, key, making, err);
}

/* One that is in use already goes on where a server lacks it: that is told of. */
static void look_at_replicas(struct agent *agent, struct key *key)
{
    struct err why = {0};

    if (!key_prove_kek(key, agent->host.provider.kek, &why)) {
        audit_found(agent->audit, agent->host.provider.kek, &why);
    }
}

bool step_provider_open(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_parcel) struct parcel *parcel = NULL;
    bool joins = json_object_get(making->params, "parcel") != NULL;
    struct key *key = NULL;
    json_t *look = NULL;

    if (!take_conf(agent, making->params, err) ||
        (joins &&
         (!share_open(agent, making->params, &parcel, err) || !share_import(agent, parcel, err))) ||
        (json_object_get(making->params, "servers") && !open_given(agent, making->params, err)) ||
        !agent_key(agent, &key, err)) {
        return false;
    }
    progress_tell(making->progress, 20, "prove the key provider");
    if (!key_prove(key, err) || !find_kek(agent, key, parcel, making, err)) {
        return false;
    }
    look_at_replicas(agent, key);
    if (!key_look(key, &look, err)) {
        return false;
    }
    json_object_set_new(look, "kek", json_string(agent->host.provider.kek));
    status_add_rest(agent->provider.folder, look);
    audit_add_finding(agent->audit, agent->host.provider.kek, look);
    making->result = look;
    return true;
}

bool step_provider_request(struct agent *agent, struct making *making, struct err *err)
{
    const struct host *host = &agent->host;
    AUTO(drop_free) char *common_name = text_make("quoin %.24s %.24s", host->cluster, host->name);
    AUTO(drop_free) char *pem = NULL;

    if (!take_conf(agent, making->params, err)) {
        return false;
    }
    const struct provider_conf conf = {.folder = agent->provider.folder,
                                       .host = agent_hostseal_conf(agent)};

    if (!kmiprequest_make(&conf, common_name, &pem, err)) {
        return false;
    }
    making->result = json_pack("{s:s}", "request", pem);
    return true;
}

/* At an external provider the KEK would outlive the cluster that it belonged to. One whose folder
 * is gone was retired before it went (agent/rekey.c). */
static bool retire_kek(struct agent *agent, const struct host_provider *host, struct err *err)
{
    const struct envelope_about about = {.provider = host->name, .type = host->type};
    struct key *key = NULL;

    if (!host->kek || strcmp(host->type, "native") == 0 ||
        (host == &agent->host.old && !file_exists(agent->old.folder))) {
        return true;
    }
    if (!agent_key_for(agent, &about, &key, err) || !key_kek_retire(key, host->kek, err)) {
        err_add(err, "retire the KEK %s", host->kek);
        return err_mend(err, "run the same command again when the key provider answers");
    }
    return true;
}

bool step_provider_remove(struct agent *agent, struct making *making, struct err *err)
{
    static const char *const files[] = {"ca.envelope", "ca.pem", "tls.pem"};
    AUTO(drop_free) char *tls = agent_path(agent, "tls.key");

    /* A host that leaves takes only its own away: the cluster goes on with the KEK. */
    bool leaves = json_is_true(json_object_get(making->params, "leave"));

    if (agent->vms || agent->host.store_type) {
        return err_set(err, ERR_CLASH, "the keys go last: VMs or a datastore are still here");
    }
    if (!leaves && (!retire_kek(agent, &agent->host.old, err) ||
                    !retire_kek(agent, &agent->host.provider, err))) {
        return false;
    }
    agent_key_close(agent);
    /* Overwritten, not only unlinked; what another type of provider left goes with the folder. */
    if (!native_destroy(agent->provider.folder, err) || !native_destroy(agent->old.folder, err) ||
        !hostseal_remove(tls, err) || !notice_forget(agent, err) || !recover_forget(agent, err) ||
        !cached_wipe(agent, err)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(drop_free) char *path = agent_path(agent, files[i]);

        if (!file_remove(path, err)) {
            return false;
        }
    }
    pthread_mutex_lock(&agent->state);
    struct server *network = TAKE(agent->network);
    bool left = host_leave(&agent->host, err);
    pthread_mutex_unlock(&agent->state);
    server_stop(network);
    making->changed = true;
    return left;
}
