/* SPDX-License-Identifier: Apache-2.0 */
#include "../scratch.h"

#include "base/hkdf.h"
#include "base/secret_open.h"
#include "hostile.h"
#include "seal/header.h"

#define DISK  "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b44"
#define OTHER "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b45"

static const char envelope[] = "{\"protected\":\"eyJhbGciOiJBMjU2S1cifQ\",\"tag\":\"x/y\"}";
static const char recovery[] = "{\"protected\":\"eyJhbGciOiJFQ0RILUVTIn0\",\"tag\":\"r/r\"}";
static const char envelope2[] = "{\"protected\":\"eyJhbGciOiJBMjU2S1cifQ\",\"tag\":\"second\"}";

static struct secret *vm_key, *dek;
static unsigned char *good;

static int begin(void **state)
{
    const struct header_plan plan = {DISK, envelope, 3};
    struct err err = {0};
    int failed = scratch_begin(state);

    return failed || !secret_random(32, &vm_key, &err) || !header_dek_make(&dek, &err) ||
           !header_make(&plan, vm_key, dek, &good, &err);
}

static int end(void **state)
{
    secret_free(vm_key);
    secret_free(dek);
    free(good);
    return scratch_end(state);
}

static unsigned char *copy_of_good(void)
{
    unsigned char *copy = text_room(1, HEADER_SIZE);

    memcpy(copy, good, HEADER_SIZE);
    return copy;
}

/* ---- what it is ---- */

static void a_header_says_what_it_was_made_with(void **state)
{
    AUTO(drop_header_facts) struct header_facts facts = {0};
    struct err err = {0};

    (void)state;
    assert_true(header_look(good, HEADER_SIZE, DISK, &facts, &err));
    assert_string_equal(facts.uuid, DISK);
    assert_string_equal(facts.envelope, envelope);
    assert_string_equal(facts.cipher, "aes-xts-plain64");
    assert_int_equal(facts.generation, 3);
    assert_int_equal(facts.key_bits, 512);
    assert_int_equal(facts.sector_size, 4096);
}

static void the_vm_key_opens_it_and_gives_the_data_key(void **state)
{
    const struct header_want want = {DISK, 3};
    AUTO(drop_secret) struct secret *opened = NULL;
    struct err err = {0};

    (void)state;
    assert_true(header_open(good, HEADER_SIZE, &want, vm_key, &opened, &err));
    assert_true(secret_equal(opened, dek));
}

/* T1: neither the bytes nor the digits of any key are in it. */
static void no_secret_is_in_the_header(void **state)
{
    AUTO(drop_secret) struct secret *passphrase = NULL, *digits = NULL, *dek_digits = NULL;
    struct err err = {0};

    (void)state;
    assert_true(header_passphrase(vm_key, DISK, &passphrase, &err));
    assert_true(secret_to_hex(vm_key, &digits, &err));
    assert_true(secret_to_hex(dek, &dek_digits, &err));
    const struct secret *const secrets[] = {vm_key, dek, passphrase, digits, dek_digits};

    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        size_t size = secret_size(secrets[i]) / 2;

        assert_null(memmem(good, HEADER_SIZE, secret_look(secrets[i]), size));
        assert_null(memmem(good, HEADER_SIZE, secret_look(secrets[i]) + size, size));
    }
}

static void the_passphrase_is_64_digits_of_hkdf(void **state)
{
    AUTO(drop_secret) struct secret *passphrase = NULL, *derived = NULL, *digits = NULL;
    struct err err = {0};

    (void)state;
    assert_true(header_passphrase(vm_key, DISK, &passphrase, &err));
    assert_true(hkdf_derive(vm_key, SPAN_NONE, span_text("disk/" DISK), 32, &derived, &err));
    assert_true(secret_to_hex(derived, &digits, &err));
    assert_true(secret_equal(passphrase, digits));
}

static void two_headers_of_one_disk_differ_in_keyslot_and_salt(void **state)
{
    const struct header_plan plan = {DISK, envelope, 3};
    AUTO(drop_free) unsigned char *second = NULL;
    struct err err = {0};

    (void)state;
    assert_true(header_make(&plan, vm_key, dek, &second, &err));
    assert_memory_not_equal(good, second, 32768);
    assert_memory_not_equal(good + 32768, second + 32768, 4096);
}

