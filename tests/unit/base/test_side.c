/* SPDX-License-Identifier: Apache-2.0 */
/* base/side.h: each of them once, and never too many at a time. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/side.h"

#define COUNT 1000

static struct {
    atomic_uint done[COUNT], now, most;
    pthread_barrier_t barrier;
} work;

static int begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        work.done[i] = 0;
    }
    work.now = work.most = 0;
    return 0;
}

static void count(void *context, size_t number)
{
    unsigned now = ++work.now, most = work.most;

    (void)context;
    while (now > most && !atomic_compare_exchange_weak(&work.most, &most, now)) {
    }
    usleep(100);
    work.done[number]++;
    work.now--;
}

static void each_is_done_once_and_never_more_at_a_time_than_asked_for(void **state)
{
    (void)state;
    side_by_side(COUNT, 8, count, NULL);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(work.done[i], 1);
    }
    assert_true(work.most >= 1 && work.most <= 8);
}

/* Nobody passes before all eight are there. */
static void meet(void *context, size_t number)
{
    (void)context;
    (void)pthread_barrier_wait(&work.barrier);
    work.done[number]++;
}

static void as_many_as_asked_for_work_at_the_same_time(void **state)
{
    (void)state;
    assert_int_equal(pthread_barrier_init(&work.barrier, NULL, 8), 0);
    side_by_side(8, 8, meet, NULL);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(work.done[i], 1);
    }
    pthread_barrier_destroy(&work.barrier);
}

static void nothing_to_do_is_done(void **state)
{
    (void)state;
    side_by_side(0, 8, count, NULL);
    side_by_side(1, 0, count, NULL);
    assert_int_equal(work.done[0], 1);
    assert_int_equal(work.done[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_is_done_once_and_never_more_at_a_time_than_asked_for, begin),
        cmocka_unit_test_setup(as_many_as_asked_for_work_at_the_same_time, begin),
        cmocka_unit_test_setup(nothing_to_do_is_done, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
