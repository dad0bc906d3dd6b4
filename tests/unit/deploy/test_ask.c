/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/remote.h, deploy/make.c, deploy/manager.h: what is asked of an agent and of the manager,
 * held against docs/protocol.md; both are played by a server on a unix socket. */
#include "scratch.h"

#include <sys/stat.h>

#include "base/password.h"
#include "deploy/deploy.h"
#include "deploy/manager.h"

/* What the agent plays, and what it was asked. */
static struct {
    const char *const *lines; /* its answer, ended by NULL */
    json_t *order;            /* the last step */
    json_t *session;          /* the last sign in */
    const char *token;
} peer;

static struct {
    struct server *server;
    struct client *client;
    struct blueprint_host host;
    struct blueprint_disk disk;
    struct blueprint_volume volumes[2];
    struct blueprint blueprint;
    struct remote remote, *remotes[1];
    struct facts *facts[1]; /* it was not looked at */
    struct report report;
    struct deploy deploy;
} world;

static void answer_step(struct request *request, void *context)
{
    struct err err = {0};

    (void)context;
    json_decref(TAKE(peer.order));
    assert_true(request_json(request, &peer.order, &err));
    for (size_t i = 0; peer.lines[i]; i++) {
        AUTO(drop_json) json_t *line = json_loads(peer.lines[i], 0, NULL);

        (void)reply_line(request, line);
    }
}

static void answer_session(struct request *request, void *context)
{
    AUTO(drop_json) json_t *answer = json_pack("{s:s}", "token", peer.token);
    struct err err = {0};

    (void)context;
    json_decref(TAKE(peer.session));
    if (!request_json(request, &peer.session, &err)) {
        reply_err(request, &err);
        return;
    }
    reply_json(request, 200, answer);
}

static const struct route routes[] = {
    {"POST", "/v1/steps", ROLE_LOCAL, 65536, answer_step},
    {"POST", "/api/v1/session", ROLE_LOCAL, 65536, answer_session},
};

static void fill_blueprint(void)
{
    struct blueprint *blueprint = &world.blueprint;

    world.host = (struct blueprint_host){.name = (char *)(uintptr_t) "h1",
                                         .address = (char *)(uintptr_t) "127.0.0.1"};
    world.volumes[0] =
        (struct blueprint_volume){.name = (char *)(uintptr_t) "system", .bytes = 4u << 20};
    world.volumes[1] =
        (struct blueprint_volume){.name = (char *)(uintptr_t) "data", .bytes = 8u << 20};
    *blueprint = (struct blueprint){.cluster = (char *)(uintptr_t) "edge-01",
                                    .datacenter = (char *)(uintptr_t) "fra1",
                                    .hosts = &world.host,
                                    .host_count = 1};
    blueprint->datastore.type = (char *)(uintptr_t) "ceph";
    blueprint->datastore.name = (char *)(uintptr_t) "ds1";
    blueprint->datastore.network = (char *)(uintptr_t) "127.0.0.0/8";
    blueprint->datastore.replicas = 1;
    blueprint->manager = (struct blueprint_manager){.name = (char *)(uintptr_t) "mgr",
                                                    .cpus = 2,
                                                    .memory_bytes = 1u << 30,
                                                    .disks = world.volumes,
                                                    .disk_count = 2};
    blueprint->manager.network.bridge = (char *)(uintptr_t) "br0";
    blueprint->manager.network.address = (char *)(uintptr_t) "127.0.0.10/24";
    blueprint->manager.network.hostname = (char *)(uintptr_t) "mgr.test";
    blueprint->manager.admin.user = (char *)(uintptr_t) "admin";
    blueprint->manager.admin.password_file = scratch_path("password");
    blueprint->encryption.provider.name = (char *)(uintptr_t) "corp";
    blueprint->encryption.provider.type = (char *)(uintptr_t) "native";
}

static void write_password(const char *bytes)
{
    struct err err = {0};

    assert_true(
        file_write(world.blueprint.manager.admin.password_file, bytes, strlen(bytes), 0600, &err));
}

