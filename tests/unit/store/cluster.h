/* SPDX-License-Identifier: Apache-2.0 */
/* A real Ceph of one host for tests, on a loopback address of its own, with `count` loop disks. */
#ifndef QUOIN_TESTS_STORE_CLUSTER_H
#define QUOIN_TESTS_STORE_CLUSTER_H

#include "direct.h"

/* In a test of cmocka: it must succeed, or the test fails with what `err` says. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        if (!(call)) {                                                                             \
            fail_msg("%s: %s (%s)", #call, err.what, err_kind_name(err.kind));                     \
        }                                                                                          \
    } while (0)

#define CLUSTER_MAX_DISKS 3

struct cluster {
    char root[64], id[UUID_SIZE], address[32], network[40];
    char loops[CLUSTER_MAX_DISKS][64];
    size_t disk_count;
    struct store_monitor monitor;
    struct store_conf conf;
    struct disk_order orders[CLUSTER_MAX_DISKS];
};

/* Folders and disks under a new folder in `where`; nothing of Ceph yet. */
void cluster_prepare(struct cluster *cluster, const char *where, size_t disk_count);
/* begin, disk …, pool. */
bool cluster_make(struct cluster *cluster, const struct progress *progress, struct err *err);
/* Whatever the test left. */
void cluster_drop(struct cluster *cluster);

#endif
