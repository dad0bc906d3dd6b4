/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Further hosts, brought into a cluster that has its first (docs/protocol.md, "How a further host
 * joins"). Every host goes its way by itself, side by side with the others, as far as it can; one
 * that fails is left out and does not hold the others back (deploy_leave_out). What concerns all of
 * them (monitors, copies) is done once, in between, with those that got there.
 */
#ifndef QUOIN_DEPLOY_JOIN_H
#define QUOIN_DEPLOY_JOIN_H

#include "deploy/deploy.h"

/* `steps`: one host.join for each host. False: the cluster as a whole failed, not one host. */
bool join_hosts(struct deploy *deploy, const struct step *steps, size_t count, struct err *err);
/* Who should have a monitor: of the hosts that are in (`in`, one for each host) or have one, the
 * first one, three or five. [{"host","address"}]; a new reference. Pure. */
json_t *join_monitors(const struct blueprint *blueprint, const bool *in, const json_t *datastore);
/* What an agent says of itself, {"version"}: one that is older or newer than this program speaks
 * other words, and is refused by its host's name before more is asked. Pure. */
bool join_version(const json_t *said, const char *host, struct err *err);
/* The monitors of the datastore become those without `host` (NULL: nobody is taken out), on every
 * host that answers, one by one. */
bool join_settle(struct deploy *deploy, const char *without, struct err *err);

#endif
