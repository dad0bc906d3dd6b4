/* SPDX-License-Identifier: Apache-2.0 */
/* agent/step.h: steps of provider and datastore; what is refused, and what twice means. */
#include "world.h"

static struct err refused(const json_t *order)
{
    struct making making = {.params = NULL};
    struct err err = {0};

    assert_false(step_make(&world.agent, order, &making, &err));
    assert_false(making.changed);
    assert_null(making.result);
    return err;
}

static void set(json_t *order, const char *object, const char *key, const char *value)
{
    json_object_set_new(json_object_get(order, object), key, json_string(value));
}

/* Nothing of this host's folder or datastore is another than before. */
static char *all_that_is(void)
{
    AUTO(drop_free) char *path = agent_path(&world.agent, "cluster.json");
    AUTO(drop_free) char *bytes = NULL;
    struct err err = {0};

    (void)file_read(path, 65536, &bytes, NULL, &err);
    return text_make("%s %d %d %d", bytes ? bytes : "", fake_store.begun, fake_store.disk,
                     fake_store.pool);
}

static void a_step_of_another_cluster_changes_nothing(void **state)
{
    AUTO(drop_json) json_t *order = order_of("store.begin", store_params());

    (void)state;
    make_provider();
    AUTO(drop_free) char *before = all_that_is();

    set(order, "cluster", "id", OTHER);
    assert_int_equal(refused(order).kind, ERR_CLASH);
    AUTO(drop_free) char *after = all_that_is();

    assert_string_equal(before, after);
}

static void a_step_for_another_host_changes_nothing(void **state)
{
    AUTO(drop_json) json_t *order = order_of("store.begin", store_params());

    (void)state;
    make_provider();
    AUTO(drop_free) char *before = all_that_is();

    set(order, "host", "name", "h2");
    assert_int_equal(refused(order).kind, ERR_CLASH);
    AUTO(drop_free) char *after = all_that_is();

    assert_string_equal(before, after);
}

static void a_step_of_another_cluster_is_refused_after_a_restart(void **state)
{
    AUTO(drop_json) json_t *order = order_of("provider.open", provider_params());

    (void)state;
    make_provider();
    world_restart();
    set(order, "cluster", "id", OTHER);
    assert_int_equal(refused(order).kind, ERR_CLASH);
}

static void an_unknown_step_joins_no_cluster(void **state)
{
    AUTO(drop_json) json_t *order = order_of("host.eat", json_object());

    (void)state;
    assert_int_equal(refused(order).kind, ERR_INPUT);
    assert_null(world.agent.host.cluster_id);
}

static void an_order_without_one_of_its_parts_is_refused(void **state)
{
    static const char *const parts[] = {"kind", "cluster", "host", "params"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        AUTO(drop_json) json_t *order = order_of("provider.open", provider_params());

        json_object_del(order, parts[i]);
        assert_int_equal(refused(order).kind, ERR_INPUT);
        json_object_set_new(order, parts[i], json_integer(1));
        assert_int_equal(refused(order).kind, ERR_INPUT);
    }
    assert_null(world.agent.host.cluster_id);
}

static void params_without_one_of_their_keys_are_refused(void **state)
{
    const struct {
        const char *kind, *key;
        json_t *(*params)(void);
    } cases[] = {
        {"provider.open", "name", provider_params}, {"provider.open", "type", provider_params},
        {"store.begin", "type", store_params},      {"store.begin", "name", store_params},
        {"store.begin", "network", store_params},   {"store.begin", "replicas", store_params},
        {"store.disk", "disk", disk_params},        {"store.disk", "bytes", disk_params},
        {"store.disk", "consent", disk_params},     {"vm.start", "vm", json_object},
        {"disk.blank", "vm", json_object},
    };

    (void)state;
    make_store();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *params = cases[i].params();

        json_object_del(params, cases[i].key);
        step_refused(cases[i].kind, params, ERR_INPUT);
    }
}

static void provider_open_twice_changes_nothing_the_second_time(void **state)
{
    (void)state;
    assert_true(step_do("provider.open", provider_params()));
    AUTO(drop_free) char *kek = text_copy(world.agent.host.provider.kek);

    assert_false(step_do("provider.open", provider_params()));
    assert_string_equal(world.agent.host.provider.kek, kek);
    world_restart();
    assert_false(step_do("provider.open", provider_params()));
    assert_string_equal(world.agent.host.provider.kek, kek);
}

static void provider_open_tells_kek_and_how_it_is_sealed(void **state)
{
    (void)state;
    AUTO(drop_outcome) struct outcome opened = step_try("provider.open", provider_params());

    assert_true(opened.made);
    assert_string_equal(json_string_or(opened.result, "kek", ""), world.agent.host.provider.kek);
    assert_string_equal(json_string_or(opened.result, "sealed_by", ""), "file");
    assert_true(json_is_false(json_object_get(opened.result, "backup_fetched")));
}

static void another_provider_than_the_one_that_is_here_is_refused(void **state)
{
    json_t *params = provider_params();

    (void)state;
    make_provider();
    json_object_set_new(params, "name", json_string("other"));
    step_refused("provider.open", params, ERR_CLASH);
    assert_string_equal(world.agent.host.provider.name, "corp");
    assert_false(step_do("provider.open", provider_params()));
}

