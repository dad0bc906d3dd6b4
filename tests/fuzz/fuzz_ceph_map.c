/* SPDX-License-Identifier: Apache-2.0 */
/* What a cluster says of itself: each line an answer, read as each kind of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/ceph_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const json_t *answer, struct ceph_pools *pools, struct ceph_tree *tree)
{
    struct ceph_monitors monitors;
    struct ceph_tree another = {.disks = NULL};
    struct ceph_status status;
    struct ceph_groups groups;
    const struct ceph_wish wish = {1, 0};
    struct err err = {0};

    if (ceph_monitors_read(answer, &monitors, &err) && monitors.in_quorum > monitors.count) {
        abort();
    }
    (void)ceph_status_read(answer, &status, &err);
    (void)ceph_pools_read(answer, pools, &err);
    if (ceph_tree_read(answer, &another, &err)) {
        struct ceph_count all = ceph_tree_count(&another, -1);

        if (all.ready > all.up || all.up > all.all) {
            abort();
        }
        ceph_tree_clear(tree);
        *tree = another;
    }
    if (ceph_groups_read(answer, pools, tree, &wish, &groups, &err) && groups.all > 0 &&
        groups.settled > groups.all) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(drop_tree) struct ceph_tree tree = {.disks = NULL};
    static struct ceph_pools pools;
    const char *at = (const char *)data, *stop = at + size;

    pools.count = 0;
    while (at < stop) {
        const char *end = memchr(at, '\n', (size_t)(stop - at));
        size_t length = (size_t)((end ? end : stop) - at);
        AUTO(drop_json) json_t *answer = NULL;
        struct err err = {0};

        if (json_read(at, length, &answer, &err)) {
            read_all(answer, &pools, &tree);
        }
        at += length + 1;
    }
    return 0;
}
