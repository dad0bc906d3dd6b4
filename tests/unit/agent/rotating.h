/* SPDX-License-Identifier: Apache-2.0 */
/* The phases of a rotation (agent/rotate.h) on h1 and h2, and a manager that does as it should. For
 * test_rotate.c. */
#ifndef QUOIN_TESTS_AGENT_ROTATING_H
#define QUOIN_TESTS_AGENT_ROTATING_H

#include <string.h>

#include "second.h"

#include "agent/rekey.h"
#include "agent/rotate.h"
#include "agent/word.h"

/* ---- phases ---- */

/* `params` is taken. */
static struct outcome phase_try(struct agent *agent, const char *phase, json_t *params)
{
    struct making making = {.params = NULL};
    struct outcome outcome = {.made = false};

    outcome.made = rotate_phase(agent, phase, params, &making, &outcome.err);
    outcome.changed = making.changed;
    outcome.result = making.result;
    json_decref(params);
    return outcome;
}

/* Must succeed. */
static json_t *phase_does(struct agent *agent, const char *phase, json_t *params)
{
    struct outcome outcome = phase_try(agent, phase, params);

    if (!outcome.made) {
        fail_msg("%s %s: %s", agent->host.name, phase, outcome.err.what);
    }
    return outcome.result;
}

static void phase_refused(struct agent *agent, const char *phase, json_t *params,
                          enum err_kind kind, const char *word)
{
    AUTO(drop_outcome) struct outcome outcome = phase_try(agent, phase, params);

    assert_false(outcome.made);
    if (outcome.err.kind != kind || !strstr(outcome.err.what, word)) {
        fail_msg("%s is %s: %s", phase, err_kind_name(outcome.err.kind), outcome.err.what);
    }
}

/* All hosts say that no rotation is open there. */
static json_t *make_params(void)
{
    struct agent *all[] = {&world.agent, &second};
    json_t *words = json_object();

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        const struct host *host = &all[i]->host;
        json_t *word = NULL;
        struct err err = {0};

        if (!rekey_is_open(all[i]) && word_give(all[i], WORD_REST, host->provider.kek, host->name,
                                                host->provider.kek, &word, &err)) {
            json_object_set_new(words, host->name, word);
        }
    }
    return json_pack("{s:o}", "words", words);
}

static void a_minute_passed(void)
{
    json_decref(TAKE(world.agent.rotate_shared));
    json_decref(TAKE(second.rotate_shared));
    memset(world.agent.rotate_next, 0, sizeof(world.agent.rotate_next));
    memset(second.rotate_next, 0, sizeof(second.rotate_next));
}

/* The KEK of a host became known so many seconds ago. */
static void made_ago(struct agent *agent, int64_t seconds)
{
    time_t at = time(NULL) - (time_t)seconds;
    char text[32];
    struct tm tm;

    gmtime_r(&at, &tm);
    assert_true(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
    host_set(&agent->host.provider.made, text);
    agent->rotate_new = 0;
}

static void an_hour_passed(void)
{
    made_ago(&world.agent, ROTATE_SECONDS + 1);
    made_ago(&second, ROTATE_SECONDS + 1);
    a_minute_passed();
}

static json_t *of(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return value ? json_incref(value) : json_null();
}

static json_t *ask_of(const json_t *look)
{
    return json_pack("{s:o, s:o}", "certificate", of(look, "certificate"), "word",
                     of(look, "word"));
}

static json_t *take_of(const json_t *share)
{
    return json_pack("{s:o, s:o, s:o}", "kek", of(share, "kek"), "parcel", of(share, "parcel"),
                     "word", of(share, "word"));
}

static json_t *words_of(const json_t *first, const json_t *other)
{
    return json_pack("{s:o, s:o}", "h1", of(first, "word"), "h2", of(other, "word"));
}

/* ---- a manager that does as it should ---- */

/* What it has been told so far. */
static struct told {
    json_t *look[2], *made, *share, *taken, *proven[2];
    char *old;
} told;

static void forget(void)
{
    json_t **all[] = {&told.look[0], &told.look[1],   &told.made,     &told.share,
                      &told.taken,   &told.proven[0], &told.proven[1]};

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        json_decref(*all[i]);
        *all[i] = NULL;
    }
    free(TAKE(told.old));
}

/* The steps of it, one call each; a test may stop after any. */
static void do_step(unsigned number)
{
    struct agent *h1 = &world.agent, *h2 = &second;

    switch (number) {
    case 0:
        told.look[0] = phase_does(h1, "look", json_object());
        told.look[1] = phase_does(h2, "look", json_object());
        break;
    case 1:
        told.made = phase_does(h1, "make", make_params());
        told.old = text_copy(json_string_or(told.made, "old", NULL));
        break;
    case 2:
        if (strcmp(h1->host.provider.kek, h2->host.provider.kek) != 0) {
            told.share = phase_does(h1, "share", ask_of(told.look[1]));
        }
        break;
    case 3:
        told.taken = phase_does(h2, "take",
                                told.share ? take_of(told.share)
                                           : json_pack("{s:o, s:n, s:n}", "kek",
                                                       of(told.made, "kek"), "parcel", "word"));
        break;
    case 4:
        json_decref(
            phase_does(h1, "rewrap", json_pack("{s:o}", "words", words_of(told.made, told.taken))));
        break;
    case 5:
        json_decref(
            phase_does(h2, "rewrap", json_pack("{s:o}", "words", words_of(told.made, told.taken))));
        break;
    case 6:
        told.proven[0] = phase_does(h1, "verify", json_object());
        told.proven[1] = phase_does(h2, "verify", json_object());
        break;
    default:
        json_decref(phase_does(number == 7 ? h2 : h1, "retire",
                               json_pack("{s:s, s:o}", "kek", told.old ? told.old : "none", "words",
                                         words_of(told.proven[0], told.proven[1]))));
        break;
    }
}

#define STEPS 9u

static void steps_until(unsigned end)
{
    for (unsigned i = 0; i < end; i++) {
        do_step(i);
    }
}

static void rotate_must(void)
{
    forget();
    a_minute_passed();
    steps_until(STEPS);
    forget();
}

#endif
