/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/takeover.h"

#include <string.h>
#include <time.h>

#include "agent/lease.h"
#include "agent/lease_record.h"
#include "agent/member.h"

/* A connection of a process that is no more may still have bytes on their way, for this long. */
#define DRAIN_SECONDS 60u
/* The kernel's table of connections; of the largest hosts. */
#define MAX_TABLE (16u << 20)

/* ---- the one who takes over ---- */

static bool fence_one(struct vm *vm, const json_t *who, struct err *err)
{
    struct agent *agent = vm->agent;
    const char *host = json_string_or(who, "host", "?");
    const char *address = json_string_or(who, "address", "");
    int64_t began = agent->now();
    struct store *store = NULL;

    if (!agent_store(agent, &store, err) || !member_check(agent, host, address, err) ||
        !agent->backend->leases->fence(store, address, err) ||
        !lease_fenced(agent, vm->uuid, err)) {
        return err_add(err, "fence host '%s'", host);
    }
    log_say(LOG_WARNING, "host '%s' (%s) is fenced, in %lld ms: it may have VM %s running", host,
            address, (long long)(agent->now() - began), vm->uuid);
    return true;
}

bool takeover_fence(struct vm *vm, struct err *err)
{
    for (;;) {
        AUTO(drop_json) json_t *who = lease_pending(vm->agent, vm->uuid);

        if (!who) {
            return lease_check(vm->agent, vm->uuid, err);
        }
        if (!fence_one(vm, who, err)) {
            return false;
        }
    }
}

/* Where the one is that has the lock: its record says so or, if it died before it wrote that, the
 * datastore. */
static bool locate(struct agent *agent, struct store *store, const struct vm *vm, const char *name,
                   const char *host, char out[STORE_MAX_HOLDER], struct err *err)
{
    AUTO(drop_json) json_t *record = NULL;
    struct store_lease lock = {.holder = ""};
    uint64_t version = 0;

    if (!lease_record_read(agent->backend, store, vm->uuid, &record, &version, err) ||
        !agent->backend->leases->look(store, name, &lock, err)) {
        return false;
    }
    bool told = strcmp(lease_record_host(record), host) == 0;

    (void)snprintf(out, STORE_MAX_HOLDER, "%s", told ? lease_record_address(record) : lock.address);
    return true;
}

/* The datastore's clock was set back: the lease of a holder that renews no more would last. It ends
 * behind a fence of its holder, or not at all. */
static bool oust(struct vm *vm, const char *stuck, struct err *err)
{
    AUTO(drop_free) char *name = lease_name(vm->uuid);
    AUTO(drop_free) char *host = text_make("%.*s", (int)strcspn(stuck, "/"), stuck);
    struct agent *agent = vm->agent;
    char address[STORE_MAX_HOLDER] = "";
    struct store *store = NULL;

    return (agent_store(agent, &store, err) && locate(agent, store, vm, name, host, address, err) &&
            member_check(agent, host, address, err) &&
            agent->backend->leases->fence(store, address, err) &&
            agent->backend->leases->oust(store, name, stuck, err)) ||
           err_add(err, "end the lease of host '%s'", host);
}

bool takeover_try(struct vm *vm, bool *out_taken, struct err *err)
{
    struct agent *agent = vm->agent;
    char stuck[STORE_MAX_HOLDER];
    bool started = false;

    *out_taken = false;
    if (agent->host.maintenance || !lease_is_ripe(agent, vm->uuid, stuck)) {
        return true;
    }
    /* What was known of it is as old as its last holder's life. */
    vm_forget(vm);
    if (!vm_open(vm, err)) {
        return false;
    }
    if (strcmp(json_string_or(vm->config, "wanted", ""), "running") != 0) {
        lease_dismiss(agent, vm->uuid);
        return true;
    }
    const char *name = json_string_or(vm->config, "name", vm->uuid);
    int64_t began = agent->now();

    log_say(LOG_WARNING, "VM '%s' of host '%s' is not kept any more: taking it over", name,
            json_string_or(vm->config, "host", "?"));
    *out_taken = (!stuck[0] || oust(vm, stuck, err)) && vm_start(vm, &started, err);
    lease_unripe(agent, vm->uuid);
    if (!*out_taken && err->kind == ERR_CLASH) {
        log_say(LOG_NOTICE, "VM '%s' is taken over by another host", name);
        vm_forget(vm);
        return true;
    }
    if (*out_taken) {
        log_say(LOG_NOTICE, "VM '%s' taken over, in %lld ms", name,
                (long long)(agent->now() - began));
    }
    return *out_taken || err_add(err, "take over VM '%s'", name);
}

/* ---- the one who was fenced ---- */

static bool destroy_each(struct agent *agent, struct hv *hv, const json_t *list, struct err *err)
{
    const json_t *uuid = NULL;
    size_t i;

    json_array_foreach(list, i, uuid)
    {
        if (!agent->hypervisor->destroy(hv, json_string_value(uuid), err)) {
            return false;
        }
    }
    return true;
}

