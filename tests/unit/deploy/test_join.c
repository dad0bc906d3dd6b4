/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/join.h and deploy/lead.c: who should have a monitor, and what is said of hosts left out.
 */
#include "scratch.h"

#include "deploy/join.h"

#define HOSTS 6

static struct blueprint_host hosts[HOSTS];
static const struct blueprint blueprint = {.hosts = hosts, .host_count = HOSTS};

static int begin(void **state)
{
    static char names[HOSTS][4], addresses[HOSTS][12];

    (void)state;
    for (size_t i = 0; i < HOSTS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "h%zu", i + 1);
        (void)snprintf(addresses[i], sizeof(addresses[i]), "127.0.0.%zu", i + 1);
        hosts[i] = (struct blueprint_host){.name = names[i], .address = addresses[i]};
    }
    return 0;
}

/* "h1 h3 …" of the hosts that are in, as digits, and those that have a monitor. */
static void monitors_are(const char *in_digits, const char *having, const char *wanted)
{
    AUTO(drop_json) json_t *datastore = json_pack("{s:[]}", "hosts");
    AUTO(drop_text) struct text names = {0};
    bool in[HOSTS] = {false};
    json_t *monitor;
    size_t i;

    for (; *in_digits; in_digits++) {
        in[*in_digits - '1'] = true;
    }
    for (i = 0; i < HOSTS; i++) {
        const char *word = strchr(having, '1' + (int)i) ? "away" : "none";

        json_array_append_new(json_object_get(datastore, "hosts"),
                              json_pack("{s:s, s:s}", "name", hosts[i].name, "monitor", word));
    }
    AUTO(drop_json) json_t *monitors = join_monitors(&blueprint, in, datastore);

    text_add(&names, "");
    json_array_foreach(monitors, i, monitor)
    {
        text_add(&names, json_string_or(monitor, "host", "?") + 1);
    }
    assert_string_equal(names.bytes, wanted);
}

static void the_first_one_three_or_five_hosts_have_monitors(void **state)
{
    (void)state;
    monitors_are("1", "", "1");
    monitors_are("12", "", "1");
    monitors_are("123", "", "123");
    monitors_are("1234", "", "123");
    monitors_are("12345", "", "12345");
    monitors_are("123456", "", "12345");
    monitors_are("246", "", "246");
}

static void one_that_is_away_keeps_its_monitor(void **state)
{
    (void)state;
    monitors_are("12", "123", "123");
    monitors_are("124", "123", "123");
    monitors_are("14", "13", "134");
}

static void hosts_that_were_left_out_are_named_and_the_exit_code_is_6(void **state)
{
    struct err missing[HOSTS] = {{0}}, other = {0}, err = {0};
    struct deploy deploy = {.blueprint = &blueprint, .missing = missing};

    (void)state;
    assert_true(deploy_complete(&deploy, &err));
    err_set(&other, ERR_DENIED, "no permission");
    deploy_leave_out(&deploy, 2, &other);
    err_set(&other, ERR_SYSTEM, "later, of another cause");
    deploy_leave_out(&deploy, 2, &other);
    assert_false(deploy_complete(&deploy, &err));
    assert_int_equal(err_exit_code(err.kind), 6);
    assert_non_null(strstr(err.what, "5 of 6 hosts"));
    assert_non_null(strstr(err.what, "'h3'"));
    assert_non_null(strstr(err.what, "no permission"));
}

static void an_agent_of_another_version_is_refused_by_its_hosts_name(void **state)
{
    AUTO(drop_json) json_t *same = json_pack("{s:s}", "version", QUOIN_VERSION);
    AUTO(drop_json) json_t *older = json_pack("{s:s}", "version", "0.0.9");
    AUTO(drop_json) json_t *none = json_object();
    struct err err = {0};

    (void)state;
    assert_true(join_version(same, "h2", &err));
    assert_false(join_version(older, "h2", &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "'h2'"));
    assert_non_null(strstr(err.what, "0.0.9"));
    assert_false(join_version(none, "h2", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_one_three_or_five_hosts_have_monitors),
        cmocka_unit_test(one_that_is_away_keeps_its_monitor),
        cmocka_unit_test(an_agent_of_another_version_is_refused_by_its_hosts_name),
        cmocka_unit_test(hosts_that_were_left_out_are_named_and_the_exit_code_is_6),
    };

    return cmocka_run_group_tests(tests, begin, NULL);
}
