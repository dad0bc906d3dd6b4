/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lease.h"

#include <string.h>
#include <time.h>

#include "agent/lease_table.h"

/* Of one question; a lease's time allows several. */
#define ASK_SECONDS 4u

struct leases *leases_new(struct agent *agent, char *folder)
{
    struct leases *leases = text_room(1, sizeof(*leases));

    leases->agent = agent;
    leases->folder = folder;
    pthread_mutex_init(&leases->io, NULL);
    pthread_mutex_init(&leases->table, NULL);
    return leases;
}

static void leased_free(struct leased *leased)
{
    json_decref(leased->record);
    json_decref(leased->seen);
    json_decref(leased->to);
    free(leased);
}

static void unlink_store(struct leases *leases)
{
    if (leases->store) {
        leases->backend->close(TAKE(leases->store));
    }
}

void leases_free(struct leases *leases)
{
    if (!leases) {
        return;
    }
    unlink_store(leases);
    if (leases->hv) {
        leases->agent->hypervisor->close(leases->hv);
    }
    while (leases->list) {
        struct leased *next = leases->list->next;

        leased_free(leases->list);
        leases->list = next;
    }
    pthread_mutex_destroy(&leases->io);
    pthread_mutex_destroy(&leases->table);
    free(leases->folder);
    free(leases->host);
    free(leases->address);
    free(leases->holder);
    free(leases);
}

struct leased *lease_find(struct leases *leases, const char *uuid)
{
    struct leased *leased = leases->list;

    while (leased && strcmp(leased->uuid, uuid) != 0) {
        leased = leased->next;
    }
    return leased;
}

struct leased *lease_entry(struct leases *leases, const char *uuid)
{
    struct leased *leased = lease_find(leases, uuid);

    if (!leased) {
        leased = text_room(1, sizeof(*leased));
        (void)snprintf(leased->uuid, sizeof(leased->uuid), "%s", uuid);
        leased->seen_at = leases->agent->now();
        leased->next = leases->list;
        leases->list = leased;
    }
    return leased;
}

static char *holder_make(const char *host)
{
    AUTO(drop_free) char *boot = NULL;
    struct err ignored = {0};

    return file_read("/proc/sys/kernel/random/boot_id", 64, &boot, NULL, &ignored)
               ? text_make("%s/%.36s", host, boot)
               : text_make("%s/-", host);
}

bool lease_link(struct leases *leases, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];

    if (leases->store) {
        return true;
    }
    pthread_mutex_lock(&leases->agent->state);
    AUTO(host_clear) struct host host = host_copy(&leases->agent->host);
    pthread_mutex_unlock(&leases->agent->state);
    if (!host.store_type) {
        return err_set(err, ERR_ABSENT, "this host has no datastore yet");
    }
    struct store_conf conf = host_store_conf(&host, monitors);

    conf.seconds = ASK_SECONDS;
    if (!store_backend_find(host.store_type, &leases->backend, err) ||
        !leases->backend->open(&conf, &leases->store, err)) {
        return err_add(err, "open datastore '%s' for leases", host.store_name);
    }
    if (!leases->backend->leases->seen_at(leases->store, host.address, err)) {
        unlink_store(leases);
        return err_add(err, "this host could not be fenced, so it gets no lease");
    }
    host_set(&leases->host, host.name);
    host_set(&leases->address, host.address);
    free(leases->holder);
    leases->holder = holder_make(host.name);
    return true;
}

/* ---- notes ---- */

static char *note_path(const struct leases *leases, const char *uuid)
{
    return text_make("%s/%s", leases->folder, uuid);
}

bool lease_note(struct leases *leases, const struct leased *leased, struct err *err)
{
    AUTO(drop_free) char *path = note_path(leases, leased->uuid);
    AUTO(drop_free)
    char *text = text_make("%lld\n%s%s%s", (long long)leased->deadline,
                           json_string_or(leased->to, "host", ""), leased->to ? " " : "",
                           json_string_or(leased->to, "address", ""));

    return (file_make_folder(leases->folder, 0700, err) &&
            file_write(path, text, strlen(text), 0600, err)) ||
           err_add(err, "note the lease of VM '%s'", leased->uuid);
}

void lease_note_remove(struct leases *leases, const char *uuid)
{
    AUTO(drop_free) char *path = note_path(leases, uuid);
    struct err err = {0};

    if (!file_remove(path, &err)) {
        log_err(&err);
    }
}

