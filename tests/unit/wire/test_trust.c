/* SPDX-License-Identifier: Apache-2.0 */
/* Who is served and who is refused, over real TLS and a real unix socket (THREATS T11, T13). */
#include "world.h"

#include <grp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static unsigned handled;

static void who(struct request *request, void *context)
{
    const struct peer *peer = request_peer(request);
    AUTO(drop_json)
    json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "role", role_name(peer->role), "name",
                             peer->name, "cluster", peer->cluster, "from", request_from(request));

    (void)context;
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
    reply_json(request, 200, json);
}

static const struct route routes[] = {
    {"GET", "/all", ROLE_LOCAL | ROLE_HOST | ROLE_MANAGER | ROLE_DEPLOYER | ROLE_ANONYMOUS, 0, who},
    {"GET", "/members", ROLE_LOCAL | ROLE_HOST | ROLE_MANAGER | ROLE_DEPLOYER, 0, who},
    {"GET", "/deployer", ROLE_DEPLOYER, 0, who},
    {"GET", "/local", ROLE_LOCAL, 0, who},
};

static int begin(void **state)
{
    (void)state;
    return world_begin(routes, COUNT_OF(routes), 30);
}

static bool ask(struct client *client, const char *path, json_t **out, struct err *err)
{
    bool ok = client_ask(
        client, &(struct client_call){.method = "GET", .path = path, .seconds = 20}, out, err);

    client_close(client);
    return ok;
}

/* Refused with this kind, and the handler never ran. */
static void assert_refused(struct client *client, const char *path, const char *word)
{
    unsigned before = handled;
    struct err err = {0};

    assert_false(ask(client, path, NULL, &err));
    if (!strstr(err.what, word)) {
        fail_msg("'%s' does not speak of '%s'", err.what, word);
    }
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(handled, before);
}

static void a_member_is_known_by_its_role_and_name(void **state)
{
    static const enum role roles[] = {ROLE_HOST, ROLE_MANAGER, ROLE_DEPLOYER};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        AUTO(drop_free) char *pem = certificate_for(CLUSTER, roles[i], false, true, 5);
        AUTO(drop_json) json_t *json = NULL;
        struct err err = {0};

        if (!ask(tls_client(pem), "/members", &json, &err)) {
            fail_msg("%s", err.what);
        }
        assert_string_equal(json_string_or(json, "role", ""), role_name(roles[i]));
        assert_string_equal(json_string_or(json, "name", ""), "tester");
        assert_string_equal(json_string_or(json, "cluster", ""), CLUSTER);
        assert_string_equal(json_string_or(json, "from", ""), "127.0.0.1");
    }
}

static void root_on_the_unix_socket_is_local(void **state)
{
    AUTO(drop_json) json_t *json = NULL;
    struct err err = {0};

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_true(ask(local_client(), "/local", &json, &err));
    assert_string_equal(json_string_or(json, "role", ""), "local");
    assert_string_equal(json_string_or(json, "from", ""), "unix:0");
}

static void without_a_certificate_one_is_nobody(void **state)
{
    AUTO(drop_json) json_t *json = NULL;
    struct err err = {0};

    (void)state;
    assert_true(ask(tls_client(NULL), "/all", &json, &err));
    assert_string_equal(json_string_or(json, "role", ""), "nobody");
}

static void nobody_is_refused_where_a_member_is_wanted(void **state)
{
    (void)state;
    assert_refused(tls_client(NULL), "/members", "nobody");
}

static void a_role_the_route_does_not_serve_is_refused(void **state)
{
    AUTO(drop_free) char *host = certificate_for(CLUSTER, ROLE_HOST, false, true, 5);

    (void)state;
    assert_refused(tls_client(host), "/deployer", "host");
    assert_refused(deployer_client(), "/local", "deployer");
}

static void a_certificate_meant_for_servers_is_refused(void **state)
{
    AUTO(drop_free) char *pem = certificate_for(CLUSTER, ROLE_DEPLOYER, true, false, 5);

    (void)state;
    assert_refused(tls_client(pem), "/deployer", "refused");
    assert_refused(tls_client(pem), "/all", "refused");
}

