/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a secret. Only the files listed in tests/house may include this; each copies nothing
 * out of locked memory, except into the one place that needs the bytes.
 */
#ifndef QUOIN_BASE_SECRET_OPEN_H
#define QUOIN_BASE_SECRET_OPEN_H

#include "base/secret.h"

unsigned char *secret_bytes(struct secret *secret);
const unsigned char *secret_look(const struct secret *secret);
/* Forget the bytes after the first `size`; for a buffer that was made larger than what came. */
void secret_cut(struct secret *secret, size_t size);

#endif
