/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent of one host: what it is part of, the open key provider, the open datastore, the VMs it
 * runs. Two locks: `work` is held by whoever changes the host, one step at a time, also for hours;
 * `state` is held for moments by whoever reads or writes the fields below, so that status answers
 * while a pour runs. `work` is always taken first.
 */
#ifndef QUOIN_AGENT_AGENT_H
#define QUOIN_AGENT_AGENT_H

#include <pthread.h>

#include "agent/audit.h"
#include "agent/host.h"
#include "base/base.h"
#include "hv/hv.h"
#include "key/key.h"
#include "store/store.h"
#include "wire/wire.h"

#define AGENT_PORT   7443u
#define AGENT_SOCKET "/run/quoin/quoind.sock"

/* Of a rotation that the manager asks for (agent/rotate.h). */
#define AGENT_ROTATE_PHASES 7u

struct leases;
struct move;
struct vm;

/* A key provider of this host. */
struct provider {
    struct provider_conf conf; /* what `key` was opened with; strings are the host's */
    char *folder;
    struct key *key; /* open, or NULL; used under `work`, set under both locks */
};

struct agent {
    pthread_mutex_t work;
    pthread_mutex_t state;
    struct host host;
    struct provider provider;              /* what wraps */
    struct provider old;                   /* in the course of a move: what is moved away from */
    struct secret *private_key, *password; /* given for the next provider.open; under `work` */
    struct secret *recovery_key;           /* given for the next key.recover; under `work` */
    struct store *store;                   /* open, or NULL; any thread */
    const struct store_backend *backend;
    const char *tcti; /* where the TPM is; NULL: as key/hostseal.h finds it */
    struct hv *hv;    /* open, or NULL; any thread */
    const struct hypervisor *hypervisor;
    struct audit *audit;    /* any thread */
    struct leases *leases;  /* any thread */
    int64_t (*now)(void);   /* milliseconds: clock_boot_ms, or a test's */
    struct vm *vms;         /* those this host knows, a list; under `state` */
    struct move *move;      /* a VM on its way from or to this host, or NULL; under `work` */
    struct server *network; /* the mutual TLS door, once enrolled */
    char *waiting;          /* what the keeper waits for, or NULL; under `state` */
    char *waiting_remedy;   /* what to do about it; NULL: it comes by itself */
    /* clock_ms: before it the manager may not ask for that phase of a rotation again, nor for a new
     * rotation; under `state` */
    int64_t rotate_next[AGENT_ROTATE_PHASES], rotate_new;
    json_t *rotate_shared; /* {HOST: clock_ms}: the same of sharing with it; or NULL */
    int wake;              /* an eventfd: the keeper looks at once */
    bool leaving;          /* the program ends */
};

bool agent_open(const char *folder, struct agent *out, struct err *err);
void agent_close(struct agent *agent);

/* FOLDER/NAME; the caller frees. */
char *agent_path(const struct agent *agent, const char *name);
/* The provider of this host's cluster, opened when it is not; under `work`. ERR_ABSENT before
 * provider.open. Borrowed. */
bool agent_key(struct agent *agent, struct key **out, struct err *err);
/* The provider that made an envelope, as that says: the one that this host moves away from, else
 * this host's, which refuses by name what is another's. Borrowed. */
bool agent_key_for(struct agent *agent, const struct envelope_about *about, struct key **out,
                   struct err *err);
/* Replaces what agent_key gives: a provider's configuration changed, or it went away. */
void agent_key_close(struct agent *agent);
/* The datastore, opened when it is not; under `work`. ERR_ABSENT before store.make. Borrowed. */
bool agent_store(struct agent *agent, struct store **out, struct err *err);
void agent_store_close(struct agent *agent);
/* The hypervisor, opened when it is not; under `work`. Borrowed. */
bool agent_hv(struct agent *agent, struct hv **out, struct err *err);
struct hostseal_conf agent_hostseal_conf(const struct agent *agent);
/* What the keeper waits for; NULL: nothing. */
void agent_wait_for(struct agent *agent, const struct err *why);
/* Saves the host's file; fields of `host` are changed under `state` by the caller. */
bool agent_save(struct agent *agent, struct err *err);

#endif
