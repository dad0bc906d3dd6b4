/* SPDX-License-Identifier: Apache-2.0 */
#include "../vectors.h"

#include "key/jwe.h"

/* base64url in a vector's JWK, as a secret. */
static struct secret *secret_of_jwk(const json_t *jwk)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    struct secret *secret = NULL;
    size_t size = 0;
    struct err err = {0};

    assert_true(
        decode_base64url(json_string_value(json_object_get(jwk, "k")), &bytes, &size, &err));
    assert_true(secret_new(size, &secret, &err));
    memcpy(secret_bytes(secret), bytes, size);
    return secret;
}

/* "a.b.c.d.e" as flattened JSON; NULL unless it has five parts. */
static json_t *flattened(const char *compact)
{
    static const char *const members[] = {"protected", "encrypted_key", "iv", "ciphertext", "tag"};
    json_t *json = json_object();
    const char *at = compact;

    for (size_t i = 0; i < COUNT_OF(members); i++) {
        size_t length = strcspn(at, ".");

        json_object_set_new(json, members[i], json_stringn(at, length));
        at += length;
        if ((*at == '.') != (i + 1 < COUNT_OF(members))) {
            json_decref(json);
            return NULL;
        }
        at += *at == '.';
    }
    return json;
}

/* 1: opened as it should; 0: refused. */
static int run_vector(const json_t *group, const json_t *test)
{
    AUTO(drop_secret) struct secret *kek = secret_of_jwk(json_object_get(group, "private"));
    AUTO(drop_secret) struct secret *plain = vectors_secret(test, "pt"), *out = NULL;
    AUTO(drop_json) json_t *json = flattened(json_string_or(test, "jwe", ""));
    AUTO(drop_jwe) struct jwe *jwe = NULL;
    struct err err = {0};

    if (!json || !jwe_read(json, 1024, &jwe, &err) || !jwe_open(jwe, kek, &out, &err)) {
        assert_null(out);
        return 0;
    }
    assert_true(vectors_valid(test));
    assert_true(secret_equal(out, plain));
    return 1;
}

/* Ours is A256KW with A256GCM; everything else in the file must be refused, however valid. */
static bool is_ours(const json_t *group, const json_t *test)
{
    return strcmp(json_string_or(json_object_get(group, "private"), "alg", ""), "A256KW") == 0 &&
           strcmp(json_string_or(test, "enc", ""), "A256GCM") == 0;
}

static void every_public_vector_opens_exactly_if_it_is_ours_and_valid(void **state)
{
    AUTO(drop_json) json_t *vectors = vectors_load("json_web_encryption_test.json");
    json_t *group, *test;
    size_t i, k;
    int opened = 0;

    (void)state;
    json_array_foreach(json_object_get(vectors, "testGroups"), i, group)
    {
        if (!json_is_string(json_object_get(json_object_get(group, "private"), "k"))) {
            continue; /* an RSA or elliptic curve key is no KEK */
        }
        json_array_foreach(json_object_get(group, "tests"), k, test)
        {
            if (is_ours(group, test) && vectors_valid(test)) {
                assert_int_equal(run_vector(group, test), 1);
                opened++;
            } else {
                assert_int_equal(run_vector(group, test), 0);
            }
        }
    }
    assert_true(opened >= 1);
}

static void a_key_of_another_size_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *kek = NULL, *content = NULL;
    AUTO(drop_json) json_t *header = json_object();
    json_t *json = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(16, &kek, &err) && secret_random(32, &content, &err));
    assert_false(jwe_seal(header, kek, content, &json, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_public_vector_opens_exactly_if_it_is_ours_and_valid),
        cmocka_unit_test(a_key_of_another_size_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
