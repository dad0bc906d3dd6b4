/* SPDX-License-Identifier: Apache-2.0 */
/* A small world for tests of client and server: an authority, a server on loopback and on a unix
 * socket in a folder of its own, and clients of each role. */
#ifndef QUOIN_TESTS_WIRE_WORLD_H
#define QUOIN_TESTS_WIRE_WORLD_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "wire/wire.h"

#define CLUSTER       "01234567-89ab-4cde-8f01-23456789abcd"
#define OTHER_CLUSTER "76543210-89ab-4cde-8f01-23456789abcd"

struct world {
    char folder[64];
    char socket[96];
    char url[64];
    struct secret *ca_key, *key; /* one key for everybody: only certificates differ */
    char *ca, *server_certificate;
    struct server *server;
};

static struct world world;

static const char *const loopback[] = {"127.0.0.1", NULL};

__attribute__((unused)) static char *certificate_for(const char *cluster, enum role role,
                                                     bool server, bool client, unsigned days)
{
    AUTO(drop_free) char *uri = cluster ? role_uri(cluster, role, "tester") : NULL;
    struct authority ca = {world.ca, world.ca_key};
    struct certificate_wish wish = {.common_name = "tester",
                                    .addresses = server ? loopback : NULL,
                                    .uri = uri,
                                    .server = server,
                                    .client = client,
                                    .days = days};
    char *pem = NULL;
    struct err err = {0};

    assert_true(certificate_make(&ca, world.key, &wish, &pem, &err));
    return pem;
}

/* With these routes, on both listeners. */
__attribute__((unused)) static int world_begin(const struct route *routes, size_t count,
                                               unsigned idle_seconds)
{
    struct err err = {0};

    memcpy(world.folder, "/tmp/quoin-wire.XXXXXX", 23);
    assert_non_null(mkdtemp(world.folder));
    (void)snprintf(world.socket, sizeof(world.socket), "%s/socket", world.folder);
    assert_true(certificate_authority_make("test CA", 10, &world.ca_key, &world.ca, &err));
    assert_true(certificate_key_make(&world.key, &err));
    world.server_certificate = certificate_for(CLUSTER, ROLE_HOST, true, true, 5);
    struct server_conf conf = {.routes = routes,
                               .route_count = count,
                               .context = &world,
                               .socket = world.socket,
                               .address = "127.0.0.1",
                               .certificate = world.server_certificate,
                               .key = world.key,
                               .authority = world.ca,
                               .cluster = CLUSTER,
                               .idle_seconds = idle_seconds};

    if (!server_start(&conf, &world.server, &err)) {
        fail_msg("%s", err.what);
    }
    (void)snprintf(world.url, sizeof(world.url), "https://127.0.0.1:%u", server_port(world.server));
    return 0;
}

__attribute__((unused)) static int world_end(void **state)
{
    struct err err = {0};

    (void)state;
    server_stop(world.server);
    secret_free(world.ca_key);
    secret_free(world.key);
    free(world.ca);
    free(world.server_certificate);
    assert_true(file_remove_tree(world.folder, &err));
    return 0;
}

__attribute__((unused)) static struct client *local_client(void)
{
    struct client_conf conf = {.socket = world.socket};
    struct client *client = NULL;
    struct err err = {0};

    assert_true(client_open(&conf, &client, &err));
    return client;
}

/* `certificate` may be NULL: anonymous. */
__attribute__((unused)) static struct client *tls_client(const char *certificate)
{
    struct client_conf conf = {.url = world.url,
                               .authority = world.ca,
                               .certificate = certificate,
                               .key = certificate ? world.key : NULL};
    struct client *client = NULL;
    struct err err = {0};

    assert_true(client_open(&conf, &client, &err));
    return client;
}

__attribute__((unused)) static struct client *deployer_client(void)
{
    AUTO(drop_free) char *pem = certificate_for(CLUSTER, ROLE_DEPLOYER, false, true, 5);

    return tls_client(pem);
}

__attribute__((unused)) static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Each test runs over both: the unix socket as root, TLS as the deployer. */
#define MEMBERS (ROLE_LOCAL | ROLE_DEPLOYER)
static struct client *clients[2];

__attribute__((unused)) static int setup(void **state)
{
    (void)state;
    clients[0] = local_client();
    clients[1] = deployer_client();
    return 0;
}

__attribute__((unused)) static int teardown(void **state)
{
    (void)state;
    client_close(clients[0]);
    client_close(clients[1]);
    return 0;
}

#define BOTH(client)                                                                               \
    for (struct client **at = clients, *client = *at; at < clients + 2;                            \
         client = ++at < clients + 2 ? *at : NULL)

__attribute__((unused)) static void assert_done(bool ok, const struct err *err)
{
    if (!ok) {
        fail_msg("%s", err->what);
    }
}

#define IT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
