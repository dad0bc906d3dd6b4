/* SPDX-License-Identifier: Apache-2.0 */
#include "file_system.h"

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "cluster.h"
#include "store/ceph.h"

#define FILE_SYSTEM (32ull << 20)

struct secret *passphrase_make(void)
{
    AUTO(drop_secret) struct secret *random = NULL;
    struct secret *hex = NULL;
    struct err err = {0};

    MUST(secret_random(32, &random, &err));
    MUST(secret_to_hex(random, &hex, &err));
    return hex;
}

static bool is_zero(const char *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* An ext4 whose inode table fills whole objects with zeros that it trusts. */
static char *make_file_system(const char *path)
{
    char *bytes = NULL;
    struct err err = {0};

    MUST(run_ok(&(struct run){.argv = RUN("mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "1024", "-N",
                                          "8192", "-E", "lazy_itable_init=0,nodiscard", "-O",
                                          "^uninit_bg,^metadata_csum,^has_journal", path, "32M")},
                NULL, &err));
    MUST(file_read(path, FILE_SYSTEM, &bytes, NULL, &err));
    return bytes;
}

/* The pour: objects of zeros are skipped. Then a guest rewrites one block in each of these. */
static unsigned pour_and_touch(const struct medium *disk, const char *bytes)
{
    unsigned skipped = 0;
    struct err err = {0};

    for (uint64_t at = 0; at < FILE_SYSTEM; at += STORE_OBJECT) {
        if (!is_zero(bytes + at, STORE_OBJECT)) {
            MUST(medium_write(disk, at, bytes + at, STORE_OBJECT, &err));
        }
    }
    for (uint64_t at = 0; at < FILE_SYSTEM; at += STORE_OBJECT) {
        if (is_zero(bytes + at, STORE_OBJECT)) {
            MUST(medium_write(disk, at + (3 << 20), bytes + at + (3 << 20), 4096, &err));
            skipped++;
        }
    }
    MUST(disk->io->flush(disk->image, &err));
    return skipped;
}

/* As a guest reads: 4 KiB at a time. Then e2fsck looks, and repairs nothing. */
static bool is_sound(const struct medium *disk, const char *path)
{
    AUTO(drop_free) char *bytes = text_room(1, FILE_SYSTEM);
    AUTO(drop_run_result) struct run_result result = {0};
    struct err err = {0};

    for (uint64_t at = 0; at < FILE_SYSTEM; at += 4096) {
        MUST(medium_read(disk, at, bytes + at, 4096, &err));
    }
    MUST(file_write(path, bytes, FILE_SYSTEM, 0600, &err));
    MUST(run_program(&(struct run){.argv = RUN("e2fsck", "-fn", path)}, &result, &err));
    return result.status == 0;
}

bool file_system_survives(struct store *with, const char *folder)
{
    AUTO(drop_secret) struct secret *passphrase = passphrase_make();
    AUTO(drop_free) char *path = text_make("%s/file-system", folder);
    AUTO(drop_free) char *bytes = make_file_system(path);
    struct image *image = NULL;
    struct err err = {0};

    MUST(ceph_scratch_disk(with, "fs", FILE_SYSTEM, passphrase, &image, &err));
    const struct medium disk = {stores[0]->io, image};
    uint64_t size = 0;

    MUST(stores[0]->io->size(image, &size, &err));
    assert_int_equal(size, FILE_SYSTEM);
    assert_true(pour_and_touch(&disk, bytes) >= 2);
    bool sound = is_sound(&disk, path);

    stores[0]->images->close(image);
    MUST(stores[0]->images->remove(with, "fs", NULL, &err));
    return sound;
}
