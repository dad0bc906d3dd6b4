/* SPDX-License-Identifier: Apache-2.0 */
/* quoin key rotate, key move: the KEK changes, the data does not. */
#include <stdio.h>
#include <string.h>

#include "cli/open.h"
#include "deploy/rekey.h"

static void print_vm(const json_t *vm)
{
    AUTO(drop_text) struct text disks = {0};
    json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(vm, "disks"), i, disk)
    {
        text_addf(&disks, "%s%s", i ? ", " : "", json_string_value(disk));
    }
    printf("  VM %-12s home and %zu disks (%s), generation %lld\n    under %s\n",
           json_string_or(vm, "name", "?"), json_array_size(json_object_get(vm, "disks")),
           disks.bytes ? disks.bytes : "",
           (long long)json_integer_value(json_object_get(vm, "generation")),
           json_string_or(vm, "kek", "an unknown KEK"));
}

static void print_look(const json_t *look)
{
    json_t *item;
    size_t i;

    printf("KEK %s of key provider '%s' (%s)\n", json_string_or(look, "kek", "-"),
           json_string_or(look, "provider", "-"), json_string_or(look, "type", "-"));
    if (json_is_true(json_object_get(look, "unfinished"))) {
        puts("is new: a change that was begun would be finished. To be rewrapped under it:");
    } else if (json_is_string(json_object_get(look, "to"))) {
        printf("would give way to one of key provider '%s'. To be rewrapped:\n",
               json_string_or(look, "to", ""));
    } else {
        puts("would give way to a new one. To be rewrapped:");
    }
    json_array_foreach(json_object_get(look, "vms"), i, item)
    {
        print_vm(item);
    }
    printf("  the cluster's CA\nHosts: %zu. Nothing was changed.\n",
           json_array_size(json_object_get(look, "hosts")));
}

static bool dry_run(struct cli *cli, struct session *session, const struct blueprint *to,
                    struct err *err)
{
    AUTO(drop_json) json_t *look = NULL;

    if (!rekey_look(&session->deploy, to, &look, err)) {
        return false;
    }
    json_object_set_new(look, "dry_run", json_true());
    if (cli->json) {
        cli_print_json(look);
    } else {
        print_look(look);
    }
    return true;
}

/* The native provider's backup opens what its KEKs wrapped when it was made, and no more. */
static char *summary(const json_t *result)
{
    bool native = strcmp(json_string_or(result, "type", ""), "native") == 0;

    if (!json_is_true(json_object_get(result, "changed"))) {
        return text_make("All is done already: KEK %s", json_string_or(result, "kek", ""));
    }
    return text_make("Done. %zu VMs are under KEK %s now.%s",
                     json_array_size(json_object_get(result, "vms")),
                     json_string_or(result, "kek", ""),
                     native ? "\nAn older backup of the keys does not open them: quoin key backup "
                              "--file FILE"
                            : "");
}

static bool change(struct cli *cli, struct session *session, const struct blueprint *to,
                   struct err *err)
{
    AUTO(drop_json) json_t *result = NULL;

    if (!rekey_run(&session->deploy, to, &result, err)) {
        report_failed(&session->report, err);
        cli->told = true;
        return false;
    }
    AUTO(drop_free) char *text = summary(result);

    report_done(&session->report, result, text);
    return true;
}

static bool run(struct cli *cli, struct session *session, const struct blueprint *to,
                struct err *err)
{
    return cli->dry ? dry_run(cli, session, to, err) : change(cli, session, to, err);
}

bool verb_key_rotate(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};

    if (cli->deep) {
        return verb_key_deep(cli, err);
    }
    if (cli->limit) {
        err_set(err, ERR_INPUT, "without --deep no data is copied that --limit could slow down");
        return err_mend(err, "leave --limit out, or say --deep");
    }
    return session_known(cli, &session, err) && run(cli, &session, NULL, err);
}

/* ---- key move ---- */

/* Envelopes name their provider: one of the same name and type would be taken for it. */
static bool is_another(const struct blueprint *from, const struct blueprint *to, struct err *err)
{
    const struct blueprint_provider *a = &from->encryption.provider, *b = &to->encryption.provider;

    if (strcmp(from->cluster, to->cluster) != 0) {
        err_set(err, ERR_CLASH, "'%s' is the blueprint of cluster '%s', not of '%s'", to->file,
                to->cluster, from->cluster);
        return err_mend(err, "name a blueprint of this cluster with another provider in it");
    }
    if (strcmp(a->name, b->name) != 0 || strcmp(a->type, b->type) != 0 ||
        a->server_count != b->server_count) {
        return true;
    }
    for (size_t i = 0; i < a->server_count; i++) {
        if (strcmp(a->servers[i], b->servers[i]) != 0) {
            err_set(err, ERR_INPUT,
                    "the other key servers have the name of those that are left, "
                    "'%s'",
                    b->name);
            return err_mend(err, "give the new provider a name of its own: envelopes say by it who "
                                 "opens them");
        }
    }
    return true;
}

/* From now on the cluster is what the new blueprint says. */
static bool remember(struct session *session, const struct blueprint *to, struct err *err)
{
    AUTO(drop_free) char *path = realpath(to->file, NULL);

    free(session->state->blueprint);
    session->state->blueprint = path ? TAKE(path) : text_copy(to->file);
    return state_save(session->state, err);
}

bool verb_key_move(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_session) struct session wanted = {0};

    if (!cli->to) {
        return err_set(err, ERR_INPUT, "say where to with --to BLUEPRINT");
    }
    if (!session_load(cli, cli->to, &wanted, err)) {
        return false;
    }
    return session_known(cli, &session, err) &&
           is_another(session.blueprint, wanted.blueprint, err) &&
           run(cli, &session, wanted.blueprint, err) &&
           (cli->dry || remember(&session, wanted.blueprint, err));
}
