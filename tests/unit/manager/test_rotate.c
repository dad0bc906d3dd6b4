/* SPDX-License-Identifier: Apache-2.0 */
/* manager/rotate.h: rotation is a task that an agent does; and health, as the API tells it. */
#include <stdatomic.h>

#include "world.h"

#define SAYS(rest) STATUS(", 'provider': {'name': 'native', 'type': 'native', 'kek': 'k1'" rest "}")

static atomic_bool go_on;

static void lines(struct request *request, const char *const *quoted)
{
    for (; *quoted; quoted++) {
        AUTO(drop_json) json_t *line = json_of(*quoted);

        (void)reply_line(request, line);
    }
}

static void rotates(struct request *request)
{
    static const char *const first[] = {"{'event': 'progress', 'percent': 40, 'what': 'wrap anew'}",
                                        NULL};
    static const char *const last[] = {
        "{'event': 'done', 'changed': true, 'result': {'kek': 'k2', 'retired': 'k1'}}", NULL};

    lines(request, first);
    while (!go_on) {
        usleep(10000);
    }
    lines(request, last);
}

static void fails(struct request *request)
{
    static const char *const all[] = {
        "{'event': 'failed', 'error': {'kind': 'away', 'what': 'no key server answers', 'remedy':"
        " 'mend the network'}}",
        NULL};

    lines(request, all);
}

static void breaks_off(struct request *request)
{
    static const char *const all[] = {"{'event': 'progress', 'percent': 1, 'what': 'begin'}", NULL};

    lines(request, all);
}

/* Never silent, never at its end. */
static void drips(struct request *request)
{
    AUTO(drop_json)
    json_t *line = json_of("{'event': 'progress', 'percent': 1, 'what': 'a little more'}");

    while (!go_on && reply_line(request, line)) {
        usleep(50000);
    }
}

static void refuses(struct request *request)
{
    struct err err = {0};

    err_set(&err, ERR_DENIED, "rotated less than an hour ago");
    reply_err(request, &err);
}

static int begin(void **state)
{
    world_begin(state);
    signed_in();
    deployed();
    agent_says(SAYS(""));
    json_decref(item_when("key-providers/native", "kek", "k1"));
    return 0;
}

/* The path of the task that this began. */
static char *rotate(void)
{
    AUTO(drop_json) json_t *task = NULL;
    struct err err = {0};

    assert_done(api("POST", "key-providers/native/rotate", NULL, &task, &err), &err);
    assert_string_equal(json_string_or(task, "kind", ""), "rotate");
    assert_string_equal(json_string_or(task, "actor", ""), "admin");
    return text_make("tasks/%lld", (long long)json_integer_value(json_object_get(task, "id")));
}

static json_int_t percent_of(const json_t *task)
{
    return json_integer_value(json_object_get(task, "percent"));
}

static void a_rotation_is_a_task_with_progress_and_end(void **state)
{
    (void)state;
    go_on = false;
    world.rotate = rotates;
    AUTO(drop_free) char *path = rotate();
    AUTO(drop_json) json_t *half = item_when(path, "doing", "wrap anew");

    assert_string_equal(json_string_or(half, "state", ""), "running");
    assert_int_equal(percent_of(half), 40);
    assert_true(json_is_null(json_object_get(half, "ended")));
    go_on = true;
    AUTO(drop_json) json_t *done = item_when(path, "state", "done");

    assert_int_equal(percent_of(done), 100);
    assert_true(json_is_string(json_object_get(done, "ended")));
    assert_true(json_is_null(json_object_get(done, "error")));
    assert_int_equal(events_with("rotated on h1: new keys are wrapped with k2"), 1);
}

static void one_rotation_runs_at_a_time(void **state)
{
    struct err err = {0};

    (void)state;
    go_on = false;
    world.rotate = rotates;
    AUTO(drop_free) char *path = rotate();

    assert_false(api("POST", "key-providers/native/rotate", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "runs already"));
    go_on = true;
    json_decref(item_when(path, "state", "done"));
}

