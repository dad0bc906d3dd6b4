/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <errno.h>
#include <string.h>

#include "base/base.h"

static void each_kind_has_the_exit_code_and_status_of_the_contract(void **state)
{
    static const struct {
        enum err_kind kind;
        const char *name;
        int exit_code;
        unsigned status;
    } kinds[] = {
        {ERR_INPUT, "input", 2, 400},   {ERR_DENIED, "denied", 3, 403},
        {ERR_ABSENT, "absent", 4, 404}, {ERR_CLASH, "clash", 5, 409},
        {ERR_AWAY, "away", 6, 503},     {ERR_SYSTEM, "system", 7, 500},
        {ERR_BUG, "bug", 70, 500},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_string_equal(err_kind_name(kinds[i].kind), kinds[i].name);
        assert_int_equal(err_kind_of(kinds[i].name), kinds[i].kind);
        assert_int_equal(err_exit_code(kinds[i].kind), kinds[i].exit_code);
        assert_int_equal(err_http_status(kinds[i].kind), kinds[i].status);
    }
    assert_int_equal(err_kind_of("nonsense"), ERR_BUG);
    assert_int_equal(err_kind_of(NULL), ERR_BUG);
    assert_int_equal(err_exit_code((enum err_kind)99), 70);
}

static void each_layer_adds_its_context_in_front(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(err_set(&err, ERR_ABSENT, "there is no disk '%s'", "wwn-1"));
    assert_false(err_add(&err, "look at host '%s'", "h1"));
    assert_false(err_add(&err, "check"));
    assert_string_equal(err.what, "check: look at host 'h1': there is no disk 'wwn-1'");
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void the_innermost_remedy_stays(void **state)
{
    struct err err = {0};

    (void)state;
    err_set(&err, ERR_DENIED, "no");
    assert_false(err_mend(&err, "chmod 600 %s", "key"));
    assert_false(err_mend(&err, "ask somebody"));
    assert_string_equal(err.remedy, "chmod 600 key");
    err_set(&err, ERR_DENIED, "no again");
    assert_string_equal(err.remedy, "");
}

static void the_kind_follows_from_the_errno(void **state)
{
    static const struct {
        int number;
        enum err_kind kind;
    } cases[] = {{ENOENT, ERR_ABSENT}, {EACCES, ERR_DENIED},     {EPERM, ERR_DENIED},
                 {EEXIST, ERR_CLASH},  {ECONNREFUSED, ERR_AWAY}, {ETIMEDOUT, ERR_AWAY},
                 {EIO, ERR_SYSTEM},    {ENOSPC, ERR_SYSTEM}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};

        assert_false(err_errno(&err, cases[i].number, "open '%s'", "x"));
        assert_int_equal(err.kind, cases[i].kind);
        assert_memory_equal(err.what, "open 'x': ", 10);
        assert_string_equal(err.what + 10, strerror(cases[i].number));
    }
}

static void what_a_peer_says_cannot_forge_a_second_line(void **state)
{
    struct err err = {0};

    (void)state;
    err_set(&err, ERR_INPUT, "%s", "a\nb\r\033[31mc\x7f");
    assert_string_equal(err.what, "a b  [31mc ");
    err_mend(&err, "%s", "x\ny");
    assert_string_equal(err.remedy, "x y");
    err_add(&err, "%s", "p\nq");
    assert_string_equal(err.what, "p q: a b  [31mc ");
}

static void a_text_that_is_too_long_is_cut_and_ended(void **state)
{
    char text[2000];
    struct err err = {0};

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_set(&err, ERR_INPUT, "%s", text);
    assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
    err_add(&err, "%s", text);
    assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
    err_errno(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.what), sizeof(err.what) - 1);
    err_mend(&err, "%s", text);
    assert_int_equal(strlen(err.remedy), sizeof(err.remedy) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_the_exit_code_and_status_of_the_contract),
        cmocka_unit_test(each_layer_adds_its_context_in_front),
        cmocka_unit_test(the_innermost_remedy_stays),
        cmocka_unit_test(the_kind_follows_from_the_errno),
        cmocka_unit_test(what_a_peer_says_cannot_forge_a_second_line),
        cmocka_unit_test(a_text_that_is_too_long_is_cut_and_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
