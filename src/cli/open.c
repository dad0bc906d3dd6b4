/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/open.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char *const providers[] = {"native", "kmip", NULL};

const struct blueprint_limits cli_limits = {.providers = providers};

void cli_print_json(const json_t *result)
{
    char *text = json_dumps(result, JSON_INDENT(2));

    puts(text);
    free(text);
}

void session_clear(struct session *session)
{
    deploy_clear(&session->deploy);
    report_end(&session->report);
    state_free(session->state);
    findings_clear(&session->findings);
    blueprint_free(session->blueprint);
}

void session_print_findings(struct cli *cli, const struct session *session)
{
    AUTO(drop_text) struct text text = {0};
    const struct blueprint *blueprint = session->blueprint;

    (void)cli;
    findings_text(&session->findings, blueprint ? blueprint->file : "blueprint",
                  blueprint ? blueprint->source : NULL, blueprint ? blueprint->source_length : 0,
                  &text);
    if (text.bytes) {
        fputs(text.bytes, stderr);
    }
}

/* A blueprint with errors gives no struct, so its text is read again for the carets. */
static void print_load_findings(const char *path, const struct session *session)
{
    AUTO(drop_text) struct text text = {0};
    AUTO(drop_free) char *source = NULL;
    struct err ignored = {0};
    size_t length = 0;

    (void)file_read(path, BLUEPRINT_MAX_BYTES, &source, &length, &ignored);
    findings_text(&session->findings, path, source, length, &text);
    if (text.bytes) {
        fputs(text.bytes, stderr);
    }
}

bool session_load(struct cli *cli, const char *path, struct session *session, struct err *err)
{
    if (blueprint_load(path, &cli_limits, &session->blueprint, &session->findings, err)) {
        session->deploy.blueprint = session->blueprint;
        return true;
    }
    if (session->findings.count > 0 && !cli->json) {
        print_load_findings(path, session);
    }
    return false;
}

bool session_state(struct cli *cli, bool make, struct session *session, struct err *err)
{
    AUTO(drop_free) char *folder = state_folder(cli->state);

    if (!state_open(folder, session->blueprint->cluster, make, &session->state, err)) {
        return false;
    }
    session->deploy.state = session->state;
    session->report.state = session->state;
    return true;
}

bool session_find(struct cli *cli, struct session *session, struct err *err)
{
    AUTO(drop_free) char *folder = state_folder(cli->state);
    AUTO(drop_free) char *cluster = text_copy(cli->cluster);

    if ((!cluster && !state_find_one(folder, &cluster, err)) ||
        !state_open(folder, cluster, false, &session->state, err)) {
        return false;
    }
    session->deploy.state = session->state;
    report_begin(&session->report, cli->json);
    session->report.state = session->state;
    session->deploy.report = &session->report;
    if (!session->state->blueprint) {
        err_set(err, ERR_ABSENT, "cluster '%s' was never deployed from here", cluster);
        return err_mend(err, "run quoin deploy with its blueprint");
    }
    return session_load(cli, session->state->blueprint, session, err);
}

bool session_known(struct cli *cli, struct session *session, struct err *err)
{
    return session_find(cli, session, err) && session_reach(session, err);
}

void session_rooms(struct session *session)
{
    struct deploy *deploy = &session->deploy;
    size_t count = session->blueprint->host_count;

    deploy->remotes = text_room(count, sizeof(*deploy->remotes));
    deploy->answers = text_room(count, sizeof(*deploy->answers));
    deploy->facts = text_room(count, sizeof(*deploy->facts));
    deploy->missing = text_room(count, sizeof(*deploy->missing));
}

static void reach(void *context, size_t number)
{
    struct session *session = context;

    (void)remote_open(&session->blueprint->hosts[number], &session->deploy.remotes[number],
                      &session->deploy.answers[number].err);
}

bool session_reach(struct session *session, struct err *err)
{
    size_t count = session->blueprint->host_count;

    (void)err;
    session_rooms(session);
    side_by_side(count, SIDE_HOSTS, reach, session);
    return true;
}
