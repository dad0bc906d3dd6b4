/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent says, made fit; and put beside what people made. */
#include "manager/live.h"
#include "manager/metrics.h"
#include "manager/report.h"
#include "plan/health.h"
#include "tests.h"

static const char good[] =
    "{'version': '0.1.0', 'host': 'h1', 'cluster': {'id': '" CLUSTER "', 'name': 'edge-01'},"
    " 'time': 5, 'secret': 'x', 'enrolled': true, 'waiting': null,"
    " 'datastore': {'name': 'ds1', 'type': 'ceph', 'health': 'warn', 'reasons': 'one; two',"
    "  'bytes_total': 100, 'bytes_used': 40, 'osds': [{'id': 0, 'disk': '/dev/a', 'up': true},"
    "  {'id': 1, 'host': 'h2', 'disk': '/dev/b', 'up': false}]},"
    " 'provider': {'name': 'native', 'kek': 'k1', 'sealed_by': 'tpm', 'backup_fetched': false},"
    " 'vms': [{'name': 'mgr', 'id': 'u1', 'state': 'running', 'encrypted': true,"
    "  'generation': 2, 'since': 86400, 'cached': 77, 'lease': {'state': 'held', 'renewed': 900,"
    "  'holder': 'h1'}}]}";

static json_t *report_of(const char *quoted)
{
    AUTO(drop_json) json_t *status = json_of(quoted);
    json_t *report = NULL;
    struct err err = {0};

    assert_done(report_make(status, &report, &err), &err);
    return report;
}

static json_t *now_of(const char *state)
{
    AUTO(drop_json) json_t *report = report_of(good);

    return json_pack("{s:{s:s, s:i, s:i, s:n, s:O}}", "h1", "state", state, "since", 60, "seen",
                     120, "trouble", "report", report);
}

static void known_fields_are_kept_and_no_others(void **state)
{
    AUTO(drop_json) json_t *report = report_of(good);

    (void)state;
    assert_string_equal(json_string_or(report, "host", ""), "h1");
    assert_null(json_object_get(report, "secret"));
    assert_true(json_is_null(json_object_get(report, "waiting")));
    const json_t *vm = json_array_get(json_object_get(report, "vms"), 0);

    assert_true(json_is_null(json_object_get(vm, "trouble")));
    assert_int_equal(json_integer_value(json_object_get(vm, "cached")), 77);
    assert_string_equal(json_string_or(json_object_get(vm, "lease"), "state", ""), "held");
}

static void reasons_are_a_list_however_they_come(void **state)
{
    AUTO(drop_json) json_t *one = report_of(good);
    AUTO(drop_json) json_t *two = report_of("{'datastore': {'reasons': ['one', 'two']}}");
    AUTO(drop_json) json_t *none = report_of("{'datastore': {'reasons': ''}}");
    const json_t *list = json_object_get(json_object_get(one, "datastore"), "reasons");

    (void)state;
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_array_get(list, 1)), "two");
    assert_true(json_equal((json_t *)(uintptr_t)list,
                           json_object_get(json_object_get(two, "datastore"), "reasons")));
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(none, "datastore"), "reasons")), 0);
}

static json_t *findings_in(json_t *status)
{
    AUTO(drop_json)
    json_t *now = json_pack("{s:{s:s, s:n, s:i, s:O}}", "h1", "state", "up", "trouble", "skew", 90,
                            "report", status);
    AUTO(drop_json) json_t *view = live_view(now, CLUSTER, 1800000000);

    return health_look(view);
}

/* The deployment unit looks at statuses, the manager at what it kept of them. */
static void health_finds_the_same_in_a_report_as_in_a_status(void **state)
{
    AUTO(drop_json)
    json_t *status = json_of(
        "{'version': '0.1.0', 'host': 'h1', 'cluster': {'id': '" CLUSTER "'}, 'enrolled': false,"
        " 'waiting': 'for its turn', 'certificates': [{'name': 'host', 'ends': 1800000001}],"
        " 'datastore': {'name': 'ds1', 'type': 'ceph', 'health': 'warn', 'reasons': 'one; two',"
        "  'bytes_total': 100, 'bytes_used': 85, 'replicas': 3, 'copies': 2, 'monitors': 3,"
        "  'monitors_in_quorum': 2, 'hosts': [{'name': 'h2', 'monitor': 'away', 'paused': true}],"
        "  'osds': [{'id': 0, 'disk': '/dev/a', 'host': 'h1', 'up': false}]},"
        " 'provider': {'name': 'native', 'type': 'native', 'kek': 'k1', 'sealed_by': 'file',"
        "  'backup_fetched': false, 'trouble': 'gone', 'remedy': 'bring it back'},"
        " 'vms': [{'name': 'mgr', 'id': 'u1', 'state': 'paused', 'encrypted': false, 'kek': "
        "'k0'}]}");
    AUTO(drop_json) json_t *report = NULL;
    struct err err = {0};

    (void)state;
    assert_done(report_make(status, &report, &err), &err);
    AUTO(drop_json) json_t *by_status = findings_in(status);
    AUTO(drop_json) json_t *by_report = findings_in(report);

    assert_int_equal(json_array_size(by_status), 16);
    assert_true(json_equal(by_status, by_report));
}

