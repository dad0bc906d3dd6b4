/* SPDX-License-Identifier: Apache-2.0 */
/* quoin host add, remove, replace: one host comes into a cluster that is there, or goes. */
#include <stdio.h>
#include <string.h>

#include "cli/open.h"
#include "deploy/join.h"
#include "deploy/manager.h"

static bool host_number(const struct session *session, const char *name, size_t *out,
                        struct err *err)
{
    for (size_t i = 0; i < session->blueprint->host_count; i++) {
        if (strcmp(session->blueprint->hosts[i].name, name) == 0) {
            *out = i;
            return true;
        }
    }
    err_set(err, ERR_INPUT, "the blueprint names no host '%s'", name);
    return err_mend(err, "write it into the blueprint, with its address and its disks");
}

/* Blueprint and state of a cluster that is there. */
static bool begin(struct cli *cli, struct session *session, struct err *err)
{
    report_begin(&session->report, cli->json);
    session->deploy.report = &session->report;
    if (!session_load(cli, cli->words[0], session, err) ||
        !session_state(cli, false, session, err)) {
        return false;
    }
    if (!session->state->deployed) {
        err_set(err, ERR_ABSENT, "cluster '%s' is not deployed yet", session->blueprint->cluster);
        return err_mend(err, "run quoin deploy: it brings in all hosts");
    }
    return true;
}

/* The end of each of these verbs: one event, or the failure. */
static bool end(struct cli *cli, struct session *session, bool done, const char *summary,
                struct err *err)
{
    AUTO(drop_json) json_t *result = NULL;

    if (!done) {
        report_failed(&session->report, err);
        cli->told = true;
        return false;
    }
    result = json_pack("{s:b, s:s}", "changed", (int)session->deploy.changed, "cluster",
                       session->blueprint->cluster);
    report_done(&session->report, result, summary);
    return true;
}

static void show_plan(const struct cli *cli, const struct plan *plan)
{
    AUTO(drop_text) struct text text = {0};

    if (cli->json) {
        AUTO(drop_json) json_t *json = plan_json(plan);

        cli_print_json(json);
        return;
    }
    plan_text(plan, &text);
    fputs(text.bytes, stdout);
}

static bool runs_vms(const json_t *status)
{
    json_t *vm;
    size_t i;

    json_array_foreach(json_object_get(status, "vms"), i, vm)
    {
        if (strcmp(json_string_or(vm, "state", "unknown"), "off") != 0) {
            return true;
        }
    }
    return false;
}

/* A VM that runs there would lose its disks under its feet. */
static bool check_empty(struct session *session, size_t host, struct err *err)
{
    struct remote *remote = session->deploy.remotes[host];
    const char *name = session->blueprint->hosts[host].name;
    AUTO(drop_json) json_t *status = NULL;
    struct err away = {0};

    if (!remote || !remote_status(remote, &status, &away)) {
        return true;
    }
    if (runs_vms(status)) {
        err_set(err, ERR_CLASH, "host '%s' runs virtual machines", name);
        return err_mend(err, "move them away first: quoin host maintenance %s on", name);
    }
    return true;
}

/* --- add -------------------------------------------------------------------------------------- */

/* Nothing of other hosts stands against this one. */
static bool look(struct cli *cli, struct session *session, size_t host, struct err *err)
{
    struct deploy *deploy = &session->deploy;

    report_phase(&session->report, phase_name(PHASE_CHECK), 1, 3);
    deploy->may_miss = true;
    if (!deploy_look(deploy, true, &session->findings, err)) {
        return false;
    }
    if (deploy->missing[host].kind != ERR_NONE) {
        *err = deploy->missing[host];
        return false;
    }
    if (session->findings.errors > 0) {
        return session_refuse(cli, session, err);
    }
    if (!deploy->facts[deploy->lead]->member) {
        return err_set(err, ERR_AWAY, "no member of cluster '%s' answers",
                       session->blueprint->cluster);
    }
    return true;
}

/* Hosts that were away before are not this verb's. */
static bool bring_in(struct deploy *deploy, size_t host, struct err *err)
{
    if (!deploy_steps(deploy, err)) {
        return false;
    }
    *err = deploy->missing[host];
    return err->kind == ERR_NONE;
}

/* `old`: who goes afterwards, if anybody; it must be free to go before anything is changed. */
static bool add(struct cli *cli, struct session *session, size_t host, const size_t *old,
                struct err *err)
{
    struct deploy *deploy = &session->deploy;
    const char *name = session->blueprint->hosts[host].name;

    deploy->replaces = old != NULL;
    if (!look(cli, session, host, err) || (old && !check_empty(session, *old, err)) ||
        !deploy_plan(deploy, err)) {
        return false;
    }
    if (host == deploy->lead) {
        return err_set(err, ERR_CLASH,
                       "host '%s' is a member already, and the only one that answers", name);
    }
    (void)plan_keep_host(deploy->plan, name);
    if (cli->dry) {
        show_plan(cli, deploy->plan);
        return true;
    }
    return session_allowed(cli, deploy->plan, err) && session_remember(session, err) &&
           bring_in(deploy, host, err);
}

