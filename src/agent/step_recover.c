/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.recover: the way out when the key provider is gone for good, TPM or key server. By the
 * recovery key that the user brought (PUT by POST /v1/key/recover, in locked memory) every VM key
 * and the CA's are opened, and wrapped again under a KEK of the provider that there is from now on.
 * Killed anywhere, it is begun again: what opens already is left as it is.
 */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/ca.h"
#include "agent/cached.h"
#include "agent/enrol.h"
#include "agent/home.h"
#include "agent/notice.h"
#include "agent/provider.h"
#include "agent/recover.h"
#include "agent/rewrap.h"
#include "agent/step.h"
#include "key/ecjwk.h"
#include "key/native.h"

#define LOST ".lost-"

/* ---- the provider ---- */

/* What is left of the old one is put aside, not wiped: should its TPM or its server come back after
 * all, it still opens what it wrapped. provider.remove wipes it. */
static bool put_aside(struct agent *agent, struct err *err)
{
    struct host *host = &agent->host;
    AUTO(drop_free)
    char *aside = text_make("%s" LOST "%lld", agent->provider.folder, (long long)time(NULL));

    agent_key_close(agent);
    if (!cached_wipe(agent, err)) {
        return false;
    }
    if (file_exists(agent->provider.folder) && rename(agent->provider.folder, aside) != 0) {
        return err_set(err, ERR_SYSTEM, "cannot put '%s' aside", agent->provider.folder);
    }
    /* How secrets rest here stays: this host's private key would else be bound to nothing. */
    struct host_provider next = {.tpm = text_copy(host->provider.tpm),
                                 .pcrs = text_copy(host->provider.pcrs)};

    pthread_mutex_lock(&agent->state);
    host_provider_take(&host->provider, &next);
    host_provider_clear(&host->old);
    host_provider_clear(&host->next);
    host_set(&host->next_label, NULL);
    pthread_mutex_unlock(&agent->state);
    provider_find(agent);
    return agent_save(agent, err);
}

/* Something wrapped by the KEK that wraps now comes back. */
static bool is_usable(struct agent *agent, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_secret) struct secret *canary = NULL, *again = NULL;
    struct envelope_about about = {.kek_id = agent->host.provider.kek,
                                   .vm = agent->host.cluster_id,
                                   .purpose = "canary",
                                   .generation = 1};
    struct key *key = NULL;

    return about.kek_id && secret_random(32, &canary, err) && agent_key(agent, &key, err) &&
           key_wrap(key, &about, canary, &envelope, err) &&
           key_unwrap(key, envelope, &about, &again, err) && secret_equal(canary, again);
}

static bool is_other(const struct agent *agent, const json_t *params)
{
    const struct host_provider *now = &agent->host.provider;

    return now->name && (strcmp(json_string_or(params, "name", ""), now->name) != 0 ||
                         strcmp(json_string_or(params, "type", ""), now->type) != 0);
}

/* Its keys are gone, or are others. Denied is one thing of the native provider, whose root key its
 * TPM alone opens (hostseal.h), and another of a server, which may let us in again tomorrow. */
static bool is_lost(const struct agent *agent, const struct err *why)
{
    bool native = strcmp(agent->host.provider.type, "native") == 0;

    return why->kind == ERR_NONE || why->kind == ERR_ABSENT || (native && why->kind == ERR_DENIED);
}

/* What a step brought is used up by the first that opens a provider. */
static bool keep(const struct secret *given, struct secret **out, struct err *err)
{
    return !given || secret_copy(given, out, err);
}

static bool open_again(struct agent *agent, struct making *making, struct secret **private_key,
                       struct secret **password, struct err *err)
{
    secret_free(agent->private_key);
    secret_free(agent->password);
    agent->private_key = TAKE(*private_key);
    agent->password = TAKE(*password);
    return step_provider_open(agent, making, err);
}

/* The one that is named, with a KEK that works. One that has lost its keys is begun anew; whatever
 * else stands in its way, it is left as it is and asked again later. */
