/* SPDX-License-Identifier: Apache-2.0 */
/* quoin plan: what a deploy would do, and which disks it would wipe. */
#include <stdio.h>

#include "cli/open.h"

static bool refuse(struct cli *cli, struct session *session, struct err *err)
{
    if (!cli->json) {
        session_print_findings(cli, session);
    }
    err_set(err, findings_kind(&session->findings), "%zu errors stand against a deploy",
            session->findings.errors);
    return err_mend(err, "quoin check names each of them");
}

bool verb_plan(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_free) char *folder = state_folder(cli->state);
    AUTO(drop_text) struct text text = {0};
    struct err none = {0};

    if (!session_load(cli, cli->words[0], &session, err)) {
        return false;
    }
    (void)state_open(folder, session.blueprint->cluster, false, &session.state, &none);
    session.deploy.state = session.state;
    session.deploy.may_miss = true;
    if (!deploy_look(&session.deploy, false, &session.findings, err)) {
        return false;
    }
    if (session.findings.errors > 0) {
        return refuse(cli, &session, err);
    }
    if (!deploy_plan(&session.deploy, err)) {
        return false;
    }
    if (cli->json) {
        AUTO(drop_json) json_t *result = plan_json(session.deploy.plan);

        cli_print_json(result);
        return true;
    }
    plan_text(session.deploy.plan, &text);
    fputs(text.bytes, stdout);
    return true;
}
