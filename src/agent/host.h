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

#define HOST_FOLDER "/var/lib/quoin"

/* Strings are owned and may be NULL while the host is not that far. */
struct host {
    char *folder;
    char *cluster_id, *cluster, *datacenter;
    char *name, *address;
    char *store_type, *store_name, *store_network;
    int store_replicas;
    bool holes_proven; /* store.holes passed: whole zero objects may be skipped */
    char *provider_name, *provider_type, *provider_tpm, *kek;
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
/* Replaces an owned string. */
void host_set(char **field, const char *value);

#endif
