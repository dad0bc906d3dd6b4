/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "key/ecjwk.h"
#include "key/jws.h"
#include "key/protect.h"
#include "key/recovery.h"
#include "key/secretfile.h"
#include "wire/certificate.h"

#define CLUSTER  "6f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define OTHER    "7f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define VM       "0a0b0c0d-1111-4222-8333-444455556666"
#define PASSWORD "correct horse battery staple"

static const struct envelope_about of_vm = {
    .cluster = CLUSTER, .vm = VM, .purpose = "vm", .generation = 1};
static const struct envelope_about of_ca = {
    .cluster = CLUSTER, .vm = CLUSTER, .purpose = "ca", .generation = 1};

static struct secret *ca_key, *private_key, *password;
static char *ca, *text;
static struct recovery notice;

static int make(void **state)
{
    struct err err = {0};

    notice = (struct recovery){.cluster = CLUSTER, .serial = 4, .made = "2026-11-25T23:00:00Z"};
    password = secret_of_text(PASSWORD);
    return folder_make(state) || !certificate_authority_make("CA", 30, &ca_key, &ca, &err) ||
           !recovery_key_make(&private_key, notice.id, &err) ||
           !ecjwk_public(private_key, &notice.public_key, &err) ||
           !recovery_wrap(&notice, &of_ca, ca_key, &notice.ca, &err) ||
           !recovery_write(&notice, ca_key, &text, &err);
}

static int unmake(void **state)
{
    secret_free(TAKE(ca_key));
    secret_free(TAKE(private_key));
    secret_free(TAKE(password));
    free(TAKE(ca));
    free(TAKE(text));
    free(notice.public_key);
    envelope_free(notice.ca);
    return folder_drop(state);
}

static void a_notice_says_what_was_written_into_it(void **state)
{
    AUTO(drop_recovery) struct recovery *read = NULL;
    struct err err = {0};

    (void)state;
    assert_true(recovery_read(text, strlen(text), ca, CLUSTER, 4, &read, &err));
    assert_string_equal(read->id, notice.id);
    assert_string_equal(read->public_key, notice.public_key);
    assert_string_equal(read->made, notice.made);
    assert_string_equal(read->fetched, "");
    assert_int_equal(read->serial, 4);
}

