/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include <openssl/rand.h>

/* In a header: two blocks behind the JSON of each copy, and what follows the keyslots. */
#define ZEROS (2 * 2 + (HEADER_SIZE - 32768 - MIB) / 4096)

static const struct extent extents[] = {{0, 3 * MIB}, {9 * MIB, 2 * MIB}};

/* A disk poured from an image whose blocks are known. */
struct poured {
    struct disk disk;
    struct blocks *blocks;
};

static void drop_poured(struct poured *poured)
{
    drop_disk(&poured->disk);
    blocks_free(poured->blocks);
}

static void poured_make(struct poured *poured, const char *name)
{
    AUTO(drop_fd) int fd = scratch_image("image", 30 * MIB, extents, COUNT_OF(extents));
    AUTO(drop_source) struct source source;
    struct pour_result result;
    struct err err = {0};

    disk_make(&poured->disk, name, SIZE);
    assert_true(source_file(fd, &source, &err));
    struct pour wanted = disk_pour(&poured->disk, &source, SIZE);

    assert_true(pour(&wanted, &result, &err));
    poured->blocks = blocks_new();
    assert_true(blocks_add_file(poured->blocks, fd, &err));
    assert_int_equal(blocks_count(poured->blocks), 5 * MIB / 4096);
}

static struct proof_result prove(const struct poured *poured)
{
    const struct proof wanted = {
        .uuid = DISK, .raw = disk_raw(&poured->disk), .plain = poured->blocks};
    struct proof_result result;
    struct err err = {0};

    assert_true(proof(&wanted, &result, &err));
    return result;
}

static void sabotage(const struct poured *poured, uint64_t offset, const void *bytes, size_t length)
{
    const struct medium raw = disk_raw(&poured->disk);
    struct err err = {0};

    assert_true(medium_write(&raw, offset, bytes, length, &err));
}

static void a_poured_disk_is_proven(void **state)
{
    AUTO(drop_poured) struct poured poured;

    (void)state;
    poured_make(&poured, "good");
    struct proof_result result = prove(&poured);

    assert_true(result.encrypted);
    assert_string_equal(result.header, "luks2");
    assert_string_equal(result.header_fault, "");
    assert_string_equal(result.cipher, "aes-xts-plain64");
    assert_int_equal(result.key_bits, 512);
    assert_int_equal(result.bytes_examined, 12 * MIB); /* the header and two chunks */
    assert_int_equal(result.zero_blocks, ZEROS);
    assert_int_equal(result.plain_blocks, 0);
    assert_true(result.first_plain == UINT64_MAX);
}

/* Every kind of place: first and last block of chunks, a hole, the header's own space. */
static void one_plain_block_anywhere_is_found_with_its_place(void **state)
{
    const uint64_t places[] = {4 * MIB,        4 * MIB + 4096,
                               8 * MIB - 4096, 12 * MIB,
                               20 * MIB,       HEADER_SIZE + SIZE - 4096,
                               2 * MIB,        4096};
    unsigned char block[4096];

    (void)state;
    plain_fill(block, sizeof(block), 1); /* the image's first block */
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        AUTO(drop_poured) struct poured poured;

        poured_make(&poured, "sabotaged");
        sabotage(&poured, places[i], block, sizeof(block));
        struct proof_result result = prove(&poured);

        assert_false(result.encrypted);
        assert_int_equal(result.plain_blocks, 1);
        assert_int_equal(result.known_blocks, 1);
        assert_int_equal(result.first_plain, places[i]);
    }
}

static void the_first_of_several_is_named(void **state)
{
    AUTO(drop_poured) struct poured poured;
    unsigned char block[4096];

    (void)state;
    poured_make(&poured, "several");
    plain_fill(block, sizeof(block), 1);
    sabotage(&poured, 13 * MIB, block, sizeof(block));
    sabotage(&poured, 6 * MIB, block, sizeof(block));
    sabotage(&poured, 30 * MIB, block, sizeof(block));
    struct proof_result result = prove(&poured);

    assert_int_equal(result.plain_blocks, 3);
    assert_int_equal(result.first_plain, 6 * MIB);
}

/* Not of the image, but nothing that a cipher writes. */
static void uneven_blocks_are_found_without_knowing_them(void **state)
{
    unsigned char blocks[5][4096] = {0};

    (void)state;
    for (size_t i = 0; i < 4096; i++) {
        blocks[0][i] = "GET / HTTP/1.1\r\nHost: example\r\n"[i % 31];
        blocks[1][i] = (unsigned char)(i / 16); /* a ramp: perfectly even */
        blocks[4][i] = 0xff;
    }
    RAND_bytes(blocks[2], 4096);
    memset(blocks[2], 0, 512); /* one sector of zeros in random bytes */
    RAND_bytes(blocks[3], 4096);
    for (size_t i = 0; i < 4096; i++) {
        blocks[3][i] &= 0x7f; /* random, but seven bits: as base64 and the like */
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        AUTO(drop_poured) struct poured poured;

        poured_make(&poured, "uneven");
        sabotage(&poured, 6 * MIB, blocks[i], 4096);
        struct proof_result result = prove(&poured);

        /* The ramp is even: that is the limit of the test, and why known blocks are compared. */
        assert_int_equal(result.plain_blocks, i != 1);
        assert_int_equal(result.known_blocks, 0);
        assert_int_equal(result.encrypted, i == 1);
    }
}

static void zeros_in_written_objects_are_counted_apart(void **state)
{
    AUTO(drop_poured) struct poured poured;
    static const unsigned char zeros[3 * 4096];

    (void)state;
    poured_make(&poured, "zeros");
    sabotage(&poured, 6 * MIB, zeros, sizeof(zeros));
    struct proof_result result = prove(&poured);

    assert_int_equal(result.zero_blocks, ZEROS + 3);
    assert_true(result.encrypted);
}

