/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The home of a VM: what must be there to start it besides its disks, such as vTPM state, firmware
 * variables and configuration. At rest it is one object:
 *
 *   "QUOINHOM"  version u32 = 1  about's length u32  about  box
 *
 * `about` is JSON in clear, {"vm":uuid,"generation":n,"jwe":{…envelope…}}: a host that reaches the
 * provider needs nothing else to open it. `box` is AES-256-GCM (base/aead.h) under HKDF(VM key,
 * "home"), everything before it bound as associated data, so a home cannot be given to another VM.
 * In the box lies the archive: count u32, then name's length u8, name, length u32, bytes. Numbers
 * are big endian. The archive is only ever in locked memory.
 */
#ifndef QUOIN_SEAL_HOME_H
#define QUOIN_SEAL_HOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "base/uuid.h"

/* [a-z0-9][a-z0-9._-]*, at most so many bytes: never a path. */
#define HOME_MAX_NAME 64u
/* vTPM state, firmware variables, the domain, the three secrets of an identity: with room. */
#define HOME_MAX_ENTRIES 32u
/* OVMF's variables are 528 KiB, vTPM state is 100 KiB and more. */
#define HOME_MAX_ENTRY (1024u * 1024u)
#define HOME_MAX_TOTAL (4u * 1024u * 1024u)
/* The whole object. */
#define HOME_MAX_OBJECT   (HOME_MAX_TOTAL + 16u * 1024u)
#define HOME_MAX_ENVELOPE 4096u

/* Entries by name; the bytes are secrets. */
struct home;
struct home *home_new(void);
/* Takes `*bytes` (may hold no secret: then an empty entry) in place of an entry of that name.
 * ERR_INPUT: a bad name or size, too many entries; then nothing was taken. */
bool home_put(struct home *home, const char *name, struct secret **bytes, struct err *err);
/* Borrowed, or NULL. An empty entry is NULL too: see home_has. */
const struct secret *home_get(const struct home *home, const char *name);
bool home_has(const struct home *home, const char *name);
/* Removing what is not there is fine. */
void home_remove(struct home *home, const char *name);
size_t home_count(const struct home *home);
/* The name of entry 0 … home_count - 1, in ascending order; borrowed. */
const char *home_name(const struct home *home, size_t index);
void home_free(struct home *home);
DROP(home, struct home *, home_free);

struct home_about {
    char vm[UUID_SIZE];
    int64_t generation; /* 1 and up, at most 2^53: each sealing of a VM's home has a later one */
    char *envelope;     /* JSON text */
};
void home_about_clear(struct home_about *about);
__attribute__((unused)) static inline void drop_home_about(struct home_about *about)
{
    home_about_clear(about);
}

/* The caller frees. */
bool home_seal(const struct home *home, const struct home_about *about, const struct secret *vm_key,
               unsigned char **out, size_t *out_length, struct err *err);
/* What is said in clear, strictly read; not yet proven. ERR_INPUT: no home. The caller clears. */
bool home_look(const unsigned char *bytes, size_t length, struct home_about *out, struct err *err);
/* `vm` is whose it must be, `generation` the least it must have. ERR_DENIED: another key, or a byte
 * was changed; ERR_CLASH: another VM's, or older than known. */
bool home_open(const unsigned char *bytes, size_t length, const char *vm, int64_t generation,
               const struct secret *vm_key, struct home **out, struct err *err);

#endif
