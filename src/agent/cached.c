/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cached.h"

#include <string.h>
#include <time.h>

#include "agent/provider.h"
#include "agent/rewrap.h"
#include "key/cache.h"

#define FOLDER "cache"
/* Asked again so often in the time that a key may be kept … */
#define TURNS 8
/* … and while the provider is away, after so many milliseconds. */
#define AWAY_MS 30000

static struct cache_conf conf_of(const struct agent *agent, const char *folder)
{
    return (struct cache_conf){.folder = folder,
                               .host = agent_hostseal_conf(agent),
                               .seconds = provider_cache(&agent->host.provider)};
}

static bool answers(const struct err *err)
{
    return err->kind == ERR_DENIED || err->kind == ERR_ABSENT || err->kind == ERR_CLASH;
}

/* Into the audit, as every use of a KEK. Returns `done`. */
static bool tell(const struct vm *vm, const struct envelope *envelope, bool done,
                 const struct err *err)
{
    const struct envelope_about *about = envelope_about(envelope);
    const struct key_use use = {.verb = "cache",
                                .kek_id = about->kek_id,
                                .vm = about->vm,
                                .purpose = about->purpose,
                                .err = done ? NULL : err};

    audit_key(vm->agent->audit, &use);
    return done;
}

bool cached_get(struct vm *vm, const struct envelope *envelope, struct secret **out,
                struct err *err)
{
    AUTO(drop_free) char *folder = agent_path(vm->agent, FOLDER);
    const struct cache_conf conf = conf_of(vm->agent, folder);
    struct err why = {0};

    if (answers(err) && !cached_drop(vm, &why)) {
        log_err(&why);
    }
    if (err->kind != ERR_AWAY || conf.seconds == 0) {
        return false;
    }
    if (!cache_get(&conf, envelope, time(NULL), out, NULL, &why)) {
        if (why.kind != ERR_ABSENT) {
            (void)tell(vm, envelope, false, &why);
            err_add(err, "%s", why.what);
        }
        return false;
    }
    log_say(LOG_WARNING, "VM %s is opened by the key that was kept on this host: %s", vm->uuid,
            err->what);
    *err = (struct err){0};
    vm->cached = time(NULL);
    return tell(vm, envelope, true, NULL);
}

/* The key as its provider gives it now, which is the one that the VM has. */
static bool ask(struct vm *vm, const struct envelope *envelope, struct err *err)
{
    const struct envelope_about expected = {.vm = vm->uuid, .purpose = "vm"};
    AUTO(drop_secret) struct secret *given = NULL;
    struct key *key = NULL;

    if (!agent_key_for(vm->agent, envelope_about(envelope), &key, err) ||
        !key_unwrap(key, envelope, &expected, &given, err)) {
        return false;
    }
    return secret_equal(given, vm->key) ||
           err_set(err, ERR_CLASH, "the key provider gives another key than the one in use");
}

static bool keep(struct vm *vm, const struct cache_conf *conf, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    int64_t turn = (int64_t)conf->seconds * 1000 / TURNS;
    struct err why = {0};

    if (!envelope_read(vm->envelope, strlen(vm->envelope), &envelope, err)) {
        return false;
    }
    if (!ask(vm, envelope, err)) {
        if (err->kind == ERR_AWAY) {
            vm->cache_next = vm->agent->now() + (turn < AWAY_MS ? turn : AWAY_MS);
            return true;
        }
        if (answers(err) && !cached_drop(vm, &why)) {
            log_err(&why);
        }
        return err_add(err, "it runs on, but could not be started again");
    }
    vm->cached = 0;
    if (!cache_put(conf, envelope, vm->key, time(NULL), err)) {
        return false;
    }
    vm->cache_next = vm->agent->now() + turn;
    return true;
}

/* Known to be off, or to be another's: while its home was not read it may be ours. */
static bool is_of_no_use(const struct vm *vm)
{
    return vm->config && (strcmp(json_string_or(vm->config, "wanted", ""), "running") != 0 ||
                          !rewrap_is_ours(vm));
}

bool cached_keep(struct vm *vm, struct err *err)
{
    AUTO(drop_free) char *folder = agent_path(vm->agent, FOLDER);
    const struct cache_conf conf = conf_of(vm->agent, folder);

    if (conf.seconds == 0 || is_of_no_use(vm)) {
        return cached_drop(vm, err);
    }
    if (!vm->key || vm->agent->now() < vm->cache_next) {
        return true;
    }
    pthread_mutex_lock(&vm->lock);
    bool kept = keep(vm, &conf, err);
    pthread_mutex_unlock(&vm->lock);
    return kept;
}

bool cached_drop(struct vm *vm, struct err *err)
{
    AUTO(drop_free) char *folder = agent_path(vm->agent, FOLDER);

    vm->cache_next = 0;
    return cache_drop(folder, vm->uuid, err);
}

bool cached_wipe(struct agent *agent, struct err *err)
{
    AUTO(drop_free) char *folder = agent_path(agent, FOLDER);

    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        vm->cache_next = 0;
    }
    return cache_wipe(folder, err);
}
