/* SPDX-License-Identifier: Apache-2.0 */
/* quoin key recovery: the recovery key in a file of the user's, or a new one in its place. */
#include <stdio.h>
#include <string.h>

#include "cli/open.h"
#include "cli/password.h"

/* It has less than 2 KiB. */
#define RECOVERY_FILE_MAX (64u * 1024u)

/* The host on which the private half rests; else the first that answers. */
static bool find_holder(struct session *session, struct remote **out, json_t **out_status,
                        struct err *err)
{
    struct remote *first = NULL;
    struct err why = {0};

    for (size_t i = 0; i < session->blueprint->host_count; i++) {
        struct remote *remote = session->deploy.remotes[i];
        AUTO(drop_json) json_t *status = NULL;

        if (!remote || !remote_status(remote, &status, &why)) {
            continue;
        }
        bool held = json_is_true(json_object_get(json_object_get(status, "recovery"), "held"));

        if (held || !first) {
            first = remote;
            json_decref(*out_status);
            *out_status = json_incref(status);
        }
        if (held) {
            break;
        }
    }
    if (!first) {
        return why.kind ? (*err = why, false)
                        : err_set(err, ERR_AWAY, "no host of the cluster can be reached");
    }
    *out = first;
    return true;
}

/* Each host its own VMs; one that is away does it by itself when it is back. */
static bool follow(struct session *session, json_int_t *out_left, struct err *err)
{
    *out_left = 0;
    for (size_t i = 0; i < session->blueprint->host_count; i++) {
        struct remote *remote = session->deploy.remotes[i];
        AUTO(drop_json) json_t *result = NULL;
        struct err why = {0};

        if (remote && remote_agent(remote, &why) &&
            deploy_step(&session->deploy, remote, "recovery.follow", NULL, &result, &why)) {
            continue;
        }
        (*out_left)++;
        if (remote && why.kind != ERR_AWAY && why.kind != ERR_ABSENT) {
            *err = why;
            return err_add(err, "host '%s'", session->blueprint->hosts[i].name);
        }
    }
    return true;
}

static void tell(const struct cli *cli, const char *id, bool renewed, json_int_t left)
{
    if (cli->json) {
        AUTO(drop_json)
        json_t *result = json_pack("{s:s, s:s, s:b, s:I}", "file", cli->output, "id", id, "renewed",
                                   renewed, "hosts_left", left);

        cli_print_json(result);
        return;
    }
    printf(
        "Written to %s: %s.\nWith it and its password every disk opens: keep them apart. No host "
        "has it any more.\n",
        cli->output, id);
    if (renewed && left == 0) {
        puts("An older file of the recovery key opens nothing from now on.");
    }
    if (left > 0) {
        printf("%lld host%s did not answer and renew%s its envelopes when back: until then keep an "
               "older file.\n",
               (long long)left, left == 1 ? "" : "s", left == 1 ? "s" : "");
    }
}

/* What lies there may be the recovery key that is due: it stays so until a new one is on disk and
 * the cluster knows. */
static bool is_free(const char *path, struct err *err)
{
    if (file_exists(path)) {
        err_set(err, ERR_INPUT, "'%s' is there already", path);
        return err_mend(err, "name a new file with --file; an older recovery key stays good until "
                             "this command has ended well");
    }
    return true;
}

/* Only what lies on a disk of the user's, and opens as it lies there, counts as fetched: the agent
 * tries it, then it wipes its own. */
static bool fetch_file(const struct cli *cli, struct remote *remote, const struct secret *password,
                       struct err *err)
{
    const struct client_call give = {
        .method = "POST", .path = "/v1/key/recovery", .secret = password, .seconds = 60};
    AUTO(drop_free) char *file = NULL, *written = NULL;
    AUTO(drop_secret) struct secret *body = NULL;
    size_t length = 0;

    if (!client_ask_bytes(remote->agent, &give, &file, &length, err) ||
        !file_write(cli->output, file, length, 0600, err) ||
        !file_read(cli->output, RECOVERY_FILE_MAX, &written, &length, err) ||
        !password_before(password, written, length, &body, err)) {
        return false;
    }
    const struct client_call told = {
        .method = "POST", .path = "/v1/key/recovery/fetched", .secret = body, .seconds = 60};

    return client_ask(remote->agent, &told, NULL, err);
}

bool verb_key_recovery(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_json) json_t *before = NULL, *after = NULL;
    struct remote *remote = NULL;
    json_int_t left = 0;

    if (!password_need_file(cli, err) || !is_free(cli->output, err) ||
        !session_known(cli, &session, err) || !password_get(cli, &password, err) ||
        !find_holder(&session, &remote, &before, err)) {
        return false;
    }
    if (!fetch_file(cli, remote, password, err) || !follow(&session, &left, err) ||
        !remote_status(remote, &after, err)) {
        return err_add(err, "fetch the recovery key");
    }
    const json_t *was = json_object_get(before, "recovery");
    const json_t *now = json_object_get(after, "recovery");

    tell(cli, json_string_or(now, "id", ""),
         strcmp(json_string_or(was, "id", ""), json_string_or(now, "id", "")) != 0, left);
    return true;
}
