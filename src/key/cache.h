/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache: the keys of VMs, kept on this host for the time that their key server is away. It is
 * off unless the blueprint says for how long a key may be kept.
 *
 * A record is a file, UUID.json, sealed by this host's TPM and by nothing else (hostseal.h). It is
 * bound to one envelope as it is (envelope_digest), and so to cluster, VM, KEK and generation:
 * beside another envelope it is of no use. Two clocks limit it, whichever is first:
 *
 * - the TPM's, which nobody sets back, but which stands still while the host has no power, and may
 *   lose an hour whenever that is lost. So it may be started eight times and no more. The TPM
 *   itself refuses afterwards, whatever was started on the host.
 * - the host's, which goes on without power, but can be set: a time before the sealing is refused.
 *
 * So a thief of the whole host who sets its clock has that time with the host switched on, and at
 * the most eight hours and more that he made the TPM lose. Who asks has asked the provider first.
 */
#ifndef QUOIN_KEY_CACHE_H
#define QUOIN_KEY_CACHE_H

#include <time.h>

#include "key/envelope.h"
#include "key/hostseal.h"

struct cache_conf {
    const char *folder;        /* made when it is needed, 0700 */
    struct hostseal_conf host; /* its `tpm` is taken for required */
    unsigned seconds;          /* how long a key may be used after the provider gave it */
};

/* What `envelope` opens to, as its provider has just said. Replaces what is kept of this VM.
 * ERR_ABSENT: this host has no TPM. */
bool cache_put(const struct cache_conf *conf, const struct envelope *envelope,
               const struct secret *key, time_t now, struct err *err);
/* ERR_ABSENT: nothing is kept of this VM. ERR_CLASH: what is kept was in another envelope.
 * ERR_DENIED: too old, the clock was set back, or another TPM. `*out_at` (or NULL): when it was
 * put. */
bool cache_get(const struct cache_conf *conf, const struct envelope *envelope, time_t now,
               struct secret **out, time_t *out_at, struct err *err);
/* Overwritten, then removed. What is not there is no error. */
bool cache_drop(const char *folder, const char *vm, struct err *err);
/* The same for all of them, and the folder. */
bool cache_wipe(const char *folder, struct err *err);

#endif
