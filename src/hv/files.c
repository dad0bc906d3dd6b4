/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base.h"
#include "base/secret_open.h"
#include "hv/pack.h"
#include "hv/place.h"

/* A file is taken as it was when it did not change for SETTLE while it was read; after TRIES (five
 * seconds) of changes we give up. */
#define SETTLE_NS 20000000
#define TRIES     250

DROP(folder, DIR *, closedir);

static bool check_uuid(const char *uuid, struct err *err)
{
    return uuid_valid(uuid) ||
           err_set(err, ERR_INPUT, "'%.64s' is no virtual machine's UUID", uuid);
}

static bool open_folder(const struct place *place, const char *uuid, int *out, struct err *err)
{
    AUTO(drop_free) char *folder = place_folder(place, uuid);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return err_errno(err, errno, "open %s", folder);
    }
    *out = fd;
    return true;
}

/* A plain file with one name, however its folder's owner may trick. */
static bool open_plain(int folder, const char *name, int *out, struct err *err)
{
    AUTO(drop_fd) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat is;

    if (fd < 0) {
        return err_errno(err, errno, "open '%s'", name);
    }
    if (fstat(fd, &is) < 0) {
        return err_errno(err, errno, "look at '%s'", name);
    }
    if (!S_ISREG(is.st_mode) || is.st_nlink > 1) {
        return err_set(err, ERR_DENIED, "'%s' is no plain file of its own", name);
    }
    *out = TAKE_FD(fd);
    return true;
}

/* QEMU and swtpm lock their files while they run. What cannot be opened, or is no file of theirs,
 * is locked by nobody. */
static bool check_unused(const struct place *place, const char *uuid, struct err *err)
{
    AUTO(drop_fd) int folder = -1;
    AUTO(drop_fd) int fd = -1;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct err ignored = {0};

    if (open_folder(place, uuid, &folder, &ignored)) {
        fd = openat(folder, place->lock, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }
    if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK) {
        return true;
    }
    return err_set(err, ERR_CLASH, "the virtual machine runs: its %s is in use", place->name);
}

static bool write_file(const struct place *place, int folder, const unsigned char *bytes,
                       size_t length, struct err *err)
{
    AUTO(drop_fd)
    int fd =
        openat(folder, place->file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    uid_t user;
    gid_t group;

    if (fd < 0) {
        return err_errno(err, errno, "make '%s'", place->file);
    }
    return file_pwrite(fd, bytes, length, 0, err) && place_owner(place, &user, &group, err) &&
           (fchown(fd, user, group) == 0 || err_errno(err, errno, "give '%s' away", place->file));
}

static bool put_file(const struct place *place, const char *uuid, const struct pack_file *file,
                     struct err *err)
{
    AUTO(drop_free) char *fresh = NULL;
    AUTO(drop_fd) int folder = -1;
    const unsigned char *bytes = file->bytes;
    size_t length = file->length;

    if (!bytes && !place->fresh) {
        return true; /* and no folder: libvirt makes a TPM where there is none */
    }
    if (!place_make(place, uuid, err) || !open_folder(place, uuid, &folder, err)) {
        return false;
    }
    if (!bytes) {
        if (!file_read(place->fresh, FILES_MAX_SIZE, &fresh, &length, err)) {
            return err_mend(err, "install the package ovmf");
        }
        bytes = (const unsigned char *)fresh;
    }
    return write_file(place, folder, bytes, length, err);
}

static void name_files(struct pack_file files[PLACE_COUNT])
{
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        files[i] = (struct pack_file){.name = places[i].name};
    }
}

bool files_put(const char *uuid, const struct secret *packed, struct err *err)
{
    struct pack_file files[PLACE_COUNT];

    name_files(files);
    if ((packed && !pack_read(packed, files, PLACE_COUNT, err)) || !files_clear(uuid, err)) {
        return false;
    }
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        if (!put_file(&places[i], uuid, &files[i], err)) {
            return err_add(err, "put the %s of virtual machine %s in place", places[i].name, uuid);
        }
    }
    return true;
}

