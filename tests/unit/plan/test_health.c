/* SPDX-License-Identifier: Apache-2.0 */
/* plan/health.h: a cluster that is well gives no finding; each thing that is not gives its own, by
 * name, and nothing else. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "base/base.h"
#include "plan/health.h"

#define CLUSTER "01234567-89ab-4cde-8f01-23456789abcd"
#define NOW     1800000000
#define DAY     86400

static json_t *view, *found;

static json_t *disk(int id, const char *host)
{
    return json_pack("{s:i, s:s, s:s, s:b}", "id", id, "host", host, "disk", "", "up", 1);
}

static json_t *host_of(int number)
{
    AUTO(drop_free) char *name = text_make("h%d", number);
    json_t *datastore =
        json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:[ooo]}", "name", "ds1", "health",
                  "ok", "reasons", "", "bytes_total", 1000, "bytes_used", 100, "replicas", 3,
                  "copies", 3, "monitors", 3, "monitors_in_quorum", 3, "osds", disk(0, "h1"),
                  disk(1, "h2"), disk(2, "h3"));
    json_t *provider = json_pack("{s:s, s:s, s:s, s:n, s:n, s:n}", "name", "corp-kms", "type",
                                 "kmip", "kek", "k1", "sealed_by", "backup_fetched", "trouble");
    json_t *vms = number == 1
                      ? json_pack("[{s:s, s:s, s:s, s:b, s:s, s:n}]", "name", "mgr", "id", "u1",
                                  "state", "running", "encrypted", 1, "kek", "k1", "trouble")
                      : json_array();
    json_t *status =
        json_pack("{s:s, s:s, s:{s:s}, s:b, s:n, s:o, s:o, s:o, s:[{s:s, s:I}, {s:s, s:I}]}",
                  "version", "0.1.0", "host", name, "cluster", "id", CLUSTER, "enrolled", 1,
                  "waiting", "datastore", datastore, "provider", provider, "vms", vms,
                  "certificates", "name", "host", "ends", (json_int_t)NOW + 400 * (json_int_t)DAY,
                  "name", "ca", "ends", (json_int_t)NOW + 3650 * (json_int_t)DAY);

    return json_pack("{s:s, s:s, s:n, s:i, s:o}", "name", name, "state", "up", "trouble", "skew", 0,
                     "status", status);
}

static int begin(void **state)
{
    (void)state;
    view = json_pack("{s:s, s:i, s:s, s:[ooo]}", "cluster", CLUSTER, "now", NOW, "asker",
                     "the manager", "hosts", host_of(1), host_of(2), host_of(3));
    assert_non_null(view);
    return 0;
}

static int end(void **state)
{
    (void)state;
    json_decref(TAKE(view));
    json_decref(TAKE(found));
    return 0;
}

static json_t *host(int number)
{
    return json_array_get(json_object_get(view, "hosts"), (size_t)number - 1);
}

static json_t *status(int number)
{
    return json_object_get(host(number), "status");
}

static json_t *part(int number, const char *name)
{
    return json_object_get(status(number), name);
}

static json_t *vm(void)
{
    return json_array_get(part(1, "vms"), 0);
}

/* How a host sees the disk with this number. */
static json_t *osd(int number, size_t id)
{
    return json_array_get(json_object_get(part(number, "datastore"), "osds"), id);
}

/* What is looked at stays as it is. */
static void look(void)
{
    AUTO(drop_json) json_t *before = json_deep_copy(view);

    json_decref(found);
    found = health_look(view);
    assert_true(json_equal(before, view));
}

/* Exactly this is found, once. */
static void expect(const char *severity, const char *code, const char *where, const char *what)
{
    look();
    const json_t *one = json_array_get(found, 0);

    if (json_array_size(found) != 1) {
        AUTO(drop_free) char *all = json_write(found);

        fail_msg("%s: %s", code, all);
    }
    assert_string_equal(json_string_or(one, "severity", ""), severity);
    assert_string_equal(json_string_or(one, "code", ""), code);
    assert_string_equal(json_string_or(one, "where", ""), where);
    if (!strstr(json_string_or(one, "what", ""), what)) {
        fail_msg("'%s' does not say '%s'", json_string_or(one, "what", ""), what);
    }
    assert_true(strlen(json_string_or(one, "remedy", "")) > 10);
}

