/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Encryption (RFC 7516) in flattened JSON, as far as quoin needs it: a random content key
 * wrapped by a 256-bit key with AES key wrap, the content under AES-256-GCM with the protected
 * header as associated data. Nothing else is read: no shared header, no recipients, no compression,
 * no other cipher. What the header means beyond that is the caller's.
 */
#ifndef QUOIN_KEY_JWE_H
#define QUOIN_KEY_JWE_H

#include "base/json.h"
#include "base/secret.h"

/* Of a wrapping key, and of the content key. */
#define JWE_KEY_SIZE 32u
/* Characters of the protected header in base64url: ours have at most some 1,100. */
#define JWE_MAX_HEADER 3072u

struct jwe {
    json_t *header;         /* the protected header, read; proven once jwe_open succeeded */
    char *aad;              /* the same as it came */
    unsigned char *wrapped; /* content key */
    unsigned char *box;     /* as base/aead.h */
    size_t box_size;
};

/* How the content key is wrapped, as the header says it: by a key that both sides have, or by one
 * that was agreed on for this message alone (key/ecdh.h). The rest is the same. */
#define JWE_ALG "A256KW"
bool jwe_seal_as(const char *alg, const json_t *header, const struct secret *kek,
                 const struct secret *content, json_t **out, struct err *err);
/* ERR_INPUT besides: wrapped in another way than `alg`. */
bool jwe_read_as(const char *alg, const json_t *json, size_t max, struct jwe **out,
                 struct err *err);

/* These are JWE_ALG's. "alg" and "enc" are added to `header` here. The JSON is a new reference. */
bool jwe_seal(const json_t *header, const struct secret *kek, const struct secret *content,
              json_t **out, struct err *err);
/* ERR_INPUT: not exactly the five members of the right shape, or a content above `max` bytes. */
bool jwe_read(const json_t *json, size_t max, struct jwe **out, struct err *err);
/* ERR_DENIED: another key, or a byte was changed. */
bool jwe_open(const struct jwe *jwe, const struct secret *kek, struct secret **out,
              struct err *err);
void jwe_free(struct jwe *jwe);
DROP(jwe, struct jwe *, jwe_free);

#endif
