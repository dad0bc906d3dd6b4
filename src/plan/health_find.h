/* SPDX-License-Identifier: Apache-2.0 */
/* Inside plan: how the parts of health tell what they found. */
#ifndef QUOIN_PLAN_HEALTH_FIND_H
#define QUOIN_PLAN_HEALTH_FIND_H

#include <jansson.h>

#include "base/base.h"
#include "plan/health.h"

struct health {
    const json_t *hosts; /* of the view */
    const char *cluster, *asker;
    json_int_t now;
    json_t *errors, *warnings, *infos;
};

/* Where a finding belongs and what it is; `hosts` (a name, or an array of names, or NULL) are those
 * it is about. Nothing of it is kept. */
struct health_place {
    const char *severity, *code;
    const char *kind, *name; /* "hosts", "h2"; name NULL: the collection as a whole */
    const json_t *hosts;
};

void health_find(struct health *health, const struct health_place *place, const char *remedy,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* About one host. */
void health_find_host(struct health *health, const char *severity, const char *code,
                      const json_t *host, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* "h1, h2, h3 and 997 more"; the caller frees. */
char *health_names(const json_t *names);
/* The status of a host that is up, or NULL. */
const json_t *health_status(const json_t *host);
/* {VALUE: [names of hosts]}: who has which value; "" is left out. A new object. */
void health_sort(json_t *groups, const char *value, const char *host);
/* "A on h1, h2; B on h3"; the caller frees. */
char *health_groups(const json_t *groups);
/* The value that most hosts have, or NULL. */
const char *health_most(const json_t *groups);

/* health_store.c, health_keys.c, health_leases.c, health_vms.c */
void health_store(struct health *health);
void health_keys(struct health *health);
void health_leases(struct health *health);
void health_vms(struct health *health);

#endif
