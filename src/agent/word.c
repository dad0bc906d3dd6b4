/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/word.h"

#include "agent/member.h"

#define FILLING_SIZE 32u

static const char *const purposes[] = {[WORD_REST] = "rotation-rest",
                                       [WORD_ASK] = "rotation-ask",
                                       [WORD_NEXT] = "rotation-next",
                                       [WORD_HAS] = "rotation-has",
                                       [WORD_DONE] = "rotation-done"};

/* What the envelope is bound to: `vm` has UUID_SIZE bytes and outlives it. */
static struct envelope_about about_of(const struct agent *agent, enum word word, const char *kek,
                                      const char *host, const char *what, char *vm)
{
    AUTO(drop_free) char *said = text_make("%s/%s/%s", purposes[word], host, what);

    uuid_derive(agent->host.cluster_id, said, vm);
    return (struct envelope_about){
        .kek_id = kek, .vm = vm, .purpose = purposes[word], .generation = 1};
}

/* What it is about, as it says itself: so that no provider is asked in vain. */
static bool says(const struct envelope *envelope, const struct envelope_about *wanted)
{
    const struct envelope_about *about = envelope_about(envelope);

    return strcmp(about->vm, wanted->vm) == 0 && strcmp(about->purpose, wanted->purpose) == 0 &&
           about->generation == wanted->generation;
}

bool word_give(struct agent *agent, enum word word, const char *kek, const char *host,
               const char *what, json_t **out, struct err *err)
{
    AUTO(drop_secret) struct secret *filling = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    char vm[UUID_SIZE];
    const struct envelope_about about = about_of(agent, word, kek, host, what, vm);
    struct key *key = NULL;

    if (!agent_key(agent, &key, err) || !secret_random(FILLING_SIZE, &filling, err) ||
        !key_wrap(key, &about, filling, &envelope, err)) {
        return err_add(err, "give the other hosts a word");
    }
    *out = envelope_json(envelope);
    return true;
}

bool word_check(struct agent *agent, enum word word, const char *kek, const char *host,
                const char *what, const json_t *given, struct err *err)
{
    AUTO(drop_secret) struct secret *filling = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    char vm[UUID_SIZE];
    const struct envelope_about about = about_of(agent, word, kek, host, what, vm);
    struct key *key = NULL;

    /* Only its own KEK is asked: an envelope of any other is not taken to the provider. */
    if (!envelope_of_json(given, &envelope, err)) {
        return err_add(err, "a word of host '%s'", host);
    }
    if (strcmp(envelope_about(envelope)->kek_id, kek) != 0) {
        return err_set(err, ERR_CLASH, "the word of host '%s' is under the KEK %s, not %s", host,
                       envelope_about(envelope)->kek_id, kek);
    }
    if (!says(envelope, &about)) {
        return err_set(err, ERR_CLASH, "the word of host '%s' says something else", host);
    }
    return (agent_key(agent, &key, err) && key_unwrap(key, envelope, &about, &filling, err)) ||
           err_add(err, "what was said in the name of host '%s'", host);
}

bool word_of_all(struct agent *agent, enum word word, const char *kek, const json_t *words,
                 struct err *err)
{
    AUTO(drop_json) json_t *names = NULL;
    const json_t *name;
    size_t i;

    if (!member_names(agent, &names, err)) {
        return false;
    }
    json_array_foreach(names, i, name)
    {
        const char *host = json_string_value(name);
        const json_t *given = json_object_get(words, host);

        if (strcmp(host, agent->host.name) == 0) {
            continue;
        }
        if (!given || json_is_null(given)) {
            err_set(err, ERR_CLASH, "host '%s' must take part, and nothing came of it", host);
            return err_mend(err, "ask for the rotation again, with all hosts of the cluster");
        }
        if (!word_check(agent, word, kek, host, kek, given, err)) {
            return false;
        }
    }
    return true;
}
