/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire: the only sockets, TLS and SSH. Roles and certificates say who a peer is; client and server
 * speak HTTP and JSON over a unix socket or mutual TLS; ssh reaches a host that has no agent yet;
 * stream is TLS to a key server, tunnel TLS between two hosts' unix sockets.
 */
#ifndef QUOIN_WIRE_WIRE_H
#define QUOIN_WIRE_WIRE_H

#include "wire/certificate.h"
#include "wire/client.h"
#include "wire/lines.h"
#include "wire/role.h"
#include "wire/route.h"
#include "wire/server.h"
#include "wire/ssh.h"
#include "wire/stream.h"
#include "wire/tunnel.h"

#endif
