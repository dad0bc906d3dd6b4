/* SPDX-License-Identifier: Apache-2.0 */
/* Going through the plan. */
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

/* What a further host changes in itself does not make the manager's proof stale. */
static void note_change(struct deploy *deploy, const struct remote *remote, bool changed)
{
    if (changed) {
        deploy->changed = true;
    }
    if (changed && remote == deploy->remotes[deploy->lead]) {
        deploy->unproven = true;
    }
}

/* What is to be mended though the step was made. */
static void tell_finding(struct deploy *deploy, const char *kind, const char *host,
                         const json_t *result)
{
    const char *finding = json_string_or(result, "finding", NULL);

    if (finding) {
        AUTO(drop_free) char *clean = text_copy(finding);

        text_flatten(clean);
        report_finding(deploy->report, kind, host, clean);
    }
}

bool deploy_step(struct deploy *deploy, struct remote *remote, const char *kind, json_t *params,
                 json_t **out_result, struct err *err)
{
    AUTO(drop_json) json_t *order = order_of(deploy, remote, kind, params);
    struct client_call call = {.method = "POST", .path = "/v1/steps", .json = order};
    struct remote_answer answer = {.report = deploy->report};

    answer.who = deploy->blueprint->host_count > 1 ? remote->host->name : NULL;
    if (!remote_ask(remote, &call, &answer, err)) {
        json_decref(answer.result);
        return false;
    }
    note_change(deploy, remote, answer.changed);
    report_host_done(deploy->report, kind, remote->host->name, answer.changed);
    tell_finding(deploy, kind, remote->host->name, answer.result);
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

/* How many of the steps from here on are made at once: one, or a row of one kind. */
static size_t row_of(const struct plan *plan, size_t first, const struct deploy_maker *maker)
{
    size_t count = 1;

    while (maker && maker->together && first + count < plan->step_count &&
           plan->steps[first + count].kind == plan->steps[first].kind) {
        count++;
    }
    return count;
}

static bool run_steps(struct deploy *deploy, size_t first, size_t *out_count, struct err *err)
{
    const struct step *step = &deploy->plan->steps[first];
    const struct deploy_maker *maker = maker_of(step->kind->name);

    *out_count = row_of(deploy->plan, first, maker);
    if (!maker) {
        return err_set(err, ERR_BUG, "nobody makes the step '%s'", step->kind->name);
    }
    if (maker->together) {
        return maker->together(deploy, step, *out_count, err);
    }
    report_step(deploy->report, step->kind->name, step->host,
                step->target && step->target[0] ? step->target : NULL);
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

bool deploy_steps(struct deploy *deploy, struct err *err)
{
    const struct plan *plan = deploy->plan;
    unsigned of = deploy_phases(deploy->blueprint), number = 1;
    enum phase now = PHASE_CHECK;

    for (size_t i = 0, count = 1; i < plan->step_count; i += count) {
        const struct step *step = &plan->steps[i];

        if (step->kind->phase != now) {
            if (now != PHASE_CHECK && !end_phase(deploy, now, err)) {
                return false;
            }
            now = step->kind->phase;
            report_phase(deploy->report, phase_name(now), ++number, of);
        }
        if (!run_steps(deploy, i, &count, err)) {
            return false;
        }
        /* From here on there is a cluster with its manager; what is left is more hosts. */
        deploy->state->deployed = deploy->state->deployed || now == PHASE_CLUSTER;
    }
    return end_phase(deploy, now, err);
}

bool deploy_run(struct deploy *deploy, struct err *err)
{
    return deploy_steps(deploy, err) && deploy_complete(deploy, err);
}
