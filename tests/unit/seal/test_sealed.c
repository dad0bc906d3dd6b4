/* SPDX-License-Identifier: Apache-2.0 */
/* seal/source_sealed.h: what lies sealed in an image, as a source of chunks. */
#include "disk.h"

#define CHUNKS 4u

static struct secret *dek_new(void)
{
    struct secret *dek = NULL;
    struct err err = {0};

    assert_true(header_dek_make(&dek, &err));
    return dek;
}

/* One sector of the disk, sealed as a guest's write is. */
static void write_sector(const struct medium *raw, const struct secret *dek, uint64_t offset,
                         int value)
{
    AUTO(drop_xts) struct xts *xts = NULL;
    unsigned char sector[XTS_SECTOR];
    struct err err = {0};

    memset(sector, value, sizeof(sector));
    assert_true(xts_new(NULL, dek, &xts, &err));
    assert_true(xts_encrypt(xts, offset, sector, sizeof(sector), &err));
    assert_true(medium_write(raw, HEADER_SIZE + offset, sector, sizeof(sector), &err));
}

static void what_was_never_written_is_zeros(void **state)
{
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_secret) struct secret *dek = dek_new();
    AUTO(drop_source) struct source source = {0};
    AUTO(drop_free) unsigned char *chunk = text_room(1, CHUNK_SIZE);
    const uint64_t at = 2 * (uint64_t)CHUNK_SIZE + 5 * XTS_SECTOR;
    uint64_t index = 0;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "holes", CHUNKS * (uint64_t)CHUNK_SIZE);
    struct medium raw = disk_raw(&disk);

    write_sector(&raw, dek, at, 7);
    assert_true(source_sealed(&raw, dek, 0, &source, &err));
    assert_int_equal(source.size, CHUNKS * (uint64_t)CHUNK_SIZE);
    assert_true(source.next(source.self, chunk, &index, &length, &err));
    assert_int_equal(index, 2);
    assert_int_equal(length, CHUNK_SIZE);
    for (size_t i = 0; i < CHUNK_SIZE; i++) {
        bool written = i / XTS_SECTOR == 5;

        assert_int_equal(chunk[i], written ? 7 : 0);
    }
    assert_true(source.next(source.self, chunk, &index, &length, &err));
    assert_int_equal(length, 0);
}

static void what_was_sealed_comes_out_again(void **state)
{
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_secret) struct secret *dek = dek_new();
    AUTO(drop_source) struct source source = {0};
    AUTO(drop_free) unsigned char *chunk = text_room(1, CHUNK_SIZE);
    uint64_t index = 0, bytes = 0, size = CHUNKS * (uint64_t)CHUNK_SIZE - 3 * XTS_SECTOR;
    size_t length = 1, seen = 0;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "sealed", size);
    struct medium raw = disk_raw(&disk);

    for (uint64_t at = 0; at < size; at += XTS_SECTOR) {
        write_sector(&raw, dek, at, (int)(at / XTS_SECTOR % 250) + 1);
    }
    assert_true(source_sealed_bytes(&raw, &bytes, &err));
    assert_int_equal(bytes, size);
    assert_true(source_sealed(&raw, dek, 0, &source, &err));
    while (length > 0) {
        assert_true(source.next(source.self, chunk, &index, &length, &err));
        for (size_t i = 0; i < length; i += XTS_SECTOR) {
            assert_int_equal(chunk[i], (index * CHUNK_SIZE + i) / XTS_SECTOR % 250 + 1);
        }
        seen += length;
    }
    assert_int_equal(seen, size);
}

static void a_limit_is_kept(void **state)
{
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_secret) struct secret *dek = dek_new();
    AUTO(drop_source) struct source source = {0};
    AUTO(drop_free) unsigned char *chunk = text_room(1, CHUNK_SIZE);
    uint64_t index = 0;
    size_t length = 1;
    struct err err = {0};

    (void)state;
    disk_make(&disk, "limit", CHUNKS * (uint64_t)CHUNK_SIZE);
    struct medium raw = disk_raw(&disk);

    for (uint64_t i = 0; i < CHUNKS; i++) {
        write_sector(&raw, dek, i * CHUNK_SIZE, 1);
    }
    int64_t began = clock_ms();

    assert_true(source_sealed(&raw, dek, 4 * (uint64_t)CHUNK_SIZE, &source, &err));
    while (length > 0) {
        assert_true(source.next(source.self, chunk, &index, &length, &err));
    }
    /* The first comes at once, each further one a quarter of a second later. */
    assert_true(clock_ms() - began >= 700);
}

static void an_image_without_a_payload_is_refused(void **state)
{
    AUTO(drop_disk) struct disk disk;
    AUTO(drop_secret) struct secret *dek = dek_new();
    struct source source = {0};
    struct err err = {0};

    (void)state;
    disk_make(&disk, "short", 0);
    struct medium raw = disk_raw(&disk);

    assert_false(source_sealed(&raw, dek, 0, &source, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_written_is_zeros),
        cmocka_unit_test(what_was_sealed_comes_out_again),
        cmocka_unit_test(a_limit_is_kept),
        cmocka_unit_test(an_image_without_a_payload_is_refused),
    };

    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
