/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "store/ceph.h"

#define HEADER "# Written by quoin: changes are lost with the next deploy.\n"
#define HASTE  "# While the cluster is made:\n"
#define PORT   3300u /* the monitors' port of messenger 2 */

/* Memory of one disk's daemon: below the first it thrashes, above the second it gains little. */
#define MEMORY_MIN (1ull << 30)
#define MEMORY_MAX (4ull << 30)
/* The share of the host's memory that the disks' daemons may take together, three disks assumed:
 * the virtual machines need the rest. */
#define MEMORY_SHARE 15u

#define DEFAULT_SECONDS 120u

struct setting {
    const char *name;
    const char *value; /* NULL: worked out */
    const char *why;   /* a comment in the file */
};

/* One line each, in the order of the file. */
static const struct setting globals[] = {
    {"auth_cluster_required", "cephx", NULL},
    {"auth_service_required", "cephx", NULL},
    {"auth_client_required", "cephx", NULL},
    {"auth_allow_insecure_global_id_reclaim", "false", "CVE-2021-20288"},
    {"ms_bind_msgr1", "false", "messenger 2 alone: the old one cannot be encrypted"},
    {"ms_mon_cluster_mode", "secure", NULL},
    {"ms_mon_service_mode", "secure", "keys travel by way of the monitors"},
    {"ms_mon_client_mode", "secure", NULL},
    {"mon_allow_pool_size_one", "true", "one host has one copy; more come with more hosts"},
    {"mon_warn_on_pool_no_redundancy", "false", NULL},
    {"mon_data_avail_warn", "10", "percent; the host's disk holds more than a monitor"},
    {"mon_lease", "3", "seconds; a lost monitor is seen after twice as many, by default after 10"},
    {"mon_election_timeout", "3", NULL},
    {"mon_client_ping_interval", "2",
     "seconds; a monitor that is silent for 8 is left for another, by default for 30"},
    {"mon_client_ping_timeout", "8", NULL},
    {"mon_mgr_beacon_grace", "15", NULL},
    {"osd_heartbeat_interval", "2",
     "seconds; a disk's daemon that is silent for 9 is down, by default for 20"},
    {"osd_heartbeat_grace", "9", NULL},
    {"osd_pool_default_pg_autoscale_mode", "off", "quoin chooses the number itself"},
    {"mgr_initial_modules", "", NULL},
};
static const struct setting clients[] = {
    {"rbd_sparse_read_threshold_bytes", "1",
     "holes under encryption read as zeros; never take this out"},
    {"client_mount_timeout", "30", "seconds: a start without monitors ends, by default in 300"},
    {"objecter_timeout", "2",
     "seconds until a client asks where a silent disk's daemon is now; by default 10"},
    {"objecter_tick_interval", "1", NULL},
    {"rbd_cache", "true", NULL},
    {"rbd_cache_writethrough_until_flush", "true", "a guest that never flushes loses nothing"},
    {"rbd_cache_policy", "writearound", NULL},
};
/* While the cluster is born and empty; measured: 4.9 s instead of 10.9 s. */
static const struct setting hasty_ones[] = {
    {"paxos_propose_interval", "0.02", NULL},
    {"paxos_min_wait", "0.01", NULL},
    {"mon_tick_interval", "1", NULL},
    {"mgr_stats_period", "1", NULL},
    {"mgr_tick_period", "1", NULL},
    {"osd_mclock_skip_benchmark", "true", NULL},
    {"bluestore_fsck_on_mkfs", "false", NULL},
    {"mgr_disabled_modules",
     "alerts influx insights iostat localpool mirroring nfs osd_support prometheus restful "
     "selftest snap_schedule stats telegraf test_orchestrator zabbix",
     NULL},
};

char *ceph_path(const struct store_conf *conf, const char *format, ...)
{
    AUTO(drop_text) struct text text = {0};
    AUTO(drop_free) char *rest = NULL;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&rest, format, arguments);
    va_end(arguments);
    if (length < 0) {
        abort();
    }
    text_add(&text, conf->root ? conf->root : "");
    text_add(&text, rest);
    return text_take(&text);
}

const struct store_daemons *ceph_daemons(const struct store_conf *conf)
{
    return conf->daemons ? conf->daemons : &store_units;
}

unsigned ceph_seconds(const struct store_conf *conf)
{
    return conf->seconds ? conf->seconds : DEFAULT_SECONDS;
}

static void add_settings(const struct setting *settings, size_t count, struct text *text)
{
    for (size_t i = 0; i < count; i++) {
        if (settings[i].why) {
            text_addf(text, "# %s\n", settings[i].why);
        }
        text_addf(text, "%s = %s\n", settings[i].name, settings[i].value);
    }
}

static void add_monitors(const struct store_conf *conf, struct text *text)
{
    text_add(text, "mon_host =");
    for (size_t i = 0; i < conf->monitor_count; i++) {
        bool v6 = strchr(conf->monitors[i].address, ':') != NULL;

        text_addf(text, "%s[v2:%s%s%s:%u]", i ? "," : " ", v6 ? "[" : "", conf->monitors[i].address,
                  v6 ? "]" : "", PORT);
    }
    text_add(text, "\n");
}