static void a_cluster_that_is_well_gives_no_finding(void **state)
{
    (void)state;
    look();
    assert_int_equal(json_array_size(found), 0);
    assert_string_equal(health_worst(found), "ok");
}

static void what_is_not_known_gives_no_finding(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++) {
        json_object_set_new(host(i), "status", json_null());
        json_object_set_new(host(i), "state", json_string("unknown"));
    }
    look();
    assert_int_equal(json_array_size(found), 0);
    json_object_set_new(view, "hosts", json_null());
    look();
    assert_int_equal(json_array_size(found), 0);
    json_decref(TAKE(view));
    view = json_array();
    look();
    assert_int_equal(json_array_size(found), 0);
}

static void a_host_that_does_not_answer_is_named_with_the_reason(void **state)
{
    (void)state;
    json_object_set_new(host(2), "state", json_string("away"));
    json_object_set_new(host(2), "trouble", json_string("Connection refused"));
    expect("error", "host.away", "hosts/h2", "'h2' does not answer: Connection refused");
    assert_string_equal(health_worst(found), "error");
    assert_non_null(
        strstr(json_string_or(json_array_get(found, 0), "remedy", ""), "quoin host replace h2"));
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(json_array_get(found, 0), "hosts"), 0)),
        "h2");
}

static void a_host_of_another_cluster_is_named(void **state)
{
    (void)state;
    json_object_set_new(part(3, "cluster"), "id", json_string("76543210"));
    expect("error", "host.stranger", "hosts/h3", "another cluster (76543210)");
}

static void a_host_that_is_not_enrolled_or_waits_is_named(void **state)
{
    (void)state;
    json_object_set_new(status(2), "enrolled", json_false());
    expect("warning", "host.not_enrolled", "hosts/h2", "no certificate");
    json_object_set_new(status(2), "enrolled", json_true());
    json_object_set_new(status(2), "waiting", json_string("the datastore is away"));
    expect("warning", "host.waits", "hosts/h2", "the datastore is away");
}

static void what_a_host_says_to_do_about_its_waiting_is_told(void **state)
{
    (void)state;
    json_object_set_new(status(2), "waiting", json_string("it is bound to PCR 11"));
    json_object_set_new(status(2), "waiting_remedy", json_string("quoin key recover --file FILE"));
    expect("warning", "host.waits", "hosts/h2", "bound to PCR 11");
    assert_string_equal(json_string_or(json_array_get(found, 0), "remedy", ""),
                        "quoin key recover --file FILE");
}

static void what_a_machine_is_in_trouble_for_is_said_once(void **state)
{
    (void)state;
    json_object_set_new(vm(), "trouble", json_string("no key server answers"));
    json_object_set_new(status(1), "waiting", json_string("no key server answers"));
    expect("error", "vm.trouble", "vms/mgr", "'mgr' on 'h1': no key server answers");
}

static void a_machine_that_was_opened_by_a_kept_key_is_named(void **state)
{
    (void)state;
    json_object_set_new(vm(), "cached", json_integer(1790000000));
    expect("warning", "vm.cached", "vms/mgr", "kept on 'h1': its key provider is away");
}

static void a_clock_that_is_off_is_named(void **state)
{
    (void)state;
    json_object_set_new(host(3), "skew", json_integer(10));
    expect("warning", "clock.off", "hosts/h3", "'h3' is 10 s fast");
    json_object_set_new(host(3), "skew", json_real(-86400.5));
    expect("error", "clock.off", "hosts/h3", "slow");
    json_object_set_new(host(3), "skew", json_null());
    look();
    assert_int_equal(json_array_size(found), 0);
}

