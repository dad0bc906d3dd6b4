/* SPDX-License-Identifier: Apache-2.0 */
#include "direct.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

DROP(dir, DIR *, closedir);

static char *pid_path(const char *root, const char *kind, const char *id)
{
    return text_make("%s/run/ceph/%s.%s.pid", root, kind, id);
}

static pid_t pid_of(const char *root, const char *kind, const char *id)
{
    AUTO(drop_free) char *path = pid_path(root, kind, id);
    AUTO(drop_free) char *text = NULL;
    struct err ignored = {0};

    if (!file_read(path, 64, &text, NULL, &ignored)) {
        return 0;
    }
    pid_t pid = atoi(text);

    return pid > 0 && kill(pid, 0) == 0 ? pid : 0;
}

static bool start(const char *root, const char *kind, const char *id, const char *device,
                  struct err *err)
{
    AUTO(drop_free) char *program = text_make("ceph-%s", kind);
    AUTO(drop_free) char *conf = text_make("%s/etc/ceph/ceph.conf", root);
    AUTO(drop_free) char *note = text_make("%s/enabled-%s.%s", root, kind, id);
    const struct passwd *ceph = getpwnam("ceph");

    if (device && (!ceph || chown(device, ceph->pw_uid, ceph->pw_gid) != 0)) {
        return err_errno(err, errno, "own %s", device);
    }
    if (!file_write(note, device ? device : "", device ? strlen(device) : 0, 0600, err)) {
        return false;
    }
    return pid_of(root, kind, id) ||
           run_ok(&(struct run){.argv = RUN(program, "-c", conf, "-i", id, "--setuser", "ceph",
                                            "--setgroup", "ceph")},
                  NULL, err);
}

static void wait_gone(pid_t pid)
{
    for (int i = 0; i < 3000 && kill(pid, 0) == 0; i++) {
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
}

static bool stop(const char *root, const char *kind, const char *id, struct err *err)
{
    AUTO(drop_free) char *note = text_make("%s/enabled-%s.%s", root, kind, id);
    pid_t pid = pid_of(root, kind, id);

    if (pid > 0) {
        kill(pid, SIGTERM);
        wait_gone(pid);
    }
    return file_remove(note, err);
}

const struct store_daemons direct_daemons = {.start = start, .stop = stop};

static bool each(const char *root,
                 bool (*act)(const char *root, const char *kind, const char *id, const char *device,
                             struct err *err),
                 struct err *err)
{
    static const char *const order[] = {"mon", "mgr", "osd"};

    for (size_t i = 0; i < COUNT_OF(order); i++) {
        AUTO(drop_dir) DIR *dir = opendir(root);
        AUTO(drop_free) char *head = text_make("enabled-%s.", order[i]);
        const struct dirent *entry = NULL;

        while (dir && (entry = readdir(dir))) {
            AUTO(drop_free) char *path = text_make("%s/%s", root, entry->d_name);
            AUTO(drop_free) char *device = NULL;

            if (text_starts(entry->d_name, head) &&
                (!file_read(path, 4096, &device, NULL, err) ||
                 !act(root, order[i], entry->d_name + strlen(head), device[0] ? device : NULL,
                      err))) {
                return false;
            }
        }
    }
    return true;
}

static bool cut(const char *root, const char *kind, const char *id, const char *device,
                struct err *err)
{
    pid_t pid = pid_of(root, kind, id);

    (void)device;
    (void)err;
    if (pid > 0) {
        kill(pid, SIGKILL);
        wait_gone(pid);
    }
    return true;
}

void direct_kill_all(const char *root)
{
    struct err ignored = {0};

    (void)each(root, cut, &ignored);
}

void direct_kill_pids(const char *folder)
{
    AUTO(drop_dir) DIR *dir = opendir(folder);
    const struct dirent *entry = NULL;

    while (dir && (entry = readdir(dir))) {
        AUTO(drop_free) char *path = text_make("%s/%s", folder, entry->d_name);
        AUTO(drop_free) char *text = NULL;
        struct err ignored = {0};
        pid_t pid = strstr(entry->d_name, ".pid") && file_read(path, 64, &text, NULL, &ignored)
                        ? atoi(text)
                        : 0;

        if (pid > 0 && kill(pid, SIGKILL) == 0) {
            wait_gone(pid);
        }
    }
}

bool direct_boot(const char *root, struct err *err)
{
    return each(root, start, err);
}

void loop_make(const char *file, uint64_t size, char out[64])
{
    AUTO(drop_fd) int backing = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    AUTO(drop_fd) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

    out[0] = '\0';
    if (backing < 0 || control < 0 || ftruncate(backing, (off_t)size) != 0) {
        return;
    }
    for (int tries = 0; tries < 20; tries++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        char path[64];

        (void)snprintf(path, sizeof(path), "/dev/loop%d", number);
        AUTO(drop_fd) int loop = open(path, O_RDWR | O_CLOEXEC);
        struct loop_config config = {.fd = (unsigned)backing};

        if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) == 0) {
            memcpy(out, path, sizeof(path));
            return;
        }
    }
}

void loop_free(const char *device)
{
    AUTO(drop_fd) int loop = device[0] ? open(device, O_RDWR | O_CLOEXEC) : -1;

    if (loop >= 0) {
        (void)!chown(device, 0, 0);
        (void)ioctl(loop, LOOP_CLR_FD, 0);
    }
}
