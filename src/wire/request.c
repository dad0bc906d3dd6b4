/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/request.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret_open.h"

/* How often a client that waits for lines sees that we live; half a client's patience is 15 s. */
#define HEARTBEAT_SECONDS 5
/* An answer may come before its body has ended. So much of the rest is read before the answer, so
 * that short bodies keep their connection; then the answer is written and so much more is thrown
 * away, for so long, because a socket closed with bytes unread would destroy the answer on its way.
 */
#define LEFT_OVER_MAX     (1024u * 1024u)
#define LEFT_OVER_SECONDS 10
/* Of a body on its way to its reader: enough that neither side waits for the other's every step. */
#define STORE_BYTES (1024u * 1024u)
/* Lines that wait for the connection; the handler then waits too. */
#define LINES_WAITING_MAX (256u * 1024u)

/* Printable ASCII, no encoded NUL, and no encoded '/' in the path: it could mean two things. */
static bool uri_is_fit(const char *uri)
{
    size_t length = strlen(uri), path = strcspn(uri, "?");

    for (size_t i = 0; i < length; i++) {
        if (uri[i] <= ' ' || uri[i] >= 0x7f || strncmp(uri + i, "%00", 3) == 0 ||
            (i < path && strncasecmp(uri + i, "%2f", 3) == 0)) {
            return false;
        }
    }
    return length <= REQUEST_URI_MAX;
}

struct request *request_new(const char *uri)
{
    struct request *request = text_room(1, sizeof(*request));
    pthread_condattr_t monotonic;

    request->uri_is_fit = uri_is_fit(uri);
    pthread_mutex_init(&request->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&request->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return request;
}

static bool find_route(struct request *request, struct err *err)
{
    const struct server_conf *conf = request->conf;

    if (!request->uri_is_fit) {
        return err_set(err, ERR_INPUT, "the path has bytes that no path of ours has");
    }
    switch (route_find(conf->routes, conf->route_count, request->method, request->path,
                       &request->route, &request->values)) {
    case ROUTE_NO_PATH:
        return err_set(err, ERR_ABSENT, "there is no '%s' here", request->path);
    case ROUTE_NO_METHOD:
        return err_set(err, ERR_INPUT, "'%s' does not take %s", request->path, request->method);
    default:
        return true;
    }
}

static bool may_use(const struct request *request, struct err *err)
{
    if (!(request->route->roles & request->peer.role)) {
        return err_set(err, ERR_DENIED, "the role '%s' may not %s '%s'",
                       role_name(request->peer.role), request->method, request->path);
    }
    return true;
}

static bool body_may_fit(const struct request *request, struct err *err)
{
    const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

    if (length && strtoull(length, NULL, 10) > request->route->body_max) {
        return err_set(err, ERR_INPUT, "the body is larger than %llu bytes",
                       (unsigned long long)request->route->body_max);
    }
    return true;
}

static void *answer(void *context)
{
    struct request *request = context;
    struct err err;

    request->route->answer(request, request->conf->context);
    if (request->reply == REPLY_NONE) {
        err_set(&err, ERR_BUG, "%s %s gave no answer", request->method, request->path);
        reply_err(request, &err);
    }
    pthread_mutex_lock(&request->lock);
    request->answered = true;
    pthread_cond_broadcast(&request->moved);
    pthread_mutex_unlock(&request->lock);
    return NULL;
}

static bool admit(struct request *request, struct err *err)
{
    if (!peer_find(request, err) || !find_route(request, err) || !may_use(request, err) ||
        !body_may_fit(request, err)) {
        return false;
    }
    int number = pthread_create(&request->thread, NULL, answer, request);

    if (number != 0) {
        return err_errno(err, number, "start a thread for a request");
    }
    request->has_thread = true;
    return true;
}

bool request_begin(struct request *request, const struct server_conf *conf,
                   struct MHD_Connection *connection, const char *method, const char *path)
{
    struct err err;

