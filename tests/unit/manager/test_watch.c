/* SPDX-License-Identifier: Apache-2.0 */
/* The manager and its hosts' agents, over mutual TLS: what it believes, whom, and what it notes. */
#include "world.h"

#define RUNNING(state)                                                                             \
    STATUS(", 'vms': [{'name': 'mgr', 'id': 'u1', 'state': '" state "', 'encrypted': true,"        \
           " 'generation': 1}], 'datastore': {'name': 'ds1', 'health': 'ok', 'reasons': []}")

static int begin(void **state)
{
    world_begin(state);
    signed_in();
    deployed();
    return 0;
}

static void drop_item(const char *path, const char *field, const char *wanted)
{
    json_decref(item_when(path, field, wanted));
}

static void a_host_that_answers_is_up(void **state)
{
    (void)state;
    agent_says(RUNNING("running"));
    AUTO(drop_json) json_t *host = item_when("hosts/h1", "state", "up");

    assert_string_equal(json_string_or(host, "version", ""), "0.1.0");
    assert_true(json_is_string(json_object_get(host, "seen")));
    drop_item("vms/mgr", "state", "running");
    drop_item("datastores/ds1", "health", "ok");
}

static void a_host_that_stops_answering_is_away_and_comes_back(void **state)
{
    unsigned away = events_with("does not answer"), answers = events_with("the host answers");

    (void)state;
    agent_says(NULL);
    AUTO(drop_json) json_t *host = item_when("hosts/h1", "state", "away");

    assert_non_null(strstr(json_string_or(host, "trouble", ""), "the host is busy"));
    drop_item("vms/mgr", "state", "unknown");
    agent_says(RUNNING("running"));
    AUTO(drop_json) json_t *back = item_when("hosts/h1", "state", "up");

    assert_true(json_is_null(json_object_get(back, "trouble")));
    assert_int_equal(events_with("does not answer"), away + 1);
    assert_int_equal(events_with("the host answers"), answers + 1);
}

static void what_changes_becomes_one_event(void **state)
{
    (void)state;
    agent_says(RUNNING("crashed"));
    drop_item("vms/mgr", "state", "crashed");
    sleep(2);
    assert_int_equal(events_with("the virtual machine is crashed on h1"), 1);
    agent_says(STATUS(", 'datastore': {'name': 'ds1', 'health': 'failed',"
                      " 'reasons': ['1 disk is gone']}"));
    drop_item("datastores/ds1", "health", "failed");
    sleep(2);
    assert_int_equal(events_with("health is failed, was ok: 1 disk is gone"), 1);
    assert_int_equal(events_with("the virtual machine is no longer on h1"), 1);
}

static void an_agent_that_speaks_for_another_host_is_not_believed(void **state)
{
    (void)state;
    agent_says("{'host': 'h2', 'cluster': {'id': '" CLUSTER "'}}");
    AUTO(drop_json) json_t *host = item_when("hosts/h1", "state", "away");

    assert_non_null(strstr(json_string_or(host, "trouble", ""), "'h2'"));
    agent_says("{'host': 'h1', 'cluster': {'id': '" OTHER_CLUSTER "'}}");
    sleep(2);
    drop_item("hosts/h1", "state", "away");
    agent_says(STATUS(""));
    drop_item("hosts/h1", "state", "up");
}

static void an_agent_that_talks_nonsense_is_not_believed(void **state)
{
    (void)state;
    agent_says("{'host': ['h1'], 'vms': 'many'}");
    AUTO(drop_json) json_t *host = item_when("hosts/h1", "state", "away");

    assert_non_null(strstr(json_string_or(host, "trouble", ""), "not understood"));
    agent_says(STATUS(""));
    drop_item("hosts/h1", "state", "up");
}

