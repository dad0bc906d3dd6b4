/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named files in one secret: "QFILES1\n", then for each file "NAME LENGTH\n" and LENGTH bytes.
 * Pure. What is read has been sealed by us, and is read as strictly as if it had not.
 */
#ifndef QUOIN_HV_PACK_H
#define QUOIN_HV_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/secret.h"

struct pack_file {
    const char *name;           /* lower-case letters */
    const unsigned char *bytes; /* NULL: not there */
    size_t length;
};

/* Those of `files` that are there, in their order. ERR_INPUT: more than SECRET_MAX. */
bool pack_make(const struct pack_file *files, size_t count, struct secret **out, struct err *err);
/* Finds the files whose names are set; `bytes` then point into `packed`. ERR_INPUT: another
 * format, a file of another name or twice, a length that does not fit; then nothing is set. */
bool pack_read(const struct secret *packed, struct pack_file *files, size_t count, struct err *err);

#endif
