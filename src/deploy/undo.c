/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undoing a cluster on all its hosts: the VMs first (each on the host that holds it, wherever a
 * takeover has brought it; then what the others know of it), then the datastore everywhere, and the
 * keys last. A host that does not answer does not hold the others back; it is named, and the same
 * command undoes it later.
 */
#include <string.h>

#include "deploy/deploy.h"

/* One host in the course of it. */
struct undoing {
    struct remote *remote;
    json_t *status; /* NULL: nothing of a cluster is there */
    struct err err;
};

static bool undo_step(struct deploy *deploy, struct remote *remote, const char *kind,
                      const char *target, json_t *params, struct err *err)
{
    report_step(deploy->report, kind, remote->host->name, target);
    return deploy_step(deploy, remote, kind, params, NULL, err);
}

/* Who is asked first to remove a VM: the host that holds its lease, which the others are refused
 * for; then one where it runs, then the rest. */
enum turn { TURN_HOLDER, TURN_RUNS, TURN_REST, TURNS };

static enum turn turn_of(const json_t *vm)
{
    const json_t *lease = json_object_get(vm, "lease");

    if (strcmp(json_string_or(lease, "state", ""), "held") == 0) {
        return TURN_HOLDER;
    }
    return strcmp(json_string_or(vm, "state", "off"), "off") != 0 ? TURN_RUNS : TURN_REST;
}

static void undo_vms(struct deploy *deploy, struct undoing *host, enum turn turn)
{
    json_t *vm;
    size_t i;

    json_array_foreach(json_object_get(host->status, "vms"), i, vm)
    {
        if (host->err.kind == ERR_NONE && turn_of(vm) == turn) {
            (void)undo_step(deploy, host->remote, "vm.remove", json_string_or(vm, "name", NULL),
                            json_pack("{s:s}", "vm", json_string_or(vm, "id", "")), &host->err);
        }
    }
}

/* A host that belongs to another cluster, or to none, keeps what it has: the agent says so. */
static void look(struct deploy *deploy, size_t number, struct undoing *host)
{
    host->remote = deploy->remotes[number];
    if (!host->remote) {
        host->err = deploy->answers[number].err;
        return;
    }
    if (!remote_status(host->remote, &host->status, &host->err)) {
        host->err = host->err.kind == ERR_ABSENT ? (struct err){0} : host->err;
        return;
    }
    if (!json_is_object(json_object_get(host->status, "cluster"))) {
        json_decref(TAKE(host->status));
    }
}

static void undo_all_vms(struct deploy *deploy, struct undoing *hosts, size_t count)
{
    report_phase(deploy->report, "vms", 1, 3);
    for (enum turn turn = TURN_HOLDER; turn < TURNS; turn++) {
        for (size_t i = 0; i < count; i++) {
            undo_vms(deploy, &hosts[i], turn);
        }
    }
}

/* One step on every host. `leave`: of several hosts, none asks the datastore any more, which is
 * going on all of them. */
struct everywhere {
    struct deploy *deploy;
    struct undoing *hosts;
    const char *kind;
    bool leave;
};

static void undo_one(void *context, size_t number)
{
    const struct everywhere *all = context;
    struct undoing *host = &all->hosts[number];

    if (host->status && host->err.kind == ERR_NONE) {
        (void)undo_step(all->deploy, host->remote, all->kind, NULL,
                        all->leave ? json_pack("{s:b}", "leave", 1) : NULL, &host->err);
    }
}

/* The datastore side by side: an agent whose datastore has gone on the others would wait for it in
 * vain first. The keys one by one: all hosts retire the same KEK. */
static void undo_everywhere(struct deploy *deploy, struct undoing *hosts, size_t count,
                            const char *kind, bool leave)
{
    struct everywhere all = {deploy, hosts, kind, leave};

    side_by_side(count, leave ? SIDE_HOSTS : 1, undo_one, &all);
}

static bool undo_hosts(struct deploy *deploy, struct undoing *hosts, size_t count, struct err *err)
{
    struct err kept = {0};

    undo_all_vms(deploy, hosts, count);
    report_phase(deploy->report, "datastore", 2, 3);
    undo_everywhere(deploy, hosts, count, "store.remove", count > 1);
    report_phase(deploy->report, "keys", 3, 3);
    undo_everywhere(deploy, hosts, count, "provider.remove", false);
    for (size_t i = 0; i < count; i++) {
        if (hosts[i].err.kind == ERR_NONE && remote_uninstall(hosts[i].remote, &hosts[i].err)) {
            continue;
        }
        err_add(&hosts[i].err, "undo host '%s'", deploy->blueprint->hosts[i].name);
        if (count > 1) {
            report_missing(deploy->report, deploy->blueprint->hosts[i].name, &hosts[i].err);
        }
        kept = hosts[i].err;
    }
    if (kept.kind != ERR_NONE) {
        *err = kept;
    }
    return kept.kind == ERR_NONE;
}

bool deploy_undo(struct deploy *deploy, struct err *err)
{
    size_t count = deploy->blueprint->host_count;
    AUTO(drop_free) struct undoing *hosts = text_room(count, sizeof(*hosts));

    for (size_t i = 0; i < count; i++) {
        look(deploy, i, &hosts[i]);
    }
    bool undone = undo_hosts(deploy, hosts, count, err);

    for (size_t i = 0; i < count; i++) {
        json_decref(hosts[i].status);
    }
    return undone;
}

bool deploy_undo_host(struct deploy *deploy, struct remote *remote, struct err *err)
{
    AUTO(drop_json) json_t *status = NULL;

    if (!remote_status(remote, &status, err)) {
        return err->kind == ERR_ABSENT;
    }
    return undo_step(deploy, remote, "store.remove", NULL, json_pack("{s:b}", "leave", 1), err) &&
           undo_step(deploy, remote, "provider.remove", NULL, json_pack("{s:b}", "leave", 1),
                     err) &&
           remote_uninstall(remote, err);
}
