/* SPDX-License-Identifier: Apache-2.0 */
/* The settings that we write, held against files; and what is there already. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/ceph.h"

#define CLUSTER "5f3c1c0e-0000-4000-8000-0000000000a3"

static const struct store_monitor one[] = {{"h1", "10.77.0.11"}};
static const struct store_monitor three[] = {
    {"h1", "fd00::11"}, {"h2", "fd00::12"}, {"h3", "fd00::13"}};

static const struct store_conf plain = {.cluster = CLUSTER,
                                        .name = "ds1",
                                        .network = "10.77.0.0/24",
                                        .host = "h1",
                                        .address = "10.77.0.11",
                                        .monitors = one,
                                        .monitor_count = 1,
                                        .replicas = 1,
                                        .root = ""};

/* QUOIN_GOLDEN=write writes them anew, for a person to read the difference. */
static void is_golden(const char *name, const char *text)
{
    AUTO(drop_free) char *path = text_make("%s/tests/unit/store/%s", getenv("QUOIN_SOURCE"), name);
    AUTO(drop_free) char *golden = NULL;
    struct err err = {0};

    if (getenv("QUOIN_GOLDEN")) {
        assert_true(file_write(path, text, strlen(text), 0644, &err));
    }
    assert_true(file_read(path, 65536, &golden, NULL, &err));
    assert_string_equal(text, golden);
}

static void the_settings_of_one_host(void **state)
{
    AUTO(drop_free) char *text = ceph_conf_text(&plain, 1ull << 30, false);

    (void)state;
    is_golden("one-host.conf", text);
}

static void the_settings_while_it_is_made(void **state)
{
    AUTO(drop_free) char *text = ceph_conf_text(&plain, 1ull << 30, true);

    (void)state;
    is_golden("one-host-hasty.conf", text);
}

static void the_settings_of_three_hosts_with_ipv6(void **state)
{
    struct store_conf conf = plain;

    (void)state;
    conf.monitors = three;
    conf.monitor_count = COUNT_OF(three);
    conf.network = "fd00::/64";
    conf.host = "h2";
    conf.address = "fd00::12";
    conf.replicas = 3;
    AUTO(drop_free) char *text = ceph_conf_text(&conf, 4ull << 30, false);

    is_golden("three-hosts.conf", text);
}

struct place {
    char root[64];
    struct store_conf conf;
};

static int make_place(void **state)
{
    static struct place place;
    struct err err = {0};

    (void)snprintf(place.root, sizeof(place.root), "/tmp/quoin-conf-XXXXXX");
    assert_non_null(mkdtemp(place.root));
    place.conf = plain;
    place.conf.root = place.root;
    AUTO(drop_free) char *folder = ceph_path(&place.conf, "/etc/ceph");

    assert_true(file_make_folder(folder, 0755, &err));
    *state = &place;
    return 0;
}

static int drop_place(void **state)
{
    struct place *place = *state;
    struct err err = {0};

    return file_remove_tree(place->root, &err) ? 0 : 1;
}

static void settings_are_written_once_and_readable_by_all(void **state)
{
    struct place *place = *state;
    AUTO(drop_free) char *path = ceph_path(&place->conf, "/etc/ceph/ceph.conf");
    struct err err = {0};
    char cluster[UUID_SIZE];
    struct stat first, second;
    bool hasty = false;

    assert_true(ceph_conf_cluster(&place->conf, cluster, &err));
    assert_string_equal(cluster, "");
    assert_true(ceph_conf_make(&place->conf, true, &err));
    assert_int_equal(stat(path, &first), 0);
    assert_int_equal(first.st_mode & 0777, 0644);
    assert_true(ceph_conf_make(&place->conf, true, &err));
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_true(ceph_conf_cluster(&place->conf, cluster, &err));
    assert_string_equal(cluster, CLUSTER);
    assert_true(ceph_conf_is_hasty(&place->conf, &hasty, &err));
    assert_true(hasty);
    assert_true(ceph_conf_make(&place->conf, false, &err));
    assert_true(ceph_conf_is_hasty(&place->conf, &hasty, &err));
    assert_false(hasty);
}

static void settings_of_somebody_else_stay(void **state)
{
    static const char theirs[] = "[global]\nfsid = 5f3c1c0e-0000-4000-8000-0000000000a3\n";
    struct place *place = *state;
    AUTO(drop_free) char *path = ceph_path(&place->conf, "/etc/ceph/ceph.conf");
    AUTO(drop_free) char *after = NULL;
    struct err err = {0};
    json_t *cleared = NULL;

    assert_true(file_write(path, theirs, strlen(theirs), 0644, &err));
    assert_false(ceph_conf_make(&place->conf, false, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_true(err.remedy[0]);
    assert_false(ceph_build.begin(&place->conf, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_false(ceph_build.undo(&place->conf, NULL, &cleared, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_true(file_read(path, 4096, &after, NULL, &err));
    assert_string_equal(after, theirs);
}

static void another_cluster_of_ours_stays(void **state)
{
    struct place *place = *state;
    struct store_conf other = place->conf;
    struct err err = {0};
    json_t *cleared = NULL;

    other.cluster = "0b6a1f6e-1111-4222-8333-444455556666";
    assert_true(ceph_conf_make(&place->conf, false, &err));
    assert_false(ceph_conf_make(&other, false, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, CLUSTER));
    assert_false(ceph_build.undo(&other, NULL, &cleared, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void a_host_without_a_datastore_is_absent_to_open_and_away_to_look(void **state)
{
    struct place *place = *state;
    struct store_health health = {0};
    struct store *store = NULL;
    struct err err = {0};

    assert_false(stores[0]->open(&place->conf, &store, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_true(stores[0]->look(&place->conf, &health, &err));
    assert_int_equal(health.state, STORE_AWAY);
    store_health_clear(&health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_settings_of_one_host),
        cmocka_unit_test(the_settings_while_it_is_made),
        cmocka_unit_test(the_settings_of_three_hosts_with_ipv6),
        cmocka_unit_test_setup_teardown(settings_are_written_once_and_readable_by_all, make_place,
                                        drop_place),
        cmocka_unit_test_setup_teardown(settings_of_somebody_else_stay, make_place, drop_place),
        cmocka_unit_test_setup_teardown(another_cluster_of_ours_stays, make_place, drop_place),
        cmocka_unit_test_setup_teardown(
            a_host_without_a_datastore_is_absent_to_open_and_away_to_look, make_place, drop_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
