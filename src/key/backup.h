/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native provider in one file under a password (protect.h, kind "backup"). Two commands open it
 * without quoin, and jose jwe dec -i envelope.json -k keks.jwks then opens every envelope of the
 * provider: inside is a JWK set (RFC 7517) with the root key and each KEK. Whoever has file and
 * password has every key: the host is not needed.
 */
#ifndef QUOIN_KEY_BACKUP_H
#define QUOIN_KEY_BACKUP_H

#include "base/json.h"
#include "base/secret.h"
#include "key/hostseal.h"
#include "key/protect.h"

/* Room for the root key and 64 KEKs, in base64url. */
#define BACKUP_MAX_TEXT     PROTECT_MAX_TEXT
#define BACKUP_MIN_PASSWORD PROTECT_MIN_PASSWORD
#define BACKUP_MAX_PASSWORD PROTECT_MAX_PASSWORD

/* Of the native provider in `folder`. The caller frees the text. ERR_INPUT: the password is too
 * short. */
bool backup_make(const char *folder, const struct hostseal_conf *host, const char *cluster,
                 const struct secret *password, char **out_text, struct err *err);
/* Says in the provider's state that a user has fetched a backup of all the KEKs it has now. */
bool backup_fetched(const char *folder, struct err *err);
/* Makes the native provider of the backup in `folder`, sealed to this host. ERR_DENIED: wrong
 * password or changed file. ERR_CLASH: another provider's root key is there already, or the backup
 * is of another cluster than `cluster` (NULL: any). The same backup twice succeeds. */
bool backup_restore(const char *folder, const struct hostseal_conf *host, const char *cluster,
                    const char *text, size_t length, const struct secret *password,
                    struct err *err);
/* The cluster that the backup says it is of (proven only by restoring); the caller frees. */
bool backup_look(const char *text, size_t length, char **out_cluster, struct err *err);

#endif