static void a_rotation_that_fails_says_why_and_what_to_do(void **state)
{
    static const struct {
        void (*rotate)(struct request *request);
        const char *error;
    } cases[] = {{fails, "no key server answers"},
                 {refuses, "rotated less than an hour ago"},
                 {breaks_off, "did not say how it ended"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        world.rotate = cases[i].rotate;
        AUTO(drop_free) char *path = rotate();
        AUTO(drop_json) json_t *failed = item_when(path, "state", "failed");

        if (!strstr(json_string_or(failed, "error", ""), cases[i].error)) {
            fail_msg("'%s' does not say '%s'", json_string_or(failed, "error", ""), cases[i].error);
        }
    }
    assert_int_equal(events_with("the rotation on h1 failed: no key server answers"), 1);
}

static void what_cannot_be_rotated_is_refused_by_name(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(api("POST", "key-providers/corp/rotate", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    agent_says(NULL);
    json_decref(item_when("hosts/h1", "state", "away"));
    assert_false(api("POST", "key-providers/native/rotate", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    agent_says(SAYS(""));
    json_decref(item_when("hosts/h1", "state", "up"));
}

static void who_is_not_signed_in_rotates_nothing(void **state)
{
    const struct client_call call = {
        .method = "POST", .path = "/api/v1/key-providers/native/rotate", .seconds = 20};
    struct err err = {0};

    (void)state;
    assert_false(client_ask(world.client, &call, NULL, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void nothing_in_the_api_gives_a_key_away(void **state)
{
    static const char *const paths[] = {"key-providers/native/export", "key-providers/native/key",
                                        "key-providers/native/backup", "key/backup", "keys/native"};
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        for (size_t n = 0; n < COUNT_OF(methods); n++) {
            struct err err = {0};

            if (api(methods[n], paths[i], NULL, NULL, &err)) {
                fail_msg("%s %s is answered", methods[n], paths[i]);
            }
        }
    }
}

static void a_task_that_a_restart_cut_off_has_failed(void **state)
{
    const struct task task = {"rotate", "key-providers", "native", "admin"};
    int64_t id = 0;
    struct err err = {0};

    (void)state;
    assert_done(journal_task_begin(world.manager->database, &task, &id, &err), &err);
    manager_end();
    manager_begin();
    AUTO(drop_free) char *path = text_make("tasks/%lld", (long long)id);
    AUTO(drop_json) json_t *left = item_when(path, "state", "failed");

    assert_non_null(strstr(json_string_or(left, "error", ""), "started again"));
}

static void a_host_that_drips_progress_for_ever_ends_at_the_deadline(void **state)
{
    (void)state;
    go_on = false;
    world.rotate = drips;
    manager_end();
    world.rotate_seconds = 2;
    manager_begin();
    json_decref(item_when("key-providers/native", "kek", "k1"));
    AUTO(drop_free) char *path = rotate();
    AUTO(drop_json) json_t *failed = item_when(path, "state", "failed");

    if (!strstr(json_string_or(failed, "error", ""), "timed out after 20")) {
        fail_msg("%s", json_string_or(failed, "error", ""));
    }
    go_on = true;
    manager_end();
    world.rotate_seconds = 0;
    manager_begin();
    json_decref(item_when("key-providers/native", "kek", "k1"));
}

static void a_manager_that_stops_does_not_wait_for_such_a_host(void **state)
{
    (void)state;
    go_on = false;
    world.rotate = drips;
    AUTO(drop_free) char *path = rotate();

    json_decref(item_when(path, "doing", "a little more"));
    time_t began = time(NULL);

    manager_end();
    assert_true(time(NULL) - began < 60);
    go_on = true;
    manager_begin();
    AUTO(drop_json) json_t *failed = item_when(path, "state", "failed");

    assert_non_null(strstr(json_string_or(failed, "error", ""), "stopped meanwhile"));
    json_decref(item_when("key-providers/native", "kek", "k1"));
}

/* The API says what plan/health finds: here a host whose provider fails, and an old envelope. */
static void health_is_what_the_hosts_say(void **state)
{
    AUTO(drop_json) json_t *answer = NULL;
    struct err err = {0};
    bool fails = false, old = false;
    size_t i;
    json_t *one;

    (void)state;
    agent_says(STATUS(", 'time': 1, 'provider': {'name': 'native', 'type': 'native', 'kek': 'k1',"
                      " 'trouble': 'the TPM does not answer', 'last_failure': 1700000000},"
                      " 'vms': [{'name': 'mgr', 'id': 'u1', 'state': 'running', 'encrypted': true,"
                      " 'kek': 'k0'}]"));
    json_decref(item_when("vms/mgr", "envelope", "old"));
    assert_done(api("GET", "health", NULL, &answer, &err), &err);
    assert_string_equal(json_string_or(answer, "state", ""), "error");
    json_array_foreach(json_object_get(answer, "items"), i, one)
    {
        const char *code = json_string_or(one, "code", "");

        fails = fails || strcmp(code, "provider.fails") == 0;
        old = old || strcmp(code, "envelope.old") == 0;
    }
    assert_true(fails && old);
    AUTO(drop_json)
    json_t *provider = item_when("key-providers/native", "trouble", "the TPM does not answer");
    const json_t *host = json_array_get(json_object_get(provider, "hosts"), 0);
    AUTO(drop_json) json_t *vm = item_when("vms/mgr", "kek", "k0");

    assert_string_equal(json_string_or(host, "last_failure", ""), "2023-11-14T22:13:20Z");
    (void)events_with("");
    json_decref(TAKE(vm));
    vm = item_when("vms/mgr", "kek", "k0");
    assert_true(json_is_string(json_object_get(vm, "kek_since")));
}

static void a_cluster_that_is_well_is_ok(void **state)
{
    AUTO(drop_json) json_t *answer = NULL;
    struct err err = {0};

    (void)state;
    agent_says(SAYS(""));
    json_decref(item_when("key-providers/native", "kek", "k1"));
    seen_again();
    assert_done(api("GET", "health", NULL, &answer, &err), &err);
    assert_string_equal(json_string_or(answer, "state", ""), "ok");
    assert_int_equal(json_array_size(json_object_get(answer, "items")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_is_a_task_with_progress_and_end),
        cmocka_unit_test(one_rotation_runs_at_a_time),
        cmocka_unit_test(a_rotation_that_fails_says_why_and_what_to_do),
        cmocka_unit_test(what_cannot_be_rotated_is_refused_by_name),
        cmocka_unit_test(who_is_not_signed_in_rotates_nothing),
        cmocka_unit_test(nothing_in_the_api_gives_a_key_away),
        cmocka_unit_test(a_task_that_a_restart_cut_off_has_failed),
        cmocka_unit_test(a_host_that_drips_progress_for_ever_ends_at_the_deadline),
        cmocka_unit_test(a_manager_that_stops_does_not_wait_for_such_a_host),
        cmocka_unit_test(health_is_what_the_hosts_say),
        cmocka_unit_test(a_cluster_that_is_well_is_ok),
    };

    return cmocka_run_group_tests(tests, begin, world_end);
}
