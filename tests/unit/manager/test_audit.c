/* SPDX-License-Identifier: Apache-2.0 */
/* manager/audit.h: every use of a key that a host tells of is one event here, once. */
#include "manager/audit.h"

#include "world.h"

#define SOURCE "11111111-89ab-4cde-8f01-23456789abcd"
#define OTHER  "22222222-89ab-4cde-8f01-23456789abcd"
#define USE(id, kek, result)                                                                       \
    "{'id': " id ", 'at': '2026-11-25T10:00:0" id                                                  \
    "Z', 'kind': 'key', 'verb': 'unwrap', 'kek': '" kek                                            \
    "', 'purpose': 'vm', 'vm': 'u1', 'result': '" result "', 'times': 1}"
#define AUDIT(source, events)                                                                      \
    "{'host': 'h1', 'source': '" source "', 'lost': false, 'events': [" events "]}"
#define SAYS(source, next)                                                                         \
    STATUS(", 'events': {'source': '" source "', 'next': " next "},"                               \
           " 'provider': {'name': 'native', 'type': 'native', 'kek': 'k1'},"                       \
           " 'vms': [{'name': 'mgr', 'id': 'u1', 'state': 'running', 'kek': 'k1'}]")

static int begin(void **state)
{
    world_begin(state);
    signed_in();
    deployed();
    return 0;
}

static json_t *uses(void)
{
    json_t *answer = NULL;
    struct err err = {0};

    assert_done(api("GET", "events?kind=key&limit=1000", NULL, &answer, &err), &err);
    return answer;
}

/* Waits for so many. */
static void assert_uses(size_t wanted)
{
    size_t count = 0;

    for (unsigned i = 0; i < 200; i++) {
        AUTO(drop_json) json_t *answer = uses();

        count = json_array_size(json_object_get(answer, "items"));
        if (count == wanted) {
            return;
        }
        usleep(100000);
    }
    assert_int_equal(count, wanted);
}

static void every_use_is_one_event_with_host_time_and_result(void **state)
{
    (void)state;
    agent_audits(AUDIT(
        SOURCE, USE("1", "k1", "done") "," USE("2", "k1", "away") "," USE("3", "k1", "done")));
    agent_says(SAYS(SOURCE, "3"));
    assert_uses(3);
    seen_again();
    assert_uses(3);
    AUTO(drop_json) json_t *answer = uses();
    const json_t *failed = json_array_get(json_object_get(answer, "items"), 1);

    assert_string_equal(json_string_or(failed, "what", ""),
                        "unwrap with KEK k1 for vm of mgr: away");
    assert_string_equal(json_string_or(failed, "severity", ""), "warning");
    assert_string_equal(json_string_or(failed, "kind", ""), "key");
    assert_string_equal(json_string_or(failed, "host", ""), "h1");
    assert_string_equal(json_string_or(failed, "name", ""), "native");
    assert_string_equal(json_string_or(failed, "at", ""), "2026-11-25T10:00:02Z");
}

static void a_manager_that_starts_again_gathers_nothing_twice(void **state)
{
    (void)state;
    manager_end();
    manager_begin();
    json_decref(item_when("hosts/h1", "state", "up"));
    seen_again();
    assert_uses(3);
}

static void an_agent_that_starts_again_counts_from_one_and_nothing_is_missed(void **state)
{
    (void)state;
    agent_audits(AUDIT(OTHER, USE("1", "k1", "done")));
    agent_says(SAYS(OTHER, "1"));
    assert_uses(4);
    agent_audits(AUDIT(OTHER, USE("1", "k1", "done") "," USE("2", "k1", "done")));
    agent_says(SAYS(OTHER, "2"));
    assert_uses(5);
}

static void a_host_that_is_busy_is_asked_again(void **state)
{
    (void)state;
    agent_audits(NULL);
    agent_says(SAYS(OTHER, "3"));
    seen_again();
    assert_uses(5);
    agent_audits(
        AUDIT(OTHER, USE("1", "k1", "done") "," USE("2", "k1", "done") "," USE("3", "k2", "done")));
    assert_uses(6);
}

static void nonsense_keeps_nothing(void **state)
{
    static const char *const answers[] = {
        "{'host': 'h1', 'source': 'x', 'next': 1, 'events': []}",
        "{'host': 'h2', 'source': '" SOURCE "', 'next': 1, 'events': []}",
        "{'host': 'h1', 'source': '" SOURCE "', 'next': -1, 'events': []}",
        "{'host': 'h1', 'source': '" SOURCE "', 'next': 1, 'events': {}}",
        "{'host': 'h1', 'source': '" SOURCE
        "', 'next': 1, 'events': [" USE("1", "k1", "done") ",7]}",
        "{'host': 'h1', 'source': '" SOURCE "', 'next': 1, 'events': [{'at': 'now'}]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        AUTO(drop_json) json_t *answer = json_of(answers[i]);
        bool more = false;
        struct err err = {0};

        if (audit_keep(world.manager->database, "h1", NULL, answer, &more, &err)) {
            fail_msg("taken: %s", answers[i]);
        }
        assert_true(err.kind == ERR_INPUT || err.kind == ERR_CLASH);
    }
    assert_uses(6);
}

