/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a disk is, by the marks that it bears. */
#ifndef QUOIN_PLAN_DISK_H
#define QUOIN_PLAN_DISK_H

#include "blueprint/blueprint.h"
#include "plan/facts.h"

enum disk_owner {
    DISK_NOBODY,  /* no mark: empty, or holding something of somebody else's */
    DISK_OURS,    /* wiped by this cluster before, or in its datastore */
    DISK_FOREIGN, /* of a cluster that is not `cluster_id` */
};

/* `cluster_id` NULL: this deployment unit made no such cluster yet, so every mark is foreign. */
/* A label that does not name its cluster yet (a start that was interrupted) is known by its id,
 * which the store derives from cluster and disk, or takes from the blueprint's uuid: `wanted` (or
 * NULL). */
enum disk_owner disk_owner(const struct facts_disk *disk, const char *cluster_id,
                           const struct blueprint_disk *wanted);
/* The cluster named by its mark, or by the datastore's label; empty: none. */
const char *disk_cluster(const struct facts_disk *disk);

#endif
