/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native key provider: lives on the host, needs no manager and no network. A 256-bit root key
 * is made on the host and sealed to it (hostseal.h). A KEK is
 *
 *   HKDF-SHA256(root key, salt: its seed, info: "quoin kek " + its uuid), 256 bits
 *
 * with a random 256-bit seed of its own, and its id is "native:<root's uuid>:<its uuid>".
 *
 * Retiring a KEK wipes its seed. What that promises: this host's state does not open what the KEK
 * wrapped, whatever ledger is put back. What it does not promise: a copy of the seed taken before
 * (a backup, a snapshot of the folder) opens it again together with the root key; who must exclude
 * that too makes a new provider and moves the keys to it.
 *
 * Files in the folder (0700): root.json (the sealed root key), ledger.json, kek-<uuid>.seed (0600),
 * backup.json (what a backup holds, and whether it was fetched), lock.
 */
#ifndef QUOIN_KEY_NATIVE_H
#define QUOIN_KEY_NATIVE_H

#include "key/hostseal.h"
#include "key/jwks.h"
#include "key/provider.h"

/* Without opening the root key: did a user fetch a backup of all the KEKs there are, and how does
 * the root key rest? ERR_ABSENT: no native provider in this folder. */
bool native_look(const char *folder, bool *out_fetched, enum hostseal_by *out_by, struct err *err);
/* Every key of the provider, and none that is retired: for another host, or with `backup` for the
 * user, which is remembered as made. ERR_CLASH: it is of another cluster (NULL: any). `out_cluster`
 * has UUID_SIZE bytes. */
bool native_export(const char *folder, const struct hostseal_conf *host, const char *cluster,
                   bool backup, struct jwks **out, char out_cluster[UUID_SIZE], struct err *err);
/* The opposite, sealed to this host. A KEK that was retired here stays lost. ERR_CLASH: another
 * provider is in the folder. */
bool native_import(const char *folder, const struct hostseal_conf *host, const char *cluster,
                   const struct jwks *jwks, struct err *err);
/* The backup that was made last is in a user's hands. ERR_ABSENT: none was made. */
bool native_fetched(const char *folder, struct err *err);
/* Wipes every secret in a provider's folder, of whatever type it is, then removes it: nothing that
 * a native provider wrapped opens again, but by a backup. Not there succeeds. */
bool native_destroy(const char *folder, struct err *err);

#endif
