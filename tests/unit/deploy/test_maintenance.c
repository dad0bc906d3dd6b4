/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/maintenance.h: which host takes a VM, and why none does. */
#include "scratch.h"

#include "deploy/maintenance.h"
#include "deploy/move.h"

#define HOSTS 3

static json_t *statuses;
static json_t *vm;
static long long promised[HOSTS];

static json_t *status_of(const char *name, int available)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:{s:i}, s:{s:s}, s:{s:[{s:s, s:b}]}}", "version",
                     "0.1.0", "host", name, "member", 1, "maintenance", 0, "memory", "available",
                     available, "provider", "kek", "k1", "datastore", "hosts", "name", name,
                     "paused", 0);
}

static int begin(void **state)
{
    (void)state;
    statuses =
        json_pack("[ooo]", status_of("h1", 9000), status_of("h2", 2000), status_of("h3", 3000));
    vm = json_pack("{s:s, s:i}", "name", "mgr", "memory", 1024);
    memset(promised, 0, sizeof(promised));
    return 0;
}

static int end(void **state)
{
    (void)state;
    json_decref(statuses);
    json_decref(vm);
    return 0;
}

static void goes_to(size_t wanted)
{
    struct err err = {0};
    size_t to = HOSTS;

    assert_true(maintenance_target(statuses, 0, vm, promised, &to, &err));
    assert_int_equal(to, wanted);
}

static void nobody_takes_it(const char *why)
{
    struct err err = {0};
    size_t to = HOSTS;

    assert_false(maintenance_target(statuses, 0, vm, promised, &to, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, why));
    assert_true(err.remedy[0] != '\0');
    assert_int_equal(to, HOSTS);
}

static void set(size_t host, const char *key, json_t *value)
{
    json_object_set_new(json_array_get(statuses, host), key, value);
}

static void the_host_with_the_most_memory_takes_it(void **state)
{
    (void)state;
    goes_to(2);
}

static void what_was_promised_to_others_counts(void **state)
{
    (void)state;
    promised[2] = 1500;
    goes_to(1);
}

static void a_host_that_cannot_is_left_out_and_said(void **state)
{
    (void)state;
    set(2, "maintenance", json_true());
    goes_to(1);
    set(1, "provider", json_pack("{s:s}", "kek", "k2"));
    nobody_takes_it("host 'h2' has another key provider or KEK, host 'h3' is in maintenance");
}

static void one_that_the_datastore_spares_is_in_maintenance(void **state)
{
    (void)state;
    set(1, "member", json_false());
    set(2, "datastore", json_pack("{s:[{s:s, s:b}]}", "hosts", "name", "h3", "paused", 1));
    nobody_takes_it("host 'h2' is no member of the cluster, host 'h3' is in maintenance");
}

static void a_host_that_is_away_or_full_or_old_takes_nothing(void **state)
{
    (void)state;
    json_array_set_new(statuses, 1, json_pack("{s:s}", "host", "h2"));
    set(2, "version", json_string("0.0.9"));
    nobody_takes_it("host 'h2' does not answer, host 'h3' has an agent of another version");
    json_array_set_new(statuses, 2, status_of("h3", 1024 + 255));
    nobody_takes_it("host 'h3' has too little memory left");
    json_array_set_new(statuses, 2, status_of("h3", 1024 + 256));
    goes_to(2);
}

static void alone_there_is_nobody(void **state)
{
    (void)state;
    json_array_remove(statuses, 2);
    json_array_remove(statuses, 1);
    nobody_takes_it("there is none");
}

static void where_a_machine_is_has_one_meaning(void **state)
{
    static const struct {
        const char *says;
        enum move_place place;
    } words[] = {
        {"{\"state\":\"running\",\"lease\":{\"state\":\"held\"}}", MOVE_HERE},
        {"{\"state\":\"paused\",\"lease\":{\"state\":\"other\"}}", MOVE_HERE},
        {"{\"state\":\"crashed\",\"lease\":null}", MOVE_HERE},
        {"{\"state\":null,\"lease\":{\"state\":\"other\"}}", MOVE_HERE},
        {"{\"state\":\"off\",\"lease\":{\"state\":\"held\"}}", MOVE_LEASED},
        {"{\"state\":\"off\",\"lease\":{\"state\":\"lost\"}}", MOVE_GONE},
        {"{\"state\":\"off\",\"lease\":{\"state\":\"other\"}}", MOVE_GONE},
        {"{\"state\":\"off\",\"lease\":null}", MOVE_GONE},
    };

    (void)state;
    assert_int_equal(move_place(NULL), MOVE_GONE);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        AUTO(drop_json) json_t *said = NULL;
        struct err err = {0};

        assert_true(json_read(words[i].says, strlen(words[i].says), &said, &err));
        assert_int_equal(move_place(said), words[i].place);
    }
}

#define IT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(the_host_with_the_most_memory_takes_it),
        IT(what_was_promised_to_others_counts),
        IT(a_host_that_cannot_is_left_out_and_said),
        IT(one_that_the_datastore_spares_is_in_maintenance),
        IT(a_host_that_is_away_or_full_or_old_takes_nothing),
        IT(alone_there_is_nobody),
        IT(where_a_machine_is_has_one_meaning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
