/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a VM's lease, the object "holder.UUID" beside the lock "lease.UUID": who holds it,
 * and who may still have the VM running and is to be fenced before anybody starts it. JSON:
 *   {"holder":{"host","address"}|null,"term":n,"count":n,
 *    "fence":[{"host","address"}],"fenced":[{"host","address","at":Unix seconds}]}
 * A term is one holding; `count` grows with each renewal, so that whoever looks can tell by its own
 * clock that somebody still renews. It is written only over the version that was read.
 */
#ifndef QUOIN_AGENT_LEASE_RECORD_H
#define QUOIN_AGENT_LEASE_RECORD_H

#include "store/store.h"

/* Those that were fenced are remembered for people: the newest ones. */
#define LEASE_MAX_FENCED 8u
/* Those that are to be fenced: more would have died in a row, each with the lease in its hands. */
#define LEASE_MAX_FENCE 16u

/* "lease.UUID", "holder.UUID"; the caller frees. */
char *lease_name(const char *uuid);
char *lease_record_name(const char *uuid);

/* There is none yet: `*out` NULL, version 0. Whoever writes to the datastore can have written it:
 * ERR_INPUT when lease_record_check refuses it. */
bool lease_record_read(const struct store_backend *backend, struct store *store, const char *uuid,
                       json_t **out, uint64_t *out_version, struct err *err);
/* ERR_CLASH: not the version `*version` any more, which is the new one afterwards. */
bool lease_record_write(const struct store_backend *backend, struct store *store, const char *uuid,
                        const json_t *record, uint64_t *version, struct err *err);

/* ---- pure; `record` may be NULL: nobody ever held it ---- */

/* Of the shape above: hosts have names, addresses are IPv4 or IPv6, and no list is longer than it
 * may be. ERR_INPUT. */
bool lease_record_check(const json_t *record, struct err *err);
/* IPv4 or IPv6, and nothing else. */
bool lease_address_valid(const char *address);
/* The same address, however it is written. */
bool lease_address_equal(const char *a, const char *b);
/* "" when nobody holds it. Borrowed. */
const char *lease_record_host(const json_t *record);
const char *lease_record_address(const json_t *record);
/* What `host` writes when it takes the lease: it holds a new term; the last holder, if another and
 * not one that let go, is to be fenced together with those that the last one had not fenced yet. */
json_t *lease_record_taken(const json_t *record, const char *host, const char *address);
/* Renewed: counted once more. */
void lease_record_count(json_t *record);
/* The first that is to be fenced; NULL: all are. Borrowed. */
const json_t *lease_record_next(const json_t *record);
/* It was. */
void lease_record_fenced(json_t *record, int64_t at);
/* The holder gives it to another host: its turn, and who is to be fenced is still to be. */
json_t *lease_record_given(const json_t *record, const char *host, const char *address);
/* The holder lets go: nothing of it runs. */
json_t *lease_record_dropped(const json_t *record);

#endif