static void a_provider_that_could_not_be_opened_may_be_corrected(void **state)
{
    json_t *params = provider_params();

    (void)state;
    json_object_set_new(params, "type", json_string("nativ"));
    step_refused("provider.open", params, ERR_INPUT);
    assert_true(step_do("provider.open", provider_params()));
}

static void steps_of_the_datastore_twice_change_nothing_the_second_time(void **state)
{
    (void)state;
    make_provider();
    for (int round = 0; round < 2; round++) {
        bool first = round == 0;

        assert_int_equal(step_do("store.begin", store_params()), first);
        assert_int_equal(step_do("store.disk", disk_params()), first);
        assert_int_equal(step_do("store.pool", json_object()), first);
        assert_int_equal(step_do("store.holes", json_object()), first);
    }
    world_restart();
    assert_false(step_do("store.begin", store_params()));
    assert_false(step_do("store.holes", json_object()));
}

static void results_of_the_datastore_are_as_the_protocol_says(void **state)
{
    (void)state;
    make_store();
    AUTO(drop_outcome) struct outcome disk = step_try("store.disk", disk_params());
    AUTO(drop_outcome) struct outcome holes = step_try("store.holes", json_object());

    assert_true(json_is_integer(json_object_get(disk.result, "osd")));
    assert_true(json_is_true(json_object_get(holes.result, "proven")));
}

static void holes_that_do_not_hold_are_asked_for_again(void **state)
{
    (void)state;
    make_provider();
    (void)step_do("store.begin", store_params());
    fake_store.holes = false;
    assert_false(step_do("store.holes", json_object()));
    assert_false(world.agent.host.holes_proven);
    fake_store.holes = true;
    assert_true(step_do("store.holes", json_object()));
    assert_true(world.agent.host.holes_proven);
}

static void a_datastore_of_another_name_is_refused(void **state)
{
    json_t *params = store_params();

    (void)state;
    make_store();
    json_object_set_new(params, "name", json_string("ds2"));
    step_refused("store.begin", params, ERR_CLASH);
    assert_string_equal(world.agent.host.store_name, "ds1");
}

static void steps_before_their_time_are_absent(void **state)
{
    (void)state;
    step_refused("ca.make", json_object(), ERR_ABSENT);
    step_refused("store.disk", disk_params(), ERR_ABSENT);
    step_refused("store.pool", json_object(), ERR_ABSENT);
    step_refused("store.holes", json_object(), ERR_ABSENT);
    step_refused("vm.start", this_vm(), ERR_ABSENT);
}

static void the_keys_go_last(void **state)
{
    (void)state;
    make_vm();
    step_refused("provider.remove", json_object(), ERR_CLASH);
    step_refused("store.remove", json_object(), ERR_CLASH);
    assert_true(step_do("vm.remove", this_vm()));
    step_refused("provider.remove", json_object(), ERR_CLASH);
    assert_true(step_do("store.remove", json_object()));
    assert_true(file_exists(world.agent.provider.folder));
    assert_true(step_do("provider.remove", json_object()));
    assert_false(file_exists(world.agent.provider.folder));
    assert_null(world.agent.host.cluster_id);
}

static void a_datastore_with_vms_is_not_removed_after_a_restart(void **state)
{
    (void)state;
    make_vm();
    world_restart();
    step_refused("store.remove", json_object(), ERR_CLASH);
    assert_true(fake_store.begun);
}

static void what_is_gone_is_removed_twice(void **state)
{
    (void)state;
    make_vm();
    assert_true(step_do("vm.remove", this_vm()));
    assert_false(step_do("vm.remove", this_vm()));
    assert_true(step_do("store.remove", json_object()));
    assert_false(step_do("store.remove", json_object()));
    assert_false(step_do("vm.remove", this_vm()));
}

static void a_host_that_was_freed_may_join_another_cluster(void **state)
{
    AUTO(drop_json) json_t *order = order_of("provider.open", provider_params());
    struct making making = {.params = NULL};
    struct err err = {0};

    (void)state;
    make_provider();
    (void)step_do("agent.enrol", json_object());
    (void)step_do("provider.remove", json_object());
    assert_null(world.agent.network);
    set(order, "cluster", "id", OTHER);
    assert_true(step_make(&world.agent, order, &making, &err));
    assert_true(making.changed);
    json_decref(making.result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_step_of_another_cluster_changes_nothing),
        IT(a_step_for_another_host_changes_nothing),
        IT(a_step_of_another_cluster_is_refused_after_a_restart),
        IT(an_unknown_step_joins_no_cluster),
        IT(an_order_without_one_of_its_parts_is_refused),
        IT(params_without_one_of_their_keys_are_refused),
        IT(provider_open_twice_changes_nothing_the_second_time),
        IT(provider_open_tells_kek_and_how_it_is_sealed),
        IT(another_provider_than_the_one_that_is_here_is_refused),
        IT(a_provider_that_could_not_be_opened_may_be_corrected),
        IT(steps_of_the_datastore_twice_change_nothing_the_second_time),
        IT(results_of_the_datastore_are_as_the_protocol_says),
        IT(holes_that_do_not_hold_are_asked_for_again),
        IT(a_datastore_of_another_name_is_refused),
        IT(steps_before_their_time_are_absent),
        IT(the_keys_go_last),
        IT(a_datastore_with_vms_is_not_removed_after_a_restart),
        IT(what_is_gone_is_removed_twice),
        IT(a_host_that_was_freed_may_join_another_cluster),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
