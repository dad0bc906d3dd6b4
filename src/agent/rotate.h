/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shallow rotation that this host does by itself, for the manager: key.make, key.rewrap and
 * key.retire, one after the other, as quoin key rotate orders them. Only where this is the only
 * host: a new native KEK has to be given from host to host, and that the deployment unit does.
 *
 * The manager may be taken over, so what it may ask is bounded here: once an hour, and once a
 * minute while it fails. Root on this host may ask as often as it likes.
 */
#ifndef QUOIN_AGENT_ROTATE_H
#define QUOIN_AGENT_ROTATE_H

#include "agent/step.h"

#define ROTATE_SECONDS       3600
#define ROTATE_RETRY_SECONDS 60

/* `making->result` is {"kek","retired"}. ERR_DENIED: too soon; ERR_INPUT: there are other hosts;
 * ERR_ABSENT: no KEK yet. Interrupted anywhere, asking again goes on. */
bool rotate_keys(struct agent *agent, enum role role, struct making *making, struct err *err);

#endif
