/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TPM 2.0, as far as sealing a key to this host goes; through tpm2-tss ESYS. The parent is the
 * storage primary key: persistent 0x81000001 where it is a storage key, else ECC P-256 by TCG's SRK
 * template. Every session is salted to the parent, whose name was kept when sealing, and encrypts
 * the parameter that carries the key: who listens on the bus learns nothing, and who answers with
 * another parent is refused before any session starts. Objects are flushed after each use.
 *
 * tpm2-tss keeps its messages in ordinary memory for the time of a call.
 */
#ifndef QUOIN_KEY_TPM_H
#define QUOIN_KEY_TPM_H

#include <stdint.h>

#include "base/secret.h"
#include "base/span.h"

/* MAX_SYM_DATA of the PC client profile. */
#define TPM_MAX_SECRET 128u
/* A TPM2B_PUBLIC or TPM2B_PRIVATE as it goes over the wire; of a sealed key, some 200 bytes. */
#define TPM_MAX_BLOB 1024u
/* PCRs 0 … 23 of the SHA-256 bank. */
#define TPM_PCRS 24
/* "000b" and a SHA-256 in hexadecimal, and a NUL. */
#define TPM_NAME_SIZE 69

struct tpm;

/* What the TPM asks for before it opens; all zero: nothing. */
struct tpm_policy {
    unsigned pcrs; /* bit n: PCR n of the SHA-256 bank, 0 … 23, is as it was when sealed */
    uint64_t
        until; /* its clock (tpm_now) is not past this; 0: any time, and `resets` counts nothing */
    uint32_t resets; /* nor was it started more often than this */
};

struct tpm_time {
    /* Milliseconds. It goes on while the TPM has power, over restarts too, and nobody sets it back
     * without clearing the TPM; but it is kept now and then only: a sudden loss of power may take
     * an hour of it (TPM 2.0 part 1, "Timing Components"), each time. So count the starts too. */
    uint64_t clock;
    uint32_t resets; /* how often it was started since it was cleared */
};

struct tpm_sealed {
    uint32_t parent_handle; /* 0: made by the template each time */
    char parent_name[TPM_NAME_SIZE];
    struct tpm_policy policy;
    size_t public_size;
    size_t private_size;
    unsigned char public_part[TPM_MAX_BLOB];
    unsigned char private_part[TPM_MAX_BLOB];
};

/* `tcti` in tpm2-tss's words: "device:/dev/tpmrm0", "swtpm:path=…". ERR_AWAY: does not answer. */
bool tpm_open(const char *tcti, struct tpm **out, struct err *err);
void tpm_close(struct tpm *tpm);
DROP(tpm, struct tpm *, tpm_close);

bool tpm_now(struct tpm *tpm, struct tpm_time *out, struct err *err);
/* 1 … TPM_MAX_SECRET bytes. */
bool tpm_seal(struct tpm *tpm, const struct tpm_policy *policy, const struct secret *secret,
              struct tpm_sealed *out, struct err *err);
/* ERR_DENIED: another TPM (or one that was cleared), other PCRs, past its time, or a changed blob.
 * ERR_AWAY: the TPM is busy, or locked out. */
bool tpm_unseal(struct tpm *tpm, const struct tpm_sealed *sealed, struct secret **out,
                struct err *err);

#endif
