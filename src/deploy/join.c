/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/join.h"

#include <pthread.h>
#include <string.h>

#include "deploy/ask.h"
#include "deploy/manager.h"

/* All hosts of a run; each thread has its own host. */
struct joining {
    struct deploy *deploy;
    const struct step *steps;
    size_t count;
    json_t **shares;      /* what the leading host gave each, or NULL */
    struct remote *lead;  /* asked by several */
    pthread_mutex_t lock; /* one of them at a time */
    json_t *monitors;
};

static bool is_in(const struct joining *joining, size_t number)
{
    const struct step *step = &joining->steps[number];

    return joining->deploy->missing[step->host_number].kind == ERR_NONE;
}

static bool ask(const struct joining *joining, size_t number, const char *kind, json_t *params,
                json_t **out, struct err *err)
{
    struct deploy *deploy = joining->deploy;
    const struct step *step = &joining->steps[number];
    struct remote *remote = deploy->remotes[step->host_number];

    report_step(deploy->report, kind, step->host, NULL);
    return deploy_step(deploy, remote, kind, params, out, err);
}

static bool ask_lead(struct joining *joining, const char *kind, json_t *params, json_t **out,
                     struct err *err)
{
    pthread_mutex_lock(&joining->lock);
    report_step(joining->deploy->report, kind, joining->lead->host->name, NULL);
    bool made = deploy_step(joining->deploy, joining->lead, kind, params, out, err);
    pthread_mutex_unlock(&joining->lock);
    return made;
}

bool join_version(const json_t *said, const char *host, struct err *err)
{
    const char *version = json_string_or(said, "version", "unknown");

    if (strcmp(version, QUOIN_VERSION) == 0) {
        return true;
    }
    err_set(err, ERR_CLASH, "the agent of host '%s' is of version %s, not " QUOIN_VERSION, host,
            version);
    return err_mend(err, "quoin deploy installs this quoin's on all hosts");
}

/* --- a host's own way, up to its key provider ------------------------------------------------- */

static bool enrol(struct joining *joining, size_t number, char **out_certificate, struct err *err)
{
    const struct step *step = &joining->steps[number];
    const char *address = joining->deploy->blueprint->hosts[step->host_number].address;
    AUTO(drop_json) json_t *asked = NULL;
    AUTO(drop_json) json_t *given = NULL;
    const char *request, *have;

    if (!ask(joining, number, "agent.request",
             json_pack("{s:s}", "tpm", ask_tpm_word(joining->deploy->blueprint)), &asked, err) ||
        !join_version(asked, step->host, err) ||
        !json_get_string(asked, "request", CERTIFICATE_MAX, &request, err)) {
        return false;
    }
    have = json_string_or(asked, "certificate", NULL);
    if (have) {
        *out_certificate = text_copy(have);
        return true;
    }
    if (!ask_lead(joining, "ca.sign",
                  json_pack("{s:s, s:s, s:s}", "request", request, "name", step->host, "address",
                            address),
                  &given, err) ||
        !ask(joining, number, "agent.enrol", json_incref(given), NULL, err)) {
        return false;
    }
    *out_certificate = text_copy(json_string_or(given, "certificate", ""));
    return true;
}

static bool open_provider(struct joining *joining, size_t number, struct err *err)
{
    struct remote *remote = joining->deploy->remotes[joining->steps[number].host_number];
    AUTO(drop_json) json_t *params = NULL;

    if (!ask_provider(joining->deploy, remote, &params, err)) {
        return false;
    }
    json_object_set(params, "parcel", json_object_get(joining->shares[number], "parcel"));
    json_object_set(params, "proof", json_object_get(joining->shares[number], "proof"));
    return ask(joining, number, "provider.open", json_incref(params), NULL, err);
}

static bool prepare(struct joining *joining, size_t number, struct err *err)
{
    AUTO(drop_free) char *certificate = NULL;

    return enrol(joining, number, &certificate, err) &&
           ask_lead(joining, "host.share", json_pack("{s:s}", "certificate", certificate),
                    &joining->shares[number], err) &&
           open_provider(joining, number, err);
}

/* --- its part of the datastore ---------------------------------------------------------------- */

static json_t *store_params(const struct joining *joining)
{
    json_t *params = ask_store(joining->deploy->blueprint);

    json_object_set(params, "monitors", joining->monitors);
    return params;
}

