/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a rekey. key.make and key.take bring the new KEK, key.rewrap changes what this host
 * may change, key.retire ends the old KEK after a look at everything; key.look changes nothing. In
 * this order, each as often as one likes.
 */
#include <string.h>

#include "agent/maker.h"
#include "agent/provider.h"
#include "agent/rekey.h"
#include "agent/rewrap.h"
#include "agent/share.h"
#include "agent/step.h"

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *keks_json(const struct agent *agent)
{
    const struct host *host = &agent->host;

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "provider", host->provider.name, "type",
                     host->provider.type, "kek", text_or_null(host->provider.kek), "made",
                     text_or_null(host->provider.made), "old", text_or_null(host->old.kek),
                     "old_provider", text_or_null(host->old.name));
}

static bool is_deployed(const struct agent *agent, struct err *err)
{
    if (!agent->host.provider.kek) {
        err_set(err, ERR_ABSENT, "this host has no KEK yet");
        return err_mend(err, "run quoin deploy first");
    }
    return true;
}

/* ---- which provider is meant ---- */

/* The one that wraps, again. */
static struct host_provider stay(const struct agent *agent)
{
    struct host_provider next = host_provider_copy(&agent->host.provider);

    host_set(&next.kek, NULL);
    host_set(&next.made, NULL);
    return next;
}

/* The other one of the two folders. */
static const char *free_folder(const struct agent *agent)
{
    const char *folder = agent->host.provider.folder;

    return folder && strcmp(folder, HOST_OTHER_FOLDER) == 0 ? HOST_PROVIDER_FOLDER
                                                            : HOST_OTHER_FOLDER;
}

/* Envelopes name their provider: two of one name and type could not be told apart. */
static bool read_target(const struct agent *agent, const json_t *params, struct host_provider *out,
                        struct err *err)
{
    if (!provider_read(agent, params, out, err)) {
        return err_add(err, "the provider to move to");
    }
    host_set(&out->folder, free_folder(agent));
    return true;
}

static bool names(const struct host_provider *host, const json_t *target)
{
    return host->name && strcmp(host->name, json_string_or(target, "name", "")) == 0 &&
           strcmp(host->type, json_string_or(target, "type", "")) == 0;
}

/* What was begun is finished before anything else is. */
static bool refuse_other(const struct agent *agent, const json_t *target, struct err *err)
{
    const struct host *host = &agent->host;
    bool moved = strcmp(host->old.name, host->provider.name) != 0 ||
                 strcmp(host->old.type, host->provider.type) != 0;

    if (!target && moved) {
        err_set(err, ERR_CLASH, "a move from key provider '%s' to '%s' is not finished",
                host->old.name, host->provider.name);
        return err_mend(err, "finish it with quoin key move --to its blueprint; where that "
                             "provider is gone for good: quoin key recover --file FILE");
    }
    if (target && !names(&host->provider, target)) {
        err_set(err, ERR_CLASH, "a change of the KEK at key provider '%s' is not finished",
                host->provider.name);
        return err_mend(err, moved ? "finish it with quoin key move --to its blueprint"
                                   : "finish it with quoin key rotate");
    }
    return true;
}

/* ---- key.make, key.take ---- */

/* What a step brings: a provider to move to, a KEK that another host made and the parcel with it.
 * Each may be NULL. */
struct bringing {
    const json_t *target;
    const char *kek;
    struct parcel *parcel; /* owned */
};

static void drop_bringing(struct bringing *bringing)
{
    parcel_free(bringing->parcel);
}

/* A native provider's keys come from the host that made them. */
static bool unpack(struct agent *agent, const struct host_provider *next,
                   const struct bringing *bringing, struct err *err)
{
    AUTO(drop_free) char *folder = provider_path(agent, next);
    const struct hostseal_conf conf = provider_sealing(agent, next);

    return !bringing->parcel || strcmp(next->type, "native") != 0 ||
           share_import_to(agent, folder, &conf, bringing->parcel, err);
}

/* Opened and proven before anything is kept of it; the provider that is left as well, since all
 * that it wrapped has to be opened. */
static bool prove(struct agent *agent, const struct host_provider *next,
                  const struct bringing *bringing, struct err *err)
{
    AUTO(drop_provider) struct provider other = {0};
    const json_t *target = bringing->target;
    struct key *key = NULL;

    if (!agent_key(agent, &key, err) || !key_prove(key, err)) {
        return false;
    }
    if (target && !(json_object_get(target, "servers")
                        ? provider_open_given(agent, next, target, &other, &key, err)
                        : provider_open(agent, next, &other, &key, err))) {
        return false;
    }
    return (!target || key_prove(key, err)) &&
           (!bringing->kek || key_prove_kek(key, bringing->kek, err) ||
            err_add(err, "use the new KEK here"));
}

static bool prepare(struct agent *agent, struct making *making, const struct bringing *bringing,
                    struct err *err)
{
    struct host_provider next = {0};

    if (!bringing->target) {
        next = stay(agent);
    } else if (!read_target(agent, bringing->target, &next, err)) {
        return false;
    }
    progress_tell(making->progress, 10, "prove the key provider");
    bool kept = unpack(agent, &next, bringing, err) && prove(agent, &next, bringing, err) &&
                (bringing->kek || maker_claim(agent, err)) && rekey_intend(agent, &next, err);

    host_provider_clear(&next);
    return kept;
}

static bool begin(struct agent *agent, struct making *making, const struct bringing *bringing,
                  struct err *err)
{
    AUTO(drop_free) char *made = NULL;

