/* SPDX-License-Identifier: Apache-2.0 */
/* An image in a plain file, raw: for tests, benches and looking at an exported image. Writes are
 * done when write_at returns; the lock is flock(2). */
#ifndef QUOIN_SEAL_FILE_IMAGE_H
#define QUOIN_SEAL_FILE_IMAGE_H

#include "base/auto.h"
#include "base/image.h"
#include "base/secret.h"

extern const struct image_io file_image_io;

/* Makes the file when `size` is not 0 (sparse, 0600; cut to that size), else opens it as it is. */
bool file_image_open(const char *path, uint64_t size, struct image **out, struct err *err);
/* The decrypted view of another image: offset 0 is the first payload byte. Reading only; `raw` is
 * borrowed and stays open. Holes (whole 4 MiB zero chunks) read as zeros, as through librbd. */
bool file_image_decrypted(const struct medium *raw, const struct secret *dek, struct image **out,
                          struct err *err);
void file_image_close(struct image *image);
DROP(file_image, struct image *, file_image_close);

#endif