static void a_wrong_header_is_named(void **state)
{
    AUTO(drop_poured) struct poured poured;
    AUTO(drop_free) unsigned char *header = text_room(1, HEADER_SIZE);
    struct proof_result result;
    struct err err = {0};

    (void)state;
    poured_make(&poured, "headers");
    const struct medium medium = disk_raw(&poured.disk);

    assert_true(medium_read(&medium, 0, header, HEADER_SIZE, &err));
    sabotage(&poured, 7, "\1", 1); /* LUKS1 */
    result = prove(&poured);
    assert_false(result.encrypted);
    assert_string_equal(result.header, "luks1");
    assert_string_equal(result.cipher, "");
    assert_int_equal(result.key_bits, 0);
    assert_non_null(strstr(result.header_fault, "version 2"));
    sabotage(&poured, 7, "\2", 1);
    assert_true(prove(&poured).encrypted);
    memset(header, 0, HEADER_SIZE);
    sabotage(&poured, 0, header, HEADER_SIZE);
    result = prove(&poured);
    assert_false(result.encrypted);
    assert_string_equal(result.header, "none");
}

static void a_disk_never_written_is_not_called_encrypted(void **state)
{
    struct poured poured = {.blocks = NULL};
    struct proof_result result;

    (void)state;
    disk_make(&poured.disk, "empty", SIZE);
    result = prove(&poured);
    drop_poured(&poured);
    assert_false(result.encrypted);
    assert_string_equal(result.header, "none");
    assert_int_equal(result.bytes_examined, 0);
}

static void an_unfinished_pour_is_not_called_encrypted(void **state)
{
    const struct header_plan plan = {DISK, HEADER_UNFINISHED, 1};
    struct poured poured = {.blocks = NULL};
    AUTO(drop_secret) struct secret *dek = NULL;
    AUTO(drop_free) unsigned char *header = NULL;
    struct proof_result result;
    struct err err = {0};

    (void)state;
    disk_make(&poured.disk, "unfinished", SIZE);
    assert_true(header_dek_make(&dek, &err));
    assert_true(header_make(&plan, poured.disk.vm_key, dek, &header, &err));
    sabotage(&poured, 0, header, HEADER_SIZE);
    result = prove(&poured);
    drop_poured(&poured);
    assert_false(result.encrypted);
    assert_non_null(strstr(result.header_fault, "not poured to its end"));
}

static void an_image_in_clear_is_all_found(void **state)
{
    struct poured poured = {.blocks = blocks_new()};
    AUTO(drop_fd) int fd = scratch_image("image", 30 * MIB, extents, COUNT_OF(extents));
    AUTO(drop_free) unsigned char *bytes = text_room(1, 30 * MIB);
    struct proof_result result;
    struct err err = {0};

    (void)state;
    disk_make(&poured.disk, "clear", SIZE);
    assert_true(blocks_add_file(poured.blocks, fd, &err));
    assert_true(file_pread(fd, bytes, 30 * MIB, 0, &err));
    sabotage(&poured, HEADER_SIZE, bytes, 30 * MIB);
    result = prove(&poured);
    drop_poured(&poured);
    assert_false(result.encrypted);
    assert_int_equal(result.known_blocks, 5 * MIB / 4096);
    assert_int_equal(result.plain_blocks, 5 * MIB / 4096);
    assert_int_equal(result.first_plain, HEADER_SIZE);
}

static bool failing_read_at(struct image *image, uint64_t offset, void *bytes, size_t length,
                            image_done *done, void *context, struct err *err)
{
    const struct err late = {.kind = ERR_AWAY, .what = "no disk answers"};

    if (offset >= 8 * MIB) {
        done(context, &late);
        return true;
    }
    return file_image_io.read_at(image, offset, bytes, length, done, context, err);
}

static void what_cannot_be_read_proves_nothing(void **state)
{
    AUTO(drop_poured) struct poured poured;
    struct image_io io = file_image_io;
    struct proof_result result;
    struct err err = {0};

    (void)state;
    poured_make(&poured, "unread");
    io.read_at = failing_read_at;
    const struct proof wanted = {.uuid = DISK, .raw = {&io, poured.disk.image}};

    assert_false(proof(&wanted, &result, &err));
    assert_int_equal(err.kind, ERR_AWAY);
}

/* The bound: of 20,000 blocks of ciphertext none comes near it. */
static void ciphertext_stays_far_below_the_bound(void **state)
{
    unsigned char block[4096];
    double most = 0, sum = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        RAND_bytes(block, sizeof(block));
        double chi_square = proof_chi_square(block);

        most = chi_square > most ? chi_square : most;
        sum += chi_square;
    }
    print_message("chi-square of random blocks: mean %.1f, most %.1f, bound %.0f\n", sum / 20000,
                  most, PROOF_CHI_SQUARE);
    assert_true(sum / 20000 > 250 && sum / 20000 < 260);
    assert_true(most < 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_poured_disk_is_proven),
        cmocka_unit_test(one_plain_block_anywhere_is_found_with_its_place),
        cmocka_unit_test(the_first_of_several_is_named),
        cmocka_unit_test(uneven_blocks_are_found_without_knowing_them),
        cmocka_unit_test(zeros_in_written_objects_are_counted_apart),
        cmocka_unit_test(a_wrong_header_is_named),
        cmocka_unit_test(a_disk_never_written_is_not_called_encrypted),
        cmocka_unit_test(an_unfinished_pour_is_not_called_encrypted),
        cmocka_unit_test(an_image_in_clear_is_all_found),
        cmocka_unit_test(what_cannot_be_read_proves_nothing),
        cmocka_unit_test(ciphertext_stays_far_below_the_bound),
    };

    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
