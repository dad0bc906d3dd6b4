/* SPDX-License-Identifier: Apache-2.0 */
/* quoin verify: the proof, from the raw storage. */
#include <stdio.h>

#include "cli/open.h"

static void print_proof(const json_t *proof)
{
    json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(proof, "disks"), i, disk)
    {
        char examined[16];

        printf("%-10s %s, %s, %lld bits, %s examined, %lld plain blocks%s%s\n",
               json_string_or(disk, "name", ""), json_string_or(disk, "header", ""),
               json_string_or(disk, "cipher", ""),
               (long long)json_integer_value(json_object_get(disk, "key_bits")),
               text_size(
                   (unsigned long long)json_integer_value(json_object_get(disk, "bytes_examined")),
                   examined),
               (long long)json_integer_value(json_object_get(disk, "plain_blocks")),
               json_object_get(disk, "fault") ? "; " : "", json_string_or(disk, "fault", ""));
    }
    printf("home       %s\n%s\n",
           json_is_true(json_object_get(json_object_get(proof, "home"), "encrypted"))
               ? "encrypted"
               : "NOT ENCRYPTED",
           json_is_true(json_object_get(proof, "encrypted")) ? "All of it is encrypted."
                                                             : "NOT ALL OF IT IS ENCRYPTED.");
}

/* The manager's VM, as any member of the cluster knows it. */
static bool find_vm(struct session *session, json_t **out_status, const char **out, struct err *err)
{
    struct remote *remote = NULL;

    return deploy_lead(&session->deploy, &remote, err) && remote_status(remote, out_status, err) &&
           json_get_string(json_array_get(json_object_get(*out_status, "vms"), 0), "id", 36, out,
                           err);
}

bool verb_verify(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_json) json_t *status = NULL;
    const char *vm;

    if (!session_known(cli, &session, err)) {
        return false;
    }
    /* The result is one document: progress is for a terminal only. */
    session.report.json = false;
    session.report.phase = "prove";
    if (!find_vm(&session, &status, &vm, err) || !deploy_prove(&session.deploy, vm, err)) {
        return err_add(err, "prove that the manager is encrypted");
    }
    session.report.phase = NULL;
    if (session.report.bar_shown) {
        fputs("\r\033[K", stderr);
    }
    if (cli->json) {
        cli_print_json(session.deploy.proof);
    } else {
        print_proof(session.deploy.proof);
    }
    if (!json_is_true(json_object_get(session.deploy.proof, "encrypted"))) {
        cli->exit = err_exit_code(ERR_CLASH);
    }
    return true;
}
