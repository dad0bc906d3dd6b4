/* SPDX-License-Identifier: Apache-2.0 */
/* quoin blueprint new, show, get, set, schema. */
#include <stdio.h>
#include <string.h>

#include "cli/open.h"

bool verb_blueprint_new(struct cli *cli, struct err *err)
{
    AUTO(drop_free) char *text = blueprint_starter();

    if (file_exists(cli->words[0])) {
        err_set(err, ERR_CLASH, "'%s' is there already", cli->words[0]);
        return err_mend(err, "choose another name");
    }
    return file_write(cli->words[0], text, strlen(text), 0644, err);
}

bool verb_blueprint_show(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};

    if (!session_load(cli, cli->words[0], &session, err)) {
        return false;
    }
    AUTO(drop_json) json_t *shown = blueprint_json(session.blueprint);

    cli_print_json(shown);
    return true;
}

bool verb_blueprint_get(struct cli *cli, struct err *err)
{
    AUTO(drop_free) char *value = NULL;

    if (!blueprint_get(cli->words[0], cli->words[1], &value, err)) {
        return false;
    }
    if (cli->json) {
        AUTO(drop_json) json_t *result = json_pack("{s:s}", "value", value);

        cli_print_json(result);
    } else {
        puts(value);
    }
    return true;
}

bool verb_blueprint_set(struct cli *cli, struct err *err)
{
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_text) struct text text = {0};

    if (blueprint_set(cli->words[0], cli->words[1], cli->words[2], &cli_limits, &findings, err)) {
        return true;
    }
    findings_text(&findings, cli->words[0], NULL, 0, &text);
    if (text.bytes && !cli->json) {
        fputs(text.bytes, stderr);
    }
    return false;
}

bool verb_blueprint_schema(struct cli *cli, struct err *err)
{
    AUTO(drop_json) json_t *schema = blueprint_schema();

    (void)cli;
    (void)err;
    cli_print_json(schema);
    return true;
}
