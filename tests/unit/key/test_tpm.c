/* SPDX-License-Identifier: Apache-2.0 */
#include "swtpm.h"

#include "key/tpm.h"

static const struct tpm_policy unbound = {0};
static struct swtpm a;

static int with_tpm(void **state)
{
    (void)setenv("TCTI_PCAP_FILE", "/dev/null", 1);
    if (folder_make(state) != 0) {
        return -1;
    }
    swtpm_start("a", &a);
    return 0;
}

static int without_tpm(void **state)
{
    swtpm_stop(&a);
    return folder_drop(state);
}

static struct tpm *opened(const char *tcti)
{
    struct tpm *tpm = NULL;
    struct err err = {0};

    if (!tpm_open(tcti, &tpm, &err)) {
        fail_msg("%s", err.what);
    }
    return tpm;
}

static void seal(const char *tcti, unsigned pcrs, const struct secret *secret,
                 struct tpm_sealed *out)
{
    AUTO(drop_tpm) struct tpm *tpm = opened(tcti);
    struct err err = {0};

    if (!tpm_seal(tpm, &(struct tpm_policy){.pcrs = pcrs}, secret, out, &err)) {
        fail_msg("%s", err.what);
    }
}

static bool unseal(const char *tcti, const struct tpm_sealed *sealed, struct secret **out,
                   struct err *err)
{
    AUTO(drop_tpm) struct tpm *tpm = opened(tcti);

    return tpm_unseal(tpm, sealed, out, err);
}

static struct secret *fresh(void)
{
    struct secret *secret = NULL;

    assert_true(secret_random(32, &secret, &(struct err){0}));
    return secret;
}

static void what_it_sealed_it_opens_also_after_a_power_cut(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(), *out = NULL, *again = NULL;
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    seal(a.tcti, 0, secret, &sealed);
    assert_int_equal(sealed.parent_handle, 0);
    assert_true(unseal(a.tcti, &sealed, &out, &err));
    assert_true(secret_equal(secret, out));
    swtpm_stop(&a);
    swtpm_start("a", &a);
    assert_true(unseal(a.tcti, &sealed, &again, &err));
    assert_true(secret_equal(secret, again));
}

/* T1 b, and T2c b: whoever answers with another storage key is refused. */
static void another_tpm_is_denied(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh();
    struct secret *out = NULL;
    struct tpm_sealed sealed;
    struct swtpm b;
    struct err err = {0};

    (void)state;
    seal(a.tcti, 0, secret, &sealed);
    swtpm_start("b", &b);
    bool opens = unseal(b.tcti, &sealed, &out, &err);

    assert_false(opens);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "storage key is another"));
    assert_null(out);
    /* The attacker also edits the record so that the name fits: then the blob does not. */
    AUTO(drop_secret) struct secret *theirs = fresh();
    struct tpm_sealed other;

    seal(b.tcti, 0, theirs, &other);
    memcpy(sealed.parent_name, other.parent_name, sizeof(sealed.parent_name));
    opens = unseal(b.tcti, &sealed, &out, &err);
    swtpm_stop(&b);
    assert_false(opens);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_null(out);
}

static void a_change_of_any_byte_of_the_blob_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh();
    AUTO(drop_tpm) struct tpm *tpm = opened(a.tcti);
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    assert_true(tpm_seal(tpm, &unbound, secret, &sealed, &err));
    for (size_t i = 0; i < sealed.private_size; i += 3) {
        struct secret *out = NULL;

        sealed.private_part[i] ^= 0x20;
        assert_false(tpm_unseal(tpm, &sealed, &out, &err));
        assert_true(err.kind == ERR_DENIED || err.kind == ERR_INPUT);
        assert_null(out);
        sealed.private_part[i] ^= 0x20;
    }
    for (size_t i = 0; i < sealed.public_size; i += 3) {
        struct secret *out = NULL;

        sealed.public_part[i] ^= 0x20;
        assert_false(tpm_unseal(tpm, &sealed, &out, &err));
        assert_true(err.kind == ERR_DENIED || err.kind == ERR_INPUT);
        assert_null(out);
        sealed.public_part[i] ^= 0x20;
    }
    /* All those failures left nothing behind in the TPM's three slots. */
    AUTO(drop_secret) struct secret *back = NULL;

    assert_true(tpm_unseal(tpm, &sealed, &back, &err));
}

static bool contains(const char *bytes, size_t length, const void *needle, size_t size)
{
    return memmem(bytes, length, needle, size) != NULL;
}