    request->conf = conf;
    request->connection = connection;
    request->method = method;
    request->path = path;
    request->begun = true;
    if (!admit(request, &err)) {
        reply_err(request, &err);
        request->answered = true;
    }
    return true;
}

/* libmicrohttpd would count the handler's time as silence of the peer. */
static void stop_clock(struct request *request, bool stop)
{
    (void)MHD_set_connection_option(request->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                    stop ? 0 : request->conf->idle_seconds);
}

/* Sends what waits; unlocked while it does. */
static void send_waiting(struct request *request, bool heartbeat)
{
    AUTO(drop_text) struct text lines = request->lines;

    request->lines = (struct text){0};
    if (heartbeat && lines.length == 0) {
        text_add(&lines, "\n");
    }
    if (lines.length > 0 && !request->gone) {
        pthread_mutex_unlock(&request->lock);
        bool sent = reply_send_lines(request, &lines, false);

        pthread_mutex_lock(&request->lock);
        request->gone = request->gone || !sent;
    }
    pthread_cond_broadcast(&request->moved);
}

static size_t store_room(const struct request *request)
{
    return request->store ? secret_size(request->store) - request->store_to : 0;
}

/* Until there is room for `length` more bytes (or, when the body has ended, until the handler
 * returned), with lines going out. */
static void attend(struct request *request, size_t length)
{
    stop_clock(request, true);
    while (!request->answered && (request->body_ended || store_room(request) < length)) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += HEARTBEAT_SECONDS;
        bool late = pthread_cond_timedwait(&request->moved, &request->lock, &until) != 0;

        if (request->reply == REPLY_LINES && (late || request->lines.length > 0)) {
            send_waiting(request, late);
        }
    }
    stop_clock(request, false);
}

/* The handler is done and the body is not. */
static enum MHD_Result leave_over(struct request *request, size_t length)
{
    request->left_over += length;
    if (request->left_over <= LEFT_OVER_MAX && request->reply == REPLY_WHOLE) {
        return MHD_YES;
    }
    if (!request->direct_ended) {
        bool sent = request->reply == REPLY_WHOLE
                        ? reply_send_whole(request)
                        : reply_send_lines(request, &request->lines, true);

        request->direct_ended = true;
        request->left_over_until = clock_ms() / 1000 + LEFT_OVER_SECONDS;
        return sent ? MHD_YES : MHD_NO;
    }
    return clock_ms() / 1000 < request->left_over_until ? MHD_YES : MHD_NO;
}

/* What a peer sent may be a secret: nothing of it stays in libmicrohttpd's buffer. */
static void wipe(const char *bytes, size_t length)
{
    explicit_bzero((void *)(uintptr_t)bytes, length);
}

static bool store_make(struct request *request)
{
    uint64_t max = request->route->body_max;
    struct err err;

    if (!request->store &&
        !secret_new(max < STORE_BYTES ? (size_t)max : STORE_BYTES, &request->store, &err)) {
        err_add(&err, "take a body");
        log_err(&err);
    }
    return request->store != NULL;
}

static void store_add(struct request *request, const char *bytes, size_t length)
{
    if (request->lines.length > 0) {
        send_waiting(request, false);
    }
    if (store_room(request) < length) {
        attend(request, length);
    }
    if (!request->answered) {
        memcpy(secret_bytes(request->store) + request->store_to, bytes, length);
        request->store_to += length;
        pthread_cond_broadcast(&request->moved);
    }
}

enum MHD_Result request_take(struct request *request, const char *bytes, size_t *length)
{
    size_t given = *length;

    *length = 0;
    pthread_mutex_lock(&request->lock);
    request->body_length += given;
    if (request->route && request->body_length > request->route->body_max) {
        request->body_too_long = true;
        pthread_cond_broadcast(&request->moved);
    } else if (!request->answered) {
        if (!store_make(request)) {
            pthread_mutex_unlock(&request->lock);
            return MHD_NO;
        }
        store_add(request, bytes, given);
    }
    bool over = request->answered;

    pthread_mutex_unlock(&request->lock);
    wipe(bytes, given);
    return over ? leave_over(request, given) : MHD_YES;
}

enum MHD_Result request_finish(struct request *request)
{
    pthread_mutex_lock(&request->lock);
    request->body_ended = true;
    pthread_cond_broadcast(&request->moved);
    attend(request, 0);
    pthread_mutex_unlock(&request->lock);
    if (request->direct_ended) {
        return MHD_NO;
    }
    if (request->reply == REPLY_LINES) {
        /* Closes the connection: it was used past libmicrohttpd. */
        (void)reply_send_lines(request, &request->lines, true);
        return MHD_NO;
    }
    return reply_queue(request);
}