static void what_is_lost_is_said_and_what_a_host_says_is_one_line(void **state)
{
    AUTO(drop_json)
    json_t *answer =
        json_of("{'host': 'h1', 'source': '" OTHER "', 'next': 9, 'lost': true,"
                " 'events': [{'at': 'never', 'verb': 'wrap', 'kek': 'a\\nb', 'purpose':"
                " 'ca', 'vm': '', 'result': 'denied', 'why': 'no', 'times': 3}]}");
    bool more = false;
    struct err err = {0};

    (void)state;
    assert_done(audit_keep(world.manager->database, "h1", NULL, answer, &more, &err), &err);
    assert_true(more);
    assert_int_equal(events_with("wrap with KEK a b for ca: denied: no, 3 times"), 1);
    assert_int_equal(events_with("in the host's journal only"), 1);
}

static void uses_do_not_push_out_what_else_happened(void **state)
{
    struct database *database = world.manager->database;
    const struct event event = {"info", "key-providers", "native", NULL};
    AUTO(drop_json) json_t *rows = NULL;
    unsigned before = events_with("host created");
    struct err err = {0};

    (void)state;
    assert_true(before > 0);
    assert_done(database_begin(database, &err), &err);
    for (unsigned i = 0; i < JOURNAL_USES_MAX + 10; i++) {
        assert_done(journal_use(database, &event, "h1", "now", "used", &err), &err);
    }
    assert_done(database_rows(database, "SELECT count(*) AS n FROM events WHERE kind = 'key'", NULL,
                              0, &rows, &err),
                &err);
    assert_done(database_end(database, true, &err), &err);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 0), "n")),
                     JOURNAL_USES_MAX);
    AUTO(drop_json) json_t *answer = NULL;

    assert_done(api("GET", "events?kind=cluster", NULL, &answer, &err), &err);
    assert_true(json_array_size(json_object_get(answer, "items")) > 0);
}

static void a_host_pushes_out_no_other_hosts_uses_of_keys(void **state)
{
    struct database *database = world.manager->database;
    const struct event event = {"info", "key-providers", "native", NULL};
    AUTO(drop_json) json_t *rows = NULL;
    struct err err = {0};

    (void)state;
    assert_done(database_begin(database, &err), &err);
    assert_done(journal_use(database, &event, "h2", "now", "the one use", &err), &err);
    for (unsigned i = 0; i < JOURNAL_MAX + 10; i++) {
        assert_done(journal_use(database, &event, "h1", "now", "used", &err), &err);
    }
    assert_done(database_end(database, true, &err), &err);
    assert_done(
        database_rows(database, "SELECT what FROM events WHERE host = 'h2'", NULL, 0, &rows, &err),
        &err);
    assert_int_equal(json_array_size(rows), 1);
}

static void more_than_an_agent_answers_at_once_is_refused(void **state)
{
    AUTO(drop_json) json_t *answer = json_of(AUDIT(OTHER, USE("1", "k1", "done")));
    json_t *events = json_object_get(answer, "events");
    const json_t *one = json_array_get(events, 0);
    bool more = false;
    struct err err = {0};

    (void)state;
    json_object_set_new(answer, "next", json_integer(600));
    while (json_array_size(events) <= 512) {
        json_array_append_new(events, json_deep_copy(one));
    }
    assert_false(audit_keep(world.manager->database, "h1", NULL, answer, &more, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_use_is_one_event_with_host_time_and_result),
        cmocka_unit_test(a_manager_that_starts_again_gathers_nothing_twice),
        cmocka_unit_test(an_agent_that_starts_again_counts_from_one_and_nothing_is_missed),
        cmocka_unit_test(a_host_that_is_busy_is_asked_again),
        cmocka_unit_test(nonsense_keeps_nothing),
        cmocka_unit_test(what_is_lost_is_said_and_what_a_host_says_is_one_line),
        cmocka_unit_test(uses_do_not_push_out_what_else_happened),
        cmocka_unit_test(a_host_pushes_out_no_other_hosts_uses_of_keys),
        cmocka_unit_test(more_than_an_agent_answers_at_once_is_refused),
    };

    return cmocka_run_group_tests(tests, begin, world_end);
}