/* T2c a: every byte between us and the TPM, as tpm2-tss's own recorder saw it. */
static void the_bus_never_shows_the_secret(void **state)
{
    AUTO(drop_free) char *tcti = text_make("pcap:%s", a.tcti);
    AUTO(drop_secret) struct secret *secret = fresh(), *bound = NULL;
    AUTO(drop_free) char *bytes = NULL;
    const char *log = in_folder("bus.pcap");
    struct tpm_sealed sealed;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    (void)setenv("TCTI_PCAP_FILE", log, 1);
    seal(tcti, 0, secret, &sealed);
    AUTO(drop_secret) struct secret *out = NULL;

    assert_true(unseal(tcti, &sealed, &out, &err));
    seal(tcti, 1u << 7, secret, &sealed);
    assert_true(unseal(tcti, &sealed, &bound, &err));
    assert_true(secret_equal(secret, bound));
    assert_true(file_read(log, JSON_MAX_BYTES, &bytes, &length, &err));
    /* The record is of this traffic: the blob's public part is in it. */
    assert_true(contains(bytes, length, sealed.public_part, sealed.public_size));
    /* Not the secret, and not any eight bytes of it. */
    for (size_t i = 0; i + 8 <= 32; i++) {
        assert_false(contains(bytes, length, secret_look(secret) + i, 8));
    }
}

/* The test above can fail: tpm2-tools, which does not encrypt unless told, shows it. */
static void the_recorder_shows_what_others_do_not_encrypt(void **state)
{
    AUTO(drop_free) char *tcti = text_make("TPM2TOOLS_TCTI=pcap:%s", a.tcti);
    const char *context = in_folder("srk.ctx"), *file = in_folder("secret");
    AUTO(drop_free) char *log = text_make("TCTI_PCAP_FILE=%s", in_folder("bus.pcap"));
    const char *const environment[] = {tcti, log, "TSS2_LOG=all+none", NULL};
    AUTO(drop_secret) struct secret *secret = fresh();
    AUTO(drop_free) char *bytes = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    assert_true(file_write(file, secret_look(secret), 32, 0600, &err));
    tpm2(&a, RUN("tpm2_createprimary", "-C", "o", "-c", context, "-Q"));
    assert_true(run_ok(&(struct run){.argv = RUN("tpm2_create", "-C", context, "-i", file, "-Q"),
                                     .environment = environment},
                       NULL, &err));
    assert_true(file_read(strchr(log, '=') + 1, JSON_MAX_BYTES, &bytes, &length, &err));
    assert_true(contains(bytes, length, secret_look(secret), 32));
}

/* T2 a. */
static void changed_pcrs_are_denied(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(), *out = NULL, *none = NULL;
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    seal(a.tcti, 1u << 7 | 1u << 11, secret, &sealed);
    assert_true(unseal(a.tcti, &sealed, &out, &err));
    assert_true(secret_equal(secret, out));
    tpm2(&a, RUN("tpm2_pcrextend",
                 "11:sha256=0101010101010101010101010101010101010101010101010101010101010101"));
    assert_false(unseal(a.tcti, &sealed, &none, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "PCR"));
}

static void another_pcr_does_not_matter(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(), *out = NULL;
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    seal(a.tcti, 1u << 7, secret, &sealed);
    tpm2(&a, RUN("tpm2_pcrextend",
                 "11:sha256=0101010101010101010101010101010101010101010101010101010101010101"));
    assert_true(unseal(a.tcti, &sealed, &out, &err));
}

static void a_policy_cannot_be_edited_away(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh();
    struct secret *out = NULL;
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    seal(a.tcti, 1u << 11, secret, &sealed);
    sealed.policy.pcrs = 0;
    assert_false(unseal(a.tcti, &sealed, &out, &err));
    assert_null(out);
}

/* Seals for so many milliseconds from now on. */
static void seal_for(const char *tcti, uint64_t milliseconds, unsigned pcrs,
                     const struct secret *secret, struct tpm_sealed *out)
{
    AUTO(drop_tpm) struct tpm *tpm = opened(tcti);
    struct tpm_time now = {0};
    struct err err = {0};

    assert_true(tpm_now(tpm, &now, &err));
    const struct tpm_policy policy = {
        .pcrs = pcrs, .until = now.clock + milliseconds, .resets = now.resets};

    assert_true(tpm_seal(tpm, &policy, secret, out, &err));
}

static void past_its_time_the_tpm_opens_nothing(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(), *out = NULL, *none = NULL;
    struct tpm_sealed sealed, longer;
    struct err err = {0};

    (void)state;
    seal_for(a.tcti, 600000, 1u << 7, secret, &longer);
    assert_true(unseal(a.tcti, &longer, &out, &err));
    assert_true(secret_equal(secret, out));
    seal_for(a.tcti, 1, 0, secret, &sealed);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    assert_false(unseal(a.tcti, &sealed, &none, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "its time is over"));
    sealed.policy.until += 600000;
    assert_false(unseal(a.tcti, &sealed, &none, &err));
    sealed.policy.until = 0;
    assert_false(unseal(a.tcti, &sealed, &none, &err));
    assert_null(none);
}

