/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS byte stream to a server that speaks something else than HTTP (a key server): TLS 1.2 or
 * newer, mutual. The server's certificate must be signed by the given CA and no other, be valid
 * now, be meant for servers and carry the name or address that was dialled in its subjectAltName;
 * keys and hashes below 112 bits of security are refused.
 *
 * Every call has a deadline in milliseconds for all of it, however slowly bytes drip in.
 */
#ifndef QUOIN_WIRE_STREAM_H
#define QUOIN_WIRE_STREAM_H

#include "base/secret.h"
#include "base/span.h"

/* A CA bundle or a chain of certificates. */
#define STREAM_MAX_PEM (64u * 1024u)

struct stream_conf {
    const char *server;      /* "name:port", "address:port", "[ipv6]:port" */
    const char *ca;          /* PEM text */
    const char *certificate; /* PEM text: ours, and what is between it and the server's CA */
    const struct secret *private_key; /* PEM */
};

struct stream;

/* ERR_AWAY: no answer in time, or refused. ERR_DENIED: its certificate is not what it must be, or
 * it does not take ours; the remedy says which. ERR_INPUT: a PEM text or the address is wrong. */
bool stream_open(const struct stream_conf *conf, unsigned milliseconds, struct stream **out,
                 struct err *err);
void stream_close(struct stream *stream);
DROP(stream, struct stream *, stream_close);
/* All of it. ERR_AWAY: not in time, or the peer is gone. The stream is of no use afterwards. */
bool stream_write(struct stream *stream, struct span bytes, unsigned milliseconds, struct err *err);
/* Exactly `size` bytes, into memory that is locked if they are secret. */
bool stream_read(struct stream *stream, unsigned char *bytes, size_t size, unsigned milliseconds,
                 struct err *err);
/* Until when the peer's certificate is valid, in seconds since 1970. */
long long stream_peer_expires(const struct stream *stream);
/* The same of a certificate in PEM. ERR_INPUT: none. */
bool stream_pem_expires(const char *pem, long long *out, struct err *err);

#endif
