/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rotate.h"

#include <string.h>
#include <time.h>

#include "agent/enrol.h"
#include "agent/maker.h"
#include "agent/member.h"
#include "agent/rekey.h"
#include "agent/share.h"
#include "agent/word.h"

/* A step of this host itself, whose params are taken. */
static bool step(struct agent *agent, bool (*make)(struct agent *, struct making *, struct err *),
                 json_t *params, struct making *whole, json_t **out_result, struct err *err)
{
    struct making making = {.params = params, .progress = whole->progress};
    bool made = make(agent, &making, err);

    json_decref(params);
    whole->changed = whole->changed || making.changed;
    *out_result = making.result;
    return made;
}

/* ---- how often ---- */

/* Hosts of one cluster; who names more of them begins anew. */
#define SHARED_MAX 2048u

/* Seconds since the KEK that wraps became known here. With the state lock. */
static int64_t age_of_kek(const struct agent *agent)
{
    struct tm tm = {0};
    const char *made = agent->host.provider.made;

    return made && strptime(made, "%Y-%m-%dT%H:%M:%SZ", &tm) ? (int64_t)(time(NULL) - timegm(&tm))
                                                             : ROTATE_SECONDS;
}

/* By two clocks: one that nobody sets, and one that goes on while the agent does not run. */
static bool new_is_due(struct agent *agent, struct err *err)
{
    pthread_mutex_lock(&agent->state);
    int64_t age = age_of_kek(agent);
    bool soon = clock_ms() < agent->rotate_new || (age >= 0 && age < ROTATE_SECONDS);

    pthread_mutex_unlock(&agent->state);
    if (soon) {
        err_set(err, ERR_DENIED,
                "the manager may have the keys rotated once an hour, and they were rotated a short "
                "while ago");
        return err_mend(err, "wait, or rotate from where the cluster was deployed: quoin key "
                             "rotate");
    }
    return true;
}

static void new_was_made(struct agent *agent)
{
    pthread_mutex_lock(&agent->state);
    agent->rotate_new = clock_ms() + (int64_t)ROTATE_SECONDS * 1000;
    pthread_mutex_unlock(&agent->state);
}

/* Of sharing with a host of this name. With the state lock. */
static bool share_is_soon(struct agent *agent, const char *host, int64_t now)
{
    json_t *shared = agent->rotate_shared ? agent->rotate_shared : json_object();

    agent->rotate_shared = shared;
    if (now < json_integer_value(json_object_get(shared, host))) {
        return true;
    }
    if (json_object_size(shared) >= SHARED_MAX) {
        json_object_clear(shared);
    }
    json_object_set_new(shared, host, json_integer(now + (int64_t)ROTATE_RETRY_SECONDS * 1000));
    return false;
}

static bool take_turn(struct agent *agent, size_t phase, const char *host, struct err *err)
{
    pthread_mutex_lock(&agent->state);
    int64_t now = clock_ms();
    bool soon = host ? share_is_soon(agent, host, now) : now < agent->rotate_next[phase];

    if (!soon && !host) {
        agent->rotate_next[phase] = now + ROTATE_RETRY_SECONDS * 1000;
    }
    pthread_mutex_unlock(&agent->state);
    if (soon) {
        err_set(err, ERR_DENIED, "the manager asked for a rotation less than a minute ago");
        return err_mend(err, "wait a minute, then ask again: what is done already is found done");
    }
    return true;
}

/* ---- the phases ---- */

static bool look(struct agent *agent, struct making *making, struct err *err)
{
    const struct host *host = &agent->host;
    AUTO(drop_json) json_t *names = NULL, *word = NULL, *rest = NULL;
    AUTO(drop_free) char *certificate = NULL;
    const char *kek = host->provider.kek;
    bool claimed = false;

    if (!member_names(agent, &names, err) || !enrol_certificate(agent, &certificate, err) ||
        !maker_is_this(agent, &claimed, err) ||
        !(rekey_is_open(agent) ||
          (word_give(agent, WORD_ASK, kek, host->name, certificate, &word, err) &&
           word_give(agent, WORD_REST, kek, host->name, kek, &rest, err)))) {
        return false;
    }
    making->result =
        json_pack("{s:s, s:s, s:s, s:s, s:s?, s:b, s:O, s:s, s:O?, s:O?}", "host", host->name,
                  "provider", host->provider.name, "type", host->provider.type, "kek", kek, "old",
                  host->old.kek, "begun", host->next_label != NULL || claimed, "members", names,
                  "certificate", certificate, "word", word, "rest", rest);
    return true;
}

/* {"kek","old","word"}: this host wraps by the new KEK. */
static bool tell_has(struct agent *agent, struct making *making, struct err *err)
{
    const struct host *host = &agent->host;
    AUTO(drop_json) json_t *word = NULL;

    if (!word_give(agent, WORD_HAS, host->provider.kek, host->name, host->provider.kek, &word,
                   err)) {
        return false;
    }
    making->result = json_pack("{s:s, s:s?, s:O}", "kek", host->provider.kek, "old", host->old.kek,
                               "word", word);
    return true;
}

