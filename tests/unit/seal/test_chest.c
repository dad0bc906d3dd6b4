/* SPDX-License-Identifier: Apache-2.0 */
#include "../scratch.h"

#include <endian.h>

#include "base/aead.h"
#include "base/hkdf.h"
#include "base/secret_open.h"
#include "seal/seal.h"

#define VM    "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b44"
#define OTHER "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b45"

static char envelope[] = "{\"protected\":\"abc\"}";
static struct chest_about about = {.vm = VM, .generation = 5, .envelope = envelope};
static struct secret *vm_key;

static int begin(void **state)
{
    struct err err = {0};

    (void)state;
    return !secret_random(32, &vm_key, &err);
}

static int end(void **state)
{
    (void)state;
    secret_free(vm_key);
    return 0;
}

static void put(struct chest *chest, const char *name, size_t size)
{
    AUTO(drop_secret) struct secret *bytes = NULL;
    struct err err = {0};

    assert_true(secret_random(size, &bytes, &err));
    assert_true(chest_put(chest, name, &bytes, &err));
    assert_null(bytes);
}

static void sealed(unsigned char **out, size_t *out_length)
{
    AUTO(drop_chest) struct chest *chest = chest_new();
    struct err err = {0};

    put(chest, "vtpm", 4000);
    put(chest, "nvram", 5000);
    assert_true(chest_seal(chest, &about, vm_key, out, out_length, &err));
}

static void what_is_put_in_comes_out(void **state)
{
    AUTO(drop_chest) struct chest *chest = chest_new(), *again = NULL;
    AUTO(drop_free) unsigned char *bytes = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    put(chest, "vtpm", 150000);
    put(chest, "nvram", 540672);
    put(chest, "domain.json", 1);
    put(chest, "a", 10);
    assert_true(chest_seal(chest, &about, vm_key, &bytes, &length, &err));
    assert_true(chest_open(bytes, length, VM, 5, vm_key, &again, &err));
    assert_int_equal(chest_count(again), 4);
    assert_string_equal(chest_name(again, 0), "a");
    assert_string_equal(chest_name(again, 3), "vtpm");
    for (size_t i = 0; i < 4; i++) {
        const char *name = chest_name(chest, i);

        assert_true(secret_equal(chest_get(chest, name), chest_get(again, name)));
    }
    assert_null(chest_get(again, "b"));
}

static void an_entry_is_replaced_and_removed(void **state)
{
    AUTO(drop_chest) struct chest *chest = chest_new();

    (void)state;
    put(chest, "b", 10);
    put(chest, "a", 10);
    put(chest, "b", 20);
    assert_int_equal(chest_count(chest), 2);
    assert_int_equal(secret_size(chest_get(chest, "b")), 20);
    chest_remove(chest, "a");
    chest_remove(chest, "never");
    assert_int_equal(chest_count(chest), 1);
    assert_string_equal(chest_name(chest, 0), "b");
}

static void an_empty_chest_is_a_chest(void **state)
{
    AUTO(drop_chest) struct chest *chest = chest_new(), *again = NULL;
    AUTO(drop_free) unsigned char *bytes = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    assert_true(chest_seal(chest, &about, vm_key, &bytes, &length, &err));
    assert_true(chest_open(bytes, length, VM, 1, vm_key, &again, &err));
    assert_int_equal(chest_count(again), 0);
}

