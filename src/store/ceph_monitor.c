/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's monitor: made, one of the quorum, and no more.
 *
 * It is never put on the list for it: a monitor that is not on the list fills its store from the
 * others and then asks to be put there. So the list grows only by one that is alive and knows all,
 * and a host that dies on the way leaves the list as it was.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/ceph.h"
#include "store/ceph_keys.h"
#include "store/ceph_map.h"

#define ACCOUNT "ceph"
/* One look at the monitors; the deadline is that of the whole wait. */
#define TRY_SECONDS 5u

static char *folder_of(const struct store_conf *conf)
{
    return ceph_path(conf, "/var/lib/ceph/mon/ceph-%s", conf->host);
}

static char *address_of(const struct store_conf *conf)
{
    bool v6 = strchr(conf->address, ':') != NULL;

    return text_make("[v2:%s%s%s:3300]", v6 ? "[" : "", conf->address, v6 ? "]" : "");
}

/* The map that its own first one starts with: of itself alone, */
static bool make_map(const struct store_conf *conf, const char *map, struct err *err)
{
    AUTO(drop_free) char *address = address_of(conf);

    return ceph_program(RUN("monmaptool", "--create", "--clobber", "--fsid", conf->cluster,
                            "--enable-all-features", "--set-min-mon-release", "pacific", "--addv",
                            conf->host, address, map),
                        30, err);
}

/* or of the others, and itself: so that it knows its own address. */
static bool fetch_map(const struct store_conf *conf, rados_t cluster, const char *map,
                      struct err *err)
{
    AUTO(drop_free) char *address = address_of(conf);
    struct run_result said = {0};
    const struct run forget = {.argv = RUN("monmaptool", "--rm", conf->host, map), .seconds = 30};

    if (!ceph_fetch(cluster, json_pack("{ss}", "prefix", "mon getmap"), map, 0, 0, err) ||
        !run_program(&forget, &said, err)) {
        return false;
    }
    run_result_clear(&said); /* says no when it was not there */
    return ceph_program(RUN("monmaptool", "--addv", conf->host, address, map), 30, err);
}

static bool make_seed(const struct store_conf *conf, rados_t cluster, const char *keyring,
                      const char *map, struct err *err)
{
    uid_t user = 0;
    gid_t group = 0;

    if (!ceph_account(&user, &group, err) ||
        !(cluster ? ceph_keys_seed(conf, keyring, err) && fetch_map(conf, cluster, map, err)
                  : ceph_keys_first(conf, keyring, err) && make_map(conf, map, err))) {
        return false;
    }
    return (chown(keyring, user, group) == 0 && chmod(keyring, 0600) == 0 &&
            chown(map, user, group) == 0) ||
           err_errno(err, errno, "give '%s' to ceph", keyring);
}

