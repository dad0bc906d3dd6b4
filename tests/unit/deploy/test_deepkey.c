/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/deepkey.h: what is asked of which host, in which order, and what an interruption leaves;
 * the agent is played by a server on a unix socket. */
#include "scratch.h"

#include <time.h>

#include "deploy/deepkey.h"

#define ALL "vm.copy:u1 vm.copy:u2 key.make key.rewrap key.look key.retire:k1 "

/* What the agent plays, and what it was asked. */
static struct {
    const char *kek, *old; /* `old`: a rotation is unfinished */
    const char *fails;     /* "vm.copy:u2": this step fails once */
    struct text asked;
} peer;

static struct {
    struct server *server;
    struct client *client;
    struct blueprint_host host;
    struct blueprint blueprint;
    struct remote remote, *remotes[1];
    struct report report;
    struct host_answer answers[1];
    struct deploy deploy;
} world;

static void answer_status(struct request *request, void *context)
{
    static const char vms[] =
        "[{\"id\": \"u1\", \"name\": \"mgr\", \"state\": \"running\", \"disks\":"
        " [{\"name\": \"system\", \"bytes\": 1}]}, {\"id\": \"u2\", \"name\": \"b\", \"state\":"
        " \"off\", \"disks\": []}, {\"id\": \"u3\", \"name\": \"plain\", \"state\": \"off\"}]";
    AUTO(drop_json)
    json_t *status =
        json_pack("{s:{s:s, s:s, s:s, s:s*}, s:o}", "provider", "name", "native", "type", "native",
                  "kek", peer.kek, "old_kek", peer.old, "vms", json_loads(vms, 0, NULL));

    (void)context;
    reply_json(request, 200, status);
}

/* "key.retire:k1", "vm.copy:u1", "key.look". */
static char *name_of(const json_t *order)
{
    const json_t *params = json_object_get(order, "params");
    const char *about = json_string_or(params, "vm", json_string_or(params, "kek", ""));

    return text_make("%s%s%s", json_string_or(order, "kind", ""), about[0] ? ":" : "", about);
}

static json_t *done(const char *name)
{
    if (text_starts(name, "vm.copy")) {
        return json_pack("{s:b, s:[]}", "live", 1, "disks");
    }
    if (text_starts(name, "key.make")) {
        peer.old = peer.old ? peer.old : peer.kek;
        peer.kek = strcmp(peer.old, "k1") == 0 ? "k2" : "k3";
        return json_pack("{s:s, s:s, s:s}", "type", "native", "kek", peer.kek, "old", peer.old);
    }
    if (text_starts(name, "key.retire")) {
        peer.old = NULL;
    }
    return json_pack("{s:i, s:[]}", "left", 0, "vms");
}

static void answer_step(struct request *request, void *context)
{
    AUTO(drop_json) json_t *order = NULL, *line = NULL;
    struct err err = {0};

    (void)context;
    assert_true(request_json(request, &order, &err));
    AUTO(drop_free) char *name = name_of(order);

    text_addf(&peer.asked, "%s ", name);
    if (peer.fails && strcmp(peer.fails, name) == 0) {
        peer.fails = NULL;
        line = json_pack("{s:s, s:{s:s, s:s}}", "event", "failed", "error", "kind", "away", "what",
                         "cut off");
    } else {
        line = json_pack("{s:s, s:b, s:o}", "event", "done", "changed", 1, "result", done(name));
    }
    (void)reply_line(request, line);
}

static const struct route routes[] = {
    {"GET", "/v1/status", ROLE_LOCAL, 0, answer_status},
    {"POST", "/v1/steps", ROLE_LOCAL, 65536, answer_step},
};

static void open_state(void)
{
    struct err err = {0};

    state_free(TAKE(world.deploy.state));
    if (!state_open(scratch_folder, "edge-01", true, &world.deploy.state, &err)) {
        fail_msg("%s", err.what);
    }
    world.report.state = world.deploy.state;
}

static int begin(void **state)
{
    struct err err = {0};

    if (scratch_begin(state) != 0) {
        return -1;
    }
    AUTO(drop_free) char *socket = scratch_path("agent.sock");
    const struct server_conf conf = {
        .routes = routes, .route_count = COUNT_OF(routes), .socket = socket};

    world.host = (struct blueprint_host){.name = (char *)(uintptr_t) "h1",
                                         .address = (char *)(uintptr_t) "127.0.0.1"};
    world.blueprint = (struct blueprint){.cluster = (char *)(uintptr_t) "edge-01",
                                         .datacenter = (char *)(uintptr_t) "fra1",
                                         .hosts = &world.host,
                                         .host_count = 1};
    if (!server_start(&conf, &world.server, &err) ||
        !client_open(&(struct client_conf){.socket = socket}, &world.client, &err)) {
        print_message("%s\n", err.what);
        return -1;
    }
    world.remote = (struct remote){.host = &world.host, .agent = world.client};
    world.remotes[0] = &world.remote;
    report_begin(&world.report, false);
    world.deploy = (struct deploy){.blueprint = &world.blueprint,
                                   .report = &world.report,
                                   .remotes = world.remotes,
                                   .answers = world.answers};
    open_state();
    return 0;
}

