/* SPDX-License-Identifier: Apache-2.0 */
#include "../vectors.h"

#include "key/jwks.h"

static struct secret *fresh(void)
{
    struct secret *secret = NULL;

    assert_true(secret_random(JWKS_KEY_SIZE, &secret, &(struct err){0}));
    return secret;
}

static struct jwks *three_keys(void)
{
    struct jwks *jwks = jwks_new();
    struct err err = {0};

    assert_true(jwks_add(jwks, "native:root", fresh(), NULL, &err));
    assert_true(jwks_add(jwks, "native:root:1", fresh(), fresh(), &err));
    assert_true(jwks_add(jwks, "native:root:2", fresh(), fresh(), &err));
    return jwks;
}

static void what_is_written_is_read_again(void **state)
{
    AUTO(drop_jwks) struct jwks *jwks = three_keys(), *back = NULL;
    AUTO(drop_secret) struct secret *text = NULL;
    struct err err = {0};

    (void)state;
    assert_true(jwks_write(jwks, &text, &err));
    assert_true(jwks_read(text, &back, &err));
    assert_int_equal(back->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(back->keys[i].kid, jwks->keys[i].kid);
        assert_true(secret_equal(back->keys[i].key, jwks->keys[i].key));
        assert_int_equal(back->keys[i].seed != NULL, i > 0);
        assert_true(i == 0 || secret_equal(back->keys[i].seed, jwks->keys[i].seed));
    }
}

/* Its own base64url in locked memory against the one of base. */
static void others_read_it_as_json(void **state)
{
    AUTO(drop_jwks) struct jwks *jwks = three_keys();
    AUTO(drop_secret) struct secret *text = NULL;
    AUTO(drop_json) json_t *json = NULL;
    AUTO(drop_free) unsigned char *bytes = NULL;
    size_t size = 0;
    struct err err = {0};

    (void)state;
    assert_true(jwks_write(jwks, &text, &err));
    assert_true(json_read((const char *)secret_look(text), secret_size(text), &json, &err));
    const json_t *key = json_array_get(json_object_get(json, "keys"), 1);

    assert_string_equal(json_string_or(key, "kty", ""), "oct");
    assert_true(decode_base64url(json_string_or(key, "k", ""), &bytes, &size, &err));
    assert_int_equal(size, JWKS_KEY_SIZE);
    assert_memory_equal(bytes, secret_look(jwks->keys[1].key), size);
}

static void a_text_cut_anywhere_is_refused(void **state)
{
    AUTO(drop_jwks) struct jwks *jwks = three_keys();
    AUTO(drop_secret) struct secret *text = NULL;
    struct err err = {0};

    (void)state;
    assert_true(jwks_write(jwks, &text, &err));
    for (size_t size = secret_size(text) - 1; size > 0; size--) {
        struct jwks *back = NULL;

        secret_cut(text, size);
        assert_false(jwks_read(text, &back, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void texts_of_another_shape_are_refused(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"\",\"k\":\"\"}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"AAAA\"}]}",
        /* stray bits in the last digit */
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":"
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\"}]}",
        /* something after it */
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":"
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]} ",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(drop_secret) struct secret *text = secret_of_text(texts[i]);
        struct jwks *back = NULL;
        struct err err = {0};

        assert_false(jwks_read(text, &back, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(back);
    }
}

static void a_full_set_is_written_and_no_key_more_is_taken(void **state)
{
    AUTO(drop_jwks) struct jwks *jwks = jwks_new(), *back = NULL;
    AUTO(drop_secret) struct secret *text = NULL, *key = fresh();
    char kid[ENVELOPE_MAX_KEK_ID + 1];
    struct err err = {0};

    (void)state;
    /* As long as a native KEK's id is, and no more keys than may be. */
    memset(kid, 'k', sizeof(kid));
    kid[80] = '\0';
    for (size_t i = 0; i < JWKS_MAX_KEYS; i++) {
        assert_true(jwks_add(jwks, kid, fresh(), fresh(), &err));
    }
    assert_false(jwks_add(jwks, kid, key, NULL, &err));
    assert_true(jwks_write(jwks, &text, &err));
    assert_true(jwks_read(text, &back, &err));
    assert_int_equal(back->count, JWKS_MAX_KEYS);
}

static void a_kid_that_would_break_the_text_is_refused(void **state)
{
    static const char *const kids[] = {"", "a\"b", "a b", "a\\b", "a\n"};
    AUTO(drop_jwks) struct jwks *jwks = jwks_new();
    AUTO(drop_secret) struct secret *key = fresh();
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kids); i++) {
        assert_false(jwks_add(jwks, kids[i], key, NULL, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(others_read_it_as_json),
        cmocka_unit_test(a_text_cut_anywhere_is_refused),
        cmocka_unit_test(texts_of_another_shape_are_refused),
        cmocka_unit_test(a_full_set_is_written_and_no_key_more_is_taken),
        cmocka_unit_test(a_kid_that_would_break_the_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
