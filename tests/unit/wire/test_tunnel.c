/* SPDX-License-Identifier: Apache-2.0 */
/* Tunnels: what goes in at one unix socket comes out at the other, for two ends of one CA alone. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/base.h"
#include "wire/wire.h"

#define MANY (3u << 20)

static struct {
    char folder[64];
    char *there, *here; /* the sockets */
    int door;           /* of the one there */
    pthread_t echo;
    struct tunnel *listens, *reaches;
} world;

/* ---- who is at the far end: says everything again ---- */

static void say_again(int fd)
{
    char bytes[65536];
    ssize_t count;

    while ((count = read(fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t sent = 0, n; sent < count; sent += n) {
            n = send(fd, bytes + sent, (size_t)(count - sent), MSG_NOSIGNAL);
            if (n <= 0) {
                return;
            }
        }
    }
}

static void *echo(void *context)
{
    int fd;

    (void)context;
    while ((fd = accept(world.door, NULL, NULL)) >= 0) {
        say_again(fd);
        close(fd);
    }
    return NULL;
}

static int unix_door(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static int visit(const char *path)
{
    const struct timeval patience = {.tv_sec = 20};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* ---- certificates ---- */

struct identity {
    struct secret *ca_key, *key;
    char *ca, *certificate;
};

static struct identity identity_make(const struct identity *by, bool server)
{
    static const char *const addresses[] = {"127.0.0.1", NULL};
    struct identity made = {0};
    struct err err = {0};

    if (by) {
        assert_true(secret_copy(by->ca_key, &made.ca_key, &err));
        made.ca = text_copy(by->ca);
    } else {
        assert_true(certificate_authority_make("move", 1, &made.ca_key, &made.ca, &err));
    }
    const struct authority authority = {made.ca, made.ca_key};
    const struct certificate_wish wish = {.common_name = "h1",
                                          .addresses = server ? addresses : NULL,
                                          .server = server,
                                          .client = !server,
                                          .days = 1};

    assert_true(certificate_key_make(&made.key, &err));
    assert_true(certificate_make(&authority, made.key, &wish, &made.certificate, &err));
    return made;
}

static void drop_identity(struct identity *identity)
{
    secret_free(identity->ca_key);
    secret_free(identity->key);
    free(identity->ca);
    free(identity->certificate);
}

static struct tunnel_conf conf_of(const struct identity *identity, const char *socket,
                                  unsigned port)
{
    return (struct tunnel_conf){"127.0.0.1",           port,          identity->ca,
                                identity->certificate, identity->key, socket};
}

static void open_both(const struct identity *there, const struct identity *here)
{
    const struct tunnel_conf listens = conf_of(there, world.there, 0);
    struct err err = {0};

    assert_true(tunnel_listen(&listens, &world.listens, &err));
    const struct tunnel_conf reaches = conf_of(here, world.here, tunnel_port(world.listens));

    assert_true(tunnel_reach(&reaches, &world.reaches, &err));
}

static int begin(void **state)
{
    (void)state;
    (void)snprintf(world.folder, sizeof(world.folder), "/tmp/quoin-tunnel.XXXXXX");
    assert_non_null(mkdtemp(world.folder));
    world.there = text_make("%s/there", world.folder);
    world.here = text_make("%s/here", world.folder);
    world.door = unix_door(world.there);
    assert_int_equal(pthread_create(&world.echo, NULL, echo, NULL), 0);
    return 0;
}

static int end(void **state)
{
    struct err err = {0};

    (void)state;
    tunnel_close(TAKE(world.reaches));
    tunnel_close(TAKE(world.listens));
    shutdown(world.door, SHUT_RDWR);
    close(world.door);
    pthread_join(world.echo, NULL);
    assert_true(file_remove_tree(world.folder, &err));
    free(world.there);
    free(world.here);
    return 0;
}

static void write_all(int fd, const unsigned char *bytes, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t count = send(fd, bytes + sent, size - sent, MSG_NOSIGNAL);

        assert_true(count > 0);
        sent += (size_t)count;
    }
}

struct writing {
    int fd;
    unsigned char *bytes;
};

static void *write_many(void *context)
{
    const struct writing *writing = context;

    write_all(writing->fd, writing->bytes, MANY);
    return NULL;
}

static void goes_through(int fd, const char *text)
{
    char back[64] = "";

    write_all(fd, (const unsigned char *)text, strlen(text));
    assert_int_equal(recv(fd, back, strlen(text), MSG_WAITALL), (ssize_t)strlen(text));
    assert_string_equal(back, text);
}

/* Whoever is refused finds the end of what he reads. */
static void is_refused(int fd)
{
    char byte;

    (void)send(fd, "x", 1, MSG_NOSIGNAL);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
}

/* ---- what is promised ---- */

static void what_goes_in_here_comes_out_there_and_back(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, true);
    AUTO(drop_identity) struct identity here = identity_make(&there, false);
    AUTO(drop_free) unsigned char *bytes = malloc(MANY), *back = malloc(MANY);
    pthread_t writer;

    (void)state;
    open_both(&there, &here);
    assert_false(tunnel_used(world.listens));
    AUTO(drop_fd) int fd = visit(world.here);
    struct writing writing = {fd, bytes};

    for (size_t i = 0; i < MANY; i++) {
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    }
    assert_int_equal(pthread_create(&writer, NULL, write_many, &writing), 0);
    assert_int_equal(recv(fd, back, MANY, MSG_WAITALL), MANY);
    pthread_join(writer, NULL);
    assert_memory_equal(bytes, back, MANY);
    assert_true(tunnel_busy(world.listens) && tunnel_used(world.listens));
}

static void one_goes_through_after_the_other(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, true);
    AUTO(drop_identity) struct identity here = identity_make(&there, false);

    (void)state;
    open_both(&there, &here);
    for (int i = 0; i < 3; i++) {
        AUTO(drop_fd) int fd = visit(world.here);

        goes_through(fd, "hello");
    }
}

