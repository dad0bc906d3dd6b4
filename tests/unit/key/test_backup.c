/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "key/key.h"
#include "key/native.h"

#define CLUSTER  "6f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define OTHER    "7f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define VM       "0a0b0c0d-1111-4222-8333-444455556666"
#define PASSWORD "correct horse battery staple"

static const struct hostseal_conf to_file = {.tpm = TPM_OFF};
static const struct envelope_about expected = {.vm = VM, .purpose = "vm", .generation = 1};

/* A provider in FOLDER/old with a KEK, and an envelope under it. */
struct made {
    struct key *key;
    char *kek;
    struct secret *vm_key;
    struct envelope *envelope;
    struct secret *password;
};

static struct key *opened(const char *name)
{
    const char *folder = in_folder(name);
    const struct provider_conf conf = {.name = "host-keys",
                                       .type = "native",
                                       .cluster = CLUSTER,
                                       .folder = folder,
                                       .host = to_file};
    struct key *key = NULL;
    struct err err = {0};

    if (!key_open(&conf, &key, &err)) {
        fail_msg("%s", err.what);
    }
    return key;
}

static int make(void **state)
{
    static struct made made;
    struct envelope_about about = expected;
    struct err err = {0};

    *state = &made;
    if (folder_make(state) != 0) {
        return -1;
    }
    made.key = opened("old");
    made.password = secret_of_text(PASSWORD);
    if (!key_kek_make(made.key, "cluster edge-01", &made.kek, &err)) {
        return -1;
    }
    about.kek_id = made.kek;
    return secret_random(32, &made.vm_key, &err) &&
                   key_wrap(made.key, &about, made.vm_key, &made.envelope, &err)
               ? 0
               : -1;
}

static int unmake(void **state)
{
    struct made *made = *state;

    key_close(made->key);
    free(made->kek);
    secret_free(made->vm_key);
    secret_free(made->password);
    envelope_free(made->envelope);
    return folder_drop(state);
}

static char *backup_of(const struct made *made)
{
    char *text = NULL;
    struct err err = {0};

    if (!backup_make(in_folder("old"), &to_file, CLUSTER, made->password, &text, &err)) {
        fail_msg("%s", err.what);
    }
    return text;
}

static bool restore(const char *name, const char *text, const struct secret *password,
                    struct err *err)
{
    return backup_restore(in_folder(name), &to_file, CLUSTER, text, strlen(text), password, err);
}

static bool opens(const struct made *made, const char *name, struct err *err)
{
    AUTO(drop_key) struct key *key = opened(name);
    AUTO(drop_secret) struct secret *back = NULL;

    return key_unwrap(key, made->envelope, &expected, &back, err) &&
           secret_equal(back, made->vm_key);
}

/* T10 f. */
static void a_backup_opens_every_envelope_on_another_host(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    AUTO(drop_free) char *cluster = NULL;
    struct err err = {0};

    assert_true(backup_look(text, strlen(text), &cluster, &err));
    assert_string_equal(cluster, CLUSTER);
    assert_true(restore("new", text, made->password, &err));
    assert_true(opens(made, "new", &err));
    /* The same backup again changes nothing. */
    assert_true(restore("new", text, made->password, &err));
    assert_true(opens(made, "new", &err));
}

static void the_wrong_password_is_denied_and_makes_nothing(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    AUTO(drop_secret) struct secret *wrong = secret_of_text("Correct horse battery staple");
    struct err err = {0};

    assert_false(restore("new", text, wrong, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "password"));
    assert_false(file_exists(in_folder("new")));
}

static void a_short_password_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *password = secret_of_text("eleven char");
    char *text = NULL;
    struct err err = {0};

    (void)state;
    assert_false(backup_make(in_folder("old"), &to_file, CLUSTER, password, &text, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(text);
}

static void it_shows_no_key_and_no_password(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    AUTO(drop_free) char *root = NULL;
    size_t length = 0;
    struct err err = {0};

    assert_true(file_read(in_folder("old/root.json.secret"), 64, &root, &length, &err));
    assert_int_equal(length, 32);
    AUTO(drop_free) char *base64url = encode_base64url(root, length);
    AUTO(drop_free) char *hex = encode_hex(root, length);

    assert_null(strstr(text, base64url));
    assert_null(strstr(text, hex));
    assert_null(strstr(text, PASSWORD));
}

/* Each part that matters, changed in its middle. */
static void a_changed_backup_is_refused(void **state)
{
    static const char *const parts[] = {"\"protected\":\"", "\"encrypted_key\":\"", "\"iv\":\"",
                                        "\"ciphertext\":\"", "\"tag\":\""};
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        char *at = strstr(text, parts[i]) + strlen(parts[i]) + 8;
        char old = *at;
        struct err err = {0};

        *at = old == 'A' ? 'B' : 'A';
        assert_false(restore("new", text, made->password, &err));
        assert_true(err.kind == ERR_DENIED || err.kind == ERR_INPUT);
        *at = old;
    }
    assert_false(file_exists(in_folder("new")));
}

