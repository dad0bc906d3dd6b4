/* SPDX-License-Identifier: Apache-2.0 */
/* What stream and tunnel share: whom a TLS context of OpenSSL trusts, and who it is itself. */
#ifndef QUOIN_WIRE_TLS_H
#define QUOIN_WIRE_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/secret.h"

/* TLS 1.2 or newer, mutual: the peer's certificate must be signed by `ca` (PEM, also several) and
 * no other; ours is `certificate` (PEM, and what is between it and its CA) with `key` (PEM). Keys
 * and hashes below 112 bits of security are refused. ERR_INPUT: a PEM text is wrong. */
bool tls_set(SSL_CTX *context, const char *ca, const char *certificate, const struct secret *key,
             struct err *err);
/* The peer is a server, and its subjectAltName has the name or address that was dialled. */
bool tls_expect_name(SSL *ssl, const char *host);

#endif
