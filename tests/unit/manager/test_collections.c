/* SPDX-License-Identifier: Apache-2.0 */
/* The collections over TLS: made, asked for, refused, removed. */
#include "manager/journal.h"
#include "world.h"

static int begin(void **state)
{
    world_begin(state);
    signed_in();
    return 0;
}

static void assert_refused(const char *method, const char *path, const char *body,
                           enum err_kind kind)
{
    struct err err = {0};

    if (api(method, path, body, NULL, &err)) {
        fail_msg("%s %s %s was done", method, path, body ? body : "");
    }
    if (err.kind != kind) {
        fail_msg("%s %s: %s", method, path, err.what);
    }
    assert_true(err.what[0] != '\0');
}

static void a_thing_needs_what_it_stands_on(void **state)
{
    (void)state;
    for (size_t i = COUNT_OF(deployment) - 1; i > 0; i--) {
        assert_refused("POST", deployment[i][0], deployment[i][1], ERR_ABSENT);
    }
}

static void what_a_deployment_posts_is_created_once(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(deployment); i++) {
            AUTO(drop_json) json_t *item = NULL;
            struct err err = {0};

            assert_done(api("POST", deployment[i][0], deployment[i][1], &item, &err), &err);
            assert_true(json_is_boolean(json_object_get(item, "created")));
            assert_int_equal(json_is_true(json_object_get(item, "created")), round == 0);
        }
    }
}

static void the_same_name_with_another_shape_is_a_clash(void **state)
{
    (void)state;
    assert_refused("POST", "hosts", "{'name': 'h1', 'address': '127.0.0.2', 'cluster': 'edge-01'}",
                   ERR_CLASH);
    assert_refused("POST", "hosts", "{'name': 'h2', 'address': '127.0.0.1', 'cluster': 'edge-01'}",
                   ERR_CLASH);
    assert_refused("POST", "datastores", "{'name': 'ds1', 'type': 'nfs', 'cluster': 'edge-01'}",
                   ERR_CLASH);
}

static void a_cluster_of_another_manager_is_a_clash(void **state)
{
    (void)state;
    assert_refused("POST", "clusters",
                   "{'name': 'other', 'datacenter': 'fra1', 'id': '" OTHER_CLUSTER "'}", ERR_CLASH);
}

static void an_item_is_found_by_name_and_by_id(void **state)
{
    AUTO(drop_json) json_t *one = NULL, *two = NULL, *list = NULL;
    AUTO(drop_free) char *path = NULL;
    struct err err = {0};

    (void)state;
    assert_done(api("GET", "hosts/h1", NULL, &one, &err), &err);
    path = text_make("hosts/%s", json_string_or(one, "id", ""));
    assert_done(api("GET", path, NULL, &two, &err), &err);
    assert_string_equal(json_string_or(two, "name", ""), "h1");
    assert_done(api("GET", "clusters/" CLUSTER, NULL, NULL, &err), &err);
    assert_done(api("GET", "tasks/1", NULL, NULL, &err), &err);
    assert_done(api("GET", "hosts", NULL, &list, &err), &err);
    assert_int_equal(json_array_size(json_object_get(list, "items")), 1);
    assert_refused("GET", "hosts/h9", NULL, ERR_ABSENT);
    assert_refused("GET", "events/0", NULL, ERR_ABSENT);
    assert_refused("GET", "nonsense", NULL, ERR_ABSENT);
    assert_refused("GET", "hosts/h1/more", NULL, ERR_ABSENT);
}

static void anything_that_is_not_as_it_should_be_is_refused(void **state)
{
    static const char *const bodies[] = {
        "[]",
        "{}",
        "{'name': 7}",
        "{'name': ''}",
        "{'name': '../../etc'}",
        "{'name': 'a b'}",
        "{'name': '<script>alert(1)</script>'}",
        "{'name': 'x; DROP TABLE hosts'}",
        "{'name': '-x'}",
        "{'name': 'x', 'more': 1}",
        "{'name': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        assert_refused("POST", "datacenters", bodies[i], ERR_INPUT);
    }
    assert_refused("POST", "hosts", "{'name': 'h3', 'address': 'a b', 'cluster': 'edge-01'}",
                   ERR_INPUT);
    assert_refused("POST", "hosts", "{'name': 'h3', 'cluster': 'edge-01'}", ERR_INPUT);
    assert_refused("POST", "clusters", "{'name': 'c', 'datacenter': 'fra1', 'id': 'x'}", ERR_INPUT);
    assert_refused("POST", "events", "{'name': 'x'}", ERR_INPUT);
    assert_refused("DELETE", "vms/mgr", NULL, ERR_INPUT);
    assert_refused("POST", "nonsense", "{'name': 'x'}", ERR_ABSENT);
}

