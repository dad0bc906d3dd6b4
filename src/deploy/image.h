/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager's image as the deployment unit reads it: raw or qcow2, held against its SHA-256. A
 * qcow2 image is unpacked by qemu-img into a nameless temporary file; one that leans on another
 * file (backing or data file) is refused, since that other file is nowhere in the blueprint.
 */
#ifndef QUOIN_DEPLOY_IMAGE_H
#define QUOIN_DEPLOY_IMAGE_H

#include <stdbool.h>

#include "base/base.h"

struct manager_image {
    int fd;             /* raw content */
    const char *sha256; /* what the content must have while it is read; NULL: was checked already */
    uint64_t bytes;     /* its virtual size */
};

/* ERR_CLASH: another SHA-256 than `sha256`. With `check` the whole file is read for it now;
 * without, a raw image is held against it while it is poured. */
bool manager_image_open(const char *path, const char *sha256, bool check, struct manager_image *out,
                        struct err *err);
void manager_image_close(struct manager_image *image);

#endif
