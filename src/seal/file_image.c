/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/file_image.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/chunk.h"
#include "base/file.h"
#include "base/text.h"
#include "seal/header.h"
#include "seal/xts.h"

/* So many threads decrypt side by side. */
#define LANES 4u

struct lane {
    pthread_mutex_t lock;
    struct xts *xts;
};

/* Either a file, or the decrypted view of another image. */
struct image {
    int fd;
    struct medium raw;
    bool decrypted;
    atomic_uint turn;
    struct lane lanes[LANES];
};

static uint64_t file_size(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static bool image_size(struct image *image, uint64_t *out, struct err *err)
{
    if (image->decrypted) {
        if (!image->raw.io->size(image->raw.image, out, err)) {
            return false;
        }
        *out -= HEADER_SIZE;
        return true;
    }
    *out = file_size(image->fd);
    return true;
}

static bool image_write_at(struct image *image, uint64_t offset, const void *bytes, size_t length,
                           image_done *done, void *context, struct err *err)
{
    if (image->decrypted) {
        return err_set(err, ERR_INPUT, "the decrypted view of an image is read only");
    }
    if (!file_pwrite(image->fd, bytes, length, (off_t)offset, err)) {
        return false;
    }
    done(context, NULL);
    return true;
}

/* A sector that is all zeros was never written. */
static bool decrypt(struct image *image, uint64_t offset, unsigned char *bytes, size_t length,
                    struct err *err)
{
    struct lane *lane = &image->lanes[atomic_fetch_add(&image->turn, 1) % LANES];
    bool ok = true;

    pthread_mutex_lock(&lane->lock);
    for (size_t at = 0; ok && at < length; at += XTS_SECTOR) {
        ok = chunk_is_zero(bytes + at, XTS_SECTOR) ||
             xts_decrypt(lane->xts, offset + at, bytes + at, XTS_SECTOR, err);
    }
    pthread_mutex_unlock(&lane->lock);
    return ok;
}

static bool read_decrypted(struct image *image, uint64_t offset, unsigned char *bytes,
                           size_t length, struct err *err)
{
    return medium_read(&image->raw, HEADER_SIZE + offset, bytes, length, err) &&
           decrypt(image, offset, bytes, length, err);
}

static bool image_read_at(struct image *image, uint64_t offset, void *bytes, size_t length,
                          image_done *done, void *context, struct err *err)
{
    if (!(image->decrypted ? read_decrypted(image, offset, bytes, length, err)
                           : file_pread(image->fd, bytes, length, (off_t)offset, err))) {
        return false;
    }
    done(context, NULL);
    return true;
}

static bool image_flush(struct image *image, struct err *err)
{
    if (!image->decrypted && fdatasync(image->fd) != 0) {
        return err_errno(err, errno, "make an image lasting");
    }
    return true;
}

typedef bool extent_each(void *context, uint64_t offset, uint64_t length, struct err *err);

/* Whole chunks that hold any data, one call for each run. */
static bool image_extents(struct image *image, extent_each *each, void *context, struct err *err)
{
    uint64_t size = file_size(image->fd), at = 0;

    while (at < size) {
        off_t data = lseek(image->fd, (off_t)at, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(image->fd, data, SEEK_HOLE);

        if (data < 0 && errno == ENXIO) {
            return true;
        }
        if (hole < 0) {
            return err_errno(err, errno, "ask for the holes of an image");
        }
        uint64_t from = (uint64_t)data / CHUNK_SIZE * CHUNK_SIZE;
        uint64_t to = ((uint64_t)hole + CHUNK_SIZE - 1) / CHUNK_SIZE * CHUNK_SIZE;

        from = from < at ? at : from;
        to = to > size ? size : to;
        if (!each(context, from, to - from, err)) {
            return false;
        }
        at = to;
    }
    return true;
}

static bool image_lock(struct image *image, struct err *err)
{
    if (flock(image->fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? err_set(err, ERR_CLASH, "the image is locked")
                                    : err_errno(err, errno, "lock the image");
    }
    return true;
}

static bool image_unlock(struct image *image, struct err *err)
{
    return flock(image->fd, LOCK_UN) == 0 || err_errno(err, errno, "unlock the image");
}

const struct image_io file_image_io = {
    .write_at = image_write_at,
    .read_at = image_read_at,
    .flush = image_flush,
    .extents = image_extents,
    .lock = image_lock,
    .unlock = image_unlock,
    .size = image_size,
};

bool file_image_open(const char *path, uint64_t size, struct image **out, struct err *err)
{
    int flags = size ? O_RDWR | O_CREAT : O_RDWR;
    AUTO(drop_fd) int fd = open(path, flags | O_CLOEXEC, 0600);

    if (fd < 0 || (size && ftruncate(fd, (off_t)size) != 0)) {
        return err_errno(err, errno, "open '%s'", path);
    }
    struct image *image = text_room(1, sizeof(*image));

    image->fd = TAKE_FD(fd);
    *out = image;
    return true;
}

bool file_image_decrypted(const struct medium *raw, const struct secret *dek, struct image **out,
                          struct err *err)
{
    AUTO(drop_file_image) struct image *image = text_room(1, sizeof(*image));

    image->fd = -1;
    image->raw = *raw;
    image->decrypted = true;
    for (size_t i = 0; i < LANES; i++) {
        pthread_mutex_init(&image->lanes[i].lock, NULL);
        if (!xts_new(NULL, dek, &image->lanes[i].xts, err)) {
            return false;
        }
    }
    *out = TAKE(image);
    return true;
}

void file_image_close(struct image *image)
{
    if (image) {
        drop_fd(&image->fd);
        for (size_t i = 0; i < LANES; i++) {
            xts_free(image->lanes[i].xts);
        }
        free(image);
    }
}
