/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/rotation.h"

#include <string.h>

#include "base/text.h"

#define DOING_SIZE 64u

/* A host that takes part. */
struct member {
    const char *name; /* borrowed */
    struct client *client;
    json_t *look; /* what it said of itself; owned */
};

struct run {
    const struct rotation *rotation;
    struct member *members;
    size_t count;
    struct member *maker;
    json_t *has, *done; /* {HOST: word}; owned */
    char *kek, *old;    /* owned */
    unsigned from, to;  /* percent of the whole that the phase is */
};

static void drop_run(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        client_close(run->members[i].client);
        json_decref(run->members[i].look);
    }
    free(run->members);
    json_decref(run->has);
    json_decref(run->done);
    free(run->kek);
    free(run->old);
}

static const char *kek_of(const struct member *member)
{
    return json_string_or(member->look, "kek", "");
}

static const char *old_of(const struct member *member)
{
    return json_string_or(member->look, "old", NULL);
}

/* ---- a phase of one host ---- */

struct hearing {
    const struct run *run;
    const struct member *member;
    bool ended;
    json_t *result; /* owned */
    struct err failure;
};

/* What comes from a host is shown to people: a short phrase, behind the host's name. */
static void tell(const struct run *run, const struct member *member, unsigned percent,
                 const char *what)
{
    size_t number = (size_t)(member - run->members);
    unsigned span = run->to - run->from;
    AUTO(drop_free)
    char *doing = text_make("%s: %.*s", member->name, (int)DOING_SIZE, what);

    text_flatten(doing);
    progress_tell(run->rotation->progress,
                  run->from + (unsigned)((span * number + span * percent / 100) / run->count),
                  doing);
}

static bool hear(void *context, const json_t *line, struct err *err)
{
    struct hearing *hearing = context;
    const char *event = json_string_or(line, "event", "");

    if (*hearing->run->rotation->over) {
        return err_set(err, ERR_AWAY, "the manager was stopped meanwhile");
    }
    if (strcmp(event, "progress") == 0) {
        json_int_t percent = json_integer_value(json_object_get(line, "percent"));

        /* At 0 it says that it begins: so was said here. */
        if (percent > 0 && percent <= 100) {
            tell(hearing->run, hearing->member, (unsigned)percent,
                 json_string_or(line, "what", ""));
        }
    } else if (strcmp(event, "done") == 0) {
        hearing->ended = true;
        json_decref(hearing->result);
        hearing->result = json_incref(json_object_get(line, "result"));
    } else if (strcmp(event, "failed") == 0) {
        hearing->ended = true;
        (void)json_to_err(json_object_get(line, "error"), &hearing->failure);
    }
    return true;
}

static bool ask_host(const struct run *run, const struct member *member, const char *phase,
                     const json_t *params, json_t **out, struct err *err)
{
    struct hearing hearing = {.run = run, .member = member};
    AUTO(drop_free) char *path = text_make("/v1/key/rotate/%s", phase);
    const struct client_call call = {.method = "POST",
                                     .path = path,
                                     .json = params,
                                     .line = hear,
                                     .line_context = &hearing,
                                     .seconds = run->rotation->seconds};

    tell(run, member, 0, phase);
    bool asked = client_ask(member->client, &call, NULL, err);
    AUTO(drop_json) json_t *result = hearing.result;

    if (!asked) {
        return false;
    }
    if (hearing.failure.kind != ERR_NONE) {
        *err = hearing.failure;
        return false;
    }
    if (!hearing.ended || !json_is_object(result)) {
        return err_set(err, ERR_AWAY, "its agent did not say how it ended");
    }
    *out = TAKE(result);
    return true;
}

/* `params` is taken. */
static bool ask(const struct run *run, const struct member *member, const char *phase,
                json_t *params, json_t **out, struct err *err)
{
    bool done = ask_host(run, member, phase, params, out, err);

    json_decref(params);
    if (!done) {
        err_add(err, "host '%s'", member->name);
        return err_mend(err, "ask for it again: what is done already is found done");
    }
    return true;
}

/* ---- who there is ---- */

static bool look(struct run *run, struct err *err)
{
    const json_t *name;
    size_t i;

    run->members = text_room(json_array_size(run->rotation->hosts), sizeof(*run->members));
    run->count = json_array_size(run->rotation->hosts);
    json_array_foreach(run->rotation->hosts, i, name)
    {
        run->members[i].name = json_string_value(name);
    }
    for (i = 0; i < run->count; i++) {
        struct member *member = &run->members[i];

        if (!watch_reach(run->rotation->watch, member->name, &member->client, err) ||
            !ask(run, member, "look", json_object(), &member->look, err)) {
            if (err->kind == ERR_ABSENT) {
                err->remedy[0] = '\0';
                err_mend(err, "bring all hosts to this version: quoin deploy");
            }
            return err_add(err, "every host must take part, and nothing was changed");
        }
    }
    return true;
}

