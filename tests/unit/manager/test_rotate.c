/* SPDX-License-Identifier: Apache-2.0 */
/* manager/rotate.h: rotation is a task that an agent does; and health, as the API tells it. */
#include <stdatomic.h>

#include "world.h"

#define SAYS(rest) STATUS(", 'provider': {'name': 'native', 'type': 'native', 'kek': 'k1'" rest "}")

/* ---- hosts ---- */

/* What quoind is asked, seen from here. Words are objects that name who gave them and what for; a
 * host holds them against what it needs, as quoind does. */
static struct host {
    const char *name, *address;
    struct server *server; /* NULL: it is the world's */
    char kek[8], old[8];   /* "": none */
    bool begun;
    const char *provider;
    const char *members; /* as json_of reads it */
    char asked[256];     /* the phases it was asked for, a blank behind each */
    bool fails;          /* in "rewrap" */
    bool away;           /* it answers no phase */
} hosts[] = {
    {.name = "h1", .address = "127.0.0.1"},
    {.name = "h2", .address = "127.0.0.2"},
    {.name = "h3", .address = "127.0.0.3"},
};

static size_t host_count;
static atomic_bool go_on;

static void hosts_as_at_first(size_t count)
{
    host_count = count;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct host *host = &hosts[i];

        (void)snprintf(host->kek, sizeof(host->kek), "k1");
        host->old[0] = host->asked[0] = '\0';
        host->begun = host->fails = host->away = false;
        host->provider = "native";
        host->members = count == 1 ? "['h1']" : "['h1', 'h2', 'h3']";
    }
}

static void lines(struct request *request, const char *const *quoted)
{
    for (; *quoted; quoted++) {
        AUTO(drop_json) json_t *line = json_of(*quoted);

        (void)reply_line(request, line);
    }
}

/* `result` is taken. */
static void say_done(struct request *request, json_t *result)
{
    AUTO(drop_json)
    json_t *line = json_pack("{s:s, s:b, s:o}", "event", "done", "changed", 1, "result", result);

    (void)reply_line(request, line);
}

static void say_failed(struct request *request, const char *what)
{
    AUTO(drop_json)
    json_t *line = json_pack("{s:s, s:{s:s, s:s, s:s}}", "event", "failed", "error", "kind",
                             "clash", "what", what, "remedy", "mend it");

    (void)reply_line(request, line);
}

static json_t *word(const char *from, const char *about, const char *kek)
{
    return json_pack("{s:s, s:s, s:s}", "from", from, "about", about, "kek", kek);
}

static bool is_word(const json_t *given, const char *from, const char *about, const char *kek)
{
    AUTO(drop_json) json_t *wanted = word(from, about, kek);

    return json_equal(given, wanted);
}

/* Of every other host. */
static bool all_words(const struct host *host, const json_t *params, const char *about)
{
    const json_t *words = json_object_get(params, "words");

    for (size_t i = 0; i < host_count; i++) {
        const char *name = hosts[i].name;

        if (&hosts[i] != host && !is_word(json_object_get(words, name), name, about, host->kek)) {
            return false;
        }
    }
    return true;
}

static void host_look(struct host *host, struct request *request)
{
    json_t *members = json_of(host->members);

    say_done(request, json_pack("{s:s, s:s, s:s, s:s?, s:b, s:o, s:s, s:o?, s:o?}", "host",
                                host->name, "provider", host->provider, "kek", host->kek, "old",
                                host->old[0] ? host->old : NULL, "begun", host->begun, "members",
                                members, "certificate", host->address, "word",
                                host->old[0] ? NULL : word(host->name, "ask", host->kek), "rest",
                                host->old[0] ? NULL : word(host->name, "rest", host->kek)));
}

static void has(struct host *host, struct request *request)
{
    say_done(request,
             json_pack("{s:s, s:s?, s:o}", "kek", host->kek, "old", host->old[0] ? host->old : NULL,
                       "word", word(host->name, "has", host->kek)));
}

static void next(struct host *host, const char *kek)
{
    if (strcmp(host->kek, kek) != 0) {
        (void)snprintf(host->old, sizeof(host->old), "%s", host->kek);
        (void)snprintf(host->kek, sizeof(host->kek), "%s", kek);
    }
}

static void host_make(struct host *host, struct request *request, const json_t *params)
{
    if (!host->old[0] && !all_words(host, params, "rest")) {
        say_failed(request, "a host has not ended the last one");
        return;
    }
    next(host, host->old[0] ? host->kek : "k2");
    has(host, request);
}

