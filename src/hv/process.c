/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/process.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "hv/place.h"

/* Of one process; the arguments before the UUID are short. */
#define MAX_ARGUMENTS (1u << 20)
/* The kernel gives back a guest's memory within this, also a large one's on a busy host. */
#define END_MS 3000
/* What ends starts no others: a second look finds nobody. */
#define MAX_LOOKS 4
/* The kernel keeps 15 letters of a program's name. */
#define PROGRAM "qemu-system-"
/* QEMUs of one VM: more than one is a fault already. */
#define MAX_HELD 16

DROP(dir, DIR *, closedir);

/* As libvirt runs it. */
static const struct place user_place = {.user = "libvirt-qemu"};

/* QEMUs of one VM, each by a descriptor: numbers may be another's a moment later. */
struct held {
    uid_t user; /* whose processes are looked at, besides root's */
    int fds[MAX_HELD];
    size_t count;
};

static void drop_held(struct held *held)
{
    for (size_t i = 0; i < held->count; i++) {
        close(held->fds[i]);
    }
}

/* Its program, and then "-uuid" before the UUID: arguments end with a NUL each (proc(5)). */
static bool is_of_vm(const char *arguments, size_t length, const char *uuid)
{
    const char *name = strrchr(arguments, '/'), *end = arguments + length, *before = "";

    if (!text_starts(name ? name + 1 : arguments, PROGRAM)) {
        return false;
    }
    for (const char *one = arguments; one < end; one += strlen(one) + 1) {
        if (strcmp(before, "-uuid") == 0 && strcmp(one, uuid) == 0) {
            return true;
        }
        before = one;
    }
    return false;
}

/* `out` false with success: not of the VM, or no process any more. Its arguments are read only of
 * those that are called as QEMU is: reading them waits where a process hangs in its memory. */
static bool runs_vm(const struct held *held, const char *pid, const char *uuid, bool *out,
                    struct err *err)
{
    AUTO(drop_free) char *folder = text_make("/proc/%s", pid);
    AUTO(drop_free) char *path = text_make("/proc/%s/cmdline", pid);
    AUTO(drop_free) char *arguments = NULL;
    struct err failed = {0};
    struct stat is;
    size_t length = 0;

    *out = false;
    if (stat(folder, &is) < 0 || (is.st_uid != 0 && is.st_uid != held->user)) {
        return true;
    }
    if (!file_read(path, MAX_ARGUMENTS, &arguments, &length, &failed)) {
        /* Gone between two looks is no failure. */
        *err = stat(folder, &is) < 0 ? *err : failed;
        return stat(folder, &is) < 0;
    }
    *out = is_of_vm(arguments, length, uuid);
    return true;
}

/* Held before it is looked at again, then signalled. */
static bool signal_one(struct held *held, const char *pid, const char *uuid, struct err *err)
{
    AUTO(drop_fd) int fd = (int)syscall(SYS_pidfd_open, (pid_t)strtol(pid, NULL, 10), 0);
    bool still = false;

    if (fd < 0) {
        return errno == ESRCH || err_errno(err, errno, "hold process %s", pid);
    }
    if (!runs_vm(held, pid, uuid, &still, err) || !still) {
        return !still && err->kind == ERR_NONE;
    }
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH) {
        return err_errno(err, errno, "end process %s", pid);
    }
    if (held->count == MAX_HELD) {
        return err_set(err, ERR_SYSTEM, "virtual machine %s has more than %d processes", uuid,
                       MAX_HELD);
    }
    held->fds[held->count++] = TAKE_FD(fd);
    return true;
}

static bool is_called_so(const char *pid)
{
    AUTO(drop_free) char *path = text_make("/proc/%s/comm", pid);
    AUTO(drop_free) char *name = NULL;
    struct err ignored = {0};

    return pid[strspn(pid, "0123456789")] == '\0' && file_read(path, 64, &name, NULL, &ignored) &&
           text_starts(name, PROGRAM);
}

/* One that fails saves no other: all are tried, and the first failure is told. */
static bool signal_all(const char *uuid, struct held *held, struct err *err)
{
    AUTO(drop_dir) DIR *dir = opendir("/proc");
    const struct dirent *entry = NULL;
    gid_t group;
    bool all = true;

    if (!dir) {
        return err_errno(err, errno, "list the processes");
    }
    if (!place_owner(&user_place, &held->user, &group, err)) {
        return false;
    }
    while ((entry = readdir(dir))) {
        struct err failed = {0};
        bool runs = false;

        if (is_called_so(entry->d_name) &&
            (!runs_vm(held, entry->d_name, uuid, &runs, &failed) ||
             (runs && !signal_one(held, entry->d_name, uuid, &failed)))) {
            *err = all ? failed : *err;
            all = false;
        }
    }
    return all;
}

static bool wait_for_all(const struct held *held, const char *uuid, struct err *err)
{
    int64_t end = clock_ms() + END_MS;

    for (size_t i = 0; i < held->count; i++) {
        struct pollfd ended = {held->fds[i], POLLIN, 0};
        int64_t left = end - clock_ms();

        if (poll(&ended, 1, left > 0 ? (int)left : 0) != 1) {
            return err_set(err, ERR_SYSTEM, "a process of virtual machine %s does not end", uuid);
        }
    }
    return true;
}

static bool check(const char *uuid, struct err *err)
{
    return uuid_valid(uuid) ||
           err_set(err, ERR_INPUT, "'%.64s' is no virtual machine's UUID", uuid);
}

bool process_signal(const char *uuid, struct err *err)
{
    AUTO(drop_held) struct held held = {0};

    return check(uuid, err) && signal_all(uuid, &held, err);
}

/* Looks until nothing was found: one may have come up behind the look. */
bool process_kill(const char *uuid, struct err *err)
{
    if (!check(uuid, err)) {
        return false;
    }
    for (unsigned i = 0; i < MAX_LOOKS; i++) {
        AUTO(drop_held) struct held held = {0};

        if (!signal_all(uuid, &held, err) || !wait_for_all(&held, uuid, err)) {
            return false;
        }
        if (held.count == 0) {
            return true;
        }
    }
    return err_set(err, ERR_SYSTEM, "virtual machine %s is started again and again", uuid);
}