static int end(void **state)
{
    client_close(world.client);
    server_stop(world.server);
    state_free(world.deploy.state);
    report_end(&world.report);
    text_clear(&peer.asked);
    return scratch_end(state);
}

/* A cluster under k1, of which nothing was begun. */
static int fresh(void **state)
{
    (void)state;
    peer.kek = "k1";
    peer.old = peer.fails = NULL;
    text_clear(&peer.asked);
    json_decref(TAKE(world.deploy.state->deep));
    return 0;
}

static bool deep(bool dry_run, json_t **out, struct err *err)
{
    text_clear(&peer.asked);
    text_add(&peer.asked, "");
    return deploy_deepkey(&world.deploy, 0, dry_run, out, err);
}

static void asks(const char *wanted)
{
    AUTO(drop_json) json_t *result = NULL;
    struct err err = {0};

    if (!deep(false, &result, &err)) {
        fail_msg("%s", err.what);
    }
    assert_string_equal(peer.asked.bytes, wanted);
    assert_null(world.deploy.state->deep);
}

/* Fails at `step`, and what ran is forgotten but for the state on disk. */
static void interrupted_at(const char *step)
{
    AUTO(drop_json) json_t *result = NULL;
    struct err err = {0};

    peer.fails = step;
    assert_false(deep(false, &result, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    open_state();
}

static void a_deep_rekey_ends_with_the_old_kek_retired(void **state)
{
    AUTO(drop_json) json_t *result = NULL;
    struct err err = {0};

    (void)state;
    assert_true(deep(false, &result, &err));
    assert_string_equal(peer.asked.bytes, ALL);
    assert_string_equal(json_string_or(result, "kek", ""), "k2");
    assert_string_equal(json_string_or(result, "retired", ""), "k1");
    assert_int_equal(json_array_size(json_object_get(result, "vms")), 2);
    assert_int_equal(world.report.number, 2 + 4);
    assert_int_equal(world.report.of, 2 + 4);
}

static void a_dry_run_asks_for_no_step(void **state)
{
    AUTO(drop_json) json_t *result = NULL;
    struct err err = {0};

    (void)state;
    assert_true(deep(true, &result, &err));
    assert_string_equal(peer.asked.bytes, "");
    assert_true(json_is_null(json_object_get(result, "kek")));
    assert_string_equal(json_string_or(result, "retired", ""), "k1");
    assert_null(world.deploy.state->deep);
}

static void interrupted_between_the_copies_it_goes_on_with_the_next_vm(void **state)
{
    (void)state;
    interrupted_at("vm.copy:u2");
    asks("vm.copy:u2 key.make key.rewrap key.look key.retire:k1 ");
    asks("vm.copy:u1 vm.copy:u2 key.make key.rewrap key.look key.retire:k2 ");
}

static void interrupted_after_the_copies_it_goes_on_with_the_rotation(void **state)
{
    static const char *const steps[] = {"key.make", "key.rewrap", "key.look", "key.retire:k1"};

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        (void)fresh(state);
        interrupted_at(steps[i]);
        asks("key.make key.rewrap key.look key.retire:k1 ");
    }
}

/* Its new KEK may have wrapped an old VM key already. */
static void a_rotation_that_was_begun_before_is_finished_first(void **state)
{
    (void)state;
    peer.old = "k1";
    peer.kek = "k2";
    asks("key.make key.rewrap key.look key.retire:k1 vm.copy:u1 vm.copy:u2 key.make key.rewrap"
         " key.look key.retire:k2 ");
}

static void a_rotation_between_two_runs_has_all_done_anew(void **state)
{
    (void)state;
    interrupted_at("vm.copy:u2");
    peer.kek = "k2";
    asks("vm.copy:u1 vm.copy:u2 key.make key.rewrap key.look key.retire:k2 ");
}

static void an_interruption_of_long_ago_counts_for_nothing(void **state)
{
    (void)state;
    interrupted_at("key.make");
    json_object_set_new(world.deploy.state->deep, "began",
                        json_integer((json_int_t)time(NULL) - 25 * 60 * 60));
    asks(ALL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(a_deep_rekey_ends_with_the_old_kek_retired),
        TEST(a_dry_run_asks_for_no_step),
        TEST(interrupted_between_the_copies_it_goes_on_with_the_next_vm),
        TEST(interrupted_after_the_copies_it_goes_on_with_the_rotation),
        TEST(a_rotation_that_was_begun_before_is_finished_first),
        TEST(a_rotation_between_two_runs_has_all_done_anew),
        TEST(an_interruption_of_long_ago_counts_for_nothing),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