static void host_take(struct host *host, struct request *request, const json_t *params)
{
    const char *kek = json_string_or(params, "kek", "");
    AUTO(drop_free) char *parcel = text_make("for %s", host->address);

    if (strcmp(host->kek, kek) != 0 &&
        !(is_word(json_object_get(params, "word"), parcel, "next", kek) &&
          strcmp(json_string_or(params, "parcel", ""), parcel) == 0)) {
        say_failed(request, "no host gave this parcel");
        return;
    }
    next(host, kek);
    has(host, request);
}

static void host_share(struct host *host, struct request *request, const json_t *params)
{
    const json_t *given = json_object_get(params, "word");
    const char *to = json_string_or(params, "certificate", "");
    AUTO(drop_free) char *parcel = text_make("for %s", to);

    if (!is_word(given, json_string_or(given, "from", ""), "ask", host->old)) {
        say_failed(request, "no host asked for it");
        return;
    }
    say_done(request, json_pack("{s:s, s:s, s:o}", "kek", host->kek, "parcel", parcel, "word",
                                word(parcel, "next", host->kek)));
}

static void host_retire(struct host *host, struct request *request, const json_t *params)
{
    if (!all_words(host, params, "done") ||
        (host->old[0] && strcmp(host->old, json_string_or(params, "kek", "")) != 0)) {
        say_failed(request, "a host still needs it");
        return;
    }
    host->old[0] = '\0';
    say_done(request, json_object());
}

static void host_rewrap(struct host *host, struct request *request, const json_t *params)
{
    if (host->fails || !all_words(host, params, "has")) {
        say_failed(request, host->fails ? "no key server answers" : "a host has not the KEK");
    } else {
        say_done(request, json_object());
    }
}

static void host_does(struct host *host, struct request *request, const char *phase)
{
    AUTO(drop_json) json_t *params = NULL;
    size_t used = strlen(host->asked);
    struct err err = {0};

    if ((host->away && !err_set(&err, ERR_AWAY, "the host is busy")) ||
        !request_json(request, &params, &err)) {
        reply_err(request, &err);
        return;
    }
    (void)snprintf(host->asked + used, sizeof(host->asked) - used, "%s ", phase);
    if (strcmp(phase, "look") == 0) {
        host_look(host, request);
    } else if (strcmp(phase, "make") == 0) {
        host_make(host, request, params);
    } else if (strcmp(phase, "share") == 0) {
        host_share(host, request, params);
    } else if (strcmp(phase, "take") == 0) {
        host_take(host, request, params);
    } else if (strcmp(phase, "rewrap") == 0) {
        host_rewrap(host, request, params);
    } else if (strcmp(phase, "verify") == 0) {
        say_done(request, json_pack("{s:o}", "word", word(host->name, "done", host->kek)));
    } else {
        host_retire(host, request, params);
    }
}

static void first_does(struct request *request, const char *phase)
{
    host_does(&hosts[0], request, phase);
}

/* ---- what the first host does besides ---- */

static void rotates(struct request *request, const char *phase)
{
    static const char *const half[] = {"{'event': 'progress', 'percent': 50, 'what': 'wrap anew'}",
                                       NULL};

    if (strcmp(phase, "rewrap") == 0) {
        lines(request, half);
        while (!go_on) {
            usleep(10000);
        }
    }
    first_does(request, phase);
}

static void fails(struct request *request, const char *phase)
{
    hosts[0].fails = true;
    first_does(request, phase);
}

static void breaks_off(struct request *request, const char *phase)
{
    static const char *const all[] = {"{'event': 'progress', 'percent': 1, 'what': 'begin'}", NULL};

    (void)phase;
    lines(request, all);
}

/* Never silent, never at its end. */
static void drips(struct request *request, const char *phase)
{
    AUTO(drop_json)
    json_t *line = json_of("{'event': 'progress', 'percent': 1, 'what': 'a little more'}");

    (void)phase;
    while (!go_on && reply_line(request, line)) {
        usleep(50000);
    }
}