bool ceph_monitor_make(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    AUTO(drop_free) char *path = folder_of(conf);
    AUTO(drop_free) char *beside = text_make("%s.new", path);
    AUTO(drop_free) char *seed = text_make("%s.seed", path);
    AUTO(drop_free) char *keyring = text_make("%s/keyring", seed);
    AUTO(drop_free) char *map = text_make("%s/map", seed);
    AUTO(drop_free) char *file = ceph_path(conf, "/etc/ceph/ceph.conf");

    if (file_exists(path)) {
        return ceph_keys_keep(conf, path, err);
    }
    if (!ceph_folder(seed, true, err) || !make_seed(conf, cluster, keyring, map, err) ||
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
    return file_remove_tree(seed, err) && ceph_keys_keep(conf, path, err);
}

bool ceph_monitors_look(rados_t cluster, struct ceph_monitors *out, struct err *err)
{
    AUTO(drop_json) json_t *answer = NULL;

    return (ceph_command(cluster, json_pack("{ss}", "prefix", "quorum_status"), &answer, err) &&
            ceph_monitors_read(answer, out, err)) ||
           err_add(err, "look at the monitors");
}

bool ceph_monitors_wait(const struct store_conf *conf, const char *host, unsigned seconds,
                        rados_t *out, struct err *err)
{
    int64_t stop = clock_ms() + 1000 * (int64_t)seconds;

    for (;;) {
        AUTO(drop_rados) rados_t cluster = NULL;
        struct ceph_monitors monitors;
        bool asked = ceph_connect(conf, CEPH_ADMIN, TRY_SECONDS, &cluster, err) &&
                     ceph_monitors_look(cluster, &monitors, err);
        int place = asked && host ? ceph_monitors_find(&monitors, host) : -1;

        if (asked &&
            (host ? place >= 0 && monitors.each[place].in_quorum : monitors.in_quorum > 0)) {
            *out = TAKE(cluster);
            return true;
        }
        if (asked) {
            (void)err_set(err, ERR_AWAY,
                          host ? "the monitor of %s is not in the quorum"
                               : "the monitors have no quorum%s",
                          host ? host : "");
        }
        if (err->kind != ERR_AWAY || clock_ms() >= stop) {
            return err_add(err, "wait for the monitors");
        }
        nanosleep(&(struct timespec){0, host ? 200000000 : 50000000}, NULL);
    }
}

static bool remove_from_list(rados_t cluster, const char *host, struct err *err)
{
    struct err refused = {0};

    if (ceph_command(cluster, json_pack("{ss ss}", "prefix", "mon remove", "name", host), NULL,
                     &refused) ||
        refused.kind == ERR_ABSENT) {
        return true;
    }
    return *err = refused, err_add(err, "take the monitor of %s out", host);
}

bool ceph_monitor_spare(rados_t cluster, const char *host, struct err *err)
{
    struct ceph_monitors monitors;

    if (!ceph_monitors_look(cluster, &monitors, err)) {
        return false;
    }
    if (ceph_monitors_find(&monitors, host) < 0) {
        return true;
    }
    if (!ceph_monitors_can_spare(&monitors, host)) {
        (void)err_set(err, ERR_CLASH,
                      "without the monitor of %s there is no quorum: %zu of %zu are in it", host,
                      monitors.in_quorum, monitors.count);
        return err_mend(err, "Bring the other monitors' hosts back, or add a host with one first.");
    }
    return true;
}

bool ceph_monitor_remove(rados_t cluster, const char *host, struct err *err)
{
    return ceph_monitor_spare(cluster, host, err) && remove_from_list(cluster, host, err);
}

static bool forget_folder(const struct store_conf *conf, struct err *err)
{
    AUTO(drop_free) char *path = folder_of(conf);

    return !file_exists(path) || (ceph_keys_keep(conf, path, err) &&
                                  ceph_daemons(conf)->stop(conf->root, "mon", conf->host, err) &&
                                  file_remove_tree(path, err));
}

/* Whoever did not get into the quorum is no member: it goes, from the list too if it got there, so
 * that the others need no majority with it. */
static bool give_up(const struct store_conf *conf, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    struct err more = {0};

    if (!ceph_connect(conf, CEPH_ADMIN, TRY_SECONDS, &cluster, &more) ||
        !ceph_monitor_remove(cluster, conf->host, &more) || !forget_folder(conf, &more)) {
        return err_add(err, "and it could not be taken out again (%s)", more.what);
    }
    return err_mend(err, "Look at 'journalctl -u ceph-mon@%s', and run again.", conf->host);
}

/* A store that is there and is on no list was left half-way, or is one from before it was taken
 * out: it has a moment to get in, and is then made anew. */
static bool try_old(const struct store_conf *conf, rados_t *out, struct err *err)
{
    AUTO(drop_free) char *path = folder_of(conf);
    struct err late = {0};

    if (!file_exists(path)) {
        return true;
    }
    return (ceph_daemons(conf)->start(conf->root, "mon", conf->host, NULL, &late) &&
            ceph_monitors_wait(conf, conf->host, ceph_seconds(conf) / 4, out, &late)) ||
           forget_folder(conf, err);
}

static bool check_address(const struct store_conf *conf, const struct ceph_monitors *monitors,
                          struct err *err)
{
    int place = ceph_monitors_find(monitors, conf->host);
    const char *there = place >= 0 ? monitors->each[place].address : "";

    if (!there[0] || strcmp(there, conf->address) == 0) {
        return true;
    }
    (void)err_set(err, ERR_CLASH, "the cluster knows a monitor '%s' at %s, not at %s", conf->host,
                  there, conf->address);
    return err_mend(err, "Remove that host from the cluster first, or give this one another name.");
}

static bool go_in(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    AUTO(drop_rados) rados_t again = NULL;
    struct ceph_monitors monitors;

    if (!ceph_monitors_look(cluster, &monitors, err) || !check_address(conf, &monitors, err)) {
        return false;
    }
    bool listed = ceph_monitors_find(&monitors, conf->host) >= 0;

    if (!listed && !try_old(conf, &again, err)) {
        return false;
    }
    if (again) {
        return true;
    }
    if (!ceph_monitor_make(conf, cluster, err) ||
        !ceph_daemons(conf)->start(conf->root, "mon", conf->host, NULL, err)) {
        return false;
    }
    return ceph_monitors_wait(conf, conf->host, ceph_seconds(conf), &again, err) ||
           (listed ? false : give_up(conf, err));
}

static bool is_wanted(const struct store_conf *conf)
{
    for (size_t i = 0; i < conf->monitor_count; i++) {
        if (strcmp(conf->monitors[i].host, conf->host) == 0) {
            return true;
        }
    }
    return false;
}

bool ceph_monitor(const struct store_conf *conf, const struct progress *progress, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    bool wanted = is_wanted(conf);

    progress_tell(progress, 0, wanted ? "bring the monitor in" : "see that no monitor is here");
    if (!ceph_connect(conf, CEPH_ADMIN, TRY_SECONDS, &cluster, err) ||
        !(wanted ? go_in(conf, cluster, err) && ceph_manager_make(conf, cluster, err)
                 : ceph_monitor_remove(cluster, conf->host, err) && forget_folder(conf, err))) {
        return false;
    }
    progress_tell(progress, 100, wanted ? "the monitor is in the quorum" : "no monitor is here");
    return true;
}
