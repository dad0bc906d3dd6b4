/* SPDX-License-Identifier: Apache-2.0 */
/* quoin key backup, key recover: the native provider in a file under a password; and the way back,
 * by such a file or by the recovery key. */
#include <stdio.h>
#include <string.h>

#include "cli/open.h"
#include "cli/password.h"

#define BACKUP_MAX (64u * 1024u)

static bool any_agent(struct session *session, struct remote **out, struct err *err)
{
    return deploy_lead(&session->deploy, out, err) && remote_agent(*out, err);
}

/* Every host has the same keys, so all that answer may know; the one that gave them must. */
static bool tell_fetched(struct session *session, struct remote *from, struct err *err)
{
    const struct client_call told = {.method = "POST", .path = "/v1/key/backup/fetched"};

    for (size_t i = 0; i < session->blueprint->host_count; i++) {
        struct remote *remote = session->deploy.remotes[i];
        struct err ignored = {0};

        if (remote && remote != from && remote_agent(remote, &ignored)) {
            (void)client_ask(remote->agent, &told, NULL, &ignored);
        }
    }
    return client_ask(from->agent, &told, NULL, err);
}

bool verb_key_backup(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_free) char *backup = NULL;
    struct remote *remote = NULL;
    size_t length = 0;

    if (!password_need_file(cli, err) || !session_known(cli, &session, err) ||
        !password_get(cli, &password, err) || !any_agent(&session, &remote, err)) {
        return false;
    }
    const struct client_call make = {
        .method = "POST", .path = "/v1/key/backup", .secret = password, .seconds = 60};

    /* Only a backup that lies on a disk of the user's counts as fetched. */
    if (!client_ask_bytes(remote->agent, &make, &backup, &length, err) ||
        !file_write(cli->output, backup, length, 0600, err) ||
        !tell_fetched(&session, remote, err)) {
        return err_add(err, "back up the key provider");
    }
    if (cli->json) {
        AUTO(drop_json)
        json_t *result = json_pack("{s:s, s:I}", "file", cli->output, "bytes", (json_int_t)length);

        cli_print_json(result);
    } else {
        printf("Written to %s. With it and its password every disk opens: keep them apart.\n",
               cli->output);
    }
    return true;
}

/* Which host lost its keys is not asked: to one that has them the backup says nothing new. */
static bool recover_all(struct session *session, const struct secret *body, struct err *err)
{
    const struct client_call call = {
        .method = "POST", .path = "/v1/key/recover", .secret = body, .seconds = 60};
    struct err failure = {0};
    bool any = false;

    for (size_t i = 0; i < session->blueprint->host_count; i++) {
        struct remote *remote = session->deploy.remotes[i];
        struct err why = session->deploy.answers[i].err;

        if (remote && remote_agent(remote, &why) && client_ask(remote->agent, &call, NULL, &why)) {
            any = true;
        } else if (remote || failure.kind == ERR_NONE) {
            err_add(&why, "host '%s'", session->blueprint->hosts[i].name);
            failure = why;
        }
    }
    *err = failure;
    return failure.kind == ERR_NONE || (any && failure.kind == ERR_AWAY);
}

/* What the file is the first host says: a backup goes to all of them; by the recovery key one opens
 * everything, and the others get the new provider by a deploy. */
static bool recover_by(struct session *session, const struct secret *body, struct err *err)
{
    const struct client_call call = {
        .method = "POST", .path = "/v1/key/recover", .secret = body, .seconds = 60};
    AUTO(drop_json) json_t *answer = NULL;
    struct remote *remote = NULL;

    if (!any_agent(session, &remote, err) || !client_ask(remote->agent, &call, &answer, err)) {
        return false;
    }
    return json_is_true(json_object_get(answer, "recovery"))
               ? deploy_recover(&session->deploy, remote, err)
               : recover_all(session, body, err);
}

/* A host whose TPM, or what it boots, is another cannot open its own private key any more, whatever
 * became of the provider. `*out_count`: of these. */
static bool forget_lost(struct session *session, size_t *out_count, struct err *err)
{
    struct err failure = {0};

    for (size_t i = 0; i < session->blueprint->host_count; i++) {
        struct remote *remote = session->deploy.remotes[i];
        struct err why = {0};
        bool forgotten = false;

        if (!remote || !remote_agent(remote, &why)) {
            continue; /* one that is away is recovered when it is back */
        }
        if (!deploy_forget(&session->deploy, remote, &forgotten, &why)) {
            failure = why;
        }
        *out_count += forgotten;
    }
    *err = failure;
    return failure.kind == ERR_NONE;
}

bool verb_key_recover(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_secret) struct secret *password = NULL, *body = NULL;
    AUTO(drop_free) char *backup = NULL;
    size_t length = 0, renewed = 0;

    if (!password_need_file(cli, err) ||
        !file_read(cli->output, BACKUP_MAX, &backup, &length, err) ||
        !session_known(cli, &session, err) || !password_get(cli, &password, err) ||
        !password_before(password, backup, length, &body, err)) {
        return false;
    }
    if (!recover_by(&session, body, err) || !forget_lost(&session, &renewed, err)) {
        return err_add(err, "recover the keys");
    }
    if (cli->json) {
        AUTO(drop_json)
        json_t *result =
            json_pack("{s:b, s:I}", "recovered", 1, "hosts_to_deploy", (json_int_t)renewed);

        cli_print_json(result);
        return true;
    }
    puts("The keys are back. What waited for them starts by itself.");
    if (renewed > 0) {
        printf("%zu host%s could not open what %s own: quoin deploy gives new keys.\n", renewed,
               renewed == 1 ? "" : "s", renewed == 1 ? "is its" : "are their");
    }
    return true;
}
