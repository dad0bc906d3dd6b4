/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/maintenance.h"

#include <string.h>
#include <time.h>

#include "deploy/move.h"

/* A VM that was given goes on by its host's keeper. */
#define SETTLE_MS 60000
/* The data's copies: given up when nothing changed for so long. */
#define SAFE_MS 180000
/* Longer than the datastore needs to notice that a disk is gone: one whose host was off for a
 * moment is up and clean until then, and again when it has come back. */
#define SURE_MS 15000

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
}

/* ---- what the hosts say ---- */

static json_t *statuses_of(struct deploy *deploy)
{
    json_t *list = json_array();

    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        json_t *status = NULL;
        struct err ignored = {0};
        bool said = deploy->remotes[i] && remote_status(deploy->remotes[i], &status, &ignored);

        json_array_append_new(
            list, said ? status : json_pack("{s:s}", "host", deploy->blueprint->hosts[i].name));
    }
    return list;
}

static bool answers(const json_t *status)
{
    return json_is_string(json_object_get(status, "version"));
}

static long long memory_of(const json_t *status)
{
    return json_integer_value(json_object_get(json_object_get(status, "memory"), "available"));
}

static const json_t *member_of(const json_t *datastore, const char *name)
{
    return json_find(json_object_get(datastore, "hosts"), "name", name);
}

/* ---- who takes a VM ---- */

static bool same(const json_t *a, const json_t *b, const char *object, const char *key)
{
    const json_t *left = object ? json_object_get(a, object) : a;
    const json_t *right = object ? json_object_get(b, object) : b;

    return json_is_string(json_object_get(left, key)) &&
           json_equal(json_object_get(left, key), json_object_get(right, key));
}

/* Why it cannot; NULL: it can. */
static const char *reason_against(const json_t *from, const json_t *to, long long wanted,
                                  long long promised)
{
    const char *name = json_string_or(to, "host", "");
    const json_t *datastore = json_object_get(to, "datastore");

    if (!answers(to)) {
        return "does not answer";
    }
    if (!json_is_true(json_object_get(to, "member"))) {
        return "is no member of the cluster";
    }
    if (json_is_true(json_object_get(to, "maintenance")) ||
        json_is_true(json_object_get(member_of(datastore, name), "paused"))) {
        return "is in maintenance";
    }
    if (!same(from, to, NULL, "version")) {
        return "has an agent of another version";
    }
    if (!same(from, to, "provider", "kek")) {
        return "has another key provider or KEK";
    }
    return memory_of(to) - promised < wanted + STEP_MEMORY_RESERVE ? "has too little memory left"
                                                                   : NULL;
}

bool maintenance_target(const json_t *statuses, size_t from, const json_t *vm,
                        const long long *promised, size_t *out, struct err *err)
{
    long long wanted = json_integer_value(json_object_get(vm, "memory")), most = -1;
    const json_t *here = json_array_get(statuses, from);
    AUTO(drop_text) struct text why = {0};

    for (size_t i = 0; i < json_array_size(statuses); i++) {
        const json_t *to = json_array_get(statuses, i);
        const char *against = i == from ? NULL : reason_against(here, to, wanted, promised[i]);

        if (against) {
            text_addf(&why, "%shost '%s' %s", why.length ? ", " : "",
                      json_string_or(to, "host", "?"), against);
        } else if (i != from && memory_of(to) - promised[i] > most) {
            most = memory_of(to) - promised[i];
            *out = i;
        }
    }
    if (most >= 0) {
        return true;
    }
    err_set(err, ERR_CLASH, "no other host can take VM '%s': %.300s",
            json_string_or(vm, "name", ""), why.length ? why.bytes : "there is none");
    return err_mend(err, "bring another host in, or make room on one; or stop the VM first");
}

/* ---- on ---- */

struct maintenance {
    struct deploy *deploy;
    size_t host;
    const char *name;
    json_t *statuses;
    json_t *moves;
    bool changed;
};

