/* SPDX-License-Identifier: Apache-2.0 */
/* One host under check, and where its findings go. */
#ifndef QUOIN_PLAN_FINDER_H
#define QUOIN_PLAN_FINDER_H

#include "plan/plan.h"

struct finder {
    const struct blueprint *blueprint;
    struct findings *findings;
    const char *cluster_id; /* or NULL */
    const struct blueprint_host *host;
    size_t number; /* of the host */
    const struct facts *facts;
};

/* At "hosts[N]" and `part` (".disks[1]", or empty). */
void find(struct finder *finder, enum severity severity, const char *part, const char *remedy,
          const char *format, ...) __attribute__((format(printf, 5, 6)));
/* An error of this kind: what it is beyond a request to mend. */
void find_kind(struct finder *finder, enum err_kind kind, const char *part, const char *remedy,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* What was found last is of this kind. */
void find_mark(struct finder *finder, enum err_kind kind);
/* At a place that is not the host's. */
void find_at(struct finder *finder, enum severity severity, const char *where, const char *remedy,
             const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
