/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A further host becomes one of the datastore. What it is told comes first on its own disk, whole
 * or not at all; the cluster is asked before anything of it is changed.
 */
#include <string.h>

#include "store/ceph.h"
#include "store/ceph_keys.h"
#include "store/ceph_map.h"

#define SECONDS 10u
/* One is active; one more, and either's host may fail. Hosts with a monitor have one anyway. */
#define MANAGERS 2u

static bool check_keys(const struct store_conf *conf, const struct ceph_keys *keys, struct err *err)
{
    char there[UUID_SIZE];

    if (!ceph_conf_cluster(conf, there, err)) {
        return false;
    }
    if (strcmp(keys->cluster, conf->cluster) != 0) {
        return err_set(err, ERR_CLASH, "these are the keys of cluster %s, not of %s", keys->cluster,
                       conf->cluster);
    }
    if (there[0] && strcmp(there, conf->cluster) != 0) {
        (void)err_set(err, ERR_CLASH, "this host serves cluster %s", there);
        return err_mend(err, "Destroy that cluster first, or choose another host.");
    }
    return true;
}

/* At these addresses there may be another cluster. */
static bool check_cluster(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    char there[UUID_SIZE] = "";
    int r = rados_cluster_fsid(cluster, there, sizeof(there));

    if (r < 0) {
        return ceph_errno(err, r, "ask the cluster who it is");
    }
    return strcmp(there, conf->cluster) == 0 ||
           err_set(err, ERR_CLASH, "the monitors serve cluster %s, not %s", there, conf->cluster);
}

/* Settings of haste until `settle`, on a host that is new. */
static bool write_settings(const struct store_conf *conf, struct err *err)
{
    char there[UUID_SIZE];
    bool hasty = false;

    return ceph_conf_cluster(conf, there, err) && ceph_conf_is_hasty(conf, &hasty, err) &&
           ceph_conf_make(conf, hasty || !there[0], err);
}

static bool add_manager(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    AUTO(drop_json) json_t *answer = NULL;
    struct ceph_status status;

    if (!ceph_command(cluster, json_pack("{ss}", "prefix", "status"), &answer, err) ||
        !ceph_status_read(answer, &status, err)) {
        return false;
    }
    return status.managers >= MANAGERS || ceph_manager_make(conf, cluster, err);
}

bool ceph_join(const struct store_conf *conf, const struct secret *text,
               const struct progress *progress, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    AUTO(drop_keys) struct ceph_keys keys = {.cluster = ""};

    progress_tell(progress, 0, "write the datastore's settings");
    if (!ceph_keys_read(text, &keys, err) || !check_keys(conf, &keys, err) ||
        !write_settings(conf, err) || !ceph_places_make(conf, err) ||
        !ceph_keys_put(conf, &keys, err)) {
        return false;
    }
    progress_tell(progress, 10, "reach the datastore");
    if (!ceph_connect(conf, CEPH_ADMIN, SECONDS, &cluster, err) ||
        !check_cluster(conf, cluster, err) || !ceph_leave_undo_host(cluster, conf->host, err)) {
        return false;
    }
    progress_tell(progress, 20, "bring the monitor in");
    if (!ceph_monitor(conf, NULL, err)) {
        return false;
    }
    progress_tell(progress, 80, "see that a manager daemon stands by");
    if (!add_manager(conf, cluster, err)) {
        return false;
    }
    progress_tell(progress, 100, "this host is one of the datastore");
    return true;
}
