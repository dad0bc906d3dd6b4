/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to a KMIP provider, kept on the host so that a reboot needs nothing from outside: the
 * servers, their CA and our certificate in kmip.json (no secret in it); our private key and
 * password sealed to the host (hostseal.h).
 */
#ifndef QUOIN_KEY_KMIPACCESS_H
#define QUOIN_KEY_KMIPACCESS_H

#include "key/kmipserver.h"
#include "key/provider.h"

/* Where our private key rests, in the provider's folder. */
#define KMIPACCESS_KEY_FILE    "client-key.json"
#define KMIPACCESS_KEY_PURPOSE "kmip-client-key"

struct kmipaccess;

/* What `conf` gives is kept first; without servers in it, what was kept. ERR_ABSENT: neither.
 * ERR_CLASH: kept for another cluster. ERR_INPUT: something that is needed is missing; without a
 * private key in `conf` the one of kmiprequest.h is meant. */
bool kmipaccess_open(const struct provider_conf *conf, struct kmipaccess **out, struct err *err);
/* Until when certificates are valid, in seconds since 1970: ours, and that of the server that was
 * reached last; 0: unknown. For a folder that is no kmip provider's both are 0. */
void kmipaccess_dates(const char *folder, long long *out_ours, long long *out_theirs);
void kmipaccess_free(struct kmipaccess *access);
DROP(kmipaccess, struct kmipaccess *, kmipaccess_free);
/* Where KEKs are used: "auto", "server", "host". */
const char *kmipaccess_kek(const struct kmipaccess *access);
/* Points into `access`. */
struct kmipserver_conf kmipaccess_servers(const struct kmipaccess *access);

#endif
