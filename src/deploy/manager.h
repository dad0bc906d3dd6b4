/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager as the deployment unit sees it: reached through a tunnel by way of the first host,
 * known by a certificate of the cluster's CA, signed in to with the admin's password, and filled
 * with data center, cluster, key provider, datastore and hosts. Creating what is there already in
 * the same shape succeeds.
 */
#ifndef QUOIN_DEPLOY_MANAGER_H
#define QUOIN_DEPLOY_MANAGER_H

#include "deploy/deploy.h"

/* Waits for /healthz, telling progress; ERR_AWAY after ten minutes. */
bool manager_wait(struct deploy *deploy, struct err *err);
/* Adds, or takes away, one of the blueprint's hosts. */
bool manager_add_host(struct deploy *deploy, size_t host, bool *out_changed, struct err *err);
bool manager_remove_host(struct deploy *deploy, size_t host, bool *out_changed, struct err *err);
bool manager_fill(struct deploy *deploy, bool *out_changed, struct err *err);
/* Signed in: the token is a secret. ERR_DENIED: another password than it was deployed with. */
bool manager_sign_in(struct deploy *deploy, struct client *client, struct secret **out_token,
                     struct err *err);

#endif
