/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host goes into maintenance: nothing new is started there, its VMs move to other hosts while
 * they run, and the datastore does not hold its disks for lost when it is off. And back.
 *
 *   on:   store.pause ─► host.maintenance ─► each VM moves (deploy/move.h)
 *   off:  host.maintenance ─► store.pause ─► all data has its copies again
 *
 * `on` refuses before it changes anything where another host is in maintenance, or data or the
 * quorum would be lost without the host, or no other host can take its VMs. `off` of a host that
 * does not answer does its second step alone, and is ERR_AWAY. Interrupted anywhere, the same call
 * goes on.
 */
#ifndef QUOIN_DEPLOY_MAINTENANCE_H
#define QUOIN_DEPLOY_MAINTENANCE_H

#include "deploy/deploy.h"

/* How many phases it tells the report of. */
#define MAINTENANCE_PHASES 3u

/* `dry`: says what would be done. `*out_result`, a new reference:
 * {"host","maintenance":"on"|"off","changed":bool,"moves":[{"vm","name","from","to","took_ms"}]}.
 * ERR_CLASH: refused, and why; ERR_AWAY: a host does not answer, or the data is not safe yet. */
bool maintenance_on(struct deploy *deploy, size_t host, bool dry, json_t **out_result,
                    struct err *err);
bool maintenance_off(struct deploy *deploy, size_t host, bool dry, json_t **out_result,
                     struct err *err);

/* Where a VM of `from` goes: the host with the most memory left, of those in `statuses` (one a
 * host; {"host"} alone: it does not answer) that can take it; `promised`: MiB that moves before
 * this one take of each. ERR_CLASH: none, and why not each. Pure. */
bool maintenance_target(const json_t *statuses, size_t from, const json_t *vm,
                        const long long *promised, size_t *out, struct err *err);

#endif
