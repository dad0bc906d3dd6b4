/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a peer is. On the network its certificate says so, in one URI among its alternative names:
 * quoin://CLUSTER-UUID/ROLE/NAME with the role host, manager or deployer. On the unix socket it is
 * the kernel that says so.
 */
#ifndef QUOIN_WIRE_ROLE_H
#define QUOIN_WIRE_ROLE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/uuid.h"

/* Bits: a route lists the roles it serves by or-ing them. */
enum role {
    ROLE_LOCAL = 1,     /* root, or the server's own user, on the unix socket */
    ROLE_HOST = 2,      /* an agent */
    ROLE_MANAGER = 4,   /* the cluster manager */
    ROLE_DEPLOYER = 8,  /* the deployment unit */
    ROLE_ANONYMOUS = 16 /* TLS without a client certificate: the manager's page and sign in */
};

/* A DNS label, as the blueprint's names. */
#define ROLE_NAME_MAX 63u

struct peer {
    enum role role;
    char cluster[UUID_SIZE]; /* empty for local and anonymous */
    char name[ROLE_NAME_MAX + 1];
};

/* "host", "manager", …; what a URI and a log line say. */
const char *role_name(enum role role);
/* The URI of host, manager or deployer; the caller frees. `name` must be valid, see role_read. */
char *role_uri(const char *cluster, enum role role, const char *name);
/* Strict: a UUID, a known role, a name of 1 … 63 of a-z 0-9 . - that begins and ends with a letter
 * or digit; nothing after it. Else ERR_DENIED. */
bool role_read(const char *uri, struct peer *out, struct err *err);

#endif
