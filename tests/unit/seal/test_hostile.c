/* SPDX-License-Identifier: Apache-2.0 */
/* THREATS T4: every hostile header is refused by its bytes, before any key is derived. */
#include "../scratch.h"

#include "hostile.h"
#include "seal/header.h"
#include "seal/header_metadata.h"

#define DISK "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b44"

static struct secret *vm_key, *dek;
static unsigned char *good;

static int begin(void **state)
{
    const struct header_plan plan = {DISK, "{\"protected\":\"abc\"}", 3};
    struct err err = {0};

    (void)state;
    return !secret_random(32, &vm_key, &err) || !header_dek_make(&dek, &err) ||
           !header_make(&plan, vm_key, dek, &good, &err);
}

static int end(void **state)
{
    (void)state;
    secret_free(vm_key);
    secret_free(dek);
    free(good);
    return 0;
}

static unsigned char *copy_of_good(void)
{
    unsigned char *copy = text_room(1, HEADER_SIZE);

    memcpy(copy, good, HEADER_SIZE);
    return copy;
}

/* `says` must be in the message. */
static void assert_refused(const unsigned char *header, size_t length, enum err_kind kind,
                           const char *says)
{
    const struct header_want want = {DISK, 1};
    struct header_facts facts = {0};
    struct err err = {0};

    assert_false(header_look(header, length, DISK, &facts, &err));
    if (err.kind != kind || !strstr(err.what, says)) {
        fail_msg("'%s' does not say '%s', or has kind %s", err.what, says, err_kind_name(err.kind));
    }
    assert_null(facts.envelope);
    assert_false(header_open(header, length, &want, vm_key, NULL, &err));
}

