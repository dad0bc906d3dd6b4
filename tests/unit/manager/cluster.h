/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster for tests of the manager, without hosts: a CA, the manager's identity disk in a folder,
 * and agents' doors on loopback that answer as quoind does. Used by the unit tests and by
 * tests/browser/peer.c. Its keys are a test's: they are written out as no program of ours does.
 */
#ifndef QUOIN_TESTS_MANAGER_CLUSTER_H
#define QUOIN_TESTS_MANAGER_CLUSTER_H

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/password.h"
#include "base/secret_open.h"
#include "wire/wire.h"

#define CLUSTER       "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER_CLUSTER "76543210-89ab-4cde-8f01-23456789abcd"

struct cluster {
    struct secret *ca_key;
    char *ca;
};

__attribute__((unused)) static bool cluster_begin(struct cluster *cluster, struct err *err)
{
    return certificate_authority_make("quoin CA edge-01", 2, &cluster->ca_key, &cluster->ca, err);
}

__attribute__((unused)) static void cluster_end(struct cluster *cluster)
{
    secret_free(cluster->ca_key);
    free(cluster->ca);
}

/* For both ends of a connection on loopback. */
__attribute__((unused)) static bool cluster_certificate(const struct cluster *cluster,
                                                        const char *id, enum role role,
                                                        const char *name, struct secret **out_key,
                                                        char **out_pem, struct err *err)
{
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3", NULL},
                             *const names[] = {"localhost", NULL};
    AUTO(drop_free) char *uri = role_uri(id, role, name);
    const struct certificate_wish wish = {.common_name = name,
                                          .names = names,
                                          .addresses = addresses,
                                          .uri = uri,
                                          .server = true,
                                          .client = true,
                                          .days = 2};
    const struct authority ca = {cluster->ca, cluster->ca_key};

    return certificate_key_make(out_key, err) &&
           certificate_make(&ca, *out_key, &wish, out_pem, err);
}

/* The identity's document, its certificate that of `role`. */
__attribute__((unused)) static json_t *
cluster_identity(const struct cluster *cluster, enum role role, const char *user, const char *hash)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *pem = NULL, *key_pem = NULL;
    struct err err = {0};

    if (!cluster_certificate(cluster, CLUSTER, role, "mgr", &key, &pem, &err)) {
        return NULL;
    }
    key_pem = text_make("%.*s", (int)secret_size(key), (const char *)secret_look(key));
    return json_pack(
        "{s:i, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:[]}}",
        "quoin", 1, "cluster", "id", CLUSTER, "name", "edge-01", "datacenter", "fra1", "manager",
        "name", "mgr", "hostname", "mgr.edge-01.test", "tls_key", key_pem, "tls_certificate", pem,
        "ca", cluster->ca, "admin", "user", user, "password_hash", hash, "network", "address",
        "10.77.0.10/24", "dns");
}

/* As on the disk: the document, then a NUL. */
__attribute__((unused)) static bool cluster_write_identity(const json_t *document,
                                                           const char *folder, struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/identity", folder), *text = json_write(document);

    return file_write(path, text, strlen(text) + 1, 0600, err);
}

/* An agent's door, with these routes, at an address of loopback: 127.0.0.1 to 127.0.0.3. `port` 0:
 * any. */
__attribute__((unused)) static bool cluster_agent_at(const struct cluster *cluster,
                                                     const char *name, const char *address,
                                                     unsigned port, const struct route *routes,
                                                     size_t count, void *context,
                                                     struct server **out, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *pem = NULL;

    if (!cluster_certificate(cluster, CLUSTER, ROLE_HOST, name, &key, &pem, err)) {
        return false;
    }
    const struct server_conf conf = {.routes = routes,
                                     .route_count = count,
                                     .context = context,
                                     .address = address,
                                     .port = port,
                                     .certificate = pem,
                                     .key = key,
                                     .authority = cluster->ca,
                                     .cluster = CLUSTER};

    return server_start(&conf, out, err);
}

__attribute__((unused)) static bool cluster_agent(const struct cluster *cluster, const char *name,
                                                  const struct route *routes, size_t count,
                                                  void *context, struct server **out,
                                                  struct err *err)
{
    return cluster_agent_at(cluster, name, "127.0.0.1", 0, routes, count, context, out, err);
}

#endif
