/* SPDX-License-Identifier: Apache-2.0 */
/* quoin destroy: undo all of it; whoever says so types the cluster's name. */
#include <string.h>

#include "cli/open.h"

static bool destroy(struct session *session, struct err *err)
{
    if (!session_reach(session, err) || !deploy_undo(&session->deploy, err)) {
        return false;
    }
    return state_forget(session->state, err);
}

bool verb_destroy(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};

    report_begin(&session.report, cli->json);
    if (!session_load(cli, cli->words[0], &session, err)) {
        return false;
    }
    if (!cli->destroy || strcmp(cli->destroy, session.blueprint->cluster) != 0) {
        err_set(err, ERR_INPUT, "everything of cluster '%s' would be lost, its keys included",
                session.blueprint->cluster);
        return err_mend(err, "say --yes-destroy %s", session.blueprint->cluster);
    }
    session.deploy.report = &session.report;
    if (!session_state(cli, true, &session, err)) {
        return false;
    }
    if (!destroy(&session, err)) {
        report_failed(&session.report, err);
        cli->told = true;
        return false;
    }
    report_done(&session.report, NULL, "Destroyed. Its keys are gone.");
    return true;
}
