/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chest: named secrets under one seal. The home of a VM is one: what must be there to start it
 * besides its disks, such as vTPM state, firmware variables and configuration. At rest it is one
 * object; numbers are big endian:
 *
 *   "QUOINHOM"  version u32 = 1  about's length u32  about  box
 *
 * `about` is JSON in clear, {"vm":uuid,"generation":n,"jwe":{…envelope…},"recovery":{…envelope…}}:
 * a host that reaches the provider needs nothing else to open it; nor does who holds the recovery
 * key, where the cluster has one. `box` is AES-256-GCM (base/aead.h) under HKDF(VM key, "home")
 * with everything before it as associated data, so a chest cannot be given to another VM, nor its
 * generation be changed. In the box lies the archive: count u32, then for each entry, in ascending
 * order of names: name's length u8, name, length u32, bytes. The archive is only ever in locked
 * memory.
 */
#ifndef QUOIN_SEAL_CHEST_H
#define QUOIN_SEAL_CHEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "base/uuid.h"

/* [a-z0-9][a-z0-9._-]*, at most so many bytes: never a path. */
#define CHEST_MAX_NAME 64u
/* vTPM state, firmware variables, the domain, an identity: with room. */
#define CHEST_MAX_ENTRIES 32u
/* The archive is one secret. OVMF's variables are 528 KiB, vTPM state is 100 KiB and more. */
#define CHEST_MAX_ARCHIVE SECRET_MAX
#define CHEST_MAX_ABOUT   9216u
/* As in headers; there are two at most. */
#define CHEST_MAX_ENVELOPE 4096u
/* The whole object. */
#define CHEST_MAX_OBJECT (CHEST_MAX_ARCHIVE + CHEST_MAX_ABOUT + 64u)

struct chest;
struct chest *chest_new(void);
/* Takes `*bytes`, in place of an entry of that name if there is one. ERR_INPUT: a bad name, too
 * many entries, or no more room; then nothing was taken. */
bool chest_put(struct chest *chest, const char *name, struct secret **bytes, struct err *err);
/* Borrowed, or NULL. */
const struct secret *chest_get(const struct chest *chest, const char *name);
/* Removing what is not there is fine. */
void chest_remove(struct chest *chest, const char *name);
size_t chest_count(const struct chest *chest);
/* The name of entry 0 … chest_count - 1, in ascending order; borrowed. */
const char *chest_name(const struct chest *chest, size_t index);
void chest_free(struct chest *chest);
DROP(chest, struct chest *, chest_free);

struct chest_about {
    char vm[UUID_SIZE];
    int64_t generation; /* 1 … 2^53: each sealing of a VM's home has a later one */
    char *envelope;     /* JSON text */
    char *recovery;     /* the same for the recovery key, or NULL */
};
void chest_about_clear(struct chest_about *about);
__attribute__((unused)) static inline void drop_chest_about(struct chest_about *about)
{
    chest_about_clear(about);
}

/* The caller frees. */
bool chest_seal(const struct chest *chest, const struct chest_about *about,
                const struct secret *vm_key, unsigned char **out, size_t *out_length,
                struct err *err);
/* What is said in clear, strictly read; not yet proven. ERR_INPUT: no chest. The caller clears.
 * `*out_clear` (or NULL): how many bytes come before the box. */
bool chest_look(const unsigned char *bytes, size_t length, struct chest_about *out,
                size_t *out_clear, struct err *err);
/* `vm` is whose it must be, `generation` the least it must have. ERR_DENIED: another key, or a byte
 * was changed; ERR_CLASH: another VM's, or older than known. */
bool chest_open(const unsigned char *bytes, size_t length, const char *vm, int64_t generation,
                const struct secret *vm_key, struct chest **out, struct err *err);

#endif