static bool make(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_json) json_t *keks = NULL;
    bool open = rekey_is_open(agent);

    /* A host that has not ended the last one could not take the next. */
    if ((!open &&
         !(new_is_due(agent, err) && word_of_all(agent, WORD_REST, agent->host.provider.kek,
                                                 json_object_get(making->params, "words"), err))) ||
        !step(agent, step_key_make, json_object(), making, &keks, err)) {
        return false;
    }
    if (!open) {
        new_was_made(agent);
    }
    return tell_has(agent, making, err);
}

/* What WORD_NEXT says: the KEK, and the whole parcel that brings it. */
static char *next_of(const char *kek, const json_t *parcel)
{
    AUTO(drop_free) char *text = json_write_canonical(parcel);

    return text_make("%s %s", kek, text);
}

/* Another host, which is one now: what was one once may have kept certificate and word. */
static bool is_other_member(struct agent *agent, const char *host, struct err *err)
{
    bool member = false;

    if (!member_is(agent, host, &member, err)) {
        return false;
    }
    return (member && strcmp(host, agent->host.name) != 0) ||
           err_set(err, ERR_DENIED, "'%s' is no other host of this cluster", host);
}

static bool share(struct agent *agent, struct making *making, struct err *err)
{
    const struct host *host = &agent->host;
    AUTO(drop_json) json_t *parcel = NULL, *word = NULL;
    const char *certificate;
    struct peer to;

    if (!json_get_string(making->params, "certificate", CERTIFICATE_MAX, &certificate, err)) {
        return false;
    }
    if (!rekey_is_open(agent)) {
        return err_set(err, ERR_CLASH, "host '%s' has no new KEK to share", host->name);
    }
    /* All of it before a key is looked at. */
    if (!share_receiver(agent, certificate, &to, err) || !is_other_member(agent, to.name, err) ||
        !word_check(agent, WORD_ASK, host->old.kek, to.name, certificate,
                    json_object_get(making->params, "word"), err) ||
        !share_keys(agent, certificate, &parcel, err)) {
        return false;
    }
    parcel = parcel ? parcel : json_null();
    AUTO(drop_free) char *next = next_of(host->provider.kek, parcel);

    if (!word_give(agent, WORD_NEXT, host->old.kek, to.name, next, &word, err)) {
        return false;
    }
    making->result =
        json_pack("{s:s, s:O, s:O}", "kek", host->provider.kek, "parcel", parcel, "word", word);
    return true;
}

/* What another host made, as it says itself. */
static bool is_next(struct agent *agent, const struct making *making, const char *kek,
                    struct err *err)
{
    const struct host *host = &agent->host;
    const json_t *parcel = json_object_get(making->params, "parcel");
    AUTO(drop_free) char *next = next_of(kek, parcel);

    if (strcmp(host->provider.type, "native") == 0 && json_is_null(parcel)) {
        return err_set(err, ERR_INPUT, "no parcel came from the host that made the KEK");
    }
    return word_check(agent, WORD_NEXT, host->provider.kek, host->name, next,
                      json_object_get(making->params, "word"), err);
}

static bool take(struct agent *agent, struct making *making, struct err *err)
{
    const struct host *host = &agent->host;
    json_t *parcel = json_object_get(making->params, "parcel"), *params;
    AUTO(drop_json) json_t *keks = NULL;
    const char *kek;

    if (!json_get_string(making->params, "kek", ENVELOPE_MAX_KEK_ID, &kek, err)) {
        return false;
    }
    bool has = strcmp(kek, host->provider.kek) == 0;

    if (!has && rekey_is_open(agent)) {
        return err_set(err, ERR_CLASH, "the new KEK here is %s already, not %s", host->provider.kek,
                       kek);
    }
    if (!has && !is_next(agent, making, kek, err)) {
        return false;
    }
    params = json_pack("{s:s}", "kek", kek);
    if (!has && !json_is_null(parcel)) {
        json_object_set(params, "parcel", parcel);
    }
    if (!step(agent, step_key_take, params, making, &keks, err)) {
        return false;
    }
    if (!has) {
        new_was_made(agent);
    }
    return tell_has(agent, making, err);
}

static bool rewrap(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_json) json_t *done = NULL;
    const char *kek = agent->host.provider.kek;

    if (!word_of_all(agent, WORD_HAS, kek, json_object_get(making->params, "words"), err) ||
        !step(agent, step_key_rewrap, json_object(), making, &done, err)) {
        return false;
    }
    making->result = json_pack("{s:s, s:b}", "kek", kek, "changed", making->changed);
    return true;
}

