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

static json_t *read_ok(const char *text)
{
    json_t *value = NULL;
    struct err err = {0};

    assert_true(json_read(text, strlen(text), &value, &err));
    return value;
}

static void an_object_and_an_array_are_read(void **state)
{
    (void)state;
    AUTO(drop_json) json_t *object = read_ok(" {\"a\":[1,2]} \n");
    AUTO(drop_json) json_t *array = read_ok("[]");
    assert_true(json_is_object(object));
    assert_true(json_is_array(array));
}

static void what_is_not_json_is_refused_with_line_and_column(void **state)
{
    json_t *value = NULL;
    struct err err = {0};

    (void)state;
    assert_false(json_read("{\n \"a\": oops}", 13, &value, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "line 2, column"));
    assert_null(value);
}

static void each_of_these_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "1",
        "\"a\"",
        "null",
        "{} {}",
        "{}x",
        "{\"a\":1,\"a\":2}",
        "{\"a\":\"\\u0000\"}",
        "{'a':1}",
        "[1,]",
        "{\"a\":\"\xff\"}",
        "[NaN]",
        "[1e999]",
        "// x\n{}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        json_t *value = NULL;
        struct err err = {0};

        if (json_read(wrong[i], strlen(wrong[i]), &value, &err)) {
            fail_msg("accepted: %s", wrong[i]);
        }
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void deep_nesting_is_refused_and_does_not_crash(void **state)
{
    AUTO(drop_free) char *deep = text_room(1000001, 1);
    json_t *value = NULL;
    struct err err = {0};

    (void)state;
    memset(deep, '[', 1000000);
    assert_false(json_read(deep, 1000000, &value, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void more_than_the_ceiling_is_refused(void **state)
{
    AUTO(drop_free) char *large = text_room(JSON_MAX_BYTES + 2, 1);
    json_t *value = NULL;
    struct err err = {0};

    (void)state;
    memset(large, ' ', JSON_MAX_BYTES + 1);
    memcpy(large, "{}", 2);
    assert_true(json_read(large, JSON_MAX_BYTES, &value, &err));
    json_decref(value);
    assert_false(json_read(large, JSON_MAX_BYTES + 1, &value, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void the_canonical_form_does_not_depend_on_the_order(void **state)
{
    (void)state;
    AUTO(drop_json) json_t *a = read_ok("{\"b\": 1, \"a\": {\"d\": 2, \"c\": [3, \"\\u00e4\"]}}");
    AUTO(drop_json) json_t *b = read_ok("{\"a\":{\"c\":[3,\"\xc3\xa4\"],\"d\":2},\"b\":1}");
    AUTO(drop_free) char *ca = json_write_canonical(a);
    AUTO(drop_free) char *cb = json_write_canonical(b);
    AUTO(drop_free) char *as_set = json_write(a);

    assert_string_equal(ca, "{\"a\":{\"c\":[3,\"\xc3\xa4\"],\"d\":2},\"b\":1}");
    assert_string_equal(ca, cb);
    assert_string_equal(as_set, "{\"b\":1,\"a\":{\"d\":2,\"c\":[3,\"\xc3\xa4\"]}}");
}

static void a_field_is_given_only_as_what_it_is(void **state)
{
    AUTO(drop_json)
    json_t *object =
        read_ok("{\"s\":\"four\",\"i\":7,\"b\":true,\"o\":{},\"a\":[1,2,3],\"n\":null}");
    const char *string = NULL;
    const json_t *value = NULL;
    int64_t integer = 0;
    bool boolean = false;
    struct err err = {0};

    (void)state;
    assert_true(json_get_string(object, "s", 4, &string, &err));
    assert_string_equal(string, "four");
    assert_false(json_get_string(object, "s", 3, &string, &err));
    assert_true(json_get_integer(object, "i", 0, 7, &integer, &err));
    assert_int_equal(integer, 7);
    assert_false(json_get_integer(object, "i", 8, 9, &integer, &err));
    assert_false(json_get_integer(object, "i", 0, 6, &integer, &err));
    assert_true(json_get_bool(object, "b", &boolean, &err) && boolean);
    assert_true(json_get_object(object, "o", &value, &err));
    assert_true(json_get_array(object, "a", 3, &value, &err));
    assert_false(json_get_array(object, "a", 2, &value, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void a_wrong_or_missing_field_is_named(void **state)
{
    AUTO(drop_json) json_t *object = read_ok("{\"x\":null}");
    const char *string = NULL;
    const json_t *value = NULL;
    int64_t integer = 5;
    bool boolean = true;

    (void)state;
    for (int round = 0; round < 2; round++) {
        const char *key = round == 0 ? "x" : "missing";
        struct err errs[5] = {0};

        assert_false(json_get_string(object, key, 9, &string, &errs[0]));
        assert_false(json_get_integer(object, key, 0, 9, &integer, &errs[1]));
        assert_false(json_get_bool(object, key, &boolean, &errs[2]));
        assert_false(json_get_object(object, key, &value, &errs[3]));
        assert_false(json_get_array(object, key, 9, &value, &errs[4]));
        for (int i = 0; i < 5; i++) {
            assert_int_equal(errs[i].kind, ERR_INPUT);
            assert_non_null(strstr(errs[i].what, key));
        }
    }
    assert_int_equal(integer, 5);
    assert_string_equal(json_string_or(object, "x", "other"), "other");
}

static void a_format_above_the_newest_is_a_newer_quoins(void **state)
{
    AUTO(drop_json) json_t *object = json_pack("{s:i, s:i, s:s}", "format", 3, "old", 0, "x", "3");
    AUTO(drop_json) json_t *silent = json_object();
    struct err err = {0};

    (void)state;
    assert_true(json_get_format(object, "format", 3, &err));
    assert_true(json_format_known(object, 3, &err));
    assert_true(json_format_known(silent, 1, &err));
    assert_false(json_format_known(object, 2, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "newer quoin"));
    assert_non_null(strstr(err.remedy, "nothing of it was changed"));
    assert_false(json_get_format(object, "old", 3, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(json_get_format(object, "x", 3, &err));
    assert_false(json_get_format(silent, "format", 3, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void an_error_survives_its_way_through_json(void **state)
{
    struct err err = {0}, back = {0};

    (void)state;
    err_set(&err, ERR_CLASH, "'%s' is taken", "x");
    err_mend(&err, "take another");
    AUTO(drop_json) json_t *object = json_of_err(&err);
    assert_false(json_to_err(object, &back));
    assert_int_equal(back.kind, ERR_CLASH);
    assert_string_equal(back.what, err.what);
    assert_string_equal(back.remedy, err.remedy);
}

static void an_error_with_bytes_that_are_no_text_keeps_its_kind(void **state)
{
    struct err err = {0}, back = {0};

    (void)state;
    err_set(&err, ERR_AWAY, "%s", "\xff\xfe");
    AUTO(drop_json) json_t *object = json_of_err(&err);
    assert_false(json_to_err(object, &back));
    assert_int_equal(back.kind, ERR_AWAY);
}

static void a_failure_of_no_kind_is_still_a_failure(void **state)
{
    struct err back = {0};

    (void)state;
    AUTO(drop_json) json_t *object = json_pack("{s:s, s:s}", "kind", "none", "what", "all is well");
    assert_false(json_to_err(object, &back));
    assert_int_equal(back.kind, ERR_BUG);
}

static void what_a_terminal_would_obey_is_taken_out_of_every_text(void **state)
{
    (void)state;
    AUTO(drop_json)
    json_t *object = json_pack("{s:s, s:[s, {s:s}], s:i}", "a", "x\033[2Jy", "b", "\302\233A", "c",
                               "\n\177Gr\303\274n", "d", 7);
    json_flatten(object);
    AUTO(drop_free) char *text = json_write_canonical(object);
    assert_string_equal(text, "{\"a\":\"x [2Jy\",\"b\":[\"  A\",{\"c\":\"  Gr\303\274n\"}],"
                              "\"d\":7}");
}

static void an_object_of_an_array_is_found_by_a_string_of_it(void **state)
{
    AUTO(drop_json)
    json_t *array = json_pack("[s, {s:i}, {s:s}, {s:s, s:i}, {s:s}]", "b", "name", 1, "name", "a",
                              "name", "b", "n", 1, "name", "b");

    (void)state;
    assert_ptr_equal(json_find(array, "name", "b"), json_array_get(array, 3));
    assert_null(json_find(array, "name", "c"));
    assert_null(json_find(NULL, "name", "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_of_an_array_is_found_by_a_string_of_it),
        cmocka_unit_test(an_object_and_an_array_are_read),
        cmocka_unit_test(what_is_not_json_is_refused_with_line_and_column),
        cmocka_unit_test(each_of_these_is_refused),
        cmocka_unit_test(deep_nesting_is_refused_and_does_not_crash),
        cmocka_unit_test(more_than_the_ceiling_is_refused),
        cmocka_unit_test(the_canonical_form_does_not_depend_on_the_order),
        cmocka_unit_test(a_field_is_given_only_as_what_it_is),
        cmocka_unit_test(a_wrong_or_missing_field_is_named),
        cmocka_unit_test(a_format_above_the_newest_is_a_newer_quoins),
        cmocka_unit_test(an_error_survives_its_way_through_json),
        cmocka_unit_test(an_error_with_bytes_that_are_no_text_keeps_its_kind),
        cmocka_unit_test(a_failure_of_no_kind_is_still_a_failure),
        cmocka_unit_test(what_a_terminal_would_obey_is_taken_out_of_every_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
