/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in a plain file and a pour into it. The comparison reads through a view whose data key
 * comes from the header in the file, opened by libcryptsetup with the passphrase that the pour
 * hands out, as librbd does it.
 */
#ifndef QUOIN_TESTS_SEAL_DISK_H
#define QUOIN_TESTS_SEAL_DISK_H

#include "../scratch.h"

#include <libcryptsetup.h>

#include "base/secret_open.h"
#include "seal/seal.h"

#define DISK "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b44"
#define MIB  ((uint64_t)1 << 20)

struct disk {
    char *path;
    struct image *image;
    struct secret *vm_key;
    struct header_plan plan;
    bool opened; /* the reader, at least once */
};

static inline struct medium disk_raw(const struct disk *disk)
{
    return (struct medium){&file_image_io, disk->image};
}

static inline void disk_make(struct disk *disk, const char *name, uint64_t size)
{
    struct err err = {0};

    *disk = (struct disk){.path = scratch_path(name),
                          .plan = {.uuid = DISK, .envelope = "{\"a\":\"b\"}", .generation = 1}};
    assert_true(secret_random(32, &disk->vm_key, &err));
    assert_true(file_remove(disk->path, &err));
    assert_true(file_image_open(disk->path, HEADER_SIZE + size, &disk->image, &err));
}

static inline void drop_disk(struct disk *disk)
{
    file_image_close(disk->image);
    secret_free(disk->vm_key);
    free(disk->path);
}

/* By the keyslot in the file. */
static inline bool disk_key(const struct disk *disk, const struct secret *passphrase,
                            struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    struct crypt_device *device = NULL;
    size_t size = HEADER_DEK_SIZE;

    if (!secret_new(size, &key, err)) {
        return false;
    }
    bool ok =
        crypt_init(&device, disk->path) == 0 && crypt_load(device, CRYPT_LUKS2, NULL) == 0 &&
        crypt_volume_key_get(device, 0, (char *)secret_bytes(key), &size,
                             (const char *)secret_look(passphrase), secret_size(passphrase)) >= 0;

    crypt_free(device);
    if (!ok) {
        return err_set(err, ERR_DENIED, "the passphrase does not open '%s'", disk->path);
    }
    *out = TAKE(key);
    return true;
}

static inline bool disk_reader_open(void *context, const struct secret *passphrase,
                                    struct medium *out, struct err *err)
{
    struct disk *disk = context;
    AUTO(drop_secret) struct secret *key = NULL;
    struct medium raw = disk_raw(disk);

    if (!disk_key(disk, passphrase, &key, err) ||
        !file_image_decrypted(&raw, key, &out->image, err)) {
        return false;
    }
    disk->opened = true;
    out->io = &file_image_io;
    return true;
}

static inline void disk_reader_close(void *context, struct medium *reader)
{
    (void)context;
    file_image_close(reader->image);
}

static inline struct pour disk_pour(struct disk *disk, struct source *source, uint64_t size)
{
    return (struct pour){.source = source,
                         .disk_size = size,
                         .plan = &disk->plan,
                         .vm_key = disk->vm_key,
                         .raw = disk_raw(disk),
                         .skip_zero = true,
                         .reader_open = disk_reader_open,
                         .reader_close = disk_reader_close,
                         .context = disk};
}

/* Does what lies there open with the VM key? */
static inline bool disk_opens(const struct disk *disk)
{
    AUTO(drop_free) unsigned char *header = text_room(1, HEADER_SIZE);
    const struct header_want want = {DISK, 1};
    const struct medium raw = disk_raw(disk);
    struct err err = {0};

    assert_true(medium_read(&raw, 0, header, HEADER_SIZE, &err));
    return header_open(header, HEADER_SIZE, &want, disk->vm_key, NULL, &err);
}

/* All of the disk, decrypted by the key in its header; the caller frees. */
static inline unsigned char *disk_plain(struct disk *disk, uint64_t size)
{
    AUTO(drop_secret) struct secret *passphrase = NULL;
    unsigned char *plain = text_room(1, size);
    struct medium reader = {0};
    struct err err = {0};

    assert_true(header_passphrase(disk->vm_key, DISK, &passphrase, &err));
    assert_true(disk_reader_open(disk, passphrase, &reader, &err));
    assert_true(medium_read(&reader, 0, plain, size, &err));
    disk_reader_close(disk, &reader);
    return plain;
}

/* ---- an image to pour into a disk of SIZE bytes ---- */

#define IMAGE (26 * MIB + 512)
#define SIZE  (40 * MIB)

/* Chunks 0, 2 and 6 have data, 1 and 3 … 5 are holes; 6 is the image's last, in part. */
static const struct extent image_extents[] = {{0, 100000}, {9 * MIB, MIB}, {26 * MIB, 512}};

static inline int image_make(const char *name)
{
    return scratch_image(name, IMAGE, image_extents, COUNT_OF(image_extents));
}

static inline void assert_same_content(struct disk *disk, int image)
{
    AUTO(drop_free) unsigned char *expected = text_room(1, SIZE), *plain = disk_plain(disk, SIZE);
    struct err err = {0};

    assert_true(file_pread(image, expected, IMAGE, 0, &err));
    assert_memory_equal(plain, expected, SIZE);
}

#endif
