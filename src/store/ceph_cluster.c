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

#define ACCOUNT "ceph"
/* One look at the monitors; the deadline is that of the whole wait. */
#define TRY_SECONDS 5u

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

/* Where the packages would have made them; in tests nobody has. */
static bool make_places(const struct store_conf *conf, struct err *err)
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

static bool make_admin_keyring(const struct store_conf *conf, struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "/etc/ceph/ceph.client.admin.keyring");
    AUTO(drop_free) char *beside = text_make("%s.new", path);

    if (file_exists(path)) {
        return true;
    }
    if (!file_remove(beside, err) ||
        !ceph_program(RUN("ceph-authtool", "--create-keyring", beside, "--gen-key", "-n",
                          "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *",
                          "--cap", "mgr", "allow *"),
                      30, err)) {
        return err_add(err, "make the administrator's key");
    }
    if (chmod(beside, 0600) != 0 || rename(beside, path) != 0) {
        return err_errno(err, errno, "make '%s'", path);
    }
    return true;
}

/* The first monitor's keys (its own and the administrator's) and the map with itself alone. */
static bool make_monitor_seed(const struct store_conf *conf, const char *keyring, const char *map,
                              struct err *err)
{
    AUTO(drop_free) char *admin = ceph_path(conf, "/etc/ceph/ceph.client.admin.keyring");
    bool v6 = strchr(conf->address, ':') != NULL;
    AUTO(drop_free)
    char *address = text_make("[v2:%s%s%s:3300]", v6 ? "[" : "", conf->address, v6 ? "]" : "");
    uid_t user = 0;
    gid_t group = 0;

    if (!ceph_account(&user, &group, err) ||
        !ceph_program(RUN("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.",
                          "--cap", "mon", "allow *"),
                      30, err) ||
        !ceph_program(RUN("ceph-authtool", keyring, "--import-keyring", admin), 30, err) ||
        !ceph_program(RUN("monmaptool", "--create", "--clobber", "--fsid", conf->cluster,
                          "--enable-all-features", "--set-min-mon-release", "pacific", "--addv",
                          conf->host, address, map),
                      30, err)) {
        return false;
    }
    return (chown(keyring, user, group) == 0 && chmod(keyring, 0600) == 0 &&
            chown(map, user, group) == 0) ||
           err_errno(err, errno, "give '%s' to ceph", keyring);
}

static bool make_monitor(const struct store_conf *conf, struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "/var/lib/ceph/mon/ceph-%s", conf->host);
    AUTO(drop_free) char *beside = text_make("%s.new", path);
    AUTO(drop_free) char *seed = text_make("%s.seed", path);
    AUTO(drop_free) char *keyring = text_make("%s/keyring", seed);
    AUTO(drop_free) char *map = text_make("%s/map", seed);
    AUTO(drop_free) char *file = ceph_path(conf, "/etc/ceph/ceph.conf");

    if (file_exists(path)) {
        return true;
    }
    if (!ceph_folder(seed, true, err) || !make_monitor_seed(conf, keyring, map, err) ||
        !ceph_folder(beside, true, err) ||
        !ceph_program(RUN("ceph-mon", "-c", file, "--mkfs", "-i", conf->host, "--mon-data", beside,
                          "--monmap", map, "--keyring", keyring, "--setuser", ACCOUNT, "--setgroup",
                          ACCOUNT),
                      60, err)) {
        return err_add(err, "make the monitor");
    }
    if (rename(beside, path) != 0) {
        return err_errno(err, errno, "make '%s'", path);
    }
    return file_remove_tree(seed, err);
}

static bool has_quorum(rados_t cluster, struct err *err)
{
    AUTO(drop_json) json_t *status = NULL;

    return ceph_command(cluster, json_pack("{ss}", "prefix", "quorum_status"), &status, err) &&
           (json_array_size(json_object_get(status, "quorum")) > 0 ||
            err_set(err, ERR_AWAY, "the monitors have no quorum"));
}

static bool wait_for_monitors(const struct store_conf *conf, rados_t *out, struct err *err)
{
    int64_t stop = clock_ms() + 1000 * (int64_t)ceph_seconds(conf);

    for (;;) {
        AUTO(drop_rados) rados_t cluster = NULL;

        if (ceph_connect(conf, CEPH_ADMIN, TRY_SECONDS, &cluster, err) &&
            has_quorum(cluster, err)) {
            *out = TAKE(cluster);
            return true;
        }
        if (err->kind != ERR_AWAY || clock_ms() >= stop) {
            return err_add(err, "wait for the monitors");
        }
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
}

static bool make_manager(const struct store_conf *conf, rados_t cluster, struct err *err)
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

/* Before the first disk is in, settings of haste hold; pool_make puts those of everyday. */
static bool is_new(const struct store_conf *conf)
{
    AUTO(drop_free) char *key = ceph_path(conf, "/etc/ceph/ceph.client." CEPH_USER ".keyring");

    return !file_exists(key);
}

static bool begin(const struct store_conf *conf, const struct progress *progress, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    const struct store_daemons *daemons = ceph_daemons(conf);

    progress_tell(progress, 0, "write the datastore's settings");
    if (!ceph_conf_make(conf, is_new(conf), err) || !make_places(conf, err) ||
        !make_admin_keyring(conf, err)) {
        return false;
    }
    progress_tell(progress, 20, "start the monitor");
    if (!make_monitor(conf, err) || !daemons->start(conf->root, "mon", conf->host, NULL, err) ||
        !wait_for_monitors(conf, &cluster, err)) {
        return false;
    }
    progress_tell(progress, 60, "start the manager daemon");
    if (!make_manager(conf, cluster, err) ||
        !daemons->start(conf->root, "mgr", conf->host, NULL, err)) {
        return false;
    }
    progress_tell(progress, 100, "the datastore's services answer");
    return true;
}

const struct store_build ceph_build = {
    .begin = begin,
    .disk = ceph_osd_make,
    .pool = ceph_pool_make,
    .undo = ceph_undo,
};