static const struct hostile {
    const char *path, *value, *says;
} cases[] = {
    /* a: the cipher that enciphers nothing, in the payload and in the keyslot (CVE-2025-59054) */
    {"segments.0.encryption", "\"cipher_null-ecb\"", "cipher_null-ecb"},
    {"keyslots.0.area.encryption", "\"cipher_null-ecb\"", "cipher_null-ecb"},
    {"segments.0.encryption", "\"aes-cbc-essiv:sha256\"", "segments.0.encryption"},
    {"segments.0.encryption", "\"aes-xts-plain\"", "segments.0.encryption"},
    {"keyslots.0.key_size", "32", "keyslots.0.key_size"},
    {"keyslots.0.area.key_size", "32", "keyslots.0.area.key_size"},
    /* b: segments that leave plain holes, lie elsewhere, or are of another kind */
    {"segments.0.type", "\"linear\"", "segments.0.type"},
    {"segments.0.offset", "\"0\"", "segments.0.offset"},
    {"segments.0.offset", "\"8388608\"", "segments.0.offset"},
    {"segments.0.size", "\"4096\"", "segments.0.size"},
    {"segments.0.iv_tweak", "\"8\"", "segments.0.iv_tweak"},
    {"segments.0.sector_size", "512", "segments.0.sector_size"},
    {"segments.0.integrity", "{\"type\":\"hmac(sha256)\"}", "segments.0.integrity"},
    {"segments.0.flags", "[\"in-reencryption\"]", "segments.0.flags"},
    {"segments.1", "{\"type\":\"linear\",\"offset\":\"8388608\",\"size\":\"dynamic\"}",
     "segments.1"},
    {"segments.0", NULL, "segments"},
    {"segments", NULL, "metadata"},
    {"segments.0", "[]", "segments.0"},
    /* c: somebody else's keyslot beside ours, or in its place */
    {"keyslots.1", "{\"type\":\"luks2\"}", "keyslots.1"},
    {"keyslots.0.type", "\"reencrypt\"", "keyslots.0.type"},
    {"keyslots.0.priority", "2", "keyslots.0.priority"},
    {"keyslots.0.af.stripes", "1", "keyslots.0.af.stripes"},
    {"keyslots.0.af.hash", "\"md5\"", "keyslots.0.af.hash"},
    {"keyslots.0.area.offset", "\"0\"", "keyslots.0.area.offset"},
    {"keyslots.0.area.offset", "\"4194304\"", "keyslots.0.area.offset"},
    {"keyslots.0.area.size", "\"4161536\"", "keyslots.0.area.size"},
    {"keyslots.0.area.type", "\"journal\"", "keyslots.0.area.type"},
    {"keyslots.0", NULL, "keyslot"},
    {"keyslots.0.kdf", "7", "keyslot"},
    /* d: a re-encryption that never was (CVE-2021-4122), and every other requirement and flag */
    {"config.requirements", "{\"mandatory\":[\"online-reencrypt-v2\"]}", "config.requirements"},
    {"config.requirements", "{\"mandatory\":[\"offline-reencrypt\"]}", "config.requirements"},
    {"config.requirements", "{}", "config.requirements"},
    {"config.flags", "[\"allow-discards\"]", "config.flags"},
    {"config.json_size", "\"4177920\"", "config.json_size"},
    {"config.keyslots_size", "\"0\"", "config.keyslots_size"},
    /* f: derivations that cost gigabytes or hours */
    {"keyslots.0.kdf",
     "{\"type\":\"argon2id\",\"time\":4,\"memory\":4194304,\"cpus\":4,\"salt\":\"AAAA\"}",
     "keyslots.0.kdf"},
    {"keyslots.0.kdf.iterations", "4294967295", "keyslots.0.kdf.iterations"},
    {"keyslots.0.kdf.iterations", "1", "keyslots.0.kdf.iterations"},
    {"keyslots.0.kdf.hash", "\"sha1\"", "keyslots.0.kdf.hash"},
    {"keyslots.0.kdf.salt", "{}", "keyslot"},
    {"digests.0.iterations", "2147483647", "digests.0.iterations"},
    {"digests.0.hash", "\"sha1\"", "digests.0.hash"},
    {"digests.0.type", "\"none\"", "digests.0.type"},
    {"digests.0.segments", "[]", "digests.0.segments"},
    {"digests.0.keyslots", "[\"0\",\"1\"]", "digests.0.keyslots"},
    {"digests.1", "{}", "digests.1"},
    {"digests.0", NULL, "digest"},
    /* tokens that are not ours, or ours with something in it */
    {"tokens.0.type", "\"systemd-tpm2\"", "token"},
    {"tokens.0.keyslots", "[]", "token"},
    {"tokens.0.keyslots", "[\"1\"]", "token"},
    {"tokens.0.generation", "0", "token"},
    {"tokens.0.generation", "\"3\"", "token"},
    {"tokens.0.generation", "9007199254740993", "token"},
    {"tokens.0.mac", "\"00\"", "token"},
    {"tokens.0.check", "\"xyzxyzxyzxyzxyzx\"", "token"},
    {"tokens.0.jwe", "\"text\"", "token"},
    {"tokens.0.more", "1", "token"},
    /* T12 c: of a format below the first one, and of one that is known no more */
    {"tokens.0.format", "0", "token"},
    {"tokens.0.format", "-1", "token"},
    {"tokens.0.format", "1", "token"},
    {"tokens.0.format", "2", "newer quoin"},
    {"tokens.0.recovery", "\"text\"", "token"},
    {"tokens.0.recovery", "null", "token"},
    {"tokens.1", "{\"type\":\"luks2-keyring\",\"keyslots\":[\"0\"],\"key_description\":\"x\"}",
     "tokens.1"},
    {"tokens.0", NULL, "token"},
    {"tokens", "[]", "token"},
    {"surprise", "{}", "surprise"},
};

static void every_hostile_header_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(drop_free) unsigned char *header = copy_of_good();

        hostile_set(header, cases[i].path, cases[i].value, 2);
        assert_refused(header, HEADER_SIZE, ERR_CLASH, cases[i].says);
    }
}

