/* SPDX-License-Identifier: Apache-2.0 */
/* quoin key csr: what the people of a key server sign for each host, whose key stays on it. */
#include <stdio.h>

#include "cli/open.h"

static bool has_own_keys(const struct blueprint *blueprint, struct err *err)
{
    const struct blueprint_provider *provider = &blueprint->encryption.provider;

    if (provider->server_count > 0 && !provider->private_key) {
        return true;
    }
    err_set(err, ERR_INPUT, "the hosts have no key of their own to provider '%s'", provider->name);
    return err_mend(err, "write type: kmip, without certificate and private_key");
}

/* FOLDER/HOST.csr. */
static bool write_one(struct cli *cli, struct session *session, const struct blueprint_host *host,
                      json_t *files, struct err *err)
{
    const char *folder = cli->output ? cli->output : session->blueprint->folder;
    AUTO(drop_free) char *path = text_make("%s/%s.csr", folder, host->name);
    AUTO(drop_free) char *pem = NULL;
    struct remote *remote = NULL;

    if (!deploy_remote(&session->deploy, host->name, &remote, err) || !remote_agent(remote, err) ||
        !deploy_request(&session->deploy, remote, &pem, err) ||
        !file_write(path, pem, strlen(pem), 0644, err)) {
        return err_add(err, "host '%s'", host->name);
    }
    json_array_append_new(files, json_pack("{s:s, s:s}", "host", host->name, "file", path));
    return true;
}

static bool write_all(struct cli *cli, struct session *session, json_t *files, struct err *err)
{
    for (size_t i = 0; i < session->blueprint->host_count; i++) {
        if (!write_one(cli, session, &session->blueprint->hosts[i], files, err)) {
            return false;
        }
    }
    return true;
}

static void tell(const struct cli *cli, json_t *files)
{
    json_t *one;
    size_t i;

    if (cli->json) {
        AUTO(drop_json) json_t *result = json_pack("{s:O}", "requests", files);

        cli_print_json(result);
        return;
    }
    json_array_foreach(files, i, one)
    {
        printf("%s: have it signed for clients (clientAuth), then name the certificate at "
               "hosts[%zu].kms_certificate\n",
               json_string_or(one, "file", ""), i);
    }
}

bool verb_key_csr(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_json) json_t *files = json_array();

    report_begin(&session.report, false);
    session.deploy.report = &session.report;
    if (!session_load(cli, cli->words[0], &session, err) || !has_own_keys(session.blueprint, err) ||
        !session_state(cli, false, &session, err) || !session_reach(&session, err) ||
        !write_all(cli, &session, files, err)) {
        return false;
    }
    tell(cli, files);
    return true;
}
