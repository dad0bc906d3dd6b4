/* SPDX-License-Identifier: Apache-2.0 */
#include "../vectors.h"

#include "seal/xts.h"

/* Wycheproof's short IVs are filled up with zeros, as sector numbers are. */
static void run_vector(const struct xts_engine *engine, const json_t *test)
{
    AUTO(drop_free) unsigned char *iv = NULL, *msg = NULL, *ct = NULL;
    AUTO(drop_secret) struct secret *key = vectors_secret(test, "key");
    struct span iv_span = vectors_bytes(test, "iv", &iv);
    struct span msg_span = vectors_bytes(test, "msg", &msg);
    unsigned char tweak[16] = {0}, unit[XTS_SECTOR];
    struct err err = {0};
    void *open = NULL;

    vectors_bytes(test, "ct", &ct);
    memcpy(tweak, iv_span.bytes, iv_span.size);
    memcpy(unit, msg_span.bytes, msg_span.size);
    assert_true(vectors_valid(test));
    assert_true(engine->open(key, &open, &err));
    assert_true(engine->crypt(open, true, tweak, unit, msg_span.size));
    assert_memory_equal(unit, ct, msg_span.size);
    assert_true(engine->crypt(open, false, tweak, unit, msg_span.size));
    assert_memory_equal(unit, msg, msg_span.size);
    engine->close(open);
}

static void every_public_vector_is_met_by_every_engine(void **state)
{
    AUTO(drop_json) json_t *vectors = vectors_load("aes_xts_test.json");
    json_t *group, *test;
    size_t i, k;
    int ran = 0;

    (void)state;
    json_array_foreach(json_object_get(vectors, "testGroups"), i, group)
    {
        /* The others are for AES-128 and AES-192, which we do not use. */
        if (json_integer_value(json_object_get(group, "keySize")) != 512) {
            continue;
        }
        json_array_foreach(json_object_get(group, "tests"), k, test)
        {
            for (size_t e = 0; xts_engines[e]; e++) {
                run_vector(xts_engines[e], test);
                ran++;
            }
        }
    }
    assert_int_equal(ran, 2 * 41);
}

static void every_engine_passes_its_test(void **state)
{
    const struct xts_engine *best = NULL;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; xts_engines[i]; i++) {
        assert_true(xts_engine_test(xts_engines[i], &err));
    }
    assert_true(xts_engine_best(&best, &err));
    print_message("best engine: %s\n", best->name);
}

static bool wrong_crypt(void *engine, bool encrypt, const unsigned char tweak[16],
                        unsigned char *bytes, size_t length)
{
    bool ok = xts_engines[0]->crypt(engine, encrypt, tweak, bytes, length);

    bytes[length - 1] ^= encrypt && length == XTS_SECTOR;
    return ok;
}

static void an_engine_that_errs_in_one_bit_fails_its_test(void **state)
{
    struct xts_engine wrong = *xts_engines[0];
    struct err err = {0};

    (void)state;
    wrong.crypt = wrong_crypt;
    assert_false(xts_engine_test(&wrong, &err));
    assert_int_equal(err.kind, ERR_SYSTEM);
}

static void the_tweak_counts_sectors_of_512_bytes(void **state)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_xts) struct xts *xts = NULL;
    unsigned char run[3 * XTS_SECTOR] = {0}, unit[XTS_SECTOR] = {0}, tweak[16] = {0};
    struct err err = {0};
    void *open = NULL;

    (void)state;
    assert_true(secret_random(XTS_KEY, &key, &err));
    assert_true(xts_new(NULL, key, &xts, &err));
    assert_true(xts_encrypt(xts, 7 * (uint64_t)XTS_SECTOR, run, sizeof(run), &err));
    tweak[0] = 8 * 9;
    assert_true(xts_engines[1]->open(key, &open, &err));
    assert_true(xts_engines[1]->crypt(open, true, tweak, unit, sizeof(unit)));
    xts_engines[1]->close(open);
    assert_memory_equal(run + 2 * XTS_SECTOR, unit, sizeof(unit));
    assert_true(xts_decrypt(xts, 7 * (uint64_t)XTS_SECTOR, run, sizeof(run), &err));
    for (size_t i = 0; i < sizeof(run); i++) {
        assert_int_equal(run[i], 0);
    }
}

static void engines_agree_far_into_a_disk(void **state)
{
    const uint64_t offset = ((uint64_t)1 << 44) - XTS_SECTOR;
    AUTO(drop_secret) struct secret *key = NULL;
    unsigned char first[XTS_SECTOR], unit[XTS_SECTOR];
    struct err err = {0};

    (void)state;
    assert_true(secret_random(XTS_KEY, &key, &err));
    for (size_t i = 0; xts_engines[i]; i++) {
        AUTO(drop_xts) struct xts *xts = NULL;

        memset(unit, 0x5a, sizeof(unit));
        assert_true(xts_new(xts_engines[i], key, &xts, &err));
        assert_true(xts_encrypt(xts, offset, unit, sizeof(unit), &err));
        if (i == 0) {
            memcpy(first, unit, sizeof(unit));
        }
        assert_memory_equal(first, unit, sizeof(unit));
    }
}

static void bad_keys_and_part_sectors_are_refused(void **state)
{
    AUTO(drop_secret) struct secret *twins = NULL, *little = NULL, *key = NULL;
    AUTO(drop_xts) struct xts *xts = NULL;
    unsigned char unit[XTS_SECTOR] = {0};
    struct err err = {0};

    (void)state;
    assert_true(secret_new(XTS_KEY, &twins, &err)); /* two halves of zeros */
    assert_false(xts_new(NULL, twins, &xts, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_true(secret_random(32, &little, &err));
    assert_false(xts_new(NULL, little, &xts, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_true(secret_random(XTS_KEY, &key, &err));
    assert_true(xts_new(NULL, key, &xts, &err));
    assert_false(xts_encrypt(xts, 512, unit, sizeof(unit), &err));
    assert_false(xts_encrypt(xts, 0, unit, 512, &err));
    assert_int_equal(err.kind, ERR_BUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_public_vector_is_met_by_every_engine),
        cmocka_unit_test(every_engine_passes_its_test),
        cmocka_unit_test(an_engine_that_errs_in_one_bit_fails_its_test),
        cmocka_unit_test(the_tweak_counts_sectors_of_512_bytes),
        cmocka_unit_test(engines_agree_far_into_a_disk),
        cmocka_unit_test(bad_keys_and_part_sectors_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
