/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An envelope: a secret (a VM key, a CA's private key) wrapped by a KEK. It is a JWE (RFC 7516) in
 * flattened JSON, alg A256KW (RFC 3394) or, where the KEK stays at a key server that wraps with
 * AES-GCM, A256GCMKW (its `iv` and `tag` are in the header too); enc A256GCM:
 *
 *   {"protected": base64url of {"alg":"A256KW","enc":"A256GCM","kid":KEK id,"quoin":{
 *        "provider":{"name":…,"type":…},"cluster":uuid,"vm":uuid,"purpose":…,"generation":n,
 *        "check":…}},
 *    "encrypted_key":…, "iv":…, "ciphertext":…, "tag":…}
 *
 * The protected header is the AEAD's associated data, so cluster, VM, purpose and generation are
 * bound to the secret: an envelope cannot be changed, nor be used in another's place. The plaintext
 * is the secret's bytes as they are, so
 *
 *   jose jwe dec -i envelope.json -k kek.jwk
 *
 * writes them. docs/recovery.md goes on from there. An envelope holds no secret in clear and may be
 * stored anywhere.
 *
 * The same for the recovery key, which only the user holds: alg ECDH-ES+A256KW (RFC 7518 section
 * 4.6), with "epk" in the header, provider {"name":"recovery","type":"recovery"}, and as kid the
 * recovery key's id. Any host seals it, by the public half; the private half alone opens it.
 */
#ifndef QUOIN_KEY_ENVELOPE_H
#define QUOIN_KEY_ENVELOPE_H

#include <stdint.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "key/jwe.h"

/* As text. Several must fit in the 12 KiB of a LUKS2 header's JSON. */
#define ENVELOPE_MAX_TEXT 4096u
/* A private key of an elliptic curve in PEM fits; a VM key is 32 bytes. */
#define ENVELOPE_MAX_SECRET 1024u
/* "native:uuid:uuid" has 80; a KMIP server may give its keys longer names. */
#define ENVELOPE_MAX_KEK_ID 255u
/* As in a blueprint. */
#define ENVELOPE_MAX_NAME    63u
#define ENVELOPE_MAX_PURPOSE 31u
/* So that every JSON reader keeps it exactly (RFC 8259 section 6). */
#define ENVELOPE_MAX_GENERATION ((int64_t)1 << 53)

/* 16 hexadecimal digits and a NUL: 64 bits of HKDF(secret, "quoin key check"). They tell one key
 * from another and tell nothing else of it. */
#define KEY_CHECK_SIZE 17

/* What an envelope is bound to. Strings are borrowed from whoever made it. */
struct envelope_about {
    const char *provider; /* its name in the blueprint */
    const char *type;     /* "native", "kmip" */
    const char *kek_id;
    const char *cluster; /* UUIDs */
    const char *vm;      /* of the VM, or of whatever else the secret belongs to */
    const char *purpose; /* "vm", "ca", …: [a-z0-9-]{1,31} */
    int64_t generation;  /* 1 and up; a rekey adds one */
    const char *check;   /* set by envelope_read and envelope_seal; ignored as an input */
};

struct envelope;

/* Any 256-bit `kek`; a secret of 1 … ENVELOPE_MAX_SECRET bytes. Sealing twice gives two different
 * envelopes. ERR_INPUT: `about` has a shape that no envelope may have. */
bool envelope_seal(const struct secret *kek, const struct envelope_about *about,
                   const struct secret *secret, struct envelope **out, struct err *err);
/* For whoever holds the private half of `public_key`, PEM (key/ecdh.h). `about` as above. */
bool envelope_seal_to(const char *public_key, const struct envelope_about *about,
                      const struct secret *secret, struct envelope **out, struct err *err);
/* Strict: any other member, algorithm, type or length is ERR_INPUT. What it says is not yet
 * proven: only envelope_open does that. */
bool envelope_read(const char *text, size_t length, struct envelope **out, struct err *err);
/* The same from JSON that is already read (a LUKS2 token's member). */
bool envelope_of_json(const json_t *json, struct envelope **out, struct err *err);
/* `expected` names cluster, VM, purpose and generation that the envelope must be bound to (and
 * provider, type, KEK id where not NULL; generation 0: any, for a caller that has no record of it).
 * ERR_CLASH: it is bound to something else; both are named. ERR_DENIED: another KEK, or a byte of
 * the envelope was changed. */
bool envelope_open(const struct secret *kek, const struct envelope *envelope,
                   const struct envelope_about *expected, struct secret **out, struct err *err);

/* The same by a private key, PEM (key/ecdh.h). ERR_DENIED: another key, or a byte was changed.
 * ERR_INPUT: it is under a KEK. */
bool envelope_open_by(const struct secret *private_key, const struct envelope *envelope,
                      const struct envelope_about *expected, struct secret **out, struct err *err);

/* envelope_seal and envelope_open by a KEK that may be elsewhere (jwe.h); its errors are passed
 * on. */
bool envelope_seal_at(const struct jwe_kek *kek, const struct envelope_about *about,
                      const struct secret *secret, struct envelope **out, struct err *err);
bool envelope_open_at(const struct jwe_kek *kek, const struct envelope *envelope,
                      const struct envelope_about *expected, struct secret **out, struct err *err);
/* How its content key is wrapped. */
enum jwe_alg envelope_alg(const struct envelope *envelope);

/* Borrowed from the envelope. */
const struct envelope_about *envelope_about(const struct envelope *envelope);
/* One line, no newline. */
const char *envelope_text(const struct envelope *envelope);
/* A new reference. */
json_t *envelope_json(const struct envelope *envelope);
/* SHA-256 of it as canonical JSON, in base64url: names this envelope and no other, whoever wrote it
 * down. The caller frees. */
bool envelope_digest(const struct envelope *envelope, char **out, struct err *err);
void envelope_free(struct envelope *envelope);
DROP(envelope, struct envelope *, envelope_free);

/* Tells a wrong key from a damaged disk, before anything is written. */
bool key_check_make(const struct secret *secret, char out[KEY_CHECK_SIZE], struct err *err);
/* ERR_CLASH: this is another key than the one that `check` was made of. */
bool key_check(const struct secret *secret, const char *check, struct err *err);

#endif
