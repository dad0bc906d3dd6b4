/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside wire: one request and its reply, shared by two threads. The connection's thread belongs to
 * libmicrohttpd and is the only one that touches the connection; the handler's thread reads and
 * replies through here.
 *
 *   connection's thread                          handler's thread
 *   request_begin ──────────── starts ─────────► route->answer
 *   request_take(bytes) ────── store ──────────► request_read
 *        └─ sends lines ◄───── lines ─────────── reply_line
 *   request_finish ◄────────── a whole reply ─── reply_json …, or the end of the lines
 *   request_end (waits for the handler)
 */
#ifndef QUOIN_WIRE_REQUEST_H
#define QUOIN_WIRE_REQUEST_H

#include <microhttpd.h>
#include <pthread.h>

#include "base/text.h"
#include "wire/server.h"

/* A path with its query; longer ones are nobody's. */
#define REQUEST_URI_MAX 4096u

enum reply_kind { REPLY_NONE, REPLY_WHOLE, REPLY_LINES };

struct request {
    struct MHD_Connection *connection;
    const struct server_conf *conf;
    const struct route *route;
    struct route_values values;
    struct peer peer;
    char from[64];
    const char *method, *path;
    bool uri_is_fit;

    pthread_t thread;
    bool begun, has_thread;
    pthread_mutex_t lock;
    pthread_cond_t moved;

    /* The body: what came and was not read yet lies in `store`, between `from` and `to`. It may be
     * a secret, so it lies in locked memory. */
    struct secret *store;
    size_t store_from, store_to;
    uint64_t body_length;
    bool body_ended, body_too_long, gone, answered;

    /* The reply. */
    enum reply_kind reply;
    unsigned status;
    struct text head; /* "Name: value\r\n" lines */
    struct text body;
    struct secret *secret; /* instead of `body` */
    struct text lines;

    /* Only of the connection's thread. */
    bool direct, direct_ended;
    uint64_t left_over;
    long long left_over_until;
};

/* For the callbacks of libmicrohttpd, all in the connection's thread. */
struct request *request_new(const char *uri);
bool request_begin(struct request *request, const struct server_conf *conf,
                   struct MHD_Connection *connection, const char *method, const char *path);
enum MHD_Result request_take(struct request *request, const char *bytes, size_t *length);
enum MHD_Result request_finish(struct request *request);
void request_end(struct request *request);

/* The reply as libmicrohttpd sends it. */
enum MHD_Result reply_queue(struct request *request);
/* The reply written past libmicrohttpd, which cannot answer before a body has ended; and lines. */
bool reply_send_whole(struct request *request);
bool reply_send_lines(struct request *request, const struct text *lines, bool last);

/* Who is at the other end; ERR_DENIED. Fills in `peer` and `from`. */
bool peer_find(struct request *request, struct err *err);

#endif
