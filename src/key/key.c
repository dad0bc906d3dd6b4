/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key.h"

#include <string.h>

#include "base/text.h"

struct key {
    const struct key_provider *provider;
    char *name;
    char *cluster;
    char *host;
    void *self;
    void (*tell)(void *context, const struct key_use *use);
    void *context;
};

/* What key_prove wraps. */
#define CANARY_SIZE 32u

static const struct key_provider *provider_of(const char *type)
{
    for (size_t i = 0; key_providers[i]; i++) {
        if (type && strcmp(key_providers[i]->type, type) == 0) {
            return key_providers[i];
        }
    }
    return NULL;
}

bool key_open(const struct provider_conf *conf, struct key **out, struct err *err)
{
    AUTO(drop_key) struct key *key = text_room(1, sizeof(*key));

    key->provider = provider_of(conf->type);
    if (!key->provider) {
        return err_set(err, ERR_INPUT, "there is no key provider of type '%s'",
                       conf->type ? conf->type : "");
    }
    if (!key->provider->open(conf, &key->self, err)) {
        return err_add(err, "open key provider '%s'", conf->name);
    }
    key->name = text_copy(conf->name);
    key->cluster = text_copy(conf->cluster);
    key->host = text_copy(conf->self);
    *out = TAKE(key);
    return true;
}

void key_close(struct key *key)
{
    if (key) {
        if (key->self) {
            key->provider->close(key->self);
        }
        free(key->name);
        free(key->cluster);
        free(key->host);
        free(key);
    }
}

void key_listen(struct key *key, void (*tell)(void *context, const struct key_use *use),
                void *context)
{
    key->tell = tell;
    key->context = context;
}

/* Returns `done`, so that a use and its record are one line. */
static bool tell_all(struct key *key, const char *verb, const struct envelope_about *about,
                     bool done, const struct err *err, const struct err *finding)
{
    const struct key_use use = {
        .verb = verb,
        .kek_id = about->kek_id ? about->kek_id : "",
        .vm = about->vm ? about->vm : "",
        .purpose = about->purpose ? about->purpose : "",
        .err = done ? NULL : err,
        .finding = finding,
    };

    if (key->tell) {
        key->tell(key->context, &use);
    }
    return done;
}

static bool tell(struct key *key, const char *verb, const struct envelope_about *about, bool done,
                 const struct err *err)
{
    return tell_all(key, verb, about, done, err, NULL);
}

static struct envelope_about completed(const struct key *key, const struct envelope_about *about)
{
    struct envelope_about full = *about;

    full.provider = key->name;
    full.type = key->provider->type;
    full.cluster = key->cluster;
    return full;
}

bool key_kek_make(struct key *key, const char *label, char **out_kek_id, struct err *err)
{
    bool done = key->provider->kek_make(key->self, label, out_kek_id, err);
    const struct envelope_about about = {.kek_id = done ? *out_kek_id : NULL};

    return tell(key, "kek_make", &about, done, err);
}

bool key_wrap(struct key *key, const struct envelope_about *about, const struct secret *secret,
              struct envelope **out, struct err *err)
{
    const struct envelope_about full = completed(key, about);

    if (!full.kek_id) {
        return err_set(err, ERR_BUG, "a secret is wrapped under a KEK");
    }
    return tell(key, "wrap", &full, key->provider->wrap(key->self, &full, secret, out, err), err);
}

bool key_unwrap(struct key *key, const struct envelope *envelope,
                const struct envelope_about *expected, struct secret **out, struct err *err)
{
    const struct envelope_about full = completed(key, expected);
    struct err why = {0};
    bool done = key->provider->unwrap(key->self, envelope, &full, out, &why);

    if (!done) {
        *err = why;
    }
    return tell_all(key, "unwrap", envelope_about(envelope), done, err,
                    done && why.kind != ERR_NONE ? &why : NULL);
}

/* Another key than the one that went in would lose a VM for good. */
static bool opens_to(struct key *key, const struct envelope *envelope,
                     const struct envelope_about *about, const struct secret *secret,
                     struct err *err)
{
    AUTO(drop_secret) struct secret *back = NULL;

    if (!key_unwrap(key, envelope, about, &back, err)) {
        return false;
    }
    return secret_equal(secret, back) ||
           err_set(err, ERR_CLASH, "the provider gave another key back than it was given");
}

