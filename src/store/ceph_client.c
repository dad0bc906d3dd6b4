/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ceph_client.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An address list of one client: two addresses at most. */
#define MAX_ADDRESS 256u
/* As long as Ceph's own clients do it: longer than any packet lives. */
#define FENCE_SECONDS 3600u

DROP(dir, DIR *, closedir);

/* Of /proc/PID/stat (proc(5)). */
#define START_FIELD 22u
/* When the process was started: with the PID it names a process for good; 0: none. */
static unsigned long long start_time(long pid)
{
    AUTO(drop_free) char *path = text_make("/proc/%ld/stat", pid);
    AUTO(drop_free) char *text = NULL;
    struct err ignored = {0};

    if (!file_read(path, 4096, &text, NULL, &ignored)) {
        return 0;
    }
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    char *rest = NULL;
    unsigned field = 2;

    for (char *word = at ? strtok_r(text + (at - text) + 1, " ", &rest) : NULL; word;
         word = strtok_r(NULL, " ", &rest)) {
        if (++field == START_FIELD) {
            return strtoull(word, NULL, 10);
        }
    }
    return 0;
}

static char *notes_folder(const struct store_conf *conf)
{
    return ceph_path(conf, "/var/lib/quoin/store");
}

/* Of this start of the kernel; "" when it does not say. */
static void boot_id(char out[UUID_SIZE])
{
    AUTO(drop_free) char *text = NULL;
    struct err ignored = {0};

    out[0] = '\0';
    if (file_read("/proc/sys/kernel/random/boot_id", 64, &text, NULL, &ignored)) {
        (void)snprintf(out, UUID_SIZE, "%.36s", text);
    }
}

/* BOOT.PID-START-NUMBER: one process may have several connections. */
static char *note_name(void)
{
    static atomic_uint number;
    long pid = (long)getpid();
    char boot[UUID_SIZE];

    boot_id(boot);
    return text_make("%s.%ld-%llu-%u", boot, pid, start_time(pid), atomic_fetch_add(&number, 1));
}

static bool is_alive(const char *note)
{
    char now[UUID_SIZE];
    unsigned long long started = 0;
    long pid = 0;

    boot_id(now);
    return text_starts(note, now) &&
           sscanf(note + strlen(now), ".%ld-%llu-", &pid, &started) == 2 &&
           start_time(pid) == started;
}

bool ceph_client_note(const struct store_conf *conf, rados_t cluster, char **out_path,
                      struct err *err)
{
    AUTO(drop_free) char *folder = notes_folder(conf);
    AUTO(drop_free) char *name = note_name();
    AUTO(drop_free) char *path = text_make("%s/%s", folder, name);
    char *addresses = NULL;
    int r = rados_getaddrs(cluster, &addresses);

    if (r < 0) {
        return ceph_errno(err, r, "learn our address");
    }
    bool written = file_make_folder(folder, 0700, err) &&
                   file_write(path, addresses, strlen(addresses), 0600, err);

    free(addresses);
    if (written) {
        *out_path = TAKE(path);
    }
    return written;
}

bool ceph_client_fence(rados_t cluster, const char *address, struct err *err)
{
    char copy[MAX_ADDRESS];

    (void)snprintf(copy, sizeof(copy), "%s", address);
    int r = rados_blocklist_add(cluster, copy, FENCE_SECONDS);

    r = r < 0 ? r : rados_wait_for_latest_osdmap(cluster);
    return r >= 0 || ceph_errno(err, r, "fence client %s", address);
}

/* "v2:10.77.0.11:0/123" or "10.77.0.11:0/123", one or several with commas in [ ]. The locks first,
 * each of which librbd takes in one go with a fence: whoever waits for it and finds its holder
 * fenced would try to fence it, too. */
static bool fence_noted(struct store *store, char *addresses, bool *out_released, struct err *err)
{
    char *rest = NULL;

    for (char *one = strtok_r(addresses, "[], \n", &rest); one;
         one = strtok_r(NULL, "[], \n", &rest)) {
        one += text_starts(one, "v2:") ? 3 : 0;
        if (text_starts(one, "v1:")) {
            continue;
        }
        if (!ceph_release(store, one, err)) {
            log_err(err);
            *out_released = false;
        }
        if (!ceph_client_fence(store->cluster, one, err)) {
            return false;
        }
    }
    return true;
}

bool ceph_client_fence_dead(const struct store_conf *conf, struct store *store, struct err *err)
{
    AUTO(drop_free) char *folder = notes_folder(conf);
    AUTO(drop_dir) DIR *dir = opendir(folder);
    const struct dirent *entry = NULL;

    while (dir && (entry = readdir(dir))) {
        AUTO(drop_free) char *path = text_make("%s/%s", folder, entry->d_name);
        AUTO(drop_free) char *addresses = NULL;
        struct err ignored = {0};

        if (entry->d_name[0] == '.' || is_alive(entry->d_name) ||
            !file_read(path, MAX_ADDRESS, &addresses, NULL, &ignored)) {
            continue;
        }
        bool released = true;

        if (!fence_noted(store, addresses, &released, err) ||
            (released && !file_remove(path, err))) {
            return err_add(err, "fence a dead client of this host");
        }
    }
    return true;
}
