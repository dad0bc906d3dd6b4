/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key: the room where key encryption keys are used, and the only one that sees them. Its words are
 * in provider.h (the contract), envelope.h (a wrapped secret), hostseal.h (a secret bound to this
 * host), backup.h (the native provider in one file under a password) and recovery.h (the key that
 * only the user holds).
 *
 *   key_open ─► key_kek_make ─► key_wrap ─► envelope ─► key_unwrap ─► secret
 */
#ifndef QUOIN_KEY_KEY_H
#define QUOIN_KEY_KEY_H

#include "key/backup.h"
#include "key/envelope.h"
#include "key/hostseal.h"
#include "key/provider.h"

/* An open provider. One thread at a time. */
struct key;

/* One use of a KEK, as the audit wants it; no secret in it. */
struct key_use {
    const char *verb;      /* "kek_make", "wrap", "unwrap", "kek_retire"; "cache": by a kept key */
    const char *kek_id;    /* "" when none was made */
    const char *vm;        /* "" where none is meant */
    const char *purpose;   /* of the envelope; "" where none is meant */
    const struct err *err; /* NULL: it worked */
    /* It worked, and the provider's operators should mend this nevertheless; or NULL. */
    const struct err *finding;
};

/* ERR_INPUT: no provider of this type. */
bool key_open(const struct provider_conf *conf, struct key **out, struct err *err);
void key_close(struct key *key);
DROP(key, struct key *, key_close);
/* `tell` hears of every use from now on, whether it worked or not. */
void key_listen(struct key *key, void (*tell)(void *context, const struct key_use *use),
                void *context);

/* As the contract says. key_wrap fills provider, type and cluster of `about` in from the
 * configuration; key_unwrap does so with `expected`. */
bool key_kek_make(struct key *key, const char *label, char **out_kek_id, struct err *err);
bool key_wrap(struct key *key, const struct envelope_about *about, const struct secret *secret,
              struct envelope **out, struct err *err);
bool key_unwrap(struct key *key, const struct envelope *envelope,
                const struct envelope_about *expected, struct secret **out, struct err *err);
/* What `from` wrapped, wrapped again by `to` (the same one for a new KEK; another one for a move):
 * about->kek_id under `to`, about->generation at least one above the old envelope's. Opened once
 * more before it is given out, so an envelope that came out of here is known to open. ERR_INPUT:
 * not a later generation. */
bool key_rewrap(struct key *from, struct key *to, const struct envelope *envelope,
                const struct envelope_about *about, struct envelope **out, struct err *err);
bool key_kek_retire(struct key *key, const char *kek_id, struct err *err);
bool key_look(struct key *key, json_t **out, struct err *err);
/* A real round trip: a KEK made, a canary wrapped, unwrapped, compared, the KEK retired, and then
 * found lost. Leaves nothing behind that could be used. */
bool key_prove(struct key *key, struct err *err);
/* The same for a KEK that is in use, or is to be: a canary wrapped, and unwrapped and compared at
 * each place of the provider's that answers (provider.h, KEY_REPLICAS). The KEK stays. */
bool key_prove_kek(struct key *key, const char *kek_id, struct err *err);
/* The same at the place that is in use, alone. */
bool key_prove_here(struct key *key, const char *kek_id, struct err *err);

/* {"type","summary"} of every provider. */
json_t *key_providers_json(void);

#endif
