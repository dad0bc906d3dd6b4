/* SPDX-License-Identifier: Apache-2.0 */
#include "key/cache.h"

#include "swtpm.h"

#include "key/tpm.h"

#define CLUSTER "6a1f5f52-6a0e-4b0e-9d5b-0f2f3a0c9b11"
#define VM      "0e9b9a3c-0a53-4c39-9f6c-7a6d4dbd6f01"
#define NOW     ((time_t)1790000000)

static struct swtpm a;
static struct secret *kek, *key;
static struct envelope *envelope;
static struct cache_conf conf;

static struct envelope *wrapped(int64_t generation)
{
    const struct envelope_about about = {.provider = "corp-kms",
                                         .type = "kmip",
                                         .kek_id = "kmip:7",
                                         .cluster = CLUSTER,
                                         .vm = VM,
                                         .purpose = "vm",
                                         .generation = generation};
    struct envelope *made = NULL;
    struct err err = {0};

    if (!envelope_seal(kek, &about, key, &made, &err)) {
        fail_msg("%s", err.what);
    }
    return made;
}

static int with_tpm(void **state)
{
    if (folder_make(state) != 0) {
        return -1;
    }
    swtpm_start("a", &a);
    assert_true(secret_random(32, &kek, &(struct err){0}));
    assert_true(secret_random(32, &key, &(struct err){0}));
    envelope = wrapped(1);
    conf = (struct cache_conf){
        .folder = in_folder("cache"), .host = {.tcti = a.tcti}, .seconds = 3600};
    return 0;
}

static int without_tpm(void **state)
{
    envelope_free(TAKE(envelope));
    secret_free(TAKE(kek));
    secret_free(TAKE(key));
    swtpm_stop(&a);
    return folder_drop(state);
}

static void put(void)
{
    struct err err = {0};

    if (!cache_put(&conf, envelope, key, NOW, &err)) {
        fail_msg("%s", err.what);
    }
}

static void refused(const struct envelope *by, time_t now, enum err_kind kind, const char *why)
{
    struct secret *out = NULL;
    struct err err = {0};

    assert_false(cache_get(&conf, by, now, &out, NULL, &err));
    assert_int_equal(err.kind, kind);
    assert_non_null(strstr(err.what, why));
    assert_null(out);
}

static void what_was_put_comes_back_as_long_as_it_is_fresh(void **state)
{
    AUTO(drop_secret) struct secret *out = NULL, *again = NULL;
    struct err err = {0};
    time_t at = 0;

    (void)state;
    put();
    assert_true(cache_get(&conf, envelope, NOW, &out, &at, &err));
    assert_true(secret_equal(key, out));
    assert_int_equal(at, NOW);
    assert_true(cache_get(&conf, envelope, NOW + 3600, &again, NULL, &err));
    refused(envelope, NOW + 3601, ERR_DENIED, "60 minutes old, and 60 are allowed");
}

/* A blueprint that allows less counts for what was kept before. */
static void a_shorter_limit_counts_at_once(void **state)
{
    (void)state;
    put();
    conf.seconds = 60;
    refused(envelope, NOW + 120, ERR_DENIED, "2 minutes old, and 1 are allowed");
}

static void a_clock_that_was_set_back_opens_nothing(void **state)
{
    (void)state;
    put();
    refused(envelope, NOW - 1, ERR_DENIED, "set back");
}

/* Whatever the host's clock says, and over a restart of the TPM. */
static void the_tpms_clock_ends_it_too(void **state)
{
    AUTO(drop_secret) struct secret *out = NULL;
    struct err err = {0};

    (void)state;
    conf.seconds = 1;
    put();
    assert_true(cache_get(&conf, envelope, NOW, &out, NULL, &err));
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 200000000}, NULL);
    refused(envelope, NOW, ERR_DENIED, "its time is over, by the TPM's clock");
}

