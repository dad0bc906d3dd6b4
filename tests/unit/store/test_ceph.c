/* SPDX-License-Identifier: Apache-2.0 */
/* The room against a real Ceph on loopback: mon, mgr and OSDs of the distribution's packages. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster.h"

static struct cluster cluster;
static const struct store_backend *ceph;
static struct store *store;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Where the time goes; QUOIN_TEST_TIMES shows it. */
static void tell(void *context, unsigned percent, const char *what)
{
    static char last[128];

    (void)context;
    if (getenv("QUOIN_TEST_TIMES") && strcmp(last, what) != 0) {
        print_message("  %.2f %3u %s\n", now(), percent, what);
        (void)snprintf(last, sizeof(last), "%s", what);
    }
}
static const struct progress progress = {.tell = tell};

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if (!(call)) {                                                                             \
            fail_msg("%s: %s (%s)", #call, err.what, err_kind_name(err.kind));                     \
        }                                                                                          \
    } while (0)

static void from_nothing_to_a_pool_that_takes_writes(void **state)
{
    struct err err = {0};
    double begin = now();

    (void)state;
    MUST(cluster_make(&cluster, &progress, &err));
    print_message("from nothing to a pool that takes writes: %.2f s\n", now() - begin);
    MUST(ceph->open(&cluster.conf, &store, &err));
}

static void a_second_run_changes_nothing_and_is_quick(void **state)
{
    struct err err = {0};
    double begin = now();

    (void)state;
    MUST(cluster_make(&cluster, &progress, &err));
    print_message("second run: %.2f s\n", now() - begin);
    assert_true(now() - begin < 5);
}

static void health_is_told(void **state)
{
    struct store_health health = {0};
    struct err err = {0};
    double begin = now();

    (void)state;
    MUST(ceph->look(&cluster.conf, &health, &err));
    print_message("look: %.3f s; %s; %s\n", now() - begin, store_state_name(health.state),
                  health.reasons);
    assert_int_equal(health.state, STORE_OK);
    assert_int_equal(health.disks, cluster.disk_count);
    assert_int_equal(health.disks_up, cluster.disk_count);
    assert_int_equal(health.monitors_in_quorum, 1);
    assert_true(health.clean);
    assert_true(health.bytes_total > (5ull << 30) * cluster.disk_count);
    assert_int_equal(json_array_size(health.members), cluster.disk_count);
    for (size_t i = 0; i < cluster.disk_count; i++) {
        const char *disk = json_string_or(json_array_get(health.members, i), "disk", "");

        assert_true(!strcmp(disk, cluster.loops[0]) || !strcmp(disk, cluster.loops[1]));
    }
    store_health_clear(&health);
}

static void holes_read_as_zeros_with_our_settings(void **state)
{
    struct err err = {0};
    bool hold = false;
    double begin = now();

    (void)state;
    MUST(ceph->holes(store, &hold, &err));
    print_message("holes: %.3f s\n", now() - begin);
    assert_true(hold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_nothing_to_a_pool_that_takes_writes),
        cmocka_unit_test(a_second_run_changes_nothing_and_is_quick),
        cmocka_unit_test(health_is_told),
        cmocka_unit_test(holes_read_as_zeros_with_our_settings),
    };

    if (geteuid() != 0 || access("/usr/bin/ceph-osd", X_OK) != 0) {
        return 77; /* meson: skipped */
    }
    ceph = stores[0];
    cluster_prepare(&cluster, 2);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    if (!getenv("KEEP")) {
        ceph->close(store);
        cluster_drop(&cluster);
    }
    return failed;
}