bool key_rewrap(struct key *from, struct key *to, const struct envelope *envelope,
                const struct envelope_about *about, struct envelope **out, struct err *err)
{
    const struct envelope_about expected = {.vm = about->vm, .purpose = about->purpose};
    AUTO(drop_secret) struct secret *secret = NULL;
    AUTO(drop_envelope) struct envelope *fresh = NULL;

    if (about->generation <= envelope_about(envelope)->generation) {
        return err_set(err, ERR_INPUT, "a rewrapped envelope is of a later generation");
    }
    if (!key_unwrap(from, envelope, &expected, &secret, err) ||
        !key_wrap(to, about, secret, &fresh, err) || !opens_to(to, fresh, about, secret, err)) {
        return err_add(err, "rewrap the key of VM %s", about->vm);
    }
    *out = TAKE(fresh);
    return true;
}

bool key_kek_retire(struct key *key, const char *kek_id, struct err *err)
{
    const struct envelope_about about = {.kek_id = kek_id};

    return tell(key, "kek_retire", &about, key->provider->kek_retire(key->self, kek_id, err), err);
}

bool key_look(struct key *key, json_t **out, struct err *err)
{
    if (!key->provider->look(key->self, out, err)) {
        return false;
    }
    json_object_set_new(*out, "name", json_string(key->name));
    json_object_set_new(*out, "type", json_string(key->provider->type));
    return true;
}

/* --- the round trip ------------------------------------------------------------------------- */

/* A provider that still opens it has not retired the KEK. */
static bool canary_is_lost(struct key *key, const struct envelope_about *about,
                           const struct envelope *envelope, struct err *err)
{
    AUTO(drop_secret) struct secret *back = NULL;
    struct err expected = {0};

    if (!key_kek_retire(key, about->kek_id, err)) {
        return err_add(err, "retire a canary's KEK");
    }
    if (key_unwrap(key, envelope, about, &back, &expected)) {
        return err_set(err, ERR_CLASH, "the provider opens what a retired KEK wrapped");
    }
    return true;
}

/* Wrapped, unwrapped, compared. */
static bool canary_flies(struct key *key, const struct envelope_about *about, struct envelope **out,
                         struct err *err)
{
    AUTO(drop_secret) struct secret *canary = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;

    if (!secret_random(CANARY_SIZE, &canary, err)) {
        return false;
    }
    if (!key_wrap(key, about, canary, &envelope, err)) {
        return err_add(err, "wrap a canary");
    }
    if (!opens_to(key, envelope, about, canary, err)) {
        return err_add(err, "unwrap a canary");
    }
    *out = TAKE(envelope);
    return true;
}

static bool canary_trip(struct key *key, const struct envelope_about *about, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;

    return canary_flies(key, about, &envelope, err) && canary_is_lost(key, about, envelope, err);
}

static bool prove_kek(struct key *key, const char *kek_id, const char *purpose, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    char vm[UUID_SIZE];
    const struct envelope_about about = {
        .kek_id = kek_id, .vm = vm, .purpose = purpose, .generation = 1};

    uuid_make(vm);
    return canary_flies(key, &about, &envelope, err) ||
           err_add(err, "prove the KEK of the cluster");
}

bool key_prove_kek(struct key *key, const char *kek_id, struct err *err)
{
    return prove_kek(key, kek_id, KEY_REPLICAS, err);
}

bool key_prove_here(struct key *key, const char *kek_id, struct err *err)
{
    return prove_kek(key, kek_id, KEY_CANARY, err);
}

bool key_prove(struct key *key, struct err *err)
{
    AUTO(drop_free) char *kek_id = NULL, *label = NULL;
    char vm[UUID_SIZE];
    struct envelope_about about = {.vm = vm, .purpose = KEY_CANARY, .generation = 1};
    struct err ignored = {0};

    uuid_make(vm);
    /* Each host's own, and always the same: one that was left by a killed try is found. */
    label = text_make("canary of %s in %s", key->host ? key->host : "a host", key->cluster);
    if (!key_kek_make(key, label, &kek_id, err)) {
        return err_add(err, "prove the key provider: make a KEK");
    }
    about.kek_id = kek_id;
    if (!canary_trip(key, &about, err)) {
        (void)key_kek_retire(key, kek_id, &ignored);
        return err_add(err, "prove the key provider");
    }
    return true;
}

json_t *key_providers_json(void)
{
    json_t *list = json_array();

    for (size_t i = 0; key_providers[i]; i++) {
        json_array_append_new(list, json_pack("{s:s, s:s}", "type", key_providers[i]->type,
                                              "summary", key_providers[i]->summary));
    }
    return list;
}