static char *with_header(const char *text, const char *key, json_t *value)
{
    AUTO(drop_json) json_t *json = NULL;
    AUTO(drop_json) json_t *header = NULL;
    AUTO(drop_free) unsigned char *bytes = NULL;
    AUTO(drop_free) char *written = NULL;
    AUTO(drop_free) char *protected = NULL;
    size_t size = 0;
    struct err err = {0};

    assert_true(json_read(text, strlen(text), &json, &err));
    assert_true(decode_base64url(json_string_or(json, "protected", ""), &bytes, &size, &err));
    assert_true(json_read((const char *)bytes, size, &header, &err));
    json_object_set_new(json_object_get(header, "quoin"), key, value);
    written = json_write_canonical(header);
    protected = encode_base64url(written, strlen(written));
    json_object_set_new(json, "protected", json_string(protected));
    return json_write(json);
}

/* Rounds are a way to make us spin: refused before the first. */
static void too_many_rounds_are_refused_at_once(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    static const json_int_t rounds[] = {0, PROTECT_MIN_ROUNDS - 1, PROTECT_MAX_ROUNDS + 1,
                                        1000000000000};

    for (size_t i = 0; i < COUNT_OF(rounds); i++) {
        AUTO(drop_free) char *other = with_header(text, "rounds", json_integer(rounds[i]));
        struct err err = {0};

        assert_false(restore("new", other, made->password, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.what, "rounds"));
    }
}

