/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/text.h"

/* Files of /proc and /sys say size 0, so read until the end, never by st_size. */
bool file_read(const char *path, size_t max, char **out, size_t *out_length, struct err *err)
{
    AUTO(drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    AUTO(drop_text) struct text text = {0};
    char piece[16384];
    ssize_t n;

    if (fd < 0) {
        return err_errno(err, errno, "open '%s'", path);
    }
    while ((n = read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(err, errno, "read '%s'", path);
        }
        if ((size_t)n > max - text.length) {
            return err_set(err, ERR_INPUT, "'%s' is larger than %zu bytes", path, max);
        }
        text_add_bytes(&text, piece, (size_t)n);
    }
    if (out_length) {
        *out_length = text.length;
    }
    *out = text_take(&text);
    return true;
}

static bool sync_folder_of(const char *path, struct err *err)
{
    AUTO(drop_free) char *copy = text_copy(path);
    const char *folder = dirname(copy);
    AUTO(drop_fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0) {
        return err_errno(err, errno, "make '%s' lasting", folder);
    }
    return true;
}

static bool write_new(const char *path, int fd, const void *bytes, size_t length, mode_t mode,
                      struct err *err)
{
    if (!file_pwrite(fd, bytes, length, 0, err)) {
        return false;
    }
    if (fchmod(fd, mode) != 0 || fsync(fd) != 0) {
        return err_errno(err, errno, "write '%s'", path);
    }
    return true;
}

bool file_write(const char *path, const void *bytes, size_t length, mode_t mode, struct err *err)
{
    AUTO(drop_free) char *beside = text_make("%s.XXXXXX", path);
    AUTO(drop_fd) int fd = mkostemp(beside, O_CLOEXEC);

    if (fd < 0) {
        return err_errno(err, errno, "make a file beside '%s'", path);
    }
    if (!write_new(path, fd, bytes, length, mode, err)) {
        (void)unlink(beside);
        return false;
    }
    if (rename(beside, path) != 0) {
        int number = errno;

        (void)unlink(beside);
        return err_errno(err, number, "put '%s' in place", path);
    }
    return sync_folder_of(path, err);
}

bool file_make_folder(const char *path, mode_t mode, struct err *err)
{
    AUTO(drop_free) char *copy = text_copy(path);

    for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash) {
            *slash = '\0';
        }
        /* The mode is as asked for, whatever the umask: quoind's unit sets a strict one. */
        if (mkdir(copy, mode) == 0 ? chmod(copy, mode) != 0 : errno != EEXIST) {
            return err_errno(err, errno, "make the folder '%s'", copy);
        }
        if (!slash) {
            return true;
        }
        *slash = '/';
    }
}

bool file_remove(const char *path, struct err *err)
{
    if (unlink(path) != 0 && errno != ENOENT) {
        return err_errno(err, errno, "remove '%s'", path);
    }
    return true;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

bool file_remove_tree(const char *path, struct err *err)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 && errno != ENOENT) {
        return err_errno(err, errno, "remove '%s'", path);
    }
    return true;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool file_pread(int fd, void *bytes, size_t length, off_t offset, struct err *err)
{
    char *to = bytes;

    while (length > 0) {
        ssize_t n = pread(fd, to, length, offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(err, errno, "read at %lld", (long long)offset);
        }
        if (n == 0) {
            return err_set(err, ERR_SYSTEM, "ended early, at %lld", (long long)offset);
        }
        to += n;
        length -= (size_t)n;
        offset += n;
    }
    return true;
}

bool file_pwrite(int fd, const void *bytes, size_t length, off_t offset, struct err *err)
{
    const char *from = bytes;

    while (length > 0) {
        ssize_t n = pwrite(fd, from, length, offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(err, errno, "write at %lld", (long long)offset);
        }
        from += n;
        length -= (size_t)n;
        offset += n;
    }
    return true;
}