    if (!prepare(agent, making, bringing, err) ||
        (!bringing->kek && !rekey_make(agent, &made, err)) ||
        !rekey_begin(agent, bringing->kek ? bringing->kek : made, err)) {
        return false;
    }
    making->changed = true;
    return true;
}

static bool is_the_one(const struct host_provider *now, const char *given, struct err *err)
{
    return !given || strcmp(given, now->kek) == 0 ||
           err_set(err, ERR_CLASH, "the new KEK here is %s already, not %s", now->kek, given);
}

/* An object "provider" in params: a move to it; its members are those of provider.open. */
static bool bring(struct agent *agent, struct making *making, const struct bringing *bringing,
                  struct err *err)
{
    const struct host_provider *now = &agent->host.provider;

    if (!is_deployed(agent, err)) {
        return false;
    }
    if (rekey_is_open(agent)) {
        /* Kept once more: an earlier try may have failed right there. */
        if (!refuse_other(agent, bringing->target, err) || !is_the_one(now, bringing->kek, err) ||
            !agent_save(agent, err)) {
            return false;
        }
    } else if (!(bringing->target && names(now, bringing->target)) &&
               !(bringing->kek && strcmp(bringing->kek, now->kek) == 0) &&
               !begin(agent, making, bringing, err)) {
        return false;
    }
    making->result = keks_json(agent);
    audit_add_finding(agent->audit, now->kek, making->result);
    return true;
}

bool step_key_make(struct agent *agent, struct making *making, struct err *err)
{
    const struct bringing bringing = {.target = json_object_get(making->params, "provider")};

    return bring(agent, making, &bringing, err);
}

bool step_key_take(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_bringing)
    struct bringing bringing = {.target = json_object_get(making->params, "provider")};

    return json_get_string(making->params, "kek", ENVELOPE_MAX_KEK_ID, &bringing.kek, err) &&
           (!json_object_get(making->params, "parcel") ||
            share_open(agent, making->params, &bringing.parcel, err)) &&
           bring(agent, making, &bringing, err);
}

/* ---- key.rewrap ---- */

static bool rewrap_vms(struct agent *agent, struct making *making, json_t *done, struct err *err)
{
    struct err kept = {0};

    if (agent->host.store_type && !vm_list_load(agent, err)) {
        return false;
    }
    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        struct err now = {0};
        bool changed = false;

        progress_tell(making->progress, 50, "rewrap");
        if (!rewrap_open(vm, &now) || (rewrap_is_ours(vm) && !rewrap_vm(vm, &changed, &now))) {
            kept = now; /* one that cannot be now does not hold the others back */
            continue;
        }
        making->changed = making->changed || changed;
        json_array_append_new(done, json_pack("{s:s, s:s, s:s, s:b}", "id", vm->uuid, "name",
                                              json_string_or(vm->config, "name", ""), "host",
                                              json_string_or(vm->config, "host", ""), "changed",
                                              changed));
        rewrap_leave(vm);
    }
    if (kept.kind != ERR_NONE) {
        *err = kept;
        return false;
    }
    return true;
}

bool step_key_rewrap(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_json) json_t *done = json_array();
    bool changed = false, recovery = false;

    if (!is_deployed(agent, err) || !rewrap_vms(agent, making, done, err) ||
        !rewrap_ca(agent, &changed, err) || !rewrap_recovery(agent, &recovery, err)) {
        return false;
    }
    making->changed = making->changed || changed || recovery;
    making->result = json_pack("{s:O, s:b}", "vms", done, "ca", changed);
    return true;
}

/* ---- key.look, key.retire ---- */

bool step_key_look(struct agent *agent, struct making *making, struct err *err)
{
    bool prove = json_is_true(json_object_get(making->params, "prove"));
    size_t left = 0;

    if (!is_deployed(agent, err) ||
        !rewrap_look(agent, prove, making->progress, &making->result, &left, err)) {
        return false;
    }
    AUTO(drop_json) json_t *keks = keks_json(agent);

    json_object_update(making->result, keks);
    json_object_set_new(making->result, "left", json_integer((json_int_t)left));
    return true;
}

static bool nothing_left(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_json) json_t *look = NULL;
    size_t left = 0;

    if (!rewrap_look(agent, true, making->progress, &look, &left, err)) {
        return false;
    }
    if (left > 0) {
        err_set(err, ERR_CLASH, "%zu envelopes are not proven to be under KEK %s", left,
                agent->host.provider.kek);
        return err_mend(err, "the old KEK is kept; quoin key list says which, and running the same "
                             "command again goes on");
    }
    return true;
}

bool step_key_retire(struct agent *agent, struct making *making, struct err *err)
{
    const char *kek;

    if (!json_get_string(making->params, "kek", ENVELOPE_MAX_KEK_ID, &kek, err)) {
        return false;
    }
    if (agent->host.provider.kek && strcmp(agent->host.provider.kek, kek) == 0) {
        return err_set(err, ERR_CLASH, "KEK %s is in use", kek);
    }
    if (!rekey_is_open(agent)) {
        return true;
    }
    if (strcmp(agent->host.old.kek, kek) != 0) {
        return err_set(err, ERR_CLASH, "the KEK that is left here is %s, not %s",
                       agent->host.old.kek, kek);
    }
    if (!nothing_left(agent, making, err) || !rekey_end(agent, err)) {
        return false;
    }
    making->changed = true;
    return true;
}
