/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/secret_open.h"
#include "base/text.h"
#include "wire/certificate.h"
#include "wire/request.h"

#define CONNECTIONS         256u
#define CONNECTIONS_ADDRESS 64u
#define IDLE_SECONDS        60u
#define BACKLOG             64
/* Of one connection: all its headers and one piece of a body. More headers are refused. */
#define CONNECTION_BYTES (size_t)(192 * 1024)
#define CONNECTION_STEP  (size_t)(64 * 1024)
/* TLS 1.2 and later, only authenticated ciphers, only forward secrecy. */
#define PRIORITIES                                                                                 \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:"      \
    "+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

struct server {
    struct server_conf conf;
    char *cluster;
    char *socket; /* removed when we stop */
    struct MHD_Daemon *local, *tls;
    unsigned port;
};

static void *on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
    (void)context;
    (void)connection;
    return request_new(uri);
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *path,
                                 const char *method, const char *version, const char *bytes,
                                 size_t *length, void **kept)
{
    const struct server *server = context;
    struct request *request = *kept;

    (void)version;
    if (!request->begun) {
        return request_begin(request, &server->conf, connection, method, path) ? MHD_YES : MHD_NO;
    }
    return *length > 0 ? request_take(request, bytes, length) : request_finish(request);
}

static void on_end(void *context, struct MHD_Connection *connection, void **kept,
                   enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    if (*kept) {
        request_end(*kept);
        *kept = NULL;
    }
}

/* libmicrohttpd's own remarks are of no use to an operator: what matters is logged by request.c. */
static void on_remark(void *context, const char *format, va_list list)
{
    (void)context;
    (void)format;
    (void)list;
}

static bool listen_on(int fd, const char *what, struct err *err)
{
    return listen(fd, BACKLOG) == 0 || err_errno(err, errno, "listen on %s", what);
}

/* A socket file that nobody listens on is a leftover of a crash. */
static bool socket_clear(const struct sockaddr_un *address, struct err *err)
{
    AUTO(drop_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat st;

    if (lstat(address->sun_path, &st) != 0) {
        return errno == ENOENT || err_errno(err, errno, "look at '%s'", address->sun_path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return err_set(err, ERR_CLASH, "'%s' is there and no socket", address->sun_path);
    }
    if (connect(fd, (const struct sockaddr *)(const void *)address, sizeof(*address)) == 0) {
        err_set(err, ERR_CLASH, "another server listens on '%s'", address->sun_path);
        return err_mend(err, "stop the other one first");
    }
    return unlink(address->sun_path) == 0 || errno == ENOENT ||
           err_errno(err, errno, "remove '%s'", address->sun_path);
}

static bool socket_listen(const char *path, int *out, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO(drop_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path)) {
        return err_set(err, ERR_INPUT, "the socket's path '%s' is longer than %zu bytes", path,
                       sizeof(address.sun_path) - 1);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (!socket_clear(&address, err)) {
        return false;
    }
    /* Before listen() nobody can connect, so there is no moment with the wrong mode. */
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(path, 0600) != 0) {
        return err_errno(err, errno, "make the socket '%s'", path);
    }
    if (!listen_on(fd, path, err)) {
        return false;
    }
    *out = TAKE_FD(fd);
    return true;
}

static bool bind_to(int fd, const struct addrinfo *address)
{
    int on = 1, off = 0;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ai_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    return bind(fd, address->ai_addr, address->ai_addrlen) == 0;
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);

    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
        return 0;
    }
    return bound.ss_family == AF_INET6
               ? ntohs(((const struct sockaddr_in6 *)(const void *)&bound)->sin6_port)
               : ntohs(((const struct sockaddr_in *)(const void *)&bound)->sin_port);
}

