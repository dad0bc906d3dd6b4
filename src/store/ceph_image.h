/* SPDX-License-Identifier: Apache-2.0 */
/* An open image of the Ceph backend; among its files only. */
#ifndef QUOIN_STORE_CEPH_IMAGE_H
#define QUOIN_STORE_CEPH_IMAGE_H

#include <rbd/librbd.h>

#include "store/ceph.h"

struct image {
    rbd_image_t rbd;
    char *name;
    bool decrypted;
};

DROP(image, struct image *, ceph_images.close);

#endif
