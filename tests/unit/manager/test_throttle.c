/* SPDX-License-Identifier: Apache-2.0 */
/* How often somebody may guess. */
#include "manager/throttle.h"
#include "tests.h"

/* How many of `attempts` are heard. */
static unsigned heard(struct throttle *throttle, const char *address, time_t now, unsigned attempts)
{
    unsigned wait = 0, count = 0;

    for (unsigned i = 0; i < attempts; i++) {
        count += throttle_try(throttle, address, now, &wait);
    }
    return count;
}

static void an_address_is_heard_so_often_a_minute(void **state)
{
    AUTO(drop_throttle) struct throttle *throttle = throttle_new();
    unsigned wait = 0;

    (void)state;
    assert_int_equal(heard(throttle, "10.0.0.1", 100, 50), THROTTLE_ADDRESS);
    assert_false(throttle_try(throttle, "10.0.0.1", 110, &wait));
    assert_int_equal(wait, 50);
    assert_int_equal(heard(throttle, "10.0.0.2", 110, 1), 1);
    assert_int_equal(heard(throttle, "10.0.0.1", 160, 50), THROTTLE_ADDRESS);
}

static void all_addresses_together_are_heard_so_often_a_minute(void **state)
{
    AUTO(drop_throttle) struct throttle *throttle = throttle_new();
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        AUTO(drop_free) char *address = text_make("10.0.%u.%u", i / 250, i % 250);

        count += heard(throttle, address, 100, 1);
    }
    assert_int_equal(count, THROTTLE_ALL);
}

static void a_network_of_ipv6_is_one_address(void **state)
{
    AUTO(drop_throttle) struct throttle *throttle = throttle_new();
    unsigned count = 0;

    (void)state;
    for (unsigned i = 1; i < 50; i++) {
        AUTO(drop_free) char *address = text_make("fd00:1:2:3::%x", i);

        count += heard(throttle, address, 100, 1);
    }
    assert_int_equal(count, THROTTLE_ADDRESS);
    assert_int_equal(heard(throttle, "fd00:1:2:4::1", 100, 1), 1);
    assert_int_equal(heard(throttle, "::ffff:10.0.0.1", 100, 1), 1);
    assert_int_equal(heard(throttle, "::ffff:10.0.0.2", 100, 99), THROTTLE_ADDRESS);
}

static void who_gets_it_right_begins_anew(void **state)
{
    AUTO(drop_throttle) struct throttle *throttle = throttle_new();

    (void)state;
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(heard(throttle, "10.0.0.1", 100, THROTTLE_ADDRESS - 1),
                         THROTTLE_ADDRESS - 1);
        throttle_forgive(throttle, "10.0.0.1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_heard_so_often_a_minute),
        cmocka_unit_test(all_addresses_together_are_heard_so_often_a_minute),
        cmocka_unit_test(a_network_of_ipv6_is_one_address),
        cmocka_unit_test(who_gets_it_right_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