static bool address_listen(const char *host, unsigned port, int *out, struct err *err)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[16];

    (void)snprintf(service, sizeof(service), "%u", port);
    int code = getaddrinfo(host, service, &hints, &found);

    if (code != 0) {
        return err_set(err, ERR_INPUT, "'%s' is no address to listen on: %s", host,
                       gai_strerror(code));
    }
    AUTO(drop_fd) int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool bound = fd >= 0 && bind_to(fd, found);
    int number = errno;

    freeaddrinfo(found);
    if (!bound) {
        err_errno(err, number, "listen on %s port %u", host, port);
        err->kind = number == EADDRINUSE ? ERR_CLASH : err->kind;
        return err_mend(err, "see what uses it: ss -tlnp");
    }
    if (!listen_on(fd, host, err)) {
        return false;
    }
    *out = TAKE_FD(fd);
    return true;
}

/* The daemon owns the descriptor from now on; `tls` are its options or MHD_OPTION_END. */
static bool daemon_start(struct server *server, int fd, unsigned flags,
                         const struct MHD_OptionItem *tls, struct MHD_Daemon **out, struct err *err)
{
    const struct server_conf *conf = &server->conf;
    AUTO(drop_fd) int owned = fd;

    *out = MHD_start_daemon(
        flags | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
            MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_remark, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_CONNECTION_LIMIT, conf->connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, conf->connections_address,
        MHD_OPTION_CONNECTION_TIMEOUT, conf->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_BYTES, MHD_OPTION_CONNECTION_MEMORY_INCREMENT, CONNECTION_STEP,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (!*out) {
        return err_set(err, ERR_SYSTEM, "the HTTP server does not start");
    }
    (void)TAKE_FD(owned);
    return true;
}

static bool start_local(struct server *server, struct err *err)
{
    static const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    int fd = -1;

    if (!server->conf.socket) {
        return true;
    }
    if (!socket_listen(server->conf.socket, &fd, err)) {
        return false;
    }
    server->socket = text_copy(server->conf.socket);
    return daemon_start(server, fd, 0, none, &server->local, err);
}

/* GnuTLS wants the key's text ended by a NUL; it keeps its own copy, ours is wiped at once. */
static bool key_text(const struct secret *key, struct secret **out, struct err *err)
{
    if (!secret_new(secret_size(key) + 1, out, err)) {
        return false;
    }
    memcpy(secret_bytes(*out), secret_look(key), secret_size(key));
    return true;
}

static bool start_tls(struct server *server, struct err *err)
{
    const struct server_conf *conf = &server->conf;
    AUTO(drop_secret) struct secret *key = NULL;
    int fd = -1;

    if (!conf->address) {
        return true;
    }
    if (!certificate_fits(conf->certificate, conf->key, err) || !key_text(conf->key, &key, err)) {
        return err_add(err, "the server's own certificate");
    }
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_KEY, 0, secret_bytes(key)},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)conf->certificate},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES},
        {conf->authority ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
         (void *)(uintptr_t)conf->authority},
        {MHD_OPTION_END, 0, NULL},
    };

    if (!address_listen(conf->address, conf->port, &fd, err)) {
        return false;
    }
    server->port = port_of(fd);
    return daemon_start(server, fd, MHD_USE_TLS, tls, &server->tls, err);
}

static void or_default(unsigned *value, unsigned otherwise)
{
    *value = *value ? *value : otherwise;
}

bool server_start(const struct server_conf *conf, struct server **out, struct err *err)
{
    AUTO(drop_server) struct server *server = text_room(1, sizeof(*server));

    signal(SIGPIPE, SIG_IGN);
    server->conf = *conf;
    server->cluster = text_copy(conf->cluster);
    server->conf.cluster = server->cluster;
    or_default(&server->conf.connections, CONNECTIONS);
    or_default(&server->conf.connections_address, CONNECTIONS_ADDRESS);
    or_default(&server->conf.idle_seconds, IDLE_SECONDS);
    if (!start_local(server, err) || !start_tls(server, err)) {
        return false;
    }
    *out = TAKE(server);
    return true;
}

unsigned server_port(const struct server *server)
{
    return server->port;
}

void server_stop(struct server *server)
{
    if (!server) {
        return;
    }
    if (server->local) {
        MHD_stop_daemon(server->local);
    }
    if (server->tls) {
        MHD_stop_daemon(server->tls);
    }
    if (server->socket) {
        (void)unlink(server->socket);
    }
    free(server->socket);
    free(server->cluster);
    free(server);
}
