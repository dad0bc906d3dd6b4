/* SPDX-License-Identifier: Apache-2.0 */
#include "../vectors.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "key/envelope.h"

#define CLUSTER "6f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define VM      "0a0b0c0d-1111-4222-8333-444455556666"
#define OTHER   "ffffffff-1111-4222-8333-444455556666"

static const struct envelope_about about = {
    .provider = "host-keys",
    .type = "native",
    .kek_id = "native:" CLUSTER ":" VM,
    .cluster = CLUSTER,
    .vm = VM,
    .purpose = "vm",
    .generation = 7,
};

struct made {
    struct secret *kek;
    struct secret *vm_key;
    struct envelope *envelope;
};

static int make(void **state)
{
    static struct made made;
    struct err err = {0};

    *state = &made;
    return secret_random(32, &made.kek, &err) && secret_random(32, &made.vm_key, &err) &&
                   envelope_seal(made.kek, &about, made.vm_key, &made.envelope, &err)
               ? 0
               : -1;
}

static int unmake(void **state)
{
    struct made *made = *state;

    envelope_free(made->envelope);
    secret_free(made->kek);
    secret_free(made->vm_key);
    return 0;
}

static void it_opens_under_its_kek_to_the_same_secret(void **state)
{
    const struct made *made = *state;
    AUTO(drop_secret) struct secret *out = NULL;
    AUTO(drop_envelope) struct envelope *again = NULL;
    const char *text = envelope_text(made->envelope);
    struct err err = {0};

    assert_true(envelope_read(text, strlen(text), &again, &err));
    assert_true(envelope_open(made->kek, again, &about, &out, &err));
    assert_true(secret_equal(out, made->vm_key));
    assert_string_equal(envelope_about(again)->kek_id, about.kek_id);
    assert_string_equal(envelope_about(again)->purpose, "vm");
    assert_int_equal(envelope_about(again)->generation, 7);
    assert_true(strlen(text) < 1200);
}

static void another_kek_is_denied(void **state)
{
    const struct made *made = *state;
    AUTO(drop_secret) struct secret *kek = NULL, *out = NULL;
    struct err err = {0};

    assert_true(secret_random(32, &kek, &err));
    assert_false(envelope_open(kek, made->envelope, &about, &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_null(out);
}

static void an_envelope_of_something_else_is_a_clash_that_names_both(void **state)
{
    static const struct {
        struct envelope_about expected;
        const char *named[2];
    } cases[] = {
        {{.cluster = OTHER, .vm = VM, .purpose = "vm"}, {OTHER, CLUSTER}},
        {{.cluster = CLUSTER, .vm = OTHER, .purpose = "vm"}, {OTHER, VM}},
        {{.cluster = CLUSTER, .vm = VM, .purpose = "ca"}, {"ca", "vm"}},
        {{.cluster = CLUSTER, .vm = VM, .purpose = "vm", .generation = 8}, {"7", "8"}},
        {{.cluster = CLUSTER, .vm = VM, .purpose = "vm", .provider = "kms"}, {"kms", "host-keys"}},
        {{.cluster = CLUSTER, .vm = VM, .purpose = "vm", .type = "kmip"}, {"kmip", "native"}},
        {{.cluster = CLUSTER, .vm = VM, .purpose = "vm", .kek_id = "k1"}, {"k1", "native:"}},
    };
    const struct made *made = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct secret *out = NULL;
        struct err err = {0};

        assert_false(envelope_open(made->kek, made->envelope, &cases[i].expected, &out, &err));
        assert_int_equal(err.kind, ERR_CLASH);
        assert_non_null(strstr(err.what, cases[i].named[0]));
        assert_non_null(strstr(err.what, cases[i].named[1]));
        assert_null(out);
    }
}

static void any_generation_is_taken_when_none_is_known(void **state)
{
    const struct made *made = *state;
    struct envelope_about expected = {.cluster = CLUSTER, .vm = VM, .purpose = "vm"};
    AUTO(drop_secret) struct secret *out = NULL;
    struct err err = {0};

    assert_true(envelope_open(made->kek, made->envelope, &expected, &out, &err));
}

static void an_expectation_without_a_vm_is_our_own_mistake(void **state)
{
    const struct made *made = *state;
    struct secret *out = NULL;
    struct err err = {0};

    assert_false(envelope_open(made->kek, made->envelope, &(struct envelope_about){0}, &out, &err));
    assert_int_equal(err.kind, ERR_BUG);
}

/* Every character of the text in turn: either it no longer reads, or it does not open, or it says
 * the very same (base64url has one spelling, so that never happens). */
static void a_change_of_any_character_is_refused(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = text_copy(envelope_text(made->envelope));
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++) {
        AUTO(drop_envelope) struct envelope *envelope = NULL;
        struct secret *out = NULL;
        struct err err = {0};
        char old = text[i];

        text[i] = old == 'A' ? 'B' : 'A';
        if (envelope_read(text, length, &envelope, &err)) {
            assert_false(envelope_open(made->kek, envelope, &about, &out, &err));
            assert_true(err.kind == ERR_DENIED || err.kind == ERR_CLASH);
        } else {
            assert_int_equal(err.kind, ERR_INPUT);
        }
        assert_null(out);
        text[i] = old;
    }
}

