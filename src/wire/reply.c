/* SPDX-License-Identifier: Apache-2.0 */
/* The reply's making (in the handler's thread) and its sending (in the connection's thread). */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/secret_open.h"
#include "wire/request.h"

/* A peer that takes no byte for so long is gone. */
#define SEND_MILLISECONDS (30 * 1000)

static void add_headers(struct request *request, const char *const *headers)
{
    for (; headers && headers[0] && headers[1]; headers += 2) {
        text_addf(&request->head, "%s: %s\r\n", headers[0], headers[1]);
    }
}

/* True for the first reply of a request; the caller then fills it in. */
static bool claim(struct request *request, unsigned status, const char *type)
{
    pthread_mutex_lock(&request->lock);
    bool first = request->reply == REPLY_NONE;

    if (first) {
        request->status = status;
        if (type) {
            text_addf(&request->head, "Content-Type: %s\r\n", type);
        }
        add_headers(request, request->conf->headers);
    }
    pthread_mutex_unlock(&request->lock);
    return first;
}

static void settle(struct request *request)
{
    pthread_mutex_lock(&request->lock);
    request->reply = REPLY_WHOLE;
    pthread_mutex_unlock(&request->lock);
}

void reply_bytes(struct request *request, unsigned status, const char *type,
                 const char *const *headers, const void *bytes, size_t length)
{
    if (!claim(request, status, type)) {
        return;
    }
    add_headers(request, headers);
    text_add_bytes(&request->body, bytes, length);
    settle(request);
}

void reply_json(struct request *request, unsigned status, const json_t *json)
{
    AUTO(drop_free) char *bytes = json_write(json);

    reply_bytes(request, status, "application/json", NULL, bytes, strlen(bytes));
}

void reply_empty(struct request *request)
{
    reply_bytes(request, MHD_HTTP_NO_CONTENT, NULL, NULL, "", 0);
}

void reply_secret(struct request *request, struct secret *secret)
{
    if (!claim(request, MHD_HTTP_OK, "application/octet-stream")) {
        secret_free(secret);
        return;
    }
    request->secret = secret;
    settle(request);
}

void reply_err(struct request *request, const struct err *err)
{
    AUTO(drop_json) json_t *body = json_of_err(err);

    log_say(err->kind == ERR_SYSTEM || err->kind == ERR_BUG ? LOG_ERR : LOG_NOTICE,
            "%s %s from %s %s: %s", request->method, request->path, role_name(request->peer.role),
            request->peer.name[0] ? request->peer.name : request->from, err->what);
    if (request->reply == REPLY_LINES) {
        AUTO(drop_json) json_t *line = json_pack("{s:O}", "error", body);

        (void)reply_line(request, line);
        return;
    }
    reply_json(request, err_http_status(err->kind), body);
}

static const char *reply_body(const struct request *request, size_t *out_length)
{
    *out_length = request->secret ? secret_size(request->secret) : request->body.length;
    return request->secret ? (const char *)secret_look(request->secret) : request->body.bytes;
}

static void head_add(struct MHD_Response *response, const char *head)
{
    while (*head) {
        size_t name = strcspn(head, ":"), line = strcspn(head, "\r");
        AUTO(drop_free) char *key = text_make("%.*s", (int)name, head);
        AUTO(drop_free) char *value = text_make("%.*s", (int)(line - name - 2), head + name + 2);

        (void)MHD_add_response_header(response, key, value);
        head += line + 2;
    }
}

enum MHD_Result reply_queue(struct request *request)
{
    size_t length = 0;
    const char *body = reply_body(request, &length);
    /* The request outlives the response: it is freed when all was sent. */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);

    if (!response) {
        return MHD_NO;
    }
    head_add(response, request->head.bytes ? request->head.bytes : "");
    enum MHD_Result queued = MHD_queue_response(request->connection, request->status, response);

    MHD_destroy_response(response);
    return queued;
}

static bool wait_writable(int fd)
{
    struct pollfd pollfd = {fd, POLLOUT, 0};
    int n;

    do {
        n = poll(&pollfd, 1, SEND_MILLISECONDS);
    } while (n < 0 && errno == EINTR);
    return n > 0 && !(pollfd.revents & (POLLERR | POLLHUP));
}

static ssize_t send_some(gnutls_session_t tls, int fd, const char *bytes, size_t length)
{
    if (!tls) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

        return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : n;
    }
    ssize_t n = gnutls_record_send(tls, bytes, length);

    return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED ? 0 : n;
}

/* Straight to the connection. Only in the connection's thread, so TLS has one user at a time. */
static bool send_direct(struct request *request, const char *bytes, size_t length)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    gnutls_session_t tls = info ? info->tls_session : NULL;
    int fd =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    while (length > 0) {
        ssize_t n = send_some(tls, fd, bytes, length);

        if (n < 0 || (n == 0 && !wait_writable(fd))) {
            return false;
        }
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* Nothing follows: the peer sees a proper end rather than a broken connection. */
static void close_direct(struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    int fd =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    if (info && info->tls_session) {
        (void)gnutls_bye(info->tls_session, GNUTLS_SHUT_WR);
    }
    (void)shutdown(fd, SHUT_WR);
}

static void send_at_once(struct request *request)
{
    int on = 1, off = 0;
    int fd =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool reply_send_whole(struct request *request)
{
    size_t length = 0;
    const char *body = reply_body(request, &length);
    AUTO(drop_free)
    char *head =
        text_make("HTTP/1.1 %u Refused\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
                  request->status, request->head.bytes ? request->head.bytes : "", length);

    send_at_once(request);
    bool sent = send_direct(request, head, strlen(head)) && send_direct(request, body, length);

    close_direct(request);
    return sent;
}

bool reply_send_lines(struct request *request, const struct text *lines, bool last)
{
    AUTO(drop_text) struct text out = {0};

    if (!request->direct) {
        request->direct = true;
        send_at_once(request);
        text_add(&out, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                       "Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n"
                       "Connection: close\r\n\r\n");
    }
    if (lines->length > 0) {
        text_addf(&out, "%zx\r\n", lines->length);
        text_add_bytes(&out, lines->bytes, lines->length);
        text_add(&out, "\r\n");
    }
    if (last) {
        text_add(&out, "0\r\n\r\n");
    }
    bool sent = !request->gone && send_direct(request, out.bytes, out.length);

    if (last) {
        close_direct(request);
    }
    return sent;
}