/* Away from / nothing is where the packages put it. */
static void add_places(const struct store_conf *conf, struct text *text)
{
    const char *root = conf->root;

    if (!root || !root[0]) {
        return;
    }
    text_addf(text, "run_dir = %s/run/ceph\nadmin_socket = %s/run/ceph/$name.asok\n", root, root);
    text_addf(text, "pid_file = %s/run/ceph/$name.pid\nlog_file = %s/var/log/ceph/$name.log\n",
              root, root);
    text_addf(text, "mon_cluster_log_file = %s/var/log/ceph/ceph.log\ncrash_dir = %s/crash\n", root,
              root);
    text_addf(text, "mon_data = %s/var/lib/ceph/mon/ceph-$id\n", root);
    text_addf(text, "mgr_data = %s/var/lib/ceph/mgr/ceph-$id\n", root);
    text_addf(text, "osd_data = %s/var/lib/ceph/osd/ceph-$id\n", root);
}

char *ceph_conf_text(const struct store_conf *conf, uint64_t disk_memory, bool hasty)
{
    AUTO(drop_text) struct text text = {0};

    text_addf(&text, HEADER "[global]\nfsid = %s\n", conf->cluster);
    add_monitors(conf, &text);
    text_addf(&text, "public_network = %s\npublic_addr = %s\ncluster_addr = %s\n", conf->network,
              conf->address, conf->address);
    if (strchr(conf->address, ':')) {
        text_add(&text, "ms_bind_ipv4 = false\nms_bind_ipv6 = true\n");
    }
    add_settings(globals, COUNT_OF(globals), &text);
    text_addf(&text, "osd_pool_default_size = %u\n", conf->replicas);
    add_places(conf, &text);
    if (hasty) {
        text_add(&text, HASTE);
        add_settings(hasty_ones, COUNT_OF(hasty_ones), &text);
    }
    text_addf(&text, "\n[osd]\nosd_memory_target = %llu\ncrush_location = root=default host=%s\n",
              (unsigned long long)disk_memory, conf->host);
    text_add(&text, "\n[client]\n");
    add_settings(clients, COUNT_OF(clients), &text);
    if (conf->root && conf->root[0]) {
        text_add(&text, "admin_socket =\nlog_file =\npid_file =\n");
    }
    return text_take(&text);
}

static uint64_t choose_memory(const struct store_conf *conf)
{
    struct sysinfo info = {0};

    if (conf->disk_memory) {
        return conf->disk_memory;
    }
    (void)sysinfo(&info);
    uint64_t share = (uint64_t)info.totalram * info.mem_unit / 100 * MEMORY_SHARE;

    share -= share % (64ull << 20); /* so that the file stays the same from look to look */
    return share < MEMORY_MIN ? MEMORY_MIN : share > MEMORY_MAX ? MEMORY_MAX : share;
}

static bool read_conf(const struct store_conf *conf, char **out, struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "/etc/ceph/ceph.conf");
    struct err absent = {0};

    *out = NULL;
    return file_read(path, CEPH_MAX_FILE, out, NULL, &absent) || absent.kind == ERR_ABSENT ||
           (*err = absent, false);
}

bool ceph_conf_cluster(const struct store_conf *conf, char out[UUID_SIZE], struct err *err)
{
    AUTO(drop_free) char *text = NULL;
    char cluster[UUID_SIZE] = "";

    if (!read_conf(conf, &text, err)) {
        return false;
    }
    const char *line = text && text_starts(text, HEADER) ? strstr(text, "\nfsid = ") : NULL;

    if (text && (!line || sscanf(line, "\nfsid = %36s", cluster) != 1 || !uuid_valid(cluster))) {
        (void)err_set(err, ERR_CLASH, "/etc/ceph/ceph.conf was not written by quoin");
        return err_mend(err, "This host serves another Ceph: choose another host, or remove it.");
    }
    memcpy(out, cluster, sizeof(cluster));
    return true;
}

bool ceph_conf_is_hasty(const struct store_conf *conf, bool *out, struct err *err)
{
    AUTO(drop_free) char *there = NULL;

    if (!read_conf(conf, &there, err)) {
        return false;
    }
    *out = there && strstr(there, HASTE) != NULL;
    return true;
}

bool ceph_conf_make(const struct store_conf *conf, bool hasty, struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "/etc/ceph/ceph.conf");
    AUTO(drop_free) char *folder = ceph_path(conf, "/etc/ceph");
    AUTO(drop_free) char *wanted = ceph_conf_text(conf, choose_memory(conf), hasty);
    AUTO(drop_free) char *there = NULL;
    char cluster[UUID_SIZE];

    if (!ceph_conf_cluster(conf, cluster, err) || !read_conf(conf, &there, err)) {
        return false;
    }
    if (cluster[0] && strcmp(cluster, conf->cluster) != 0) {
        (void)err_set(err, ERR_CLASH, "this host serves cluster %s", cluster);
        return err_mend(err, "Destroy that cluster first, or choose another host.");
    }
    if (there && strcmp(there, wanted) == 0) {
        return true;
    }
    /* Read by the daemons and by the hypervisor's process: nothing in it is secret. */
    return file_make_folder(folder, 0755, err) &&
           file_write(path, wanted, strlen(wanted), 0644, err);
}
