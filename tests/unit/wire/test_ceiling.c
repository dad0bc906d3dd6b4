/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that are dead, silent, too many or too talkative. */
#include "world.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define IDLE_SECONDS 2u

static void page(struct request *request, void *context)
{
    (void)context;
    reply_bytes(request, 200, "text/html", NULL, "<p>", 3);
}

static const struct route routes[] = {{"GET", "/page", MEMBERS, 0, page}};

static int begin(void **state)
{
    (void)state;
    return world_begin(routes, COUNT_OF(routes), IDLE_SECONDS);
}

static bool ignore_line(void *context, const json_t *line, struct err *err)
{
    (void)context;
    (void)line;
    (void)err;
    return true;
}

/* Listens, and lets the kernel accept; nobody ever answers. */
static int dead_peer(unsigned *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

static void assert_away_within(const struct client_conf *conf, const struct client_call *call,
                               long long milliseconds)
{
    AUTO(drop_client) struct client *client = NULL;
    struct err err = {0};
    long long start = now_ms();

    assert_true(client_open(conf, &client, &err));
    assert_false(client_ask(client, call, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_true(err.remedy[0] != '\0');
    assert_in_range(now_ms() - start, 0, milliseconds);
}

static void a_dead_peer_ends_within_its_deadline(void **state)
{
    unsigned port = 0;
    int fd = dead_peer(&port);
    AUTO(drop_free) char *tls = text_make("https://127.0.0.1:%u", port);
    AUTO(drop_free) char *plain = text_make("http://127.0.0.1:%u", port);

    (void)state;
    /* In the TLS handshake, while waiting for an answer, and in a stream. */
    assert_away_within(
        &(struct client_conf){.url = tls, .authority = world.ca, .connect_seconds = 1},
        &(struct client_call){.method = "GET", .path = "/"}, 2500);
    assert_away_within(&(struct client_conf){.url = plain},
                       &(struct client_call){.method = "GET", .path = "/", .seconds = 1}, 2500);
    assert_away_within(&(struct client_conf){.url = plain},
                       &(struct client_call){
                           .method = "GET", .path = "/", .line = ignore_line, .silence_seconds = 1},
                       3500);
    close(fd);
}

static void a_server_that_is_not_there_is_away(void **state)
{
    unsigned port = 0;

    (void)state;
    close(dead_peer(&port));
    AUTO(drop_free) char *url = text_make("http://127.0.0.1:%u", port);
    AUTO(drop_free) char *socket = text_make("%s/nobody", world.folder);

    assert_away_within(&(struct client_conf){.url = url},
                       &(struct client_call){.method = "GET", .path = "/"}, 1000);
    assert_away_within(&(struct client_conf){.socket = socket},
                       &(struct client_call){.method = "GET", .path = "/"}, 1000);
}

static int connect_tcp(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){10, 0}, sizeof(struct timeval));
    return fd;
}

static void one_address_gets_no_more_than_its_connections(void **state)
{
    struct server_conf conf = {.routes = routes,
                               .route_count = COUNT_OF(routes),
                               .address = "127.0.0.1",
                               .certificate = world.server_certificate,
                               .key = world.key,
                               .connections_address = 2};
    AUTO(drop_server) struct server *server = NULL;
    struct err err = {0};
    char byte;

    (void)state;
    assert_true(server_start(&conf, &server, &err));
    AUTO(drop_fd) int a = connect_tcp(server_port(server));
    AUTO(drop_fd) int b = connect_tcp(server_port(server));
    AUTO(drop_fd) int c = connect_tcp(server_port(server));
    assert_int_not_equal(recv(c, &byte, 1, 0), 1);
    assert_int_equal(recv(a, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(recv(b, &byte, 1, MSG_DONTWAIT), -1);
}

static void a_silent_connection_is_closed(void **state)
{
    AUTO(drop_fd) int fd = connect_tcp(server_port(world.server));
    long long start = now_ms();
    char byte;
    ssize_t n;

    (void)state;

    /* TLS may say goodbye first. */
    while ((n = recv(fd, &byte, 1, 0)) > 0) {
    }
    assert_int_equal(n, 0);
    assert_in_range(now_ms() - start, 500, IDLE_SECONDS * 1000 + 3000);
}

static void headers_have_a_ceiling(void **state)
{
    AUTO(drop_free) char *header = text_room(300001, 1);
    AUTO(drop_run_result) struct run_result result = {0};
    struct err err = {0};

    (void)state;
    memset(header, 'x', 300000);
    memcpy(header, "header = \"X-Long: ", 18);
    header[299999] = '"';
    struct run run = {.argv = RUN("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-K", "-",
                                  "--unix-socket", world.socket, "http://localhost/page"),
                      .input = header,
                      .input_length = 300000};
    assert_true(run_program(&run, &result, &err));
    assert_string_not_equal(result.out, "200");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_dead_peer_ends_within_its_deadline),
        IT(a_server_that_is_not_there_is_away),
        IT(one_address_gets_no_more_than_its_connections),
        IT(a_silent_connection_is_closed),
        IT(headers_have_a_ceiling),
    };

    log_begin("test", LOG_CRIT);
    return cmocka_run_group_tests(tests, begin, world_end);
}
