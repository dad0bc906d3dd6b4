/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services without any disk: a monitor and a manager daemon. What a kill could leave half made
 * is made under another name and renamed, so that what is there under its own name is whole.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/ceph.h"
#include "store/ceph_keys.h"

#define ACCOUNT "ceph"
#define SECONDS 10u

bool ceph_account(uid_t *out_user, gid_t *out_group, struct err *err)
{
    struct passwd entry, *found = NULL;
    char room[4096];

    if (getpwnam_r(ACCOUNT, &entry, room, sizeof(room), &found) != 0 || !found) {
        (void)err_set(err, ERR_ABSENT, "there is no account '%s'", ACCOUNT);
        return err_mend(err, "Install the packages ceph-mon, ceph-mgr and ceph-osd.");
    }
    *out_user = found->pw_uid;
    *out_group = found->pw_gid;
    return true;
}

bool ceph_program(const char *const *argv, unsigned seconds, struct err *err)
{
    return run_ok(&(struct run){.argv = argv, .seconds = seconds}, NULL, err);
}

bool ceph_folder(const char *path, bool fresh, struct err *err)
{
    uid_t user = 0;
    gid_t group = 0;

    if ((fresh && !file_remove_tree(path, err)) || !file_make_folder(path, 0750, err) ||
        !ceph_account(&user, &group, err)) {
        return false;
    }
    return lchown(path, user, group) == 0 || err_errno(err, errno, "give '%s' to ceph", path);
}

bool ceph_places_make(const struct store_conf *conf, struct err *err)
{
    static const struct {
        const char *path;
        bool open; /* to everybody, as on any host */
    } places[] = {
        {"/var/lib", true},           {"/var/log", true},           {"/run", true},
        {"/var/lib/ceph", false},     {"/var/lib/ceph/mon", false}, {"/var/lib/ceph/mgr", false},
        {"/var/lib/ceph/osd", false}, {"/var/log/ceph", false},     {"/run/ceph", false}};

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        AUTO(drop_free) char *path = ceph_path(conf, "%s", places[i].path);

        if (!(places[i].open ? file_make_folder(path, 0755, err) : ceph_folder(path, false, err))) {
            return false;
        }
    }
    return true;
}

static bool make_manager_folder(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "/var/lib/ceph/mgr/ceph-%s", conf->host);
    AUTO(drop_free) char *keyring = text_make("%s/keyring", path);
    AUTO(drop_free) char *entity = text_make("mgr.%s", conf->host);
    uid_t user = 0;
    gid_t group = 0;

    if (file_exists(keyring)) {
        return true;
    }
    /* It would make a pool of its own for the disks' health, in the shape of its own mind. */
    return ceph_command(cluster,
                        json_pack("{ss ss ss ss sb}", "prefix", "config set", "who", "mgr", "name",
                                  "mgr/devicehealth/enable_monitoring", "value", "false", "force",
                                  1),
                        NULL, err) &&
           ceph_folder(path, true, err) && ceph_account(&user, &group, err) &&
           ceph_keyring_fetch(cluster, entity,
                              json_pack("[ssssss]", "mon", "allow profile mgr", "osd", "allow *",
                                        "mds", "allow *"),
                              keyring, user, group, err);
}

bool ceph_manager_make(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    return make_manager_folder(conf, cluster, err) &&
           ceph_daemons(conf)->start(conf->root, "mgr", conf->host, NULL, err);
}

/* Before the first disk is in, settings of haste hold; pool_make puts those of everyday. */
static bool is_new(const struct store_conf *conf)
{
    AUTO(drop_free) char *key = ceph_path(conf, "/etc/ceph/ceph.client." CEPH_USER ".keyring");

    return !file_exists(key);
}

static bool begin(const struct store_conf *conf, const struct progress *progress, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;

    progress_tell(progress, 0, "write the datastore's settings");
    if (!ceph_conf_make(conf, is_new(conf), err) || !ceph_places_make(conf, err)) {
        return false;
    }
    progress_tell(progress, 20, "start the monitor");
    if (!ceph_monitor_make(conf, NULL, err) ||
        !ceph_daemons(conf)->start(conf->root, "mon", conf->host, NULL, err) ||
        !ceph_monitors_wait(conf, NULL, ceph_seconds(conf), &cluster, err)) {
        return false;
    }
    progress_tell(progress, 60, "start the manager daemon");
    if (!ceph_manager_make(conf, cluster, err)) {
        return false;
    }
    progress_tell(progress, 100, "the datastore's services answer");
    return true;
}

/* The monitor of this host took its haste from the file; it is told, and the file is for its next
 * start. What else is in haste matters only while a daemon starts. */
static bool tell_monitor(const struct store_conf *conf, struct err *err)
{
    AUTO(drop_free) char *folder = ceph_path(conf, "/var/lib/ceph/mon/ceph-%s", conf->host);
    AUTO(drop_rados) rados_t cluster = NULL;

    return !file_exists(folder) ||
           (ceph_connect(conf, CEPH_ADMIN, SECONDS, &cluster, err) &&
            ceph_tell_monitor(cluster, conf->host,
                              json_pack("{ss s[sss]}", "prefix", "injectargs", "injected_args",
                                        "--paxos_propose_interval=1", "--paxos_min_wait=0.05",
                                        "--mon_tick_interval=5"),
                              err));
}

bool ceph_settle(const struct store_conf *conf, struct err *err)
{
    char there[UUID_SIZE];
    bool hasty = false;

    if (!ceph_conf_cluster(conf, there, err)) {
        return false;
    }
    if (!there[0]) {
        return err_set(err, ERR_ABSENT, "there is no datastore on this host");
    }
    return ceph_conf_is_hasty(conf, &hasty, err) && (!hasty || tell_monitor(conf, err)) &&
           ceph_conf_make(conf, false, err);
}

const struct store_build ceph_build = {
    .begin = begin,
    .keys = ceph_keys_gather,
    .join = ceph_join,
    .monitor = ceph_monitor,
    .disk = ceph_osd_make,
    .pool = ceph_pool_make,
    .undo = ceph_undo,
};

const struct store_care ceph_care = {
    .settle = ceph_settle,
    .spread = ceph_spread,
    .leave = ceph_leave,
    .pause = ceph_pause,
};
