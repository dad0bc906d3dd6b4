/* SPDX-License-Identifier: Apache-2.0 */
#include "../vectors.h"

/* Wycheproof marks "acceptable" what RFC 3394 allows and some refuse; each must do one or the
 * other without harm, so only valid and invalid are judged. */
static void run_unwrap(const json_t *test)
{
    AUTO(drop_free) unsigned char *wrapped = NULL;
    AUTO(drop_secret) struct secret *kek = vectors_secret(test, "key");
    AUTO(drop_secret) struct secret *key = vectors_secret(test, "msg"), *out = NULL;
    struct span span = vectors_bytes(test, "ct", &wrapped);
    struct err err = {0};
    bool opened = aeskw_unwrap(kek, span, &out, &err);

    if (vectors_valid(test)) {
        assert_true(opened);
        assert_true(secret_equal(out, key));
    } else {
        assert_false(opened);
        assert_null(out);
        assert_true(err.kind == ERR_DENIED || err.kind == ERR_INPUT);
    }
}

static void run_wrap(const json_t *test)
{
    AUTO(drop_free) unsigned char *expected = NULL, *out = NULL;
    AUTO(drop_secret) struct secret *kek = vectors_secret(test, "key");
    AUTO(drop_secret) struct secret *key = vectors_secret(test, "msg");
    struct span span = vectors_bytes(test, "ct", &expected);
    size_t size = 0;
    struct err err = {0};

    assert_true(aeskw_wrap(kek, key, &out, &size, &err));
    assert_int_equal(size, span.size);
    assert_memory_equal(out, span.bytes, size);
}

static void every_public_vector_is_met(void **state)
{
    AUTO(drop_json) json_t *vectors = vectors_load("aes_wrap_test.json");
    json_t *group, *test;
    size_t i, k;
    int ran = 0;

    (void)state;
    json_array_foreach(json_object_get(vectors, "testGroups"), i, group)
    {
        json_array_foreach(json_object_get(group, "tests"), k, test)
        {
            run_unwrap(test);
            if (vectors_valid(test)) {
                run_wrap(test);
            }
            ran++;
        }
    }
    assert_int_equal(ran, json_integer_value(json_object_get(vectors, "numberOfTests")));
}

static void an_empty_wrapped_key_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *kek = NULL;
    struct secret *out = NULL;
    static const unsigned char bytes[24];

    (void)state;
    assert_true(secret_random(32, &kek, &(struct err){0}));
    for (size_t size = 0; size < sizeof(bytes); size++) {
        struct err err = {0};

        assert_false(aeskw_unwrap(kek, span_of(bytes, size), &out, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void a_wrapped_key_opens_under_its_kek_only(void **state)
{
    AUTO(drop_secret) struct secret *kek = NULL, *other = NULL, *key = NULL, *out = NULL;
    AUTO(drop_free) unsigned char *wrapped = NULL;
    size_t size = 0;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &kek, &err) && secret_random(32, &other, &err) &&
                secret_random(64, &key, &err));
    assert_true(aeskw_wrap(kek, key, &wrapped, &size, &err));
    assert_int_equal(size, 64 + AESKW_EXTRA);
    assert_false(aeskw_unwrap(other, span_of(wrapped, size), &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_null(out);
    assert_true(aeskw_unwrap(kek, span_of(wrapped, size), &out, &err));
    assert_true(secret_equal(out, key));
}

static void keys_of_no_whole_blocks_are_refused(void **state)
{
    static const size_t sizes[] = {1, 8, 15, 17, 31, AESKW_MAX_KEY + 8};
    AUTO(drop_secret) struct secret *kek = NULL;
    unsigned char *wrapped = NULL;
    size_t size = 0;

    (void)state;
    assert_true(secret_random(32, &kek, &(struct err){0}));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        AUTO(drop_secret) struct secret *key = NULL;
        struct err err = {0};

        assert_true(secret_random(sizes[i], &key, &err));
        assert_false(aeskw_wrap(kek, key, &wrapped, &size, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void a_kek_that_is_no_aes_key_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *kek = NULL, *key = NULL;
    unsigned char *wrapped = NULL;
    size_t size = 0;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(20, &kek, &err) && secret_random(32, &key, &err));
    assert_false(aeskw_wrap(kek, key, &wrapped, &size, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_public_vector_is_met),
        cmocka_unit_test(an_empty_wrapped_key_is_refused),
        cmocka_unit_test(a_wrapped_key_opens_under_its_kek_only),
        cmocka_unit_test(keys_of_no_whole_blocks_are_refused),
        cmocka_unit_test(a_kek_that_is_no_aes_key_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
