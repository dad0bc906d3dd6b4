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
#include "base/secret_open.h"
#include "hv/pack.h"

#define BYTES(text) ((const unsigned char *)(text))

static struct secret *secret_of(const void *bytes, size_t size)
{
    struct secret *secret = NULL;
    struct err err = {0};

    assert_true(secret_new(size, &secret, &err));
    memcpy(secret_bytes(secret), bytes, size);
    return secret;
}

static void what_was_packed_comes_back(void **state)
{
    const struct pack_file in[] = {{"vtpm", BYTES("a\0b\nc"), 5}, {"nvram", BYTES("x"), 1}};
    struct pack_file out[] = {{.name = "nvram"}, {.name = "vtpm"}};
    AUTO(drop_secret) struct secret *packed = NULL;
    struct err err = {0};

    (void)state;
    assert_true(pack_make(in, 2, &packed, &err));
    assert_true(pack_read(packed, out, 2, &err));
    assert_int_equal(out[0].length, 1);
    assert_memory_equal(out[0].bytes, "x", 1);
    assert_int_equal(out[1].length, 5);
    assert_memory_equal(out[1].bytes, "a\0b\nc", 5);
}

static void a_file_that_is_not_there_stays_away(void **state)
{
    const struct pack_file in[] = {{.name = "vtpm"}, {"nvram", BYTES("x"), 1}};
    struct pack_file out[] = {{.name = "vtpm"}, {.name = "nvram"}};
    AUTO(drop_secret) struct secret *packed = NULL;
    struct err err = {0};

    (void)state;
    assert_true(pack_make(in, 2, &packed, &err));
    assert_true(pack_read(packed, out, 2, &err));
    assert_null(out[0].bytes);
    assert_non_null(out[1].bytes);
}

static void what_is_no_pack_is_refused_and_nothing_is_set(void **state)
{
    static const char *const bad[] = {
        "Q",
        "QFILES1",
        "QFILES2\n",
        "QFILES1\nnvram 1\n",
        "QFILES1\nnvram 1\nxx",
        "QFILES1\nnvram -1\nx",
        "QFILES1\nnvram +1\nx",
        "QFILES1\nnvram 01\nx",
        "QFILES1\nnvram  1\nx",
        "QFILES1\nnvram 1 \nx",
        "QFILES1\nnvram 0x1\nx",
        "QFILES1\nnvram\nx",
        "QFILES1\nnvram \nx",
        "QFILES1\nother 1\nx",
        "QFILES1\nnvra 1\nx",
        "QFILES1\nnvrams 1\nx",
        "QFILES1\nnvram 1\nxnvram 1\nx",
        "QFILES1\nnvram 18446744073709551617\nx",
        "QFILES1\nnvram 99999999999999999999999999999999\nx",
        "QFILES1\n\n",
        "QFILES1\nnvram 1\nx\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(drop_secret) struct secret *packed = secret_of(bad[i], strlen(bad[i]));
        struct pack_file out[] = {{.name = "nvram"}, {.name = "vtpm"}};
        struct err err = {0};

        assert_false(pack_read(packed, out, 2, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(out[0].bytes);
        assert_null(out[1].bytes);
    }
}

static void more_than_a_secret_holds_is_refused(void **state)
{
    AUTO(drop_free) unsigned char *large = text_room(1, SECRET_MAX);
    const struct pack_file in[] = {{"nvram", large, SECRET_MAX}};
    AUTO(drop_secret) struct secret *packed = NULL;
    struct err err = {0};

    (void)state;
    assert_false(pack_make(in, 1, &packed, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(a_file_that_is_not_there_stays_away),
        cmocka_unit_test(what_is_no_pack_is_refused_and_nothing_is_set),
        cmocka_unit_test(more_than_a_secret_holds_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
