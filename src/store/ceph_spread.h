/* SPDX-License-Identifier: Apache-2.0 */
/* Where copies lie, and the wait until they lie there; of ceph_pool, ceph_spread and ceph_leave. */
#ifndef QUOIN_STORE_CEPH_SPREAD_H
#define QUOIN_STORE_CEPH_SPREAD_H

#include "store/ceph.h"
#include "store/ceph_map.h"

#define CEPH_RULE_HOSTS "quoin-hosts" /* each copy on another host */
#define CEPH_RULE_DISKS "quoin-disks" /* each copy on another disk */

/* The rule's number; made when there is none. */
bool ceph_rule_make(rados_t cluster, const char *name, int *out_number, struct err *err);
/* Placement groups for so many disks and copies: a power of two. Pure. */
unsigned ceph_pool_groups(unsigned disks, unsigned copies);

/* Finer groups of the pool for more disks; never coarser. Not waited for. */
bool ceph_pool_refine(const struct store_conf *conf, rados_t cluster, struct err *err);

struct ceph_state {
    struct ceph_tree tree;
    struct ceph_pools pools;
    int rule_of_hosts; /* -1: not made yet */
};
bool ceph_state_look(rados_t cluster, struct ceph_state *out, struct err *err);
__attribute__((unused)) static inline void drop_state(struct ceph_state *state)
{
    ceph_tree_clear(&state->tree);
}

/* A disk's daemon needs a moment from its start until it is one of the cluster: where fewer than
 * `hosts` have one (not counting `leaving`, which may be NULL), that moment is waited for. */
bool ceph_wait_hosts(const struct store_conf *conf, rados_t cluster, const char *leaving,
                     unsigned hosts, struct err *err);

struct ceph_wait {
    const char *leaving; /* nothing is on this host any more; or NULL */
    const char *what;    /* for the progress */
    const struct progress *progress;
    unsigned from, to; /* its percent */
};
/* Until every placement group is settled (ceph_map.h). ERR_AWAY: for `conf->seconds` nothing got
 * better. A cluster that does not answer for a moment is waited for. */
bool ceph_wait_settled(const struct store_conf *conf, rados_t cluster, const struct ceph_wait *wait,
                       struct err *err);

#endif
