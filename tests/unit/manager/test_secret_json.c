/* SPDX-License-Identifier: Apache-2.0 */
/* A secret moved out of a JSON document before anything else reads it. */
#include "manager/secret_json.h"
#include "tests.h"

static bool take(const char *text, size_t max, struct secret **out, json_t **rest, char *left,
                 struct err *err)
{
    AUTO(drop_secret) struct secret *document = secret_of(text, strlen(text));
    bool ok = secret_json_read(document, "password", max, out, rest, err);

    memcpy(left, secret_look(document), secret_size(document));
    left[secret_size(document)] = '\0';
    return ok;
}

static void assert_taken(const char *text, const char *wanted)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    AUTO(drop_json) json_t *rest = NULL;
    char left[512];
    struct err err = {0};

    assert_done(take(text, 64, &secret, &rest, left, &err), &err);
    assert_int_equal(secret_size(secret), strlen(wanted));
    assert_memory_equal(secret_look(secret), wanted, strlen(wanted));
    assert_string_equal(json_string_or(rest, "user", ""), "admin");
    assert_null(strstr(left, "hunter"));
}

static void the_secret_comes_out_and_its_place_is_blank(void **state)
{
    (void)state;
    assert_taken("{\"user\":\"admin\",\"password\":\"hunter2\"}", "hunter2");
    assert_taken(" { \"password\" :\n\"hunter2\" , \"user\" : \"admin\" } ", "hunter2");
}

static void escapes_are_what_json_says_they_are(void **state)
{
    (void)state;
    assert_taken("{\"user\":\"admin\",\"password\":\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\t\"}",
                 "a\"b\\c/d\b\f\n\r\t");
    assert_taken("{\"user\":\"admin\",\"password\":\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"}",
                 "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void whatever_json_says_of_the_secret_is_what_jansson_would_say(void **state)
{
    static const char *const written[] = {"plain",
                                          "\\\\\\\\",
                                          "\\u00ff\\u0100\\uFFFD",
                                          "\xf0\x9f\x98\x80",
                                          "}{][,:",
                                          "\\\"password\\\":\\\"x\\\""};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(written); i++) {
        AUTO(drop_free)
        char *text = text_make("{\"user\":\"admin\",\"password\":\"%s\"}", written[i]);
        AUTO(drop_json) json_t *whole = json_loads(text, 0, NULL);

        assert_non_null(whole);
        assert_taken(text, json_string_or(whole, "password", ""));
    }
}

static void a_document_that_hides_or_doubles_its_secret_is_refused(void **state)
{
    static const char *const texts[] = {
        "{\"user\":\"admin\"}",
        "{\"password\":\"a\",\"password\":\"b\"}",
        "{\"pass\\u0077ord\":\"hunter2\"}",
        "{\"user\":{\"password\":\"a\"},\"password\":\"b\"}",
        "{\"password\":7}",
        "{\"password\":[\"hunter2\"]}",
        "{\"password\":\"\"}",
        "{\"password\":\"no end}",
        "{\"password\":\"no end\\",
        "{\"password\":",
        "{\"password\"",
        "{\"password\":\"\\u0000\"}",
        "{\"password\":\"\\u00\"}",
        "{\"password\":\"\\ud83d\"}",
        "{\"password\":\"\\ude00\\ud83d\"}",
        "{\"password\":\"\\x\"}",
        "{\"password\":\"a\nb\"}",
        "{\"password\":\"x\"",
        "{\"password\":\"x\"}}",
        "\"password\":\"x\"",
        "\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        AUTO(drop_secret) struct secret *secret = NULL;
        AUTO(drop_json) json_t *rest = NULL;
        char left[512];
        struct err err = {0};

        assert_false(take(texts[i], 64, &secret, &rest, left, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(secret);
        assert_null(strstr(err.what, "hunter"));
    }
}

static void a_secret_longer_than_allowed_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    AUTO(drop_json) json_t *rest = NULL;
    char left[512];
    struct err err = {0};

    (void)state;
    assert_false(take("{\"password\":\"12345\"}", 4, &secret, &rest, left, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_done(take("{\"password\":\"1234\"}", 4, &secret, &rest, left, &err), &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_secret_comes_out_and_its_place_is_blank),
        cmocka_unit_test(escapes_are_what_json_says_they_are),
        cmocka_unit_test(whatever_json_says_of_the_secret_is_what_jansson_would_say),
        cmocka_unit_test(a_document_that_hides_or_doubles_its_secret_is_refused),
        cmocka_unit_test(a_secret_longer_than_allowed_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
