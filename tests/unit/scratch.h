/* SPDX-License-Identifier: Apache-2.0 */
/* A folder for one test program, gone when it ends; and images with known content in it. */
#ifndef QUOIN_TESTS_SCRATCH_H
#define QUOIN_TESTS_SCRATCH_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

static char scratch_folder[64];

static inline int scratch_begin(void **state)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    (void)state;
    snprintf(scratch_folder, sizeof(scratch_folder), "%s/quoin-test-XXXXXX", base);
    return mkdtemp(scratch_folder) ? 0 : -1;
}

static inline int scratch_end(void **state)
{
    struct err err = {0};

    (void)state;
    return file_remove_tree(scratch_folder, &err) ? 0 : -1;
}

/* The caller frees. */
static inline char *scratch_path(const char *name)
{
    return text_make("%s/%s", scratch_folder, name);
}

/* Uneven bytes as an operating system's image has them, that differ from block to block. */
static inline void plain_fill(unsigned char *bytes, size_t length, uint64_t seed)
{
    for (size_t i = 0; i < length; i++) {
        seed = i % 4096 == 0 ? seed * 6364136223846793005u + 1442695040888963407u : seed;
        bytes[i] = "the quick brown fox jumps over a lazy dog\n"[(i + seed) % 42];
        bytes[i] ^= (unsigned char)(i % 4096 < 8 ? seed >> (8 * (i % 8)) : 0);
    }
}

/* A sparse file of `size` bytes, with plain data in the named extents. */
struct extent {
    uint64_t offset, length;
};
static inline int scratch_image(const char *name, uint64_t size, const struct extent *extents,
                                size_t count)
{
    AUTO(drop_free) char *path = scratch_path(name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct err err = {0};

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    for (size_t i = 0; i < count; i++) {
        AUTO(drop_free) unsigned char *bytes = text_room(1, extents[i].length);

        plain_fill(bytes, extents[i].length, extents[i].offset + 1);
        assert_true(file_pwrite(fd, bytes, extents[i].length, (off_t)extents[i].offset, &err));
    }
    return fd;
}

#endif
