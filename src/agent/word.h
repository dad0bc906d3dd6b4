/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A word that one host of the cluster gives the others, carried by somebody who is not trusted with
 * it: the manager. It is an envelope (key/envelope.h) under a KEK that the hosts have and the
 * manager has not, around nothing; what it says stands in its header, digested into the UUID that
 * an envelope is bound to (base/uuid.h: 122 bits of SHA-256). So whoever can open it knows that
 * somebody who has that KEK said exactly this, about this host:
 *
 *   WORD_REST  under the KEK there is: I wrap by it, and no rotation is open here
 *   WORD_ASK   under the KEK that is left: this certificate is mine, give me what follows
 *   WORD_NEXT  under the KEK that is left: this KEK follows it, and this parcel brings it to you
 *   WORD_HAS   under the new KEK: I wrap by it
 *   WORD_DONE  under the new KEK: all that I see, and all that lies on me, was proven to be under
 *              it
 *
 * A word may be given again by whoever carries it; each is true for as long as its KEK is the one
 * that is left, or the one that wraps. Under `work`.
 */
#ifndef QUOIN_AGENT_WORD_H
#define QUOIN_AGENT_WORD_H

#include "agent/agent.h"

enum word { WORD_REST, WORD_ASK, WORD_NEXT, WORD_HAS, WORD_DONE };

/* Under this KEK of the provider that wraps; about `host`. JSON, a new reference. */
bool word_give(struct agent *agent, enum word word, const char *kek, const char *host,
               const char *what, json_t **out, struct err *err);
/* `given` says so. ERR_INPUT: it is no word. ERR_CLASH: it says something else, or under another
 * KEK. ERR_DENIED: it was made without that KEK, or changed. */
bool word_check(struct agent *agent, enum word word, const char *kek, const char *host,
                const char *what, const json_t *given, struct err *err);
/* `words` has one of each other host of the cluster, as the datastore's maps tell them now: {HOST:
 * WORD}, each of `what`. ERR_CLASH names the host whose word is missing or says something else. */
bool word_of_all(struct agent *agent, enum word word, const char *kek, const json_t *words,
                 struct err *err);

#endif
