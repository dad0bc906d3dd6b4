/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recovery key: a key pair of the cluster's on P-256. Every VM key, and the CA's, is wrapped
 * once more for its public half, so a host never needs the private half to wrap; the private half
 * opens them all when the key provider is gone for good, and the user alone holds it, in a file
 * under a password (protect.h, kind "recovery"): a JWK (ecjwk.h) that `jose jwe dec -k` takes.
 *
 * What every host must know of it is the notice, signed by the cluster's CA (jws.h), so nobody who
 * writes to the datastore puts his own key in its place:
 *
 *   {"quoin":{"recovery":1},"cluster":uuid,"serial":n,"id":…,"key":PEM,"made":RFC 3339,
 *    "fetched":RFC 3339 or null,"ca":{the CA's private key, enveloped for it}}
 *
 * Each change of it has a greater serial; who has seen one takes no older one.
 */
#ifndef QUOIN_KEY_RECOVERY_H
#define QUOIN_KEY_RECOVERY_H

#include "key/envelope.h"

/* Provider's name and type in an envelope for the recovery key. */
#define RECOVERY_PROVIDER "recovery"
/* "recovery:", a thumbprint (ecjwk.h), and a NUL. */
#define RECOVERY_ID_SIZE (9 + 43 + 1)
/* RFC 3339 with seconds and "Z", and a NUL. */
#define RECOVERY_TIME_SIZE 21
/* The signed notice as text. */
#define RECOVERY_MAX_TEXT 24576u

struct recovery {
    char cluster[UUID_SIZE];
    int64_t serial; /* 1 and up */
    char id[RECOVERY_ID_SIZE];
    char *public_key;                 /* PEM */
    char made[RECOVERY_TIME_SIZE];    /* UTC */
    char fetched[RECOVERY_TIME_SIZE]; /* empty: its private half is with no user yet */
    struct envelope *ca;              /* of purpose "ca" */
};

/* A fresh private half, and its id. */
bool recovery_key_make(struct secret **out_private, char out_id[RECOVERY_ID_SIZE], struct err *err);
bool recovery_id(const char *public_key, char out[RECOVERY_ID_SIZE], struct err *err);

/* `notice`'s public half, serial, times and CA envelope are given; its id is set here. */
bool recovery_write(const struct recovery *notice, const struct secret *ca_key, char **out_text,
                    struct err *err);
/* ERR_DENIED: not signed by the CA. ERR_CLASH: another cluster's (NULL: any), or of a serial below
 * `serial`.
 * The caller frees. */
bool recovery_read(const char *text, size_t length, const char *ca, const char *cluster,
                   int64_t serial, struct recovery **out, struct err *err);
void recovery_free(struct recovery *notice);
DROP(recovery, struct recovery *, recovery_free);

/* `about` names cluster, VM, purpose and generation. */
bool recovery_wrap(const struct recovery *notice, const struct envelope_about *about,
                   const struct secret *secret, struct envelope **out, struct err *err);
/* By the private half. ERR_CLASH: the envelope is for another recovery key; both are named. */
bool recovery_unwrap(const struct secret *private_key, const struct envelope *envelope,
                     const struct envelope_about *expected, struct secret **out, struct err *err);

/* An envelope for it is made for a public key, so anybody could make one, around a VM key of his
 * own. So it carries what the cluster's CA says of it, as a member more that other readers of a JWE
 * pass over:
 *
 *   {…the JWE…, "signed": JWS (jws.h) of {"quoin":{"envelope":1},"sha256":envelope_digest}}
 *
 * JSON text that the caller frees. */
bool recovery_sign(const struct envelope *envelope, const struct secret *ca_key, char **out_text,
                   struct err *err);
/* The envelope in such a text. `ca`: the CA's certificate, PEM; NULL: whoever signed it, if
 * anybody. ERR_DENIED: not signed by the CA, or another envelope. */
bool recovery_envelope(const char *text, const char *ca, struct envelope **out, struct err *err);

/* The private half in a file, and back. */
bool recovery_file_make(const struct secret *private_key, const char *cluster,
                        const struct secret *password, char **out_text, struct err *err);
/* Is it such a file, as far as its header says? */
bool recovery_file_is(const char *text, size_t length);
/* ERR_DENIED: wrong password or changed file; ERR_CLASH: another cluster's. */
bool recovery_file_open(const char *text, size_t length, const char *cluster,
                        const struct secret *password, struct secret **out_private,
                        char out_id[RECOVERY_ID_SIZE], struct err *err);

#endif
