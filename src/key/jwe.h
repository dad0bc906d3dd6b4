/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Encryption (RFC 7516) in flattened JSON, as far as quoin needs it: a random content key
 * wrapped by a 256-bit KEK, with AES key wrap (A256KW) or AES-GCM (A256GCMKW; RFC 7518 sections 4.4
 * and 4.7), the content under AES-256-GCM with the protected header as associated data. The KEK may
 * be at hand, or at a key server that only wraps and unwraps with it. Nothing else is read: no
 * shared header, no recipients, no compression, no other cipher. What the header means beyond that
 * is the caller's.
 */
#ifndef QUOIN_KEY_JWE_H
#define QUOIN_KEY_JWE_H

#include "base/aead.h"
#include "base/aeskw.h"
#include "base/json.h"
#include "base/secret.h"

/* Of a wrapping key, and of the content key. */
#define JWE_KEY_SIZE 32u
/* Characters of the protected header in base64url: ours have at most some 1,100. */
#define JWE_MAX_HEADER 3072u

/* How the content key is wrapped. */
enum jwe_alg { JWE_A256KW, JWE_A256GCMKW };

/* A content key, wrapped. */
struct jwe_wrapped {
    enum jwe_alg alg;
    unsigned char bytes[JWE_KEY_SIZE + AESKW_EXTRA];
    size_t size; /* JWE_KEY_SIZE + AESKW_EXTRA under A256KW, JWE_KEY_SIZE under A256GCMKW */
    unsigned char iv[AEAD_IV_SIZE], tag[AEAD_TAG_SIZE]; /* of A256GCMKW */
};

/* Who wraps and unwraps content keys: a KEK that may be elsewhere. Errors are passed on. */
struct jwe_kek {
    void *self;
    bool (*wrap)(void *self, const struct secret *content_key, struct jwe_wrapped *out,
                 struct err *err);
    bool (*unwrap)(void *self, const struct jwe_wrapped *wrapped, struct secret **out,
                   struct err *err);
};

struct jwe {
    json_t *header; /* the protected header, read; proven once jwe_open succeeded */
    char *aad;      /* the same as it came */
    struct jwe_wrapped key;
    unsigned char *box; /* as base/aead.h */
    size_t box_size;
};

/* "A256KW", "A256GCMKW". */
const char *jwe_alg_name(enum jwe_alg alg);
/* A KEK at hand: unwraps both, wraps with A256KW. ERR_INPUT unless it has JWE_KEY_SIZE bytes;
 * ERR_DENIED: another KEK, or what is wrapped was changed. Borrows the secret. */
struct jwe_kek jwe_kek_of(const struct secret *kek);
/* As jwe_seal and jwe_open below, by such a KEK. */
bool jwe_seal_by(const json_t *header, const struct jwe_kek *kek, const struct secret *content,
                 json_t **out, struct err *err);
bool jwe_open_by(const struct jwe *jwe, const struct jwe_kek *kek, struct secret **out,
                 struct err *err);

/* How the content key is wrapped, as the header says it: by a key that both sides have, or by one
 * that was agreed on for this message alone (key/ecdh.h). The rest is the same. */
#define JWE_ALG "A256KW"
bool jwe_seal_as(const char *alg, const json_t *header, const struct secret *kek,
                 const struct secret *content, json_t **out, struct err *err);
/* ERR_INPUT besides: wrapped in another way than `alg`. */
bool jwe_read_as(const char *alg, const json_t *json, size_t max, struct jwe **out,
                 struct err *err);
/* Wrapped by A256KW or by A256GCMKW; the latter has `iv` and `tag` in its header too. */
bool jwe_read_either(const json_t *json, size_t max, struct jwe **out, struct err *err);

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
