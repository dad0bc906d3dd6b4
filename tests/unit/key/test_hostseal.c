/* SPDX-License-Identifier: Apache-2.0 */
#include "swtpm.h"

#include "key/hostseal.h"

static struct swtpm a;

static int with_tpm(void **state)
{
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

static struct secret *fresh(size_t size)
{
    struct secret *secret = NULL;

    assert_true(secret_random(size, &secret, &(struct err){0}));
    return secret;
}

static const struct hostseal_conf to_file = {.tpm = TPM_OFF};

static bool in_file(const char *path, const struct secret *secret)
{
    AUTO(drop_free) char *bytes = NULL;
    size_t length = 0;
    struct err err = {0};

    return file_read(path, JSON_MAX_BYTES, &bytes, &length, &err) &&
           memmem(bytes, length, secret_look(secret), secret_size(secret));
}

static void without_a_tpm_it_rests_in_a_file_of_roots(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(32), *out = NULL;
    const char *path = in_folder("root.json"), *beside = in_folder("root.json.secret");
    enum hostseal_by by = HOSTSEAL_BY_TPM;
    struct stat st;
    struct err err = {0};

    (void)state;
    assert_true(hostseal_choose(&to_file, &by, &err));
    assert_int_equal(by, HOSTSEAL_BY_FILE);
    assert_true(hostseal_seal(&to_file, path, "native-root", secret, &err));
    assert_true(hostseal_open(&to_file, path, "native-root", &out, &err));
    assert_true(secret_equal(secret, out));
    assert_true(hostseal_look(path, &by, &err));
    assert_string_equal(hostseal_by_name(by), "file");
    assert_int_equal(stat(beside, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_false(in_file(path, secret));
}

static void with_a_tpm_no_file_holds_it(void **state)
{
    const struct hostseal_conf conf = {.tpm = TPM_AUTO, .tcti = a.tcti};
    AUTO(drop_secret) struct secret *secret = fresh(32), *out = NULL;
    const char *path = in_folder("root.json");
    enum hostseal_by by = HOSTSEAL_BY_FILE;
    struct err err = {0};

    (void)state;
    assert_true(hostseal_choose(&conf, &by, &err));
    assert_int_equal(by, HOSTSEAL_BY_TPM);
    assert_true(hostseal_seal(&conf, path, "native-root", secret, &err));
    assert_true(hostseal_open(&conf, path, "native-root", &out, &err));
    assert_true(secret_equal(secret, out));
    assert_true(hostseal_look(path, &by, &err));
    assert_string_equal(hostseal_by_name(by), "tpm");
    assert_false(file_exists(in_folder("root.json.secret")));
    assert_false(in_file(path, secret));
}

static void a_secret_that_no_tpm_takes_whole_is_sealed_too(void **state)
{
    const struct hostseal_conf conf = {.tpm = TPM_REQUIRED, .tcti = a.tcti};
    AUTO(drop_secret) struct secret *secret = fresh(HOSTSEAL_MAX_SECRET), *out = NULL;
    AUTO(drop_secret) struct secret *larger = fresh(HOSTSEAL_MAX_SECRET + 1);
    const char *path = in_folder("tls.json");
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&conf, path, "agent-tls", secret, &err));
    assert_true(hostseal_open(&conf, path, "agent-tls", &out, &err));
    assert_true(secret_equal(secret, out));
    assert_false(hostseal_seal(&conf, path, "agent-tls", larger, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void a_record_of_another_purpose_is_a_clash(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(32);
    struct secret *out = NULL;
    const char *path = in_folder("root.json");
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&to_file, path, "native-root", secret, &err));
    assert_false(hostseal_open(&to_file, path, "agent-tls", &out, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "native-root"));
    assert_non_null(strstr(err.what, "agent-tls"));
}

/* Who renames a record and edits its purpose still lacks the right box. */
static void a_purpose_that_was_edited_is_denied(void **state)
{
    const struct hostseal_conf conf = {.tpm = TPM_REQUIRED, .tcti = a.tcti};
    AUTO(drop_secret) struct secret *secret = fresh(32);
    struct secret *out = NULL;
    const char *path = in_folder("root.json");
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&conf, path, "native-4", secret, &err));
    damage(path, "\"purpose\":\"native-");
    assert_false(hostseal_open(&conf, path, "native-5", &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_null(out);
}

static void what_rests_in_a_file_is_refused_where_a_tpm_is_required(void **state)
{
    struct hostseal_conf conf = {.tpm = TPM_OFF, .tcti = a.tcti};
    AUTO(drop_secret) struct secret *secret = fresh(32);
    struct secret *out = NULL;
    const char *path = in_folder("root.json");
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&conf, path, "native-root", secret, &err));
    conf.tpm = TPM_REQUIRED;
    assert_false(hostseal_open(&conf, path, "native-root", &out, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void sealing_again_by_the_tpm_wipes_the_file(void **state)
{
    struct hostseal_conf conf = {.tpm = TPM_OFF, .tcti = a.tcti};
    AUTO(drop_secret) struct secret *secret = fresh(32), *out = NULL;
    const char *path = in_folder("root.json"), *beside = in_folder("root.json.secret");
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&conf, path, "native-root", secret, &err));
    assert_true(file_exists(beside));
    conf.tpm = TPM_REQUIRED;
    assert_true(hostseal_seal(&conf, path, "native-root", secret, &err));
    assert_false(file_exists(beside));
    assert_true(hostseal_open(&conf, path, "native-root", &out, &err));
}

/* A TPM that somebody named is never passed over for a file. */
static void a_tpm_that_is_named_but_silent_is_away(void **state)
{
    const struct hostseal_conf conf = {.tpm = TPM_AUTO, .tcti = "swtpm:path=/nonexistent/sock"};
    AUTO(drop_secret) struct secret *secret = fresh(32);
    const char *path = in_folder("root.json");
    enum hostseal_by by;
    struct err err = {0};

    (void)state;
    assert_false(hostseal_seal(&conf, path, "native-root", secret, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_false(file_exists(path));
    assert_false(file_exists(in_folder("root.json.secret")));
    assert_false(hostseal_choose(&conf, &by, &err));
    assert_int_equal(err.kind, ERR_AWAY);
}

static void the_disk_in_another_chassis_is_denied(void **state)
{
    const struct hostseal_conf conf = {.tpm = TPM_REQUIRED, .tcti = a.tcti};
    AUTO(drop_secret) struct secret *secret = fresh(32);
    const char *path = in_folder("root.json");
    struct secret *out = NULL;
    struct swtpm b;
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&conf, path, "native-root", secret, &err));
    swtpm_start("b", &b);
    bool opened = hostseal_open(&(struct hostseal_conf){.tpm = TPM_REQUIRED, .tcti = b.tcti}, path,
                                "native-root", &out, &err);

    swtpm_stop(&b);
    assert_false(opened);
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.remedy, "backup"));
}