/* Killed before it has answered once, it was never started. */
static void pull_the_plug(void)
{
    AUTO(drop_tpm) struct tpm *tpm = NULL;
    struct tpm_time now;
    struct err err = {0};

    swtpm_stop(&a);
    swtpm_start("a", &a);
    assert_true(tpm_open(a.tcti, &tpm, &err));
    assert_true(tpm_now(tpm, &now, &err));
}

/* Its clock may lose what it went on by: then the plug would stretch it without end. */
static void pulling_the_plug_does_not_stretch_its_time(void **state)
{
    AUTO(drop_secret) struct secret *out = NULL;
    struct err err = {0};

    (void)state;
    put();
    for (unsigned i = 0; i < HOSTSEAL_STARTS; i++) {
        pull_the_plug();
    }
    if (!cache_get(&conf, envelope, NOW, &out, NULL, &err)) {
        fail_msg("%s", err.what);
    }
    pull_the_plug();
    refused(envelope, NOW, ERR_DENIED, "its starts");
}

static void beside_another_envelope_it_is_of_no_use(void **state)
{
    AUTO(drop_envelope) struct envelope *rewrapped = wrapped(2), *twin = wrapped(1);

    (void)state;
    put();
    refused(rewrapped, NOW, ERR_CLASH, "the key that was kept");
    refused(twin, NOW, ERR_CLASH, "the key that was kept");
}

static void another_tpm_opens_nothing(void **state)
{
    struct swtpm b;

    (void)state;
    put();
    swtpm_start("b", &b);
    conf.host.tcti = b.tcti;
    refused(envelope, NOW, ERR_DENIED, "the key that was kept");
    swtpm_stop(&b);
}

static void changed_pcrs_open_nothing(void **state)
{
    (void)state;
    conf.host.pcrs = 1u << 11;
    put();
    tpm2(&a, RUN("tpm2_pcrextend",
                 "11:sha256=0101010101010101010101010101010101010101010101010101010101010101"));
    refused(envelope, NOW, ERR_DENIED, "PCR");
}

/* A file would keep the key of whoever takes the disk, and no time. */
static void without_a_tpm_nothing_is_kept(void **state)
{
    struct err err = {0};

    (void)state;
    conf.host.tcti = "swtpm:path=/nowhere";
    assert_false(cache_put(&conf, envelope, key, NOW, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_false(file_exists(in_folder("cache/" VM ".json")));
    assert_false(file_exists(in_folder("cache/" VM ".json.secret")));
}

static void no_file_holds_the_key(void **state)
{
    AUTO(drop_free) char *bytes = NULL;
    struct err err = {0};
    size_t length = 0;

    (void)state;
    put();
    assert_true(file_read(in_folder("cache/" VM ".json"), JSON_MAX_BYTES, &bytes, &length, &err));
    assert_null(memmem(bytes, length, secret_look(key), secret_size(key)));
    assert_false(file_exists(in_folder("cache/" VM ".json.secret")));
}

static void what_was_dropped_or_wiped_is_gone(void **state)
{
    struct err err = {0};

    (void)state;
    assert_true(cache_wipe(conf.folder, &err));
    assert_true(cache_drop(conf.folder, VM, &err));
    put();
    assert_true(cache_drop(conf.folder, VM, &err));
    refused(envelope, NOW, ERR_ABSENT, "the key that was kept");
    put();
    assert_true(cache_wipe(conf.folder, &err));
    refused(envelope, NOW, ERR_ABSENT, "the key that was kept");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_tpm, without_tpm)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_put_comes_back_as_long_as_it_is_fresh),
        TEST(a_shorter_limit_counts_at_once),
        TEST(a_clock_that_was_set_back_opens_nothing),
        TEST(the_tpms_clock_ends_it_too),
        TEST(pulling_the_plug_does_not_stretch_its_time),
        TEST(beside_another_envelope_it_is_of_no_use),
        TEST(another_tpm_opens_nothing),
        TEST(changed_pcrs_open_nothing),
        TEST(without_a_tpm_nothing_is_kept),
        TEST(no_file_holds_the_key),
        TEST(what_was_dropped_or_wiped_is_gone),
    };

    if (swtpm_missing()) {
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