/* The first envelope that is not under the new KEK, by name. */
static bool refuse_left(const json_t *look, struct err *err)
{
    const json_t *vm;
    size_t i;

    json_array_foreach(json_object_get(look, "vms"), i, vm)
    {
        if (strcmp(json_string_or(vm, "state", ""), "current") != 0) {
            err_set(err, ERR_AWAY, "VM '%s' of host '%s' is not under the new KEK yet%s%s",
                    json_string_or(vm, "name", "?"), json_string_or(vm, "host", "?"),
                    json_object_get(vm, "why") ? ": " : "", json_string_or(vm, "why", ""));
            return err_mend(err, "both KEKs open it; ask for the rotation again");
        }
    }
    err_set(err, ERR_CLASH, "there are envelopes that are not under the new KEK");
    return err_mend(err, "both KEKs are kept; quoin key list says which it is");
}

static bool verify(struct agent *agent, struct making *making, struct err *err)
{
    const struct host *host = &agent->host;
    AUTO(drop_json) json_t *seen = NULL, *word = NULL;

    if (!step(agent, step_key_look, json_pack("{s:b}", "prove", 1), making, &seen, err)) {
        return false;
    }
    if (json_integer_value(json_object_get(seen, "left")) != 0) {
        return refuse_left(seen, err);
    }
    if (!word_give(agent, WORD_DONE, host->provider.kek, host->name, host->provider.kek, &word,
                   err)) {
        return false;
    }
    making->result = json_pack("{s:s, s:O}", "kek", host->provider.kek, "word", word);
    return true;
}

/* step_key_retire looks at everything itself once more; what other hosts have of their own, and
 * that they have the new KEK, only they know. */
static bool retire(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_json) json_t *none = NULL;
    const char *kek = agent->host.provider.kek, *old;

    if (!json_get_string(making->params, "kek", ENVELOPE_MAX_KEK_ID, &old, err) ||
        !word_of_all(agent, WORD_DONE, kek, json_object_get(making->params, "words"), err) ||
        !step(agent, step_key_retire, json_pack("{s:s}", "kek", old), making, &none, err)) {
        return false;
    }
    making->result = json_pack("{s:s, s:s}", "kek", kek, "retired", old);
    return true;
}

#define PARAMS_MAX 4u

static const struct phase {
    const char *name;
    const char *params[PARAMS_MAX]; /* all of them, and no other */
    bool often;                     /* once for each other host */
    bool (*make)(struct agent *agent, struct making *making, struct err *err);
} phases[AGENT_ROTATE_PHASES] = {
    {"look", {NULL}, false, look},
    {"make", {"words", NULL}, false, make},
    {"share", {"certificate", "word", NULL}, true, share},
    {"take", {"kek", "parcel", "word", NULL}, false, take},
    {"rewrap", {"words", NULL}, false, rewrap},
    {"verify", {NULL}, false, verify},
    {"retire", {"kek", "words", NULL}, false, retire},
};

/* ---- one of them ---- */

static const struct phase *find(const char *name, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        if (strcmp(phases[i].name, name) == 0) {
            return &phases[i];
        }
    }
    err_set(err, ERR_INPUT, "a rotation has no phase '%.32s'", name);
    return NULL;
}

static bool check_params(const struct phase *phase, const json_t *params, struct err *err)
{
    size_t count = 0;

    while (phase->params[count]) {
        if (!json_object_get(params, phase->params[count])) {
            return err_set(err, ERR_INPUT, "'%s' is missing", phase->params[count]);
        }
        count++;
    }
    return json_object_size(params) == count ||
           err_set(err, ERR_INPUT, "this phase takes nothing else");
}

static bool same(const struct host_provider *a, const struct host_provider *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0;
}

/* Neither a move that is open nor one that is about to be is touched from here. */
static bool is_ready(const struct agent *agent, struct err *err)
{
    const struct host *host = &agent->host;

    if (!host->provider.kek) {
        return err_set(err, ERR_ABSENT, "this host has no KEK yet");
    }
    if ((host->old.kek && !same(&host->old, &host->provider)) ||
        (host->next_label && !same(&host->next, &host->provider))) {
        err_set(err, ERR_CLASH, "a move to another key provider is not finished");
        return err_mend(err, "finish it with quoin key move --to its blueprint");
    }
    return true;
}

bool rotate_phase(struct agent *agent, const char *name, const json_t *params,
                  struct making *making, struct err *err)
{
    const struct phase *phase = find(name, err);

    if (!phase) {
        return false;
    }
    struct certificate_facts facts = {.has_peer = false};
    const char *certificate = json_string_or(params, "certificate", "");

    /* Who comes too soon does not wait for `work` to be told so. */
    if (!check_params(phase, params, err) ||
        (phase->often && !certificate_read(certificate, &facts, err)) ||
        !take_turn(agent, (size_t)(phase - phases), phase->often ? facts.peer.name : NULL, err)) {
        return err_add(err, "rotation: %s", name);
    }
    making->params = params;
    pthread_mutex_lock(&agent->work);
    bool made = is_ready(agent, err) && phase->make(agent, making, err);

    pthread_mutex_unlock(&agent->work);
    making->params = NULL;
    return made || err_add(err, "rotation: %s", name);
}
