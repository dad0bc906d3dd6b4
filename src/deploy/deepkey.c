/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/deepkey.h"

#include <string.h>
#include <time.h>

#include "deploy/rekey.h"

/* A VM and the host that is to rekey it. */
struct wanted {
    struct remote *remote; /* borrowed */
    json_t *vm;            /* as the host's status says it; owned */
};

/* More than the VMs of quoin's own: there is the manager. */
#define MAX_WANTED 64u
/* So long an interrupted run counts: a key that was seen since its copies is to be changed, too. */
#define GOES_ON_SECONDS (24 * 60 * 60)

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

static const char *id_of(const struct wanted *wanted)
{
    return json_string_or(wanted->vm, "id", "");
}

static bool copy(struct deploy *deploy, const struct wanted *wanted, uint64_t limit, json_t **out,
                 struct err *err)
{
    const char *name = json_string_or(wanted->vm, "name", "");
    json_t *result = NULL;

    report_step(deploy->report, "vm.copy", wanted->remote->host->name, name);
    if (!deploy_step(deploy, wanted->remote, "vm.copy",
                     json_pack("{s:s, s:I}", "vm", id_of(wanted), "limit", (json_int_t)limit),
                     &result, err)) {
        return false;
    }
    json_object_set_new(result, "name", json_string(name));
    json_object_set_new(result, "host", json_string(wanted->remote->host->name));
    *out = result;
    return true;
}

/* ---- what an interrupted run has done ---- */

static bool is_copied(const json_t *deep, const struct wanted *wanted)
{
    json_t *id;
    size_t i;

    json_array_foreach(json_object_get(deep, "vms"), i, id)
    {
        if (json_is_string(id) && strcmp(json_string_value(id), id_of(wanted)) == 0) {
            return true;
        }
    }
    return false;
}

static bool all_copied(const json_t *deep, const struct list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!is_copied(deep, &list->items[i])) {
            return false;
        }
    }
    return true;
}

static bool is_recent(const json_t *deep)
{
    json_int_t age = (json_int_t)time(NULL) - json_integer_value(json_object_get(deep, "began"));

    return deep && age >= 0 && age < GOES_ON_SECONDS;
}

static bool note_copied(struct state *state, const struct wanted *wanted, struct err *err)
{
    json_array_append_new(json_object_get(state->deep, "vms"), json_string(id_of(wanted)));
    return state_save(state, err);
}

/* A rotation that somebody else began is finished first: homes with the old VM keys may lie under
 * its new KEK already, and that is the one to be retired then. */
static bool finish_rotation(struct deploy *deploy, char **out_kek, struct err *err)
{
    AUTO(drop_json) json_t *result = NULL;

    if (!rekey_run(deploy, NULL, &result, err)) {
        return err_add(err, "finish the rotation that was begun");
    }
    free(*out_kek);
    *out_kek = text_copy(json_string_or(result, "kek", ""));
    return true;
}

static bool begin(struct deploy *deploy, const struct list *list, const json_t *look,
                  struct err *err)
{
    struct state *state = deploy->state;
    AUTO(drop_free) char *kek = text_copy(json_string_or(look, "kek", ""));
    bool goes_on = is_recent(state->deep);

    if (json_is_true(json_object_get(look, "unfinished"))) {
        if (goes_on && all_copied(state->deep, list)) {
            return true;
        }
        if (!finish_rotation(deploy, &kek, err)) {
            return false;
        }
    }
    if (goes_on && strcmp(json_string_or(state->deep, "kek", ""), kek) == 0) {
        return true;
    }
    json_decref(state->deep);
    state->deep = json_pack("{s:s, s:I, s:[]}", "kek", kek, "began", (json_int_t)time(NULL), "vms");
    return state_save(state, err);
}

/* ---- all of it ---- */

static bool copy_all(struct deploy *deploy, const struct list *list, uint64_t limit, json_t *vms,
                     struct err *err)
{
    unsigned of = (unsigned)list->count + REKEY_PHASES;

    for (size_t i = 0; i < list->count; i++) {
        const struct wanted *wanted = &list->items[i];
        json_t *result = NULL;

        report_phase(deploy->report, "rekey", (unsigned)i + 1, of);
        if (is_copied(deploy->state->deep, wanted)) {
            result = intended(wanted);
            json_object_set_new(result, "earlier", json_true());
        } else if (!copy(deploy, wanted, limit, &result, err) ||
                   !note_copied(deploy->state, wanted, err)) {
            json_decref(result);
            return false;
        }
        json_array_append_new(vms, result);
    }
    return true;
}

static bool retire(struct deploy *deploy, const struct list *list, json_t **out, struct err *err)
{
    deploy->report->before = (unsigned)list->count;
    bool ok = rekey_run(deploy, NULL, out, err);

    deploy->report->before = 0;
    if (!ok) {
        err_add(err, "the disks have other keys; retire the old KEK");
        return err_mend(err, "run the same command again: it goes on there");
    }
    json_decref(TAKE(deploy->state->deep));
    return state_save(deploy->state, err);
}

bool deploy_deepkey(struct deploy *deploy, uint64_t limit, bool dry_run, json_t **out,
                    struct err *err)
{
    AUTO(drop_list) struct list list = {0};
    AUTO(drop_json) json_t *vms = json_array(), *look = NULL, *rotated = NULL;

    if (!list_all(deploy, &list, err) || !rekey_look(deploy, NULL, &look, err)) {
        return false;
    }
    for (size_t i = 0; dry_run && i < list.count; i++) {
        json_array_append_new(vms, intended(&list.items[i]));
    }
    if (!dry_run &&
        (!begin(deploy, &list, look, err) || !copy_all(deploy, &list, limit, vms, err) ||
         !retire(deploy, &list, &rotated, err))) {
        return false;
    }
    *out = json_pack(
        "{s:b, s:b, s:O?, s:O?, s:O?, s:O}", "deep", 1, "dry_run", dry_run, "type",
        json_object_get(look, "type"), "kek", json_object_get(rotated, "kek"), "retired",
        rotated ? json_object_get(rotated, "old") : json_object_get(look, "kek"), "vms", vms);
    return true;
}
