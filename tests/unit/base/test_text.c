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

static void a_text_grows(void **state)
{
    AUTO(drop_text) struct text text = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        text_addf(&text, "%d,", i % 10);
    }
    text_add(&text, "end");
    assert_int_equal(text.length, 2003);
    assert_int_equal(strlen(text.bytes), 2003);
    assert_memory_equal(text.bytes, "0,1,2,3,", 8);
    assert_string_equal(text.bytes + 2000, "end");
}

static void a_text_may_hold_any_bytes(void **state)
{
    AUTO(drop_text) struct text text = {0};

    (void)state;
    text_add_bytes(&text, "a\0b", 3);
    text_add_bytes(&text, NULL, 0);
    assert_int_equal(text.length, 3);
    assert_memory_equal(text.bytes, "a\0b", 4);
}

static void a_taken_text_leaves_an_empty_one(void **state)
{
    AUTO(drop_text) struct text text = {0};

    (void)state;
    text_add(&text, "x");
    AUTO(drop_free) char *taken = text_take(&text);
    AUTO(drop_free) char *nothing = text_take(&text);
    assert_string_equal(taken, "x");
    assert_string_equal(nothing, "");
    assert_int_equal(text.length, 0);
}

static void a_copy_of_nothing_is_nothing(void **state)
{
    (void)state;
    AUTO(drop_free) char *copy = text_copy("abc");
    assert_string_equal(copy, "abc");
    assert_null(text_copy(NULL));
}

static void room_is_zeroed_and_never_null(void **state)
{
    static const char zero[64];

    (void)state;
    AUTO(drop_free) char *room = text_room(8, 8);
    AUTO(drop_free) char *none = text_room(0, 0);
    assert_memory_equal(room, zero, 64);
    assert_non_null(none);
}

static void a_start_is_told(void **state)
{
    (void)state;
    assert_true(text_starts("quoin://x", "quoin://"));
    assert_true(text_starts("x", ""));
    assert_false(text_starts("quoin:", "quoin://"));
}

static void sizes_are_for_people(void **state)
{
    char out[16];

    (void)state;
    assert_string_equal(text_size(0, out), "0 B");
    assert_string_equal(text_size(1023, out), "1023 B");
    assert_string_equal(text_size(1024, out), "1.0 KiB");
    assert_string_equal(text_size(6ull << 30, out), "6.0 GiB");
    assert_string_equal(text_size(1536ull << 20, out), "1.5 GiB");
    assert_string_equal(text_size(~0ull, out), "16.0 EiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_grows),
        cmocka_unit_test(a_text_may_hold_any_bytes),
        cmocka_unit_test(a_taken_text_leaves_an_empty_one),
        cmocka_unit_test(a_copy_of_nothing_is_nothing),
        cmocka_unit_test(room_is_zeroed_and_never_null),
        cmocka_unit_test(a_start_is_told),
        cmocka_unit_test(sizes_are_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
