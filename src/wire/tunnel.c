/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/tunnel.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/text.h"
#include "wire/tls.h"

/* Who dials and says nothing does not keep the other out for longer. */
#define HANDSHAKE_MS 5000
/* Bytes that nobody took for so long are on their way to a dead host. Who has nothing to send asks
 * after this many seconds, and so many times. */
#define DEAD_MS   30000
#define ASK_AFTER 10
#define ASK_EVERY 5
#define ASK_TIMES 4
/* One record of TLS. */
#define BUFFER 16384u

struct tunnel {
    SSL_CTX *context;
    char *address, *socket;
    char port[8];
    bool reaches; /* else it listens */
    int door;     /* a listening socket: TCP, or unix where it reaches */
    int end;      /* an eventfd: the thread is to end */
    atomic_bool busy, used;
    pthread_t thread;
    bool running;
};

/* Bytes on their way in one direction. */
struct flow {
    unsigned char bytes[BUFFER];
    size_t from, to;
};

DROP(addresses, struct addrinfo *, freeaddrinfo);
DROP(ssl, SSL *, SSL_free);

static bool resolve(const struct tunnel *tunnel, struct addrinfo **out, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICSERV | (tunnel->reaches ? 0 : AI_PASSIVE)};
    int state = getaddrinfo(tunnel->address, tunnel->port, &hints, out);

    return state == 0 || err_set(err, ERR_INPUT, "'%.255s' is no address: %s", tunnel->address,
                                 gai_strerror(state));
}

/* ---- one connection ---- */

/* False: it was told to end, or nothing came in time. */
static bool wait_for(const struct tunnel *tunnel, int fd, short events, int milliseconds)
{
    struct pollfd polled[] = {{fd, events, 0}, {tunnel->end, POLLIN, 0}};
    int ready;

    do {
        ready = poll(polled, 2, milliseconds);
    } while (ready < 0 && errno == EINTR);
    return ready > 0 && !polled[1].revents;
}

static bool shake_hands(const struct tunnel *tunnel, SSL *ssl, int fd)
{
    int64_t end = clock_ms() + HANDSHAKE_MS;
    int result;

    ERR_clear_error();
    while ((result = tunnel->reaches ? SSL_connect(ssl) : SSL_accept(ssl)) != 1) {
        int why = SSL_get_error(ssl, result);

        int64_t left = end - clock_ms();

        if ((why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) || left <= 0 ||
            !wait_for(tunnel, fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, (int)left)) {
            return false;
        }
    }
    return true;
}

