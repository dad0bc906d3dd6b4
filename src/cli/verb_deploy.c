/* SPDX-License-Identifier: Apache-2.0 */
/* quoin deploy: check, plan, consent, and then the steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/open.h"

static bool ask_person(const struct plan *plan, struct err *err)
{
    AUTO(drop_text) struct text text = {0};
    char answer[16] = "";

    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        err_set(err, ERR_INPUT, "%zu disks would be wiped, and nobody is here to ask",
                plan->wipe_count);
        return err_mend(err, "say --yes, or --plan %s to allow exactly this plan", plan->hash);
    }
    plan_text(plan, &text);
    fprintf(stderr, "%s\nWipe these disks? Type yes: ", text.bytes);
    if (!fgets(answer, sizeof(answer), stdin) || strcmp(answer, "yes\n") != 0) {
        return err_set(err, ERR_DENIED, "not allowed: nothing was changed");
    }
    return true;
}

static bool allowed(const struct cli *cli, const struct plan *plan, struct err *err)
{
    if (cli->plan && strcmp(cli->plan, plan->hash) != 0) {
        err_set(err, ERR_CLASH, "the plan is %s now, not %s", plan->hash, cli->plan);
        return err_mend(err, "look at it again with quoin plan");
    }
    return plan->wipe_count == 0 || cli->yes || cli->plan || ask_person(plan, err);
}

/* The blueprint's real path: status and verify find it from anywhere. */
static bool remember(struct session *session, struct err *err)
{
    struct state *state = session->state;
    char *path = realpath(session->blueprint->file, NULL);

    free(state->blueprint);
    state->blueprint = path ? path : text_copy(session->blueprint->file);
    free(state->datacenter);
    state->datacenter = text_copy(session->blueprint->datacenter);
    return state_save(state, err);
}

static json_t *findings_event(const struct findings *findings)
{
    AUTO(drop_json) json_t *all = findings_json(findings);

    return json_incref(json_object_get(all, "findings"));
}

static bool refuse(struct cli *cli, struct session *session, struct err *err)
{
    if (!cli->json) {
        session_print_findings(cli, session);
    } else {
        AUTO(drop_json)
        json_t *event = json_pack("{s:s, s:s, s:o}", "event", "findings", "phase", "check",
                                  "findings", findings_event(&session->findings));
        AUTO(drop_free) char *line = json_write(event);

        puts(line);
    }
    err_set(err, findings_kind(&session->findings),
            "%zu errors stand against a deploy; nothing was changed", session->findings.errors);
    return err_mend(err, "mend each, then run the same command again");
}

static bool prepare(struct cli *cli, struct session *session, struct err *err)
{
    struct deploy *deploy = &session->deploy;
    struct manager_image image;

    report_phase(&session->report, phase_name(PHASE_CHECK), 1, deploy_phases(session->blueprint));
    if (!deploy_look(deploy, !deploy->again, &session->findings, err)) {
        return false;
    }
    if (session->findings.errors > 0) {
        return refuse(cli, session, err);
    }
    if (!deploy_plan(deploy, err) || !allowed(cli, deploy->plan, err)) {
        return false;
    }
    /* Before anything is changed: the image is what the blueprint says. */
    if (!deploy->again &&
        !manager_image_open(session->blueprint->manager.image,
                            session->blueprint->manager.image_sha256, true, &image, err)) {
        return false;
    }
    if (!deploy->again) {
        manager_image_close(&image);
    }
    return remember(session, err);
}

static char *summary(const struct session *session)
{
    AUTO(drop_free) char *url = deploy_manager_url(session->blueprint);

    return text_make("%s\nManager: %s\nSign in: user %s, password in %s",
                     session->deploy.changed ? "Done." : "All is done already.", url,
                     session->blueprint->manager.admin.user,
                     session->blueprint->manager.admin.password_file);
}

static bool deploy_all(struct cli *cli, struct session *session, struct err *err)
{
    struct deploy *deploy = &session->deploy;

    deploy->again = session->state->deployed;
    if (!prepare(cli, session, err) || !deploy_run(deploy, err)) {
        return false;
    }
    AUTO(drop_free) char *url = deploy_manager_url(session->blueprint);
    AUTO(drop_free) char *text = summary(session);
    AUTO(drop_json)
    json_t *result = json_pack("{s:b, s:s, s:s, s:O*}", "changed", deploy->changed, "url", url,
                               "cluster", session->blueprint->cluster, "proof", deploy->proof);

    report_done(&session->report, result, text);
    return true;
}

bool verb_deploy(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};

    report_begin(&session.report, cli->json);
    if (!session_load(cli, cli->words[0], &session, err)) {
        return false;
    }
    session.deploy.report = &session.report;
    if (!session_state(cli, true, &session, err)) {
        return false;
    }
    if (deploy_all(cli, &session, err)) {
        return true;
    }
    report_failed(&session.report, err);
    cli->told = true;
    return false;
}
