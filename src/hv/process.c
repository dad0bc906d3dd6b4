/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/process.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

/* Of one process; the arguments before the UUID are short. */
#define MAX_ARGUMENTS (1u << 20)
/* The kernel gives back a guest's memory within this, also a large one's on a busy host. */
#define END_MS 3000
/* What ends starts no others: one look finds nobody. More than a few is somebody who makes them. */
#define MAX_LOOKS 16

DROP(dir, DIR *, closedir);

/* Its program, and then "-uuid" before the UUID: arguments end with a NUL each (proc(5)). */
static bool is_of_vm(const char *arguments, size_t length, const char *uuid)
{
    const char *name = strrchr(arguments, '/'), *end = arguments + length, *before = "";

    if (!text_starts(name ? name + 1 : arguments, "qemu-system-")) {
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

/* What is no process, or is none any more, is not of the VM. */
static bool runs_vm(const char *pid, const char *uuid)
{
    AUTO(drop_free) char *path = text_make("/proc/%s/cmdline", pid);
    AUTO(drop_free) char *arguments = NULL;
    struct err ignored = {0};
    size_t length = 0;

    return pid[strspn(pid, "0123456789")] == '\0' &&
           file_read(path, MAX_ARGUMENTS, &arguments, &length, &ignored) &&
           is_of_vm(arguments, length, uuid);
}

/* Held by a descriptor before it is looked at: its number may be another's a moment later. */
static bool kill_one(const char *pid, const char *uuid, bool *out_any, struct err *err)
{
    AUTO(drop_fd) int fd = (int)syscall(SYS_pidfd_open, (pid_t)strtol(pid, NULL, 10), 0);
    struct pollfd ended = {fd, POLLIN, 0};

    if (fd < 0 || !runs_vm(pid, uuid)) {
        return true;
    }
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH) {
        return err_errno(err, errno, "end process %s", pid);
    }
    *out_any = true;
    return poll(&ended, 1, END_MS) == 1 ||
           err_set(err, ERR_SYSTEM, "process %s of virtual machine %s does not end", pid, uuid);
}

static bool kill_all(const char *uuid, bool *out_any, struct err *err)
{
    AUTO(drop_dir) DIR *dir = opendir("/proc");
    const struct dirent *entry = NULL;

    if (!dir) {
        return err_errno(err, errno, "list the processes");
    }
    while ((entry = readdir(dir))) {
        if (runs_vm(entry->d_name, uuid) && !kill_one(entry->d_name, uuid, out_any, err)) {
            return false;
        }
    }
    return true;
}

/* Looks until nothing was found: one may have come up behind the look. */
bool process_kill(const char *uuid, struct err *err)
{
    if (!uuid_valid(uuid)) {
        return err_set(err, ERR_INPUT, "'%.64s' is no virtual machine's UUID", uuid);
    }
    for (unsigned i = 0; i < MAX_LOOKS; i++) {
        bool any = false;

        if (!kill_all(uuid, &any, err)) {
            return false;
        }
        if (!any) {
            return true;
        }
    }
    return err_set(err, ERR_SYSTEM, "virtual machine %s is started again and again", uuid);
}
