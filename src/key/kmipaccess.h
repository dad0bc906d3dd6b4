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

struct kmipaccess;

/* What `conf` gives is kept first; without servers in it, what was kept. ERR_ABSENT: neither.
 * ERR_CLASH: kept for another cluster. ERR_INPUT: something that is needed is missing. */
bool kmipaccess_open(const struct provider_conf *conf, struct kmipaccess **out, struct err *err);
void kmipaccess_free(struct kmipaccess *access);
DROP(kmipaccess, struct kmipaccess *, kmipaccess_free);
/* Where KEKs are used: "auto", "server", "host". */
const char *kmipaccess_kek(const struct kmipaccess *access);
/* Points into `access`. */
struct kmipserver_conf kmipaccess_servers(const struct kmipaccess *access);

#endif