static void a_certificate_of_another_cluster_is_refused(void **state)
{
    AUTO(drop_free) char *pem = certificate_for(OTHER_CLUSTER, ROLE_DEPLOYER, false, true, 5);

    (void)state;
    assert_refused(tls_client(pem), "/deployer", "another cluster");
}

static void a_certificate_without_a_role_is_refused(void **state)
{
    AUTO(drop_free) char *pem = certificate_for(NULL, ROLE_DEPLOYER, false, true, 5);

    (void)state;
    assert_refused(tls_client(pem), "/all", "no role");
}

static void an_expired_client_certificate_is_refused(void **state)
{
    AUTO(drop_free) char *pem = certificate_for(CLUSTER, ROLE_DEPLOYER, false, true, 0);

    (void)state;
    sleep(1);
    assert_refused(tls_client(pem), "/deployer", "expired");
}

static void a_client_of_another_authority_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *other_key = NULL;
    AUTO(drop_free) char *other = NULL, *pem = NULL;
    AUTO(drop_free) char *uri = role_uri(CLUSTER, ROLE_DEPLOYER, "tester");
    struct certificate_wish wish = {.common_name = "tester", .uri = uri, .client = true, .days = 5};
    struct err err = {0};

    (void)state;
    /* The same name, so that only the signature tells them apart. */
    assert_true(certificate_authority_make("test CA", 10, &other_key, &other, &err));
    struct authority ca = {other, other_key};
    assert_true(certificate_make(&ca, world.key, &wish, &pem, &err));
    assert_refused(tls_client(pem), "/deployer", "refused");
}

/* A second server, whose certificate is `pem`. */
static struct server *serve(const char *pem, unsigned *out_port)
{
    struct server_conf conf = {.routes = routes,
                               .route_count = COUNT_OF(routes),
                               .address = "127.0.0.1",
                               .certificate = pem,
                               .key = world.key};
    struct server *server = NULL;
    struct err err = {0};

    assert_true(server_start(&conf, &server, &err));
    *out_port = server_port(server);
    return server;
}

static void assert_server_refused(const char *pem, const char *host, const char *authority)
{
    unsigned port = 0;
    struct server *server = serve(pem, &port);
    AUTO(drop_free) char *url = text_make("https://%s:%u", host, port);
    AUTO(drop_free) char *to = text_make("127.0.0.1:%u", port);
    struct client_conf conf = {.url = url, .authority = authority, .connect_to = to};
    struct client *client = NULL;
    struct err err = {0};

    assert_true(client_open(&conf, &client, &err));
    assert_refused(client, "/all", "certificate");
    server_stop(server);
}

static void a_server_with_another_name_is_refused(void **state)
{
    AUTO(drop_free) char *pem = certificate_for(CLUSTER, ROLE_HOST, true, true, 5);

    (void)state;
    assert_server_refused(pem, "127.0.0.2", world.ca);
    assert_server_refused(pem, "h2.test", world.ca);
}

static void a_server_of_another_authority_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *other_key = NULL;
    AUTO(drop_free) char *other = NULL;
    AUTO(drop_free) char *pem = certificate_for(CLUSTER, ROLE_HOST, true, true, 5);
    struct err err = {0};

    (void)state;
    assert_true(certificate_authority_make("test CA", 10, &other_key, &other, &err));
    assert_server_refused(pem, "127.0.0.1", other);
}

static void an_expired_server_is_refused(void **state)
{
    AUTO(drop_free) char *pem = certificate_for(CLUSTER, ROLE_HOST, true, true, 0);

    (void)state;
    sleep(1);
    assert_server_refused(pem, "127.0.0.1", world.ca);
}

static void a_server_whose_certificate_is_for_clients_is_refused(void **state)
{
    struct authority ca = {world.ca, world.ca_key};
    struct certificate_wish wish = {
        .common_name = "tester", .addresses = loopback, .client = true, .days = 5};
    AUTO(drop_free) char *pem = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_make(&ca, world.key, &wish, &pem, &err));
    assert_server_refused(pem, "127.0.0.1", world.ca);
}

