/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server for JSON, by libmicrohttpd, on a unix socket, on TLS, or on both, with one table
 * of routes. It knows who asks before a route sees anything: on the unix socket by the kernel's
 * word, on TLS by a client certificate that the authority signed, that is meant for clients, that
 * names this cluster and a role the route serves. It logs what goes wrong; handlers need not.
 *
 * Each request is answered in a thread of its own, so a handler may block. A handler whose peer is
 * gone is told so and may go on: a step is not undone because somebody stopped looking.
 */
#ifndef QUOIN_WIRE_SERVER_H
#define QUOIN_WIRE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/json.h"
#include "base/secret.h"
#include "wire/role.h"
#include "wire/route.h"

struct server;
struct request;

struct server_conf {
    const struct route *routes; /* borrowed while the server runs */
    size_t route_count;
    void *context; /* handed to each handler */
    /* With every answer: name, value, …, NULL; borrowed; or NULL. */
    const char *const *headers;

    const char *socket; /* path, made with mode 0600 in a folder that is there; or NULL */
    uid_t socket_uid;   /* served besides root; 0: root alone */

    const char *address;      /* "0.0.0.0", "::", …; NULL: no TLS */
    unsigned port;            /* 0: any, see server_port */
    const char *certificate;  /* PEM, with serverAuth */
    const struct secret *key; /* PEM; not needed once started */
    const char *authority;    /* PEM: who signs clients; NULL: everybody is anonymous */
    const char *cluster;      /* UUID that a client's URI must name */

    unsigned connections;         /* ceiling for each listener; 0 means 256 */
    unsigned connections_address; /* from one address; 0 means 64 */
    unsigned idle_seconds;        /* until a silent connection is closed; 0 means 60 */
};

/* ERR_CLASH: address or socket in use (a stale socket file is replaced). From then on the process
 * ignores SIGPIPE. */
bool server_start(const struct server_conf *conf, struct server **out, struct err *err);
/* The TCP port it listens on. */
unsigned server_port(const struct server *server);
/* No new requests; waits for the running handlers. */
void server_stop(struct server *server);
DROP(server, struct server *, server_stop);

/* What a handler may ask. Strings are borrowed while the request lasts. */
const struct peer *request_peer(const struct request *request);
const char *request_method(const struct request *request);
const char *request_path(const struct request *request);
const char *request_value(const struct request *request, const char *name);  /* {name}, or NULL */
const char *request_query(const struct request *request, const char *name);  /* ?name=, or NULL */
const char *request_header(const struct request *request, const char *name); /* or NULL */
/* "10.77.0.12" or "unix:0" (the uid), for logs and rate limits. */
const char *request_from(const struct request *request);

/* The body, once, by one of these three. request_read gives 1 … room bytes, 0 at the end; ERR_AWAY:
 * the peer went away or sent less than it said. */
bool request_read(struct request *request, void *to, size_t room, size_t *out_length,
                  struct err *err);
bool request_json(struct request *request, json_t **out, struct err *err);
bool request_secret(struct request *request, size_t max, struct secret **out, struct err *err);

/* A reply is one of these, or any number of lines; a second one is a fault and is dropped.
 * `json` is borrowed. */
void reply_json(struct request *request, unsigned status, const json_t *json);
/* With the status of its kind; after lines, a last line {"error":{…}}, which client_ask turns into
 * its failure. Also logs it. */
void reply_err(struct request *request, const struct err *err);
/* 204, nothing to say. */
void reply_empty(struct request *request);
/* `headers`: name, value, name, value, NULL; or NULL. The bytes are copied. */
void reply_bytes(struct request *request, unsigned status, const char *type,
                 const char *const *headers, const void *bytes, size_t length);
/* For a reply that is a secret: it is wiped once sent. Takes the secret. */
void reply_secret(struct request *request, struct secret *secret);
/* The first line begins a stream with status 200 that ends when the handler returns. Lines may be
 * sent while the body is still being read. An empty line goes out by itself every five seconds of
 * silence. False: the peer is gone; later lines go nowhere. */
bool reply_line(struct request *request, const json_t *json);

#endif