/* ---- held ---- */

bool lease_extend(struct leased *leased, int64_t asked)
{
    if (leased->state == LEASE_LOST) {
        return false;
    }
    leased->state = LEASE_HELD;
    leased->ever = true;
    leased->ripe = false;
    leased->renewed_at = asked;
    leased->deadline = asked + 1000 * (int64_t)(LEASE_SECONDS - LEASE_MARGIN);
    leased->renew_at = asked + 1000 * (int64_t)LEASE_RENEW;
    return true;
}

void lease_lose(struct leases *leases, struct leased *leased, const char *why)
{
    (void)leases;
    if (leased->state == LEASE_HELD) {
        log_say(LOG_ERR, "lease of VM %s lost: %s", leased->uuid, why);
        leased->state = LEASE_LOST;
        leased->lost_notice = true;
        json_decref(TAKE(leased->record));
        json_decref(TAKE(leased->to));
    }
}

/* Under `io`. The record says that we hold it, over the version that was read. */
static bool write_taken(struct leases *leases, const char *uuid, int64_t asked, struct err *err)
{
    AUTO(drop_json) json_t *before = NULL;
    uint64_t version = 0;

    if (!lease_record_read(leases->backend, leases->store, uuid, &before, &version, err)) {
        return false;
    }
    AUTO(drop_json)
    json_t *record = lease_record_taken(before, leases->host, leases->address);

    if (!lease_record_check(record, err) ||
        !lease_record_write(leases->backend, leases->store, uuid, record, &version, err)) {
        return false;
    }
    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_entry(leases, uuid);
    bool held = leases->agent->now() < asked + 1000 * (int64_t)(LEASE_SECONDS - LEASE_MARGIN) &&
                lease_extend(leased, asked);
    bool noted = held && lease_note(leases, leased, err);

    if (noted) {
        json_decref(leased->record);
        leased->record = TAKE(record);
        leased->version = version;
    } else if (held) {
        leased->state = LEASE_FREE; /* nothing was started under it: it may run out */
        leased->seen_at = leases->agent->now();
    }
    pthread_mutex_unlock(&leases->table);
    return noted || (!held && err_set(err, ERR_AWAY, "it took too long"));
}

static bool take(struct leases *leases, const char *uuid, struct err *err)
{
    AUTO(drop_free) char *name = lease_name(uuid);

    if (!lease_link(leases, err)) {
        return false;
    }
    int64_t asked = leases->agent->now();

    return leases->backend->leases->take(leases->store, name, leases->holder, LEASE_SECONDS, err) &&
           write_taken(leases, uuid, asked, err);
}

bool lease_take(struct agent *agent, const char *uuid, struct err *err)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->io);
    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_entry(leases, uuid);
    bool noted = leased->state == LEASE_HELD && !leased->record;
    pthread_mutex_unlock(&leases->table);
    if (noted) {
        lease_renew(leases, leased);
    }
    pthread_mutex_lock(&leases->table);
    bool lost = leased->state != LEASE_FREE;
    bool held = leased->state == LEASE_HELD && leased->record && agent->now() < leased->deadline;
    pthread_mutex_unlock(&leases->table);
    bool taken = held || (lost ? err_set(err, ERR_AWAY, "it could not be renewed")
                               : take(leases, uuid, err));
    pthread_mutex_unlock(&leases->io);
    return taken || err_add(err, "take the lease of VM '%s'", uuid);
}

/* A record that was being written when the datastore went away is written again by who asks. */
static bool let_go(struct leases *leases, struct leased *leased, struct err *err)
{
    AUTO(drop_free) char *name = lease_name(leased->uuid);
    AUTO(drop_json) json_t *record = NULL;

    if (!lease_link(leases, err)) {
        return false;
    }
    /* The guard may lose it meanwhile. */
    pthread_mutex_lock(&leases->table);
    record = leased->record ? lease_record_dropped(leased->record) : NULL;
    pthread_mutex_unlock(&leases->table);
    if (record) {
        struct err changed = {0};

        if (!lease_record_write(leases->backend, leases->store, leased->uuid, record,
                                &leased->version, &changed) &&
            changed.kind != ERR_CLASH) {
            *err = changed;
            return false;
        }
    }
    return leases->backend->leases->drop(leases->store, name, leases->holder, err);
}