/* T4 c, and a rollback of single fields: the shape is right, the MAC is not. */
static void a_change_that_keeps_the_shape_fails_the_mac(void **state)
{
    const struct header_want want = {DISK, 1};
    static const struct hostile changes[] = {
        {"tokens.0.generation", "4", NULL},
        {"tokens.0.jwe", "{\"protected\":\"abd\"}", NULL},
        {"tokens.0.recovery", "{\"protected\":\"abd\"}", NULL},
        {"digests.0.digest", "\"qfB5gPRd73i//+/JzNaGtjDZdar9lnb10PLtn0fVkwM=\"", NULL},
        {"digests.0.salt", "\"7U738/dXLHFwPeM/2XCGNwvMFCfkvnebm/2PRBjb0tc=\"", NULL},
        {"keyslots.0.kdf.salt", "\"7U738/dXLHFwPeM/2XCGNwvMFCfkvnebm/2PRBjb0tc=\"", NULL},
        {"tokens.0.mac", "\"0000000000000000000000000000000000000000000000000000000000000000\"",
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        AUTO(drop_free) unsigned char *header = copy_of_good();
        AUTO(drop_header_facts) struct header_facts facts = {0};
        struct err err = {0};

        hostile_set(header, changes[i].path, changes[i].value, 2);
        assert_true(header_look(header, HEADER_SIZE, DISK, &facts, &err));
        assert_false(header_open(header, HEADER_SIZE, &want, vm_key, NULL, &err));
        assert_int_equal(err.kind, ERR_CLASH);
        assert_non_null(strstr(err.what, "somebody else"));
    }
}

/* T4 c: a whole header around a key that the attacker knows, our token copied into it. */
static void a_valid_header_around_anothers_key_is_refused(void **state)
{
    const struct header_plan plan = {DISK, "{\"protected\":\"abc\"}", 3};
    const struct header_want want = {DISK, 1};
    AUTO(drop_secret) struct secret *known = NULL, *known_dek = NULL;
    AUTO(drop_free) unsigned char *header = NULL;
    AUTO(drop_json) json_t *theirs = NULL, *ours = hostile_get(good);
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &known, &err));
    assert_true(header_dek_make(&known_dek, &err));
    assert_true(header_make(&plan, known, known_dek, &header, &err));
    theirs = hostile_get(header);
    json_object_set(theirs, "tokens", json_object_get(ours, "tokens"));
    hostile_put(header, theirs, 2);
    assert_false(header_open(header, HEADER_SIZE, &want, vm_key, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

/* T4 e */
static void luks1_is_refused(void **state)
{
    AUTO(drop_free) unsigned char *header = copy_of_good();

    (void)state;
    header[7] = 1;
    assert_string_equal(header_kind(header, HEADER_SIZE), "luks1");
    assert_refused(header, HEADER_SIZE, ERR_CLASH, "version 2");
    header[7] = 3;
    assert_string_equal(header_kind(header, HEADER_SIZE), "other");
    assert_refused(header, HEADER_SIZE, ERR_CLASH, "version 2");
}

/* T4 g: the copy that a library would choose is not left to it. */
static void copies_that_differ_are_refused(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 2; which++) {
        AUTO(drop_free) unsigned char *json = copy_of_good(), *missing = copy_of_good();
        AUTO(drop_free) unsigned char *sum = copy_of_good(), *sequence = copy_of_good();

        hostile_set(json, "tokens.0.generation", "9", which);
        assert_refused(json, HEADER_SIZE, ERR_CLASH, "differ");
        memset(missing + which * COPY_SIZE, 0, COPY_SIZE);
        assert_refused(missing, HEADER_SIZE, which ? ERR_CLASH : ERR_ABSENT,
                       which ? "missing" : "no LUKS");
        sum[which * COPY_SIZE + JSON_AT] ^= 1;
        assert_refused(sum, HEADER_SIZE, ERR_CLASH, "checksum");
        sequence[which * COPY_SIZE + 23]++;
        hostile_sum(sequence + which * COPY_SIZE);
        assert_refused(sequence, HEADER_SIZE, ERR_CLASH, "differ");
    }
}

/* Byte by byte of the binary part: with a right checksum only sequence number and salt may vary,
 * and both copies have them. */
static void no_byte_of_the_binary_part_is_unwatched(void **state)
{
    AUTO(drop_free) unsigned char *header = copy_of_good();
    struct header_facts facts = {0};

    (void)state;
    for (size_t i = 0; i < JSON_AT; i++) {
        struct err err = {0};
        bool salt = i >= 104 && i < 168, sum = i >= SUM_AT && i < SUM_AT + 64;

        header[i] ^= 0x20;
        hostile_sum(header);
        if (header_look(header, HEADER_SIZE, DISK, &facts, &err) != (salt || sum)) {
            fail_msg("byte %zu: %s", i, err.what);
        }
        header_facts_clear(&facts);
        if (!sum) {
            header[i] ^= 0x20;
        }
    }
}

static void a_header_cut_anywhere_is_refused(void **state)
{
    const size_t lengths[] = {0, 1, 6, 8, 4096, 16384, 32767, 32768, HEADER_SIZE - 1};
    struct header_facts facts = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        AUTO(drop_free) unsigned char *exact = malloc(lengths[i] ? lengths[i] : 1);
        struct err err = {0};

        memcpy(exact, good, lengths[i]);
        assert_false(header_look(exact, lengths[i], DISK, &facts, &err));
        assert_true(err.kind == ERR_CLASH || err.kind == ERR_ABSENT);
    }
}

