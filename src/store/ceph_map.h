/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cluster says of itself, read into what we decide by. Pure: JSON of the monitors' answers
 * in, plain structs out; an answer of another shape is ERR_INPUT with the field's name.
 */
#ifndef QUOIN_STORE_CEPH_MAP_H
#define QUOIN_STORE_CEPH_MAP_H

#include "base/base.h"

/* More than the largest cluster that quoin makes: 1,000 hosts, 24 disks each. */
#define CEPH_MAX_HOSTS  1024u
#define CEPH_MAX_DISKS  24576u
#define CEPH_MAX_POOLS  64u
#define CEPH_MAX_GROUPS 65536u
#define CEPH_MAX_MONS   16u
#define CEPH_MAX_TEXT   254u /* a host's name is one of DNS; with its NUL */

struct ceph_monitors {
    size_t count, in_quorum;
    struct {
        char host[CEPH_MAX_TEXT];
        char address[64]; /* without its port */
        bool in_quorum;
    } each[CEPH_MAX_MONS];
};
/* From `quorum_status`. */
bool ceph_monitors_read(const json_t *answer, struct ceph_monitors *out, struct err *err);
/* Its place in the list, or -1. */
int ceph_monitors_find(const struct ceph_monitors *monitors, const char *host);
/* Would the monitors in the quorum be more than half of all, were this one not among them? */
bool ceph_monitors_can_spare(const struct ceph_monitors *monitors, const char *host);

struct ceph_disk {
    int id;
    int host; /* its place among the hosts; -1: under none */
    bool up, in;
};
struct ceph_tree {
    size_t host_count, disk_count;
    struct ceph_disk *disks;
    char (*hosts)[CEPH_MAX_TEXT];
};
/* From `osd tree`. Cleared by the caller. */
bool ceph_tree_read(const json_t *answer, struct ceph_tree *out, struct err *err);
void ceph_tree_clear(struct ceph_tree *tree);
__attribute__((unused)) static inline void drop_tree(struct ceph_tree *tree)
{
    ceph_tree_clear(tree);
}
int ceph_tree_host(const struct ceph_tree *tree, const char *host);
const struct ceph_disk *ceph_tree_disk(const struct ceph_tree *tree, int id);
/* From `osd dump`: where its daemon is or was last, without the port; "" when that is not known. */
void ceph_disk_address(const json_t *dump, int id, char out[64]);
struct ceph_count {
    unsigned all, up, in, ready; /* ready: up and in */
};
/* Disks of one host (its place), or of all (-1). */
struct ceph_count ceph_tree_count(const struct ceph_tree *tree, int host);
/* Hosts with a disk that is up and in; without the one at this place (-1: with all). */
unsigned ceph_tree_hosts_ready(const struct ceph_tree *tree, int without);

struct ceph_pool {
    int id;
    char name[CEPH_MAX_TEXT];
    unsigned size, min_size, rule;
    unsigned groups, groups_wanted; /* placement groups now, and in the end */
    bool for_images;
};
struct ceph_pools {
    size_t count;
    struct ceph_pool each[CEPH_MAX_POOLS];
};
/* From `osd pool ls detail`. */
bool ceph_pools_read(const json_t *answer, struct ceph_pools *out, struct err *err);
const struct ceph_pool *ceph_pools_find(const struct ceph_pools *pools, const char *name);

/* What must hold for a placement group to be settled, besides active, clean and where CRUSH wants
 * it: as many copies as its pool wants; */
struct ceph_wish {
    int rule_of_hosts; /* where its pool has this rule, each on another host; -1: no rule */
    int leaving;       /* and none on the host at this place in the tree; -1 */
};
struct ceph_groups {
    unsigned all, settled;
};
/* From `pg dump pgs_brief`. Groups of pools that are not known are not settled. */
bool ceph_groups_read(const json_t *answer, const struct ceph_pools *pools,
                      const struct ceph_tree *tree, const struct ceph_wish *wish,
                      struct ceph_groups *out, struct err *err);

/* From `status`. */
struct ceph_status {
    unsigned groups, clean, active;
    double degraded, misplaced; /* percent of all copies */
    int64_t bytes_total, bytes_used, data_bytes;
    int64_t behind;    /* copies of objects that are degraded or misplaced: falls as data moves */
    unsigned managers; /* the one that is active, and those that stand by */
};
bool ceph_status_read(const json_t *answer, struct ceph_status *out, struct err *err);

#endif
