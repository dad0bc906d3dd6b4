/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/move.h"

#include <string.h>
#include <time.h>

#include "agent/lease.h"
#include "agent/lease_record.h"
#include "agent/member.h"
#include "agent/memory.h"
#include "agent/vm_domain.h"
#include "plan/step.h"

/* The other host's daemon, by the socket that leads to its own. */
#define DAEMON_SOCKET "/run/libvirt/libvirt-sock"
/* Certificates of one move. */
#define MOVE_DAYS 1u
/* For so long a host waits for a VM that nobody sends; a step that sends begins within seconds. */
#define EXPECT_MS 300000
/* And at most so long for one that is sent: its door leads to this host's hypervisor. */
#define MOVE_MS 3600000
/* How often the record is looked at while a VM is about to be given. */
#define LOOK_NS 100000000L
/* One vm.receive at most; it is asked again. */
#define MAX_WAIT 30

/* A VM on its way from this host or to it; one at a time. */
struct move {
    char vm[UUID_SIZE];
    struct secret *key;    /* of this host's certificate */
    struct tunnel *tunnel; /* its door, where it is expected; else NULL */
    int64_t began_at;
    int64_t heard_at; /* by the agent's clock: begun, or somebody was in the tunnel */
};

void move_free(struct move *move)
{
    if (move) {
        tunnel_close(move->tunnel);
        secret_free(move->key);
        free(move);
    }
}

DROP(move, struct move *, move_free);

static void move_end(struct agent *agent)
{
    move_free(TAKE(agent->move));
}

static struct move *move_new(const struct vm *vm)
{
    struct move *move = text_room(1, sizeof(*move));

    memcpy(move->vm, vm->uuid, UUID_SIZE);
    move->began_at = move->heard_at = vm->agent->now();
    return move;
}

static bool is_moving(const struct vm *vm)
{
    return vm->agent->move && strcmp(vm->agent->move->vm, vm->uuid) == 0;
}

bool move_expects(const struct vm *vm)
{
    return is_moving(vm) && vm->agent->move->tunnel;
}

void move_close(const struct vm *vm)
{
    if (move_expects(vm)) {
        move_end(vm->agent);
    }
}

static bool find(struct agent *agent, const struct making *making, struct vm **out, struct err *err)
{
    const char *uuid;

    return json_get_string(making->params, "vm", UUID_SIZE, &uuid, err) &&
           vm_find(agent, uuid, out, err);
}

static bool look(struct vm *vm, struct hv **out, struct hv_look *out_look, struct err *err)
{
    return agent_hv(vm->agent, out, err) &&
           vm->agent->hypervisor->look(*out, vm->uuid, out_look, err);
}

/* One move at a time: another VM's is under way. */
static bool is_free(const struct vm *vm, struct err *err)
{
    const struct move *move = vm->agent->move;

    return !move || strcmp(move->vm, vm->uuid) == 0 || !move->tunnel ||
           !tunnel_busy(move->tunnel) ||
           err_set(err, ERR_AWAY, "another VM is on its way to this host");
}

/* ---- here: the offer ---- */

bool step_vm_offer(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_free) char *request = NULL;
    struct hv_look now = {0};
    struct vm *vm = NULL;
    struct hv *hv = NULL;
    bool resumed = false;

    if (!find(agent, making, &vm, err) || !is_free(vm, err) || !look(vm, &hv, &now, err)) {
        return false;
    }
    if (now.state == HV_ABSENT) {
        return err_set(err, ERR_ABSENT, "VM '%s' does not run on host '%s'", vm->uuid,
                       agent->host.name);
    }
    move_end(agent);
    /* One that an interrupted move left standing goes on first. */
    if (!vm_start(vm, &resumed, err)) {
        return false;
    }
    AUTO(drop_move) struct move *move = move_new(vm);

    if (!certificate_key_make(&move->key, err) ||
        !certificate_request_make(move->key, agent->host.name, &request, err)) {
        return false;
    }
    agent->move = TAKE(move);
    making->result = json_pack("{s:s}", "request", request);
    return true;
}

/* ---- there: what is prepared ---- */

struct pass {
    struct secret *ca_key, *key;
    char *ca, *certificate, *other;
};

static void drop_pass(struct pass *pass)
{
    secret_free(pass->ca_key);
    secret_free(pass->key);
    free(pass->ca);
    free(pass->certificate);
    free(pass->other);
}

/* A CA that signs a certificate for this host and one for the other, and nobody else's. */
static bool pass_make(const struct agent *agent, const char *request, struct pass *out,
                      struct err *err)
{
    const char *names[] = {agent->host.address, NULL}, *other = NULL;
    bool literal = lease_address_valid(agent->host.address);
    struct certificate_wish ours = {.common_name = agent->host.name,
                                    .names = literal ? NULL : names,
                                    .addresses = literal ? names : NULL,
                                    .server = true,
                                    .days = MOVE_DAYS};
    char name[65];