static void drop_maintenance(struct maintenance *maintenance)
{
    json_decref(maintenance->statuses);
    json_decref(maintenance->moves);
}

static struct maintenance begin(struct deploy *deploy, size_t host)
{
    return (struct maintenance){.deploy = deploy,
                                .host = host,
                                .name = deploy->blueprint->hosts[host].name,
                                .statuses = statuses_of(deploy),
                                .moves = json_array()};
}

static json_t *result_of(const struct maintenance *maintenance, const char *state)
{
    return json_pack("{s:s, s:s, s:b, s:O}", "host", maintenance->name, "maintenance", state,
                     "changed", (int)maintenance->changed, "moves", maintenance->moves);
}

static bool is_reached(const struct maintenance *maintenance, struct err *err)
{
    const json_t *status = json_array_get(maintenance->statuses, maintenance->host);

    if (!answers(status)) {
        err_set(err, ERR_AWAY, "host '%s' does not answer", maintenance->name);
        return err_mend(err, "its VMs are taken over by themselves; the verb needs it up");
    }
    return json_is_true(json_object_get(status, "member")) ||
           err_set(err, ERR_CLASH, "host '%s' is no member of the cluster", maintenance->name);
}

/* Two hosts off at once may be one too many, and what is in maintenance may be off at any time. */
static bool is_alone(const struct maintenance *maintenance, struct err *err)
{
    json_t *status, *host;
    size_t i, n;

    json_array_foreach(maintenance->statuses, i, status)
    {
        json_array_foreach(json_object_get(json_object_get(status, "datastore"), "hosts"), n, host)
        {
            const char *name = json_string_or(host, "name", "");

            if (strcmp(name, maintenance->name) != 0 &&
                json_is_true(json_object_get(host, "paused"))) {
                err_set(err, ERR_CLASH, "host '%s' is in maintenance already, one at a time", name);
                return err_mend(err, "quoin host maintenance %s off", name);
            }
        }
    }
    return true;
}

/* Where each VM that is there goes, before anything is changed. `moves` and `to` fit each other. */
static bool choose(struct maintenance *maintenance, json_t *vms, size_t *to, struct err *err)
{
    size_t count = json_array_size(maintenance->statuses), i;
    AUTO(drop_free) long long *promised = text_room(count, sizeof(*promised));
    const json_t *here = json_array_get(maintenance->statuses, maintenance->host);
    json_t *vm;

    json_array_foreach(json_object_get(here, "vms"), i, vm)
    {
        size_t n = json_array_size(vms);

        if (move_place(vm) != MOVE_HERE) {
            continue;
        }
        if (!maintenance_target(maintenance->statuses, maintenance->host, vm, promised, &to[n],
                                err)) {
            return false;
        }
        promised[to[n]] += json_integer_value(json_object_get(vm, "memory"));
        json_array_append(vms, vm);
    }
    return true;
}

static void intend(struct maintenance *maintenance, const json_t *vms, const size_t *to)
{
    json_t *vm;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)vms, i, vm)
    {
        json_array_append_new(maintenance->moves,
                              json_pack("{s:O?, s:O?, s:s, s:s}", "vm", json_object_get(vm, "id"),
                                        "name", json_object_get(vm, "name"), "from",
                                        maintenance->name, "to",
                                        maintenance->deploy->blueprint->hosts[to[i]].name));
    }
}

static bool step(struct maintenance *maintenance, struct remote *remote, const char *kind,
                 json_t *params, struct err *err)
{
    report_step(maintenance->deploy->report, kind, remote->host->name, maintenance->name);
    return deploy_step(maintenance->deploy, remote, kind, params, NULL, err);
}

/* The datastore is asked by another host: this one may be about to lose it. */
static bool set_paused(struct maintenance *maintenance, bool on, struct err *err)
{
    struct remote *lead = NULL;

    return deploy_lead_besides(maintenance->deploy, maintenance->name, &lead, err) &&
           step(maintenance, lead, "store.pause",
                json_pack("{s:s, s:b}", "host", maintenance->name, "on", on), err);
}