static bool give_disks(struct joining *joining, size_t number, struct err *err)
{
    const struct deploy *deploy = joining->deploy;
    size_t host = joining->steps[number].host_number;

    for (size_t i = 0; i < deploy->blueprint->hosts[host].disk_count; i++) {
        json_t *params = NULL;

        if (!ask_disk(&deploy->blueprint->hosts[host].disks[i], deploy->facts[host], &params,
                      err) ||
            !ask(joining, number, "store.disk", params, NULL, err)) {
            return false;
        }
    }
    return true;
}

static bool join_store(struct joining *joining, size_t number, struct err *err)
{
    json_t *params = store_params(joining);

    json_object_set(params, "parcel", json_object_get(joining->shares[number], "parcel"));
    return ask(joining, number, "store.join", params, NULL, err) &&
           give_disks(joining, number, err);
}

static bool prove_holes(struct joining *joining, size_t number, struct err *err)
{
    return ask(joining, number, "store.holes", NULL, NULL, err);
}

/* --- side by side ----------------------------------------------------------------------------- */

struct stage {
    struct joining *joining;
    bool (*make)(struct joining *joining, size_t number, struct err *err);
};

static void make_one(void *context, size_t number)
{
    const struct stage *stage = context;
    const struct step *step = &stage->joining->steps[number];
    struct err err = {0};

    if (is_in(stage->joining, number) && !stage->make(stage->joining, number, &err)) {
        deploy_leave_out(stage->joining->deploy, step->host_number, &err);
        report_missing(stage->joining->deploy->report, step->host, &err);
    }
}

static void make_all(struct joining *joining,
                     bool (*make)(struct joining *joining, size_t number, struct err *err))
{
    struct stage stage = {joining, make};

    side_by_side(joining->count, SIDE_HOSTS, make_one, &stage);
}

/* --- what concerns all of them ---------------------------------------------------------------- */

static bool has_monitor(const json_t *datastore, const char *name)
{
    const json_t *host = json_find(json_object_get(datastore, "hosts"), "name", name);

    return strcmp(json_string_or(host, "monitor", "none"), "none") != 0;
}

#define MONITORS 5u /* more make a datastore slower, not safer */

json_t *join_monitors(const struct blueprint *blueprint, const bool *in, const json_t *datastore)
{
    json_t *monitors = json_array();

    for (size_t i = 0; i < blueprint->host_count && json_array_size(monitors) < MONITORS; i++) {
        const struct blueprint_host *host = &blueprint->hosts[i];

        if (in[i] || has_monitor(datastore, host->name)) {
            json_array_append_new(
                monitors, json_pack("{s:s, s:s}", "host", host->name, "address", host->address));
        }
    }
    if (json_array_size(monitors) % 2 == 0) {
        json_array_remove(monitors, json_array_size(monitors) - 1);
    }
    return monitors;
}

/* Which hosts answer as members of the cluster, each of them with its status; `without` is not. */
static void find_members(struct deploy *deploy, const char *without, bool *in)
{
    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        AUTO(drop_json) json_t *status = NULL;
        struct err ignored = {0};

        in[i] = deploy->remotes[i] &&
                (!without || strcmp(deploy->blueprint->hosts[i].name, without) != 0) &&
                remote_status(deploy->remotes[i], &status, &ignored) &&
                json_is_true(json_object_get(status, "member")) &&
                strcmp(json_string_or(json_object_get(status, "cluster"), "id", ""),
                       deploy->state->cluster_id) == 0;
    }
}

static bool datastore_of(struct remote *remote, json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *status = NULL;

    if (!remote_status(remote, &status, err)) {
        return false;
    }
    *out = json_incref(json_object_get(status, "datastore"));
    return true;
}

/* A monitor that should go must be looked for too: the one that is above the odd number. */
static bool settle_one(struct deploy *deploy, size_t host, const json_t *params, bool monitor,
                       struct err *err)
{
    struct remote *remote = deploy->remotes[host];

    report_step(deploy->report, monitor ? "store.monitor" : "store.settle", remote->host->name,
                NULL);
    return deploy_step(deploy, remote, monitor ? "store.monitor" : "store.settle",
                       monitor ? NULL : json_deep_copy(params), NULL, err);
}