static void nonsense_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *status, *where;
    } cases[] = {
        {"{'host': 7}", "'host'"},
        {"{'vms': {}}", "'vms'"},
        {"{'vms': [7]}", "'vms'"},
        {"{'vms': [{'encrypted': 'yes'}]}", "'encrypted'"},
        {"{'datastore': []}", "'datastore'"},
        {"{'datastore': {'bytes_total': '7'}}", "'bytes_total'"},
        {"{'datastore': {'reasons': 7}}", "'reasons'"},
        {"{'enrolled': 1}", "'enrolled'"},
        {"[]", "status"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(drop_json) json_t *status = json_of(cases[i].status), *report = NULL;
        struct err err = {0};

        assert_false(report_make(status, &report, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.what, cases[i].where));
    }
}

static void what_is_too_long_is_refused(void **state)
{
    AUTO(drop_free) char *text = text_room(2000, 1);
    AUTO(drop_json) json_t *list = json_array(), *report = NULL;
    struct err err = {0};

    (void)state;
    memset(text, 'x', 1999);
    AUTO(drop_json) json_t *status = json_pack("{s:s}", "host", text);

    assert_false(report_make(status, &report, &err));
    for (unsigned i = 0; i < 2000; i++) {
        json_array_append_new(list, json_object());
    }
    AUTO(drop_json) json_t *many = json_pack("{s:O}", "vms", list);

    assert_false(report_make(many, &report, &err));
}

static void a_report_speaks_for_its_own_host_and_cluster(void **state)
{
    AUTO(drop_json) json_t *report = report_of(good);
    struct err err = {0};

    (void)state;
    assert_done(report_is_of(report, CLUSTER, "h1", &err), &err);
    assert_false(report_is_of(report, CLUSTER, "h2", &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_false(report_is_of(report, OTHER_CLUSTER, "h1", &err));
}

static json_t *items_of(const char *kind, const char *item, const char *state)
{
    AUTO(drop_json) json_t *now = now_of(state);
    json_t *items = json_pack("[{s:s}]", "name", item);

    live_add(inventory_kind_find(kind), items, now);
    return items;
}

static void a_host_shows_its_own_disks(void **state)
{
    AUTO(drop_json) json_t *items = items_of("hosts", "h1", "up");
    const json_t *host = json_array_get(items, 0);

    (void)state;
    assert_string_equal(json_string_or(host, "state", ""), "up");
    assert_string_equal(json_string_or(host, "since", ""), "1970-01-01T00:01:00Z");
    assert_string_equal(json_string_or(host, "seen", ""), "1970-01-01T00:02:00Z");
    assert_int_equal(json_array_size(json_object_get(host, "disks")), 1);
}

static void a_host_nobody_asked_yet_is_unknown(void **state)
{
    AUTO(drop_json) json_t *items = items_of("hosts", "h9", "up");
    const json_t *host = json_array_get(items, 0);

    (void)state;
    assert_string_equal(json_string_or(host, "state", ""), "unknown");
    assert_true(json_is_null(json_object_get(host, "version")));
    assert_int_equal(json_array_size(json_object_get(host, "disks")), 0);
}

static void a_datastore_is_known_only_through_a_host_that_is_up(void **state)
{
    AUTO(drop_json) json_t *up = items_of("datastores", "ds1", "up");
    AUTO(drop_json) json_t *away = items_of("datastores", "ds1", "away");

    (void)state;
    assert_string_equal(json_string_or(json_array_get(up, 0), "health", ""), "warn");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(up, 0), "bytes_used")), 40);
    assert_true(json_is_null(json_object_get(json_array_get(away, 0), "health")));
}

