/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "key/ecjwk.h"
#include "key/envelope.h"
#include "wire/certificate.h"

#define CLUSTER "6a1f4c1e-6c7e-4b57-9f38-6f0f2e3a9d10"
#define VM      "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b44"

static const struct envelope_about about = {.provider = "recovery",
                                            .type = "recovery",
                                            .kek_id = "recovery:abc",
                                            .cluster = CLUSTER,
                                            .vm = VM,
                                            .purpose = "vm",
                                            .generation = 3};

static struct secret *private_key, *vm_key;
static char *public_key;

static int make(void **state)
{
    struct err err = {0};

    return folder_make(state) || !certificate_key_make(&private_key, &err) ||
           !ecjwk_public(private_key, &public_key, &err) || !secret_random(32, &vm_key, &err);
}

static int unmake(void **state)
{
    secret_free(TAKE(private_key));
    secret_free(TAKE(vm_key));
    free(TAKE(public_key));
    return folder_drop(state);
}

static void what_is_no_private_key_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *text = secret_of_text("-----BEGIN PRIVATE KEY-----\nAA==\n");
    AUTO(drop_free) char *half = NULL;
    struct err err = {0};

    (void)state;
    assert_false(ecjwk_public(text, &half, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void a_private_key_goes_to_a_jwk_and_back(void **state)
{
    AUTO(drop_secret) struct secret *text = NULL, *again = NULL;
    AUTO(drop_free) char *half = NULL;
    char kid[ECJWK_MAX_KID + 1];
    struct err err = {0};

    (void)state;
    assert_true(ecjwk_write(private_key, "recovery:abc", &text, &err));
    assert_true(ecjwk_read(text, &again, kid, &err));
    assert_string_equal(kid, "recovery:abc");
    assert_true(ecjwk_public(again, &half, &err));
    assert_string_equal(half, public_key);
    assert_false(ecjwk_write(private_key, "a\"b", &text, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

/* Byte by byte: what is read is exactly what was written, its public half as well. */
static void a_changed_jwk_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *text = NULL;
    struct err err = {0};

    (void)state;
    assert_true(ecjwk_write(private_key, "k", &text, &err));
    for (size_t i = 0; i < secret_size(text); i += 5) {
        AUTO(drop_secret) struct secret *changed = NULL, *key = NULL;
        char kid[ECJWK_MAX_KID + 1];
        bool in_kid = secret_look(text)[i] == 'k' && secret_look(text)[i + 1] == '"' &&
                      secret_look(text)[i - 1] == '"';

        assert_true(secret_copy(text, &changed, &err));
        secret_bytes(changed)[i] ^= 1;
        assert_true(in_kid || !ecjwk_read(changed, &key, kid, &err));
    }
}

static void a_thumbprint_is_of_the_public_half_alone(void **state)
{
    char one[ECJWK_THUMB_SIZE], two[ECJWK_THUMB_SIZE];
    AUTO(drop_secret) struct secret *other = NULL;
    AUTO(drop_free) char *half = NULL;
    struct err err = {0};

    (void)state;
    assert_true(ecjwk_thumb(public_key, one, &err));
    assert_int_equal(strlen(one), ECJWK_THUMB_SIZE - 1);
    assert_true(certificate_key_make(&other, &err));
    assert_true(ecjwk_public(other, &half, &err));
    assert_true(ecjwk_thumb(half, two, &err));
    assert_string_not_equal(one, two);
}

/* --- envelopes for it ----------------------------------------------------------------------- */

static struct envelope *sealed(void)
{
    struct envelope *envelope = NULL;
    struct err err = {0};

    assert_true(envelope_seal_to(public_key, &about, vm_key, &envelope, &err));
    return envelope;
}

static void an_envelope_for_the_key_opens_by_its_private_half_alone(void **state)
{
    AUTO(drop_envelope) struct envelope *envelope = sealed();
    AUTO(drop_secret) struct secret *other = NULL, *kek = NULL, *out = NULL, *none = NULL;
    struct err err = {0};

    (void)state;
    assert_true(envelope_open_by(private_key, envelope, &about, &out, &err));
    assert_true(secret_equal(out, vm_key));
    assert_true(certificate_key_make(&other, &err));
    assert_false(envelope_open_by(other, envelope, &about, &none, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_true(secret_random(32, &kek, &err));
    assert_false(envelope_open(kek, envelope, &about, &none, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(none);
}

static void it_is_bound_to_what_it_is_about(void **state)
{
    AUTO(drop_envelope) struct envelope *envelope = sealed();
    struct envelope_about other[4] = {about, about, about, about};
    struct secret *none = NULL;

    (void)state;
    other[0].vm = CLUSTER;
    other[1].cluster = VM;
    other[2].purpose = "ca";
    other[3].generation = 4;
    for (size_t i = 0; i < COUNT_OF(other); i++) {
        struct err err = {0};

        assert_false(envelope_open_by(private_key, envelope, &other[i], &none, &err));
        assert_int_equal(err.kind, ERR_CLASH);
    }
}

static void a_change_of_any_character_of_it_is_refused(void **state)
{
    AUTO(drop_envelope) struct envelope *envelope = sealed();
    AUTO(drop_free) char *text = text_copy(envelope_text(envelope));
    size_t length = strlen(text);

    (void)state;
    for (size_t i = 0; i < length; i += 7) {
        AUTO(drop_envelope) struct envelope *read = NULL;
        struct secret *none = NULL;
        struct err err = {0};
        char kept = text[i];

        text[i] = kept == 'A' ? 'B' : 'A';
        assert_false(envelope_read(text, length, &read, &err) &&
                     envelope_open_by(private_key, read, &about, &none, &err));
        text[i] = kept;
    }
}

static void two_recovery_envelopes_fit_into_a_header(void **state)
{
    AUTO(drop_envelope) struct envelope *envelope = sealed();

    (void)state;
    assert_true(strlen(envelope_text(envelope)) < 2048);
}

/* --- other people's tools ------------------------------------------------------------------- */

static void write_text(const char *name, const void *bytes, size_t length)
{
    assert_true(file_write(in_folder(name), bytes, length, 0600, &(struct err){0}));
}

/* docs/recovery.md. */
static void the_jose_command_opens_what_we_sealed(void **state)
{
    AUTO(drop_envelope) struct envelope *envelope = sealed();
    AUTO(drop_run_result) struct run_result result = {0};
    AUTO(drop_secret) struct secret *jwk = NULL;
    struct err err = {0};

    (void)state;
    assert_true(ecjwk_write(private_key, "recovery:abc", &jwk, &err));
    write_text("key.jwk", secret_look(jwk), secret_size(jwk));
    write_text("envelope.json", envelope_text(envelope), strlen(envelope_text(envelope)));
    assert_true(run_program(
        &(struct run){.argv = RUN("jose", "jwe", "dec", "-i", in_folder("envelope.json"), "-k",
                                  in_folder("key.jwk"))},
        &result, &err));
    assert_int_equal(result.status, 0);
    assert_int_equal(result.out_length, 32);
    assert_memory_equal(result.out, secret_look(vm_key), 32);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_private_key_is_refused),
        TEST(a_private_key_goes_to_a_jwk_and_back),
        TEST(a_changed_jwk_is_refused),
        TEST(a_thumbprint_is_of_the_public_half_alone),
        TEST(an_envelope_for_the_key_opens_by_its_private_half_alone),
        TEST(it_is_bound_to_what_it_is_about),
        TEST(a_change_of_any_character_of_it_is_refused),
        TEST(two_recovery_envelopes_fit_into_a_header),
        TEST(the_jose_command_opens_what_we_sealed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