/* The next three: false, that side is at its end; else what it waits for is in `*events`. */
static bool still(SSL *ssl, int result, short *events)
{
    int why = SSL_get_error(ssl, result);

    *events |= why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static bool again(short *events, short event)
{
    *events |= event;
    return errno == EAGAIN || errno == EINTR;
}

/* From the unix socket into TLS, until one of them has to be waited for. */
static bool carry_out(SSL *ssl, int plain, struct flow *flow, short *secured, short *open)
{
    for (;;) {
        if (flow->from == flow->to) {
            ssize_t count = read(plain, flow->bytes, BUFFER);

            if (count <= 0) {
                return count < 0 && again(open, POLLIN);
            }
            flow->from = 0;
            flow->to = (size_t)count;
        }
        size_t written = 0;

        ERR_clear_error();
        if (SSL_write_ex(ssl, flow->bytes + flow->from, flow->to - flow->from, &written) != 1) {
            return still(ssl, 0, secured);
        }
        flow->from += written;
    }
}

static bool carry_in(SSL *ssl, int plain, struct flow *flow, short *secured, short *open)
{
    for (;;) {
        if (flow->from == flow->to) {
            flow->from = flow->to = 0;
            ERR_clear_error();
            if (SSL_read_ex(ssl, flow->bytes, BUFFER, &flow->to) != 1) {
                flow->to = 0;
                return still(ssl, 0, secured);
            }
        }
        ssize_t count = send(plain, flow->bytes + flow->from, flow->to - flow->from, MSG_NOSIGNAL);

        if (count < 0) {
            return again(open, POLLOUT);
        }
        flow->from += (size_t)count;
    }
}

/* A host that is gone says nothing any more: tcp(7) has the options. */
static void notice_the_dead(int fd)
{
    static const struct {
        int level, option, value;
    } set[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
               {IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_MS},
               {IPPROTO_TCP, TCP_KEEPIDLE, ASK_AFTER},
               {IPPROTO_TCP, TCP_KEEPINTVL, ASK_EVERY},
               {IPPROTO_TCP, TCP_KEEPCNT, ASK_TIMES}};

    for (size_t i = 0; i < COUNT_OF(set); i++) {
        (void)setsockopt(fd, set[i].level, set[i].option, &set[i].value, sizeof(set[i].value));
    }
}

static void carry(const struct tunnel *tunnel, SSL *ssl, int secured, int plain)
{
    AUTO(drop_free) struct flow *flows = text_room(2, sizeof(*flows));
    struct pollfd polled[] = {{secured, 0, 0}, {plain, 0, 0}, {tunnel->end, POLLIN, 0}};

    for (;;) {
        polled[0].events = polled[1].events = 0;
        if (!carry_out(ssl, plain, &flows[0], &polled[0].events, &polled[1].events) ||
            !carry_in(ssl, plain, &flows[1], &polled[0].events, &polled[1].events)) {
            return;
        }
        if ((poll(polled, 3, -1) < 0 && errno != EINTR) || polled[2].revents) {
            return;
        }
    }
}

/* ---- the two ends ---- */

static int unix_socket(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(out->sun_path, sizeof(out->sun_path), "%s", path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* A blocking connect would not end with the tunnel; a unix socket answers at once. */
static int connect_unix(const struct tunnel *tunnel)
{
    struct sockaddr_un address;
    AUTO(drop_fd) int fd = unix_socket(tunnel->socket, &address);

    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? TAKE_FD(fd)
                                                                                     : -1;
}

static bool connected(const struct tunnel *tunnel, int fd, const struct addrinfo *to)
{
    int number = 0;
    socklen_t size = sizeof(number);

    return connect(fd, to->ai_addr, to->ai_addrlen) == 0 ||
           (errno == EINPROGRESS && wait_for(tunnel, fd, POLLOUT, HANDSHAKE_MS) &&
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) == 0 && number == 0);
}

static int connect_tcp(const struct tunnel *tunnel)
{
    AUTO(drop_addresses) struct addrinfo *list = NULL;
    struct err ignored = {0};

    if (!resolve(tunnel, &list, &ignored)) {
        return -1;
    }
    for (const struct addrinfo *one = list; one; one = one->ai_next) {
        AUTO(drop_fd)
        int fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd >= 0 && connected(tunnel, fd, one)) {
            return TAKE_FD(fd);
        }
    }
    return -1;
}

/* `came` is who connected to our door. Nobody is let near the unix socket before he showed who he
 * is. */
static void join(struct tunnel *tunnel, int came)
{
    AUTO(drop_ssl) SSL *ssl = SSL_new(tunnel->context);
    AUTO(drop_fd) int other = tunnel->reaches ? connect_tcp(tunnel) : -1;
    int secured = tunnel->reaches ? other : came;

    if (!ssl || secured < 0 || SSL_set_fd(ssl, secured) != 1 ||
        (tunnel->reaches && !tls_expect_name(ssl, tunnel->address)) ||
        !shake_hands(tunnel, ssl, secured)) {
        return;
    }
    if (!tunnel->reaches) {
        other = connect_unix(tunnel);
    }
    if (other >= 0) {
        tunnel->busy = tunnel->used = true;
        notice_the_dead(secured);
        carry(tunnel, ssl, secured, tunnel->reaches ? came : other);
        tunnel->busy = false;
    }
}

static void *serve(void *context)
{
    struct tunnel *tunnel = context;
    sigset_t pipe;

    /* OpenSSL writes with write(2): who is gone shall end a connection, not the program. */
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    while (wait_for(tunnel, tunnel->door, POLLIN, -1)) {
        AUTO(drop_fd) int came = accept4(tunnel->door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (came >= 0) {
            join(tunnel, came);
        }
    }
    return NULL;
}

/* ---- open and close ---- */

static bool listen_at(struct tunnel *tunnel, const struct addrinfo *at)
{
    AUTO(drop_fd)
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int yes = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, 8) < 0) {
        return false;
    }
    tunnel->door = TAKE_FD(fd);
    return true;
}

