/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/deepkey.h"

#include <string.h>

/* A VM and the host that is to rekey it. */
struct wanted {
    struct remote *remote; /* borrowed */
    json_t *vm;            /* as the host's status says it; owned */
};

/* More than the VMs of quoin's own: there is the manager. */
#define MAX_WANTED 64u

struct list {
    struct wanted items[MAX_WANTED];
    size_t count;
};

static void drop_list(struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        json_decref(list->items[i].vm);
    }
}

static bool runs(const json_t *vm)
{
    return strcmp(json_string_or(vm, "state", "off"), "off") != 0;
}

static struct wanted *known(struct list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(json_string_or(list->items[i].vm, "id", ""), id) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

/* Several hosts know a VM; the one where it runs is asked, else the first that knows its disks. */
static bool list_add(struct list *list, struct remote *remote, json_t *vm, struct err *err)
{
    struct wanted *have = known(list, json_string_or(vm, "id", ""));

    if (!json_is_array(json_object_get(vm, "disks"))) {
        return true;
    }
    if (have) {
        if (runs(vm) && !runs(have->vm)) {
            json_decref(have->vm);
            *have = (struct wanted){remote, json_incref(vm)};
        }
        return true;
    }
    if (list->count == MAX_WANTED) {
        return err_set(err, ERR_INPUT, "there are more than %u VMs", MAX_WANTED);
    }
    list->items[list->count++] = (struct wanted){remote, json_incref(vm)};
    return true;
}

static bool list_host(struct list *list, struct remote *remote, struct err *err)
{
    AUTO(drop_json) json_t *status = NULL;
    json_t *vm;
    size_t i;

    if (!remote_status(remote, &status, err)) {
        return false;
    }
    json_array_foreach(json_object_get(status, "vms"), i, vm)
    {
        if (!list_add(list, remote, vm, err)) {
            return false;
        }
    }
    return true;
}

/* A host that is away may be the one that runs a VM: then nothing is begun. One without an agent is
 * no part of the cluster yet. */
static bool list_all(const struct deploy *deploy, struct list *list, struct err *err)
{
    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        if (!deploy->remotes[i]) {
            *err = deploy->answers[i].err;
            return err_add(err, "host '%s'", deploy->blueprint->hosts[i].name);
        }
        struct err fault = {0};

        if (!list_host(list, deploy->remotes[i], &fault) && fault.kind != ERR_ABSENT) {
            *err = fault;
            return false;
        }
    }
    return list->count > 0 || err_set(err, ERR_ABSENT, "there is no VM to rekey");
}

static json_t *intended(const struct wanted *wanted)
{
    json_t *disks = json_array(), *disk;
    size_t i;

    json_array_foreach(json_object_get(wanted->vm, "disks"), i, disk)
    {
        json_array_append_new(disks,
                              json_pack("{s:O?, s:O?}", "name", json_object_get(disk, "name"),
                                        "bytes", json_object_get(disk, "bytes")));
    }
    return json_pack("{s:O?, s:O?, s:s, s:b, s:o}", "vm", json_object_get(wanted->vm, "id"), "name",
                     json_object_get(wanted->vm, "name"), "host", wanted->remote->host->name,
                     "live", runs(wanted->vm), "disks", disks);
}

static bool rekey(struct deploy *deploy, const struct wanted *wanted, uint64_t limit, json_t **out,
                  struct err *err)
{
    const char *name = json_string_or(wanted->vm, "name", "");
    json_t *result = NULL;

    report_step(deploy->report, "vm.copy", wanted->remote->host->name, name);
    if (!deploy_step(deploy, wanted->remote, "vm.copy",
                     json_pack("{s:O, s:I}", "vm", json_object_get(wanted->vm, "id"), "limit",
                               (json_int_t)limit),
                     &result, err)) {
        return false;
    }
    json_object_set_new(result, "name", json_string(name));
    json_object_set_new(result, "host", json_string(wanted->remote->host->name));
    *out = result;
    return true;
}

bool deploy_deepkey(struct deploy *deploy, uint64_t limit, bool dry_run, json_t **out,
                    struct err *err)
{
    AUTO(drop_list) struct list list = {0};
    AUTO(drop_json) json_t *vms = json_array();

    if (!list_all(deploy, &list, err)) {
        return false;
    }
    for (size_t i = 0; i < list.count; i++) {
        json_t *result = NULL;

        report_phase(deploy->report, "rekey", (unsigned)i + 1, (unsigned)list.count);
        if (dry_run) {
            result = intended(&list.items[i]);
        } else if (!rekey(deploy, &list.items[i], limit, &result, err)) {
            return false;
        }
        json_array_append_new(vms, result);
    }
    *out = json_pack("{s:b, s:b, s:O}", "deep", 1, "dry_run", dry_run, "vms", vms);
    return true;
}