bool lease_drop(struct agent *agent, const char *uuid, struct err *err)
{
    struct leases *leases = agent->leases;
    bool dropped = true;

    pthread_mutex_lock(&leases->io);
    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_find(leases, uuid);
    bool held = leased && leased->state == LEASE_HELD;
    pthread_mutex_unlock(&leases->table);
    if (held) {
        dropped = let_go(leases, leased, err);
        pthread_mutex_lock(&leases->table);
        if (dropped) {
            leased->state = LEASE_FREE;
            leased->seen_at = agent->now();
            json_decref(TAKE(leased->record));
            lease_note_remove(leases, uuid);
        }
        pthread_mutex_unlock(&leases->table);
    }
    pthread_mutex_unlock(&leases->io);
    return dropped || err_add(err, "give back the lease of VM '%s'", uuid);
}

static bool remove_both(struct leases *leases, const char *uuid, struct err *err)
{
    AUTO(drop_free) char *lock = lease_name(uuid), *record = lease_record_name(uuid);

    return lease_link(leases, err) &&
           leases->backend->objects->remove(leases->store, record, err) &&
           leases->backend->objects->remove(leases->store, lock, err);
}

bool lease_remove(struct agent *agent, const char *uuid, struct err *err)
{
    if (!lease_drop(agent, uuid, err)) {
        return false;
    }
    pthread_mutex_lock(&agent->leases->io);
    bool removed = remove_both(agent->leases, uuid, err);
    pthread_mutex_unlock(&agent->leases->io);
    return removed || err_add(err, "remove the lease of VM '%s'", uuid);
}

json_t *lease_pending(struct agent *agent, const char *uuid)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->table);
    const struct leased *leased = lease_find(leases, uuid);
    json_t *one = leased ? json_deep_copy(lease_record_next(leased->record)) : NULL;
    pthread_mutex_unlock(&leases->table);
    return one;
}

bool lease_fenced(struct agent *agent, const char *uuid, struct err *err)
{
    struct leases *leases = agent->leases;
    AUTO(drop_json) json_t *record = NULL;

    pthread_mutex_lock(&leases->io);
    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_find(leases, uuid);

    record = leased && leased->record ? json_deep_copy(leased->record) : NULL;
    pthread_mutex_unlock(&leases->table);
    bool noted = record ? lease_link(leases, err)
                        : err_set(err, ERR_AWAY, "the lease of VM '%s' was lost", uuid);

    if (noted) {
        lease_record_fenced(record, (int64_t)time(NULL));
        noted =
            lease_record_write(leases->backend, leases->store, uuid, record, &leased->version, err);
    }
    pthread_mutex_lock(&leases->table);
    if (noted && leased->record) {
        json_decref(leased->record);
        leased->record = TAKE(record);
    }
    pthread_mutex_unlock(&leases->table);
    pthread_mutex_unlock(&leases->io);
    return noted;
}

/* ---- questions ---- */

bool lease_holds(struct agent *agent, const char *uuid)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->table);
    const struct leased *leased = lease_find(leases, uuid);
    bool holds = leased && leased->state == LEASE_HELD && agent->now() < leased->deadline;
    pthread_mutex_unlock(&leases->table);
    return holds;
}

bool lease_check(struct agent *agent, const char *uuid, struct err *err)
{
    return lease_holds(agent, uuid) ||
           err_set(err, ERR_AWAY, "this host does not hold the lease of VM '%s'", uuid);
}

bool lease_allows(struct agent *agent, const char *uuid, struct err *err)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->table);
    const struct leased *leased = lease_find(leases, uuid);
    bool ever = leased && leased->ever;
    pthread_mutex_unlock(&leases->table);
    return !ever || lease_check(agent, uuid, err);
}

bool lease_was_lost(struct agent *agent, const char *uuid)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_find(leases, uuid);
    bool lost = leased && leased->lost_notice && leased->state != LEASE_LOST;

    if (lost) {
        leased->lost_notice = false;
    }
    pthread_mutex_unlock(&leases->table);
    return lost;
}

bool lease_is_ripe(struct agent *agent, const char *uuid, char out_stuck[STORE_MAX_HOLDER])
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->table);
    const struct leased *leased = lease_find(leases, uuid);
    bool ripe = leased && leased->state == LEASE_FREE && leased->ripe;

    (void)snprintf(out_stuck, STORE_MAX_HOLDER, "%s", ripe ? leased->stuck : "");
    pthread_mutex_unlock(&leases->table);
    return ripe;
}