static bool is_known(const struct run *run, const char *name)
{
    for (size_t i = 0; i < run->count; i++) {
        if (strcmp(run->members[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A host that nobody asks would be left with a KEK that is retired. */
static bool knows_all(const struct run *run, const struct member *member, struct err *err)
{
    const json_t *name;
    size_t i;

    json_array_foreach(json_object_get(member->look, "members"), i, name)
    {
        const char *host = json_is_string(name) ? json_string_value(name) : "";

        if (!is_known(run, host)) {
            err_set(err, ERR_CLASH, "host '%.63s' is in the cluster, but not known to the manager",
                    host);
            return err_mend(err, "finish what brings it in or takes it out: quoin deploy, or quoin "
                                 "host remove");
        }
    }
    return true;
}

/* Who has begun goes on; else who was about to; else the first. */
static struct member *maker_of(const struct run *run)
{
    struct member *maker = &run->members[0];

    for (size_t i = run->count; i-- > 0;) {
        if (json_is_true(json_object_get(run->members[i].look, "begun"))) {
            maker = &run->members[i];
        }
    }
    for (size_t i = run->count; i-- > 0;) {
        if (old_of(&run->members[i])) {
            maker = &run->members[i];
        }
    }
    return maker;
}

/* It has the maker's KEK, or the one that this one follows. */
static bool fits(const struct run *run, const struct member *member, struct err *err)
{
    const char *provider = json_string_or(member->look, "provider", "");
    const char *kek = kek_of(member), *old = old_of(run->maker);

    if (strcmp(provider, run->rotation->provider) != 0) {
        err_set(err, ERR_CLASH, "host '%s' has key provider '%.63s', not '%s'", member->name,
                provider, run->rotation->provider);
        return err_mend(err, "bring all hosts to the same one: quoin deploy, or quoin key move");
    }
    if (strcmp(kek, kek_of(run->maker)) != 0 && !(old && strcmp(kek, old) == 0)) {
        err_set(err, ERR_CLASH, "host '%s' wraps by the KEK %.255s, host '%s' by another",
                member->name, kek, run->maker->name);
        return err_mend(err, "rotate from where the cluster was deployed: quoin key rotate");
    }
    return true;
}

static bool choose(struct run *run, struct err *err)
{
    run->maker = maker_of(run);
    for (size_t i = 0; i < run->count; i++) {
        if (!knows_all(run, &run->members[i], err) || !fits(run, &run->members[i], err)) {
            return err_add(err, "nothing was changed");
        }
    }
    return true;
}

/* ---- the new KEK ---- */

/* The word in what a phase gave. */
static bool keep_word(json_t *words, const struct member *member, const json_t *result,
                      struct err *err)
{
    json_t *word = json_object_get(result, "word");

    if (!json_is_object(word)) {
        return err_set(err, ERR_AWAY, "host '%s' gave no word for the others", member->name);
    }
    json_object_set(words, member->name, word);
    return true;
}

static json_t *item(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return value ? json_incref(value) : json_null();
}

static bool make(struct run *run, struct err *err)
{
    AUTO(drop_json) json_t *made = NULL;
    json_t *words = json_object();
    const char *kek = NULL;

    for (size_t i = 0; i < run->count; i++) {
        json_object_set_new(words, run->members[i].name, item(run->members[i].look, "rest"));
    }
    if (!ask(run, run->maker, "make", json_pack("{s:o}", "words", words), &made, err) ||
        !json_get_string(made, "kek", 255, &kek, err) ||
        !keep_word(run->has, run->maker, made, err)) {
        return false;
    }
    run->kek = text_copy(kek);
    run->old = text_copy(json_string_or(made, "old", NULL));
    return true;
}

static bool take(struct run *run, const struct member *member, struct err *err)
{
    AUTO(drop_json) json_t *share = NULL, *taken = NULL;

    if (strcmp(kek_of(member), run->kek) != 0 &&
        !ask(run, run->maker, "share",
             json_pack("{s:o, s:o}", "certificate", item(member->look, "certificate"), "word",
                       item(member->look, "word")),
             &share, err)) {
        return err_add(err, "for host '%s'", member->name);
    }
    return ask(run, member, "take",
               json_pack("{s:s, s:o, s:o}", "kek", run->kek, "parcel", item(share, "parcel"),
                         "word", item(share, "word")),
               &taken, err) &&
           keep_word(run->has, member, taken, err);
}

static bool bring_all(struct run *run, struct err *err)
{
    for (size_t i = 0; i < run->count; i++) {
        if (&run->members[i] != run->maker && !take(run, &run->members[i], err)) {
            return false;
        }
    }
    return true;
}

/* ---- everything under it, and the end of the old one ---- */

static bool rewrap_all(struct run *run, struct err *err)
{
    for (size_t i = 0; i < run->count; i++) {
        AUTO(drop_json) json_t *done = NULL;

        if (!ask(run, &run->members[i], "rewrap", json_pack("{s:O}", "words", run->has), &done,
                 err)) {
            return false;
        }
    }
    return true;
}

static bool verify_all(struct run *run, struct err *err)
{
    for (size_t i = 0; i < run->count; i++) {
        AUTO(drop_json) json_t *proven = NULL;

        if (!ask(run, &run->members[i], "verify", json_object(), &proven, err) ||
            !keep_word(run->done, &run->members[i], proven, err)) {
            return false;
        }
    }
    return true;
}

/* Where it was retired already, in an interrupted try, that is found. */
static bool retire_all(struct run *run, struct err *err)
{
    for (size_t i = 0; run->old && i < run->count; i++) {
        AUTO(drop_json) json_t *gone = NULL;

        if (!ask(run, &run->members[i], "retire",
                 json_pack("{s:s, s:O}", "kek", run->old, "words", run->done), &gone, err)) {
            return false;
        }
    }
    return true;
}

bool rotation_run(const struct rotation *rotation, char **out_kek, struct err *err)
{
    static const struct {
        bool (*make)(struct run *run, struct err *err);
        unsigned to; /* percent */
    } phases[] = {{look, 5},        {choose, 5},      {make, 15},      {bring_all, 40},
                  {rewrap_all, 60}, {verify_all, 80}, {retire_all, 99}};
    AUTO(drop_run)
    struct run run = {.rotation = rotation, .has = json_object(), .done = json_object()};

    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        run.from = run.to;
        run.to = phases[i].to;
        if (!phases[i].make(&run, err)) {
            return false;
        }
    }
    *out_kek = TAKE(run.kek);
    return true;
}
