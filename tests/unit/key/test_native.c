/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include "key/key.h"
#include "key/native.h"

#define CLUSTER "6f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define OTHER   "7f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define VM      "0a0b0c0d-1111-4222-8333-444455556666"

static struct provider_conf conf_of(const char *cluster)
{
    return (struct provider_conf){.name = "host-keys",
                                  .type = "native",
                                  .cluster = cluster,
                                  .folder = folder_path,
                                  .host = {.tpm = TPM_OFF}};
}

static struct key *opened(void)
{
    const struct provider_conf conf = conf_of(CLUSTER);
    struct key *key = NULL;
    struct err err = {0};

    if (!key_open(&conf, &key, &err)) {
        fail_msg("%s", err.what);
    }
    return key;
}

static char *kek_of(struct key *key)
{
    static unsigned number;
    AUTO(drop_free) char *label = text_make("cluster edge-01 %u", ++number);
    char *kek = NULL;
    struct err err = {0};

    assert_true(key_kek_make(key, label, &kek, &err));
    return kek;
}

static struct envelope *wrapped(struct key *key, const char *kek, const struct secret *secret)
{
    const struct envelope_about about = {.kek_id = kek, .vm = VM, .purpose = "vm", .generation = 1};
    struct envelope *envelope = NULL;
    struct err err = {0};

    if (!key_wrap(key, &about, secret, &envelope, &err)) {
        fail_msg("%s", err.what);
    }
    return envelope;
}

static const struct envelope_about expected = {.vm = VM, .purpose = "vm", .generation = 1};

/* The path of the seed of a KEK "native:root:uuid". */
static const char *seed_of(const char *kek)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "kek-%s.seed", strrchr(kek, ':') + 1);
    return in_folder(name);
}

static void what_it_wrapped_opens_after_a_restart(void **state)
{
    AUTO(drop_key) struct key *key = opened(), *later = NULL;
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &vm_key, &err));
    envelope = wrapped(key, kek, vm_key);
    later = opened();
    assert_true(key_unwrap(later, envelope, &expected, &back, &err));
    assert_true(secret_equal(vm_key, back));
    assert_string_equal(envelope_about(envelope)->provider, "host-keys");
    assert_string_equal(envelope_about(envelope)->cluster, CLUSTER);
}

static void a_kek_asked_for_again_by_its_label_is_the_same(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *first = NULL, *again = NULL, *other = NULL, *later = NULL;
    struct err err = {0};

    (void)state;
    assert_true(key_kek_make(key, "edge-01 the first", &first, &err));
    assert_true(key_kek_make(key, "edge-01 the first", &again, &err));
    assert_true(key_kek_make(key, "edge-01 the second", &other, &err));
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    assert_true(key_kek_retire(key, first, &err));
    assert_true(key_kek_make(key, "edge-01 the first", &later, &err));
    assert_string_not_equal(first, later);
}

static void two_keks_are_two_keys(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *one = kek_of(key);
    AUTO(drop_free) char *two = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err err = {0};

    (void)state;
    assert_string_not_equal(one, two);
    assert_true(secret_random(32, &vm_key, &err));
    envelope = wrapped(key, one, vm_key);
    assert_true(key_kek_retire(key, two, &err));
    assert_true(key_unwrap(key, envelope, &expected, &back, &err));
}

