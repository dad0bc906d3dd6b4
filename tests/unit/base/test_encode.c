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

/* RFC 4648 section 10, in base64url without padding. */
static const struct {
    const char *plain, *base64, *hex;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg", "66"},
    {"fo", "Zm8", "666f"},
    {"foo", "Zm9v", "666f6f"},
    {"foob", "Zm9vYg", "666f6f62"},
    {"fooba", "Zm9vYmE", "666f6f6261"},
    {"foobar", "Zm9vYmFy", "666f6f626172"},
    {"\xfb\xff\xbf", "-_-_", "fbffbf"},
};

static void the_vectors_of_rfc_4648_hold_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        size_t length = strlen(vectors[i].plain), got = 99;
        AUTO(drop_free) char *base64 = encode_base64url(vectors[i].plain, length);
        AUTO(drop_free) char *hex = encode_hex(vectors[i].plain, length);
        AUTO(drop_free) unsigned char *a = NULL, *b = NULL;
        struct err err = {0};

        assert_string_equal(base64, vectors[i].base64);
        assert_string_equal(hex, vectors[i].hex);
        assert_true(decode_base64url(base64, &a, &got, &err));
        assert_int_equal(got, length);
        assert_memory_equal(a, vectors[i].plain, length);
        assert_true(decode_hex(hex, &b, &got, &err));
        assert_int_equal(got, length);
        assert_memory_equal(b, vectors[i].plain, length);
    }
}

static void every_length_comes_back(void **state)
{
    unsigned char bytes[200];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)(i * 73 + 5);
    }
    for (size_t length = 0; length <= sizeof(bytes); length++) {
        AUTO(drop_free) char *text = encode_base64url(bytes, length);
        AUTO(drop_free) unsigned char *back = NULL;
        size_t got = 0;
        struct err err = {0};

        assert_true(decode_base64url(text, &back, &got, &err));
        assert_int_equal(got, length);
        assert_memory_equal(back, bytes, length);
    }
}

static void what_is_not_strictly_base64url_is_refused(void **state)
{
    /* padding, the other alphabet, one digit too many, stray bits, blanks */
    static const char *const wrong[] = {"Zg==", "+/+/", "A",    "Zm9vY",   "Zh",
                                        "Zm9",  "Z g",  "Zg\n", "\xc3\xa4"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        unsigned char *out = NULL;
        size_t length = 7;
        struct err err = {0};

        assert_false(decode_base64url(wrong[i], &out, &length, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(out);
        assert_int_equal(length, 7);
    }
}

static void what_is_not_hexadecimal_is_refused(void **state)
{
    static const char *const wrong[] = {"0", "0g", "0x00", "00 ", "abc"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        unsigned char *out = NULL;
        size_t length = 0;
        struct err err = {0};

        assert_false(decode_hex(wrong[i], &out, &length, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(out);
    }
}

static void capital_hexadecimal_digits_are_read_too(void **state)
{
    AUTO(drop_free) unsigned char *out = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    assert_true(decode_hex("FbfF", &out, &length, &err));
    assert_memory_equal(out, "\xfb\xff", 2);
}

/* FIPS 180-4's example. */
static void the_digest_is_sha_256(void **state)
{
    char out[DIGEST_HEX_SIZE];

    (void)state;
    digest_hex("abc", 3, out);
    assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_hold_both_ways),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(what_is_not_strictly_base64url_is_refused),
        cmocka_unit_test(what_is_not_hexadecimal_is_refused),
        cmocka_unit_test(capital_hexadecimal_digits_are_read_too),
        cmocka_unit_test(the_digest_is_sha_256),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
