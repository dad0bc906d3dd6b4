/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native provider's ledger: which KEKs there were and are. JSON without a secret in it, with a
 * MAC under the root key, so that only the provider changes it; replaced whole or not at all.
 *
 * The MAC does not tell an old ledger that somebody put back from the newest one. Nothing depends
 * on that: what makes a KEK usable is its seed, which is wiped when the KEK is retired.
 */
#ifndef QUOIN_KEY_LEDGER_H
#define QUOIN_KEY_LEDGER_H

#include <stdint.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/uuid.h"

/* Active at once: one per purpose and some in the course of a rotation. */
#define LEDGER_MAX_ACTIVE 64u
/* Retired ones are remembered to say when; the oldest beyond these are forgotten. */
#define LEDGER_MAX_RETIRED 256u
#define LEDGER_MAX_LABEL   127u
#define LEDGER_TIME_SIZE   21 /* RFC 3339 in UTC and a NUL */

struct ledger_kek {
    char id[UUID_SIZE];
    char label[LEDGER_MAX_LABEL + 1];
    char made[LEDGER_TIME_SIZE];
    char retired[LEDGER_TIME_SIZE]; /* empty: active */
};

struct ledger {
    char cluster[UUID_SIZE];
    char root[UUID_SIZE];
    int64_t serial; /* how often it was written */
    size_t count;
    struct ledger_kek keks[LEDGER_MAX_ACTIVE + LEDGER_MAX_RETIRED];
};

void ledger_now(char out[LEDGER_TIME_SIZE]);
/* The caller frees with free(). ERR_ABSENT: no ledger. ERR_CLASH: it was changed, or belongs to
 * another root key. `root_key` NULL: not proven, for looking only. */
bool ledger_read(const char *path, const struct secret *root_key, struct ledger **out,
                 struct err *err);
/* Adds one to `serial`. */
bool ledger_write(const char *path, const struct secret *root_key, struct ledger *ledger,
                  struct err *err);
/* NULL: not in it. */
struct ledger_kek *ledger_find(struct ledger *ledger, const char *id);
/* The active one of this label; NULL: none. */
const struct ledger_kek *ledger_labelled(const struct ledger *ledger, const char *label);
/* ERR_CLASH: LEDGER_MAX_ACTIVE are active. Characters of `label` that do not print become '?'. */
bool ledger_add(struct ledger *ledger, const char *id, const char *label, struct err *err);
void ledger_retire(struct ledger *ledger, const char *id);
size_t ledger_active(const struct ledger *ledger);

#endif