static void when_all_hosts_agree_it_is_the_askers_clock(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++) {
        json_object_set_new(host(i), "skew", json_integer(100 + i % 2));
    }
    expect("error", "clock.asker", "clock", "the manager is 10");
    /* Two clocks against two: the asker's own is believed. */
    json_object_set_new(host(3), "skew", json_integer(0));
    look();
    assert_int_equal(json_array_size(found), 2);
    assert_string_equal(json_string_or(json_array_get(found, 0), "where", ""), "hosts/h1");
}

static void a_skew_is_what_is_certain(void **state)
{
    (void)state;
    assert_true(health_skew(100, 100.2, 100.4) == 0);
    assert_true(health_skew(99, 100.2, 100.4) < 0);
    assert_true(health_skew(100, 99.9, 105) == 0);
    assert_true(health_skew(200, 100, 101) == 99);
    assert_true(health_skew(0, 100, 101) == -99);
}

static void a_certificate_is_told_of_weeks_ahead(void **state)
{
    json_t *certificates = part(2, "certificates"), *own = json_array_get(certificates, 0);

    (void)state;
    json_object_set_new(own, "ends", json_integer(NOW + 30LL * DAY));
    look();
    assert_int_equal(json_array_size(found), 0);
    json_object_set_new(own, "ends", json_integer(NOW + 10LL * DAY));
    expect("warning", "certificate.ends", "hosts/h2", "expires in 10 days");
    json_object_set_new(own, "ends", json_integer(NOW));
    expect("error", "certificate.ended", "hosts/h2", "has expired");
    json_object_set_new(own, "name", json_string("provider"));
    expect("error", "certificate.ended", "hosts/h2", "client certificate for the key provider");
}

static void different_versions_are_named_with_their_hosts(void **state)
{
    (void)state;
    json_object_set_new(status(2), "version", json_string("0.2.0"));
    expect("warning", "version.differs", "hosts", "0.1.0 on h1, h3; 0.2.0 on h2");
}

static void a_host_that_lost_its_disks_is_named(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++) {
        json_object_set_new(osd(i, 1), "up", json_false());
    }
    look();
    assert_int_equal(json_array_size(found), 2);
    assert_string_equal(json_string_or(json_array_get(found, 0), "code", ""), "disk.all_down");
    assert_string_equal(json_string_or(json_array_get(found, 0), "where", ""), "hosts/h2");
    assert_string_equal(json_string_or(json_array_get(found, 1), "code", ""), "redundancy.less");
    for (int i = 1; i <= 3; i++) {
        json_array_append_new(json_object_get(part(i, "datastore"), "osds"), disk(3, "h2"));
    }
    expect("error", "disk.down", "hosts/h2",
           "1 of 2 disks of 'h2' in the datastore are down: "
           "osd.1");
}

static void what_a_host_says_of_its_own_disk_counts(void **state)
{
    (void)state;
    json_object_set_new(osd(1, 1), "up", json_false());
    json_object_set_new(osd(3, 1), "up", json_false());
    look();
    assert_int_equal(json_array_size(found), 0);
}

static void a_host_without_a_disk_is_named(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++) {
        json_object_set_new(osd(i, 2), "host", json_string("h2"));
        json_object_set_new(part(i, "datastore"), "replicas", json_integer(2));
        json_object_set_new(part(i, "datastore"), "copies", json_integer(2));
    }
    expect("warning", "disk.none", "hosts/h3", "no disk");
}

static void
a_datastore_that_nobody_reaches_is_told_from_one_that_a_host_does_not_reach(void **state)
{
    (void)state;
    json_object_set_new(part(2, "datastore"), "health", json_string("away"));
    expect("error", "datastore.unreachable", "hosts/h2", "others do");
    json_object_set_new(part(1, "datastore"), "health", json_string("away"));
    json_object_set_new(part(3, "datastore"), "health", json_string("away"));
    expect("error", "datastore.away", "datastores", "any host");
}