/* At the address of h1 answers somebody else; `cluster` signed its certificate. */
static void instead_of_the_agent(struct cluster *cluster, const char *said)
{
    unsigned port = server_port(world.agent);
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *pem = NULL;
    struct err err = {0};

    assert_done(cluster_certificate(cluster, CLUSTER, ROLE_HOST, "h1", &key, &pem, &err), &err);
    server_stop(TAKE(world.agent));
    const struct server_conf conf = {.routes = agent_routes,
                                     .route_count = COUNT_OF(agent_routes),
                                     .address = "127.0.0.1",
                                     .port = port,
                                     .certificate = pem,
                                     .key = key,
                                     .authority = cluster->ca,
                                     .cluster = CLUSTER};

    assert_done(server_start(&conf, &world.agent, &err), &err);
    drop_item("hosts/h1", "state", said);
}

static void an_agent_of_another_ca_is_not_believed(void **state)
{
    struct cluster other = {0};
    struct err err = {0};

    (void)state;
    assert_done(cluster_begin(&other, &err), &err);
    instead_of_the_agent(&other, "away");
    instead_of_the_agent(&world.cluster, "up");
    cluster_end(&other);
}

static void a_manager_with_the_certificate_of_a_host_is_told_nothing(void **state)
{
    (void)state;
    manager_end();
    write_identity(ROLE_HOST);
    manager_begin();
    AUTO(drop_json) json_t *host = item_when("hosts/h1", "state", "away");

    assert_non_null(strstr(json_string_or(host, "trouble", ""), "may not"));
    manager_end();
    write_identity(ROLE_MANAGER);
    manager_begin();
    drop_item("hosts/h1", "state", "up");
}

static void a_dead_host_holds_up_no_other(void **state)
{
    struct err err = {0};

    (void)state;
    /* 127.0.0.9 listens to nobody: refused at once, again and again. */
    assert_done(api("POST", "hosts", "{'name': 'h9', 'address': '127.0.0.9', 'cluster': 'edge-01'}",
                    NULL, &err),
                &err);
    drop_item("hosts/h9", "state", "away");
    drop_item("hosts/h1", "state", "up");
    assert_done(api("DELETE", "hosts/h9", NULL, NULL, &err), &err);
}

static void machines_that_look_need_not_sign_in(void **state)
{
    const struct client_call health = {.method = "GET", .path = "/healthz"};
    const struct client_call metrics = {.method = "GET", .path = "/metrics"};
    const struct client_call page = {.method = "GET", .path = "/"};
    const struct client_call nothing = {.method = "GET", .path = "/page/..%2f..%2fetc"};
    AUTO(drop_json) json_t *answer = NULL;
    AUTO(drop_free) char *text = NULL, *html = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    assert_done(client_ask(world.client, &health, &answer, &err), &err);
    assert_true(json_is_true(json_object_get(answer, "ok")));
    assert_done(client_ask_bytes(world.client, &metrics, &text, &length, &err), &err);
    assert_non_null(strstr(text, "quoin_host_up{host=\"h1\"} 1"));
    assert_done(client_ask_bytes(world.client, &page, &html, &length, &err), &err);
    assert_true(text_starts(html, "<!DOCTYPE html>"));
    assert_null(strstr(html, "style=\""));
    assert_false(client_ask(world.client, &nothing, NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_answers_is_up),
        cmocka_unit_test(a_host_that_stops_answering_is_away_and_comes_back),
        cmocka_unit_test(what_changes_becomes_one_event),
        cmocka_unit_test(an_agent_that_speaks_for_another_host_is_not_believed),
        cmocka_unit_test(an_agent_that_talks_nonsense_is_not_believed),
        cmocka_unit_test(an_agent_of_another_ca_is_not_believed),
        cmocka_unit_test(a_manager_with_the_certificate_of_a_host_is_told_nothing),
        cmocka_unit_test(a_dead_host_holds_up_no_other),
        cmocka_unit_test(machines_that_look_need_not_sign_in),
    };

    return cmocka_run_group_tests(tests, begin, world_end);
}
