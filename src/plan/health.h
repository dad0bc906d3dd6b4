/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health: what is not as it should be in a cluster that was deployed, and what to do about it, from
 * what its hosts say of themselves (docs/protocol.md, "Status of a host"). Pure: it asks nobody and
 * no clock. The deployment unit and the manager both show what this finds, so they say the same.
 */
#ifndef QUOIN_PLAN_HEALTH_H
#define QUOIN_PLAN_HEALTH_H

#include <jansson.h>
#include <stdbool.h>

/* What is looked at:
 *   {"cluster": UUID, "now": Unix seconds, "asker": "the manager",
 *    "hosts": [{"name", "state": "up" | "away" | "unknown", "trouble": why it is away, or null,
 *               "skew": how many seconds its clock is ahead of the asker's, or null,
 *               "status": what its agent said last, or null}]}
 * A field that is missing, null or of another type is not known, and nothing is found in it.
 *
 * A new array, errors first, then warnings, then infos:
 *   [{"severity": "error" | "warning" | "info", "code": "host.away", "where": "hosts/h2",
 *     "hosts": ["h2"], "what": one sentence, "remedy": one sentence, or ""}]
 * `code` is for programs and stays; `where` is a collection of the manager's and a name in it. */
json_t *health_look(const json_t *view);
/* The worst severity among findings: "error", "warning" or "ok" (infos are no trouble). */
const char *health_worst(const json_t *findings);
/* Seconds that a clock, which said `said` (whole seconds) between `began` and `ended` of ours, is
 * ahead for certain; 0: none that one can tell. */
double health_skew(double said, double began, double ended);

#endif
