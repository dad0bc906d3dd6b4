/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof: what lies in the raw storage is ciphertext. It reads the raw image, never through a
 * decryption: the header must be ours (header_look), and every allocated 4 KiB block behind it is
 *
 * * held against the set of the plain image's blocks (base/blocks.h): one that is in it is plain;
 * * tested for being ciphertext, by the chi-square of its 256 byte counts: plain text, tables and
 *   programs are far from even. The bound is PROOF_CHI_SQUARE, below;
 * * or all zeros. AES-XTS gives an all-zero block with a chance of 2^-32768, so the encryption did
 *   not write it: it is a part of an object that was never written (a hole), or was discarded. It
 *   says nothing of the content and is counted apart, as `zero_blocks`.
 *
 * A plain block that is neither in the image nor uneven (compressed, say) cannot be told from
 * ciphertext by anyone who has no key; against those stands the way the disk is written.
 */
#ifndef QUOIN_SEAL_PROOF_H
#define QUOIN_SEAL_PROOF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blocks.h"
#include "base/image.h"
#include "base/progress.h"
#include "base/uuid.h"

/* Chi-square with 255 degrees of freedom over 4096 bytes: ciphertext has 255 on average, with a
 * deviation of 22.6. Beyond 640 lies less than 1e-30 of it (Wilson and Hilferty), so in one TiB
 * (2^28 blocks) a false alarm has a chance below 1e-21; English text has more than 30,000. */
#define PROOF_CHI_SQUARE 640.0

struct proof {
    const char *uuid;        /* of the disk */
    struct medium raw;       /* the raw image */
    struct blocks *plain;    /* the known plain image, or NULL (a disk without one) */
    unsigned threads;        /* 0: one for each CPU */
    const atomic_bool *stop; /* becomes true: end with ERR_AWAY; or NULL */
    const struct progress *progress;
};

struct proof_result {
    bool encrypted;          /* the header is right, no block is plain, something was examined */
    char header[8];          /* "luks2", "luks1", "none", "other" */
    char header_fault[256];  /* why it is not ours, or "" */
    char cipher[24];         /* "aes-xts-plain64", or "" */
    unsigned key_bits;       /* 512, or 0 */
    uint64_t bytes_examined; /* all that is allocated, header included */
    uint64_t zero_blocks;    /* of the allocated ones: never written, see above */
    uint64_t plain_blocks;   /* known ones and uneven ones */
    uint64_t known_blocks;   /* of these, found in the plain image */
    uint64_t first_plain;    /* raw offset of the first of them; UINT64_MAX: none */
};

/* Succeeds when everything could be read, whatever was found: the result says it. */
bool proof(const struct proof *proof, struct proof_result *out, struct err *err);

/* The same for a small object that must be a sealed chest of VM `vm` (a VM's home): its form, and
 * that what follows the part in clear is even. False when it is not; `err` says why. */
bool proof_chest(const unsigned char *bytes, size_t length, const char *vm, struct err *err);
/* Chi-square of the byte counts of one block. */
double proof_chi_square(const unsigned char block[BLOCK_BYTES]);

#endif
