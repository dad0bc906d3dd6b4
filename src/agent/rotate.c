/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rotate.h"

#include <string.h>
#include <time.h>

/* A part of the whole: its 0 … 100 become from … to. */
struct part {
    const struct progress *whole;
    unsigned from, to;
};

static void tell_part(void *context, unsigned percent, const char *what)
{
    const struct part *part = context;

    progress_tell(part->whole, part->from + (part->to - part->from) * percent / 100, what);
}

/* A step of this host itself. `params` is taken; `*out_result` may be NULL afterwards. */
static bool step(struct agent *agent, const char *kind, json_t *params, struct part part,
                 struct making *whole, json_t **out_result, struct err *err)
{
    const struct progress progress = {tell_part, &part};
    struct making making = {.progress = &progress};

    pthread_mutex_lock(&agent->state);
    AUTO(drop_json)
    json_t *order = json_pack("{s:s, s:{s:s?, s:s?, s:s?}, s:{s:s?, s:s?}, s:o}", "kind", kind,
                              "cluster", "id", agent->host.cluster_id, "name", agent->host.cluster,
                              "datacenter", agent->host.datacenter, "host", "name",
                              agent->host.name, "address", agent->host.address, "params", params);
    pthread_mutex_unlock(&agent->state);
    bool made = step_make(agent, order, &making, err);

    whole->changed = whole->changed || making.changed;
    *out_result = making.result;
    return made;
}

/* Who has a place in the datastore besides this host; the caller frees. */
static char *other_of(const json_t *list, const char *key, const char *self)
{
    size_t i;
    json_t *one;

    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        const char *name = json_string_or(one, key, "");

        if (name[0] && strcmp(name, self) != 0) {
            return text_copy(name);
        }
    }
    return NULL;
}

static bool is_alone(struct agent *agent, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    struct store_health health = {.state = STORE_AWAY};

    pthread_mutex_lock(&agent->state);
    AUTO(host_clear) struct host host = host_copy(&agent->host);
    pthread_mutex_unlock(&agent->state);
    const struct store_conf conf = host_store_conf(&host, monitors);
    const struct store_backend *backend = NULL;

    if (!host.store_type || !host.provider.kek) {
        return err_set(err, ERR_ABSENT, "this host has no KEK, or no datastore, yet");
    }
    if (!store_backend_find(host.store_type, &backend, err) ||
        !backend->look(&conf, &health, err)) {
        return false;
    }
    AUTO(drop_free) char *other = other_of(health.members, "host", host.name);

    other = other ? other : other_of(health.hosts, "name", host.name);
    bool away = health.state == STORE_AWAY;

    store_health_clear(&health);
    if (away) {
        err_set(err, ERR_AWAY, "the datastore does not answer");
        return err_mend(err, "bring it back, then ask again");
    }
    if (other) {
        err_set(err, ERR_INPUT, "host '%s' is in this cluster as well: it needs the new KEK",
                other);
        return err_mend(err, "rotate from where the cluster was deployed: quoin key rotate");
    }
    return true;
}

/* Seconds since the KEK that wraps became known here; a rotation that is not finished may go on at
 * once. With the state lock. */
static int64_t age_of_kek(const struct agent *agent)
{
    struct tm tm = {0};
    const char *made = agent->host.provider.made;

    if (!made || agent->host.old.kek || !strptime(made, "%Y-%m-%dT%H:%M:%SZ", &tm)) {
        return ROTATE_SECONDS;
    }
    return (int64_t)(time(NULL) - timegm(&tm));
}

static bool take_turn(struct agent *agent, struct err *err)
{
    pthread_mutex_lock(&agent->state);
    int64_t now = clock_ms(), age = age_of_kek(agent);
    bool soon = now < agent->rotate_next || (age >= 0 && age < ROTATE_SECONDS);

    if (!soon) {
        agent->rotate_next = now + ROTATE_RETRY_SECONDS * 1000;
    }
    pthread_mutex_unlock(&agent->state);
    if (soon) {
        err_set(err, ERR_DENIED,
                "the manager may have the keys rotated once an hour, and they were "
                "rotated, or it asked, a short while ago");
        return err_mend(err, "wait, or rotate from where the cluster was deployed: quoin key "
                             "rotate");
    }
    return true;
}

static void keep_turn(struct agent *agent)
{
    pthread_mutex_lock(&agent->state);
    agent->rotate_next = clock_ms() + (int64_t)ROTATE_SECONDS * 1000;
    pthread_mutex_unlock(&agent->state);
}

static bool rotate(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_json) json_t *made = NULL, *wrapped = NULL, *retired = NULL;

    if (!step(agent, "key.make", json_object(), (struct part){making->progress, 0, 30}, making,
              &made, err) ||
        !step(agent, "key.rewrap", json_object(), (struct part){making->progress, 30, 70}, making,
              &wrapped, err)) {
        return false;
    }
    const char *old = json_string_or(made, "old", NULL);

    if (old && !step(agent, "key.retire", json_pack("{s:s}", "kek", old),
                     (struct part){making->progress, 70, 100}, making, &retired, err)) {
        return false;
    }
    making->result =
        json_pack("{s:s?, s:s?}", "kek", json_string_or(made, "kek", NULL), "retired", old);
    return true;
}

bool rotate_keys(struct agent *agent, enum role role, struct making *making, struct err *err)
{
    bool local = role == ROLE_LOCAL;

    if (!is_alone(agent, err) || (!local && !take_turn(agent, err)) ||
        !rotate(agent, making, err)) {
        return err_add(err, "rotate the keys");
    }
    if (!local) {
        keep_turn(agent);
    }
    return true;
}
