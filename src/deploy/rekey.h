/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of the KEK over all hosts of the cluster: a rotation (a new KEK of the provider they
 * have) or a move (a KEK of another one). One host makes the KEK, the others take it, each rewraps
 * what is its own, each looks at everything, and only then is the old KEK retired on each:
 *
 *   key.make ─► key.take … ─► key.rewrap … ─► key.look … ─► key.retire …     (docs/protocol.md)
 *
 * Interrupted anywhere, the same call finishes it: a host that has begun says so.
 */
#ifndef QUOIN_DEPLOY_REKEY_H
#define QUOIN_DEPLOY_REKEY_H

#include "deploy/deploy.h"

/* How many phases it tells the report of. */
#define REKEY_PHASES 4u

/* `to`: whose provider to move to; NULL: a rotation. Every host that is a member must answer.
 * `*out_result`: {"provider","type","kek","old","changed","vms":[{"id","name","host","changed"}]},
 * a new reference. ERR_CLASH: a host of the datastore is not in the blueprint. ERR_AWAY: a host or
 * provider did not answer, or a VM of a host is not rewrapped yet; both KEKs open until it is. */
bool rekey_run(struct deploy *deploy, const struct blueprint *to, json_t **out_result,
               struct err *err);
/* What rekey_run would do, asking for status alone: {"provider","type","kek","made","unfinished",
 * "to","hosts":[names],"vms":[{"id","name","kek","generation","state","disks":[names]}]}. */
bool rekey_look(struct deploy *deploy, const struct blueprint *to, json_t **out_result,
                struct err *err);

#endif
