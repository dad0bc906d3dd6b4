/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDH-ES with a 256-bit key wrap (RFC 7518 section 4.6, "ECDH-ES+A256KW") on P-256: a wrapping key
 * that the holder of one private key can find again, and nobody else, whoever carries the message.
 * The sender's key is made for one message and forgotten.
 */
#ifndef QUOIN_KEY_ECDH_H
#define QUOIN_KEY_ECDH_H

#include "base/json.h"
#include "base/secret.h"
#include "base/span.h"

#define ECDH_ALG "ECDH-ES+A256KW"
/* Characters of each party's name. */
#define ECDH_MAX_PARTY 255u

/* Both are part of the derivation ("apu" and "apv"): neither can be exchanged. */
struct ecdh_parties {
    const char *from, *to;
};

/* For the public key in `pem`: a certificate, or a public key (SubjectPublicKeyInfo). `*out_epk` is
 * the JWK for the message's header, a new reference. ERR_INPUT: no key on P-256. */
bool ecdh_make(const char *pem, const struct ecdh_parties *parties, json_t **out_epk,
               struct secret **out_kek, struct err *err);
/* The same key again. ERR_INPUT: `epk` is no point on P-256, or has other members than a JWK's
 * four. */
bool ecdh_find(const struct secret *private_key, const json_t *epk,
               const struct ecdh_parties *parties, struct secret **out_kek, struct err *err);

/* The Concat KDF of the section with SHA-256, one algorithm's name and two parties' bytes in it. */
bool ecdh_derive(const struct secret *shared, const char *algorithm, struct span from,
                 struct span to, size_t size, struct secret **out, struct err *err);

#endif
