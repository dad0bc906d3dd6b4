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
#include "wire/lines.h"

struct seen {
    unsigned count;
    int64_t sum;
    unsigned stop_at;
};

static bool take(void *context, const json_t *line, struct err *err)
{
    struct seen *seen = context;

    seen->count++;
    seen->sum += json_integer_value(json_object_get(line, "n"));
    return seen->count != seen->stop_at || err_set(err, ERR_CLASH, "enough");
}

static const char stream[] = "{\"n\":1}\n\n{\"n\":20}\n\n\n{\"n\":300}\n";

static void lines_come_out_whole_however_the_bytes_come_in(void **state)
{
    (void)state;
    for (size_t step = 1; step < sizeof(stream); step++) {
        struct seen seen = {0};
        struct lines lines = {take, &seen, {0}};
        struct err err = {0};

        for (size_t at = 0; at < sizeof(stream) - 1; at += step) {
            size_t left = sizeof(stream) - 1 - at;

            assert_true(lines_feed(&lines, stream + at, left < step ? left : step, &err));
        }
        assert_true(lines_end(&lines, &err));
        assert_int_equal(seen.count, 3);
        assert_int_equal(seen.sum, 321);
    }
}

static void a_stream_that_breaks_off_inside_a_line_is_away(void **state)
{
    struct seen seen = {0};
    struct lines lines = {take, &seen, {0}};
    struct err err = {0};

    (void)state;
    assert_true(lines_feed(&lines, "{\"n\":1}\n{\"n\":", 14, &err));
    assert_false(lines_end(&lines, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_int_equal(seen.count, 1);
}

static void a_line_that_is_no_json_ends_the_stream(void **state)
{
    struct seen seen = {0};
    struct lines lines = {take, &seen, {0}};
    struct err err = {0};

    (void)state;
    assert_false(lines_feed(&lines, "oops\n{\"n\":1}\n", 13, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_int_equal(seen.count, 0);
    assert_true(lines_end(&lines, &err));
}

static void who_takes_the_lines_can_end_the_stream(void **state)
{
    struct seen seen = {.stop_at = 2};
    struct lines lines = {take, &seen, {0}};
    struct err err = {0};

    (void)state;
    assert_false(lines_feed(&lines, stream, sizeof(stream) - 1, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_int_equal(seen.count, 2);
    assert_true(lines_end(&lines, &err));
}

/* {"n":7,"pad":"xxx…"} of exactly `length` bytes, and a newline */
static char *line_of(size_t length)
{
    char *line = text_room(length + 2, 1);

    memset(line, 'x', length);
    memcpy(line, "{\"n\":7,\"pad\":\"", 14);
    memcpy(line + length - 2, "\"}\n", 3);
    return line;
}

static void a_line_of_64_KiB_is_the_longest(void **state)
{
    (void)state;
    for (size_t piece = 1000; piece <= LINES_MAX + 1; piece += LINES_MAX - 999) {
        for (size_t more = 0; more < 2; more++) {
            AUTO(drop_free) char *line = line_of(LINES_MAX + more);
            struct seen seen = {0};
            struct lines lines = {take, &seen, {0}};
            struct err err = {0};
            bool ok = true;

            for (size_t at = 0; ok && at < LINES_MAX + more + 1; at += piece) {
                size_t left = LINES_MAX + more + 1 - at;

                ok = lines_feed(&lines, line + at, left < piece ? left : piece, &err);
            }
            assert_int_equal(ok, more == 0);
            assert_int_equal(seen.sum, more == 0 ? 7 : 0);
            assert_int_equal(err.kind, more == 0 ? ERR_NONE : ERR_INPUT);
            (void)lines_end(&lines, &err);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_however_the_bytes_come_in),
        cmocka_unit_test(a_stream_that_breaks_off_inside_a_line_is_away),
        cmocka_unit_test(a_line_that_is_no_json_ends_the_stream),
        cmocka_unit_test(who_takes_the_lines_can_end_the_stream),
        cmocka_unit_test(a_line_of_64_KiB_is_the_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