static bool is_listed(const json_t *monitors, const char *name)
{
    json_t *monitor;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)monitors, i, monitor)
    {
        if (strcmp(json_string_or(monitor, "host", ""), name) == 0) {
            return true;
        }
    }
    return false;
}

/* First those that come, then those that go: there is a majority all the time. */
static void settle_monitors(struct deploy *deploy, const bool *in, const json_t *monitors,
                            const json_t *datastore)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
            const char *name = deploy->blueprint->hosts[i].name;
            bool comes = is_listed(monitors, name);
            struct err err = {0};

            if (in[i] && comes == (pass == 0) && comes != has_monitor(datastore, name) &&
                !settle_one(deploy, i, NULL, true, &err)) {
                deploy_leave_out(deploy, i, &err);
                report_missing(deploy->report, name, &err);
            }
        }
    }
}

bool join_settle(struct deploy *deploy, const char *without, struct err *err)
{
    const struct blueprint *blueprint = deploy->blueprint;
    AUTO(drop_free) bool *in = text_room(blueprint->host_count, sizeof(*in));
    AUTO(drop_json) json_t *datastore = NULL;
    AUTO(drop_json) json_t *monitors = NULL;
    AUTO(drop_json) json_t *params = ask_store(blueprint);
    struct remote *lead = NULL;

    if (!deploy_lead_besides(deploy, without, &lead, err) || !datastore_of(lead, &datastore, err)) {
        return false;
    }
    find_members(deploy, without, in);
    if (without) { /* its own monitor, which it may still have, is not to be counted */
        ask_forget_host(datastore, without);
    }
    monitors = join_monitors(blueprint, in, datastore);
    json_object_set(params, "monitors", monitors);
    for (size_t i = 0; i < blueprint->host_count; i++) {
        struct err own = {0};

        if (in[i] && !settle_one(deploy, i, params, false, &own)) {
            deploy_leave_out(deploy, i, &own);
            report_missing(deploy->report, blueprint->hosts[i].name, &own);
        }
    }
    settle_monitors(deploy, in, monitors, datastore);
    return true;
}

/* Where another goes for it, what it has is moved when that one leaves: a dead one's data would be
 * waited for in vain until then, and with one copy more there would be one host too few. */
static bool spread(struct deploy *deploy, struct remote *lead, struct err *err)
{
    if (deploy->replaces) {
        return true;
    }
    report_step(deploy->report, "store.spread", lead->host->name,
                deploy->blueprint->datastore.name);
    return deploy_step(deploy, lead, "store.spread", NULL, NULL, err);
}

static bool add_in_manager(struct joining *joining, struct err *err)
{
    for (size_t i = 0; i < joining->count; i++) {
        bool changed = false;

        if (!is_in(joining, i)) {
            continue;
        }
        if (!manager_add_host(joining->deploy, joining->steps[i].host_number, &changed, err)) {
            return false;
        }
        joining->deploy->changed = joining->deploy->changed || changed;
        report_host_done(joining->deploy->report, "host.join", joining->steps[i].host, changed);
    }
    return true;
}

static bool join_all(struct joining *joining, struct err *err)
{
    struct deploy *deploy = joining->deploy;
    AUTO(drop_free) bool *in = text_room(deploy->blueprint->host_count, sizeof(*in));
    AUTO(drop_json) json_t *datastore = NULL;

    make_all(joining, prepare);
    if (!datastore_of(joining->lead, &datastore, err)) {
        return false;
    }
    find_members(deploy, NULL, in);
    joining->monitors = join_monitors(deploy->blueprint, in, datastore);
    make_all(joining, join_store);
    if (!join_settle(deploy, NULL, err) || !spread(deploy, joining->lead, err)) {
        return false;
    }
    make_all(joining, prove_holes);
    return add_in_manager(joining, err);
}

bool join_hosts(struct deploy *deploy, const struct step *steps, size_t count, struct err *err)
{
    AUTO(drop_free) json_t **shares = text_room(count, sizeof(json_t *));
    struct joining joining = {.deploy = deploy,
                              .steps = steps,
                              .count = count,
                              .shares = shares,
                              .lock = PTHREAD_MUTEX_INITIALIZER};
    bool joined = deploy_lead(deploy, &joining.lead, err) && join_all(&joining, err);

    for (size_t i = 0; i < count; i++) {
        json_decref(shares[i]);
    }
    json_decref(joining.monitors);
    return joined;
}
