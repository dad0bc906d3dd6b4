/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shallow rotation as the manager asks the hosts for it: the steps key.make, key.take,
 * key.rewrap, key.look and key.retire in phases that take nothing else (no provider: it is never a
 * move), and it carries from host to host what they tell each other:
 *
 *   look       each host   who is in the cluster; an ask: its certificate and its word for it
 *   make       one host    the new KEK, with a word of every other one that the last is at its end
 *   share      that host   for an ask: the parcel (native), and a word that this KEK follows
 *   take       the others  that parcel and word
 *   rewrap     each host   with a word of every other one that it has the KEK
 *   verify     each host   everything it sees is under the new KEK: its word for it
 *   retire     each host   with that word of every other one
 *
 * The manager may be taken over, so nothing is believed because it says so. The words
 * (agent/word.h) are under a KEK that only the hosts have: it can make up none, so it gets no
 * parcel for a key of its own, has no host take a KEK that another host did not make, and has none
 * retire the old one before every host of the datastore's maps has proven that it needs it no more.
 * And it is held back: a new rotation once an hour, a phase once a minute.
 *
 * Interrupted anywhere the same phases, from the first on, finish it; so does quoin key rotate, and
 * these finish what that has begun.
 */
#ifndef QUOIN_AGENT_ROTATE_H
#define QUOIN_AGENT_ROTATE_H

#include "agent/step.h"

#define ROTATE_SECONDS       3600
#define ROTATE_RETRY_SECONDS 60
/* A word of each of a thousand hosts, 1 KiB each; a parcel is smaller. */
#define ROTATE_MAX_BODY (1024u * 1024u)

/* `params` must be what docs/protocol.md says of the phase and nothing else. Takes the work lock;
 * the caller drops making->result. ERR_INPUT: no such phase, other params. ERR_DENIED: too soon, or
 * a word that nobody of the cluster gave. ERR_CLASH: it is not the turn of this phase; a host is
 * missing; or a move is not finished. ERR_ABSENT: no KEK yet. */
bool rotate_phase(struct agent *agent, const char *phase, const json_t *params,
                  struct making *making, struct err *err);

#endif
