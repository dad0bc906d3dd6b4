/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open image: bytes that can be read and written at any offset, many requests at once. The same
 * contract serves the raw image (header and ciphertext, as it lies on the disks) and the decrypted
 * disk in it; a backend of the datastore implements it, and so does a plain file
 * (seal/file_image.h).
 */
#ifndef QUOIN_BASE_IMAGE_H
#define QUOIN_BASE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct image;

/* Called once, from any thread; `err` is NULL on success. Must not block long. */
typedef void image_done(void *context, const struct err *err);

struct image_io {
    /* Begins a write and returns; `bytes` stay untouched until `done`. Many at once are wanted;
     * the caller bounds them. False: not begun, `done` is not called. */
    bool (*write_at)(struct image *image, uint64_t offset, const void *bytes, size_t length,
                     image_done *done, void *context, struct err *err);
    /* Likewise. Places never written read as zeros. */
    bool (*read_at)(struct image *image, uint64_t offset, void *bytes, size_t length,
                    image_done *done, void *context, struct err *err);
    /* All writes whose `done` was called are on stable storage. */
    bool (*flush)(struct image *image, struct err *err);
    /* Calls `each` for every allocated range, in order, with whole objects; false from it ends the
     * walk with its `err`. */
    bool (*extents)(struct image *image,
                    bool (*each)(void *context, uint64_t offset, uint64_t length, struct err *err),
                    void *context, struct err *err);
    /* The exclusive lock: one writer in the cluster. A lock whose holder died is taken over, and
     * the dead holder fenced by the blocklist first. ERR_CLASH: a living client holds it. */
    bool (*lock)(struct image *image, struct err *err);
    bool (*unlock)(struct image *image, struct err *err);
    /* Bytes that can be read: of the disk when decrypted, of the image when raw. */
    bool (*size)(struct image *image, uint64_t *out, struct err *err);
};

/* An image together with how to use it; borrowed by whoever is given it. */
struct medium {
    const struct image_io *io;
    struct image *image;
};

/* Wait for it. */
bool medium_read(const struct medium *medium, uint64_t offset, void *bytes, size_t length,
                 struct err *err);
bool medium_write(const struct medium *medium, uint64_t offset, const void *bytes, size_t length,
                  struct err *err);

#endif