static void changed_pcrs_are_denied(void **state)
{
    const struct hostseal_conf conf = {
        .tpm = TPM_REQUIRED, .tcti = a.tcti, .pcrs = 1u << 7 | 1u << 11};
    AUTO(drop_secret) struct secret *secret = fresh(32), *out = NULL, *none = NULL;
    const char *path = in_folder("root.json");
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&conf, path, "native-root", secret, &err));
    assert_true(hostseal_open(&conf, path, "native-root", &out, &err));
    tpm2(&a, RUN("tpm2_pcrextend",
                 "11:sha256=0101010101010101010101010101010101010101010101010101010101010101"));
    assert_false(hostseal_open(&conf, path, "native-root", &none, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void records_of_another_shape_are_refused(void **state)
{
    static const char *const records[] = {
        "",
        "{}",
        "[1]",
        "{\"version\":0,\"by\":\"file\",\"purpose\":\"native-root\"}",
        "{\"version\":1,\"by\":\"cloud\",\"purpose\":\"native-root\"}",
        "{\"version\":1,\"by\":\"tpm\",\"purpose\":\"native-root\"}",
        "{\"version\":1,\"by\":\"tpm\",\"purpose\":\"native-root\",\"parent\":{\"handle\":-1,"
        "\"name\":\"00\"},\"pcrs\":0,\"public\":\"AAAA\",\"private\":\"AAAA\",\"box\":\"AAAA\"}",
        "{\"version\":1,\"by\":\"tpm\",\"purpose\":\"native-root\",\"parent\":{\"handle\":0,"
        "\"name\":\"00\"},\"pcrs\":16777216,\"public\":\"AAAA\",\"private\":\"AAAA\",\"box\":"
        "\"AAAA\"}",
    };
    const char *path = in_folder("root.json");

    (void)state;
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        struct secret *out = NULL;
        struct err err = {0};

        assert_true(file_write(path, records[i], strlen(records[i]), 0600, &err));
        assert_false(hostseal_open(&to_file, path, "native-root", &out, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(out);
    }
}

static void a_record_of_a_newer_quoin_is_a_clash(void **state)
{
    static const char newer[] = "{\"version\":2,\"by\":\"cloud\"}";
    const char *path = in_folder("root.json");
    AUTO(drop_free) char *text = NULL;
    struct secret *out = NULL;
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, newer, strlen(newer), 0600, &err));
    assert_false(hostseal_open(&to_file, path, "native-root", &out, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "newer quoin"));
    assert_null(out);
    assert_true(file_read(path, 4096, &text, NULL, &err));
    assert_string_equal(text, newer);
}

static void a_secret_that_others_may_read_is_denied(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(32);
    struct secret *out = NULL;
    const char *path = in_folder("root.json");
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&to_file, path, "native-root", secret, &err));
    assert_int_equal(chmod(in_folder("root.json.secret"), 0640), 0);
    assert_false(hostseal_open(&to_file, path, "native-root", &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_full_disk_keeps_the_old_record(void **state)
{
    const struct hostseal_conf by_tpm = {.tpm = TPM_REQUIRED, .tcti = a.tcti};
    AUTO(drop_secret) struct secret *secret = fresh(32), *other = fresh(32);
    const char *path = in_folder("root.json");

    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct hostseal_conf *conf = i == 0 ? &to_file : &by_tpm;
        AUTO(drop_secret) struct secret *out = NULL;
        struct err err = {0};

        assert_true(hostseal_seal(conf, path, "native-root", secret, &err));
        disk_full(16);
        bool sealed = hostseal_seal(conf, path, "native-root", other, &err);

        disk_free();
        assert_false(sealed);
        assert_int_equal(err.kind, ERR_SYSTEM);
        assert_true(hostseal_open(conf, path, "native-root", &out, &err));
        assert_true(secret_equal(secret, out));
    }
}

static void removing_it_wipes_it_and_twice_is_fine(void **state)
{
    AUTO(drop_secret) struct secret *secret = fresh(32);
    const char *path = in_folder("root.json");
    struct secret *out = NULL;
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&to_file, path, "native-root", secret, &err));
    AUTO(drop_fd) int fd = open(in_folder("root.json.secret"), O_RDONLY);
    unsigned char bytes[32];

    assert_true(hostseal_remove(path, &err));
    assert_true(hostseal_remove(path, &err));
    assert_true(file_pread(fd, bytes, sizeof(bytes), 0, &err));
    assert_memory_not_equal(bytes, secret_look(secret), 32);
    assert_false(hostseal_open(&to_file, path, "native-root", &out, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void the_three_modes_have_names(void **state)
{
    enum tpm_mode mode = TPM_AUTO;
    struct err err = {0};

    (void)state;
    assert_true(tpm_mode_of("required", &mode, &err));
    assert_int_equal(mode, TPM_REQUIRED);
    assert_true(tpm_mode_of("off", &mode, &err));
    assert_true(tpm_mode_of("auto", &mode, &err));
    assert_false(tpm_mode_of("maybe", &mode, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void opening_binds_it_to_the_pcrs_that_are_asked_for(void **state)
{
    const struct hostseal_conf plain = {.tpm = TPM_AUTO, .tcti = a.tcti};
    const struct hostseal_conf bound = {.tpm = TPM_AUTO, .tcti = a.tcti, .pcrs = 1u << 11};
    AUTO(drop_secret) struct secret *secret = fresh(32), *out = NULL, *again = NULL, *none = NULL;
    const char *path = in_folder("root.json"), *beside = in_folder("root.json.secret");
    struct err err = {0};

    (void)state;
    assert_true(hostseal_seal(&to_file, path, "native-root", secret, &err));
    assert_true(hostseal_open(&bound, path, "native-root", &out, &err));
    assert_true(secret_equal(secret, out));
    assert_false(file_exists(beside));
    assert_true(hostseal_open(&plain, path, "native-root", &again, &err));
    assert_true(hostseal_seal(&bound, path, "native-root", secret, &err));
    tpm2(&a, RUN("tpm2_pcrextend",
                 "11:sha256=0101010101010101010101010101010101010101010101010101010101010101"));
    assert_false(hostseal_open(&bound, path, "native-root", &none, &err));
    assert_false(hostseal_open(&plain, path, "native-root", &none, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "bound to PCR 11"));
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, with_tpm, without_tpm)
#define PLAIN(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_drop)
    const struct CMUnitTest plain[] = {
        PLAIN(without_a_tpm_it_rests_in_a_file_of_roots),
        PLAIN(a_record_of_another_purpose_is_a_clash),
        PLAIN(a_tpm_that_is_named_but_silent_is_away),
        PLAIN(records_of_another_shape_are_refused),
        PLAIN(a_record_of_a_newer_quoin_is_a_clash),
        PLAIN(a_secret_that_others_may_read_is_denied),
        PLAIN(removing_it_wipes_it_and_twice_is_fine),
        PLAIN(the_three_modes_have_names),
    };
    const struct CMUnitTest tests[] = {
        TEST(with_a_tpm_no_file_holds_it),
        TEST(a_secret_that_no_tpm_takes_whole_is_sealed_too),
        TEST(a_purpose_that_was_edited_is_denied),
        TEST(what_rests_in_a_file_is_refused_where_a_tpm_is_required),
        TEST(sealing_again_by_the_tpm_wipes_the_file),
        TEST(the_disk_in_another_chassis_is_denied),
        TEST(changed_pcrs_are_denied),
        TEST(opening_binds_it_to_the_pcrs_that_are_asked_for),
        TEST(a_full_disk_keeps_the_old_record),
    };
    int failed = cmocka_run_group_tests_name("file", plain, NULL, NULL);

    return swtpm_missing() ? failed
                           : failed + cmocka_run_group_tests_name("tpm", tests, NULL, NULL);
}
