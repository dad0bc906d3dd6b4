/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key servers of a KMIP provider: an ordered list, of which the first that answers is used and
 * remembered, also over a restart. One that is dead, be it that it refuses or that it swallows
 * packets, costs at most KMIP_REACH_MS. With each the version is negotiated (Discover Versions,
 * KMIP 1.2 to 2.1), and it is asked which operations it has (Query), so that none is tried in vain.
 */
#ifndef QUOIN_KEY_KMIPSERVER_H
#define QUOIN_KEY_KMIPSERVER_H

#include "key/kmipcall.h"

#define KMIP_MAX_SERVERS 16u
/* To connect, shake hands and negotiate the version. */
#define KMIP_REACH_MS 2000u
/* To answer one question. */
#define KMIP_ANSWER_MS 5000u

struct kmipserver_conf {
    const char *const *servers; /* "name:port", ended by NULL */
    const char *ca;             /* PEM texts */
    const char *certificate;
    const struct secret *private_key;
    struct kmip_credential credential;
    const char *remember; /* path of a file that holds the good one's name and, on a second line,
                             until when its certificate is valid; or NULL */
};

struct kmipserver;

/* Does not connect yet. The configuration is borrowed. */
struct kmipserver *kmipserver_new(const struct kmipserver_conf *conf);
void kmipserver_free(struct kmipserver *server);
DROP(kmipserver, struct kmipserver *, kmipserver_free);

/* Connected to a server whose version is known. ERR_AWAY: none answers; each is named. Otherwise
 * the first one's error that is not "away". */
bool kmipserver_reach(struct kmipserver *server, struct err *err);
struct kmip_version kmipserver_version(const struct kmipserver *server);
/* A request for it, as kmipcall_begin. Reaches a server if none is. `once`: must not be sent twice,
 * so it goes over a fresh connection and is never repeated. ERR_CLASH: the server does not have
 * this operation. */
bool kmipserver_begin(struct kmipserver *server, enum kmip_operation operation, bool once,
                      struct kmipcall *out, struct err *err);
/* Ends the call, sends it, and gives the response, whose payload points into `out_message`. */
bool kmipserver_ask(struct kmipserver *server, struct kmipcall *call, struct secret **out_message,
                    struct ttlv *out_payload, struct err *err);

/* The server in use, reached if none is, has this operation. One that does not answer Query counts
 * as having all but Encrypt and Decrypt. */
bool kmipserver_has(struct kmipserver *server, enum kmip_operation operation);

/* Until when the certificate of the one that `path` remembers is valid; 0: unknown. */
long long kmipserver_remembered(const char *path);
/* Leaves the server in use: the next of the list is reached first. False: there is no other. */
bool kmipserver_pass(struct kmipserver *server);
/* Asks each server of the list but the one in use, which is the one in use again afterwards; while
 * `ask` runs, the one that is asked is. It ends with the first that `ask` fails for, whose name is
 * added. Those that cannot be reached, or are away, are passed over, and `*out_away` names them. */
bool kmipserver_others(struct kmipserver *server, bool (*ask)(void *context, struct err *err),
                       void *context, struct err *out_away, struct err *err);
size_t kmipserver_count(const struct kmipserver *server);
/* Of the server in use, or NULL; and until when its certificate is valid (0: unknown). */
const char *kmipserver_name(const struct kmipserver *server);
long long kmipserver_expires(const struct kmipserver *server);

#endif
