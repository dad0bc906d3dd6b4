/* SPDX-License-Identifier: Apache-2.0 */
/* agent/audit.h: what is told of the uses of KEKs, to whom and how often. */
#include "world.h"

static struct audit *audit;

static int begin(void **state)
{
    (void)state;
    log_begin("test", LOG_CRIT);
    audit = audit_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    audit_free(TAKE(audit));
    return 0;
}

static void use(const char *verb, const char *kek, const struct err *err)
{
    const struct key_use one = {
        .verb = verb, .kek_id = kek, .vm = CLUSTER, .purpose = "vm", .err = err};

    audit_key(audit, &one);
}

static json_t *source_of(const json_t *answer)
{
    return json_object_get(answer, "source");
}

static size_t count_of(const json_t *answer)
{
    return json_array_size(json_object_get(answer, "events"));
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void an_event_says_what_was_used_for_what_and_what_came_of_it(void **state)
{
    const struct err away = {.kind = ERR_AWAY, .what = "the server is silent"};

    (void)state;
    use("unwrap", "kmip:7", NULL);
    use("wrap", "kmip:8", &away);
    AUTO(drop_json) json_t *answer = audit_after(audit, NULL, 0);
    const json_t *events = json_object_get(answer, "events");
    const json_t *first = json_array_get(events, 0), *second = json_array_get(events, 1);

    assert_int_equal(count_of(answer), 2);
    assert_string_equal(json_string_or(first, "kind", ""), "key");
    assert_string_equal(json_string_or(first, "verb", ""), "unwrap");
    assert_string_equal(json_string_or(first, "kek", ""), "kmip:7");
    assert_string_equal(json_string_or(first, "purpose", ""), "vm");
    assert_string_equal(json_string_or(first, "vm", ""), CLUSTER);
    assert_string_equal(json_string_or(first, "result", ""), "done");
    assert_null(json_object_get(first, "why"));
    assert_int_equal(strlen(json_string_or(first, "at", "")), 20);
    assert_string_equal(json_string_or(second, "result", ""), "away");
    assert_string_equal(json_string_or(second, "why", ""), "the server is silent");
}

static void only_what_is_new_is_given_again(void **state)
{
    (void)state;
    use("unwrap", "a", NULL);
    use("unwrap", "b", NULL);
    AUTO(drop_json) json_t *all = audit_after(audit, NULL, 0);
    const char *source = json_string_value(source_of(all));

    assert_int_equal(number_of(all, "next"), 2);
    AUTO(drop_json) json_t *none = audit_after(audit, source, 2);

    assert_int_equal(count_of(none), 0);
    assert_int_equal(number_of(none, "next"), 2);
    use("unwrap", "c", NULL);
    AUTO(drop_json) json_t *one = audit_after(audit, source, 2);

    assert_int_equal(count_of(one), 1);
    /* Numbers of an agent that has ended say nothing of this one's. */
    AUTO(drop_json) json_t *anew = audit_after(audit, OTHER, 2);

    assert_int_equal(count_of(anew), 3);
    assert_false(json_is_true(json_object_get(anew, "lost")));
}

/* A key server of two had another key: the use worked, and somebody should know. */
static void what_worked_with_a_finding_is_health_and_tells_of_it(void **state)
{
    const struct err finding = {.kind = ERR_CLASH, .what = "another key there"};
    const struct key_use found = {
        .verb = "unwrap", .kek_id = "k", .vm = "", .purpose = "vm", .finding = &finding};

    (void)state;
    audit_key(audit, &found);
    use("unwrap", "a", NULL);
    const struct audit_health health = audit_health(audit);
    AUTO(drop_json) json_t *answer = audit_after(audit, NULL, 0);
    const json_t *first = json_array_get(json_object_get(answer, "events"), 0);

    assert_string_equal(health.why, "");
    assert_true(health.success > 0 && health.found > 0 && health.failure == 0);
    assert_string_equal(health.finding, "another key there");
    assert_string_equal(json_string_or(first, "result", ""), "done");
    assert_string_equal(json_string_or(first, "why", ""), "another key there");
}

static void a_failure_that_repeats_is_one_event_with_a_count(void **state)
{
    const struct err away = {.kind = ERR_AWAY, .what = "away"};
    const struct err denied = {.kind = ERR_DENIED, .what = "no"};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        use("unwrap", "a", &away);
    }
    use("unwrap", "a", &denied);
    use("unwrap", "b", &away);
    AUTO(drop_json) json_t *answer = audit_after(audit, NULL, 0);
    const json_t *first = json_array_get(json_object_get(answer, "events"), 0);

    assert_int_equal(count_of(answer), 3);
    assert_int_equal(number_of(first, "times"), 1000);
}

static void what_worked_is_told_each_time(void **state)
{
    (void)state;
    use("unwrap", "a", NULL);
    use("unwrap", "a", NULL);
    AUTO(drop_json) json_t *answer = audit_after(audit, NULL, 0);

    assert_int_equal(count_of(answer), 2);
}

static void the_ring_is_bounded_and_says_what_it_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AUDIT_EVENTS + 10; i++) {
        use("unwrap", "a", NULL);
    }
    AUTO(drop_json) json_t *answer = audit_after(audit, NULL, 0);
    const json_t *first = json_array_get(json_object_get(answer, "events"), 0);

    assert_true(json_is_true(json_object_get(answer, "lost")));
    assert_int_equal(count_of(answer), AUDIT_MAX_ANSWER);
    assert_int_equal(number_of(first, "id"), 11);
    AUTO(drop_json)
    json_t *rest = audit_after(audit, json_string_value(source_of(answer)),
                               (uint64_t)number_of(answer, "next"));

    assert_false(json_is_true(json_object_get(rest, "lost")));
    first = json_array_get(json_object_get(rest, "events"), 0);
    assert_int_equal(number_of(first, "id"), number_of(answer, "next") + 1);
}

static void every_use_of_a_kek_by_the_agent_is_an_event(void **state)
{
    static const char *const purposes[] = {"canary", "ca", "vm"};

    (void)state;
    make_running();
    AUTO(drop_json) json_t *answer = audit_after(world.agent.audit, NULL, 0);
    AUTO(drop_free) char *text = json_write(answer);

    for (size_t i = 0; i < COUNT_OF(purposes); i++) {
        AUTO(drop_free) char *purpose = text_make("\"purpose\":\"%s\"", purposes[i]);

        assert_non_null(strstr(text, purpose));
    }
    assert_non_null(strstr(text, world.agent.host.provider.kek));
    assert_non_null(strstr(text, "kek_retire"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_says_what_was_used_for_what_and_what_came_of_it,
                                        begin, end),
        cmocka_unit_test_setup_teardown(only_what_is_new_is_given_again, begin, end),
        cmocka_unit_test_setup_teardown(what_worked_with_a_finding_is_health_and_tells_of_it, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_failure_that_repeats_is_one_event_with_a_count, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_worked_is_told_each_time, begin, end),
        cmocka_unit_test_setup_teardown(the_ring_is_bounded_and_says_what_it_lost, begin, end),
        IT(every_use_of_a_kek_by_the_agent_is_an_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
