/* SPDX-License-Identifier: Apache-2.0 */
/* What the hosts say, put beside what people made: `now` is what watch_look gave. */
#ifndef QUOIN_MANAGER_LIVE_H
#define QUOIN_MANAGER_LIVE_H

#include <time.h>

#include "manager/inventory.h"

/* Adds to each item of the kind what is known of it now; null where nothing is. */
void live_add(const struct inventory_kind *kind, json_t *items, const json_t *now);
/* The virtual machines of all hosts, a new array; `keks` are rows of {"kek","since"}. */
json_t *live_vms(const json_t *now, const json_t *keks);
/* What health_look wants; a new object that shares the reports. `at` is Unix seconds. */
json_t *live_view(const json_t *now, const char *cluster_id, time_t at);

#endif
