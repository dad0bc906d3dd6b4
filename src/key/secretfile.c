/* SPDX-License-Identifier: Apache-2.0 */
#include "key/secretfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

static bool sync_folder_of(const char *path, struct err *err)
{
    AUTO(drop_free) char *copy = text_copy(path);
    AUTO(drop_fd) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0) {
        return err_errno(err, errno, "make the folder of '%s' lasting", path);
    }
    return true;
}

static bool fill(const char *path, const struct secret *secret, struct err *err)
{
    AUTO(drop_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0) {
        return err_errno(err, errno, "make '%s'", path);
    }
    if (!secret_write(secret, fd, err)) {
        return err_add(err, "'%s'", path);
    }
    if (fsync(fd) != 0) {
        return err_errno(err, errno, "write '%s'", path);
    }
    return true;
}

bool secretfile_write(const char *path, const struct secret *secret, struct err *err)
{
    AUTO(drop_free) char *beside = text_make("%s.new", path);
    struct err ignored = {0};

    /* One that a crash left behind. */
    if (!secretfile_wipe(beside, err)) {
        return false;
    }
    if (!fill(beside, secret, err)) {
        (void)secretfile_wipe(beside, &ignored);
        return false;
    }
    if (rename(beside, path) != 0) {
        err_errno(err, errno, "put '%s' in place", path);
        (void)secretfile_wipe(beside, &ignored);
        return false;
    }
    return sync_folder_of(path, err);
}

static bool overwrite(const char *path, int fd, struct err *err)
{
    static const char zeros[4096];
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return err_errno(err, errno, "look at '%s'", path);
    }
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof(zeros)) {
        off_t rest = st.st_size - at;
        size_t size = rest < (off_t)sizeof(zeros) ? (size_t)rest : sizeof(zeros);

        if (!file_pwrite(fd, zeros, size, at, err)) {
            return err_add(err, "wipe '%s'", path);
        }
    }
    if (fsync(fd) != 0) {
        return err_errno(err, errno, "wipe '%s'", path);
    }
    return true;
}

bool secretfile_wipe(const char *path, struct err *err)
{
    AUTO(drop_fd) int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        return true;
    }
    if (fd < 0) {
        return err_errno(err, errno, "open '%s' to wipe it", path);
    }
    return overwrite(path, fd, err) && file_remove(path, err) && sync_folder_of(path, err);
}