static void a_retired_kek_stays_lost(void **state)
{
    AUTO(drop_key) struct key *key = opened(), *later = NULL;
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &vm_key, &err));
    envelope = wrapped(key, kek, vm_key);
    assert_true(key_kek_retire(key, kek, &err));
    assert_true(key_kek_retire(key, kek, &err));
    assert_false(key_unwrap(key, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    later = opened();
    assert_false(key_unwrap(later, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_null(back);
}

/* T8: yesterday's ledger says the KEK is active. The seed says it is gone. */
static void an_old_ledger_does_not_bring_a_retired_kek_back(void **state)
{
    AUTO(drop_key) struct key *key = opened(), *later = NULL;
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_free) char *old = NULL;
    AUTO(drop_secret) struct secret *vm_key = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &vm_key, &err));
    envelope = wrapped(key, kek, vm_key);
    assert_true(file_read(in_folder("ledger.json"), 65536, &old, &length, &err));
    assert_true(key_kek_retire(key, kek, &err));
    assert_true(file_write(in_folder("ledger.json"), old, length, 0600, &err));
    later = opened();
    assert_false(key_unwrap(later, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

/* A crash between the ledger's word and the wiping. */
static void a_retirement_that_was_cut_short_is_finished_at_the_next_start(void **state)
{
    AUTO(drop_key) struct key *key = opened(), *later = NULL;
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *seed = NULL;
    const char *path = seed_of(kek);
    struct err err = {0};

    (void)state;
    assert_true(secret_read_file(path, 32, false, &seed, &err));
    assert_true(key_kek_retire(key, kek, &err));
    assert_false(file_exists(path));
    assert_true(file_write(path, secret_look(seed), 32, 0600, &err));
    later = opened();
    assert_false(file_exists(path));
}

static void a_seed_that_is_wiped_leaves_zeros_not_itself(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_fd) int fd = open(seed_of(kek), O_RDONLY);
    unsigned char bytes[32];
    static const unsigned char zeros[32];
    struct err err = {0};

    (void)state;
    assert_true(fd >= 0);
    assert_true(key_kek_retire(key, kek, &err));
    assert_true(file_pread(fd, bytes, sizeof(bytes), 0, &err));
    assert_memory_equal(bytes, zeros, sizeof(zeros));
}

static void the_round_trip_proves_it_and_leaves_no_kek_behind(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_json) json_t *look = NULL;
    json_t *kek;
    size_t i;
    struct err err = {0};

    (void)state;
    assert_true(key_prove(key, &err));
    assert_true(key_look(key, &look, &err));
    json_array_foreach(json_object_get(look, "keks"), i, kek)
    {
        assert_string_equal(json_string_or(kek, "state", ""), "retired");
    }
    assert_int_equal(i, 1);
    assert_string_equal(json_string_or(look, "protection", ""), "file");
    assert_string_equal(json_string_or(look, "backup", ""), "none");
    assert_string_equal(json_string_or(look, "type", ""), "native");
}

static void hundreds_of_proofs_do_not_fill_it(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_json) json_t *look = NULL;
    struct err err = {0};

    (void)state;
    for (int i = 0; i < 300; i++) {
        assert_true(key_prove(key, &err));
    }
    assert_true(key_look(key, &look, &err));
    assert_int_equal(json_array_size(json_object_get(look, "keks")), 257);
    assert_string_equal(json_string_or(json_array_get(json_object_get(look, "keks"), 0), "id", ""),
                        kek);
}

static void another_clusters_provider_is_a_clash(void **state)
{
    const struct provider_conf conf = conf_of(OTHER);
    struct key *other = NULL;
    struct err err = {0};

    (void)state;
    key_close(opened());
    assert_false(key_open(&conf, &other, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, CLUSTER));
    assert_non_null(strstr(err.what, OTHER));
}

static void ids_that_are_not_its_own_are_refused(void **state)
{
    static const struct {
        const char *id;
        enum err_kind kind;
    } cases[] = {
        {"native:" CLUSTER ":" VM, ERR_ABSENT},
        {"kmip:1", ERR_INPUT},
        {"", ERR_INPUT},
        {"native:../../../../../../../../../../../../../etc/passwd", ERR_INPUT},
        {"native:" CLUSTER ":../../../../../../../../../../etc/shadow", ERR_INPUT},
    };
    AUTO(drop_key) struct key *key = opened();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};

        assert_false(key_kek_retire(key, cases[i].id, &err));
        assert_int_equal(err.kind, cases[i].kind);
    }
}