bool verb_host_add(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    size_t host = 0;

    if (!begin(cli, &session, err) || !host_number(&session, cli->words[1], &host, err)) {
        return false;
    }
    bool done = add(cli, &session, host, NULL, err);

    if (done && cli->dry) {
        return true;
    }
    AUTO(drop_free)
    char *summary = text_make("Host '%s' is %s.", cli->words[1],
                              session.deploy.changed ? "in the cluster" : "in the cluster already");

    return end(cli, &session, done, summary, err);
}

/* --- remove ----------------------------------------------------------------------------------- */

/* Why it may not go, before anything is changed. */
static bool check_leaving(struct session *session, struct remote *lead, const char *name,
                          struct err *err)
{
    AUTO(drop_json) json_t *status = NULL;
    json_t *datastore, *host;
    unsigned others = 0;
    size_t i;

    if (!remote_status(lead, &status, err)) {
        return false;
    }
    datastore = json_object_get(status, "datastore");
    json_array_foreach(json_object_get(datastore, "hosts"), i, host)
    {
        others += strcmp(json_string_or(host, "name", ""), name) != 0 &&
                  json_integer_value(json_object_get(host, "up")) > 0;
    }
    json_int_t copies = json_integer_value(json_object_get(datastore, "copies"));

    if (copies > (json_int_t)others) {
        err_set(err, ERR_CLASH, "without host '%s' there are %u hosts for %lld copies of each byte",
                name, others, (long long)copies);
        return err_mend(err, "quoin host replace %s %s --with HOST brings another in first",
                        session->blueprint->file, name);
    }
    return true;
}

static bool undo_own(struct session *session, size_t host, struct err *err)
{
    struct deploy *deploy = &session->deploy;
    struct err away = deploy->answers[host].err;

    if (deploy->remotes[host]) {
        return deploy_undo_host(deploy, deploy->remotes[host], err);
    }
    report_missing(&session->report, session->blueprint->hosts[host].name, &away);
    return true;
}

static bool take_out(struct session *session, size_t host, struct err *err)
{
    struct deploy *deploy = &session->deploy;
    const char *name = session->blueprint->hosts[host].name;
    struct remote *lead = NULL;
    bool changed = false;

    report_phase(&session->report, "datastore", 2, 3);
    if (!join_settle(deploy, name, err) || !deploy_lead_besides(deploy, name, &lead, err)) {
        return false;
    }
    report_step(&session->report, "store.leave", lead->host->name, name);
    if (!deploy_step(deploy, lead, "store.leave",
                     json_pack("{s:s, s:s}", "host", name, "address",
                               session->blueprint->hosts[host].address),
                     NULL, err)) {
        return false;
    }
    report_phase(&session->report, "cluster", 3, 3);
    return manager_remove_host(deploy, host, &changed, err) && undo_own(session, host, err);
}

static bool remove_host(struct cli *cli, struct session *session, size_t host, struct err *err)
{
    const char *name = session->blueprint->hosts[host].name;
    struct remote *lead = NULL;

    report_phase(&session->report, phase_name(PHASE_CHECK), 1, 3);
    if (!deploy_lead_besides(&session->deploy, name, &lead, err)) {
        err_add(err, "nobody is left when host '%s' goes", name);
        return false;
    }
    return check_leaving(session, lead, name, err) && check_empty(session, host, err) &&
           (cli->dry || take_out(session, host, err));
}

bool verb_host_remove(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    size_t host = 0;

    if (!begin(cli, &session, err) || !host_number(&session, cli->words[1], &host, err) ||
        !session_reach(&session, err)) {
        return false;
    }
    AUTO(drop_free)
    char *summary = text_make("Host '%s' %s; take it out of the blueprint too.", cli->words[1],
                              cli->dry ? "can go" : "is no part of the cluster any more");

    return end(cli, &session, remove_host(cli, &session, host, err), summary, err);
}

/* --- replace: the other comes in before this one goes ----------------------------------------- */

static bool replace(struct cli *cli, struct session *session, size_t old, size_t new,
                    struct err *err)
{
    return add(cli, session, new, &old, err) && (cli->dry || remove_host(cli, session, old, err));
}

bool verb_host_replace(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    size_t old = 0, new = 0;

    if (!cli->with) {
        return err_set(err, ERR_INPUT, "say which host comes in its place: --with HOST");
    }
    if (!begin(cli, &session, err) || !host_number(&session, cli->words[1], &old, err) ||
        !host_number(&session, cli->with, &new, err)) {
        return false;
    }
    bool done = old != new || err_set(err, ERR_INPUT, "a host cannot take its own place");

    done = done && replace(cli, &session, old, new, err);
    if (done && cli->dry) {
        return true;
    }
    AUTO(drop_free)
    char *summary = text_make("Host '%s' took the place of '%s'; take that out of the blueprint.",
                              cli->with, cli->words[1]);

    return end(cli, &session, done, summary, err);
}
