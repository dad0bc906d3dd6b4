/* SPDX-License-Identifier: Apache-2.0 */
/* Leases and the fence against a real Ceph on loopback. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cluster.h"
#include "store/ceph.h"

#define LEASE "lease.11111111-2222-3333-4444-555555555555"
/* What the kernel chooses as the sender of all that goes to loopback. */
#define OURS "127.0.0.1"

static struct cluster cluster;
static const struct store_backend *ceph;
static struct store *store, *other;

static void reopen(void)
{
    struct err err = {0};

    ceph->close(store);
    store = NULL;
    MUST(ceph->open(&cluster.conf, &store, &err));
}

static void holder_is(const char *wanted)
{
    struct store_lease lease;
    struct err err = {0};

    MUST(ceph->leases->look(store, LEASE, &lease, &err));
    assert_string_equal(lease.holder, wanted);
    assert_string_equal(lease.address, wanted[0] ? OURS : "");
}

static void a_host_knows_whether_its_address_is_the_one_seen(void **state)
{
    struct err err = {0};

    (void)state;
    MUST(ceph->leases->seen_at(store, OURS, &err));
    /* The daemons' own address; the kernel does not send from it. */
    assert_false(ceph->leases->seen_at(store, cluster.address, &err));
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_non_null(strstr(err.what, OURS));
    assert_non_null(strstr(err.what, cluster.address));
}

static void a_lease_has_one_holder_who_may_extend_it(void **state)
{
    struct err err = {0};

    (void)state;
    holder_is("");
    MUST(ceph->leases->take(store, LEASE, "h1/a", 60, &err));
    MUST(ceph->leases->take(store, LEASE, "h1/a", 60, &err));
    holder_is("h1/a");
    assert_false(ceph->leases->take(other, LEASE, "h2/b", 60, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "'h1'"));
    MUST(ceph->leases->drop(other, LEASE, "h2/b", &err));
    holder_is("h1/a");
    MUST(ceph->leases->drop(store, LEASE, "h1/a", &err));
    MUST(ceph->leases->drop(store, LEASE, "h1/a", &err));
    holder_is("");
}