static void a_backup_that_is_missing_somewhere_is_missing(void **state)
{
    AUTO(drop_json) json_t *now = now_of("up");
    AUTO(drop_json) json_t *items = json_pack("[{s:s}]", "name", "native");
    AUTO(drop_json) json_t *fetched = json_deep_copy(json_object_get(now, "h1"));

    (void)state;
    json_object_set_new(json_object_get(json_object_get(fetched, "report"), "provider"),
                        "backup_fetched", json_true());
    json_object_set(now, "h2", fetched);
    live_add(inventory_kind_find("key-providers"), items, now);
    const json_t *provider = json_array_get(items, 0);

    assert_true(json_is_false(json_object_get(provider, "backup_fetched")));
    assert_int_equal(json_array_size(json_object_get(provider, "hosts")), 2);
    assert_string_equal(json_string_or(provider, "kek", ""), "k1");
}

static void a_machine_of_a_silent_host_may_run_or_not(void **state)
{
    AUTO(drop_json) json_t *up = now_of("up"), *away = now_of("away");
    AUTO(drop_json) json_t *running = live_vms(up, NULL), *unknown = live_vms(away, NULL);

    (void)state;
    assert_string_equal(json_string_or(json_array_get(running, 0), "state", ""), "running");
    assert_string_equal(json_string_or(json_array_get(running, 0), "since", ""),
                        "1970-01-02T00:00:00Z");
    assert_string_equal(json_string_or(json_array_get(unknown, 0), "state", ""), "unknown");
    assert_string_equal(json_string_or(json_array_get(unknown, 0), "host", ""), "h1");
}

static void metrics_tell_the_same_as_numbers(void **state)
{
    AUTO(drop_json) json_t *now = now_of("up");
    AUTO(drop_text) struct text text = {0};
    const struct metrics_own own = {.began = 7, .certificate_ends = 9};
    static const char *const lines[] = {
        "\nquoin_start_timestamp_seconds 7\n",
        "\nquoin_host_up{host=\"h1\"} 1\n",
        "\nquoin_datastore_healthy{host=\"h1\",datastore=\"ds1\"} 0\n",
        "\nquoin_datastore_used_bytes{host=\"h1\",datastore=\"ds1\"} 40\n",
        "\nquoin_key_backup_fetched{host=\"h1\",provider=\"native\"} 0\n",
        "\nquoin_vm_running{host=\"h1\",vm=\"mgr\"} 1\n",
        "\nquoin_vm_envelope_generation{host=\"h1\",vm=\"mgr\"} 2\n",
    };

    (void)state;
    metrics_write(&own, now, &text);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_non_null(strstr(text.bytes, lines[i]));
    }
    assert_null(strstr(text.bytes, "k1"));
}

static void a_name_cannot_break_out_of_a_metric(void **state)
{
    AUTO(drop_json)
    json_t *now = json_pack("{s:{s:s, s:{s:[{s:s, s:s}]}}}", "h1", "state", "up", "report", "vms",
                            "name", "a\"} 1\nevil{x=\"\\", "state", "running");
    AUTO(drop_text) struct text text = {0};
    const struct metrics_own own = {0};

    (void)state;
    metrics_write(&own, now, &text);
    assert_non_null(strstr(
        text.bytes, "\nquoin_vm_running{host=\"h1\",vm=\"a\\\"} 1\\nevil{x=\\\"\\\\\"} 1\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_fields_are_kept_and_no_others),
        cmocka_unit_test(reasons_are_a_list_however_they_come),
        cmocka_unit_test(health_finds_the_same_in_a_report_as_in_a_status),
        cmocka_unit_test(nonsense_is_refused_with_its_place),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(a_report_speaks_for_its_own_host_and_cluster),
        cmocka_unit_test(a_host_shows_its_own_disks),
        cmocka_unit_test(a_host_nobody_asked_yet_is_unknown),
        cmocka_unit_test(a_datastore_is_known_only_through_a_host_that_is_up),
        cmocka_unit_test(a_backup_that_is_missing_somewhere_is_missing),
        cmocka_unit_test(a_machine_of_a_silent_host_may_run_or_not),
        cmocka_unit_test(metrics_tell_the_same_as_numbers),
        cmocka_unit_test(a_name_cannot_break_out_of_a_metric),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
