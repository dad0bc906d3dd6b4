/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native provider in one file under a password: what a user keeps in a safe. It is a JWE as in
 * jwe.h whose key is the password stretched by PBKDF2-HMAC-SHA512; salt and rounds stand in its
 * header, {"alg":"A256KW","enc":"A256GCM","quoin":{"backup":1,"cluster":…,"kdf":
 * "PBKDF2-HMAC-SHA512","rounds":…,"salt":…}}. Not PBES2 (RFC 7518 section 4.8): jose refuses more
 * than 32,768 rounds of that, which is too few. So two commands open it without quoin,
 *
 *   openssl kdf -keylen 32 -kdfopt digest:SHA512 -kdfopt pass:… -kdfopt hexsalt:… \
 *       -kdfopt iter:600000 PBKDF2              (its output, as a JWK, is password.jwk)
 *   jose jwe dec -i backup.json -k password.jwk > keks.jwks
 *
 * and jose jwe dec -i envelope.json -k keks.jwks opens every envelope of the provider: inside is a
 * JWK set (RFC 7517) with the root key and each KEK. Whoever has file and password has every key:
 * the host is not needed.
 */
#ifndef QUOIN_KEY_BACKUP_H
#define QUOIN_KEY_BACKUP_H

#include "base/json.h"
#include "base/secret.h"
#include "key/hostseal.h"

/* PBKDF2-HMAC-SHA512 rounds; OWASP (2023) asks for 210,000, we for three times that. Readers
 * accept fewer (another tool's file), and no more than the maximum: rounds are a way to make us
 * spin. */
#define BACKUP_ROUNDS     600000u
#define BACKUP_MIN_ROUNDS 1000u
#define BACKUP_MAX_ROUNDS 5000000u
/* Room for the root key and 64 KEKs, in base64url. */
#define BACKUP_MAX_TEXT (64u * 1024u)
/* Shorter ones are guessed. */
#define BACKUP_MIN_PASSWORD 12u
#define BACKUP_MAX_PASSWORD 1024u

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