void request_end(struct request *request)
{
    pthread_mutex_lock(&request->lock);
    request->gone = true;
    pthread_cond_broadcast(&request->moved);
    pthread_mutex_unlock(&request->lock);
    if (request->has_thread) {
        pthread_join(request->thread, NULL);
    }
    pthread_cond_destroy(&request->moved);
    pthread_mutex_destroy(&request->lock);
    text_clear(&request->head);
    text_clear(&request->body);
    text_clear(&request->lines);
    secret_free(request->secret);
    secret_free(request->store);
    free(request);
}

const struct peer *request_peer(const struct request *request)
{
    return &request->peer;
}

const char *request_method(const struct request *request)
{
    return request->method;
}

const char *request_path(const struct request *request)
{
    return request->path;
}

const char *request_value(const struct request *request, const char *name)
{
    return route_value(&request->values, name);
}

const char *request_query(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *request_from(const struct request *request)
{
    return request->from;
}

static void store_give(struct request *request, void *to, size_t length)
{
    if (length > 0) {
        memcpy(to, secret_look(request->store) + request->store_from, length);
        request->store_from += length;
    }
    if (request->store_from == request->store_to) {
        request->store_from = request->store_to = 0;
    }
    pthread_cond_broadcast(&request->moved);
}

static bool read_locked(struct request *request, void *to, size_t room, size_t *out_length,
                        struct err *err)
{
    size_t stored;

    while ((stored = request->store_to - request->store_from) == 0 && !request->body_ended &&
           !request->body_too_long && !request->gone) {
        pthread_cond_wait(&request->moved, &request->lock);
    }
    if (request->body_too_long) {
        return err_set(err, ERR_INPUT, "the body is larger than %llu bytes",
                       (unsigned long long)request->route->body_max);
    }
    if (stored == 0 && !request->body_ended) {
        return err_set(err, ERR_AWAY, "the peer went away before it had sent everything");
    }
    *out_length = room < stored ? room : stored;
    store_give(request, to, *out_length);
    return true;
}

bool request_read(struct request *request, void *to, size_t room, size_t *out_length,
                  struct err *err)
{
    pthread_mutex_lock(&request->lock);
    bool ok = read_locked(request, to, room, out_length, err);

    pthread_mutex_unlock(&request->lock);
    return ok;
}

bool request_json(struct request *request, json_t **out, struct err *err)
{
    AUTO(drop_text) struct text body = {0};
    char piece[16384];
    size_t n = 0;

    do {
        if (!request_read(request, piece, sizeof(piece), &n, err)) {
            return false;
        }
        if (n > JSON_MAX_BYTES - body.length) {
            return err_set(err, ERR_INPUT, "the body is larger than %u bytes", JSON_MAX_BYTES);
        }
        text_add_bytes(&body, piece, n);
    } while (n > 0);
    return json_read(body.bytes, body.length, out, err) || err_add(err, "the body");
}

bool request_secret(struct request *request, size_t max, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    size_t used = 0, n = 0;

    /* One byte more, to tell "just fits" from "too long". */
    if (!secret_new(max < SECRET_MAX ? max + 1 : SECRET_MAX, &secret, err)) {
        return false;
    }
    do {
        if (!request_read(request, secret_bytes(secret) + used, secret_size(secret) - used, &n,
                          err)) {
            return false;
        }
        used += n;
    } while (n > 0 && used < secret_size(secret));
    if (used == 0 || used > max) {
        return err_set(err, ERR_INPUT, "the body is not 1 to %zu bytes long", max);
    }
    secret_cut(secret, used);
    *out = TAKE(secret);
    return true;
}

bool reply_line(struct request *request, const json_t *json)
{
    AUTO(drop_free) char *line = json_write(json);

    pthread_mutex_lock(&request->lock);
    if (request->reply == REPLY_NONE) {
        request->reply = REPLY_LINES;
        request->status = MHD_HTTP_OK;
    }
    while (request->lines.length > LINES_WAITING_MAX && !request->gone) {
        pthread_cond_wait(&request->moved, &request->lock);
    }
    if (!request->gone && request->reply == REPLY_LINES) {
        text_addf(&request->lines, "%s\n", line);
        pthread_cond_broadcast(&request->moved);
    }
    bool there = !request->gone;

    pthread_mutex_unlock(&request->lock);
    return there;
}
