/* SPDX-License-Identifier: Apache-2.0 */
/* quoin check: everything that can be said before anything is changed, at once. */
#include "cli/open.h"

static bool tell(struct cli *cli, struct session *session, struct err *err)
{
    if (cli->json) {
        AUTO(drop_json) json_t *result = findings_json(&session->findings);

        cli_print_json(result);
    } else {
        session_print_findings(cli, session);
    }
    if (session->findings.errors == 0) {
        return true;
    }
    cli->told = true;
    return err_set(err, findings_kind(&session->findings), "%zu errors", session->findings.errors);
}

/* A file with findings is an answer, one that cannot be read is a failure. */
static bool tell_load(struct cli *cli, struct session *session, struct err *err)
{
    if (session->findings.errors == 0) {
        return false;
    }
    cli->told = true;
    if (cli->json) {
        AUTO(drop_json) json_t *result = findings_json(&session->findings);

        cli_print_json(result);
    }
    err->kind = ERR_INPUT;
    return false;
}

bool verb_check(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_free) char *folder = state_folder(cli->state);
    struct err none = {0};

    if (!session_load(cli, cli->words[0], &session, err)) {
        return tell_load(cli, &session, err);
    }
    /* A cluster that was deployed from here is known by its id: its own disks are not foreign. */
    if (!cli->offline) {
        (void)(state_open(folder, session.blueprint->cluster, false, &session.state, &none));
        session.deploy.state = session.state;
        if (!deploy_look(&session.deploy, true, &session.findings, err)) {
            return false;
        }
    }
    return tell(cli, &session, err);
}
