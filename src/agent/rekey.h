/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change from one KEK to the next, as this host's file remembers it (agent/host.h). A rotation
 * stays at its provider; a move goes to another one, whose state has a folder of its own.
 *
 *   at rest ──rekey_intend──► label known ──rekey_begin──► two KEKs ──rekey_end──► at rest
 *             next.label                   provider, old              old retired
 *
 * Each arrow is one write of the file. The label is kept before the KEK is made, and making it
 * again by its label finds it (key/provider.h), so no KEK is left that nobody knows; and a KEK is
 * kept before anything is wrapped under it, so no header names one that is not known. From
 * rekey_begin on new envelopes are under the new KEK, and both open. Under `work`.
 */
#ifndef QUOIN_AGENT_REKEY_H
#define QUOIN_AGENT_REKEY_H

#include "agent/agent.h"

/* Two KEKs are known: what was wrapped by `old` is to be wrapped anew. */
bool rekey_is_open(const struct agent *agent);
/* `next` and its label are kept; `next` is taken. One that is kept already for the same provider
 * stays, label and all; one for another is given up first: its KEK, made or not, is retired. */
bool rekey_intend(struct agent *agent, struct host_provider *next, struct err *err);
/* The intended KEK is made, or found by its label, and opens what it wrapped at each server of the
 * provider's that answers (key/key.h). The caller frees. */
bool rekey_make(struct agent *agent, char **out_kek, struct err *err);
/* What is intended wraps from now on, with this KEK; what wrapped until now is `old`, unless it had
 * no KEK yet. */
bool rekey_begin(struct agent *agent, const char *kek, struct err *err);
/* The old KEK is retired, and after a move its provider's state on this host destroyed; then it is
 * forgotten. The caller has looked: nothing is under it. ERR_AWAY: its provider does not answer. */
bool rekey_end(struct agent *agent, struct err *err);

#endif