static void who_has_a_certificate_of_another_ca_is_refused(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, true);
    AUTO(drop_identity) struct identity other = identity_make(NULL, false);
    AUTO(drop_identity) struct identity here = identity_make(&there, false);
    /* The right CA is trusted: it is the listener that refuses. */
    struct identity mixed = {.ca = there.ca, .certificate = other.certificate, .key = other.key};

    (void)state;
    open_both(&there, &mixed);
    AUTO(drop_fd) int fd = visit(world.here);

    is_refused(fd);
    assert_false(tunnel_used(world.listens));
    /* And who has the right one gets through after him. */
    const struct tunnel_conf conf = conf_of(&here, world.here, tunnel_port(world.listens));
    struct err err = {0};

    tunnel_close(TAKE(world.reaches));
    assert_true(tunnel_reach(&conf, &world.reaches, &err));
    AUTO(drop_fd) int again = visit(world.here);

    goes_through(again, "hello");
}

static void a_listener_of_another_ca_is_not_believed(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, true);
    AUTO(drop_identity) struct identity here = identity_make(NULL, false);

    (void)state;
    open_both(&there, &here);
    AUTO(drop_fd) int fd = visit(world.here);

    is_refused(fd);
    assert_false(tunnel_used(world.reaches) || tunnel_used(world.listens));
}

static void a_client_is_no_listener(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, false);
    AUTO(drop_identity) struct identity here = identity_make(&there, false);

    (void)state;
    open_both(&there, &here);
    AUTO(drop_fd) int fd = visit(world.here);

    is_refused(fd);
}

static void who_speaks_no_tls_keeps_nobody_out_for_long(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, true);
    AUTO(drop_identity) struct identity here = identity_make(&there, false);
    struct sockaddr_in address = {.sin_family = AF_INET};

    (void)state;
    open_both(&there, &here);
    AUTO(drop_fd) int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)tunnel_port(world.listens));
    (void)inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    assert_int_equal(connect(silent, (struct sockaddr *)&address, sizeof(address)), 0);
    /* Its own time to shake hands may end first: then it is asked again. */
    bool through = false;

    for (int i = 0; i < 5 && !through; i++) {
        AUTO(drop_fd) int fd = visit(world.here);
        char byte;

        (void)send(fd, "x", 1, MSG_NOSIGNAL);
        through = recv(fd, &byte, 1, 0) == 1;
    }
    assert_true(through);
}

/* A byte at a time of a handshake that never comes to its end: the time is for all of it. */
static void who_drips_a_handshake_keeps_nobody_out_for_long(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, true);
    static const unsigned char hello[] = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}; /* of 512 bytes */
    const struct timeval patience = {.tv_sec = 1};
    struct tunnel_conf conf = conf_of(&there, world.there, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct err err = {0};
    bool sent_away = false;

    (void)state;
    assert_true(tunnel_listen(&conf, &world.listens, &err));
    AUTO(drop_fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)tunnel_port(world.listens));
    (void)inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    /* Much longer than five seconds on a busy machine; for ever, were the time for each byte. */
    for (size_t i = 0; i < 60 && !sent_away; i++) {
        unsigned char byte = i < sizeof(hello) ? hello[i] : 0;

        sent_away = send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) == 0 ||
                    (errno != EAGAIN && errno != EWOULDBLOCK);
    }
    assert_true(sent_away);
}

static void closing_an_end_cuts_what_goes_through(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, true);
    AUTO(drop_identity) struct identity here = identity_make(&there, false);
    char byte;

    (void)state;
    open_both(&there, &here);
    AUTO(drop_fd) int fd = visit(world.here);

    goes_through(fd, "hello");
    tunnel_close(TAKE(world.listens));
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    tunnel_close(TAKE(world.reaches));
    assert_false(file_exists(world.here));
}

static void the_socket_here_is_its_owners_alone(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, true);
    AUTO(drop_identity) struct identity here = identity_make(&there, false);
    struct stat is;

    (void)state;
    open_both(&there, &here);
    assert_int_equal(stat(world.here, &is), 0);
    assert_int_equal(is.st_mode & 0777, 0600);
}

static void what_is_no_address_or_no_pem_is_said(void **state)
{
    AUTO(drop_identity) struct identity there = identity_make(NULL, true);
    struct tunnel_conf conf = conf_of(&there, world.there, 0);
    struct err err = {0};

    (void)state;
    conf.ca = "none";
    assert_false(tunnel_listen(&conf, &world.listens, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    conf.ca = there.ca;
    conf.address = "no address";
    assert_false(tunnel_listen(&conf, &world.listens, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    conf.address = "127.0.0.1";
    assert_true(tunnel_listen(&conf, &world.listens, &err));
    struct tunnel *second = NULL;

    conf.port = tunnel_port(world.listens);
    assert_false(tunnel_listen(&conf, &second, &err));
    assert_int_equal(err.kind, ERR_SYSTEM);
}

#define IT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(what_goes_in_here_comes_out_there_and_back),
        IT(one_goes_through_after_the_other),
        IT(who_has_a_certificate_of_another_ca_is_refused),
        IT(a_listener_of_another_ca_is_not_believed),
        IT(a_client_is_no_listener),
        IT(who_speaks_no_tls_keeps_nobody_out_for_long),
        IT(who_drips_a_handshake_keeps_nobody_out_for_long),
        IT(closing_an_end_cuts_what_goes_through),
        IT(the_socket_here_is_its_owners_alone),
        IT(what_is_no_address_or_no_pem_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