static bool have_provider(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_secret) struct secret *private_key = NULL, *password = NULL;
    bool other = is_other(agent, making->params);
    struct err why = {0};

    if (!keep(agent->private_key, &private_key, err) || !keep(agent->password, &password, err)) {
        return false;
    }
    if (!other && step_provider_open(agent, making, &why) && is_usable(agent, &why)) {
        return true;
    }
    json_decref(TAKE(making->result));
    if (!other && !is_lost(agent, &why)) {
        *err = why;
        return false;
    }
    making->changed = true;
    return put_aside(agent, err) && open_again(agent, making, &private_key, &password, err);
}

/* ---- what it wraps ---- */

static bool recover_ca(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    AUTO(drop_secret) struct secret *secret = NULL;
    struct err none = {0};

    /* It may open by a KEK that was given up, where its provider is the one that is named again. */
    if (ca_open(agent, &secret, &none)) {
        bool changed = false;

        if (!rewrap_ca(agent, &changed, err)) {
            return false;
        }
        making->changed = making->changed || changed;
        return true;
    }
    const struct envelope_about about = {
        .cluster = agent->host.cluster_id, .vm = agent->host.cluster_id, .purpose = "ca"};

    if (!notice_read(agent, &notice, err)) {
        return false;
    }
    if (!notice) {
        return err_set(err, ERR_ABSENT,
                       "the datastore does not have the CA's key for a recovery "
                       "key");
    }
    if (!recovery_unwrap(agent->recovery_key, notice->ca, &about, &secret, err) ||
        !ca_rewrap(agent, secret, err)) {
        return err_add(err, "recover the cluster's CA");
    }
    making->changed = true;
    return true;
}

/* A private half that rests here under a KEK that is gone. The user brought the one that is due: so
 * it is that, or one that never was to be; a new one is made when it is asked for. */
static bool drop_stale(struct agent *agent, struct err *err)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    AUTO(drop_free) char *text = NULL, *brought = NULL;
    struct err none = {0};
    char id[RECOVERY_ID_SIZE];

    if (!notice_private_read(agent, &text, &none)) {
        *err = none;
        return none.kind == ERR_ABSENT;
    }
    if (rewrap_state_of(agent, text) != REWRAP_UNKNOWN) {
        return true;
    }
    if (!notice_read(agent, &notice, err) || !ecjwk_public(agent->recovery_key, &brought, err) ||
        !recovery_id(brought, id, err)) {
        return false;
    }
    return !notice || strcmp(notice->id, id) != 0 || notice_private_wipe(agent, err);
}

static bool forget_door(struct agent *agent, struct err *err)
{
    static const char *const files[] = {"tls.pem", "tls.key"};

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(drop_free) char *path = agent_path(agent, files[i]);

        if (!hostseal_remove(path, err)) {
            return false;
        }
    }
    return true;
}

/* The key of this host's certificate was sealed by the same TPM: a new one, if it is lost. */
static bool recover_door(struct agent *agent, struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    struct making making = {.params = json_null()};
    struct err why = {0};

    if (enrol_key(agent, &secret, &why)) {
        return true;
    }
    if (why.kind == ERR_AWAY) {
        *err = why;
        return false;
    }
    if (!forget_door(agent, err)) {
        return false;
    }
    bool enrolled = step_agent_enrol(agent, &making, err);

    json_decref(making.result);
    return enrolled;
}

static bool recover_vm(struct vm *vm, bool *out_changed, struct err *err)
{
    pthread_mutex_lock(&vm->lock);
    bool opened = vm->key || home_recover(vm, vm->agent->recovery_key, err);
    pthread_mutex_unlock(&vm->lock);
    return opened && rewrap_vm(vm, out_changed, err);
}