/* A header with other words but of the right shape: the words of an attacker who writes JSON. */
static void a_header_with_another_vm_is_denied_even_to_who_expects_it(void **state)
{
    const struct made *made = *state;
    AUTO(drop_json) json_t *json = envelope_json(made->envelope);
    AUTO(drop_json) json_t *header = NULL;
    AUTO(drop_free) unsigned char *bytes = NULL;
    AUTO(drop_free) char *written = NULL;
    AUTO(drop_free) char *protected = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct envelope_about expected = about;
    struct secret *out = NULL;
    size_t size = 0;
    struct err err = {0};

    assert_true(decode_base64url(json_string_or(json, "protected", ""), &bytes, &size, &err));
    assert_true(json_read((const char *)bytes, size, &header, &err));
    json_object_set_new(json_object_get(header, "quoin"), "vm", json_string(OTHER));
    written = json_write_canonical(header);
    protected = encode_base64url(written, strlen(written));
    json_object_set_new(json, "protected", json_string(protected));
    assert_true(envelope_of_json(json, &envelope, &err));
    expected.vm = OTHER;
    assert_false(envelope_open(made->kek, envelope, &expected, &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void the_parts_of_two_envelopes_do_not_mix(void **state)
{
    static const char *const members[] = {"protected", "encrypted_key", "iv", "ciphertext", "tag"};
    const struct made *made = *state;
    AUTO(drop_envelope) struct envelope *other = NULL;
    AUTO(drop_json) json_t *theirs = NULL;
    struct envelope_about later = about;
    struct err err = {0};

    later.generation = 8;
    assert_true(envelope_seal(made->kek, &later, made->vm_key, &other, &err));
    theirs = envelope_json(other);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        AUTO(drop_json) json_t *json = envelope_json(made->envelope);
        AUTO(drop_envelope) struct envelope *mixed = NULL;
        struct envelope_about expected = about;
        struct secret *out = NULL;

        expected.generation = 0;
        json_object_set(json, members[i], json_object_get(theirs, members[i]));
        assert_true(envelope_of_json(json, &mixed, &err));
        assert_false(envelope_open(made->kek, mixed, &expected, &out, &err));
        assert_int_equal(err.kind, ERR_DENIED);
    }
}

static void a_member_more_or_less_is_refused(void **state)
{
    static const char *const members[] = {"protected", "encrypted_key", "iv", "ciphertext", "tag"};
    const struct made *made = *state;
    struct envelope *out = NULL;
    struct err err = {0};

    for (size_t i = 0; i < COUNT_OF(members); i++) {
        AUTO(drop_json) json_t *json = envelope_json(made->envelope);

        json_object_del(json, members[i]);
        assert_false(envelope_of_json(json, &out, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        json_object_set_new(json, members[i], json_integer(1));
        assert_false(envelope_of_json(json, &out, &err));
        json_object_set_new(json, members[i], json_string(""));
        assert_false(envelope_of_json(json, &out, &err));
    }
    AUTO(drop_json) json_t *json = envelope_json(made->envelope);

    json_object_set_new(json, "aad", json_string("AAAA"));
    assert_false(envelope_of_json(json, &out, &err));
}

static void headers_of_another_shape_are_refused(void **state)
{
    static const char *const headers[] = {
        "{}",
        "[]",
        "{\"alg\":\"none\",\"enc\":\"A256GCM\",\"kid\":\"k\",\"quoin\":{}}",
        "{\"alg\":\"A256KW\",\"enc\":\"A128GCM\",\"kid\":\"k\",\"quoin\":{}}",
        "{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"kid\":\"k\",\"quoin\":{},\"zip\":\"DEF\"}",
        "{\"alg\":\"A256KW\",\"alg\":\"dir\",\"enc\":\"A256GCM\",\"kid\":\"k\",\"quoin\":{}}",
        "{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"kid\":\"k\",\"quoin\":{\"provider\":{\"name\":"
        "\"a\",\"type\":\"native\"},\"cluster\":\"" CLUSTER "\",\"vm\":\"" VM
        "\",\"purpose\":\"vm\",\"generation\":1.5,\"check\":\"0123456789abcdef\"}}",
        "{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"kid\":\"k\",\"quoin\":{\"provider\":{\"name\":"
        "\"a\",\"type\":\"native\"},\"cluster\":\"" CLUSTER "\",\"vm\":\"" VM
        "\",\"purpose\":\"../vm\",\"generation\":1,\"check\":\"0123456789abcdef\"}}",
    };
    const struct made *made = *state;

    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        AUTO(drop_json) json_t *json = envelope_json(made->envelope);
        AUTO(drop_free) char *text = encode_base64url(headers[i], strlen(headers[i]));
        struct envelope *out = NULL;
        struct err err = {0};

        json_object_set_new(json, "protected", json_string(text));
        assert_false(envelope_of_json(json, &out, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(out);
    }
}

static void what_no_envelope_may_say_is_not_sealed(void **state)
{
    const struct made *made = *state;
    struct envelope_about wrong[8];

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        wrong[i] = about;
    }
    wrong[0].provider = "a name with blanks";
    wrong[1].kek_id = "id\nwith a line";
    wrong[2].cluster = "not-a-uuid";
    wrong[3].vm = NULL;
    wrong[4].purpose = "";
    wrong[5].generation = 0;
    wrong[6].type = "Native";
    wrong[7].generation = ENVELOPE_MAX_GENERATION + 1;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct envelope *out = NULL;
        struct err err = {0};

        assert_false(envelope_seal(made->kek, &wrong[i], made->vm_key, &out, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(out);
    }
}

static void a_secret_that_is_too_large_is_refused(void **state)
{
    const struct made *made = *state;
    AUTO(drop_secret) struct secret *large = NULL;
    AUTO(drop_envelope) struct envelope *out = NULL;
    struct err err = {0};

    assert_true(secret_random(ENVELOPE_MAX_SECRET + 1, &large, &err));
    assert_false(envelope_seal(made->kek, &about, large, &out, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    secret_cut(large, ENVELOPE_MAX_SECRET);
    assert_true(envelope_seal(made->kek, &about, large, &out, &err));
}

static void sealing_twice_gives_two_envelopes_and_both_open(void **state)
{
    const struct made *made = *state;
    AUTO(drop_envelope) struct envelope *second = NULL;
    AUTO(drop_secret) struct secret *out = NULL;
    struct err err = {0};

    assert_true(envelope_seal(made->kek, &about, made->vm_key, &second, &err));
    assert_string_not_equal(envelope_text(second), envelope_text(made->envelope));
    assert_true(envelope_open(made->kek, second, &about, &out, &err));
    assert_true(secret_equal(out, made->vm_key));
}

static void a_key_check_tells_keys_apart_and_is_not_the_key(void **state)
{
    const struct made *made = *state;
    AUTO(drop_secret) struct secret *other = NULL;
    AUTO(drop_free) char *key_hex = encode_hex(secret_look(made->vm_key), 32);
    const char *check = envelope_about(made->envelope)->check;
    struct err err = {0};

    assert_true(secret_random(32, &other, &err));
    assert_true(key_check(made->vm_key, check, &err));
    assert_false(key_check(other, check, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_null(strstr(key_hex, check));
}

static void write_file(const char *path, const void *bytes, size_t length)
{
    assert_true(file_write(path, bytes, length, 0600, &(struct err){0}));
}

/* docs/recovery.md: the KEK as a JWK and `jose` are all it takes. */
static void jose_opens(const struct made *made, const struct envelope *envelope)
{
    AUTO(drop_free) char *k = encode_base64url(secret_look(made->kek), 32);
    AUTO(drop_free) char *jwk = text_make("{\"kty\":\"oct\",\"k\":\"%s\"}", k);
    AUTO(drop_run_result) struct run_result result = {0};
    char folder[] = "/tmp/quoin-envelope-XXXXXX";
    AUTO(drop_free) char *key_path = NULL;
    AUTO(drop_free) char *path = NULL;
    const char *text = envelope_text(envelope);
    struct err err = {0};

    assert_non_null(mkdtemp(folder));
    key_path = text_make("%s/kek.jwk", folder);
    path = text_make("%s/envelope.json", folder);
    write_file(key_path, jwk, strlen(jwk));
    write_file(path, text, strlen(text));
    assert_true(
        run_program(&(struct run){.argv = RUN("jose", "jwe", "dec", "-i", path, "-k", key_path)},
                    &result, &err));
    assert_int_equal(result.status, 0);
    assert_int_equal(result.out_length, 32);
    assert_memory_equal(result.out, secret_look(made->vm_key), 32);
    assert_true(file_remove_tree(folder, &err));
}

static void the_jose_command_opens_it_with_the_kek(void **state)
{
    const struct made *made = *state;

    jose_opens(made, made->envelope);
}

/* What a key server does that wraps with AES-GCM (RFC 7518 section 4.7). */
static bool gcm_wrap(void *self, const struct secret *content_key, struct jwe_wrapped *out,
                     struct err *err)
{
    AUTO(drop_free) unsigned char *box = NULL;
    size_t size = 0;

    if (!aead_seal(self, SPAN_NONE, content_key, &box, &size, err)) {
        return false;
    }
    out->alg = JWE_A256GCMKW;
    out->size = JWE_KEY_SIZE;
    memcpy(out->iv, box, AEAD_IV_SIZE);
    memcpy(out->bytes, box + AEAD_IV_SIZE, JWE_KEY_SIZE);
    memcpy(out->tag, box + AEAD_IV_SIZE + JWE_KEY_SIZE, AEAD_TAG_SIZE);
    return true;
}

static struct envelope *sealed_by_gcm(const struct made *made)
{
    const struct jwe_kek kek = {made->kek, gcm_wrap, NULL};
    struct envelope *envelope = NULL;
    struct err err = {0};

    if (!envelope_seal_at(&kek, &about, made->vm_key, &envelope, &err)) {
        fail_msg("%s", err.what);
    }
    return envelope;
}

static void one_whose_kek_stayed_at_a_server_opens_with_the_kek_and_with_jose(void **state)
{
    const struct made *made = *state;
    AUTO(drop_envelope) struct envelope *envelope = sealed_by_gcm(made), *back = NULL;
    AUTO(drop_secret) struct secret *out = NULL;
    const char *text = envelope_text(envelope);
    struct err err = {0};

    assert_true(envelope_read(text, strlen(text), &back, &err));
    assert_int_equal(envelope_alg(back), JWE_A256GCMKW);
    assert_true(envelope_open(made->kek, back, &about, &out, &err));
    assert_true(secret_equal(out, made->vm_key));
    jose_opens(made, back);
}

/* A member of the protected header taken away, or changed to `value`, must not be read or opened.
 */
static void header_is_refused(const struct made *made, const struct envelope *envelope,
                              const char *key, const char *value)
{
    AUTO(drop_json) json_t *json = envelope_json(envelope), *header = NULL;
    AUTO(drop_free) unsigned char *bytes = NULL;
    AUTO(drop_free) char *text = NULL, *coded = NULL;
    AUTO(drop_envelope) struct envelope *back = NULL;
    AUTO(drop_secret) struct secret *out = NULL;
    size_t size = 0;
    struct err err = {0};

    assert_true(decode_base64url(json_string_or(json, "protected", ""), &bytes, &size, &err));
    assert_true(json_read((const char *)bytes, size, &header, &err));
    if (value) {
        json_object_set_new(header, key, json_string(value));
    } else {
        json_object_del(header, key);
    }
    text = json_write_canonical(header);
    coded = encode_base64url(text, strlen(text));
    json_object_set_new(json, "protected", json_string(coded));
    assert_false(envelope_of_json(json, &back, &err) &&
                 envelope_open(made->kek, back, &about, &out, &err));
    assert_true(err.kind == ERR_INPUT || err.kind == ERR_DENIED);
}

static void the_wrapping_in_its_header_is_held_to_its_shape(void **state)
{
    static const struct {
        const char *key;
        const char *value;
    } changes[] = {
        {"iv", NULL},
        {"tag", NULL},
        {"iv", "AAAAAAAAAAAAAAAA"},
        {"iv", "AAAAAAAAAAAAAAAAAAAA"},
        {"tag", "AAAAAAAAAAAAAAAAAAAAAA"},
        {"tag", "AAAAAAAAAAAAAAAA"},
        {"alg", "A256KW"},
        {"alg", "A128GCMKW"},
        {"zip", "DEF"},
    };
    const struct made *made = *state;
    AUTO(drop_envelope) struct envelope *envelope = sealed_by_gcm(made);

    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        header_is_refused(made, envelope, changes[i].key, changes[i].value);
    }
    header_is_refused(made, made->envelope, "iv", "AAAAAAAAAAAAAAAA");
    header_is_refused(made, made->envelope, "alg", "A256GCMKW");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(it_opens_under_its_kek_to_the_same_secret),
        TEST(another_kek_is_denied),
        TEST(an_envelope_of_something_else_is_a_clash_that_names_both),
        TEST(any_generation_is_taken_when_none_is_known),
        TEST(an_expectation_without_a_vm_is_our_own_mistake),
        TEST(a_change_of_any_character_is_refused),
        TEST(a_header_with_another_vm_is_denied_even_to_who_expects_it),
        TEST(the_parts_of_two_envelopes_do_not_mix),
        TEST(a_member_more_or_less_is_refused),
        TEST(headers_of_another_shape_are_refused),
        TEST(what_no_envelope_may_say_is_not_sealed),
        TEST(a_secret_that_is_too_large_is_refused),
        TEST(sealing_twice_gives_two_envelopes_and_both_open),
        TEST(a_key_check_tells_keys_apart_and_is_not_the_key),
        TEST(the_jose_command_opens_it_with_the_kek),
        TEST(one_whose_kek_stayed_at_a_server_opens_with_the_kek_and_with_jose),
        TEST(the_wrapping_in_its_header_is_held_to_its_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
