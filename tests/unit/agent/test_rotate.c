/* SPDX-License-Identifier: Apache-2.0 */
/* agent/rotate.h: what the manager may have a host do with its keys, how often, and no more. */
#include <string.h>

#include "world.h"

#include "agent/rotate.h"

static bool rotate(enum role role, struct err *err)
{
    struct making making = {.changed = false};
    bool made = rotate_keys(&world.agent, role, &making, err);

    json_decref(making.result);
    return made;
}

static void must(enum role role)
{
    struct err err = {0};

    if (!rotate(role, &err)) {
        fail_msg("%s", err.what);
    }
}

static void refused(enum role role, enum err_kind kind)
{
    struct err err = {0};

    assert_false(rotate(role, &err));
    assert_int_equal(err.kind, kind);
    assert_true(err.remedy[0] != '\0');
}

/* The KEK of this host became known so many seconds ago. */
static void made_ago(int64_t seconds)
{
    time_t at = time(NULL) - (time_t)seconds;
    char text[32];
    struct tm tm;

    gmtime_r(&at, &tm);
    assert_true(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
    host_set(&world.agent.host.provider.made, text);
}

static void an_hour_passed(void)
{
    made_ago(ROTATE_SECONDS + 1);
    world.agent.rotate_next = 0;
}

static void the_manager_has_the_keys_rotated_while_the_machine_runs(void **state)
{
    const struct host *host = &world.agent.host;

    (void)state;
    make_running();
    an_hour_passed();
    AUTO(drop_free) char *before = text_copy(host->provider.kek);

    must(ROLE_MANAGER);
    assert_string_not_equal(host->provider.kek, before);
    assert_null(host->old.kek);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    world_restart();
    AUTO(drop_outcome) struct outcome look = step_try("key.look", json_pack("{s:b}", "prove", 1));

    assert_true(look.made);
    assert_int_equal(json_integer_value(json_object_get(look.result, "left")), 0);
}

static void the_manager_may_ask_once_an_hour_and_root_at_any_time(void **state)
{
    (void)state;
    make_running();
    an_hour_passed();
    must(ROLE_MANAGER);
    AUTO(drop_free) char *kek = text_copy(world.agent.host.provider.kek);

    refused(ROLE_MANAGER, ERR_DENIED);
    /* Nor after a restart: the host's file knows how old its KEK is. */
    world_restart();
    refused(ROLE_MANAGER, ERR_DENIED);
    assert_string_equal(world.agent.host.provider.kek, kek);
    must(ROLE_LOCAL);
    must(ROLE_LOCAL);
    refused(ROLE_MANAGER, ERR_DENIED);
    an_hour_passed();
    must(ROLE_MANAGER);
}

static void a_rotation_that_failed_may_be_asked_for_again_a_minute_later(void **state)
{
    (void)state;
    make_running();
    an_hour_passed();
    fake_key_away = true;
    AUTO(drop_free) char *kek = text_copy(world.agent.host.provider.kek);
    struct err err = {0};
    bool rotated = rotate(ROLE_MANAGER, &err);

    fake_key_away = false;
    if (!rotated) {
        assert_string_equal(world.agent.host.provider.kek, kek);
        refused(ROLE_MANAGER, ERR_DENIED);
        assert_true(world.agent.rotate_next <= clock_ms() + ROTATE_RETRY_SECONDS * 1000);
        world.agent.rotate_next = 0;
    } else {
        an_hour_passed();
    }
    must(ROLE_MANAGER);
}

static void where_there_are_other_hosts_the_rotation_is_refused_by_name(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    an_hour_passed();
    (void)snprintf(fake_store.other, sizeof(fake_store.other), "h2");
    AUTO(drop_free) char *kek = text_copy(world.agent.host.provider.kek);

    assert_false(rotate(ROLE_MANAGER, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "'h2'"));
    assert_non_null(strstr(err.remedy, "quoin key rotate"));
    assert_string_equal(world.agent.host.provider.kek, kek);
    fake_store.other[0] = '\0';
    must(ROLE_MANAGER);
}

static void without_a_datastore_that_answers_nothing_is_begun(void **state)
{
    (void)state;
    make_running();
    an_hour_passed();
    AUTO(drop_free) char *kek = text_copy(world.agent.host.provider.kek);

    fake_store.away = true;
    refused(ROLE_MANAGER, ERR_AWAY);
    fake_store.away = false;
    assert_string_equal(world.agent.host.provider.kek, kek);
    assert_null(world.agent.host.old.kek);
}

static void before_a_deploy_there_is_nothing_to_rotate(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(rotate(ROLE_LOCAL, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(the_manager_has_the_keys_rotated_while_the_machine_runs),
        IT(the_manager_may_ask_once_an_hour_and_root_at_any_time),
        IT(a_rotation_that_failed_may_be_asked_for_again_a_minute_later),
        IT(where_there_are_other_hosts_the_rotation_is_refused_by_name),
        IT(without_a_datastore_that_answers_nothing_is_begun),
        IT(before_a_deploy_there_is_nothing_to_rotate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