static bool open_tcp(struct tunnel *tunnel, struct err *err)
{
    AUTO(drop_addresses) struct addrinfo *list = NULL;
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);

    if (!resolve(tunnel, &list, err)) {
        return false;
    }
    if (!listen_at(tunnel, list)) {
        return err_errno(err, errno, "listen at %.255s port %s", tunnel->address, tunnel->port);
    }
    return (getsockname(tunnel->door, (struct sockaddr *)&bound, &size) == 0 &&
            getnameinfo((struct sockaddr *)&bound, size, NULL, 0, tunnel->port,
                        sizeof(tunnel->port), NI_NUMERICSERV) == 0) ||
           err_set(err, ERR_SYSTEM, "the port of a tunnel is unknown");
}

static bool open_unix(struct tunnel *tunnel, struct err *err)
{
    struct sockaddr_un address;

    if (strlen(tunnel->socket) >= sizeof(address.sun_path)) {
        return err_set(err, ERR_INPUT, "'%s' is too long for a socket", tunnel->socket);
    }
    (void)unlink(tunnel->socket);
    tunnel->door = unix_socket(tunnel->socket, &address);
    if (tunnel->door < 0 || fchmod(tunnel->door, 0600) < 0 ||
        bind(tunnel->door, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(tunnel->door, 1) < 0) {
        return err_errno(err, errno, "make the socket %s", tunnel->socket);
    }
    return true;
}

static bool start(const struct tunnel_conf *conf, bool reaches, struct tunnel **out,
                  struct err *err)
{
    AUTO(drop_tunnel) struct tunnel *tunnel = text_room(1, sizeof(*tunnel));

    *tunnel = (struct tunnel){.reaches = reaches,
                              .address = text_copy(conf->address),
                              .socket = text_copy(conf->socket),
                              .door = -1,
                              .end = eventfd(0, EFD_CLOEXEC)};
    (void)snprintf(tunnel->port, sizeof(tunnel->port), "%u", conf->port % 65536u);
    tunnel->context = SSL_CTX_new(reaches ? TLS_client_method() : TLS_server_method());
    if (!tunnel->context || tunnel->end < 0) {
        return err_set(err, ERR_SYSTEM, "a tunnel cannot be made");
    }
    SSL_CTX_set_mode(tunnel->context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!tls_set(tunnel->context, conf->ca, conf->certificate, conf->private_key, err) ||
        !(reaches ? open_unix(tunnel, err) : open_tcp(tunnel, err))) {
        return false;
    }
    int number = pthread_create(&tunnel->thread, NULL, serve, tunnel);

    tunnel->running = number == 0;
    if (!tunnel->running) {
        return err_errno(err, number, "start a tunnel");
    }
    *out = TAKE(tunnel);
    return true;
}

bool tunnel_listen(const struct tunnel_conf *conf, struct tunnel **out, struct err *err)
{
    return start(conf, false, out, err);
}

bool tunnel_reach(const struct tunnel_conf *conf, struct tunnel **out, struct err *err)
{
    return start(conf, true, out, err);
}

void tunnel_close(struct tunnel *tunnel)
{
    if (!tunnel) {
        return;
    }
    if (tunnel->running) {
        (void)eventfd_write(tunnel->end, 1);
        (void)pthread_join(tunnel->thread, NULL);
    }
    if (tunnel->reaches && tunnel->door >= 0) {
        (void)unlink(tunnel->socket);
    }
    drop_fd(&tunnel->door);
    drop_fd(&tunnel->end);
    SSL_CTX_free(tunnel->context);
    free(tunnel->address);
    free(tunnel->socket);
    free(tunnel);
}

unsigned tunnel_port(const struct tunnel *tunnel)
{
    return (unsigned)strtoul(tunnel->port, NULL, 10);
}

bool tunnel_busy(const struct tunnel *tunnel)
{
    return tunnel->busy;
}

bool tunnel_used(const struct tunnel *tunnel)
{
    return tunnel->used;
}
