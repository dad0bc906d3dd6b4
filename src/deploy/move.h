/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One running VM to another host, by the agents of both (docs/protocol.md, "A VM moves"): both are
 * asked side by side, one to send it, the other to have it go on. Broken off anywhere, it runs on
 * where it was or goes on there, and the same call finishes it.
 */
#ifndef QUOIN_DEPLOY_MOVE_H
#define QUOIN_DEPLOY_MOVE_H

#include "deploy/deploy.h"

/* Where a VM is, by a host's word of it: {"state","lease",…} in its status. */
enum move_place {
    MOVE_GONE, /* not there: it is off, and another host's turn or nobody's; or there is no word */
    MOVE_LEASED, /* off, under a lease of that host: in moments given away, or started there again
                  */
    MOVE_HERE,   /* it runs or stands still there, or the host does not know yet */
};
enum move_place move_place(const json_t *vm);

/* `vm` is a host's word of it: {"id","name",…}. `*out_result`: {"vm","name","from","to","took_ms"},
 * a new reference. ERR_AWAY: an agent did not answer; ERR_CLASH: the host there does not take it.
 */
bool move_vm(struct deploy *deploy, const json_t *vm, struct remote *from, struct remote *to,
             json_t **out_result, struct err *err);

#endif
