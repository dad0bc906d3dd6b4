/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which host makes the KEK that follows the one there is. Two that each made one would leave VMs
 * that the other cannot open, and neither KEK could ever be retired; so before a host begins with
 * its own, it says so in one object of the datastore, over the version that it read:
 *
 *   cluster.rekey  {"quoin":{"rekey":1},"old": the KEK that is left,"maker": host}
 *
 * What is said of another KEK than the one that wraps here is of the past. Under `work`.
 */
#ifndef QUOIN_AGENT_MAKER_H
#define QUOIN_AGENT_MAKER_H

#include "agent/agent.h"

#define MAKER_OBJECT "cluster.rekey"

/* The object says that it is this host, for the KEK that wraps. */
bool maker_is_this(struct agent *agent, bool *out, struct err *err);
/* This host makes it. Without a datastore nobody else could. ERR_CLASH: another host of the cluster
 * does, and is named; or a newer quoin wrote the object, which is left alone. */
bool maker_claim(struct agent *agent, struct err *err);

#endif
