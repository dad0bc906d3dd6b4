/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The home of a VM on the datastore: made, loaded, stored. The newest generation that this host has
 * seen is kept beside the host's state, so that a datastore that gives an older home back is
 * refused (THREATS T8). Where that cannot be written (a full disk), what was stored is stored all
 * the same: the VM is marked `unseen`, and home_remember makes up for it. Called with the VM's lock
 * held, but for home_switch and home_remember, which take it.
 */
#ifndef QUOIN_AGENT_HOME_H
#define QUOIN_AGENT_HOME_H

#include "agent/vm.h"

/* A fresh VM key, wrapped, and opened again by the provider to prove it. ERR_CLASH: it is there. */
bool home_make(struct vm *vm, const json_t *config, struct err *err);
/* ERR_AWAY: the provider does not answer; ERR_CLASH: older than known, or another VM's. */
bool home_load(struct vm *vm, struct err *err);
/* The same by the recovery key's private half. ERR_ABSENT: it is not sealed for one; ERR_CLASH
 * besides: for another one. */
bool home_recover(struct vm *vm, const struct secret *recovery_key, struct err *err);
/* ERR_CLASH: another host stored it in the meantime. */
bool home_store(struct vm *vm, struct err *err);
/* Another envelope around the same VM key, made and proven but not yet stored: `generation`, under
 * the KEK that wraps now. The caller frees. */
bool home_wrap(struct vm *vm, int64_t generation, char **out_envelope, struct err *err);
/* The same for the recovery key; NULL with success: the cluster has none. */
bool home_wrap_recovery(struct vm *vm, int64_t generation, char **out_envelope, struct err *err);
/* What the object says in clear, as it lies on the datastore now; nothing is opened. The caller
 * clears. */
bool home_look(const struct vm *vm, struct chest_about *out, struct err *err);
/* The object as it lies on the datastore: a sealed home of this VM, whole under its key. What it
 * is instead is no error, but `*out_encrypted` false. */
bool home_prove(struct vm *vm, bool *out_encrypted, struct err *err);
/* `next` is what the VM becomes by a deep rekey: a fresh VM key, wrapped and proven, for the next
 * generation; its configuration is a copy. Nothing is stored. The caller gives it home_discard. */
bool home_renew(struct vm *vm, struct vm *next, struct err *err);
/* The one moment of a deep rekey: the home under the new key, with the new configuration and the
 * files as they are, takes the old one's place. Then the VM is what `next` was. ERR_AWAY: it cannot
 * be told which of them is stored. */
bool home_switch(struct vm *vm, struct vm *next, struct err *err);
void home_discard(struct vm *next);
/* Notes the generation that could not be noted before; else nothing. ERR_SYSTEM: not yet. */
bool home_remember(struct vm *vm, struct err *err);
/* What this host remembers of its generation goes as well. */
bool home_forget(struct vm *vm, struct err *err);

#endif