static void a_datastore_that_is_not_well_says_why_as_text_or_as_list(void **state)
{
    json_t *datastore = part(1, "datastore");

    (void)state;
    json_object_set_new(datastore, "health", json_string("warn"));
    json_object_set_new(datastore, "reasons", json_string("1 slow op; 2 late scrubs"));
    expect("warning", "datastore.warns", "datastores/ds1", "1 slow op; 2 late scrubs");
    json_object_set_new(datastore, "reasons", json_pack("[s, s]", "1 slow op", "2 late scrubs"));
    expect("warning", "datastore.warns", "datastores/ds1", "1 slow op; 2 late scrubs");
    json_object_set_new(datastore, "health", json_string("failed"));
    expect("error", "datastore.failed", "datastores/ds1", "cannot be used");
}

static void a_datastore_that_fills_up_is_told_of(void **state)
{
    (void)state;
    json_object_set_new(part(1, "datastore"), "bytes_used", json_integer(850));
    expect("warning", "datastore.full", "datastores/ds1", "85 % full");
    json_object_set_new(part(1, "datastore"), "bytes_used", json_integer(950));
    expect("error", "datastore.full", "datastores/ds1", "95 % full");
}

static void a_quorum_that_shrinks_is_told_of(void **state)
{
    json_t *datastore = part(1, "datastore");

    (void)state;
    json_object_set_new(datastore, "monitors_in_quorum", json_integer(2));
    json_object_set_new(datastore, "hosts",
                        json_pack("[{s:s, s:s}]", "name", "h3", "monitor", "away"));
    expect("warning", "quorum.less", "datastores/ds1",
           "2 of 3 monitors of datastore 'ds1' are in the quorum, away: h3; it stops below 2");
    json_object_set_new(datastore, "monitors_in_quorum", json_integer(1));
    json_object_set_new(datastore, "monitors", json_integer(1));
    json_object_del(datastore, "hosts");
    expect("warning", "quorum.one", "datastores/ds1", "one monitor");
}

static void copies_that_are_missing_are_told_of(void **state)
{
    json_t *datastore = part(1, "datastore");

    (void)state;
    json_object_set_new(datastore, "copies", json_integer(2));
    expect("warning", "redundancy.less", "datastores/ds1", "2 of the 3 copies");
    json_object_set_new(datastore, "replicas", json_integer(1));
    json_object_set_new(datastore, "copies", json_integer(1));
    expect("info", "redundancy.one", "datastores/ds1", "one copy");
    assert_string_equal(health_worst(found), "ok");
}

static void a_host_in_maintenance_is_named(void **state)
{
    (void)state;
    json_object_set_new(part(1, "datastore"), "hosts",
                        json_pack("[{s:s, s:b}]", "name", "h2", "paused", 1));
    expect("info", "host.maintenance", "hosts/h2", "in maintenance");
}

static void a_machine_that_runs_twice_is_an_error(void **state)
{
    (void)state;
    json_array_append(part(3, "vms"), vm());
    expect("error", "vm.twice", "vms/mgr", "more than one host: h1, h3");
    /* A host that is away is not believed to run it still. */
    json_object_set_new(host(3), "state", json_string("away"));
    expect("error", "host.away", "hosts/h3", "");
}

/* Every host tells of every machine. */
static void a_machine_that_is_off_is_named_once(void **state)
{
    AUTO(drop_json) json_t *off = json_deep_copy(vm());

    (void)state;
    json_object_set_new(off, "state", json_string("off"));
    json_array_append(part(2, "vms"), off);
    json_array_append(part(3, "vms"), off);
    look();
    assert_int_equal(json_array_size(found), 0);
    json_object_set_new(vm(), "state", json_string("crashed"));
    expect("error", "vm.crashed", "vms/mgr", "on 'h1' is crashed");
    json_object_set_new(vm(), "state", json_string("off"));
    expect("warning", "vm.off", "vms/mgr", "is off: it runs on none of h1, h2, h3");
}

static void a_machine_that_does_not_run_or_is_not_sealed_is_named(void **state)
{
    (void)state;
    json_object_set_new(vm(), "state", json_string("crashed"));
    expect("error", "vm.crashed", "vms/mgr", "is crashed");
    json_object_set_new(vm(), "state", json_string("off"));
    expect("warning", "vm.off", "vms/mgr", "is off");
    json_object_set_new(vm(), "state", json_string("running"));
    json_object_set_new(vm(), "encrypted", json_false());
    expect("error", "vm.plain", "vms/mgr", "not encrypted");
}

