/* SPDX-License-Identifier: Apache-2.0 */
/* The manager's disk image: what it is, how large the disk in it is, and its digest. */
#ifndef QUOIN_BLUEPRINT_IMAGE_H
#define QUOIN_BLUEPRINT_IMAGE_H

#include <stdint.h>

#include "base/err.h"

enum image_format { IMAGE_RAW, IMAGE_QCOW2 };

/* A file that begins with qcow2's magic is qcow2, any other is raw. ERR_INPUT: a qcow2 that leans
 * on another file, is encrypted, or says nonsense of itself. */
bool image_look(const char *path, enum image_format *out_format, uint64_t *out_bytes,
                struct err *err);

#endif
