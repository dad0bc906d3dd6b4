/* SPDX-License-Identifier: Apache-2.0 */
/* quoin deploy: check, plan, consent, and then the steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/open.h"

static bool prepare(struct cli *cli, struct session *session, struct err *err)
{
    struct deploy *deploy = &session->deploy;
    struct manager_image image;

    report_phase(&session->report, phase_name(PHASE_CHECK), 1, deploy_phases(session->blueprint));
    deploy->may_miss = true;
    if (!deploy_look(deploy, !deploy->again, &session->findings, err)) {
        return false;
    }
    if (session->findings.errors > 0) {
        return session_refuse(cli, session, err);
    }
    if (!deploy_plan(deploy, err) || !session_allowed(cli, deploy->plan, err)) {
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
    session_tell_missing(session);
    return session_remember(session, err);
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
    json_t *result = json_pack("{s:b, s:s, s:s, s:O*}", "changed", (int)deploy->changed, "url", url,
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