/* One that cannot be opened stops nothing: all others are opened, then it is told. */
static bool recover_vms(struct agent *agent, struct making *making, struct err *err)
{
    struct err fault = {0};
    json_int_t opened = 0;

    if (agent->host.store_type && !vm_list_load(agent, err)) {
        return false;
    }
    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        struct err why = {0};
        bool changed = false;

        if (!recover_vm(vm, &changed, &why)) {
            fault = why;
            continue;
        }
        making->changed = making->changed || changed;
        opened++;
        progress_tell(making->progress, 50, "open the VMs");
    }
    if (fault.kind != ERR_NONE) {
        *err = fault;
        return false;
    }
    json_object_set_new(making->result, "vms", json_integer(opened));
    return true;
}

bool step_key_recover(struct agent *agent, struct making *making, struct err *err)
{
    if (!agent->recovery_key) {
        err_set(err, ERR_ABSENT, "no recovery key was brought to this host");
        return err_mend(err, "quoin key recover --file FILE brings it");
    }
    progress_tell(making->progress, 5, "open the key provider");
    bool recovered = have_provider(agent, making, err) && recover_ca(agent, making, err) &&
                     drop_stale(agent, err) && recover_door(agent, err) &&
                     recover_vms(agent, making, err);

    /* It is brought again for another try. */
    secret_free(TAKE(agent->recovery_key));
    return recovered || err_add(err, "recover by the recovery key");
}

/* ---- what this host alone cannot open any more ---- */

/* Denied by its TPM, another one or with other PCRs: what another host or the CA gives it anew. */
static bool is_denied(bool opened, const struct err *why, bool *out, struct err *err)
{
    *out = !opened && why->kind == ERR_DENIED;
    if (!opened && !*out && why->kind != ERR_ABSENT) {
        *err = *why;
        return false;
    }
    return true;
}

bool step_key_forget(struct agent *agent, struct making *making, struct err *err)
{
    const struct host_provider *provider = &agent->host.provider;
    AUTO(drop_secret) struct secret *secret = NULL;
    struct err door = {0}, keys = {0};
    struct key *key = NULL;
    bool lost = false;

    if (!is_denied(enrol_key(agent, &secret, &door), &door, &lost, err) ||
        (lost && !forget_door(agent, err))) {
        return false;
    }
    making->changed = lost;
    /* An external provider's are brought again by every deploy. */
    if (provider->kek && strcmp(provider->type, "native") == 0) {
        if (!is_denied(agent_key(agent, &key, &keys), &keys, &lost, err) ||
            (lost && !put_aside(agent, err))) {
            return false;
        }
        making->changed = making->changed || lost;
    }
    making->result = json_pack("{s:b}", "forgotten", making->changed);
    return true;
}

/* What was put aside is wiped with the provider. */
bool recover_forget(struct agent *agent, struct err *err)
{
    static const char *const base[] = {HOST_PROVIDER_FOLDER, HOST_OTHER_FOLDER};

    for (size_t i = 0; i < COUNT_OF(base); i++) {
        AUTO(drop_free) char *pattern = text_make("%s/%s" LOST "*", agent->host.folder, base[i]);
        AUTO(globfree) glob_t found = {0};

        if (glob(pattern, 0, NULL, &found) != 0) {
            continue;
        }
        for (size_t k = 0; k < found.gl_pathc; k++) {
            if (!native_destroy(found.gl_pathv[k], err)) {
                return false;
            }
        }
    }
    return true;
}

/* Every VM of this host is for the recovery key that there is. */
bool step_recovery_follow(struct agent *agent, struct making *making, struct err *err)
{
    json_int_t count = 0;

    if (agent->host.store_type && !vm_list_load(agent, err)) {
        return false;
    }
    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        bool changed = false;

        if (!vm_open(vm, err)) {
            return false;
        }
        if (!rewrap_is_ours(vm)) {
            continue;
        }
        if (!rewrap_vm(vm, &changed, err)) {
            return false;
        }
        making->changed = making->changed || changed;
        count++;
    }
    making->result = json_pack("{s:I}", "vms", count);
    return true;
}
