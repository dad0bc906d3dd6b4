/* SPDX-License-Identifier: Apache-2.0 */
#include "../scratch.h"

#include <openssl/sha.h>

#include "base/blocks.h"

static void blocks_are_found_again_and_others_are_not(void **state)
{
    AUTO(drop_free) unsigned char *bytes = text_room(64, BLOCK_BYTES);
    AUTO(drop_blocks) struct blocks *blocks = blocks_new();
    struct err err = {0};

    (void)state;
    plain_fill(bytes, 32 * BLOCK_BYTES, 7); /* the other half stays zeros */
    assert_true(blocks_add(blocks, bytes, 64 * BLOCK_BYTES, &err));
    assert_int_equal(blocks_count(blocks), 32);
    for (size_t i = 0; i < 32; i++) {
        assert_true(blocks_has(blocks, bytes + i * BLOCK_BYTES));
    }
    assert_false(blocks_has(blocks, bytes + 40 * (size_t)BLOCK_BYTES));
    bytes[100] ^= 1;
    assert_false(blocks_has(blocks, bytes));
}

static void equal_blocks_count_once(void **state)
{
    AUTO(drop_free) unsigned char *bytes = text_room(1, BLOCK_BYTES);
    AUTO(drop_blocks) struct blocks *blocks = blocks_new();
    struct err err = {0};

    (void)state;
    plain_fill(bytes, BLOCK_BYTES, 7);
    for (int i = 0; i < 10000; i++) {
        assert_true(blocks_add(blocks, bytes, BLOCK_BYTES, &err));
    }
    assert_int_equal(blocks_count(blocks), 1);
}

static void a_short_last_block_is_filled_up_with_zeros(void **state)
{
    unsigned char block[BLOCK_BYTES] = {0};
    AUTO(drop_blocks) struct blocks *blocks = blocks_new();
    struct err err = {0};

    (void)state;
    plain_fill(block, 100, 7);
    assert_true(blocks_add(blocks, block, 100, &err));
    assert_int_equal(blocks_count(blocks), 1);
    assert_true(blocks_has(blocks, block));
}

static void a_file_gives_the_blocks_of_its_data(void **state)
{
    const struct extent extents[] = {{4096, 8192}, {9u << 20, 4096}, {(20u << 20) - 100, 100}};
    AUTO(drop_fd) int fd = scratch_image("blocks", 20u << 20, extents, COUNT_OF(extents));
    AUTO(drop_blocks) struct blocks *blocks = blocks_new();
    unsigned char block[BLOCK_BYTES];
    struct err err = {0};

    (void)state;
    assert_true(blocks_add_file(blocks, fd, &err));
    assert_int_equal(blocks_count(blocks), 4);
    assert_true(file_pread(fd, block, sizeof(block), 9 << 20, &err));
    assert_true(blocks_has(blocks, block));
    assert_true(file_pread(fd, block, sizeof(block), (20 << 20) - 4096, &err));
    assert_true(blocks_has(blocks, block));
}

static void a_set_travels(void **state)
{
    AUTO(drop_free) unsigned char *plain = text_room(500, BLOCK_BYTES), *bytes = NULL;
    AUTO(drop_blocks) struct blocks *blocks = blocks_new(), *again = NULL, *empty = blocks_new();
    AUTO(drop_free) unsigned char *nothing = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    plain_fill(plain, 500 * (size_t)BLOCK_BYTES, 3);
    assert_true(blocks_add(blocks, plain, 500 * (size_t)BLOCK_BYTES, &err));
    assert_true(blocks_write(blocks, &bytes, &length, &err));
    assert_int_equal(length, 24 + 500 * BLOCK_DIGEST + 32);
    assert_true(blocks_read(bytes, length, &again, &err));
    assert_int_equal(blocks_count(again), 500);
    for (size_t i = 0; i < 500; i++) {
        assert_true(blocks_has(again, plain + i * BLOCK_BYTES));
    }
    blocks_free(TAKE(again));
    assert_true(blocks_write(empty, &nothing, &length, &err));
    assert_true(blocks_read(nothing, length, &again, &err));
    assert_int_equal(blocks_count(again), 0);
    assert_false(blocks_has(again, plain));
}

static void a_set_changed_anywhere_or_cut_is_refused(void **state)
{
    AUTO(drop_free) unsigned char *plain = text_room(5, BLOCK_BYTES), *bytes = NULL;
    AUTO(drop_blocks) struct blocks *blocks = blocks_new(), *again = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    plain_fill(plain, 5 * BLOCK_BYTES, 3);
    assert_true(blocks_add(blocks, plain, 5 * BLOCK_BYTES, &err));
    assert_true(blocks_write(blocks, &bytes, &length, &err));
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 0x40;
        assert_false(blocks_read(bytes, length, &again, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        bytes[i] ^= 0x40;
        assert_false(blocks_read(bytes, i, &again, &err));
    }
    assert_true(blocks_read(bytes, length, &again, &err));
}

/* With a right sum: order is what is wrong. */
static void a_set_out_of_order_is_refused(void **state)
{
    unsigned char bytes[24 + 2 * BLOCK_DIGEST + 32] = "QUOINBLK\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\2";
    const size_t body = sizeof(bytes) - 32;
    AUTO(drop_blocks) struct blocks *blocks = NULL;
    struct err err = {0};

    (void)state;
    bytes[24] = 1; /* the second digest is all zeros */
    SHA256(bytes, body, bytes + body);
    assert_false(blocks_read(bytes, sizeof(bytes), &blocks, &err));
    assert_non_null(strstr(err.what, "order"));
    bytes[24] = 0; /* now the same twice */
    SHA256(bytes, body, bytes + body);
    assert_false(blocks_read(bytes, sizeof(bytes), &blocks, &err));
    bytes[24 + BLOCK_DIGEST] = 1;
    SHA256(bytes, body, bytes + body);
    assert_true(blocks_read(bytes, sizeof(bytes), &blocks, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_found_again_and_others_are_not),
        cmocka_unit_test(equal_blocks_count_once),
        cmocka_unit_test(a_short_last_block_is_filled_up_with_zeros),
        cmocka_unit_test(a_file_gives_the_blocks_of_its_data),
        cmocka_unit_test(a_set_travels),
        cmocka_unit_test(a_set_changed_anywhere_or_cut_is_refused),
        cmocka_unit_test(a_set_out_of_order_is_refused),
    };

    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
