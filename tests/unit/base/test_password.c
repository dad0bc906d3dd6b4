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
#include "base/password.h"
#include "base/secret_open.h"

static struct secret *secret_of(const char *text)
{
    struct secret *secret = NULL;
    struct err err = {0};

    assert_true(secret_new(strlen(text), &secret, &err));
    memcpy(secret_bytes(secret), text, strlen(text));
    return secret;
}

static void the_same_password_is_let_in_and_another_is_denied(void **state)
{
    AUTO(drop_secret) struct secret *right = secret_of("correct horse");
    AUTO(drop_secret) struct secret *wrong = secret_of("correct horsf");
    AUTO(drop_secret) struct secret *start = secret_of("correct hors");
    AUTO(drop_free) char *hash = NULL;
    struct err err = {0};

    (void)state;
    assert_true(password_hash(right, &hash, &err));
    assert_null(strstr(hash, "horse"));
    assert_true(strlen(hash) < PASSWORD_HASH_MAX);
    assert_true(password_check(right, hash, &err));
    assert_false(password_check(wrong, hash, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_false(password_check(start, hash, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void the_same_password_is_stored_differently_each_time(void **state)
{
    AUTO(drop_secret) struct secret *password = secret_of("x");
    AUTO(drop_free) char *a = NULL, *b = NULL;
    struct err err = {0};

    (void)state;
    assert_true(password_hash(password, &a, &err) && password_hash(password, &b, &err));
    assert_string_not_equal(a, b);
}

/* Made by Python's hashlib: scrypt(b"secret", salt=bytes(range(16)), n=32768, r=8, p=1, dklen=32).
 */
static void a_hash_of_another_programs_scrypt_is_understood(void **state)
{
    AUTO(drop_secret) struct secret *password = secret_of("secret");
    struct err err = {0};

    (void)state;
    assert_true(password_check(
        password,
        "scrypt$15$8$1$AAECAwQFBgcICQoLDA0ODw$71MrULv6YuZMr-5TlqzaKGb6X4rZEs0_5cvElSZBr2s", &err));
}

static void what_is_no_hash_of_ours_or_costs_more_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "secret",
        "scrypt$15$8$1$",
        "scrypt$16$8$1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "scrypt$0$8$1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "scrypt$15$9$1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "scrypt$15$8$1$AAECAwQFBgcICQoLDA0O$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "scrypt$15$8$1$AAECAwQFBgcICQoLDA0ODw$AAEC",
        "scrypt$15$8$1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8$",
    };
    AUTO(drop_secret) struct secret *password = secret_of("secret");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct err err = {0};

        assert_false(password_check(password, wrong[i], &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_password_is_let_in_and_another_is_denied),
        cmocka_unit_test(the_same_password_is_stored_differently_each_time),
        cmocka_unit_test(a_hash_of_another_programs_scrypt_is_understood),
        cmocka_unit_test(what_is_no_hash_of_ours_or_costs_more_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
