/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES Key Wrap (RFC 3394, NIST SP 800-38F "KW"): a key wrapped by a key. Deterministic: the same
 * key under the same KEK gives the same bytes. It binds nothing else; where a context matters, use
 * an envelope.
 */
#ifndef QUOIN_BASE_AESKW_H
#define QUOIN_BASE_AESKW_H

#include "base/secret.h"
#include "base/span.h"

/* How much larger the wrapped key is. */
#define AESKW_EXTRA 8u
/* The largest key wrapped: 4096 bytes, far above any of ours. */
#define AESKW_MAX_KEY 4096u

/* `kek` is 16, 24 or 32 bytes; `key` a multiple of 8, 16 … AESKW_MAX_KEY; else ERR_INPUT. The
 * caller frees. */
bool aeskw_wrap(const struct secret *kek, const struct secret *key, unsigned char **out,
                size_t *out_size, struct err *err);
/* ERR_DENIED: another KEK, or the wrapped key was changed. ERR_INPUT: no wrapped key has this size.
 */
bool aeskw_unwrap(const struct secret *kek, struct span wrapped, struct secret **out,
                  struct err *err);

#endif
