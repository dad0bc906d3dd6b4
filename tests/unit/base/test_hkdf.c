/* SPDX-License-Identifier: Apache-2.0 */
#include "../vectors.h"

static void run_vector(const json_t *test, int *ran)
{
    AUTO(drop_free) unsigned char *salt = NULL, *info = NULL;
    AUTO(drop_secret) struct secret *from = vectors_secret(test, "ikm");
    AUTO(drop_secret) struct secret *expected = vectors_secret(test, "okm"), *out = NULL;
    struct span salt_span = vectors_bytes(test, "salt", &salt);
    struct span info_span = vectors_bytes(test, "info", &info);
    size_t size = (size_t)json_integer_value(json_object_get(test, "size"));
    struct err err = {0};
    bool made = hkdf_derive(from, salt_span, info_span, size, &out, &err);

    assert_int_equal(made, vectors_valid(test));
    if (made) {
        assert_true(secret_equal(out, expected));
    } else {
        assert_int_equal(err.kind, ERR_INPUT);
    }
    ++*ran;
}

static void every_public_vector_is_met(void **state)
{
    AUTO(drop_json) json_t *vectors = vectors_load("hkdf_sha256_test.json");
    json_t *group, *test;
    size_t i, k;
    int ran = 0;

    (void)state;
    json_array_foreach(json_object_get(vectors, "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), k, test)
        {
            run_vector(test, &ran);
        }
    }
    assert_int_equal(ran, json_integer_value(json_object_get(vectors, "numberOfTests")));
}

static void another_info_gives_another_secret(void **state)
{
    AUTO(drop_secret) struct secret *from = NULL, *a = NULL, *b = NULL, *again = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &from, &err));
    assert_true(hkdf_derive(from, SPAN_NONE, span_text("disk/1"), 32, &a, &err));
    assert_true(hkdf_derive(from, SPAN_NONE, span_text("disk/2"), 32, &b, &err));
    assert_true(hkdf_derive(from, SPAN_NONE, span_text("disk/1"), 32, &again, &err));
    assert_false(secret_equal(a, b));
    assert_true(secret_equal(a, again));
}

static void sizes_out_of_range_are_refused(void **state)
{
    AUTO(drop_secret) struct secret *from = NULL, *out = NULL;
    char info[HKDF_MAX_INFO + 1] = {0};
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &from, &err));
    assert_false(hkdf_derive(from, SPAN_NONE, SPAN_NONE, 0, &out, &err));
    assert_false(hkdf_derive(from, SPAN_NONE, SPAN_NONE, HKDF_MAX_SIZE + 1, &out, &err));
    assert_false(hkdf_derive(from, SPAN_NONE, span_of(info, sizeof(info)), 32, &out, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(out);
    assert_true(
        hkdf_derive(from, SPAN_NONE, span_of(info, HKDF_MAX_INFO), HKDF_MAX_SIZE, &out, &err));
}

/* docs/recovery.md tells a user to type this. */
static void the_openssl_command_derives_the_same(void **state)
{
    AUTO(drop_secret) struct secret *from = secret_of_text("0123456789abcdef0123456789abcdef");
    AUTO(drop_secret) struct secret *out = NULL;
    AUTO(drop_free) char *theirs = NULL;
    AUTO(drop_free) char *ours = NULL;
    struct run run = {.argv =
                          RUN("openssl", "kdf", "-binary", "-keylen", "32", "-kdfopt",
                              "digest:SHA256", "-kdfopt", "key:0123456789abcdef0123456789abcdef",
                              "-kdfopt", "info:disk/b2b9", "HKDF")};
    struct run_result result = {0};
    struct err err = {0};

    (void)state;
    assert_true(hkdf_derive(from, SPAN_NONE, span_text("disk/b2b9"), 32, &out, &err));
    assert_true(run_program(&run, &result, &err));
    assert_int_equal(result.status, 0);
    ours = encode_hex(secret_look(out), 32);
    theirs = encode_hex(result.out, result.out_length);
    assert_string_equal(ours, theirs);
    run_result_clear(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_public_vector_is_met),
        cmocka_unit_test(another_info_gives_another_secret),
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(the_openssl_command_derives_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