static void a_machine_that_runs_without_its_lease_is_named(void **state)
{
    static const char *const states[] = {"lost", "other", "free"};
    json_t *lease = json_pack("{s:s, s:s, s:i}", "state", "held", "holder", "h1", "renewed", 11999);

    (void)state;
    json_object_set_new(vm(), "lease", lease);
    look();
    assert_int_equal(json_array_size(found), 0);
    json_object_set_new(lease, "renewed", json_integer(14000));
    expect("warning", "lease.late", "vms/mgr", "was renewed by 'h1' 14 s ago");
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        json_object_set_new(lease, "state", json_string(states[i]));
        expect("error", "lease.none", "vms/mgr", "runs on 'h1', which does not hold its lease");
    }
    /* One that it does not run, it need not hold. */
    json_object_set_new(vm(), "state", json_string("off"));
    expect("warning", "vm.off", "vms/mgr", "is off");
}

static void a_host_that_lost_its_key_provider_is_named(void **state)
{
    (void)state;
    json_object_set_new(part(2, "provider"), "trouble", json_string("no key server answers"));
    json_object_set_new(status(2), "waiting", json_string("no key server answers"));
    expect("error", "provider.fails", "hosts/h2",
           "'h2' cannot use key provider 'corp-kms': no key server answers");
    json_object_set_new(part(2, "provider"), "remedy", json_string("renew the certificate"));
    look();
    assert_string_equal(json_string_or(json_array_get(found, 0), "remedy", ""),
                        "renew the certificate");
    json_object_set_new(status(2), "waiting", json_null());
    json_object_set_new(part(2, "provider"), "trouble", json_null());
    long long now = json_integer_value(json_object_get(status(2), "time"));

    json_object_set_new(part(2, "provider"), "finding", json_string("kms-1 has another key"));
    json_object_set_new(part(2, "provider"), "found", json_integer(now - 60));
    expect("warning", "provider.finding", "hosts/h2", "kms-1 has another key");
    json_object_set_new(part(2, "provider"), "found", json_integer(now - 2 * 86400));
    look();
    assert_int_equal(json_array_size(found), 0);
    json_object_set_new(status(2), "provider", json_null());
    expect("error", "provider.missing", "hosts/h2", "no key provider");
}

static void hosts_with_different_providers_or_keks_are_named(void **state)
{
    (void)state;
    json_object_set_new(part(3, "provider"), "kek", json_string("k2"));
    expect("warning", "kek.differs", "key-providers", "k1 on h1, h2; k2 on h3");
    json_object_set_new(part(3, "provider"), "name", json_string("native"));
    json_object_set_new(part(3, "provider"), "type", json_string("native"));
    expect("error", "provider.differs", "key-providers",
           "corp-kms (kmip) on h1, h2; native (native) on h3");
}

static void an_envelope_that_a_rotation_left_behind_is_named(void **state)
{
    (void)state;
    json_object_set_new(vm(), "kek", json_string("k0"));
    expect("warning", "envelope.old", "vms/mgr", "wrapped with k0, new keys with k1");
}

static void a_missing_backup_and_a_root_key_in_a_file_are_told_of(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++) {
        json_object_set_new(part(i, "provider"), "sealed_by", json_string("file"));
    }
    expect("info", "provider.file", "key-providers", "h1, h2, h3");
    json_object_set_new(part(1, "provider"), "backup_fetched", json_false());
    look();
    assert_int_equal(json_array_size(found), 2);
    assert_string_equal(json_string_or(json_array_get(found, 0), "code", ""), "backup.missing");
    assert_string_equal(health_worst(found), "warning");
}

