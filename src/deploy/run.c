/* SPDX-License-Identifier: Apache-2.0 */
/* Going through the plan, and undoing it. */
#include <string.h>

#include "deploy/deploy.h"

static json_t *order_of(const struct deploy *deploy, const struct remote *remote, const char *kind,
                        json_t *params)
{
    const struct blueprint *blueprint = deploy->blueprint;

    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:{s:s, s:s}, s:o}", "kind", kind, "cluster", "id",
                     deploy->state->cluster_id, "name", blueprint->cluster, "datacenter",
                     blueprint->datacenter, "host", "name", remote->host->name, "address",
                     remote->host->address, "params", params ? params : json_object());
}

bool deploy_step(struct deploy *deploy, struct remote *remote, const char *kind, json_t *params,
                 json_t **out_result, struct err *err)
{
    AUTO(drop_json) json_t *order = order_of(deploy, remote, kind, params);
    struct client_call call = {.method = "POST", .path = "/v1/steps", .json = order};
    struct remote_answer answer = {.report = deploy->report};

    if (!remote_ask(remote, &call, &answer, err)) {
        json_decref(answer.result);
        return false;
    }
    deploy->changed = deploy->changed || answer.changed;
    report_step_done(deploy->report, kind, answer.changed);
    if (out_result) {
        *out_result = TAKE(answer.result);
    }
    json_decref(answer.result);
    return true;
}

static const struct deploy_maker *maker_of(const char *kind)
{
    for (const struct deploy_maker *maker = deploy_makers; maker->kind; maker++) {
        if (strcmp(maker->kind, kind) == 0) {
            return maker;
        }
    }
    return NULL;
}

static bool run_step(struct deploy *deploy, const struct step *step, struct err *err)
{
    const struct deploy_maker *maker = maker_of(step->kind->name);

    report_step(deploy->report, step->kind->name, step->host,
                step->target && step->target[0] ? step->target : NULL);
    if (!maker) {
        return err_set(err, ERR_BUG, "nobody makes the step '%s'", step->kind->name);
    }
    return maker->make(deploy, step, err);
}

/* The journal failing is a failure: nothing goes on unrecorded. */
static bool end_phase(struct deploy *deploy, enum phase phase, struct err *err)
{
    if (deploy->report->failure.kind != ERR_NONE) {
        *err = deploy->report->failure;
        return false;
    }
    free(deploy->state->phase);
    deploy->state->phase = text_copy(phase_name(phase));
    return state_save(deploy->state, err);
}

unsigned deploy_phases(const struct blueprint *blueprint)
{
    return blueprint->host_count > 1 ? PHASE_COUNT : PHASE_JOIN;
}

bool deploy_run(struct deploy *deploy, struct err *err)
{
    const struct plan *plan = deploy->plan;
    unsigned of = deploy_phases(deploy->blueprint), number = 1;
    enum phase now = PHASE_CHECK;

    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];

        if (step->kind->phase != now) {
            if (now != PHASE_CHECK && !end_phase(deploy, now, err)) {
                return false;
            }
            now = step->kind->phase;
            report_phase(deploy->report, phase_name(now), ++number, of);
        }
        if (!run_step(deploy, step, err)) {
            return false;
        }
    }
    deploy->state->deployed = true;
    return end_phase(deploy, now, err);
}

static bool undo_step(struct deploy *deploy, struct remote *remote, const char *kind,
                      const char *target, json_t *params, struct err *err)
{
    report_step(deploy->report, kind, remote->host->name, target);
    return deploy_step(deploy, remote, kind, params, NULL, err);
}

static bool undo_vms(struct deploy *deploy, struct remote *remote, const json_t *status,
                     struct err *err)
{
    json_t *vm;
    size_t i;

    json_array_foreach(json_object_get(status, "vms"), i, vm)
    {
        if (!undo_step(deploy, remote, "vm.remove", json_string_or(vm, "name", NULL),
                       json_pack("{s:s}", "vm", json_string_or(vm, "id", "")), err)) {
            return false;
        }
    }
    return true;
}

/* In this order: what stands on something goes before it, and the keys go last. */
static bool undo_cluster(struct deploy *deploy, struct remote *remote, const json_t *status,
                         struct err *err)
{
    report_phase(deploy->report, "vms", 1, 3);
    if (!undo_vms(deploy, remote, status, err)) {
        return false;
    }
    report_phase(deploy->report, "datastore", 2, 3);
    if (!undo_step(deploy, remote, "store.remove", NULL, NULL, err)) {
        return false;
    }
    report_phase(deploy->report, "keys", 3, 3);
    return undo_step(deploy, remote, "provider.remove", NULL, NULL, err);
}

/* A host that belongs to another cluster, or to none, keeps what it has: the agent says so. */
static bool undo_host(struct deploy *deploy, struct remote *remote, struct err *err)
{
    AUTO(drop_json) json_t *status = NULL;

    if (!remote_status(remote, &status, err)) {
        return err->kind == ERR_ABSENT;
    }
    if (json_is_object(json_object_get(status, "cluster")) &&
        !undo_cluster(deploy, remote, status, err)) {
        return false;
    }
    return remote_uninstall(remote, err);
}

bool deploy_undo(struct deploy *deploy, struct err *err)
{
    struct err kept = {0};

    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        const struct blueprint_host *host = &deploy->blueprint->hosts[i];
        struct err now = {0};

        if (!deploy->remotes[i]) {
            now = deploy->answers[i].err;
        } else if (undo_host(deploy, deploy->remotes[i], &now)) {
            continue;
        }
        err_add(&now, "undo host '%s'", host->name);
        kept = now;
    }
    if (kept.kind != ERR_NONE) {
        *err = kept;
        return false;
    }
    return true;
}
