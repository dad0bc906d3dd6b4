/* SPDX-License-Identifier: Apache-2.0 */
/* A key provider of several servers: a KEK that not all of them have becomes nobody's (T10). */
#include <string.h>

#include "world.h"

static const struct host *host(void)
{
    return &world.agent.host;
}

static json_t *target(void)
{
    return json_pack("{s:{s:s, s:s, s:s}}", "provider", "name", "elsewhere", "type", "other", "tpm",
                     "off");
}

/* Refused by the name of the server, and this host has what it had. */
static void refused(const char *kind, json_t *params)
{
    AUTO(drop_free) char *kek = text_copy(host()->provider.kek);
    AUTO(drop_free) char *name = text_copy(host()->provider.name);
    AUTO(drop_outcome) struct outcome outcome = step_try(kind, params);

    assert_false(outcome.made);
    assert_int_equal(outcome.err.kind, ERR_CLASH);
    assert_non_null(strstr(outcome.err.what, "kms-2"));
    if (kek) {
        assert_string_equal(host()->provider.kek, kek);
    } else {
        assert_null(host()->provider.kek);
    }
    assert_string_equal(host()->provider.name, name ? name : host()->provider.name);
    assert_null(host()->old.kek);
}

/* What it told is to be mended; empty: nothing. */
static void made(const char *kind, json_t *params, const char *finding)
{
    AUTO(drop_outcome) struct outcome outcome = step_try(kind, params);

    if (!outcome.made) {
        fail_msg("%s", outcome.err.what);
    }
    assert_non_null(strstr(json_string_or(outcome.result, "finding", ""), finding));
    assert_true(finding[0] || !json_object_get(outcome.result, "finding"));
}

static void the_first_kek_is_taken_once_all_servers_have_it(void **state)
{
    (void)state;
    fake_key_lags = true;
    refused("provider.open", provider_params());
    refused("provider.open", provider_params());
    fake_key_lags = false;
    made("provider.open", provider_params(), "");
    assert_non_null(host()->provider.kek);
}

static void a_rotation_begins_once_all_servers_have_the_new_kek(void **state)
{
    (void)state;
    make_running();
    fake_key_lags = true;
    refused("key.make", json_object());
    world_restart();
    refused("key.make", json_object());
    fake_key_lags = false;
    made("key.make", json_object(), "");
    assert_non_null(host()->old.kek);
    (void)step_do("key.rewrap", json_object());
    (void)step_do("key.retire", json_pack("{s:s}", "kek", host()->old.kek));
}

static void a_move_begins_once_all_servers_have_the_new_kek(void **state)
{
    (void)state;
    make_running();
    fake_key_lags = true;
    refused("key.make", target());
    fake_key_lags = false;
    made("key.make", target(), "");
    assert_string_equal(host()->provider.name, "elsewhere");
}

static void another_host_takes_a_kek_once_all_servers_have_it(void **state)
{
    AUTO(drop_free) char *kek = NULL;
    struct key *key = NULL;
    struct err err = {0};

    (void)state;
    make_running();
    assert_true(agent_key(&world.agent, &key, &err));
    assert_true(key_kek_make(key, "as another host did", &kek, &err));
    fake_key_lags = true;
    refused("key.take", json_pack("{s:s}", "kek", kek));
    fake_key_lags = false;
    made("key.take", json_pack("{s:s}", "kek", kek), "");
    assert_string_equal(host()->provider.kek, kek);
}

/* It was restored from an older copy, say: what runs goes on, and a deploy comes to its end. */
static void a_kek_in_use_that_a_server_lacks_is_told_of_and_stops_no_deploy(void **state)
{
    (void)state;
    make_running();
    fake_key_lags = true;
    made("provider.open", provider_params(), "kms-2");
    fake_key_lags = false;
    made("provider.open", provider_params(), "");
}

static void a_server_that_is_away_is_told_of_until_it_was_seen_again(void **state)
{
    (void)state;
    fake_key_half = true;
    made("provider.open", provider_params(), "kms-2");
    made("key.make", json_object(), "kms-2");
    assert_non_null(strstr(audit_health(world.agent.audit).finding, "kms-2"));
    fake_key_half = false;
    made("provider.open", provider_params(), "");
    assert_string_equal(audit_health(world.agent.audit).finding, "");
    assert_int_equal(audit_health(world.agent.audit).found, 0);
}

/* A server lacks the KEK that all is under: that another one is everywhere does not mend it. */
static void what_was_found_of_one_kek_is_not_ended_by_another(void **state)
{
    AUTO(drop_free) char *kek = NULL;

    (void)state;
    make_running();
    kek = text_copy(host()->provider.kek);
    fake_key_lags = true;
    made("provider.open", provider_params(), "kms-2");
    fake_key_lags = false;
    made("key.make", json_object(), "");
    assert_non_null(strstr(audit_health(world.agent.audit).finding, "kms-2"));
    assert_string_equal(audit_health(world.agent.audit).finding_kek, kek);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)
    const struct CMUnitTest tests[] = {
        TEST(the_first_kek_is_taken_once_all_servers_have_it),
        TEST(a_rotation_begins_once_all_servers_have_the_new_kek),
        TEST(a_move_begins_once_all_servers_have_the_new_kek),
        TEST(another_host_takes_a_kek_once_all_servers_have_it),
        TEST(what_was_found_of_one_kek_is_not_ended_by_another),
        TEST(a_kek_in_use_that_a_server_lacks_is_told_of_and_stops_no_deploy),
        TEST(a_server_that_is_away_is_told_of_until_it_was_seen_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