static void a_new_client_of_the_same_host_holds_it_at_once(void **state)
{
    struct err err = {0};

    (void)state;
    MUST(ceph->leases->take(store, LEASE, "h1/a", 60, &err));
    MUST(ceph->leases->take(other, LEASE, "h1/a", 60, &err));
    MUST(ceph->leases->take(store, LEASE, "h1/next-boot", 60, &err));
    holder_is("h1/next-boot");
    /* A name that begins alike is another host's. */
    assert_false(ceph->leases->take(other, LEASE, "h11/a", 60, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    MUST(ceph->leases->drop(store, LEASE, "h1/next-boot", &err));
}

static void a_lease_that_is_not_extended_runs_out(void **state)
{
    struct err err = {0};

    (void)state;
    MUST(ceph->leases->take(store, LEASE, "h1/a", 1, &err));
    nanosleep(&(struct timespec){1, 200000000}, NULL);
    holder_is("");
    MUST(ceph->leases->take(other, LEASE, "h2/b", 60, &err));
    holder_is("h2/b");
}

static void a_lease_is_ended_for_the_named_holder_only(void **state)
{
    struct err err = {0};

    (void)state;
    MUST(ceph->leases->oust(store, LEASE, "h1/a", &err));
    holder_is("h2/b");
    MUST(ceph->leases->oust(store, LEASE, "h2/b", &err));
    holder_is("");
    MUST(ceph->leases->oust(store, LEASE, "h2/b", &err));
}

static void a_fenced_host_writes_nothing_also_by_a_new_client(void **state)
{
    struct store *fresh = NULL;
    struct err err = {0};
    bool fenced = true;

    (void)state;
    MUST(ceph->leases->fenced(&cluster.conf, OURS, &fenced, &err));
    assert_false(fenced);
    MUST(ceph->objects->write(other, "fence.test", "a", 1, STORE_ANY, NULL, &err));
    MUST(ceph->leases->fence(store, OURS, &err));
    MUST(ceph->leases->fence(store, OURS, &err));
    assert_false(ceph->objects->write(other, "fence.test", "b", 1, STORE_ANY, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    MUST(ceph->open(&cluster.conf, &fresh, &err));
    assert_false(ceph->objects->write(fresh, "fence.test", "c", 1, STORE_ANY, NULL, &err));
    assert_false(ceph->images->create(fresh, "fence-test", STORE_HEADER, &err));
    ceph->close(fresh);
    MUST(ceph->leases->fenced(&cluster.conf, OURS, &fenced, &err));
    assert_true(fenced);
}

static void the_disks_of_a_fenced_host_work_on(void **state)
{
    struct store_health health = {0};
    struct err err = {0};

    (void)state;
    MUST(ceph->look(&cluster.conf, &health, &err));
    assert_int_equal(health.disks_up, 1);
    assert_true(health.clean);
    store_health_clear(&health);
}

static void a_fence_that_was_lifted_lets_new_clients_in(void **state)
{
    AUTO(drop_free) char *bytes = NULL;
    struct err err = {0};
    size_t length = 0;
    bool fenced = true;

    (void)state;
    MUST(ceph->leases->lift(&cluster.conf, OURS, false, &err));
    MUST(ceph->leases->lift(&cluster.conf, OURS, false, &err));
    MUST(ceph->leases->fenced(&cluster.conf, OURS, &fenced, &err));
    assert_false(fenced);
    reopen();
    MUST(ceph->objects->read(store, "fence.test", &bytes, &length, NULL, &err));
    assert_string_equal(bytes, "a");
    MUST(ceph->objects->write(store, "fence.test", "d", 1, STORE_ANY, NULL, &err));
    MUST(ceph->objects->remove(store, "fence.test", &err));
}

static bool is_fenced(const char *address)
{
    struct err err = {0};
    bool fenced = false;

    MUST(ceph->leases->fenced(&cluster.conf, address, &fenced, &err));
    return fenced;
}

/* On this cluster there is h1 alone: whatever another may have been, it is not listed. */
#define LEFT "127.9.9.9"

static void who_is_not_listed_keeps_its_fence_until_it_comes_in_anew(void **state)
{
    struct store_conf other_conf = cluster.conf;
    struct err err = {0};

    (void)state;
    other_conf.host = "h9";
    MUST(ceph->leases->fence(store, LEFT, &err));
    assert_false(ceph->leases->lift(&other_conf, LEFT, false, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "'h9'"));
    assert_true(is_fenced(LEFT));
    MUST(ceph->leases->lift(&other_conf, LEFT, true, &err));
    assert_false(is_fenced(LEFT));
}

/* The year in which the entry of a whole host ends; 0: there is none. */
static int fence_ends(const char *entry)
{
    AUTO(drop_rados) rados_t admin = NULL;
    AUTO(drop_json) json_t *map = NULL;
    struct err err = {0};
    int year = 0;

    MUST(ceph_connect(&cluster.conf, CEPH_ADMIN, 10, &admin, &err));
    MUST(ceph_command(admin, json_pack("{ss}", "prefix", "osd dump"), &map, &err));
    const char *ends = json_string_or(json_object_get(map, "blocklist"), entry, "");

    return sscanf(ends, "%d-", &year) == 1 ? year : 0;
}

static void a_fence_that_was_set_by_hand_and_ends_does_not_count(void **state)
{
    time_t now = time(NULL);
    int this_year = 1900 + gmtime(&now)->tm_year;
    AUTO(drop_rados) rados_t admin = NULL;
    struct err err = {0};

    (void)state;
    MUST(ceph_connect(&cluster.conf, CEPH_ADMIN, 10, &admin, &err));
    MUST(ceph_command(admin,
                      json_pack("{ss ss ss sf}", "prefix", "osd blocklist", "blocklistop", "add",
                                "addr", LEFT ":0/0", "expire", 60.0),
                      NULL, &err));
    assert_true(fence_ends(LEFT ":0/0") <= this_year + 1);
    assert_false(ceph->leases->fence(store, LEFT, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.remedy, "blocklist rm"));
    MUST(ceph->leases->lift(&cluster.conf, LEFT, true, &err));
    assert_true(fence_ends(LEFT ":0/0") == 0);
    MUST(ceph->leases->fence(store, LEFT, &err));
    assert_true(fence_ends(LEFT ":0/0") >= this_year + 9);
    MUST(ceph->leases->lift(&cluster.conf, LEFT, true, &err));
}

static void who_cannot_be_fenced_may_not_leave(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(ceph->care->leave(&cluster.conf, "h9", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "cannot be fenced"));
}

static void whoever_left_is_fenced_also_where_nothing_of_it_is_known(void **state)
{
    struct err err = {0};

    (void)state;
    MUST(ceph->care->leave(&cluster.conf, "h9", LEFT, NULL, &err));
    assert_true(is_fenced(LEFT));
    MUST(ceph->care->leave(&cluster.conf, "h9", LEFT, NULL, &err));
    MUST(ceph->leases->lift(&cluster.conf, LEFT, true, &err));
}

static void nobody_is_fenced_at_the_address_of_another(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(ceph->care->leave(&cluster.conf, "h9", cluster.address, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "h1"));
    assert_false(is_fenced(cluster.address));
}

/* "osd.0" in the tree: its weight, and whether it is in; the flags of its host. */
static void disk_is(double weight, double in, size_t flags)
{
    AUTO(drop_rados) rados_t admin = NULL;
    AUTO(drop_json) json_t *tree = NULL, *map = NULL;
    const json_t *node = NULL;
    struct err err = {0};
    size_t i;

    MUST(ceph_connect(&cluster.conf, CEPH_ADMIN, 10, &admin, &err));
    MUST(ceph_command(admin, json_pack("{ss}", "prefix", "osd tree"), &tree, &err));
    MUST(ceph_command(admin, json_pack("{ss}", "prefix", "osd dump"), &map, &err));
    json_array_foreach(json_object_get(tree, "nodes"), i, node)
    {
        if (strcmp(json_string_or(node, "name", ""), "osd.0") == 0) {
            double has = json_number_value(json_object_get(node, "crush_weight"));

            assert_true(has > weight - 0.0002 && has < weight + 0.0002);
            assert_true(json_number_value(json_object_get(node, "reweight")) == in);
        }
    }
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(map, "crush_node_flags"), "h1")), flags);
}

static void a_disk_gets_back_what_an_interrupted_leave_took(void **state)
{
    const double whole = (double)cluster.orders[0].size / (double)(1ull << 40);
    AUTO(drop_rados) rados_t admin = NULL;
    struct err err = {0};
    unsigned member = 9;

    (void)state;
    disk_is(whole, 1, 0);
    MUST(ceph_connect(&cluster.conf, CEPH_ADMIN, 10, &admin, &err));
    MUST(ceph_command(
        admin,
        json_pack("{ss ss sf}", "prefix", "osd crush reweight", "name", "osd.0", "weight", 0.0),
        NULL, &err));
    MUST(ceph_command(admin, json_pack("{ss s[s]}", "prefix", "osd out", "ids", "0"), NULL, &err));
    MUST(ceph_command(
        admin, json_pack("{ss ss s[s]}", "prefix", "osd set-group", "flags", "noup", "who", "h1"),
        NULL, &err));
    disk_is(0, 0, 1);
    MUST(ceph->build->disk(&cluster.conf, &cluster.orders[0], NULL, &member, &err));
    assert_int_equal(member, 0);
    disk_is(whole, 1, 0);
}

static int begin(void **state)
{
    struct err err = {0};

    (void)state;
    MUST(store_backend_find("ceph", &ceph, &err));
    cluster_prepare(&cluster, "/tmp", 1);
    cluster.conf.seconds = 30;
    MUST(cluster_make(&cluster, NULL, &err));
    MUST(ceph->open(&cluster.conf, &store, &err));
    MUST(ceph->open(&cluster.conf, &other, &err));
    return 0;
}

static int end(void **state)
{
    (void)state;
    ceph->close(store);
    ceph->close(other);
    cluster_drop(&cluster);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_knows_whether_its_address_is_the_one_seen),
        cmocka_unit_test(a_lease_has_one_holder_who_may_extend_it),
        cmocka_unit_test(a_new_client_of_the_same_host_holds_it_at_once),
        cmocka_unit_test(a_lease_that_is_not_extended_runs_out),
        cmocka_unit_test(a_lease_is_ended_for_the_named_holder_only),
        cmocka_unit_test(a_fenced_host_writes_nothing_also_by_a_new_client),
        cmocka_unit_test(the_disks_of_a_fenced_host_work_on),
        cmocka_unit_test(a_fence_that_was_lifted_lets_new_clients_in),
        cmocka_unit_test(who_is_not_listed_keeps_its_fence_until_it_comes_in_anew),
        cmocka_unit_test(a_fence_that_was_set_by_hand_and_ends_does_not_count),
        cmocka_unit_test(who_cannot_be_fenced_may_not_leave),
        cmocka_unit_test(whoever_left_is_fenced_also_where_nothing_of_it_is_known),
        cmocka_unit_test(nobody_is_fenced_at_the_address_of_another),
        cmocka_unit_test(a_disk_gets_back_what_an_interrupted_leave_took),
    };

    if (geteuid() != 0 || access("/usr/bin/ceph-osd", X_OK) != 0) {
        return 77; /* meson: skipped */
    }
    return cmocka_run_group_tests(tests, begin, end);
}
