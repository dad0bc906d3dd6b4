/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals a small secret to this host: the native provider's root key, the agent's private key.
 *
 * With a TPM 2.0 the record is a file that only this TPM opens: a thief of the disk has nothing.
 * Without one it is a file that only root reads: a thief of the disk has the secret. hostseal_look
 * says which, and `check` tells the user.
 *
 * TPM: a sealed object under the storage primary key (persistent 0x81000001 where there is one,
 * else ECC P-256 by TCG's template), whose name is kept in the record and compared at every use;
 * sessions are salted to that key with parameter encryption, so the bus never shows the secret
 * (THREATS T2c); objects are flushed after each use. A PCR policy and a limit in time are optional.
 *
 * The record is JSON, mode 0600, replaced whole or not at all. Without a TPM the secret is a
 * second file beside it, "RECORD.secret".
 */
#ifndef QUOIN_KEY_HOSTSEAL_H
#define QUOIN_KEY_HOSTSEAL_H

#include "base/secret.h"

/* What a TPM seals is at most 128 bytes (MAX_SYM_DATA); what is longer is sealed under a 256-bit
 * key, and that key by the TPM. */
#define HOSTSEAL_MAX_SECRET 16384u

/* The TPM's clock may lose an hour whenever power is lost: so its time cannot be stretched without
 * end by pulling the plug. A host that runs seals such a record again long before. */
#define HOSTSEAL_STARTS 8u

enum tpm_mode {
    TPM_AUTO,     /* a TPM where there is one, else a file of root's */
    TPM_REQUIRED, /* a TPM, else ERR_ABSENT */
    TPM_OFF,      /* always a file */
};

struct hostseal_conf {
    enum tpm_mode tpm;
    const char *tcti; /* tpm2-tss's words; NULL: /etc/quoin/tpm.env's TCTI=…, else /dev/tpmrm0 */
    unsigned pcrs;    /* a bit for each SHA-256 PCR that must not change, which needs a TPM; 0 */
    unsigned seconds; /* a TPM opens it no longer than this, by its own clock, and after no more
                       * than HOSTSEAL_STARTS of its starts; 0: for ever */
};

/* "auto", "required", "off". */
bool tpm_mode_of(const char *name, enum tpm_mode *out, struct err *err);

/* Replaces an older record. `purpose` ("native-root", "agent-tls") is bound to it. `seconds` or
 * `pcrs` without a TPM is ERR_ABSENT: a file keeps neither. */
bool hostseal_seal(const struct hostseal_conf *conf, const char *path, const char *purpose,
                   const struct secret *secret, struct err *err);
/* ERR_ABSENT: no record. ERR_DENIED: another TPM, changed PCRs, past its time, or a changed record.
 * ERR_CLASH: sealed for another purpose, or with less than `conf` requires. ERR_AWAY: the TPM is
 * busy or locked out. */
/* One that is bound to other PCRs than `conf` says is sealed anew once it is open: to those of
 * `conf`, as they are now; where that fails it stays as it is, and the journal says so. */
bool hostseal_open(const struct hostseal_conf *conf, const char *path, const char *purpose,
                   struct secret **out, struct err *err);
/* Overwritten before it goes. Removing what is not there succeeds. */
bool hostseal_remove(const char *path, struct err *err);

/* How a record is sealed, without opening it. */
enum hostseal_by { HOSTSEAL_BY_FILE, HOSTSEAL_BY_TPM };
bool hostseal_look(const char *path, enum hostseal_by *out, struct err *err);
/* What hostseal_seal would use now; changes nothing. ERR_ABSENT: required, but no TPM answers. */
bool hostseal_choose(const struct hostseal_conf *conf, enum hostseal_by *out, struct err *err);
/* "tpm" or "file". */
const char *hostseal_by_name(enum hostseal_by by);

#endif
