/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster as numbers, in the Prometheus text format 0.0.4. Names of things, no secrets. */
#ifndef QUOIN_MANAGER_METRICS_H
#define QUOIN_MANAGER_METRICS_H

#include "base/json.h"
#include "base/text.h"

/* Numbers that are not of a host; 0 when unknown. */
struct metrics_own {
    long long began, certificate_ends; /* Unix seconds */
};

/* `now` is what watch_look gave. */
void metrics_write(const struct metrics_own *own, const json_t *now, struct text *out);

#endif
