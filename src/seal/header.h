/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LUKS2 header of one disk: the first 4 MiB of its image. Written by libcryptsetup in memory,
 * with our data key (DEK), one keyslot whose passphrase is derived from the VM key, and a token:
 *
 *   {"type":"quoin","keyslots":["0"],"jwe":{…envelope…},"recovery":{…envelope…},"generation":n,
 *    "check":16 hex,"mac":64 hex}
 *
 * "jwe" wraps the VM key under the provider's KEK, "recovery" the same key for the recovery key
 * that only the user holds; the latter is missing where the cluster has none.
 *
 * Nothing in it is secret. LUKS2 metadata has checksums but no authentication, so a header is used
 * in two steps. header_look holds its bytes against the one shape that we write, before any library
 * parses it and before any key is derived: both copies there and equal, one crypt segment at 4 MiB,
 * aes-xts-plain64, 512 bits, sector 4096, no requirements, one PBKDF2 keyslot of bounded cost, our
 * token. header_open then unlocks it and verifies the token's MAC (HMAC-SHA256 under HKDF(VM key,
 * "header")) over the disk's UUID and the canonical JSON of all metadata with an empty "mac", and
 * that the generation is not older than known: the MAC covers the digest, so a header around
 * another's key is refused, and so is yesterday's. THREATS T4, T8.
 *
 * The keyslot's passphrase is 64 hexadecimal digits of HKDF(VM key, "disk/" + UUID); 256 random
 * bits need no stretching, so PBKDF2 runs the 1,000 iterations that LUKS2 asks for at least.
 */
#ifndef QUOIN_SEAL_HEADER_H
#define QUOIN_SEAL_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "base/uuid.h"

/* Payload offset: the size of a datastore's objects, so that payload and header share none. */
#define HEADER_SIZE (4u << 20)
/* The volume key: two AES-256 keys. */
#define HEADER_DEK_SIZE 64u
/* An envelope as text. There are two at most, and header JSON has 12 KiB in all. */
#define HEADER_MAX_ENVELOPE 4096u
#define HEADER_ITERATIONS   1000u
/* Instead of an envelope: the header of a pour that did not come to its end. No key that is kept
 * opens it; the disk is to be poured again. */
#define HEADER_UNFINISHED "{}"

/* What a header shall say. */
struct header_plan {
    const char *uuid;     /* of the disk: the LUKS UUID */
    const char *envelope; /* the wrapped VM key, JSON text */
    int64_t generation;   /* 1 and up, at most 2^53 */
    const char *recovery; /* the same for the recovery key; NULL: none */
};

/* What a header must be. */
struct header_want {
    const char *uuid;
    int64_t generation; /* this or a later one */
};

/* What it says. Before header_open has succeeded this is only said, not proven. */
struct header_facts {
    char uuid[UUID_SIZE];
    int64_t generation;
    char *envelope;  /* JSON text */
    char *recovery;  /* the same, or NULL */
    bool unfinished; /* see HEADER_UNFINISHED */
    char cipher[24];
    unsigned key_bits, sector_size, iterations;
};
void header_facts_clear(struct header_facts *facts);
__attribute__((unused)) static inline void drop_header_facts(struct header_facts *facts)
{
    header_facts_clear(facts);
}

/* Two AES-256 keys that differ. */
bool header_dek_make(struct secret **out, struct err *err);
/* What opens the keyslot, for librbd and libvirt: 64 hexadecimal digits. */
bool header_passphrase(const struct secret *vm_key, const char *uuid, struct secret **out,
                       struct err *err);

/* HEADER_SIZE bytes that the caller frees; checked by header_look and header_open before they are
 * given out. ERR_INPUT: a DEK of another size, a bad UUID, an envelope too long or no JSON. */
bool header_make(const struct header_plan *plan, const struct secret *vm_key,
                 const struct secret *dek, unsigned char **out, struct err *err);
/* The policy, on the bytes: `length` is what was read, at least HEADER_SIZE. ERR_ABSENT: no LUKS
 * header at all; ERR_CLASH: one that is not ours; `want` is the UUID. The caller clears `out`. */
bool header_look(const unsigned char *bytes, size_t length, const char *uuid,
                 struct header_facts *out, struct err *err);
/* The policy, the key, the MAC, the generation. `out_dek` may be NULL. ERR_DENIED: this VM key is
 * another one's, the header is whole; ERR_CLASH: damaged, not ours, or older than wanted. */
bool header_open(const unsigned char *bytes, size_t length, const struct header_want *want,
                 const struct secret *vm_key, struct secret **out_dek, struct err *err);
/* Shallow rekey: other envelopes around the same VM key, a later generation, a new MAC; keyslot
 * and payload stay. A plan without "recovery" takes that envelope away. Opens the old header first;
 * the caller frees HEADER_SIZE bytes. */
bool header_rewrap(const unsigned char *bytes, size_t length, const struct header_want *want,
                   const struct secret *vm_key, const struct header_plan *plan, unsigned char **out,
                   struct err *err);

#endif
