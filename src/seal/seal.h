/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal: what makes a disk ciphertext, and shows that it is. The LUKS2 header and what must hold
 * before it is trusted, the XTS engine, the pour, the proof, and the VM's home. Uses base alone;
 * where bytes lie is behind base/image.h.
 */
#ifndef QUOIN_SEAL_SEAL_H
#define QUOIN_SEAL_SEAL_H

#include "seal/chest.h"
#include "seal/file_image.h"
#include "seal/header.h"
#include "seal/pour.h"
#include "seal/proof.h"
#include "seal/source.h"
#include "seal/source_sealed.h"
#include "seal/xts.h"

#endif