static void a_kek_that_never_was_is_absent(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = NULL;
    AUTO(drop_free) char *never = NULL;
    struct envelope *envelope = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &vm_key, &err));
    never = text_make("%.*s%s", (int)strlen(kek) - 36, kek, VM);
    assert_false(key_wrap(
        key, &(struct envelope_about){.kek_id = never, .vm = VM, .purpose = "vm", .generation = 1},
        vm_key, &envelope, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void a_torn_or_changed_ledger_is_refused(void **state)
{
    const struct provider_conf conf = conf_of(CLUSTER);
    AUTO(drop_key) struct key *key = opened();
    struct key *later = NULL;
    struct err err = {0};

    (void)state;
    free(kek_of(key));
    damage(in_folder("ledger.json"), "\"made\":\"202");
    assert_false(key_open(&conf, &later, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    tear(in_folder("ledger.json"));
    assert_false(key_open(&conf, &later, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "ledger.json"));
}

static void a_lost_ledger_beside_seeds_makes_no_new_provider(void **state)
{
    const struct provider_conf conf = conf_of(CLUSTER);
    AUTO(drop_key) struct key *key = opened();
    struct key *later = NULL;
    struct err err = {0};

    (void)state;
    free(kek_of(key));
    assert_true(file_remove(in_folder("ledger.json"), &err));
    assert_false(key_open(&conf, &later, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.remedy, "backup"));
}

static void a_lost_root_key_is_absent_and_no_new_one_is_made(void **state)
{
    static const char *const files[] = {"root.json", "root.json.secret"};
    const struct provider_conf conf = conf_of(CLUSTER);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct key *later = NULL;
        struct err err = {0};

        key_close(opened());
        assert_true(file_remove(in_folder(files[i]), &err));
        assert_false(key_open(&conf, &later, &err));
        assert_int_equal(err.kind, ERR_ABSENT);
        assert_non_null(strstr(err.remedy, "recover"));
        assert_true(file_remove(in_folder("ledger.json"), &err));
    }
}

static void a_torn_seed_is_told_from_a_lost_one(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &vm_key, &err));
    envelope = wrapped(key, kek, vm_key);
    tear(seed_of(kek));
    assert_false(key_unwrap(key, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void a_changed_seed_is_denied(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &vm_key, &err));
    envelope = wrapped(key, kek, vm_key);
    assert_true(file_write(seed_of(kek), secret_look(vm_key), 32, 0600, &err));
    assert_false(key_unwrap(key, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_full_disk_leaves_the_old_state(void **state)
{
    AUTO(drop_key) struct key *key = opened(), *later = NULL;
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    char *none = NULL;

    (void)state;
    assert_true(secret_random(32, &vm_key, &(struct err){0}));
    envelope = wrapped(key, kek, vm_key);
    /* Not a byte, half a seed, a seed but no ledger. */
    for (rlim_t bytes = 0; bytes <= 48; bytes += 16) {
        struct err err = {0};

        disk_full(bytes);
        bool made = key_kek_make(key, "one more", &none, &err);
        bool retired = key_kek_retire(key, kek, &err);

        disk_free();
        assert_false(made);
        assert_false(retired);
        assert_int_equal(err.kind, ERR_SYSTEM);
        assert_null(none);
    }
    later = opened();
    assert_true(key_unwrap(later, envelope, &expected, &back, &(struct err){0}));
}

static void a_folder_that_cannot_be_written_is_said_so(void **state)
{
    struct provider_conf conf = conf_of(CLUSTER);
    const char *inside = in_folder("provider");
    struct key *key = NULL;
    struct err err = {0};

    (void)state;
    conf.folder = inside;
    folder_read_only();
    bool made = key_open(&conf, &key, &err);

    folder_writable();
    assert_false(made);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, inside));
}

static void everything_in_the_folder_is_roots_alone(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *kek = kek_of(key);
    const char *paths[] = {in_folder("ledger.json"), in_folder("root.json"),
                           in_folder("root.json.secret"), in_folder("lock"), seed_of(kek)};
    struct stat st;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_int_equal(stat(paths[i], &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
}

static void it_can_be_looked_at_without_its_keys(void **state)
{
    enum hostseal_by by = HOSTSEAL_BY_TPM;
    bool fetched = true;
    struct err err = {0};

    (void)state;
    assert_false(native_look(folder_path, &fetched, &by, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    key_close(opened());
    assert_true(native_look(folder_path, &fetched, &by, &err));
    assert_false(fetched);
    assert_int_equal(by, HOSTSEAL_BY_FILE);
}

static void once_destroyed_nothing_opens_and_a_new_one_is_another(void **state)
{
    AUTO(drop_key) struct key *key = opened(), *later = NULL;
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_fd) int fd = open(in_folder("root.json.secret"), O_RDONLY);
    unsigned char bytes[32];
    static const unsigned char zeros[32];
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &vm_key, &err));
    envelope = wrapped(key, kek, vm_key);
    assert_true(native_destroy(folder_path, &err));
    assert_true(native_destroy(folder_path, &err));
    assert_false(file_exists(folder_path));
    assert_true(file_pread(fd, bytes, sizeof(bytes), 0, &err));
    assert_memory_equal(bytes, zeros, sizeof(zeros));
    later = opened();
    assert_false(key_unwrap(later, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_drop)
    const struct CMUnitTest tests[] = {
        TEST(what_it_wrapped_opens_after_a_restart),
        TEST(a_kek_asked_for_again_by_its_label_is_the_same),
        TEST(two_keks_are_two_keys),
        TEST(a_retired_kek_stays_lost),
        TEST(an_old_ledger_does_not_bring_a_retired_kek_back),
        TEST(a_retirement_that_was_cut_short_is_finished_at_the_next_start),
        TEST(a_seed_that_is_wiped_leaves_zeros_not_itself),
        TEST(the_round_trip_proves_it_and_leaves_no_kek_behind),
        TEST(hundreds_of_proofs_do_not_fill_it),
        TEST(another_clusters_provider_is_a_clash),
        TEST(ids_that_are_not_its_own_are_refused),
        TEST(a_kek_that_never_was_is_absent),
        TEST(a_torn_or_changed_ledger_is_refused),
        TEST(a_lost_ledger_beside_seeds_makes_no_new_provider),
        TEST(a_lost_root_key_is_absent_and_no_new_one_is_made),
        TEST(a_torn_seed_is_told_from_a_lost_one),
        TEST(a_changed_seed_is_denied),
        TEST(a_full_disk_leaves_the_old_state),
        TEST(a_folder_that_cannot_be_written_is_said_so),
        TEST(everything_in_the_folder_is_roots_alone),
        TEST(it_can_be_looked_at_without_its_keys),
        TEST(once_destroyed_nothing_opens_and_a_new_one_is_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
