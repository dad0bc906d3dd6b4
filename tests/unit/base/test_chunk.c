/* SPDX-License-Identifier: Apache-2.0 */
#include "../scratch.h"

#include "base/chunk.h"

static void only_all_zero_bytes_are_a_zero_chunk(void **state)
{
    AUTO(drop_free) unsigned char *bytes = text_room(1, CHUNK_SIZE);
    const size_t places[] = {0, 1, 15, 16, 17, 4095, 4096, CHUNK_SIZE - 1};

    (void)state;
    assert_true(chunk_is_zero(bytes, CHUNK_SIZE));
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        bytes[places[i]] = 1;
        assert_false(chunk_is_zero(bytes, CHUNK_SIZE));
        assert_false(chunk_is_zero(bytes, places[i] + 1));
        assert_true(chunk_is_zero(bytes, places[i]));
        bytes[places[i]] = 0;
    }
}

static void one_bit_or_another_key_changes_the_tag(void **state)
{
    AUTO(drop_free) unsigned char *bytes = text_room(1, CHUNK_SIZE);
    AUTO(drop_tagger) struct tagger *tagger = NULL, *other = NULL;
    unsigned char a[CHUNK_TAG_SIZE], b[CHUNK_TAG_SIZE];
    struct err err = {0};

    (void)state;
    assert_true(tagger_new((const unsigned char[CHUNK_KEY_SIZE]){1}, &tagger, &err));
    assert_true(tagger_new((const unsigned char[CHUNK_KEY_SIZE]){2}, &other, &err));
    plain_fill(bytes, CHUNK_SIZE, 1);
    assert_true(tagger_tag(tagger, bytes, CHUNK_SIZE, a, &err));
    assert_true(tagger_tag(tagger, bytes, CHUNK_SIZE, b, &err));
    assert_memory_equal(a, b, sizeof(a));
    assert_true(tagger_tag(other, bytes, CHUNK_SIZE, b, &err));
    assert_memory_not_equal(a, b, sizeof(a));
    bytes[CHUNK_SIZE - 1] ^= 1;
    assert_true(tagger_tag(tagger, bytes, CHUNK_SIZE, b, &err));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_true(tagger_tag(tagger, bytes, CHUNK_SIZE - 1, b, &err));
    assert_memory_not_equal(a, b, sizeof(a));
}

/* RFC 8439 section 2.5.2. */
static void the_tag_is_poly1305(void **state)
{
    static const unsigned char key[CHUNK_KEY_SIZE] = {
        0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33, 0x7f, 0x44, 0x52,
        0xfe, 0x42, 0xd5, 0x06, 0xa8, 0x01, 0x03, 0x80, 0x8a, 0xfb, 0x0d,
        0xb2, 0xfd, 0x4a, 0xbf, 0xf6, 0xaf, 0x41, 0x49, 0xf5, 0x1b};
    static const unsigned char expected[CHUNK_TAG_SIZE] = {0xa8, 0x06, 0x1d, 0xc1, 0x30, 0x51,
                                                           0x36, 0xc6, 0xc2, 0x2b, 0x8b, 0xaf,
                                                           0x0c, 0x01, 0x27, 0xa9};
    AUTO(drop_tagger) struct tagger *tagger = NULL;
    unsigned char tag[CHUNK_TAG_SIZE];
    struct err err = {0};

    (void)state;
    assert_true(tagger_new(key, &tagger, &err));
    assert_true(tagger_tag(tagger, "Cryptographic Forum Research Group", 34, tag, &err));
    assert_memory_equal(tag, expected, sizeof(tag));
}

static void digest(uint64_t size, uint64_t index, unsigned char first,
                   unsigned char out[CONTENT_DIGEST])
{
    AUTO(drop_content) struct content *content = NULL;
    const unsigned char tag[CHUNK_TAG_SIZE] = {first};
    struct err err = {0};

    assert_true(content_new(size, &content, &err));
    assert_true(content_add(content, index, tag, &err));
    assert_true(content_end(content, out, &err));
}

static void size_place_and_tag_are_in_the_digest(void **state)
{
    unsigned char a[CONTENT_DIGEST], b[CONTENT_DIGEST];

    (void)state;
    digest(100, 1, 1, a);
    digest(100, 1, 1, b);
    assert_memory_equal(a, b, sizeof(a));
    digest(101, 1, 1, b);
    assert_memory_not_equal(a, b, sizeof(a));
    digest(100, 2, 1, b);
    assert_memory_not_equal(a, b, sizeof(a));
    digest(100, 1, 2, b);
    assert_memory_not_equal(a, b, sizeof(a));
}

static void chunks_out_of_order_are_refused(void **state)
{
    AUTO(drop_content) struct content *content = NULL;
    const unsigned char tag[CHUNK_TAG_SIZE] = {0};
    struct err err = {0};

    (void)state;
    assert_true(content_new(100, &content, &err));
    assert_true(content_add(content, 5, tag, &err));
    assert_false(content_add(content, 5, tag, &err));
    assert_false(content_add(content, 4, tag, &err));
    assert_int_equal(err.kind, ERR_BUG);
    assert_true(content_add(content, 6, tag, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_all_zero_bytes_are_a_zero_chunk),
        cmocka_unit_test(one_bit_or_another_key_changes_the_tag),
        cmocka_unit_test(the_tag_is_poly1305),
        cmocka_unit_test(size_place_and_tag_are_in_the_digest),
        cmocka_unit_test(chunks_out_of_order_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
