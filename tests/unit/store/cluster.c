/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DISK_SIZE (6ull << 30)

void cluster_prepare(struct cluster *cluster, const char *where, size_t disk_count)
{
    unsigned n = (unsigned)getpid();

    *cluster = (struct cluster){.disk_count = disk_count};
    (void)snprintf(cluster->root, sizeof(cluster->root), "%s/quoin-store-XXXXXX", where);
    if (!mkdtemp(cluster->root) || chmod(cluster->root, 0755) != 0) {
        abort();
    }
    uuid_make(cluster->id);
    /* Processes side by side each have their own: PIDs fit into 127.0.0.0/8. */
    (void)snprintf(cluster->address, sizeof(cluster->address), "127.%u.%u.%u", 1 + (n >> 16 & 63),
                   n >> 8 & 255, 1 + n % 250);
    (void)snprintf(cluster->network, sizeof(cluster->network), "%s/32", cluster->address);
    cluster->monitor = (struct store_monitor){"h1", cluster->address};
    cluster->conf = (struct store_conf){.cluster = cluster->id,
                                        .name = "ds1",
                                        .network = cluster->network,
                                        .host = "h1",
                                        .address = cluster->address,
                                        .monitors = &cluster->monitor,
                                        .monitor_count = 1,
                                        .replicas = 1,
                                        .disk_memory = 1ull << 30,
                                        .root = cluster->root,
                                        .daemons = &direct_daemons};
    for (size_t i = 0; i < disk_count; i++) {
        char file[96];

        (void)snprintf(file, sizeof(file), "%s/disk%zu", cluster->root, i);
        loop_make(file, DISK_SIZE, cluster->loops[i]);
        cluster->orders[i] = (struct disk_order){.name = {.path = cluster->loops[i]},
                                                 .size = DISK_SIZE,
                                                 .cluster = cluster->id,
                                                 .host = "h1"};
    }
}

bool cluster_make(struct cluster *cluster, const struct progress *progress, struct err *err)
{
    const struct store_build *build = stores[0]->build;
    unsigned member = 0;

    if (!build->begin(&cluster->conf, progress, err)) {
        return false;
    }
    for (size_t i = 0; i < cluster->disk_count; i++) {
        if (!build->disk(&cluster->conf, &cluster->orders[i], progress, &member, err)) {
            return false;
        }
    }
    return build->pool(&cluster->conf, progress, err);
}

void cluster_drop(struct cluster *cluster)
{
    struct err ignored = {0};

    direct_kill_all(cluster->root);
    for (size_t i = 0; i < cluster->disk_count; i++) {
        loop_free(cluster->loops[i]);
    }
    (void)file_remove_tree(cluster->root, &ignored);
}