/* What this host knows of, then whatever of quoin's the hypervisor lists, known or not. */
static bool destroy_all(struct agent *agent, const json_t *known, struct err *err)
{
    AUTO(drop_json) json_t *there = NULL;
    struct hv *hv = NULL;

    return agent_hv(agent, &hv, err) && destroy_each(agent, hv, known, err) &&
           agent->hypervisor->list(hv, &there, err) && destroy_each(agent, hv, there, err);
}

static bool none_is_left(struct agent *agent, struct err *err)
{
    AUTO(drop_json) json_t *there = NULL;
    struct hv *hv = NULL;

    if (!agent_hv(agent, &hv, err) || !agent->hypervisor->list(hv, &there, err)) {
        return false;
    }
    return json_array_size(there) == 0 ||
           err_set(err, ERR_AWAY, "VM '%s' is still there: the fence of this host stays",
                   json_string_value(json_array_get(there, 0)));
}

/* Everything that this host may have had running: what it holds or held, and what it knows of. */
static json_t *all_of_ours(struct agent *agent)
{
    json_t *list = lease_list(agent);

    for (const struct vm *vm = agent->vms; vm; vm = vm->next) {
        json_array_append_new(list, json_string(vm->uuid));
    }
    return list;
}

/* A line of /proc/net/tcp (proc(5)): "sl local remote state tx_queue:rx_queue … uid timeout inode".
 * Nobody's socket (inode 0) with bytes to send still speaks for a process that is dead. */
static bool speaks_for_the_dead(const char *line)
{
    unsigned state = 0, send = 0, receive = 0;
    unsigned long inode = 1;

    return sscanf(line, " %*d: %*64s %*64s %x %x:%x %*s %*s %*d %*d %lu", &state, &send, &receive,
                  &inode) == 4 &&
           inode == 0 && send > 1; /* the end of a connection counts for one byte */
}

static bool has_orphans(const char *path, bool *out, struct err *err)
{
    AUTO(drop_free) char *text = NULL;
    char *rest = NULL;
    struct err failed = {0};

    if (!file_read(path, MAX_TABLE, &text, NULL, &failed)) {
        *err = failed.kind == ERR_ABSENT ? *err : failed; /* a kernel without IPv6 */
        return failed.kind == ERR_ABSENT;
    }
    for (const char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        *out = *out || speaks_for_the_dead(line);
    }
    return true;
}

/* What a hypervisor had sent before it died may still lie in the kernel, which goes on sending it:
 * none of it must arrive after the fence is gone. */
static bool wait_for_silence(struct err *err)
{
    for (unsigned i = 0; i < DRAIN_SECONDS; i++) {
        bool orphans = false;

        if (!has_orphans("/proc/net/tcp", &orphans, err) ||
            !has_orphans("/proc/net/tcp6", &orphans, err)) {
            return false;
        }
        if (!orphans) {
            return true;
        }
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
    return err_set(err, ERR_AWAY, "connections of ended processes still have bytes to send");
}

static bool heal(struct agent *agent, const struct store_conf *conf, bool anew, struct err *err)
{
    AUTO(drop_json) json_t *ours = all_of_ours(agent);

    /* One that was taken out has said so, and stays fenced for long. */
    if (agent->host.member) {
        log_say(LOG_ERR,
                "this host was fenced: another has taken over; whatever runs here is destroyed");
    }
    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        vm_forget(vm);
    }
    /* Twice: a start that the hypervisor was at when the agent before us ended has come up by now.
     */
    if (!destroy_all(agent, ours, err) || !wait_for_silence(err) ||
        !destroy_all(agent, ours, err) || !none_is_left(agent, err)) {
        return false;
    }
    agent_store_close(agent);
    lease_forget(agent);
    if (!agent->backend->leases->lift(conf, conf->address, anew, err)) {
        return false;
    }
    log_say(LOG_NOTICE, "nothing of it is left here: the fence of this host is lifted");
    return anew || member_set(agent, true, err); /* it is listed */
}

static bool heal_if_fenced(struct agent *agent, bool anew, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const struct store_conf conf = host_store_conf(&agent->host, monitors);
    bool fenced = false;

    return store_backend_find(agent->host.store_type, &agent->backend, err) &&
           agent->backend->leases->fenced(&conf, conf.address, &fenced, err) &&
           (!fenced || heal(agent, &conf, anew, err));
}

/* What the datastore says of this host is told from now on: nobody shall take it for a member. Said
 * by its maps, and by nothing else: a key may be refused for many reasons. */
static void leave_if_taken_out(struct agent *agent, const struct err *why)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const struct store_conf conf = host_store_conf(&agent->host, monitors);
    struct err failed = {0};
    bool listed = true;

    if (why->kind != ERR_DENIED || !agent->host.member ||
        !agent->backend->leases->listed(&conf, &listed, &failed) || listed) {
        return;
    }
    log_err(why);
    if (!member_set(agent, false, &failed)) {
        log_err(&failed);
    }
}

bool takeover_heal(struct agent *agent, struct err *err)
{
    if (!agent->host.store_type || !lease_is_suspect(agent)) {
        return true;
    }
    bool healed = heal_if_fenced(agent, false, err);

    if (!healed) {
        lease_suspect(agent);
        leave_if_taken_out(agent, err);
    }
    return healed;
}

bool takeover_admit(struct agent *agent, struct err *err)
{
    return heal_if_fenced(agent, true, err);
}