/* T2, T12: who writes to the datastore puts his own key there. */
static void a_notice_that_another_signed_is_denied(void **state)
{
    AUTO(drop_secret) struct secret *other_key = NULL;
    AUTO(drop_free) char *other_ca = NULL, *forged = NULL;
    struct recovery *read = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_authority_make("CA", 30, &other_key, &other_ca, &err));
    assert_true(recovery_write(&notice, other_key, &forged, &err));
    assert_false(recovery_read(forged, strlen(forged), ca, CLUSTER, 1, &read, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_null(read);
}

static void an_older_notice_or_anothers_is_refused(void **state)
{
    struct recovery *read = NULL;
    struct err err = {0};

    (void)state;
    assert_false(recovery_read(text, strlen(text), ca, CLUSTER, 5, &read, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "number 4"));
    assert_false(recovery_read(text, strlen(text), ca, OTHER, 1, &read, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void a_change_of_any_character_of_a_notice_is_refused(void **state)
{
    size_t length = strlen(text);

    (void)state;
    for (size_t i = 0; i < length; i += 5) {
        AUTO(drop_recovery) struct recovery *read = NULL;
        struct err err = {0};
        char kept = text[i];

        text[i] = kept == 'A' ? 'B' : 'A';
        assert_false(recovery_read(text, length, ca, CLUSTER, 1, &read, &err));
        text[i] = kept;
    }
}

static void its_envelopes_open_by_the_private_half(void **state)
{
    AUTO(drop_secret) struct secret *key = NULL, *opened = NULL, *again = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &key, &err));
    assert_true(recovery_wrap(&notice, &of_vm, key, &envelope, &err));
    assert_string_equal(envelope_about(envelope)->kek_id, notice.id);
    assert_true(recovery_unwrap(private_key, envelope, &of_vm, &opened, &err));
    assert_true(secret_equal(opened, key));
    assert_true(recovery_unwrap(private_key, notice.ca, &of_ca, &again, &err));
    assert_true(secret_equal(again, ca_key));
}

static void an_older_recovery_key_is_told_from_the_one_that_is_due(void **state)
{
    AUTO(drop_secret) struct secret *old = NULL, *out = NULL;
    char id[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    assert_true(recovery_key_make(&old, id, &err));
    assert_false(recovery_unwrap(old, notice.ca, &of_ca, &out, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, id));
}

static void a_file_gives_the_key_back_to_who_knows_the_password(void **state)
{
    AUTO(drop_free) char *file = NULL;
    AUTO(drop_secret)
    struct secret *back = NULL, *wrong = secret_of_text("not the password"), *none = NULL;
    char id[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    assert_true(recovery_file_make(private_key, CLUSTER, password, &file, &err));
    assert_true(recovery_file_is(file, strlen(file)));
    assert_true(recovery_file_open(file, strlen(file), CLUSTER, password, &back, id, &err));
    assert_true(secret_equal(back, private_key));
    assert_string_equal(id, notice.id);
    assert_false(recovery_file_open(file, strlen(file), CLUSTER, wrong, &none, id, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_false(recovery_file_open(file, strlen(file), OTHER, password, &none, id, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void a_short_password_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *brief = secret_of_text("too short");
    char *file = NULL;
    struct err err = {0};

    (void)state;
    assert_false(recovery_file_make(private_key, CLUSTER, brief, &file, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void a_backup_is_no_file_of_a_recovery_key(void **state)
{
    AUTO(drop_free) char *file = NULL;
    struct err err = {0};

    (void)state;
    assert_true(protect_seal("backup", CLUSTER, password, private_key, &file, &err));
    assert_false(recovery_file_is(file, strlen(file)));
}

/* docs/recovery.md: the CA's signature, checked by hand. */
static void the_jose_command_finds_the_signature_good(void **state)
{
    static const char script[] =
        "cd \"$1\" && openssl x509 -in ca.pem -pubkey -noout >ca.pub &&"
        " openssl pkey -pubin -in ca.pub -outform DER | tail -c 64 >point &&"
        " printf '{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}'"
        " \"$(head -c 32 point | jose b64 enc -I-)\" \"$(tail -c 32 point | jose b64 enc -I-)\""
        " >ca.jwk && jose jws ver -i notice.json -k ca.jwk";
    AUTO(drop_run_result) struct run_result result = {0};
    struct err err = {0};

    (void)state;
    assert_true(file_write(in_folder("ca.pem"), ca, strlen(ca), 0600, &err));
    assert_true(file_write(in_folder("notice.json"), text, strlen(text), 0600, &err));
    assert_true(run_program(&(struct run){.argv = RUN("sh", "-c", script, "sh", folder_path)},
                            &result, &err));
    assert_int_equal(result.status, 0);
}

/* Of this recovery key, for this generation. */
static struct envelope *wrapped(int64_t generation)
{
    AUTO(drop_secret) struct secret *key = NULL;
    struct envelope_about about = of_vm;
    struct envelope *envelope = NULL;
    struct err err = {0};

    about.generation = generation;
    assert_true(secret_random(32, &key, &err));
    assert_true(recovery_wrap(&notice, &about, key, &envelope, &err));
    return envelope;
}

static void not_signed(const char *said)
{
    struct envelope *out = NULL;
    struct err err = {0};

    assert_false(recovery_envelope(said, ca, &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_null(out);
}

static void a_signed_envelope_is_known_from_what_others_made(void **state)
{
    AUTO(drop_envelope) struct envelope *envelope = wrapped(1), *other = wrapped(1), *out = NULL;
    AUTO(drop_free) char *said = NULL, *theirs = NULL, *stranger_ca = NULL;
    AUTO(drop_secret) struct secret *stranger = NULL;
    AUTO(drop_json) json_t *mixed = envelope_json(other), *json = NULL;
    struct err err = {0};

    (void)state;
    assert_true(recovery_sign(envelope, ca_key, &said, &err));
    assert_true(recovery_envelope(said, ca, &out, &err));
    assert_string_equal(envelope_text(out), envelope_text(envelope));
    not_signed(envelope_text(envelope));
    /* Another's signature, and this one beside another envelope. */
    assert_true(certificate_authority_make("CA", 30, &stranger, &stranger_ca, &err));
    assert_true(recovery_sign(envelope, stranger, &theirs, &err));
    not_signed(theirs);
    assert_true(json_read(said, strlen(said), &json, &err));
    json_object_set(mixed, "signed", json_object_get(json, "signed"));
    AUTO(drop_free) char *exchanged = json_write(mixed);

    not_signed(exchanged);
    /* The notice is signed by the same key, and says another thing. */
    AUTO(drop_json) json_t *jws = NULL;

    assert_true(json_read(text, strlen(text), &jws, &err));
    json_object_set(json, "signed", jws);
    AUTO(drop_free) char *noticed = json_write(json);

    assert_false(recovery_envelope(noticed, ca, &out, &err));
}

static void a_change_of_any_character_of_a_signed_envelope_is_refused(void **state)
{
    AUTO(drop_envelope) struct envelope *envelope = wrapped(1);
    AUTO(drop_free) char *said = NULL;
    struct err err = {0};

    (void)state;
    assert_true(recovery_sign(envelope, ca_key, &said, &err));
    for (size_t i = 0; said[i]; i++) {
        AUTO(drop_envelope) struct envelope *out = NULL;
        char was = said[i];

        said[i] = was == 'A' ? 'B' : 'A';
        if (recovery_envelope(said, ca, &out, &err)) {
            fail_msg("character %zu of %s", i, said);
        }
        said[i] = was;
    }
}

/* Whoever holds nobody hostage keeps to what others read. */
static void the_jose_command_opens_a_signed_envelope(void **state)
{
    AUTO(drop_envelope) struct envelope *envelope = wrapped(1);
    AUTO(drop_secret) struct secret *jwk = NULL;
    AUTO(drop_free) char *said = NULL;
    const char *in = in_folder("envelope.json"), *key = in_folder("recovery.jwk");
    struct err err = {0};

    (void)state;
    assert_true(recovery_sign(envelope, ca_key, &said, &err));
    assert_true(ecjwk_write(private_key, notice.id, &jwk, &err));
    assert_true(file_write(in, said, strlen(said), 0600, &err));
    assert_true(secretfile_write(key, jwk, &err));
    if (!run_ok(&(struct run){.argv = RUN("jose", "jwe", "dec", "-i", in, "-k", key, "-O",
                                          "/dev/null")},
                NULL, &err)) {
        fail_msg("%s", err.what);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(a_notice_says_what_was_written_into_it),
        TEST(a_notice_that_another_signed_is_denied),
        TEST(an_older_notice_or_anothers_is_refused),
        TEST(a_change_of_any_character_of_a_notice_is_refused),
        TEST(its_envelopes_open_by_the_private_half),
        TEST(an_older_recovery_key_is_told_from_the_one_that_is_due),
        TEST(a_file_gives_the_key_back_to_who_knows_the_password),
        TEST(a_short_password_is_refused),
        TEST(a_backup_is_no_file_of_a_recovery_key),
        TEST(the_jose_command_finds_the_signature_good),
        TEST(a_signed_envelope_is_known_from_what_others_made),
        TEST(a_change_of_any_character_of_a_signed_envelope_is_refused),
        TEST(the_jose_command_opens_a_signed_envelope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