void lease_unripe(struct agent *agent, const char *uuid)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->table);
    lease_entry(leases, uuid)->ripe = false;
    pthread_mutex_unlock(&leases->table);
}

bool lease_elsewhere(struct agent *agent, const char *uuid, char out_host[STORE_MAX_HOLDER])
{
    struct leases *leases = agent->leases;
    AUTO(drop_free) char *name = lease_name(uuid);
    struct store_lease lock = {.holder = ""};
    struct err ignored = {0};

    pthread_mutex_lock(&leases->io);
    bool looked = lease_link(leases, &ignored) &&
                  leases->backend->leases->look(leases->store, name, &lock, &ignored);

    (void)snprintf(out_host, STORE_MAX_HOLDER, "%.*s", (int)strcspn(lock.holder, "/"), lock.holder);
    bool elsewhere = looked && out_host[0] && strcmp(out_host, leases->host) != 0;
    pthread_mutex_unlock(&leases->io);
    return elsewhere;
}

bool lease_located(struct agent *agent, const char *host, const char *address)
{
    struct leases *leases = agent->leases;
    bool located = false;

    pthread_mutex_lock(&leases->table);
    for (const struct leased *leased = leases->list; leased && !located; leased = leased->next) {
        size_t length = strcspn(leased->locker.holder, "/");

        located = length > 0 && length == strlen(host) &&
                  strncmp(leased->locker.holder, host, length) == 0 &&
                  lease_address_equal(leased->locker.address, address);
    }
    pthread_mutex_unlock(&leases->table);
    return located;
}

void lease_dismiss(struct agent *agent, const char *uuid)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_entry(leases, uuid);

    leased->dismissed = leased->seen_version;
    leased->ripe = false;
    pthread_mutex_unlock(&leases->table);
}

bool lease_is_suspect(struct agent *agent)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->table);
    bool suspect = leases->suspect;

    leases->suspect = false;
    pthread_mutex_unlock(&leases->table);
    return suspect;
}

void lease_suspect(struct agent *agent)
{
    pthread_mutex_lock(&agent->leases->table);
    agent->leases->suspect = true;
    pthread_mutex_unlock(&agent->leases->table);
}

json_t *lease_list(struct agent *agent)
{
    struct leases *leases = agent->leases;
    json_t *list = json_array();

    pthread_mutex_lock(&leases->table);
    for (const struct leased *leased = leases->list; leased; leased = leased->next) {
        if (leased->ever) {
            json_array_append_new(list, json_string(leased->uuid));
        }
    }
    pthread_mutex_unlock(&leases->table);
    return list;
}

void lease_forget(struct agent *agent)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->io);
    unlink_store(leases);
    pthread_mutex_lock(&leases->table);
    for (struct leased *leased = leases->list; leased; leased = leased->next) {
        if (leased->state != LEASE_FREE) {
            lease_note_remove(leases, leased->uuid);
        }
        leased->state = LEASE_FREE;
        leased->seen_at = agent->now();
        leased->lost_notice = false;
        json_decref(TAKE(leased->record));
        json_decref(TAKE(leased->to));
    }
    pthread_mutex_unlock(&leases->table);
    pthread_mutex_unlock(&leases->io);
}

json_t *lease_status(struct agent *agent, const char *uuid)
{
    struct leases *leases = agent->leases;
    json_t *status = NULL;

    pthread_mutex_lock(&leases->table);
    const struct leased *leased = lease_find(leases, uuid);

    if (leased && (leased->state != LEASE_FREE || leased->seen)) {
        const json_t *record = leased->record ? leased->record : leased->seen;
        const char *host = lease_record_host(record);
        const char *state = leased->state == LEASE_HELD   ? "held"
                            : leased->state == LEASE_LOST ? "lost"
                            : host[0] && !leased->ripe    ? "other"
                                                          : "free";
        json_t *fenced = json_object_get(record, "fenced");

        status = json_pack("{s:s, s:s*, s:o}", "state", state, "holder", host[0] ? host : NULL,
                           "fenced", fenced ? json_deep_copy(fenced) : json_array());
        if (leased->state == LEASE_HELD) {
            json_object_set_new(status, "renewed", json_integer(agent->now() - leased->renewed_at));
        }
    }
    pthread_mutex_unlock(&leases->table);
    return status;
}

void lease_store_close(struct agent *agent)
{
    pthread_mutex_lock(&agent->leases->io);
    unlink_store(agent->leases);
    pthread_mutex_unlock(&agent->leases->io);
}
