/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "base/base.h"

static void a_made_uuid_is_valid_random_and_of_version_4(void **state)
{
    char a[UUID_SIZE], b[UUID_SIZE];

    (void)state;
    for (int i = 0; i < 100; i++) {
        uuid_make(a);
        uuid_make(b);
        assert_true(uuid_valid(a) && uuid_valid(b));
        assert_string_not_equal(a, b);
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
    }
}

static void a_derived_uuid_is_always_the_same(void **state)
{
    char a[UUID_SIZE], b[UUID_SIZE], c[UUID_SIZE], d[UUID_SIZE];
    const char *space = "01234567-89ab-4cde-8f01-23456789abcd";

    (void)state;
    uuid_derive(space, "disk/system", a);
    uuid_derive(space, "disk/system", b);
    uuid_derive(space, "disk/data", c);
    uuid_derive("11234567-89ab-4cde-8f01-23456789abcd", "disk/system", d);
    assert_true(uuid_valid(a));
    assert_int_equal(a[14], '8');
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_string_not_equal(a, d);
}

static void whatever_else_is_no_uuid(void **state)
{
    static const char *const wrong[] = {
        "",
        "01234567-89ab-4cde-8f01-23456789abc",
        "01234567-89ab-4cde-8f01-23456789abcde",
        "01234567-89AB-4cde-8f01-23456789abcd",
        "0123456789ab4cde8f0123456789abcd",
        "01234567-89ab-4cde-8f01_23456789abcd",
        "01234567-89ab-4cde-8f0--23456789abcd",
        "{1234567-89ab-4cde-8f01-23456789abcd",
        "g1234567-89ab-4cde-8f01-23456789abcd",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(uuid_valid(wrong[i]));
    }
    assert_true(uuid_valid("01234567-89ab-4cde-8f01-23456789abcd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_made_uuid_is_valid_random_and_of_version_4),
        cmocka_unit_test(a_derived_uuid_is_always_the_same),
        cmocka_unit_test(whatever_else_is_no_uuid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