static void fewer_rounds_than_it_was_made_with_do_not_open_it(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    AUTO(drop_free) char *other = with_header(text, "rounds", json_integer(PROTECT_MIN_ROUNDS));
    struct err err = {0};

    assert_false(restore("new", other, made->password, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_backup_of_another_cluster_is_a_clash(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    struct err err = {0};

    assert_false(backup_restore(in_folder("new"), &to_file, OTHER, text, strlen(text),
                                made->password, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_true(
        backup_restore(in_folder("new"), &to_file, NULL, text, strlen(text), made->password, &err));
    char *none = NULL;

    assert_false(backup_make(in_folder("old"), &to_file, OTHER, made->password, &none, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void it_does_not_replace_another_provider(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    struct err err = {0};

    key_close(opened("new"));
    assert_false(restore("new", text, made->password, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

/* The TPM was replaced, or the root's file was lost: the ledger is still there and fits. */
static void it_mends_a_provider_that_lost_its_root_key(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    struct err err = {0};

    assert_true(file_remove(in_folder("old/root.json"), &err));
    assert_true(file_remove(in_folder("old/root.json.secret"), &err));
    assert_true(restore("old", text, made->password, &err));
    assert_true(opens(made, "old", &err));
}

static void a_kek_that_was_retired_since_stays_lost(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    struct err err = {0};

    assert_true(key_kek_retire(made->key, made->kek, &err));
    assert_true(restore("old", text, made->password, &err));
    assert_false(opens(made, "old", &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void whether_it_was_fetched_is_known_until_a_new_kek_is_made(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = NULL;
    AUTO(drop_free) char *kek = NULL;
    enum hostseal_by by;
    bool fetched = true;
    struct err err = {0};

    assert_false(backup_fetched(in_folder("old"), &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    text = backup_of(made);
    assert_true(native_look(in_folder("old"), &fetched, &by, &err));
    assert_false(fetched);
    assert_true(backup_fetched(in_folder("old"), &err));
    assert_true(native_look(in_folder("old"), &fetched, &by, &err));
    assert_true(fetched);
    assert_true(key_prove(made->key, &err)); /* a canary's KEK is retired: it does not matter */
    assert_true(native_look(in_folder("old"), &fetched, &by, &err));
    assert_true(fetched);
    assert_true(key_kek_make(made->key, "another", &kek, &err));
    assert_true(native_look(in_folder("old"), &fetched, &by, &err));
    assert_false(fetched);
    AUTO(drop_json) json_t *look = NULL;

    assert_true(key_look(made->key, &look, &err));
    assert_string_equal(json_string_or(look, "backup", ""), "stale");
}

/* --- by hand, as the header of backup.h and docs/recovery.md say ---------------------------------
 */

/* The key that the password gives, as `openssl kdf` prints it, as a JWK in a file. */
static void password_to_jwk(const char *text, const char *path)
{
    AUTO(drop_json) json_t *json = NULL;
    AUTO(drop_json) json_t *header = NULL;
    AUTO(drop_free) unsigned char *bytes = NULL;
    AUTO(drop_free) char *salt = NULL;
    AUTO(drop_free) char *rounds = NULL;
    AUTO(drop_free) char *k = NULL;
    AUTO(drop_free) char *jwk = NULL;
    AUTO(drop_run_result) struct run_result result = {0};
    size_t size = 0;
    struct err err = {0};

    assert_true(json_read(text, strlen(text), &json, &err));
    assert_true(decode_base64url(json_string_or(json, "protected", ""), &bytes, &size, &err));
    assert_true(json_read((const char *)bytes, size, &header, &err));
    const json_t *quoin = json_object_get(header, "quoin");

    salt = text_make("hexsalt:%s", json_string_or(quoin, "salt", ""));
    rounds =
        text_make("iter:%lld", (long long)json_integer_value(json_object_get(quoin, "rounds")));
    assert_true(run_program(
        &(struct run){.argv = RUN("openssl", "kdf", "-binary", "-keylen", "32", "-kdfopt",
                                  "digest:SHA512", "-kdfopt", "pass:" PASSWORD, "-kdfopt", salt,
                                  "-kdfopt", rounds, "PBKDF2")},
        &result, &err));
    assert_int_equal(result.out_length, 32);
    k = encode_base64url(result.out, 32);
    jwk = text_make("{\"kty\":\"oct\",\"alg\":\"A256KW\",\"k\":\"%s\"}", k);
    assert_true(file_write(path, jwk, strlen(jwk), 0600, &err));
}

static void openssl_and_jose_open_backup_and_envelope(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    const char *backup = in_folder("backup.json"), *jwk = in_folder("password.jwk");
    const char *jwks = in_folder("keks.jwks"), *envelope = in_folder("envelope.json");
    AUTO(drop_run_result) struct run_result result = {0};
    struct err err = {0};

    assert_true(file_write(backup, text, strlen(text), 0600, &err));
    assert_true(file_write(envelope, envelope_text(made->envelope),
                           strlen(envelope_text(made->envelope)), 0600, &err));
    password_to_jwk(text, jwk);
    assert_true(run_ok(
        &(struct run){.argv = RUN("jose", "jwe", "dec", "-i", backup, "-k", jwk, "-O", jwks)}, NULL,
        &err));
    assert_true(
        run_program(&(struct run){.argv = RUN("jose", "jwe", "dec", "-i", envelope, "-k", jwks)},
                    &result, &err));
    assert_int_equal(result.status, 0);
    assert_int_equal(result.out_length, 32);
    assert_memory_equal(result.out, secret_look(made->vm_key), 32);
}

/* A rotation hands the new keys to the other hosts between a backup and the word that it is there.
 */
static void keys_handed_to_another_host_are_no_backup(void **state)
{
    const struct made *made = *state;
    AUTO(drop_free) char *text = backup_of(made);
    AUTO(drop_free) char *kek = NULL;
    AUTO(drop_jwks) struct jwks *jwks = NULL;
    AUTO(drop_json) json_t *look = NULL;
    char cluster[UUID_SIZE];
    struct err err = {0};

    assert_non_null(text);
    assert_true(key_kek_make(made->key, "cluster edge-01 again", &kek, &err));
    assert_true(native_export(in_folder("old"), &to_file, CLUSTER, false, &jwks, cluster, &err));
    assert_int_equal(jwks->count, 3);
    assert_true(backup_fetched(in_folder("old"), &err));
    assert_true(key_look(made->key, &look, &err));
    assert_string_equal(json_string_or(look, "backup", ""), "stale");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(a_backup_opens_every_envelope_on_another_host),
        TEST(the_wrong_password_is_denied_and_makes_nothing),
        TEST(a_short_password_is_refused),
        TEST(it_shows_no_key_and_no_password),
        TEST(a_changed_backup_is_refused),
        TEST(too_many_rounds_are_refused_at_once),
        TEST(fewer_rounds_than_it_was_made_with_do_not_open_it),
        TEST(a_backup_of_another_cluster_is_a_clash),
        TEST(it_does_not_replace_another_provider),
        TEST(it_mends_a_provider_that_lost_its_root_key),
        TEST(a_kek_that_was_retired_since_stays_lost),
        TEST(whether_it_was_fetched_is_known_until_a_new_kek_is_made),
        TEST(keys_handed_to_another_host_are_no_backup),
        TEST(openssl_and_jose_open_backup_and_envelope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