static int handshake_status(const char *version)
{
    AUTO(drop_run_result) struct run_result result = {0};
    struct run run = {.argv = RUN("openssl", "s_client", "-connect", world.url + strlen("https://"),
                                  version, "-cipher", "ALL:@SECLEVEL=0"),
                      .seconds = 10};
    struct err err = {0};

    assert_true(run_program(&run, &result, &err));
    return result.status;
}

static void tls_before_1_2_is_refused(void **state)
{
    (void)state;
    assert_int_equal(handshake_status("-tls1_3"), 0);
    assert_int_equal(handshake_status("-tls1_2"), 0);
    assert_int_not_equal(handshake_status("-tls1_1"), 0);
    assert_int_not_equal(handshake_status("-tls1"), 0);
}

static void the_socket_is_closed_to_others(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(stat(world.socket, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

/* In a child that became nobody; 0 when it was refused as it should. */
static int try_as_nobody(void)
{
    struct client *client = NULL;
    struct err err = {0};

    if (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0) {
        return 2;
    }
    client = local_client();
    return !ask(client, "/all", NULL, &err) && err.kind == ERR_DENIED && err.remedy[0] ? 0 : 1;
}

static void assert_nobody_is_refused(void)
{
    unsigned before = handled;
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        _exit(try_as_nobody());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(handled, before);
}

static void another_user_is_refused_by_the_sockets_mode_and_by_its_name(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chmod(world.folder, 0755), 0);
    assert_nobody_is_refused();
    /* Even where the file system lets it through, the kernel tells who it is. */
    assert_int_equal(chmod(world.socket, 0666), 0);
    assert_nobody_is_refused();
    assert_int_equal(chmod(world.socket, 0600), 0);
}

static void a_second_server_on_the_same_socket_clashes(void **state)
{
    struct server_conf conf = {
        .routes = routes, .route_count = COUNT_OF(routes), .socket = world.socket};
    struct server *server = NULL;
    struct err err = {0};

    (void)state;
    assert_false(server_start(&conf, &server, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_true(file_exists(world.socket));
}

static void a_socket_left_behind_is_replaced(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO(drop_server) struct server *server = NULL;
    struct err err = {0};

    (void)state;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/stale", world.folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    struct server_conf conf = {
        .routes = routes, .route_count = COUNT_OF(routes), .socket = address.sun_path};
    assert_true(server_start(&conf, &server, &err));
}

static void a_port_in_use_clashes(void **state)
{
    struct server_conf conf = {.routes = routes,
                               .route_count = COUNT_OF(routes),
                               .address = "127.0.0.1",
                               .port = server_port(world.server),
                               .certificate = world.server_certificate,
                               .key = world.key};
    struct server *server = NULL;
    struct err err = {0};

    (void)state;
    assert_false(server_start(&conf, &server, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_known_by_its_role_and_name),
        cmocka_unit_test(root_on_the_unix_socket_is_local),
        cmocka_unit_test(without_a_certificate_one_is_nobody),
        cmocka_unit_test(nobody_is_refused_where_a_member_is_wanted),
        cmocka_unit_test(a_role_the_route_does_not_serve_is_refused),
        cmocka_unit_test(a_certificate_meant_for_servers_is_refused),
        cmocka_unit_test(a_certificate_of_another_cluster_is_refused),
        cmocka_unit_test(a_certificate_without_a_role_is_refused),
        cmocka_unit_test(an_expired_client_certificate_is_refused),
        cmocka_unit_test(a_client_of_another_authority_is_refused),
        cmocka_unit_test(a_server_with_another_name_is_refused),
        cmocka_unit_test(a_server_of_another_authority_is_refused),
        cmocka_unit_test(an_expired_server_is_refused),
        cmocka_unit_test(a_server_whose_certificate_is_for_clients_is_refused),
        cmocka_unit_test(tls_before_1_2_is_refused),
        cmocka_unit_test(the_socket_is_closed_to_others),
        cmocka_unit_test(another_user_is_refused_by_the_sockets_mode_and_by_its_name),
        cmocka_unit_test(a_second_server_on_the_same_socket_clashes),
        cmocka_unit_test(a_socket_left_behind_is_replaced),
        cmocka_unit_test(a_port_in_use_clashes),
    };

    log_begin("test", LOG_CRIT);
    return cmocka_run_group_tests(tests, begin, world_end);
}