static int begin(void **state)
{
    struct err err = {0};

    if (scratch_begin(state) != 0) {
        return -1;
    }
    log_begin("test", LOG_CRIT);
    AUTO(drop_free) char *socket = scratch_path("socket");

    fill_blueprint();
    write_password("a password");
    assert_true(server_start(
        &(struct server_conf){.routes = routes, .route_count = COUNT_OF(routes), .socket = socket},
        &world.server, &err));
    assert_true(client_open(&(struct client_conf){.socket = socket}, &world.client, &err));
    world.remote = (struct remote){.host = &world.host, .agent = world.client};
    world.remotes[0] = &world.remote;
    world.report = (struct report){.phase = "check"};
    world.deploy = (struct deploy){.blueprint = &world.blueprint,
                                   .report = &world.report,
                                   .remotes = world.remotes,
                                   .facts = world.facts};
    assert_true(state_open(scratch_folder, "edge-01", true, &world.deploy.state, &err));
    return 0;
}

static int end(void **state)
{
    client_close(world.client);
    server_stop(world.server);
    state_free(world.deploy.state);
    json_decref(world.deploy.vm);
    free(world.blueprint.manager.admin.password_file);
    json_decref(TAKE(peer.order));
    json_decref(TAKE(peer.session));
    return scratch_end(state);
}

#define IT(test) cmocka_unit_test_setup_teardown(test, begin, end)

/* ---- answers ---- */

static bool ask(const char *const *lines, json_t **out, struct err *err)
{
    peer.lines = lines;
    return deploy_step(&world.deploy, &world.remote, "store.pool", NULL, out, err);
}

static void progress_is_told_and_the_result_kept(void **state)
{
    static const char *const lines[] = {
        "{\"event\":\"progress\",\"percent\":40,\"what\":\"write\"}",
        "{\"event\":\"done\",\"changed\":true,\"result\":{\"x\":1}}", NULL};
    AUTO(drop_json) json_t *result = NULL;
    struct err err = {0};

    (void)state;
    assert_true(ask(lines, &result, &err));
    assert_int_equal(world.report.percent, 40);
    assert_true(world.deploy.changed);
    assert_int_equal(json_integer_value(json_object_get(result, "x")), 1);
}

static void what_held_already_changed_nothing(void **state)
{
    static const char *const lines[] = {"{\"event\":\"done\",\"changed\":false,\"result\":{}}",
                                        NULL};
    struct err err = {0};

    (void)state;
    assert_true(ask(lines, NULL, &err));
    assert_false(world.deploy.changed);
}

static void the_agents_failure_is_ours_with_its_kind_and_remedy(void **state)
{
    static const char *const lines[] = {"{\"event\":\"failed\",\"error\":{\"kind\":\"clash\","
                                        "\"what\":\"held\",\"remedy\":\"free\"}}",
                                        NULL};
    struct err err = {0};

    (void)state;
    assert_false(ask(lines, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "h1"));
    assert_non_null(strstr(err.what, "held"));
    assert_string_equal(err.remedy, "free");
}

static void a_failure_without_a_reason_is_a_failure(void **state)
{
    static const char *const lines[] = {"{\"event\":\"failed\"}", NULL};
    struct err err = {0};

    (void)state;
    assert_false(ask(lines, NULL, &err));
    assert_int_equal(err.kind, ERR_BUG);
}

