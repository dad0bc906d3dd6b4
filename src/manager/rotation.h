/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rotation over all hosts, as the manager asks the agents for it (docs/protocol.md, "A rotation
 * by the manager"; agent/rotate.h says why each phase is safe):
 *
 *   look … ─► make ─► share, take … ─► rewrap … ─► verify … ─► retire …
 *
 * The manager carries what the hosts tell each other and understands nothing of it but names, ids
 * of KEKs, and how far it is. Before anything changes every host must have answered. Interrupted
 * anywhere, the same call goes on, also with what quoin key rotate has begun.
 */
#ifndef QUOIN_MANAGER_ROTATION_H
#define QUOIN_MANAGER_ROTATION_H

#include <stdatomic.h>

#include "base/json.h"
#include "base/progress.h"
#include "manager/watch.h"

struct rotation {
    struct watch *watch;
    const char *provider;            /* its name */
    const json_t *hosts;             /* names of all there are, in the order they came */
    unsigned seconds;                /* a host has for one phase */
    const atomic_bool *over;         /* it stops: the hosts keep what they did */
    const struct progress *progress; /* of the whole */
};

/* The caller frees the id of the KEK that wraps now. ERR_AWAY: a host does not answer, and is
 * named. ERR_CLASH: a host is unknown here, or has another KEK or provider. Else what an agent
 * said. */
bool rotation_run(const struct rotation *rotation, char **out_kek, struct err *err);

#endif
