/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/move.h"

#include <string.h>
#include <time.h>

/* One vm.receive waits so long at most, seconds. */
#define RECEIVE_SECONDS 10
/* What was sent is given and goes on within moments; a lock that was left runs out within this. */
#define GIVEN_MS 90000
/* For an agent that ended to be started again. */
#define AGENT_MS 60000

enum stage { SENDING, SENT, FAILED };

struct moving {
    struct deploy *deploy;
    const char *id, *name;
    struct remote *from, *to;
    json_t *ready; /* what vm.expect gave */
    _Atomic(enum stage) stage;
    atomic_llong sent_at;
    int64_t took_ms;
    bool here;
    struct err sending, receiving;
};

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
}

static bool ask(struct moving *moving, struct remote *remote, const char *kind, json_t *params,
                json_t **out, struct err *err)
{
    json_object_set_new(params, "vm", json_string(moving->id));
    report_step(moving->deploy->report, kind, remote->host->name, moving->name);
    return deploy_step(moving->deploy, remote, kind, params, out, err);
}

/* ---- who has it ---- */

/* Not known before the agent has looked at its hypervisor. */
enum move_place move_place(const json_t *vm)
{
    if (!vm) {
        return MOVE_GONE;
    }
    if (strcmp(json_string_or(vm, "state", "unknown"), "off") != 0) {
        return MOVE_HERE;
    }
    return strcmp(json_string_or(json_object_get(vm, "lease"), "state", ""), "held") == 0
               ? MOVE_LEASED
               : MOVE_GONE;
}

/* An answer that was lost says nothing: what is there counts. What was sent and could not be given
 * yet is not here any more: it is waited for there. Waits for an agent that is started again. */
static bool still_here(const struct moving *moving, bool *out, struct err *err)
{
    int64_t end = clock_ms() + AGENT_MS;

    for (;;) {
        AUTO(drop_json) json_t *status = NULL;
        struct err away = {0};

        if (remote_status(moving->from, &status, &away)) {
            *out = move_place(json_find(json_object_get(status, "vms"), "id", moving->id)) ==
                   MOVE_HERE;
            return true;
        }
        if (clock_ms() >= end) {
            *err = away;
            return false;
        }
        rest();
    }
}

/* ---- the two sides ---- */

static json_t *send_params(const struct moving *moving)
{
    const struct blueprint_host *host = moving->to->host;

    return json_pack("{s:{s:s, s:s, s:O}, s:O, s:O}", "to", "host", host->name, "address",
                     host->address, "port", json_object_get(moving->ready, "port"), "certificate",
                     json_object_get(moving->ready, "certificate"), "ca",
                     json_object_get(moving->ready, "ca"));
}

static void send_it(struct moving *moving)
{
    AUTO(drop_json) json_t *result = NULL;
    struct err unknown = {0};
    bool here = true;

    if (ask(moving, moving->from, "vm.send", send_params(moving), &result, &moving->sending)) {
        moving->took_ms = json_integer_value(json_object_get(result, "took_ms"));
        here = false;
    } else if (!still_here(moving, &here, &unknown)) {
        here = true; /* nobody knows: it is not waited for */
    }
    moving->sent_at = clock_ms();
    moving->stage = here ? FAILED : SENT;
}

static void receive_it(struct moving *moving)
{
    while (!moving->here && moving->stage != FAILED) {
        AUTO(drop_json) json_t *result = NULL;
        struct err err = {0};
        bool asked = ask(moving, moving->to, "vm.receive",
                         json_pack("{s:i}", "wait", RECEIVE_SECONDS), &result, &err);

        moving->here = asked && json_is_true(json_object_get(result, "here"));
        moving->receiving = err;
        if (moving->stage == SENT && clock_ms() > moving->sent_at + GIVEN_MS) {
            return;
        }
        if (!asked) {
            rest();
        }
    }
}

static void one_side(void *context, size_t number)
{
    if (number == 0) {
        send_it(context);
    } else {
        receive_it(context);
    }
}

/* ---- all of it ---- */

static bool prepare(struct moving *moving, struct err *err)
{
    AUTO(drop_json) json_t *offer = NULL;
    const char *request;

    return ask(moving, moving->from, "vm.offer", json_object(), &offer, err) &&
           json_get_string(offer, "request", CERTIFICATE_MAX, &request, err) &&
           ask(moving, moving->to, "vm.expect", json_pack("{s:s}", "request", request),
               &moving->ready, err);
}

static bool finish(struct moving *moving, struct err *err)
{
    struct err ignored = {0};

    if (moving->here) {
        return true;
    }
    if (moving->stage == FAILED) {
        (void)ask(moving, moving->to, "vm.decline", json_object(), NULL, &ignored);
        *err = moving->sending;
    } else if (moving->receiving.kind != ERR_NONE) {
        *err = moving->receiving;
    } else {
        err_set(err, ERR_AWAY, "it left host '%s' and does not go on yet",
                moving->from->host->name);
    }
    return false;
}

bool move_vm(struct deploy *deploy, const json_t *vm, struct remote *from, struct remote *to,
             json_t **out_result, struct err *err)
{
    struct moving moving = {.deploy = deploy,
                            .id = json_string_or(vm, "id", ""),
                            .name = json_string_or(vm, "name", ""),
                            .from = from,
                            .to = to};
    bool moved = prepare(&moving, err);

    if (moved) {
        side_by_side(2, 2, one_side, &moving);
        moved = finish(&moving, err);
    }
    json_decref(moving.ready);
    if (!moved) {
        err_add(err, "move VM '%s' to host '%s'", moving.name, to->host->name);
        return err_mend(err, "run the same command again: it goes on where this one ended");
    }
    *out_result =
        json_pack("{s:s, s:s, s:s, s:s, s:I}", "vm", moving.id, "name", moving.name, "from",
                  from->host->name, "to", to->host->name, "took_ms", (json_int_t)moving.took_ms);
    return true;
}
