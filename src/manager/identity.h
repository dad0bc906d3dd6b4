/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who this manager is: the document on its identity disk (docs/manager-identity.md), read strictly.
 * The private key goes straight into a secret; the document's other bytes are forgotten.
 */
#ifndef QUOIN_MANAGER_IDENTITY_H
#define QUOIN_MANAGER_IDENTITY_H

#include "base/secret.h"

/* The format's own ceiling; the disk is larger. */
#define IDENTITY_MAX (1024u * 1024u)
/* resolv.conf(5) uses no more. */
#define IDENTITY_DNS_MAX 3u

struct identity {
    char *cluster_id, *cluster, *datacenter;
    char *name, *hostname;
    struct secret *tls_key;
    char *tls_certificate, *ca;
    char *user, *password_hash;
    char *address; /* with its prefix length */
    char *gateway; /* or NULL */
    char *mac;     /* or NULL */
    char *dns[IDENTITY_DNS_MAX];
    unsigned dns_count;
};

/* From the disk or a file. ERR_INPUT names the key that is wrong. */
bool identity_load(const char *path, struct identity **out, struct err *err);
/* From the disk's first bytes, at least one NUL among them; they are blanked where they are secret.
 */
bool identity_read(struct secret *disk, struct identity **out, struct err *err);
void identity_free(struct identity *identity);
DROP(identity, struct identity *, identity_free);

#endif