static bool same_moment(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool read_once(int fd, struct secret **out, bool *out_settled, struct err *err)
{
    AUTO(drop_secret) struct secret *bytes = NULL;
    struct stat before, after;

    *out_settled = false;
    if (fstat(fd, &before) < 0) {
        return err_errno(err, errno, "look at it");
    }
    if (before.st_size == 0) {
        return true;
    }
    if (before.st_size > (off_t)FILES_MAX_SIZE) {
        return err_set(err, ERR_INPUT, "it is larger than %u bytes", FILES_MAX_SIZE);
    }
    if (!secret_new((size_t)before.st_size, &bytes, err) ||
        !file_pread(fd, secret_bytes(bytes), (size_t)before.st_size, 0, err)) {
        return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = SETTLE_NS}, NULL);
    if (fstat(fd, &after) < 0) {
        return err_errno(err, errno, "look at it again");
    }
    if (same_moment(&before, &after)) {
        *out = TAKE(bytes);
        *out_settled = true;
    }
    return true;
}

/* swtpm renames a new file over the old one, so each try opens it anew. Not there: NULL. */
static bool read_file(const struct place *place, const char *uuid, struct secret **out,
                      struct err *err)
{
    bool settled = false;

    for (unsigned i = 0; i < TRIES && !settled; i++) {
        AUTO(drop_fd) int folder = -1;
        AUTO(drop_fd) int fd = -1;
        struct err absent = {0};

        if (!open_folder(place, uuid, &folder, &absent) ||
            !open_plain(folder, place->file, &fd, &absent)) {
            if (absent.kind == ERR_ABSENT) {
                return true;
            }
            *err = absent;
            return false;
        }
        if (!read_once(fd, out, &settled, err)) {
            return false;
        }
    }
    return settled || err_set(err, ERR_AWAY, "it is changing all the time");
}

bool files_gather(const char *uuid, struct secret **out, struct err *err)
{
    struct pack_file files[PLACE_COUNT];
    struct secret *bytes[PLACE_COUNT] = {NULL};
    bool good = check_uuid(uuid, err), any = false;

    name_files(files);
    for (size_t i = 0; good && i < PLACE_COUNT; i++) {
        good = read_file(&places[i], uuid, &bytes[i], err) ||
               err_add(err, "gather the %s of virtual machine %s", places[i].name, uuid);
        if (good && bytes[i]) {
            files[i].bytes = secret_look(bytes[i]);
            files[i].length = secret_size(bytes[i]);
            any = true;
        }
    }
    if (good && !any) {
        good = err_set(err, ERR_ABSENT, "virtual machine %s has no files on this host", uuid);
    }
    good = good && pack_make(files, PLACE_COUNT, out, err);
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        secret_free(bytes[i]);
    }
    return good;
}

/* The folder may be another user's, so its entries are removed by name below the open folder, and
 * nothing deeper than that is ever there. */
static bool empty_folder(int fd, struct err *err)
{
    AUTO(drop_folder) DIR *folder = fdopendir(dup(fd));

    if (!folder) {
        return err_errno(err, errno, "list the folder");
    }
    for (const struct dirent *entry; (entry = readdir(folder));) {
        const char *name = entry->d_name;

        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && unlinkat(fd, name, 0) < 0 &&
            unlinkat(fd, name, AT_REMOVEDIR) < 0) {
            return err_errno(err, errno, "remove '%s'", name);
        }
    }
    return true;
}

static bool clear_place(const struct place *place, const char *uuid, struct err *err)
{
    AUTO(drop_free) char *root = place_root(place, uuid);
    AUTO(drop_free) char *folder = place_folder(place, uuid);
    AUTO(drop_fd) int fd = -1;
    struct err absent = {0};

    if (open_folder(place, uuid, &fd, &absent)) {
        if (!empty_folder(fd, err)) {
            return false;
        }
    } else if (absent.kind != ERR_ABSENT) {
        *err = absent;
        return false;
    }
    if (place->sub[0] && rmdir(folder) < 0 && errno != ENOENT) {
        return err_errno(err, errno, "remove %s", folder);
    }
    return rmdir(root) == 0 || errno == ENOENT || err_errno(err, errno, "remove %s", root);
}

bool files_clear(const char *uuid, struct err *err)
{
    if (!check_uuid(uuid, err)) {
        return false;
    }
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        if (!check_unused(&places[i], uuid, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < PLACE_COUNT; i++) {
        if (!clear_place(&places[i], uuid, err)) {
            return err_add(err, "clear the %s of virtual machine %s", places[i].name, uuid);
        }
    }
    return true;
}