    if (!certificate_request_name(request, name, err)) {
        return false;
    }
    other = name;
    const struct certificate_wish theirs = {
        .common_name = other, .client = true, .days = MOVE_DAYS};

    if (!certificate_authority_make("quoin move", MOVE_DAYS, &out->ca_key, &out->ca, err) ||
        !certificate_key_make(&out->key, err)) {
        return false;
    }
    const struct authority authority = {out->ca, out->ca_key};

    return certificate_make(&authority, out->key, &ours, &out->certificate, err) &&
           certificate_sign(&authority, request, &theirs, &out->other, err);
}

static bool has_room(const struct vm *vm, struct err *err)
{
    json_int_t wanted = json_integer_value(json_object_get(vm->config, "memory"));
    struct memory memory;

    if (!memory_look(&memory, err)) {
        return false;
    }
    return memory.available >= wanted + STEP_MEMORY_RESERVE ||
           err_set(err, ERR_CLASH, "host '%s' has %lld MiB of memory left, the VM needs %lld",
                   vm->agent->host.name, memory.available, (long long)wanted);
}

/* Not this host's turn, nothing of an earlier try here, and it shall run. */
static bool make_place(struct vm *vm, struct err *err)
{
    struct hv_look now = {0};
    struct hv *hv = NULL;
    struct err other = {0};

    if (!look(vm, &hv, &now, err)) {
        return false;
    }
    if (vm_turn(vm, hv, &now.state, &other)) {
        return err_set(err, ERR_CLASH, "no other host has VM '%s': there is nobody to send it",
                       vm->uuid);
    }
    if (other.kind != ERR_CLASH) {
        *err = other;
        return false;
    }
    vm_forget(vm);
    return vm_open(vm, err) && has_room(vm, err) && files_put(vm->uuid, NULL, err);
}

static bool expect(struct vm *vm, const struct pass *pass, struct err *err)
{
    AUTO(vm_domain_clear) struct vm_domain told = {0};
    const struct hv_pass ours = {pass->ca, pass->certificate, pass->key};
    struct hv *hv = NULL;

    return vm_domain_make(vm, &told, err) && agent_hv(vm->agent, &hv, err) &&
           vm->agent->hypervisor->moves->expect(hv, &told.domain, &told.keys, &ours, err);
}

static bool open_door(struct vm *vm, struct pass *pass, struct err *err)
{
    AUTO(drop_move) struct move *move = move_new(vm);
    const struct tunnel_conf conf = {.address = vm->agent->host.address,
                                     .port = MOVE_PORT,
                                     .ca = pass->ca,
                                     .certificate = pass->certificate,
                                     .private_key = pass->key,
                                     .socket = DAEMON_SOCKET};

    if (!tunnel_listen(&conf, &move->tunnel, err)) {
        return false;
    }
    vm->tidy = false;
    move->key = TAKE(pass->key);
    vm->agent->move = TAKE(move);
    return true;
}

static bool decline(struct vm *vm, struct err *err)
{
    struct hv_look now = {0};
    struct hv *hv = NULL;
    struct err theirs = {0};

    move_end(vm->agent);
    if (!look(vm, &hv, &now, err) || !vm->agent->hypervisor->moves->forget(hv, vm->uuid, err)) {
        return false;
    }
    if (lease_holds(vm->agent, vm->uuid)) {
        return true;
    }
    /* Given in the last moment: it stays, and the keeper has it go on. */
    if (vm_turn(vm, hv, &now.state, &theirs)) {
        return true;
    }
    vm_forget(vm);
    if (theirs.kind != ERR_CLASH) {
        *err = theirs;
        return false;
    }
    return files_clear(vm->uuid, err);
}

bool step_vm_expect(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_pass) struct pass pass = {0};
    const char *request;
    struct vm *vm = NULL;
    struct err ignored = {0};

    if (!json_get_string(making->params, "request", CERTIFICATE_MAX, &request, err) ||
        !find(agent, making, &vm, err) || !is_free(vm, err)) {
        return false;
    }
    if (agent->host.maintenance) {
        return err_set(err, ERR_CLASH, "host '%s' is in maintenance", agent->host.name);
    }
    if (lease_holds(agent, vm->uuid)) {
        return err_set(err, ERR_CLASH, "VM '%s' runs on host '%s'", vm->uuid, agent->host.name);
    }
    move_end(agent);
    if (!pass_make(agent, request, &pass, err) || !make_place(vm, err)) {
        return false;
    }
    if (!expect(vm, &pass, err) || !open_door(vm, &pass, err)) {
        (void)decline(vm, &ignored);
        return false;
    }
    making->changed = true;
    making->result = json_pack("{s:s, s:s, s:i}", "certificate", pass.other, "ca", pass.ca, "port",
                               (int)tunnel_port(agent->move->tunnel));
    return true;
}

