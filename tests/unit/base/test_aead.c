/* SPDX-License-Identifier: Apache-2.0 */
#include "../vectors.h"

/* A box from its three parts, as the vectors give them. */
static struct span box_of(const json_t *test, unsigned char **out)
{
    AUTO(drop_free) unsigned char *iv = NULL, *sealed = NULL, *tag = NULL;
    struct span parts[3] = {vectors_bytes(test, "iv", &iv), vectors_bytes(test, "ct", &sealed),
                            vectors_bytes(test, "tag", &tag)};
    struct span box = { *out = text_room(parts[0].size + parts[1].size + parts[2].size + 1, 1), 0};

    for (size_t i = 0; i < 3; i++) {
        memcpy(*out + box.size, parts[i].bytes, parts[i].size);
        box.size += parts[i].size;
    }
    return box;
}

static void run_vector(const json_t *test, int *ran)
{
    AUTO(drop_free) unsigned char *aad = NULL, *box = NULL;
    AUTO(drop_secret) struct secret *key = vectors_secret(test, "key");
    AUTO(drop_secret) struct secret *plain = vectors_secret(test, "msg"), *out = NULL;
    struct span aad_span = vectors_bytes(test, "aad", &aad);
    struct span box_span = box_of(test, &box);
    struct err err = {0};
    bool opened = aead_open(key, aad_span, box_span, &out, &err);

    /* A box with nothing in it is no box of ours, valid or not. */
    assert_int_equal(opened, vectors_valid(test) && plain);
    if (opened) {
        assert_true(secret_equal(out, plain));
    } else {
        assert_int_equal(err.kind, plain ? ERR_DENIED : ERR_INPUT);
    }
    ++*ran;
}

static void every_public_vector_of_our_sizes_is_met(void **state)
{
    AUTO(drop_json) json_t *vectors = vectors_load("aes_gcm_test.json");
    json_t *group, *test;
    size_t i, k;
    int ran = 0;

    (void)state;
    json_array_foreach(json_object_get(vectors, "testGroups"), i, group)
    {
        if (json_integer_value(json_object_get(group, "keySize")) == AEAD_KEY_SIZE * 8 &&
            json_integer_value(json_object_get(group, "ivSize")) == AEAD_IV_SIZE * 8 &&
            json_integer_value(json_object_get(group, "tagSize")) == AEAD_TAG_SIZE * 8) {
            json_array_foreach(json_object_get(group, "tests"), k, test)
            {
                run_vector(test, &ran);
            }
        }
    }
    assert_true(ran >= 60);
}

struct sealed {
    struct secret *key;
    struct secret *plain;
    unsigned char *box;
    size_t size;
};

static int seal_one(void **state)
{
    static struct sealed sealed;
    struct err err = {0};

    *state = &sealed;
    return secret_random(AEAD_KEY_SIZE, &sealed.key, &err) &&
                   secret_random(77, &sealed.plain, &err) &&
                   aead_seal(sealed.key, span_text("about"), sealed.plain, &sealed.box,
                             &sealed.size, &err)
               ? 0
               : -1;
}

static int drop_one(void **state)
{
    struct sealed *sealed = *state;

    secret_free(sealed->key);
    secret_free(sealed->plain);
    free(sealed->box);
    return 0;
}

static void what_was_sealed_opens(void **state)
{
    const struct sealed *sealed = *state;
    AUTO(drop_secret) struct secret *out = NULL;
    struct err err = {0};

    assert_int_equal(sealed->size, 77 + AEAD_EXTRA);
    assert_true(
        aead_open(sealed->key, span_text("about"), span_of(sealed->box, sealed->size), &out, &err));
    assert_true(secret_equal(out, sealed->plain));
}

static void a_change_of_any_byte_is_denied(void **state)
{
    const struct sealed *sealed = *state;
    struct secret *out = NULL;

    for (size_t i = 0; i < sealed->size; i++) {
        struct err err = {0};

        sealed->box[i] ^= 0x80;
        assert_false(aead_open(sealed->key, span_text("about"), span_of(sealed->box, sealed->size),
                               &out, &err));
        assert_int_equal(err.kind, ERR_DENIED);
        assert_null(out);
        sealed->box[i] ^= 0x80;
    }
}

static void a_box_cut_short_is_refused(void **state)
{
    const struct sealed *sealed = *state;
    struct secret *out = NULL;

    for (size_t size = 0; size < sealed->size; size++) {
        struct err err = {0};

        assert_false(
            aead_open(sealed->key, span_text("about"), span_of(sealed->box, size), &out, &err));
        assert_int_equal(err.kind, size <= AEAD_EXTRA ? ERR_INPUT : ERR_DENIED);
    }
}

static void other_associated_data_is_denied(void **state)
{
    const struct sealed *sealed = *state;
    struct secret *out = NULL;
    struct err err = {0};

    assert_false(
        aead_open(sealed->key, span_text("abouT"), span_of(sealed->box, sealed->size), &out, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_false(aead_open(sealed->key, SPAN_NONE, span_of(sealed->box, sealed->size), &out, &err));
}

static void sealing_twice_gives_two_boxes(void **state)
{
    const struct sealed *sealed = *state;
    AUTO(drop_free) unsigned char *box = NULL;
    size_t size = 0;
    struct err err = {0};

    assert_true(aead_seal(sealed->key, span_text("about"), sealed->plain, &box, &size, &err));
    assert_memory_not_equal(box, sealed->box, size);
}

static void a_key_of_another_size_is_refused(void **state)
{
    const struct sealed *sealed = *state;
    AUTO(drop_secret) struct secret *key = NULL;
    unsigned char *box = NULL;
    size_t size = 0;
    struct err err = {0};

    assert_true(secret_random(16, &key, &err));
    assert_false(aead_seal(key, SPAN_NONE, sealed->plain, &box, &size, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_public_vector_of_our_sizes_is_met),
        cmocka_unit_test_setup_teardown(what_was_sealed_opens, seal_one, drop_one),
        cmocka_unit_test_setup_teardown(a_change_of_any_byte_is_denied, seal_one, drop_one),
        cmocka_unit_test_setup_teardown(a_box_cut_short_is_refused, seal_one, drop_one),
        cmocka_unit_test_setup_teardown(other_associated_data_is_denied, seal_one, drop_one),
        cmocka_unit_test_setup_teardown(sealing_twice_gives_two_boxes, seal_one, drop_one),
        cmocka_unit_test_setup_teardown(a_key_of_another_size_is_refused, seal_one, drop_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