static void a_storage_key_that_rests_in_the_tpm_is_used(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(), *out = NULL, *none = NULL;
    const char *context = in_folder("srk.ctx");
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    tpm2(&a, RUN("tpm2_createprimary", "-C", "o", "-c", context, "-G", "ecc", "-Q"));
    tpm2(&a, RUN("tpm2_evictcontrol", "-C", "o", "-c", context, "0x81000001", "-Q"));
    tpm2(&a, RUN("tpm2_flushcontext", "-t"));
    seal(a.tcti, 0, secret, &sealed);
    assert_int_equal(sealed.parent_handle, 0x81000001);
    assert_true(unseal(a.tcti, &sealed, &out, &err));
    assert_true(secret_equal(secret, out));
    tpm2(&a, RUN("tpm2_evictcontrol", "-C", "o", "-c", "0x81000001", "-Q"));
    assert_false(unseal(a.tcti, &sealed, &none, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_cleared_tpm_is_denied(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh();
    struct secret *out = NULL;
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    seal(a.tcti, 0, secret, &sealed);
    tpm2(&a, RUN("tpm2_clear", "-c", "p"));
    assert_false(unseal(a.tcti, &sealed, &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

/* T2 d: wrong passwords elsewhere do not lock our keys. */
static void a_lockout_does_not_lock_what_has_no_password(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(), *out = NULL;
    AUTO(drop_free) char *tcti = text_make("TPM2TOOLS_TCTI=%s", a.tcti);
    const char *const environment[] = {tcti, "TSS2_LOG=all+none", NULL};
    struct run wrong = {.argv = RUN("tpm2_clear", "-c", "l", "wrong"), .environment = environment};
    AUTO(drop_run_result) struct run_result result = {0};
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    seal(a.tcti, 0, secret, &sealed);
    tpm2(&a, RUN("tpm2_changeauth", "-c", "lockout", "right"));
    assert_true(run_program(&wrong, &result, &err));
    assert_int_not_equal(result.status, 0);
    assert_true(unseal(a.tcti, &sealed, &out, &err));
    assert_true(secret_equal(secret, out));
}

static void an_owner_password_is_said_so(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh();
    AUTO(drop_tpm) struct tpm *tpm = NULL;
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    tpm2(&a, RUN("tpm2_changeauth", "-c", "owner", "a password"));
    tpm = opened(a.tcti);
    assert_false(tpm_seal(tpm, &unbound, secret, &sealed, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "owner"));
    assert_non_null(strstr(err.remedy, "0x81000001"));
}

static void a_tpm_that_is_not_there_is_away(void **state)
{
    struct tpm *tpm = NULL;
    struct err err = {0};

    (void)state;
    assert_false(tpm_open("swtpm:path=/nonexistent/sock", &tpm, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_non_null(strstr(err.remedy, "TCTI"));
    assert_false(tpm_open("no-such-tcti:x=1", &tpm, &err));
    assert_null(tpm);
}

static void what_is_too_large_or_no_pcr_is_refused(void **state)
{
    AUTO(drop_tpm) struct tpm *tpm = opened(a.tcti);
    AUTO(drop_secret) struct secret *large = NULL, *secret = fresh();
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(TPM_MAX_SECRET + 1, &large, &err));
    assert_false(tpm_seal(tpm, &unbound, large, &sealed, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(tpm_seal(tpm, &(struct tpm_policy){.pcrs = 1u << 24}, secret, &sealed, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    secret_cut(large, TPM_MAX_SECRET);
    assert_true(tpm_seal(tpm, &unbound, large, &sealed, &err));
}

static void many_uses_leave_no_object_behind(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh();
    AUTO(drop_tpm) struct tpm *tpm = opened(a.tcti);
    struct tpm_sealed sealed;
    struct err err = {0};

    (void)state;
    assert_true(tpm_seal(tpm, &(struct tpm_policy){.pcrs = 1u << 7}, secret, &sealed, &err));
    for (int i = 0; i < 20; i++) { /* the TPM has three slots */
        AUTO(drop_secret) struct secret *out = NULL;

        if (!tpm_unseal(tpm, &sealed, &out, &err)) {
            fail_msg("%s", err.what);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, with_tpm, without_tpm)
    const struct CMUnitTest tests[] = {
        TEST(what_it_sealed_it_opens_also_after_a_power_cut),
        TEST(another_tpm_is_denied),
        TEST(a_change_of_any_byte_of_the_blob_is_refused),
        TEST(the_bus_never_shows_the_secret),
        TEST(the_recorder_shows_what_others_do_not_encrypt),
        TEST(changed_pcrs_are_denied),
        TEST(another_pcr_does_not_matter),
        TEST(a_policy_cannot_be_edited_away),
        TEST(past_its_time_the_tpm_opens_nothing),
        TEST(a_storage_key_that_rests_in_the_tpm_is_used),
        TEST(a_cleared_tpm_is_denied),
        TEST(a_lockout_does_not_lock_what_has_no_password),
        TEST(an_owner_password_is_said_so),
        TEST(a_tpm_that_is_not_there_is_away),
        TEST(what_is_too_large_or_no_pcr_is_refused),
        TEST(many_uses_leave_no_object_behind),
    };

    return swtpm_missing() ? SKIPPED : cmocka_run_group_tests(tests, NULL, NULL);
}
