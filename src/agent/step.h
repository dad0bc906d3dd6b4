/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps: what an agent can be asked to make of its host. Each looks, makes, and looks again, so a
 * step that already holds is not made again, and one that was interrupted anywhere is finished by
 * asking for it again. A step decides nothing: what is wanted stands in its params.
 */
#ifndef QUOIN_AGENT_STEP_H
#define QUOIN_AGENT_STEP_H

#include "agent/agent.h"

/* What a step gets and gives. `changed` and `result` are set by it; `result` may stay NULL. */
struct making {
    const json_t *params;
    const struct progress *progress;
    bool changed;
    json_t *result; /* owned */
};

struct step_maker {
    const char *kind;
    bool (*make)(struct agent *agent, struct making *making, struct err *err);
};

/* Every step, ended by a NULL kind; the words are docs/protocol.md's. */
extern const struct step_maker step_makers[];

/* `order` is a whole step as it came: {"kind","cluster","host","params"}. Takes the work lock. The
 * caller drops making->result. ERR_INPUT: no such kind; ERR_CLASH: another cluster's step. */
bool step_make(struct agent *agent, const json_t *order, struct making *making, struct err *err);

bool step_provider_open(struct agent *agent, struct making *making, struct err *err);
bool step_provider_request(struct agent *agent, struct making *making, struct err *err);
bool step_provider_remove(struct agent *agent, struct making *making, struct err *err);
bool step_provider_import(struct agent *agent, struct making *making, struct err *err);
bool step_agent_request(struct agent *agent, struct making *making, struct err *err);
bool step_ca_sign(struct agent *agent, struct making *making, struct err *err);
bool step_host_share(struct agent *agent, struct making *making, struct err *err);
bool step_store_join(struct agent *agent, struct making *making, struct err *err);
bool step_store_settle(struct agent *agent, struct making *making, struct err *err);
bool step_store_monitor(struct agent *agent, struct making *making, struct err *err);
bool step_store_spread(struct agent *agent, struct making *making, struct err *err);
bool step_store_leave(struct agent *agent, struct making *making, struct err *err);
bool step_key_make(struct agent *agent, struct making *making, struct err *err);
bool step_key_take(struct agent *agent, struct making *making, struct err *err);
bool step_key_rewrap(struct agent *agent, struct making *making, struct err *err);
bool step_key_look(struct agent *agent, struct making *making, struct err *err);
bool step_key_retire(struct agent *agent, struct making *making, struct err *err);
bool step_ca_make(struct agent *agent, struct making *making, struct err *err);
bool step_agent_enrol(struct agent *agent, struct making *making, struct err *err);
bool step_store_begin(struct agent *agent, struct making *making, struct err *err);
bool step_store_disk(struct agent *agent, struct making *making, struct err *err);
bool step_store_pool(struct agent *agent, struct making *making, struct err *err);
bool step_store_holes(struct agent *agent, struct making *making, struct err *err);
bool step_store_remove(struct agent *agent, struct making *making, struct err *err);
bool step_recovery_make(struct agent *agent, struct making *making, struct err *err);
bool step_recovery_follow(struct agent *agent, struct making *making, struct err *err);
bool step_key_forget(struct agent *agent, struct making *making, struct err *err);
bool step_key_recover(struct agent *agent, struct making *making, struct err *err);
bool step_vm_seal(struct agent *agent, struct making *making, struct err *err);
bool step_vm_start(struct agent *agent, struct making *making, struct err *err);
bool step_vm_stop(struct agent *agent, struct making *making, struct err *err);
bool step_vm_copy(struct agent *agent, struct making *making, struct err *err);
bool step_vm_remove(struct agent *agent, struct making *making, struct err *err);
bool step_vm_offer(struct agent *agent, struct making *making, struct err *err);
bool step_vm_expect(struct agent *agent, struct making *making, struct err *err);
bool step_vm_send(struct agent *agent, struct making *making, struct err *err);
bool step_vm_receive(struct agent *agent, struct making *making, struct err *err);
bool step_vm_decline(struct agent *agent, struct making *making, struct err *err);
bool step_host_maintenance(struct agent *agent, struct making *making, struct err *err);
bool step_store_pause(struct agent *agent, struct making *making, struct err *err);
bool step_disk_blank(struct agent *agent, struct making *making, struct err *err);
bool step_disk_identity(struct agent *agent, struct making *making, struct err *err);

#endif