/* ---- here: it goes ---- */

struct sending {
    const char *host, *address, *certificate, *ca;
    int64_t port;
};

static bool read_sending(const json_t *params, struct sending *out, struct err *err)
{
    const json_t *to;

    return json_get_object(params, "to", &to, err) &&
           json_get_string(to, "host", ROLE_NAME_MAX, &out->host, err) &&
           json_get_string(to, "address", 255, &out->address, err) &&
           json_get_integer(to, "port", 1, 65535, &out->port, err) &&
           json_get_string(params, "certificate", CERTIFICATE_MAX, &out->certificate, err) &&
           json_get_string(params, "ca", CERTIFICATE_MAX, &out->ca, err);
}

/* From here to there; true: nothing of it is here any more. */
static bool send_over(struct vm *vm, struct hv *hv, const struct sending *sending,
                      const struct progress *progress, struct err *err)
{
    const char *run = getenv("RUNTIME_DIRECTORY");
    AUTO(drop_free)
    char *path = text_make("%s/move.sock", run ? run : vm->agent->host.folder);
    AUTO(vm_domain_clear) struct vm_domain told = {0};
    AUTO(drop_tunnel) struct tunnel *tunnel = NULL;
    const struct move *move = vm->agent->move;
    const struct tunnel_conf conf = {.address = sending->address,
                                     .port = (unsigned)sending->port,
                                     .ca = sending->ca,
                                     .certificate = sending->certificate,
                                     .private_key = move->key,
                                     .socket = path};
    const struct hv_peer peer = {sending->address, path};
    const struct hv_pass pass = {sending->ca, sending->certificate, move->key};

    struct hv_look now = {0};

    if (!vm_domain_make(vm, &told, err) || !look(vm, &hv, &now, err) ||
        !tunnel_reach(&conf, &tunnel, err)) {
        return false;
    }
    told.domain.started = now.since; /* it is not started anew */
    return vm->agent->hypervisor->moves->send(hv, &told.domain, &peer, &pass, progress, err);
}

/* It did not go: it goes on here. */
static bool go_on(struct vm *vm, struct err *err)
{
    struct err failed = {0};
    bool started = false;

    if (!vm_start(vm, &started, &failed)) {
        log_err(&failed);
        return err_mend(err, "the VM stands still: %.200s", failed.what);
    }
    return false;
}

static bool send_vm(struct vm *vm, const struct sending *sending, struct making *making,
                    struct err *err)
{
    struct agent *agent = vm->agent;
    int64_t began = agent->now();
    struct err ignored = {0};
    struct hv *hv = NULL;

    /* What changes from now on goes with the VM, and is stored from there. While it goes the files
     * here are taken away under a watch, which would store that. */
    if (!agent_hv(agent, &hv, err)) {
        return false;
    }
    if (!vm_keep_still(vm, err)) {
        return go_on(vm, err);
    }
    bool sent = send_over(vm, hv, sending, making->progress, err);
    int64_t gone = agent->now();

    if (!agent->hypervisor->moves->forget(hv, vm->uuid, &ignored)) {
        log_err(&ignored);
    }
    if (!sent) {
        return go_on(vm, err);
    }
    /* Looked at, not believed: before the other host's turn nothing of it is here. Killed after any
     * of these it has one writer (tests/model/lease.pml, MOVE; GIVE_EARLY is the other order): not
     * gone yet       the lease is this host's, so it goes on here; what came there never runs gone,
     * not noted    it is this host's still, and is started here anew; what came is destroyed noted,
     * not given   the agent that comes gives it, unless somebody took it over: then he did it over
     * a newer record, which giving does not overwrite given, not let go  the other host waits for
     * the lock, which nobody renews, to run out let go             what this agent knew of it, and
     * its files, are of no use to anybody */
    if (!agent->hypervisor->destroy(hv, vm->uuid, err)) {
        return false;
    }
    if (!lease_give(agent, vm->uuid, sending->host, sending->address, err)) {
        return false;
    }
    log_say(LOG_NOTICE, "VM '%s' moved to host '%s' in %lld ms, its lease given %lld ms after",
            json_string_or(vm->config, "name", vm->uuid), sending->host, (long long)(gone - began),
            (long long)(agent->now() - gone));
    vm_forget(vm);
    making->changed = true;
    making->result = json_pack("{s:s, s:I}", "host", sending->host, "took_ms",
                               (json_int_t)(agent->now() - began));
    return files_clear(vm->uuid, err);
}