static void what_hides_behind_the_json_is_refused(void **state)
{
    AUTO(drop_free) unsigned char *header = copy_of_good();

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        header[i * COPY_SIZE + COPY_SIZE - 1] = 'x';
        hostile_sum(header + i * COPY_SIZE);
    }
    assert_refused(header, HEADER_SIZE, ERR_CLASH, "no end");
    for (unsigned i = 0; i < 2; i++) {
        memset(header + i * COPY_SIZE + JSON_AT, ' ', COPY_SIZE - JSON_AT);
        hostile_sum(header + i * COPY_SIZE);
    }
    assert_refused(header, HEADER_SIZE, ERR_CLASH, "no end");
}

static void json_with_tricks_is_refused(void **state)
{
    static const char *const tricks[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"keyslots\":{},\"keyslots\":{}}",
        "{\"a\":",
        "\xff\xfe",
        "{\"tokens\":{\"0\":{\"jwe\":{}}}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(tricks); i++) {
        AUTO(drop_free) unsigned char *header = copy_of_good();

        for (unsigned k = 0; k < 2; k++) {
            unsigned char *copy = header + (size_t)k * COPY_SIZE;

            memset(copy + JSON_AT, 0, COPY_SIZE - JSON_AT);
            memcpy(copy + JSON_AT, tricks[i], strlen(tricks[i]));
            hostile_sum(copy);
        }
        assert_refused(header, HEADER_SIZE, ERR_CLASH, "LUKS2 header");
    }
}

static void an_empty_disk_has_no_header(void **state)
{
    AUTO(drop_free) unsigned char *zeros = text_room(1, HEADER_SIZE);

    (void)state;
    assert_string_equal(header_kind(zeros, HEADER_SIZE), "none");
    assert_refused(zeros, HEADER_SIZE, ERR_ABSENT, "no LUKS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_hostile_header_is_refused_by_name),
        cmocka_unit_test(a_change_that_keeps_the_shape_fails_the_mac),
        cmocka_unit_test(a_valid_header_around_anothers_key_is_refused),
        cmocka_unit_test(luks1_is_refused),
        cmocka_unit_test(copies_that_differ_are_refused),
        cmocka_unit_test(no_byte_of_the_binary_part_is_unwatched),
        cmocka_unit_test(a_header_cut_anywhere_is_refused),
        cmocka_unit_test(what_hides_behind_the_json_is_refused),
        cmocka_unit_test(json_with_tricks_is_refused),
        cmocka_unit_test(an_empty_disk_has_no_header),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
