/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of a key provider: one const struct a backend. A provider makes KEKs, wraps secrets
 * in envelopes and opens them, on the host, without a manager. Who uses it calls key.h.
 */
#ifndef QUOIN_KEY_PROVIDER_H
#define QUOIN_KEY_PROVIDER_H

#include "key/envelope.h"
#include "key/hostseal.h"

/* What a provider is opened with. Borrowed; must outlive the key. */
struct provider_conf {
    const char *name;          /* in the blueprint */
    const char *type;          /* "native", "kmip" */
    const char *cluster;       /* UUID */
    const char *self;          /* this host's name, for the label of its canaries; or NULL */
    const char *folder;        /* the provider's own, on this host: /var/lib/quoin/provider */
    struct hostseal_conf host; /* how secrets rest on this host */
    /* For kmip; NULL servers: what the folder holds since the last time they were given. */
    const char *const *servers;       /* "name:port", in order, ended by NULL */
    const char *ca;                   /* PEM text: who signs the servers */
    const char *certificate;          /* PEM text: ours */
    const struct secret *private_key; /* PEM */
    const char *user;                 /* or NULL */
    const struct secret *password;    /* with `user` */
    const char *kek; /* where KEKs are used: "server", "host", or "auto", as NULL is */
};

struct key;

/* Two purposes of envelopes that hold nothing of anybody's. */
#define KEY_CANARY   "canary"   /* under a KEK that was made for it */
#define KEY_REPLICAS "replicas" /* under a KEK before anything else is under it */

struct key_provider {
    const char *type;    /* as written in a blueprint */
    const char *summary; /* one line for people */

    /* Makes what is missing, so opening twice is safe. ERR_AWAY: does not answer now. */
    bool (*open)(const struct provider_conf *conf, void **out_self, struct err *err);
    void (*close)(void *self);
    /* A KEK that only this provider holds. `label` is for its operators, and names this KEK alone:
     * whoever asks again with it, because an answer was lost, is given the same one as long as
     * nothing was wrapped under it, so that no KEK is left that nobody knows of. The caller frees
     * the id. */
    bool (*kek_make)(void *self, const char *label, char **out_kek_id, struct err *err);
    /* Under `about->kek_id`. Twice the same secret gives two envelopes; both open.
     * ERR_ABSENT: the KEK is gone for good. */
    bool (*wrap)(void *self, const struct envelope_about *about, const struct secret *secret,
                 struct envelope **out, struct err *err);
    /* ERR_AWAY: ask again later. ERR_ABSENT: the KEK is gone for good. ERR_DENIED: not for this
     * host, or the envelope was changed. ERR_CLASH: bound to something else than `expected`, or the
     * provider holds another KEK under this id. With success `err` may say what its operators
     * should mend though it opened; key.c hands that on and to nobody else.
     * For the purpose KEY_REPLICAS it is opened at each place that is to have the KEK, not at the
     * first that does: the error names one that answers and does not open it (ERR_CLASH: it has no
     * such KEK, or another), one that is away is something to mend. */
    bool (*unwrap)(void *self, const struct envelope *envelope,
                   const struct envelope_about *expected, struct secret **out, struct err *err);
    /* Makes unwrap impossible from now on. Retiring twice succeeds. */
    bool (*kek_retire)(void *self, const char *kek_id, struct err *err);
    /* What people want to know, no secret in it: {"protection":…,"backup":…,"keks":[…],…}. */
    bool (*look)(void *self, json_t **out, struct err *err);
};

/* Every backend of this program, ended by NULL. Tests link another list. */
extern const struct key_provider *const key_providers[];

#endif
