/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shallow rekey: another KEK around the same keys, while the VMs run. In a VM the headers of its
 * disks go first and the home goes last:
 *
 *   home g, headers g  ──►  headers g+1, one after the other  ──►  home g+1
 *
 * The home says how old a header may be. So each header opens at each moment: one that was not
 * exchanged yet is as new as the home asks, one that was is newer; and once the home is exchanged a
 * header of the day before is refused. Killed anywhere it is begun again, with a later generation
 * still. Both KEKs are usable until everything was looked at: what retires the old one is
 * agent/step_key.c. All of it under `work`.
 */
#ifndef QUOIN_AGENT_REWRAP_H
#define QUOIN_AGENT_REWRAP_H

#include "agent/vm.h"

/* Whether an envelope is under the KEK that wraps now, under the one that is being left, or under
 * neither. */
enum rewrap_state { REWRAP_CURRENT, REWRAP_OLD, REWRAP_UNKNOWN };
/* "current", "old", "unknown" */
const char *rewrap_state_name(enum rewrap_state state);
enum rewrap_state rewrap_state_of(const struct agent *agent, const char *envelope);

/* This host may change it: its own, or nobody's. */
bool rewrap_is_ours(const struct vm *vm);
/* As it lies on the datastore now: another host's may have changed there since it was opened here
 * last, and is read anew. rewrap_leave ends it: only one's own is held open. */
bool rewrap_open(struct vm *vm, struct err *err);
void rewrap_leave(struct vm *vm);
/* Nothing when it is under the KEK that wraps now already, and for the recovery key that there is
 * (agent/notice.h): both envelopes are made anew together. A disk that is not poured has no header
 * of worth and is left out. */
bool rewrap_vm(struct vm *vm, bool *out_changed, struct err *err);
/* The CA's private key, where this host has its envelope. */
bool rewrap_ca(struct agent *agent, bool *out_changed, struct err *err);
/* The recovery key's private half, where it rests on this host. */
bool rewrap_recovery(struct agent *agent, bool *out_changed, struct err *err);

/* What lies on the datastore and on this host, without changing it: {"ca":{"kek","state"} or null,
 * "recovery": the same of its private half where that rests here,
 * "vms":[{"id","name","host","kek","generation","state","why","disks":[{"name","kek","generation",
 * "state","why"}]}]}. `prove`: what is current is opened by the provider as well, and its headers
 * with it. `*out_left`: how many envelopes are not proven current. */
bool rewrap_look(struct agent *agent, bool prove, const struct progress *progress, json_t **out,
                 size_t *out_left, struct err *err);

#endif