static void errors_come_first_and_infos_last(void **state)
{
    (void)state;
    json_object_set_new(part(2, "provider"), "sealed_by", json_string("file"));
    json_object_set_new(status(2), "version", json_string("0.2.0"));
    json_object_set_new(host(3), "state", json_string("away"));
    look();
    assert_int_equal(json_array_size(found), 3);
    assert_string_equal(json_string_or(json_array_get(found, 0), "severity", ""), "error");
    assert_string_equal(json_string_or(json_array_get(found, 1), "severity", ""), "warning");
    assert_string_equal(json_string_or(json_array_get(found, 2), "severity", ""), "info");
}

static void what_a_peer_says_cannot_forge_a_line(void **state)
{
    (void)state;
    json_object_set_new(status(2), "waiting", json_string("a\nerror: b\033[2J"));
    expect("warning", "host.waits", "hosts/h2", "a error: b [2J");
}

static void a_thousand_hosts_are_named_in_short(void **state)
{
    json_t *hosts = json_object_get(view, "hosts");

    (void)state;
    for (int i = 4; i <= 1000; i++) {
        json_t *one = host_of(i);
        json_t *osds =
            json_object_get(json_object_get(json_object_get(one, "status"), "datastore"), "osds");
        AUTO(drop_free) char *name = text_make("h%d", i);

        json_array_append_new(osds, disk(i, name));
        json_object_set_new(json_object_get(one, "status"), "version", json_string("0.2.0"));
        json_array_append_new(hosts, one);
    }
    expect("warning", "version.differs", "hosts",
           "0.1.0 on h1, h2, h3; 0.2.0 on h4, h5, h6, h7, h8 and 992 more");
}

static void a_long_word_of_a_peer_is_cut_between_characters(void **state)
{
    AUTO(drop_text) struct text text = {0};

    (void)state;
    for (int i = 0; i < 700; i++) {
        text_add(&text, "\xc3\xa4");
    }
    json_object_set_new(status(2), "waiting", json_string(text.bytes));
    expect("warning", "host.waits", "hosts/h2", "waits: \xc3\xa4");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cluster_that_is_well_gives_no_finding),
        TEST(what_is_not_known_gives_no_finding),
        TEST(a_host_that_does_not_answer_is_named_with_the_reason),
        TEST(a_host_of_another_cluster_is_named),
        TEST(a_host_that_is_not_enrolled_or_waits_is_named),
        TEST(what_a_host_says_to_do_about_its_waiting_is_told),
        TEST(what_a_machine_is_in_trouble_for_is_said_once),
        TEST(a_machine_that_was_opened_by_a_kept_key_is_named),
        TEST(a_clock_that_is_off_is_named),
        TEST(when_all_hosts_agree_it_is_the_askers_clock),
        TEST(a_skew_is_what_is_certain),
        TEST(a_certificate_is_told_of_weeks_ahead),
        TEST(different_versions_are_named_with_their_hosts),
        TEST(a_host_that_lost_its_disks_is_named),
        TEST(what_a_host_says_of_its_own_disk_counts),
        TEST(a_host_without_a_disk_is_named),
        TEST(a_datastore_that_nobody_reaches_is_told_from_one_that_a_host_does_not_reach),
        TEST(a_datastore_that_is_not_well_says_why_as_text_or_as_list),
        TEST(a_datastore_that_fills_up_is_told_of),
        TEST(a_quorum_that_shrinks_is_told_of),
        TEST(copies_that_are_missing_are_told_of),
        TEST(a_host_in_maintenance_is_named),
        TEST(a_machine_that_runs_twice_is_an_error),
        TEST(a_machine_that_is_off_is_named_once),
        TEST(a_machine_that_does_not_run_or_is_not_sealed_is_named),
        TEST(a_machine_that_runs_without_its_lease_is_named),
        TEST(a_host_that_lost_its_key_provider_is_named),
        TEST(hosts_with_different_providers_or_keks_are_named),
        TEST(an_envelope_that_a_rotation_left_behind_is_named),
        TEST(a_missing_backup_and_a_root_key_in_a_file_are_told_of),
        TEST(errors_come_first_and_infos_last),
        TEST(what_a_peer_says_cannot_forge_a_line),
        TEST(a_thousand_hosts_are_named_in_short),
        TEST(a_long_word_of_a_peer_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
