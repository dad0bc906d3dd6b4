/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a VM key is kept on this host, used, and wiped (key/cache.h says how it rests). Where the
 * blueprint allows it (encryption.cache), the keys of the VMs that run on this host are kept, each
 * as its provider gave it; the provider is asked again eight times in the time that a key may be
 * kept. A key that is kept is used in one case: the VM is to be opened, and the provider does not
 * answer (ERR_AWAY). Each such use is an event, and status says it until the provider has answered.
 *
 * Wiped, each as soon as this host knows of it: the provider gives the key no more (denied,
 * destroyed, another) · the envelope changed (rotation, move, deep rekey) · an old KEK is retired ·
 * the VM is off, removed, or another host's · the provider is put aside for a new one · the
 * blueprint says off · the host leaves. What another TPM, boot or time makes useless may stay.
 */
#ifndef QUOIN_AGENT_CACHED_H
#define QUOIN_AGENT_CACHED_H

#include "agent/vm.h"

/* After the provider failed by `err`: ERR_AWAY, and its key is kept here: then it is `*out`, `err`
 * says nothing, vm->cached is set. Else false, with `err` the provider's, and why the kept one was
 * not used; if the provider answered, it is wiped. With the VM's lock. */
bool cached_get(struct vm *vm, const struct envelope *envelope, struct secret **out,
                struct err *err);
/* Keeps, asks again, or wipes, whichever is due; often it is nothing. A provider that is away is no
 * failure. Under `work`, without the VM's lock. */
bool cached_keep(struct vm *vm, struct err *err);
/* Nothing is kept of it any more. */
bool cached_drop(struct vm *vm, struct err *err);
/* Nothing is kept on this host; what may be kept is kept anew by the next cached_keep. */
bool cached_wipe(struct agent *agent, struct err *err);

#endif