static void refuses(struct request *request, const char *phase)
{
    struct err err = {0};

    (void)phase;
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

/* ---- three hosts ---- */

static void host_status(struct request *request, void *context)
{
    const struct host *host = context;

    pthread_mutex_lock(&world.lock);
    AUTO(drop_json) json_t *status = json_deep_copy(world.status);
    pthread_mutex_unlock(&world.lock);
    json_object_set_new(status, "host", json_string(host->name));
    reply_json(request, 200, status);
}

static void host_rotates(struct request *request, void *context)
{
    host_does(context, request, request_value(request, "phase"));
}

static const struct route host_routes[] = {
    {"GET", "/v1/status", ROLE_MANAGER, 0, host_status},
    {"GET", "/v1/events", ROLE_MANAGER, 0, agent_events},
    {"POST", "/v1/key/rotate/{phase}", ROLE_MANAGER, 65536, host_rotates},
};

static void host_on(struct host *host)
{
    struct err err = {0};

    assert_done(cluster_agent_at(&world.cluster, host->name, host->address,
                                 server_port(world.agent), host_routes, COUNT_OF(host_routes), host,
                                 &host->server, &err),
                &err);
}

static int one(void **state)
{
    (void)state;
    hosts_as_at_first(1);
    world.rotate = first_does;
    return 0;
}

static int three_begin(void **state)
{
    (void)state;
    hosts_as_at_first(3);
    world.rotate = first_does;
    for (size_t i = 1; i < COUNT_OF(hosts); i++) {
        AUTO(drop_free)
        char *wish = text_make("{'name': '%s', 'address': '%s', 'cluster': 'edge-01'}",
                               hosts[i].name, hosts[i].address);
        AUTO(drop_free) char *path = text_make("hosts/%s", hosts[i].name);
        struct err err = {0};

        host_on(&hosts[i]);
        assert_done(api("POST", "hosts", wish, NULL, &err), &err);
        json_decref(item_when(path, "state", "up"));
    }
    return 0;
}

static int three_end(void **state)
{
    (void)state;
    for (size_t i = 1; i < COUNT_OF(hosts); i++) {
        AUTO(drop_free) char *path = text_make("hosts/%s", hosts[i].name);
        struct err err = {0};

        assert_done(api("DELETE", path, NULL, NULL, &err), &err);
        server_stop(TAKE(hosts[i].server));
    }
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
    AUTO(drop_json) json_t *half = item_when(path, "doing", "h1: wrap anew");

    assert_string_equal(json_string_or(half, "state", ""), "running");
    assert_int_equal(percent_of(half), 50);
    assert_true(json_is_null(json_object_get(half, "ended")));
    go_on = true;
    AUTO(drop_json) json_t *done = item_when(path, "state", "done");

    assert_int_equal(percent_of(done), 100);
    assert_true(json_is_string(json_object_get(done, "ended")));
    assert_true(json_is_null(json_object_get(done, "error")));
    assert_int_equal(events_with("rotated on 1 host: new keys are wrapped with k2"), 1);
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
        void (*rotate)(struct request *request, const char *phase);
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
    assert_int_equal(events_with("the rotation failed: host 'h1': no key server answers"), 1);
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

    json_decref(item_when(path, "doing", "h1: a little more"));
    time_t began = time(NULL);

    manager_end();
    assert_true(time(NULL) - began < 60);
    go_on = true;
    manager_begin();
    AUTO(drop_json) json_t *failed = item_when(path, "state", "failed");

    assert_non_null(strstr(json_string_or(failed, "error", ""), "stopped meanwhile"));
    json_decref(item_when("key-providers/native", "kek", "k1"));
}

/* ---- all of them take part ---- */

static json_t *ends(const char *state)
{
    AUTO(drop_free) char *path = rotate();

    return item_when(path, "state", state);
}

static void fails_with(const char *what)
{
    AUTO(drop_json) json_t *failed = ends("failed");

    if (!strstr(json_string_or(failed, "error", ""), what)) {
        fail_msg("'%s' does not say '%s'", json_string_or(failed, "error", ""), what);
    }
    assert_string_not_equal(json_string_or(failed, "remedy", ""), "");
}

static void all_have(const char *kek)
{
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        assert_string_equal(hosts[i].kek, kek);
        assert_string_equal(hosts[i].old, "");
    }
}

static void three_hosts_rotate_and_none_is_left_out(void **state)
{
    (void)state;
    json_decref(ends("done"));
    all_have("k2");
    assert_string_equal(hosts[0].asked, "look make share share rewrap verify retire ");
    assert_string_equal(hosts[1].asked, "look take rewrap verify retire ");
    assert_string_equal(hosts[2].asked, hosts[1].asked);
    assert_int_equal(events_with("rotated on 3 hosts: new keys are wrapped with k2"), 1);
}

