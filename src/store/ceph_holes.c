/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof that zeros may be skipped (DESIGN, "Holes under encryption are a trap"): an object that
 * does not exist reads as zeros through librbd's encryption, but a hole inside one that exists
 * reads as noise when the read is small, unless rbd_sparse_read_threshold_bytes is 1. Asked here
 * with reads of every size, before and after a 4 KiB write, under the settings of this host.
 */
#include <fcntl.h>
#include <libcryptsetup.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/secret_open.h"
#include "store/ceph_image.h"

#define DISK    (3 * STORE_OBJECT)
#define BLOCK   4096u
#define SECTOR  4096u
#define DEK     64u
#define LENGTHS 6u
#define STRIDE  (64u << 10)

DROP(crypt, struct crypt_device *, crypt_free);

static const size_t lengths[LENGTHS] = {4096, 8192, 32768, 65536, 1 << 20, STORE_OBJECT};
/* Into the middle of one object, and to the end of another, so that a hole lies before it. */
static const uint64_t writes[] = {STORE_OBJECT + (1 << 20) + BLOCK, 3 * STORE_OBJECT - BLOCK};

static bool format(int fd, const struct secret *passphrase, struct err *err)
{
    AUTO(drop_free) char *path = text_make("/proc/self/fd/%d", fd);
    AUTO(drop_crypt) struct crypt_device *device = NULL;
    struct crypt_pbkdf_type pbkdf = {.type = CRYPT_KDF_PBKDF2,
                                     .hash = "sha256",
                                     .iterations = 1000,
                                     .flags = CRYPT_PBKDF_NO_BENCHMARK};
    struct crypt_params_luks2 params = {.sector_size = SECTOR, .pbkdf = &pbkdf};
    int r = crypt_init(&device, path);

    if (r == 0) {
        crypt_metadata_locking(device, 0);
        r = crypt_set_data_offset(device, STORE_HEADER / 512);
    }
    if (r == 0) {
        r = crypt_format(device, CRYPT_LUKS2, "aes", "xts-plain64", NULL, NULL, DEK, &params);
    }
    r = r < 0 ? r
              : crypt_keyslot_add_by_volume_key(device, 0, NULL, DEK,
                                                (const char *)secret_look(passphrase),
                                                secret_size(passphrase));
    return r >= 0 || ceph_errno(err, r, "make a LUKS2 header");
}

/* A header for a disk that nobody will ever use, made in memory. */
static bool write_header(const struct medium *raw, uint64_t size, const struct secret *passphrase,
                         struct err *err)
{
    AUTO(drop_fd) int fd = memfd_create("quoin-holes", MFD_CLOEXEC);
    AUTO(drop_free) char *header = text_room(1, STORE_HEADER);

    if (fd < 0 || ftruncate(fd, (off_t)(STORE_HEADER + size)) != 0) {
        return err_set(err, ERR_SYSTEM, "no memory for a LUKS2 header");
    }
    return format(fd, passphrase, err) && file_pread(fd, header, STORE_HEADER, 0, err) &&
           medium_write(raw, 0, header, STORE_HEADER, err) && raw->io->flush(raw->image, err);
}

bool ceph_scratch_disk(struct store *store, const char *name, uint64_t size,
                       const struct secret *passphrase, struct image **out, struct err *err)
{
    AUTO(drop_image) struct image *raw = NULL;

    return ceph_images.create(store, name, STORE_HEADER + size, err) &&
           ceph_images.open(store, name, NULL, true, &raw, err) &&
           write_header(&(struct medium){&ceph_io, raw}, size, passphrase, err) &&
           ceph_images.open(store, name, passphrase, true, out, err);
}

static bool is_written(uint64_t offset)
{
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        if (writes[i] == offset) {
            return true;
        }
    }
    return false;
}

/* Every byte as a guest expects it: what was written, and zeros. */
static bool looks_right(const unsigned char *bytes, size_t length, uint64_t offset, bool written)
{
    for (size_t at = 0; at < length; at += BLOCK) {
        unsigned char expect = written && is_written(offset + at) ? 0xa5 : 0;

        if (bytes[at] != expect || memcmp(bytes + at, bytes + at + 1, BLOCK - 1) != 0) {
            return false;
        }
    }
    return true;
}

/* Reads of `length` bytes at every `stride` from `begin` to `end`. */
static bool read_range(const struct medium *disk, uint64_t begin, uint64_t end, size_t length,
                       uint64_t stride, bool written, bool *hold, struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = text_room(1, STORE_OBJECT);

    for (uint64_t at = begin; *hold && at + length <= end; at += stride) {
        if (!medium_read(disk, at, bytes, length, err)) {
            return false;
        }
        *hold = looks_right(bytes, length, at, written);
    }
    return true;
}

/* Everywhere with every size, though small ones not at every place; around the writes at each. */
static bool read_all(const struct medium *disk, bool written, bool *hold, struct err *err)
{
    for (size_t i = 0; i < LENGTHS; i++) {
        uint64_t stride = lengths[i] < STRIDE ? STRIDE : lengths[i];

        if (!read_range(disk, 0, DISK, lengths[i], stride, written, hold, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        uint64_t end = writes[i] + STRIDE < DISK ? writes[i] + STRIDE : DISK;

        if (!read_range(disk, writes[i] - STRIDE, end, BLOCK, BLOCK, written, hold, err)) {
            return false;
        }
    }
    return true;
}

static bool try_holes(const struct medium *disk, bool *out_hold, struct err *err)
{
    unsigned char block[BLOCK];
    bool hold = true;

    memset(block, 0xa5, sizeof(block));
    if (!read_all(disk, false, &hold, err)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        if (!medium_write(disk, writes[i], block, BLOCK, err)) {
            return false;
        }
    }
    if (!disk->io->flush(disk->image, err) || !read_all(disk, true, &hold, err)) {
        return false;
    }
    *out_hold = hold;
    return true;
}

bool ceph_holes(struct store *store, bool *out_hold, struct err *err)
{
    AUTO(drop_secret) struct secret *random = NULL, *passphrase = NULL;
    char name[UUID_SIZE + 16], uuid[UUID_SIZE];
    struct image *disk = NULL;
    struct err ignored = {0};

    uuid_make(uuid);
    (void)snprintf(name, sizeof(name), "quoin-holes-%s", uuid);
    if (!secret_random(32, &random, err) || !secret_to_hex(random, &passphrase, err)) {
        return false;
    }
    bool tried = ceph_scratch_disk(store, name, DISK, passphrase, &disk, err) &&
                 try_holes(&(struct medium){&ceph_io, disk}, out_hold, err);

    ceph_images.close(disk);
    if (!tried) {
        (void)ceph_images.remove(store, name, NULL, &ignored);
        return err_add(err, "prove that holes read as zeros");
    }
    return ceph_images.remove(store, name, NULL, err);
}
