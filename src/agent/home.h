/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The home of a VM on the datastore: made, loaded, stored. The newest generation that this host has
 * seen is kept beside the host's state, so that a datastore that gives an older home back is
 * refused (THREATS T8). Called with the VM's lock held.
 */
#ifndef QUOIN_AGENT_HOME_H
#define QUOIN_AGENT_HOME_H

#include "agent/vm.h"

/* A fresh VM key, wrapped, and opened again by the provider to prove it. ERR_CLASH: it is there. */
bool home_make(struct vm *vm, const json_t *config, struct err *err);
/* ERR_AWAY: the provider does not answer; ERR_CLASH: older than known, or another VM's. */
bool home_load(struct vm *vm, struct err *err);
/* ERR_CLASH: another host stored it in the meantime. */
bool home_store(struct vm *vm, struct err *err);
/* The object as it lies on the datastore: a sealed home of this VM, whole under its key. What it
 * is instead is no error, but `*out_encrypted` false. */
bool home_prove(struct vm *vm, bool *out_encrypted, struct err *err);
/* What this host remembers of its generation goes as well. */
bool home_forget(struct vm *vm, struct err *err);

#endif
