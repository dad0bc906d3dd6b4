/* SPDX-License-Identifier: Apache-2.0 */
/* The engines that xts.c chooses from; one file each. */
#ifndef QUOIN_SEAL_XTS_ENGINES_H
#define QUOIN_SEAL_XTS_ENGINES_H

#include "seal/xts.h"

extern const struct xts_engine xts_gcrypt;
extern const struct xts_engine xts_openssl;

#endif