static void names_that_are_paths_or_odd_are_refused(void **state)
{
    static const char *const names[] = {
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "-x",
        "A",
        "a b",
        "a\n",
        "\xc3\xa4",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    AUTO(drop_chest) struct chest *chest = chest_new();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(drop_secret) struct secret *bytes = NULL;
        struct err err = {0};

        assert_true(secret_random(1, &bytes, &err));
        assert_false(chest_put(chest, names[i], &bytes, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(bytes);
    }
    assert_int_equal(chest_count(chest), 0);
}

static void too_many_or_too_much_is_refused(void **state)
{
    AUTO(drop_chest) struct chest *chest = chest_new(), *full = chest_new();
    AUTO(drop_secret) struct secret *bytes = NULL;
    AUTO(drop_free) unsigned char *object = NULL;
    size_t length = 0;
    char name[16];
    struct err err = {0};

    (void)state;
    for (unsigned i = 0; i < CHEST_MAX_ENTRIES; i++) {
        snprintf(name, sizeof(name), "e%u", i);
        put(chest, name, 1);
    }
    assert_true(secret_random(1, &bytes, &err));
    assert_false(chest_put(chest, "one-more", &bytes, &err));
    assert_true(chest_put(chest, "e0", &bytes, &err)); /* in place of another there is room */

    put(full, "a", CHEST_MAX_ARCHIVE / 2);
    put(full, "b", CHEST_MAX_ARCHIVE / 2 - 100);
    assert_true(secret_random(100, &bytes, &err));
    assert_false(chest_put(full, "c", &bytes, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_true(chest_seal(full, &about, vm_key, &object, &length, &err));
    assert_true(length <= CHEST_MAX_OBJECT);
}

static void what_is_said_in_clear_is_read_without_a_key(void **state)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    AUTO(drop_chest_about) struct chest_about said = {0};
    size_t length = 0, clear = 0;
    struct err err = {0};

    (void)state;
    sealed(&bytes, &length);
    assert_true(chest_look(bytes, length, &said, &clear, &err));
    assert_string_equal(said.vm, VM);
    assert_int_equal(said.generation, 5);
    assert_string_equal(said.envelope, envelope);
    assert_int_equal(length - clear, AEAD_EXTRA + 4 + 2 * 5 + 9 + 9000);
}

/* T12 c, e: no lower one is taken for it, and a newer one is left to who wrote it. */
static void a_home_of_another_format_is_refused(void **state)
{
    static const struct {
        uint32_t format;
        enum err_kind kind;
        const char *said;
    } cases[] = {{0, ERR_INPUT, "no sealed home"},
                 {2, ERR_INPUT, "newer quoin"},
                 {UINT32_MAX, ERR_INPUT, "newer quoin"}};
    AUTO(drop_free) unsigned char *bytes = NULL;
    size_t length = 0;

    (void)state;
    sealed(&bytes, &length);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t format = htobe32(cases[i].format);
        struct chest_about said = {0};
        struct chest *opened = NULL;
        struct err err = {0};

        memcpy(bytes + 8, &format, sizeof(format));
        assert_false(chest_look(bytes, length, &said, NULL, &err));
        assert_int_equal(err.kind, cases[i].kind);
        assert_non_null(strstr(err.what, cases[i].said));
        assert_false(chest_open(bytes, length, VM, 5, vm_key, &opened, &err));
        assert_null(said.envelope);
        assert_null(opened);
    }
}

static void the_recovery_envelope_is_said_in_clear_and_cannot_be_taken_away(void **state)
{
    static char recovery[] = "{\"protected\":\"for the recovery key\"}";
    AUTO(drop_chest) struct chest *chest = chest_new();
    AUTO(drop_free) unsigned char *bytes = NULL, *shorter = NULL;
    AUTO(drop_chest_about) struct chest_about said = {0};
    struct chest_about both = about, without = about;
    struct chest *opened = NULL;
    size_t length = 0, clear = 0, shorter_length = 0, shorter_clear = 0;
    struct err err = {0};

    (void)state;
    both.recovery = recovery;
    assert_true(chest_seal(chest, &both, vm_key, &bytes, &length, &err));
    assert_true(chest_look(bytes, length, &said, &clear, &err));
    assert_string_equal(said.recovery, recovery);
    chest_about_clear(&said);
    /* The same home, its box behind what another says without it. */
    assert_true(chest_seal(chest, &without, vm_key, &shorter, &shorter_length, &err));
    assert_true(chest_look(shorter, shorter_length, &said, &shorter_clear, &err));
    assert_null(said.recovery);
    assert_int_equal(length - clear, shorter_length - shorter_clear);
    memcpy(shorter + shorter_clear, bytes + clear, length - clear);
    assert_false(chest_open(shorter, shorter_length, VM, 1, vm_key, &opened, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void another_key_opens_nothing(void **state)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    AUTO(drop_secret) struct secret *other = NULL;
    struct chest *chest = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    sealed(&bytes, &length);
    assert_true(secret_random(32, &other, &err));
    assert_false(chest_open(bytes, length, VM, 1, other, &chest, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_null(chest);
}

static void an_older_home_or_anothers_is_refused(void **state)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    struct chest *chest = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    sealed(&bytes, &length);
    assert_false(chest_open(bytes, length, OTHER, 1, vm_key, &chest, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_false(chest_open(bytes, length, VM, 6, vm_key, &chest, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "generation 5"));
    assert_non_null(strstr(err.what, "generation 6"));
}

static void a_change_anywhere_or_a_cut_is_refused(void **state)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    struct chest *chest = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    sealed(&bytes, &length);
    for (size_t i = 0; i < length; i += i < 200 ? 1 : 37) {
        bytes[i] ^= 1;
        assert_false(chest_open(bytes, length, VM, 1, vm_key, &chest, &err));
        bytes[i] ^= 1;
        assert_false(chest_open(bytes, i, VM, 1, vm_key, &chest, &err));
    }
    assert_false(chest_open(bytes, CHEST_MAX_OBJECT + 1, VM, 1, vm_key, &chest, &err));
    assert_null(chest);
}

static void two_seals_of_the_same_differ(void **state)
{
    AUTO(drop_chest) struct chest *chest = chest_new();
    AUTO(drop_free) unsigned char *a = NULL, *b = NULL;
    size_t length = 0, clear = 16 + 92;
    struct err err = {0};

    (void)state;
    put(chest, "x", 100);
    assert_true(chest_seal(chest, &about, vm_key, &a, &length, &err));
    assert_true(chest_seal(chest, &about, vm_key, &b, &length, &err));
    assert_memory_not_equal(a + clear, b + clear, 64);
}

/* ---- archives that only a holder of the key could write ---- */

static void box_up(const void *archive, size_t size, unsigned char **out, size_t *out_length)
{
    AUTO(drop_free) unsigned char *frame = NULL, *box = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_chest_about) struct chest_about said = {0};
    size_t length = 0, clear = 0, box_size = 0;
    struct err err = {0};

    sealed(&frame, &length);
    assert_true(chest_look(frame, length, &said, &clear, &err));
    assert_true(hkdf_derive(vm_key, SPAN_NONE, span_text("home"), 32, &key, &err));
    assert_true(
        aead_seal_bytes(key, span_of(frame, clear), span_of(archive, size), &box, &box_size, &err));
    *out = text_room(1, clear + box_size);
    memcpy(*out, frame, clear);
    memcpy(*out + clear, box, box_size);
    *out_length = clear + box_size;
}

static void a_bad_archive_under_the_right_key_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        bool good;
    } archives[] = {
        {"\0\0\0\1\1a\0\0\0\1x", 11, true},
        {"\0\0\0\1\1a\0\0\0\1", 10, false},              /* cut */
        {"\0\0\0\1\1a\0\0\0\2x", 11, false},             /* longer than it is */
        {"\0\0\0\1\1a\377\377\377\377x", 11, false},     /* far longer */
        {"\0\0\0\1\0\0\0\0\1x", 10, false},              /* no name */
        {"\0\0\0\1\1/\0\0\0\1x", 11, false},             /* a path */
        {"\0\0\0\1\1a\0\0\0\1xy", 12, false},            /* more behind it */
        {"\0\0\0\2\1a\0\0\0\1x\1a\0\0\0\1x", 18, false}, /* twice */
        {"\0\0\0\2\1b\0\0\0\1x\1a\0\0\0\1x", 18, false}, /* descends */
        {"\0\0\0\1\1a\0\0\0\0", 10, false},              /* empty */
        {"\377\377\377\377", 4, false},                  /* too many */
        {"\0\0", 2, false},                              /* nothing */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(archives); i++) {
        AUTO(drop_free) unsigned char *bytes = NULL;
        AUTO(drop_chest) struct chest *chest = NULL;
        size_t length = 0;
        struct err err = {0};

        box_up(archives[i].bytes, archives[i].size, &bytes, &length);
        assert_int_equal(chest_open(bytes, length, VM, 1, vm_key, &chest, &err), archives[i].good);
    }
}

static void what_cannot_be_sealed_is_refused(void **state)
{
    AUTO(drop_chest) struct chest *chest = chest_new();
    struct chest_about bad[6] = {about, about, about, about, about, about};
    char no_json[] = "{", longer[CHEST_MAX_ENVELOPE + 2];
    unsigned char *out = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    memset(longer, ' ', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    bad[0].vm[0] = 'X';
    bad[1].generation = 0;
    bad[2].envelope = no_json;
    bad[3].envelope = longer;
    bad[4].recovery = no_json;
    bad[5].recovery = longer;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(chest_seal(chest, &bad[i], vm_key, &out, &length, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    assert_null(out);
}

/* ---- its proof ---- */

static void a_sealed_home_is_proven_and_a_plain_one_is_not(void **state)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    sealed(&bytes, &length);
    assert_true(proof_chest(bytes, length, VM, &err));
    assert_false(proof_chest(bytes, length, OTHER, &err));
    plain_fill(bytes + length - 4096, 4096, 1);
    assert_false(proof_chest(bytes, length, VM, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_false(proof_chest((const unsigned char *)"vtpm state", 10, VM, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_in_comes_out),
        cmocka_unit_test(an_entry_is_replaced_and_removed),
        cmocka_unit_test(an_empty_chest_is_a_chest),
        cmocka_unit_test(names_that_are_paths_or_odd_are_refused),
        cmocka_unit_test(too_many_or_too_much_is_refused),
        cmocka_unit_test(what_is_said_in_clear_is_read_without_a_key),
        cmocka_unit_test(a_home_of_another_format_is_refused),
        cmocka_unit_test(the_recovery_envelope_is_said_in_clear_and_cannot_be_taken_away),
        cmocka_unit_test(another_key_opens_nothing),
        cmocka_unit_test(an_older_home_or_anothers_is_refused),
        cmocka_unit_test(a_change_anywhere_or_a_cut_is_refused),
        cmocka_unit_test(two_seals_of_the_same_differ),
        cmocka_unit_test(a_bad_archive_under_the_right_key_is_refused),
        cmocka_unit_test(what_cannot_be_sealed_is_refused),
        cmocka_unit_test(a_sealed_home_is_proven_and_a_plain_one_is_not),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
