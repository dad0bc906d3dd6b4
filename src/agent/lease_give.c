/* SPDX-License-Identifier: Apache-2.0 */
/* A lease goes from one host to another, by the hand of who has it: agent/lease.h. */
#include <string.h>

#include "agent/lease_table.h"

json_t *lease_note_to(const char *text)
{
    const char *line = strchr(text, '\n');
    char host[256], address[64];

    return line && sscanf(line, " %255s %63s", host, address) == 2 && lease_address_valid(address)
               ? json_pack("{s:s, s:s}", "host", host, "address", address)
               : NULL;
}

/* Under `io`. A write whose answer was lost may have landed. */
static bool write_given(struct leases *leases, struct leased *leased, const json_t *record,
                        struct err *err)
{
    AUTO(drop_json) json_t *there = NULL;
    struct err changed = {0};
    uint64_t version = 0;

    if (lease_record_write(leases->backend, leases->store, leased->uuid, record, &leased->version,
                           &changed)) {
        return true;
    }
    if (changed.kind != ERR_CLASH) {
        *err = changed;
        return false;
    }
    if (!lease_record_read(leases->backend, leases->store, leased->uuid, &there, &version, err)) {
        return false;
    }
    return strcmp(lease_record_host(there), lease_record_host(record)) == 0 ||
           err_set(err, ERR_CLASH, "host '%s' took it over", lease_record_host(there));
}

static void set_given(struct leases *leases, struct leased *leased)
{
    pthread_mutex_lock(&leases->table);
    leased->state = LEASE_FREE;
    leased->ripe = false;
    leased->seen_at = leases->agent->now();
    json_decref(TAKE(leased->record));
    json_decref(TAKE(leased->to));
    lease_note_remove(leases, leased->uuid);
    pthread_mutex_unlock(&leases->table);
}

/* Under `io`. First the record: from then on nobody but the other host takes it before its time.
 * The lock runs out by itself where it cannot be dropped. */
static bool give(struct leases *leases, struct leased *leased, struct err *err)
{
    AUTO(drop_free) char *name = lease_name(leased->uuid);
    AUTO(drop_json) json_t *record = NULL;
    struct err ignored = {0};

    if (!lease_link(leases, err)) {
        return false;
    }
    pthread_mutex_lock(&leases->table);
    record = leased->record && leased->to
                 ? lease_record_given(leased->record, json_string_or(leased->to, "host", ""),
                                      json_string_or(leased->to, "address", ""))
                 : NULL;
    pthread_mutex_unlock(&leases->table);
    if (!record) {
        return err_set(err, ERR_AWAY, "this host does not hold it");
    }
    if (!lease_record_check(record, err) || !write_given(leases, leased, record, err)) {
        return false;
    }
    if (!leases->backend->leases->drop(leases->store, name, leases->holder, &ignored)) {
        log_err(&ignored);
    }
    set_given(leases, leased);
    return true;
}

bool lease_give(struct agent *agent, const char *uuid, const char *host, const char *address,
                struct err *err)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->io);
    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_find(leases, uuid);
    bool noted = leased && leased->state == LEASE_HELD
                     ? true
                     : err_set(err, ERR_AWAY, "this host does not hold it");

    if (noted) {
        json_decref(leased->to);
        leased->to = json_pack("{s:s, s:s}", "host", host, "address", address);
        noted = lease_note(leases, leased, err);
    }
    pthread_mutex_unlock(&leases->table);
    bool given = noted && give(leases, leased, err);
    pthread_mutex_unlock(&leases->io);
    return given || err_add(err, "give the lease of VM '%s' to host '%s'", uuid, host);
}

bool lease_give_again(struct agent *agent, const char *uuid, struct err *err)
{
    struct leases *leases = agent->leases;

    pthread_mutex_lock(&leases->io);
    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_find(leases, uuid);
    bool wanted = leased && leased->state == LEASE_HELD && leased->to;
    bool read = wanted && leased->record;
    pthread_mutex_unlock(&leases->table);
    if (wanted && !read) {
        lease_renew(leases, leased); /* an agent before us noted it */
    }
    bool given = !wanted || give(leases, leased, err);
    pthread_mutex_unlock(&leases->io);
    return given || err_add(err, "give the lease of VM '%s' away", uuid);
}

bool lease_holder(struct agent *agent, const char *uuid, char out[STORE_MAX_HOLDER],
                  struct err *err)
{
    struct leases *leases = agent->leases;
    AUTO(drop_json) json_t *record = NULL;
    uint64_t version = 0;

    pthread_mutex_lock(&leases->io);
    bool read = lease_link(leases, err) &&
                lease_record_read(leases->backend, leases->store, uuid, &record, &version, err);
    pthread_mutex_unlock(&leases->io);
    (void)snprintf(out, STORE_MAX_HOLDER, "%s", lease_record_host(record));
    return read || err_add(err, "ask for the lease of VM '%s'", uuid);
}

bool lease_is_given(struct agent *agent, const char *uuid)
{
    struct leases *leases = agent->leases;
    const char *name = agent->host.name;

    pthread_mutex_lock(&leases->table);
    const struct leased *leased = lease_find(leases, uuid);
    bool given = leased && leased->state == LEASE_FREE && name &&
                 strcmp(lease_record_host(leased->seen), name) == 0;
    pthread_mutex_unlock(&leases->table);
    return given;
}
