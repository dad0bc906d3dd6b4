/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between a look at the hosts and the first change: findings, and a person's word. */
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

bool session_allowed(const struct cli *cli, const struct plan *plan, struct err *err)
{
    if (cli->plan && strcmp(cli->plan, plan->hash) != 0) {
        err_set(err, ERR_CLASH, "the plan is %s now, not %s", plan->hash, cli->plan);
        return err_mend(err, "look at it again with quoin plan");
    }
    return plan->wipe_count == 0 || cli->yes || cli->plan || ask_person(plan, err);
}

static json_t *findings_event(const struct findings *findings)
{
    AUTO(drop_json) json_t *all = findings_json(findings);

    return json_incref(json_object_get(all, "findings"));
}

bool session_refuse(struct cli *cli, struct session *session, struct err *err)
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

void session_tell_missing(struct session *session)
{
    const struct deploy *deploy = &session->deploy;

    for (size_t i = 0; i < session->blueprint->host_count; i++) {
        if (deploy->missing[i].kind != ERR_NONE) {
            report_missing(&session->report, session->blueprint->hosts[i].name,
                           &deploy->missing[i]);
        }
    }
}

/* The blueprint's real path: status and verify find it from anywhere. */
bool session_remember(struct session *session, struct err *err)
{
    struct state *state = session->state;
    char *path = realpath(session->blueprint->file, NULL);

    free(state->blueprint);
    state->blueprint = path ? path : text_copy(session->blueprint->file);
    free(state->datacenter);
    state->datacenter = text_copy(session->blueprint->datacenter);
    return state_save(state, err);
}