static bool mark(struct maintenance *maintenance, bool on, struct err *err)
{
    return step(maintenance, maintenance->deploy->remotes[maintenance->host], "host.maintenance",
                json_pack("{s:b}", "on", on), err);
}

static bool move_all(struct maintenance *maintenance, const json_t *vms, const size_t *to,
                     struct err *err)
{
    struct remote **remotes = maintenance->deploy->remotes;
    json_t *vm;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)vms, i, vm)
    {
        json_t *moved = NULL;

        if (!move_vm(maintenance->deploy, vm, remotes[maintenance->host], remotes[to[i]], &moved,
                     err)) {
            return false;
        }
        json_array_append_new(maintenance->moves, moved);
    }
    return true;
}

/* What an interrupted run has sent goes on by itself: no VM stands still anywhere, and none is
 * about to be given by the host, or started there again. */
static bool is_settled(const json_t *statuses, size_t from)
{
    json_t *status, *vm;
    size_t i, n;

    json_array_foreach((json_t *)(uintptr_t)statuses, i, status)
    {
        json_array_foreach(json_object_get(status, "vms"), n, vm)
        {
            if (strcmp(json_string_or(vm, "state", ""), "paused") == 0 ||
                (i == from && move_place(vm) == MOVE_LEASED)) {
                return false;
            }
        }
    }
    return true;
}

static bool settle(struct maintenance *maintenance, struct err *err)
{
    int64_t end = clock_ms() + SETTLE_MS;

    for (;;) {
        AUTO(drop_json) json_t *statuses = statuses_of(maintenance->deploy);

        if (is_settled(statuses, maintenance->host)) {
            return true;
        }
        if (clock_ms() >= end) {
            err_set(err, ERR_AWAY, "a VM stands still and does not go on");
            return err_mend(err, "quoin status --detail says which, its host's journal says why");
        }
        rest();
    }
}

/* Now that the host is marked it has looked what runs there, and nothing more is started. */
static bool choose_again(struct maintenance *maintenance, json_t **vms, size_t **to,
                         struct err *err)
{
    json_decref(maintenance->statuses);
    maintenance->statuses = statuses_of(maintenance->deploy);
    const json_t *here = json_array_get(maintenance->statuses, maintenance->host);

    json_decref(*vms);
    *vms = json_array();
    free(*to);
    *to = text_room(json_array_size(json_object_get(here, "vms")) + 1, sizeof(**to));
    return is_reached(maintenance, err) && choose(maintenance, *vms, *to, err);
}

/* Asked once more, before anybody hears that it may go off. */
static bool is_empty(struct maintenance *maintenance, struct err *err)
{
    AUTO(drop_json) json_t *statuses = statuses_of(maintenance->deploy);
    const json_t *here = json_array_get(statuses, maintenance->host);
    json_t *vm;
    size_t i;

    if (!answers(here)) {
        return err_set(err, ERR_AWAY, "host '%s' does not answer", maintenance->name);
    }
    json_array_foreach(json_object_get(here, "vms"), i, vm)
    {
        if (move_place(vm) != MOVE_GONE) {
            err_set(err, ERR_AWAY, "VM '%s' is still on host '%s'", json_string_or(vm, "name", ""),
                    maintenance->name);
            return err_mend(err, "run the same command again");
        }
    }
    return true;
}

bool maintenance_on(struct deploy *deploy, size_t host, bool dry, json_t **out_result,
                    struct err *err)
{
    AUTO(drop_maintenance) struct maintenance maintenance = begin(deploy, host);
    const json_t *here = json_array_get(maintenance.statuses, host);
    AUTO(drop_free)
    size_t *to = text_room(json_array_size(json_object_get(here, "vms")) + 1, sizeof(*to));
    AUTO(drop_json) json_t *vms = json_array();

