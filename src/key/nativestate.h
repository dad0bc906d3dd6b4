/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of the native provider: where its files are, one process at a time in it, its KEKs
 * derived. native.c says what they mean.
 */
#ifndef QUOIN_KEY_NATIVESTATE_H
#define QUOIN_KEY_NATIVESTATE_H

#include "key/hostseal.h"
#include "key/ledger.h"

#define NATIVE_KEY_SIZE     32u
#define NATIVE_ROOT_PURPOSE "native-root"
/* "native:" uuid ":" uuid and a NUL */
#define NATIVE_ID_SIZE (7 + 36 + 1 + 36 + 1)

/* The caller frees. */
char *nativestate_path(const char *folder, const char *file);
char *nativestate_seed_path(const char *folder, const char *id);
/* Makes the folder and waits for the lock; closing the descriptor gives it back. */
bool nativestate_lock(const char *folder, int *out_fd, struct err *err);
/* Is there any seed? */
bool nativestate_has_seeds(const char *folder);

/* The KEK `id` by its seed. ERR_ABSENT: its seed is gone, and so is the KEK, for good. */
bool nativestate_kek(const char *folder, const struct secret *root_key, const char *id,
                     struct secret **out, struct err *err);
/* The same from a seed that is at hand. */
bool nativestate_derive(const struct secret *root_key, const struct secret *seed, const char *id,
                        struct secret **out, struct err *err);
bool nativestate_read_seed(const char *folder, const char *id, struct secret **out,
                           struct err *err);

void nativestate_id(const char *root, const char *id, char out[NATIVE_ID_SIZE]);
/* The second UUID of a KEK's id whose first is `root`. ERR_INPUT: no id of a native KEK;
 * ERR_ABSENT: of another root key. Borrowed from `kek_id`. */
bool nativestate_id_of(const char *kek_id, const char *root, const char **out, struct err *err);

#endif