static void what_cannot_be_a_header_is_refused(void **state)
{
    AUTO(drop_free) char *longer = text_room(1, HEADER_MAX_ENVELOPE + 2);
    AUTO(drop_secret) struct secret *little = NULL;
    unsigned char *out = NULL;
    struct err err = {0};

    (void)state;
    memset(longer, ' ', HEADER_MAX_ENVELOPE + 1);
    memcpy(longer, "{}", 2);
    const struct header_plan bad[] = {
        {"no-uuid", envelope, 1},
        {DISK, envelope, 0},
        {DISK, envelope, ((int64_t)1 << 53) + 1},
        {DISK, "[]", 1},
        {DISK, "{", 1},
        {DISK, longer, 1},
        {DISK, envelope, 1, "[]"},
        {DISK, envelope, 1, "{"},
        {DISK, envelope, 1, longer},
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(header_make(&bad[i], vm_key, dek, &out, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    assert_true(secret_random(32, &little, &err));
    assert_false(header_make(&(struct header_plan){DISK, envelope, 1}, vm_key, little, &out, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(out);
}

static void the_two_largest_envelopes_fit(void **state)
{
    AUTO(drop_free) char *large = text_make("{\"protected\":\"%0*d\"}", 4096 - 16, 0);
    AUTO(drop_free) unsigned char *header = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(strlen(large), HEADER_MAX_ENVELOPE);
    assert_true(
        header_make(&(struct header_plan){DISK, large, 1, large}, vm_key, dek, &header, &err));
}

/* ---- who opens it ---- */

static void another_vm_key_is_denied_and_the_header_called_whole(void **state)
{
    const struct header_want want = {DISK, 1};
    AUTO(drop_secret) struct secret *other = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &other, &err));
    assert_false(header_open(good, HEADER_SIZE, &want, other, NULL, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_damaged_keyslot_is_told_from_a_wrong_key(void **state)
{
    const struct header_want want = {DISK, 1};
    AUTO(drop_free) unsigned char *header = copy_of_good();
    struct err err = {0};

    (void)state;
    header[32768 + 100] ^= 1;
    assert_false(header_open(header, HEADER_SIZE, &want, vm_key, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "damaged"));
}

/* T8 a */
static void an_older_generation_is_refused_and_both_are_named(void **state)
{
    const struct header_want want = {DISK, 4};
    struct err err = {0};

    (void)state;
    assert_false(header_open(good, HEADER_SIZE, &want, vm_key, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "generation 3"));
    assert_non_null(strstr(err.what, "generation 4"));
}

static void anothers_disk_is_refused(void **state)
{
    const struct header_want want = {OTHER, 1};
    struct err err = {0};

    (void)state;
    assert_false(header_open(good, HEADER_SIZE, &want, vm_key, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "UUID"));
}

/* ---- shallow rekey ---- */

static void a_rewrap_changes_envelope_and_generation_and_no_key(void **state)
{
    const struct header_want want = {DISK, 3}, later = {DISK, 4};
    const struct header_plan plan = {DISK, envelope2, 4};
    AUTO(drop_free) unsigned char *next = NULL;
    AUTO(drop_header_facts) struct header_facts facts = {0};
    AUTO(drop_secret) struct secret *opened = NULL;
    struct err err = {0};

    (void)state;
    assert_true(header_rewrap(good, HEADER_SIZE, &want, vm_key, &plan, &next, &err));
    assert_true(header_look(next, HEADER_SIZE, DISK, &facts, &err));
    assert_string_equal(facts.envelope, envelope2);
    assert_int_equal(facts.generation, 4);
    assert_true(header_open(next, HEADER_SIZE, &later, vm_key, &opened, &err));
    assert_true(secret_equal(opened, dek));
    assert_memory_equal(good + 32768, next + 32768, HEADER_SIZE - 32768);
}

static void the_recovery_envelope_is_carried_beside_the_first_and_can_be_renewed(void **state)
{
    const struct header_want want = {DISK, 3}, later = {DISK, 4};
    const struct header_plan plan = {DISK, envelope, 3, recovery}, plain = {DISK, envelope2, 5};
    const struct header_plan renewed = {DISK, envelope2, 4, envelope2};
    AUTO(drop_free) unsigned char *first = NULL, *second = NULL, *third = NULL;
    AUTO(drop_header_facts) struct header_facts one = {0}, two = {0}, three = {0};
    struct err err = {0};

    (void)state;
    assert_true(header_make(&plan, vm_key, dek, &first, &err));
    assert_true(header_look(first, HEADER_SIZE, DISK, &one, &err));
    assert_string_equal(one.envelope, envelope);
    assert_string_equal(one.recovery, recovery);
    assert_true(header_rewrap(first, HEADER_SIZE, &want, vm_key, &renewed, &second, &err));
    assert_true(header_look(second, HEADER_SIZE, DISK, &two, &err));
    assert_string_equal(two.recovery, envelope2);
    assert_true(header_rewrap(second, HEADER_SIZE, &later, vm_key, &plain, &third, &err));
    assert_true(header_look(third, HEADER_SIZE, DISK, &three, &err));
    assert_null(three.recovery);
}

static void a_rewrap_never_goes_back(void **state)
{
    const struct header_want want = {DISK, 1};
    unsigned char *next = NULL;
    struct err err = {0};

    (void)state;
    for (int64_t generation = 1; generation <= 3; generation++) {
        const struct header_plan plan = {DISK, envelope2, generation};

        assert_false(header_rewrap(good, HEADER_SIZE, &want, vm_key, &plan, &next, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    assert_null(next);
}

/* ---- stock tools ---- */

static void write_image(const char *path)
{
    AUTO(drop_free) char *bytes = text_room(1, HEADER_SIZE + (1u << 20));
    struct err err = {0};

    memcpy(bytes, good, HEADER_SIZE);
    assert_true(file_write(path, bytes, HEADER_SIZE + (1u << 20), 0600, &err));
}

static void cryptsetup_shows_what_we_promise(void **state)
{
    AUTO(drop_free) char *path = scratch_path("dump.img"), *out = NULL;
    struct err err = {0};
    static const char *const promised[] = {
        "Version:       \t2",
        ("UUID:          \t" DISK),
        "cipher: aes-xts-plain64",
        "sector: 4096 [bytes]",
        "offset: 4194304 [bytes]",
        "Key:        512 bits",
        "quoin",
        "PBKDF:      pbkdf2",
        "Iterations: 1000",
    };

    (void)state;
    write_image(path);
    assert_true(run_ok(&(struct run){.argv = RUN("cryptsetup", "luksDump", path)}, &out, &err));
    for (size_t i = 0; i < COUNT_OF(promised); i++) {
        if (!strstr(out, promised[i])) {
            fail_msg("luksDump does not say '%s':\n%s", promised[i], out);
        }
    }
}

static void cryptsetup_opens_it_with_the_passphrase_and_no_other(void **state)
{
    AUTO(drop_free) char *path = scratch_path("open.img");
    AUTO(drop_secret) struct secret *passphrase = NULL, *wrong = NULL;
    struct err err = {0};

    (void)state;
    write_image(path);
    const char *const *argv =
        RUN("cryptsetup", "open", "--test-passphrase", "--key-file", "-", path);

    assert_true(header_passphrase(vm_key, DISK, &passphrase, &err));
    assert_true(header_passphrase(vm_key, OTHER, &wrong, &err));
    assert_true(run_ok(&(struct run){.argv = argv, .secret = passphrase}, NULL, &err));
    assert_false(run_ok(&(struct run){.argv = argv, .secret = wrong}, NULL, &err));
}

static void cryptsetup_repairs_nothing_because_both_copies_are_whole(void **state)
{
    AUTO(drop_free) char *path = scratch_path("repair.img"), *after = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    write_image(path);
    assert_true(run_ok(&(struct run){.argv = RUN("cryptsetup", "repair", "--batch-mode", path)},
                       NULL, &err));
    assert_true(file_read(path, 8u << 20, &after, &length, &err));
    assert_memory_equal(after, good, HEADER_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_says_what_it_was_made_with),
        cmocka_unit_test(the_vm_key_opens_it_and_gives_the_data_key),
        cmocka_unit_test(no_secret_is_in_the_header),
        cmocka_unit_test(the_passphrase_is_64_digits_of_hkdf),
        cmocka_unit_test(two_headers_of_one_disk_differ_in_keyslot_and_salt),
        cmocka_unit_test(what_cannot_be_a_header_is_refused),
        cmocka_unit_test(the_two_largest_envelopes_fit),
        cmocka_unit_test(another_vm_key_is_denied_and_the_header_called_whole),
        cmocka_unit_test(a_damaged_keyslot_is_told_from_a_wrong_key),
        cmocka_unit_test(an_older_generation_is_refused_and_both_are_named),
        cmocka_unit_test(anothers_disk_is_refused),
        cmocka_unit_test(a_rewrap_changes_envelope_and_generation_and_no_key),
        cmocka_unit_test(the_recovery_envelope_is_carried_beside_the_first_and_can_be_renewed),
        cmocka_unit_test(a_rewrap_never_goes_back),
        cmocka_unit_test(cryptsetup_shows_what_we_promise),
        cmocka_unit_test(cryptsetup_opens_it_with_the_passphrase_and_no_other),
        cmocka_unit_test(cryptsetup_repairs_nothing_because_both_copies_are_whole),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