static void an_answer_that_breaks_off_is_away_with_a_remedy(void **state)
{
    static const char *const lines[] = {
        "{\"event\":\"progress\",\"percent\":40,\"what\":\"write\"}", NULL};
    struct err err = {0};

    (void)state;
    assert_false(ask(lines, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_string_not_equal(err.remedy, "");
}

static void an_unknown_event_is_refused(void **state)
{
    static const char *const lines[] = {"{\"event\":\"cake\"}", NULL};
    struct err err = {0};

    (void)state;
    assert_false(ask(lines, NULL, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void an_agent_that_is_gone_is_away(void **state)
{
    static const char *const lines[] = {NULL};
    struct err err = {0};

    (void)state;
    server_stop(TAKE(world.server));
    assert_false(ask(lines, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
}

/* ---- orders ---- */

static const char *const done[] = {"{\"event\":\"done\",\"changed\":true,\"result\":{"
                                   "\"vm\":\"6f1c2a3b-4d5e-4f60-8a1b-2c3d4e5f6071\","
                                   "\"ca\":\"PEM\\n\",\"disks\":[]}}",
                                   NULL};

static const json_t *make(const char *kind, const char *target)
{
    const struct step step = {.kind = step_kind_find(kind),
                              .host = (char *)(uintptr_t) "h1",
                              .target = (char *)(uintptr_t)target};
    struct err err = {0};

    peer.lines = done;
    for (const struct deploy_maker *maker = deploy_makers; maker->kind; maker++) {
        if (strcmp(maker->kind, kind) == 0 && !maker->make(&world.deploy, &step, &err)) {
            fail_msg("%s: %s", kind, err.what);
        }
    }
    return json_object_get(peer.order, "params");
}

static void assert_params(const json_t *params, const char *expected)
{
    AUTO(drop_json) json_t *wanted = json_loads(expected, 0, NULL);
    AUTO(drop_free) char *said = json_write(params);

    assert_non_null(wanted);
    if (!json_equal(params, wanted)) {
        fail_msg("%s is not %s", said, expected);
    }
}

static void every_step_of_a_plan_has_a_maker(void **state)
{
    (void)state;
    for (const struct step_kind *kind = step_kinds; kind->name; kind++) {
        const struct deploy_maker *maker = deploy_makers;

        while (maker->kind && strcmp(maker->kind, kind->name) != 0) {
            maker++;
        }
        /* Hosts two to N are another version's. */
        if (!maker->kind && strcmp(kind->name, "host.join") != 0) {
            fail_msg("nobody makes '%s'", kind->name);
        }
    }
}

static void an_order_names_cluster_and_host(void **state)
{
    (void)state;
    (void)make("store.pool", "");
    const json_t *cluster = json_object_get(peer.order, "cluster");
    const json_t *host = json_object_get(peer.order, "host");

    assert_string_equal(json_string_or(peer.order, "kind", ""), "store.pool");
    assert_string_equal(json_string_or(cluster, "id", ""), world.deploy.state->cluster_id);
    assert_string_equal(json_string_or(cluster, "name", ""), "edge-01");
    assert_string_equal(json_string_or(cluster, "datacenter", ""), "fra1");
    assert_string_equal(json_string_or(host, "name", ""), "h1");
    assert_string_equal(json_string_or(host, "address", ""), "127.0.0.1");
}

static void params_are_as_the_protocol_says(void **state)
{
    (void)state;
    assert_params(make("provider.open", ""),
                  "{\"name\":\"corp\",\"type\":\"native\",\"tpm\":\"auto\",\"recovery\":\"off\"}");
    assert_params(make("store.begin", ""), "{\"type\":\"ceph\",\"name\":\"ds1\",\"network\":"
                                           "\"127.0.0.0/8\",\"replicas\":1}");
    assert_params(make("ca.make", ""), "{}");
    AUTO(drop_free) char *pem = NULL;
    struct err err = {0};

    assert_true(state_read_ca(world.deploy.state, &pem, &err));
    assert_string_equal(pem, "PEM\n");
}

/* A step that named less would take the binding, or what is kept, away. */
static void each_step_that_names_the_provider_says_all_of_it(void **state)
{
    static const char *const lines[] = {
        "{\"event\":\"done\",\"changed\":false,\"result\":{\"request\":\"PEM\"}}", NULL};
    static unsigned pcrs[] = {7, 11};
    AUTO(drop_json) json_t *opened = NULL;
    AUTO(drop_free) char *pem = NULL;
    struct err err = {0};

    (void)state;
    world.blueprint.encryption.pcrs = pcrs;
    world.blueprint.encryption.pcr_count = 2;
    world.blueprint.encryption.cache_seconds = 3600;
    world.blueprint.encryption.recovery = RECOVERY_REQUIRED;
    opened = json_deep_copy(make("provider.open", ""));
    assert_params(opened, "{\"name\":\"corp\",\"type\":\"native\",\"tpm\":\"auto\","
                          "\"recovery\":\"required\",\"pcrs\":[7,11],\"cache\":3600}");
    peer.lines = lines;
    assert_true(deploy_request(&world.deploy, &world.remote, &pem, &err));
    assert_true(json_equal(json_object_get(peer.order, "params"), opened));
}

static void vm_seal_carries_a_hash_and_never_the_password(void **state)
{
    (void)state;
    AUTO(drop_json) json_t *params = json_deep_copy(make("vm.seal", ""));
    AUTO(drop_free) char *said = json_write(peer.order);
    json_t *admin = json_object_get(params, "admin");

    assert_null(strstr(said, "a password"));
    assert_string_equal(json_string_or(admin, "user", ""), "admin");
    assert_true(text_starts(json_string_or(admin, "password_hash", ""), "scrypt$"));
    json_object_del(params, "admin");
    assert_params(params, "{\"name\":\"mgr\",\"cpus\":2,\"memory\":1024,\"accel\":\"tcg\","
                          "\"disks\":[{\"name\":\"system\",\"bytes\":4194304},"
                          "{\"name\":\"data\",\"bytes\":8388608}],"
                          "\"network\":{\"bridge\":\"br0\",\"address\":\"127.0.0.10/24\","
                          "\"dns\":[],\"hostname\":\"mgr.test\"}}");
}

static void disks_without_an_image_are_asked_for_by_name(void **state)
{
    (void)state;
    (void)make("vm.seal", "");
    assert_params(make("disk.pour", "data"),
                  "{\"vm\":\"6f1c2a3b-4d5e-4f60-8a1b-2c3d4e5f6071\",\"disk\":\"data\"}");
    assert_string_equal(json_string_or(peer.order, "kind", ""), "disk.blank");
    assert_params(make("disk.pour", "identity"),
                  "{\"vm\":\"6f1c2a3b-4d5e-4f60-8a1b-2c3d4e5f6071\"}");
    assert_string_equal(json_string_or(peer.order, "kind", ""), "disk.identity");
}

/* ---- the manager ---- */

static void any_password_arrives_as_it_is(void **state)
{
    static const char *const passwords[] = {"plain and long", "with \"quotes\" and \\ in it",
                                            "a\ttab and \001 control", "caf\xc3\xa9 \xe2\x82\xac",
                                            "\",\"user\":\"root"};

    (void)state;
    peer.token = "abc-DEF_123";
    for (size_t i = 0; i < COUNT_OF(passwords); i++) {
        AUTO(drop_secret) struct secret *token = NULL;
        struct err err = {0};

        write_password(passwords[i]);
        if (!manager_sign_in(&world.deploy, world.client, &token, &err)) {
            fail_msg("%s", err.what);
        }
        assert_int_equal(json_object_size(peer.session), 2);
        assert_string_equal(json_string_or(peer.session, "user", ""), "admin");
        assert_string_equal(json_string_or(peer.session, "password", ""), passwords[i]);
        assert_int_equal(secret_size(token), strlen(peer.token));
    }
}

static void a_manager_without_a_token_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *token = NULL;
    struct err err = {0};

    (void)state;
    peer.token = "";
    assert_false(manager_sign_in(&world.deploy, world.client, &token, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(token);
}

static void a_password_that_others_may_read_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *token = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(chmod(world.blueprint.manager.admin.password_file, 0644), 0);
    assert_false(manager_sign_in(&world.deploy, world.client, &token, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_null(peer.session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(progress_is_told_and_the_result_kept),
        IT(what_held_already_changed_nothing),
        IT(the_agents_failure_is_ours_with_its_kind_and_remedy),
        IT(a_failure_without_a_reason_is_a_failure),
        IT(an_answer_that_breaks_off_is_away_with_a_remedy),
        IT(an_unknown_event_is_refused),
        IT(an_agent_that_is_gone_is_away),
        IT(every_step_of_a_plan_has_a_maker),
        IT(an_order_names_cluster_and_host),
        IT(params_are_as_the_protocol_says),
        IT(each_step_that_names_the_provider_says_all_of_it),
        IT(vm_seal_carries_a_hash_and_never_the_password),
        IT(disks_without_an_image_are_asked_for_by_name),
        IT(any_password_arrives_as_it_is),
        IT(a_manager_without_a_token_is_refused),
        IT(a_password_that_others_may_read_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