static void a_host_that_is_away_is_named_and_nothing_is_begun(void **state)
{
    struct err err = {0};

    (void)state;
    server_stop(TAKE(hosts[2].server));
    json_decref(item_when("hosts/h3", "state", "away"));
    assert_false(api("POST", "key-providers/native/rotate", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_non_null(strstr(err.what, "host 'h3' must take part"));
    assert_true(err.remedy[0] != '\0');
    assert_string_equal(hosts[0].asked, "");
    host_on(&hosts[2]);
    json_decref(item_when("hosts/h3", "state", "up"));
}

/* Its status was all right a moment ago. */
static void a_host_that_does_not_answer_now_is_named_before_anything_changes(void **state)
{
    (void)state;
    hosts[2].away = true;
    fails_with("every host must take part, and nothing was changed: host 'h3'");
    assert_string_equal(hosts[0].asked, "look ");
    assert_string_equal(hosts[0].kek, "k1");
    hosts[2].away = false;
    json_decref(ends("done"));
}

static void what_was_begun_is_gone_on_with_where_it_was(void **state)
{
    (void)state;
    /* On h2, by quoin key rotate; h3 has it already and has retired the old one. */
    (void)snprintf(hosts[1].old, sizeof(hosts[1].old), "k1");
    (void)snprintf(hosts[1].kek, sizeof(hosts[1].kek), "k7");
    (void)snprintf(hosts[2].kek, sizeof(hosts[2].kek), "k7");
    json_decref(ends("done"));
    all_have("k7");
    assert_string_equal(hosts[1].asked, "look make share rewrap verify retire ");
}

static void who_was_about_to_make_one_makes_it(void **state)
{
    (void)state;
    hosts[2].begun = true;
    json_decref(ends("done"));
    all_have("k2");
    assert_string_equal(hosts[2].asked, "look make share share rewrap verify retire ");
}

static void a_failure_in_the_middle_is_finished_by_the_next_try(void **state)
{
    (void)state;
    hosts[1].fails = true;
    fails_with("host 'h2': no key server answers");
    assert_string_equal(hosts[0].old, "k1");
    hosts[1].fails = false;
    json_decref(ends("done"));
    all_have("k2");
}

static void hosts_that_do_not_fit_are_named_and_nothing_is_begun(void **state)
{
    (void)state;
    hosts[1].members = "['h1', 'h2', 'h3', 'h9']";
    fails_with("host 'h9' is in the cluster, but not known");
    hosts[1].members = hosts[0].members;
    hosts[1].provider = "corp";
    fails_with("host 'h2' has key provider 'corp'");
    hosts[1].provider = "native";
    (void)snprintf(hosts[1].kek, sizeof(hosts[1].kek), "k0");
    fails_with("host 'h2' wraps by the KEK k0");
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        assert_null(strstr(hosts[i].asked, "make"));
    }
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

#define ONE(test)   cmocka_unit_test_setup(test, one)
#define THREE(test) cmocka_unit_test_setup_teardown(test, three_begin, three_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ONE(a_rotation_is_a_task_with_progress_and_end),
        ONE(one_rotation_runs_at_a_time),
        ONE(a_rotation_that_fails_says_why_and_what_to_do),
        ONE(what_cannot_be_rotated_is_refused_by_name),
        ONE(who_is_not_signed_in_rotates_nothing),
        ONE(nothing_in_the_api_gives_a_key_away),
        ONE(a_task_that_a_restart_cut_off_has_failed),
        ONE(a_host_that_drips_progress_for_ever_ends_at_the_deadline),
        ONE(a_manager_that_stops_does_not_wait_for_such_a_host),
        THREE(three_hosts_rotate_and_none_is_left_out),
        THREE(a_host_that_is_away_is_named_and_nothing_is_begun),
        THREE(a_host_that_does_not_answer_now_is_named_before_anything_changes),
        THREE(what_was_begun_is_gone_on_with_where_it_was),
        THREE(who_was_about_to_make_one_makes_it),
        THREE(a_failure_in_the_middle_is_finished_by_the_next_try),
        THREE(hosts_that_do_not_fit_are_named_and_nothing_is_begun),
        ONE(health_is_what_the_hosts_say),
        ONE(a_cluster_that_is_well_is_ok),
    };

    return cmocka_run_group_tests(tests, begin, world_end);
}
