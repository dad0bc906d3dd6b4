/* SPDX-License-Identifier: Apache-2.0 */
/* What agent/lease.c and agent/lease_threads.c share; nobody else includes this. */
#ifndef QUOIN_AGENT_LEASE_TABLE_H
#define QUOIN_AGENT_LEASE_TABLE_H

#include "agent/lease.h"
#include "agent/lease_record.h"

enum lease_state {
    LEASE_FREE, /* not this host's */
    LEASE_HELD,
    LEASE_LOST, /* was; the guard pulls the plug until it is out */
};

struct leased {
    struct leased *next;
    char uuid[UUID_SIZE];
    enum lease_state state;
    int64_t deadline; /* the guard's, while held */
    int64_t renew_at;
    int64_t renewed_at;
    json_t *record;   /* as it was written last, while held; NULL: to be read */
    uint64_t version; /* of it */
    bool lost_notice; /* nobody asked lease_was_lost since */
    bool ever;        /* held at some time since the boot */
    bool known;       /* its VM is on the datastore */
    json_t *to;       /* {"host","address"} whose it is to be, while held; or NULL */
    /* While lost and not out yet: when its plug is pulled again, and what was told last. */
    int64_t pull_at, pull_wait;
    struct err pull_failed;

    /* As seen while another's. */
    json_t *seen;
    uint64_t seen_version, dismissed;
    int64_t seen_at, look_at;
    bool ripe;
    char stuck[STORE_MAX_HOLDER];
    struct store_lease locker; /* the last that held it, as the datastore says; "": none seen */
};

struct leases {
    struct agent *agent;
    char *folder;
    pthread_mutex_t io;    /* held through the questions to the datastore: taken first */
    pthread_mutex_t table; /* the fields below, for moments */
    struct leased *list;
    const struct store_backend *backend;
    struct store *store;  /* of the leases alone, with short deadlines; under `io` */
    struct hv *hv;        /* the puller's own */
    char *host, *address; /* as the store was opened with; under `io` */
    char *holder;         /* "HOST/BOOT" */
    bool suspect, leaving;
    bool running, pulling, renewing; /* the guard, the puller, the renewer */
    pthread_t renewer, puller, guard;
};

/* Under `table`. The first makes one that is not there. */
struct leased *lease_entry(struct leases *leases, const char *uuid);
/* NULL: none. */
struct leased *lease_find(struct leases *leases, const char *uuid);
/* Under `io`: the datastore by a connection of the leases' own. */
bool lease_link(struct leases *leases, struct err *err);
/* Held from `asked` on. Under `table`; false: it was lost meanwhile. */
bool lease_extend(struct leased *leased, int64_t asked);
/* Under `io`. Asks the datastore once more, and does what its answer says. */
void lease_renew(struct leases *leases, struct leased *leased);
void lease_lose(struct leases *leases, struct leased *leased, const char *why);
/* The note under /run: by it an agent that was restarted knows what runs here under a lease. None
 * is taken without it; one that is not renewed says an earlier end, which is safe. A second line
 * says whose it is to be, where it was to be given. */
bool lease_note(struct leases *leases, const struct leased *leased, struct err *err);
void lease_note_remove(struct leases *leases, const char *uuid);
/* The second line, if there is one; a new reference, or NULL. */
json_t *lease_note_to(const char *text);

#endif