bool step_vm_send(struct agent *agent, struct making *making, struct err *err)
{
    struct sending sending = {0};
    struct vm *vm = NULL;

    if (!read_sending(making->params, &sending, err) || !find(agent, making, &vm, err)) {
        return false;
    }
    if (!is_moving(vm) || move_expects(vm)) {
        return err_set(err, ERR_ABSENT, "VM '%s' was not offered: vm.offer goes before", vm->uuid);
    }
    /* Whoever takes over must be able to fence it there. */
    bool sent = member_check(agent, sending.host, sending.address, err) && vm_open(vm, err) &&
                lease_check(agent, vm->uuid, err) && send_vm(vm, &sending, making, err);

    move_end(agent);
    return sent;
}

/* ---- there: it came ---- */

static bool is_given(struct vm *vm, bool *out, struct err *err)
{
    char holder[STORE_MAX_HOLDER];

    *out = lease_holds(vm->agent, vm->uuid);
    if (*out) {
        return true;
    }
    if (!lease_holder(vm->agent, vm->uuid, holder, err)) {
        return false;
    }
    *out = strcmp(holder, vm->agent->host.name) == 0;
    return true;
}

/* Given: the lease is taken, the VM goes on, its files are watched. Its home was stored last by who
 * gave it, so it is read anew; its key is the one that vm.expect got from the provider, which may
 * be away by now. The lock of who gave it may still be there: `*out_here` false then. */
static bool go_on_here(struct vm *vm, bool *out_here, struct err *err)
{
    struct agent *agent = vm->agent;
    struct err failed = {0}, ignored = {0};
    int64_t began = agent->now();
    struct hv *hv = NULL;
    bool started = false;

    *out_here = false;
    if (!lease_holds(agent, vm->uuid) && !vm_open_again(vm, err)) {
        return false;
    }
    if (!vm_start(vm, &started, &failed)) {
        if (failed.kind == ERR_CLASH && !lease_holds(agent, vm->uuid)) {
            return true;
        }
        *err = failed;
        return false;
    }
    *out_here = true;
    log_say(LOG_NOTICE, "VM '%s' came, and goes on here after %lld ms",
            json_string_or(vm->config, "name", vm->uuid), (long long)(agent->now() - began));
    if (is_moving(vm)) {
        move_end(agent);
    }
    if (!agent_hv(agent, &hv, &ignored) ||
        !agent->hypervisor->moves->forget(hv, vm->uuid, &ignored)) {
        log_err(&ignored);
    }
    return true;
}

bool step_vm_receive(struct agent *agent, struct making *making, struct err *err)
{
    int64_t wait = 0;
    bool given = false, here = false;
    struct vm *vm = NULL;

    if (!json_get_integer(making->params, "wait", 0, MAX_WAIT, &wait, err) ||
        !find(agent, making, &vm, err)) {
        return false;
    }
    int64_t end = clock_ms() + 1000 * wait;

    for (;;) {
        if (!is_given(vm, &given, err) || (given && !go_on_here(vm, &here, err))) {
            return false;
        }
        if (here || clock_ms() >= end) {
            making->changed = here;
            making->result = json_pack("{s:b}", "here", (int)here);
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
    }
}

bool move_tidy(struct vm *vm, struct err *err)
{
    struct agent *agent = vm->agent;
    struct hv *hv = NULL;

    if (vm->tidy || agent->move) {
        return true;
    }
    vm->tidy = agent_hv(agent, &hv, err) && agent->hypervisor->moves->forget(hv, vm->uuid, err) &&
               files_clear(vm->uuid, err);
    return vm->tidy;
}

bool step_vm_decline(struct agent *agent, struct making *making, struct err *err)
{
    struct vm *vm = NULL;

    if (!find(agent, making, &vm, err)) {
        return false;
    }
    if (!is_moving(vm)) {
        return true;
    }
    making->changed = true;
    return decline(vm, err);
}

/* ---- the keeper ---- */

bool move_keep(struct vm *vm, struct err *err)
{
    struct agent *agent = vm->agent;
    bool here = false;

    if (!move_expects(vm)) {
        return true;
    }
    if (lease_is_given(agent, vm->uuid)) {
        return go_on_here(vm, &here, err);
    }
    if (tunnel_busy(agent->move->tunnel)) {
        agent->move->heard_at = agent->now();
    }
    return (agent->now() - agent->move->heard_at < EXPECT_MS &&
            agent->now() - agent->move->began_at < MOVE_MS) ||
           decline(vm, err);
}
