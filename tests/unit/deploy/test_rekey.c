/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/rekey.h: who takes part in a change of the KEK. The agent is played by a server on a unix
 * socket. */
#include "scratch.h"

#include "deploy/rekey.h"

static struct {
    struct server *server;
    struct client *client;
    struct blueprint_host host;
    struct blueprint blueprint;
    struct remote remote, *remotes[1];
    struct deploy deploy;
    json_t *status; /* what the agent says */
} world;

static void answer_status(struct request *request, void *context)
{
    (void)context;
    reply_json(request, 200, world.status);
}

static const struct route routes[] = {
    {"GET", "/v1/status", ROLE_LOCAL, 65536, answer_status},
};

static int begin(void **state)
{
    struct err err = {0};

    if (scratch_begin(state) != 0) {
        return -1;
    }
    log_begin("test", LOG_CRIT);
    AUTO(drop_free) char *socket = scratch_path("socket");

    world.host = (struct blueprint_host){.name = (char *)(uintptr_t) "h1",
                                         .address = (char *)(uintptr_t) "127.0.0.1"};
    world.blueprint = (struct blueprint){
        .cluster = (char *)(uintptr_t) "edge-01", .hosts = &world.host, .host_count = 1};
    assert_true(server_start(
        &(struct server_conf){.routes = routes, .route_count = COUNT_OF(routes), .socket = socket},
        &world.server, &err));
    assert_true(client_open(&(struct client_conf){.socket = socket}, &world.client, &err));
    world.remote = (struct remote){.host = &world.host, .agent = world.client};
    world.remotes[0] = &world.remote;
    world.deploy = (struct deploy){.blueprint = &world.blueprint, .remotes = world.remotes};
    world.status =
        json_pack("{s:{s:s, s:s, s:s}, s:{s:[{s:s}]}, s:[]}", "provider", "name", "corp", "type",
                  "native", "kek", "native:1", "datastore", "hosts", "name", "h1", "vms");
    assert_non_null(world.status);
    return 0;
}

static int end(void **state)
{
    client_close(world.client);
    server_stop(world.server);
    json_decref(TAKE(world.status));
    return scratch_end(state);
}

static void a_cluster_that_is_as_the_blueprint_says_is_rekeyed(void **state)
{
    AUTO(drop_json) json_t *look = NULL;
    struct err err = {0};

    (void)state;
    if (!rekey_look(&world.deploy, NULL, &look, &err)) {
        fail_msg("%s", err.what);
    }
    assert_string_equal(json_string_or(look, "kek", ""), "native:1");
}

static void a_host_of_the_cluster_that_no_blueprint_names_is_a_clash(void **state)
{
    AUTO(drop_json) json_t *look = NULL;
    struct err err = {0};

    (void)state;
    json_array_append_new(json_object_get(json_object_get(world.status, "datastore"), "hosts"),
                          json_pack("{s:s}", "name", "h2"));
    assert_false(rekey_look(&world.deploy, NULL, &look, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "'h2'"));
    assert_false(rekey_run(&world.deploy, NULL, &look, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_cluster_that_is_as_the_blueprint_says_is_rekeyed),
        TEST(a_host_of_the_cluster_that_no_blueprint_names_is_a_clash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
