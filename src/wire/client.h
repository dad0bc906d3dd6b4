/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP client for JSON, by libcurl, over a unix socket, TLS, or TLS through a unix socket (a
 * tunnel). TLS is 1.2 or later, the peer's chain and name are always checked. The connection is
 * kept and used again. A client is used by one thread at a time.
 *
 * A peer that is dead, silent or unreachable is ERR_AWAY within the deadlines; an answer other than
 * 2xx becomes the error it carries ({"kind","what","remedy"}), or one made from its status.
 */
#ifndef QUOIN_WIRE_CLIENT_H
#define QUOIN_WIRE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/json.h"
#include "base/secret.h"
#include "wire/lines.h"

struct client;

/* All of it is copied; `key` into a secret. */
struct client_conf {
    const char *socket;       /* path of a unix socket to connect to, or NULL */
    const char *url;          /* "https://h1:8443"; NULL: plain HTTP over `socket`. Its name is the
                                 one that is checked, also through a tunnel */
    const char *connect_to;   /* "10.77.0.11:8443": go there instead of the URL's host, or NULL */
    const char *authority;    /* PEM of the CA that signed the peer's certificate (https) */
    const char *certificate;  /* PEM, ours, or NULL */
    const struct secret *key; /* PEM, ours, or NULL */
    unsigned connect_seconds; /* until connected, TLS included; 0 means 10 */
};

/* Does not connect yet. ERR_INPUT: a key or certificate that cannot be read, or do not fit. */
bool client_open(const struct client_conf *conf, struct client **out, struct err *err);
void client_close(struct client *client);
DROP(client, struct client *, client_close);

/* The next bytes to send: 1 … room of them, 0 at the end, -1 with err filled in to give up. */
typedef ssize_t client_pull(void *context, char *to, size_t room, struct err *err);

/* One request. Of json, secret and pull at most one is set. */
struct client_call {
    const char *method; /* "GET", "POST", … */
    const char *path;   /* "/v1/facts", already escaped */
    const json_t *json;
    const struct secret *secret; /* sent as application/octet-stream */
    client_pull *pull;           /* sent in chunks as application/octet-stream */
    void *pull_context;
    const struct secret *bearer; /* Authorization: Bearer, or NULL */
    lines_take *line;            /* the answer is a stream of JSON lines for this */
    void *line_context;
    unsigned seconds;         /* for all of it; 0 means 60, or without end for pull and line */
    unsigned silence_seconds; /* pull and line: no byte either way; 0 means 30 */
};

/* `out` (may be NULL, untouched when `line` is set) gets a new reference; an answer without content
 * is an empty object. ERR_INPUT: the answer is over JSON_MAX_BYTES or no JSON. */
bool client_ask(struct client *client, const struct client_call *call, json_t **out,
                struct err *err);
/* The answer as it is, for a body that is a secret (at most `max` bytes, ERR_INPUT). */
bool client_ask_secret(struct client *client, const struct client_call *call, size_t max,
                       struct secret **out, struct err *err);
/* The answer's bytes, whatever its type; a NUL follows. The caller frees. */
bool client_ask_bytes(struct client *client, const struct client_call *call, char **out,
                      size_t *out_length, struct err *err);

#endif
