/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tunnel between two hosts: what connects to a unix socket here comes out at a unix socket there,
 * by mutual TLS in between (wire/tls.h). Each end is a thread of this program; one connection goes
 * through at a time. It ends with tunnel_close, or with the program. A connection ends half a
 * minute after the other host fell silent, also when nothing is said; who has not shown who he is
 * after five seconds is sent away, however busily he talks.
 *
 *   here: SOCKET ─► tunnel_reach ══ TLS ══► tunnel_listen ─► SOCKET :there
 *
 * Who has no certificate of the very CA that the end was given is refused: give each tunnel a CA of
 * its own, and only its two ends get through.
 */
#ifndef QUOIN_WIRE_TUNNEL_H
#define QUOIN_WIRE_TUNNEL_H

#include <stdbool.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/secret.h"

struct tunnel_conf {
    const char *address; /* IPv4, IPv6 or a name: ours to listen at, the other host's to reach */
    unsigned port;       /* TCP; 0 to listen at any */
    const char *ca, *certificate;     /* PEM */
    const struct secret *private_key; /* PEM */
    const char *socket; /* listen: who comes is joined with it; reach: made here, mode 0600 */
};

struct tunnel;

/* ERR_SYSTEM: the port or the socket cannot be had; ERR_INPUT: PEM or address. */
bool tunnel_listen(const struct tunnel_conf *conf, struct tunnel **out, struct err *err);
bool tunnel_reach(const struct tunnel_conf *conf, struct tunnel **out, struct err *err);
/* Whatever goes through is cut; a socket that was made is removed. */
void tunnel_close(struct tunnel *tunnel);
DROP(tunnel, struct tunnel *, tunnel_close);
/* The port that is listened at. */
unsigned tunnel_port(const struct tunnel *tunnel);
/* Somebody goes through just now; somebody did, at any time. */
bool tunnel_busy(const struct tunnel *tunnel);
bool tunnel_used(const struct tunnel *tunnel);

#endif
