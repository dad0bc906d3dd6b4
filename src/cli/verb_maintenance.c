/* SPDX-License-Identifier: Apache-2.0 */
/* quoin host maintenance: the VMs of a host move away while they run, so that it may go off. */
#include <stdio.h>
#include <string.h>

#include "cli/open.h"
#include "deploy/maintenance.h"

static bool read_words(const struct cli *cli, const struct blueprint *blueprint, size_t *out_host,
                       bool *out_on, struct err *err)
{
    *out_on = strcmp(cli->words[1], "on") == 0;
    if (!*out_on && strcmp(cli->words[1], "off") != 0) {
        return err_set(err, ERR_INPUT, "say on or off, not '%.40s'", cli->words[1]);
    }
    for (size_t i = 0; i < blueprint->host_count; i++) {
        if (strcmp(blueprint->hosts[i].name, cli->words[0]) == 0) {
            *out_host = i;
            return true;
        }
    }
    err_set(err, ERR_INPUT, "cluster '%s' has no host '%.63s'", blueprint->cluster, cli->words[0]);
    return err_mend(err, "quoin host list names them");
}

static char *summary_of(const struct cli *cli, bool on, const json_t *result)
{
    AUTO(drop_text) struct text text = {0};
    const char *host = cli->words[0];
    json_t *move;
    size_t i;

    if (!on) {
        return text_make("Host '%s' %s in maintenance any more.", host,
                         cli->dry ? "would not be" : "is not");
    }
    text_addf(&text, "Host '%s' %s in maintenance%s.", host, cli->dry ? "would be" : "is",
              cli->dry ? "" : " and may go off");
    json_array_foreach(json_object_get(result, "moves"), i, move)
    {
        text_addf(&text, "\n%s %s to %s", json_string_or(move, "name", ""),
                  cli->dry ? "would move" : "moved", json_string_or(move, "to", ""));
        if (!cli->dry) {
            text_addf(&text, " in %.1f s",
                      (double)json_integer_value(json_object_get(move, "took_ms")) / 1000);
        }
    }
    return text_copy(text.bytes);
}

bool verb_host_maintenance(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_json) json_t *result = NULL;
    size_t host = 0;
    bool on = false;

    if (!session_known(cli, &session, err) ||
        !read_words(cli, session.blueprint, &host, &on, err)) {
        return false;
    }
    if (!(on ? maintenance_on : maintenance_off)(&session.deploy, host, cli->dry, &result, err)) {
        report_failed(&session.report, err);
        cli->told = true;
        return false;
    }
    AUTO(drop_free) char *summary = summary_of(cli, on, result);

    report_done(&session.report, result, summary);
    return true;
}