    report_phase(deploy->report, "check", 1, MAINTENANCE_PHASES);
    if (!is_reached(&maintenance, err) || !is_alone(&maintenance, err) ||
        !choose(&maintenance, vms, to, err)) {
        return false;
    }
    if (dry) {
        intend(&maintenance, vms, to);
        *out_result = result_of(&maintenance, "on");
        return true;
    }
    report_phase(deploy->report, "datastore", 2, MAINTENANCE_PHASES);
    if (!set_paused(&maintenance, true, err) || !mark(&maintenance, true, err) ||
        !choose_again(&maintenance, &vms, &to, err)) {
        return false;
    }
    report_phase(deploy->report, "move", 3, MAINTENANCE_PHASES);
    if (!move_all(&maintenance, vms, to, err) || !settle(&maintenance, err) ||
        !is_empty(&maintenance, err)) {
        return false;
    }
    maintenance.changed = deploy->changed;
    *out_result = result_of(&maintenance, "on");
    return true;
}

/* ---- off ---- */

/* As the host itself sees it: of a long list of hosts each tells itself. A new reference, or NULL.
 */
static json_t *datastore_now(struct maintenance *maintenance)
{
    struct remote *remote = maintenance->deploy->remotes[maintenance->host];
    AUTO(drop_json) json_t *status = NULL;
    struct err ignored = {0};

    return remote_status(remote, &status, &ignored)
               ? json_incref(json_object_get(status, "datastore"))
               : NULL;
}

/* A host that died in maintenance must not keep its data from being copied, nor others from theirs.
 */
static bool off_without_it(struct maintenance *maintenance, struct err *err)
{
    if (!set_paused(maintenance, false, err)) {
        return false;
    }
    err_set(
        err, ERR_AWAY,
        "host '%s' does not answer: the datastore waits for it no longer, but its own mark stays",
        maintenance->name);
    return err_mend(err,
                    "the same command again when it is up, or for one that stays away: quoin host "
                    "remove %s, quoin host replace %s --with HOST",
                    maintenance->name, maintenance->name);
}

static bool wait_until_safe(struct maintenance *maintenance, struct err *err)
{
    double least = 101;
    int64_t end = clock_ms() + SAFE_MS, since = clock_ms();

    for (;;) {
        AUTO(drop_json) json_t *store = datastore_now(maintenance);
        const json_t *host = member_of(store, maintenance->name);
        double degraded = json_number_value(json_object_get(store, "degraded"));
        bool up = host && json_integer_value(json_object_get(host, "up")) ==
                              json_integer_value(json_object_get(host, "disks"));

        if (!up || !json_is_true(json_object_get(store, "clean"))) {
            since = clock_ms();
        } else if (clock_ms() - since >= SURE_MS) {
            return true;
        }
        if (store && degraded < least) {
            least = degraded;
            end = clock_ms() + SAFE_MS;
        }
        if (clock_ms() >= end) {
            err_set(err, ERR_AWAY, "not all data has its copies again (%.1f %% are missing)",
                    degraded);
            return err_mend(err, "quoin status says why; the datastore goes on by itself");
        }
        report_progress(maintenance->deploy->report,
                        degraded > 100 ? 0 : (unsigned)(100 - degraded), "copies");
        rest();
    }
}

bool maintenance_off(struct deploy *deploy, size_t host, bool dry, json_t **out_result,
                     struct err *err)
{
    AUTO(drop_maintenance) struct maintenance maintenance = begin(deploy, host);

    report_phase(deploy->report, "check", 1, MAINTENANCE_PHASES);
    if (!is_reached(&maintenance, err)) {
        return err->kind == ERR_AWAY && !dry && off_without_it(&maintenance, err);
    }
    if (!dry) {
        report_phase(deploy->report, "datastore", 2, MAINTENANCE_PHASES);
        if (!mark(&maintenance, false, err) || !set_paused(&maintenance, false, err)) {
            return false;
        }
        report_phase(deploy->report, "copies", 3, MAINTENANCE_PHASES);
        if (!wait_until_safe(&maintenance, err)) {
            return false;
        }
    }
    maintenance.changed = deploy->changed;
    *out_result = result_of(&maintenance, "off");
    return true;
}
