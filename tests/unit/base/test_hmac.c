/* SPDX-License-Identifier: Apache-2.0 */
#include "../vectors.h"

/* RFC 4231 section 4.3, and one that everybody knows. */
static const struct {
    const char *key;
    const char *data;
    const char *mac;
} cases[] = {
    {"Jefe", "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"key", "The quick brown fox jumps over the lazy dog",
     "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"},
};

static void known_answers_are_met(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(drop_secret) struct secret *key = secret_of_text(cases[i].key);
        AUTO(drop_free) char *hex = NULL;
        unsigned char mac[HMAC_SIZE];
        struct err err = {0};

        assert_true(hmac_make(key, span_text(cases[i].data), mac, &err));
        hex = encode_hex(mac, sizeof(mac));
        assert_string_equal(hex, cases[i].mac);
        assert_true(hmac_check(key, span_text(cases[i].data), mac, &err));
    }
}

static void a_change_of_data_key_or_mac_is_denied(void **state)
{
    AUTO(drop_secret) struct secret *key = secret_of_text("one"), *other = secret_of_text("two");
    unsigned char mac[HMAC_SIZE];
    struct err err = {0};

    (void)state;
    assert_true(hmac_make(key, span_text("data"), mac, &err));
    assert_false(hmac_check(key, span_text("dat"), mac, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_false(hmac_check(other, span_text("data"), mac, &err));
    for (size_t i = 0; i < sizeof(mac); i++) {
        mac[i] ^= 1;
        assert_false(hmac_check(key, span_text("data"), mac, &err));
        mac[i] ^= 1;
    }
    assert_true(hmac_check(key, span_text("data"), mac, &err));
}

static void nothing_has_a_mac_too(void **state)
{
    AUTO(drop_secret) struct secret *key = secret_of_text("one");
    unsigned char mac[HMAC_SIZE];
    struct err err = {0};

    (void)state;
    assert_true(hmac_make(key, SPAN_NONE, mac, &err));
    assert_true(hmac_check(key, SPAN_NONE, mac, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers_are_met),
        cmocka_unit_test(a_change_of_data_key_or_mac_is_denied),
        cmocka_unit_test(nothing_has_a_mac_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
