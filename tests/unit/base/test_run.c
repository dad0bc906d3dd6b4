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

static void a_program_gets_its_input_and_its_output_comes_back(void **state)
{
    struct run run = {.argv = RUN("cat"), .input = "hello", .input_length = 5};
    AUTO(drop_free) char *out = NULL;
    struct err err = {0};

    (void)state;
    assert_true(run_ok(&run, &out, &err));
    assert_string_equal(out, "hello");
}

static void a_secret_reaches_standard_input(void **state)
{
    AUTO(drop_secret) struct secret *secret = NULL, *hex = NULL;
    AUTO(drop_free) char *out = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &secret, &err));
    assert_true(secret_to_hex(secret, &hex, &err));
    assert_true(run_ok(&(struct run){.argv = RUN("wc", "-c"), .secret = hex}, &out, &err));
    assert_int_equal(atoi(out), 64);
}

static void a_program_that_is_not_there_is_absent(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(run_ok(&(struct run){.argv = RUN("no-such-program")}, NULL, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void a_program_past_its_deadline_is_killed(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(run_ok(&(struct run){.argv = RUN("sleep", "60"), .seconds = 1}, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
}

static void the_environment_is_clean(void **state)
{
    AUTO(drop_free) char *out = NULL;
    struct err err = {0};

    (void)state;
    setenv("QUOIN_TEST_LEAK", "1", 1);
    assert_true(run_ok(&(struct run){.argv = RUN("env")}, &out, &err));
    assert_null(strstr(out, "QUOIN_TEST_LEAK"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_its_input_and_its_output_comes_back),
        cmocka_unit_test(a_secret_reaches_standard_input),
        cmocka_unit_test(a_program_that_is_not_there_is_absent),
        cmocka_unit_test(a_program_past_its_deadline_is_killed),
        cmocka_unit_test(the_environment_is_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
