/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host is part of: cluster, datastore, key provider. Kept in FOLDER/cluster.json, which
 * holds no secret and is written only by steps. A host belongs to one cluster: a step of another is
 * refused before it changes anything.
 */
#ifndef QUOIN_AGENT_HOST_H
#define QUOIN_AGENT_HOST_H

#include <stdbool.h>

#include "base/base.h"
#include "store/store.h"

#define HOST_FOLDER "/var/lib/quoin"
/* Of all that lies in that folder, not of what lies on the datastore: raised with the format of any
 * file there, so that an older agent touches nothing (dist/agent/preinst holds the same number). */
#define HOST_FORMAT 1

/* The state of a key provider on this host lies in one of two folders, so that a move has a place
 * for the new one while the old one still opens what it wrapped. */
#define HOST_PROVIDER_FOLDER "provider"
#define HOST_OTHER_FOLDER    "provider.2"

/* A key provider and its KEK, as this host uses them. */
struct host_provider {
    char *name, *type, *tpm;
    char *pcrs;   /* "7,11": what its secrets are bound to in the TPM; NULL: nothing */
    char *cache;  /* for how many seconds VM keys may be kept here (agent/cached.h); NULL: not */
    char *folder; /* under the host's; one of the two above */
    char *kek;    /* NULL: none was made yet */
    char *made;   /* when this host came to know it, RFC 3339 in UTC */
};

/* Strings are owned and may be NULL while the host is not that far. */
struct host {
    char *folder;
    char *cluster_id, *cluster, *datacenter;
    char *name, *address;
    char *store_type, *store_name, *store_network;
    int store_replicas;
    json_t *monitors;  /* [{"host","address"}]: what should be; NULL: this host alone */
    bool member;       /* this host has all that the cluster needs of one: it can let others in */
    bool maintenance;  /* nothing is started here that did not run here: it is about to go off */
    bool recovery;     /* the blueprint requires a recovery key: nothing is wrapped without */
    bool holes_proven; /* store.holes passed: whole zero objects may be skipped */
    struct host_provider provider; /* what is wrapped now is wrapped by this */
    struct host_provider next; /* a new KEK is about to be made: its label is known, it is not */
    char *next_label;
    struct host_provider old; /* being left: envelopes may still be under its KEK; kek NULL: none */
};

/* A host that is part of nothing yet is no error: cluster_id is NULL then. */
bool host_load(const char *folder, struct host *out, struct err *err);
bool host_save(const struct host *host, struct err *err);
/* `cluster` {id,name,datacenter} and `self` {name,address} as a step carries them. Joins on the
 * first call. ERR_CLASH when this host is part of another cluster or goes by another name. */
bool host_join(struct host *host, const json_t *cluster, const json_t *self, struct err *err);
/* Part of nothing again; the file is removed. */
bool host_leave(struct host *host, struct err *err);
/* Every string copied. */
struct host host_copy(const struct host *host);
void host_clear(struct host *host);
/* This host's part of the datastore as store/ wants it. Strings stay the host's, `monitors` is the
 * caller's room. */
struct store_conf host_store_conf(const struct host *host,
                                  struct store_monitor monitors[STORE_MAX_MONITORS]);
/* [{"host","address"}], one to STORE_MAX_MONITORS of them. ERR_INPUT. */
bool host_monitors_check(const json_t *monitors, struct err *err);
/* Replaces an owned string. */
void host_set(char **field, const char *value);
/* Takes every string of `from` into `to`; `from` is empty afterwards. */
void host_provider_take(struct host_provider *to, struct host_provider *from);
/* Every string copied; host_provider_clear. */
struct host_provider host_provider_copy(const struct host_provider *from);
void host_provider_clear(struct host_provider *provider);

#endif