static void a_name_that_looks_like_sql_is_only_not_there(void **state)
{
    static const char *const names[] = {"hosts/x'%20OR%20'1'='1", "hosts/%22;--", "clusters/%25",
                                        "events/1;drop%20table%20events"};
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_refused("GET", names[i], NULL, ERR_ABSENT);
    }
    assert_refused("DELETE", "hosts/x'%20OR%20'1'='1", NULL, ERR_ABSENT);
    assert_done(api("GET", "hosts/h1", NULL, NULL, &err), &err);
}

static void a_body_that_is_too_large_is_refused(void **state)
{
    AUTO(drop_free) char *name = text_room(100000, 1);
    AUTO(drop_free) char *body = NULL;

    (void)state;
    memset(name, 'x', 99999);
    body = text_make("{'name': '%s'}", name);
    assert_refused("POST", "datacenters", body, ERR_INPUT);
}

static void what_is_in_use_stays(void **state)
{
    struct err err = {0};

    (void)state;
    assert_refused("DELETE", "datacenters/fra1", NULL, ERR_CLASH);
    assert_refused("DELETE", "clusters/edge-01", NULL, ERR_CLASH);
    assert_done(api("GET", "clusters/edge-01", NULL, NULL, &err), &err);
}

static void what_was_done_is_a_task_and_an_event_with_its_actor(void **state)
{
    AUTO(drop_json) json_t *tasks = NULL;
    const json_t *task;
    struct err err = {0};

    (void)state;
    assert_done(api("GET", "tasks", NULL, &tasks, &err), &err);
    assert_int_equal(json_array_size(json_object_get(tasks, "items")), COUNT_OF(deployment));
    task = json_array_get(json_object_get(tasks, "items"), 0);
    assert_string_equal(json_string_or(task, "object", ""), "hosts");
    assert_string_equal(json_string_or(task, "actor", ""), "admin");
    assert_int_equal(events_with("datastore created"), 1);
    assert_int_equal(events_with("signed in from 127.0.0.1"), 1);
}

static void a_removed_host_is_gone_and_may_come_again(void **state)
{
    AUTO(drop_json) json_t *again = NULL;
    struct err err = {0};

    (void)state;
    assert_done(api("DELETE", "hosts/h1", NULL, NULL, &err), &err);
    assert_refused("GET", "hosts/h1", NULL, ERR_ABSENT);
    assert_refused("DELETE", "hosts/h1", NULL, ERR_ABSENT);
    assert_int_equal(events_with("host removed"), 1);
    assert_done(api("POST", "hosts", deployment[4][1], &again, &err), &err);
    assert_true(json_is_true(json_object_get(again, "created")));
}

static void only_the_newest_events_are_kept(void **state)
{
    struct database *database = world.manager->database;
    const struct event event = {"info", "hosts", "h1", NULL};
    AUTO(drop_json) json_t *rows = NULL;
    struct err err = {0};

    (void)state;
    assert_done(database_do(database,
                            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT "
                            "?1) INSERT INTO events (at, severity, object, name, what)"
                            " SELECT 1, 'info', 'hosts', 'h1', 'old' FROM n",
                            VALUES(INTEGER_VALUE(JOURNAL_MAX)), 1, &err),
                &err);
    /* Nobody else writes in between. */
    assert_done(database_begin(database, &err), &err);
    journal_event(database, &event, "the newest of %d", JOURNAL_MAX);
    assert_done(database_rows(database, "SELECT count(*) AS n FROM events", NULL, 0, &rows, &err),
                &err);
    assert_done(database_end(database, true, &err), &err);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 0), "n")),
                     JOURNAL_MAX);
    assert_int_equal(events_with("the newest of 5000"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thing_needs_what_it_stands_on),
        cmocka_unit_test(what_a_deployment_posts_is_created_once),
        cmocka_unit_test(the_same_name_with_another_shape_is_a_clash),
        cmocka_unit_test(a_cluster_of_another_manager_is_a_clash),
        cmocka_unit_test(an_item_is_found_by_name_and_by_id),
        cmocka_unit_test(anything_that_is_not_as_it_should_be_is_refused),
        cmocka_unit_test(a_name_that_looks_like_sql_is_only_not_there),
        cmocka_unit_test(a_body_that_is_too_large_is_refused),
        cmocka_unit_test(what_is_in_use_stays),
        cmocka_unit_test(what_was_done_is_a_task_and_an_event_with_its_actor),
        cmocka_unit_test(a_removed_host_is_gone_and_may_come_again),
        cmocka_unit_test(only_the_newest_events_are_kept),
    };

    return cmocka_run_group_tests(tests, begin, world_end);
}
