/* SPDX-License-Identifier: Apache-2.0 */
#include "key/nativestate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/file.h"
#include "base/hkdf.h"
#include "base/secret_open.h"
#include "base/text.h"

#define SEED_START "kek-"

DROP(folder, DIR *, closedir);

char *nativestate_path(const char *folder, const char *file)
{
    return text_make("%s/%s", folder, file);
}

char *nativestate_seed_path(const char *folder, const char *id)
{
    return text_make("%s/" SEED_START "%s.seed", folder, id);
}

bool nativestate_lock(const char *folder, int *out_fd, struct err *err)
{
    AUTO(drop_free) char *path = nativestate_path(folder, "lock");
    AUTO(drop_fd) int fd = -1;

    if (!file_make_folder(folder, 0700, err)) {
        return false;
    }
    fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_errno(err, errno, "open '%s'", path);
    }
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return err_errno(err, errno, "lock '%s'", path);
        }
    }
    *out_fd = TAKE_FD(fd);
    return true;
}

bool nativestate_has_seeds(const char *folder)
{
    AUTO(drop_folder) DIR *entries = opendir(folder);
    const struct dirent *entry;

    while (entries && (entry = readdir(entries))) {
        if (text_starts(entry->d_name, SEED_START)) {
            return true;
        }
    }
    return false;
}

bool nativestate_read_seed(const char *folder, const char *id, struct secret **out, struct err *err)
{
    AUTO(drop_free) char *path = nativestate_seed_path(folder, id);
    AUTO(drop_secret) struct secret *seed = NULL;

    if (!secret_read_file(path, NATIVE_KEY_SIZE, false, &seed, err)) {
        if (err->kind == ERR_ABSENT) {
            err_set(err, ERR_ABSENT, "KEK %s is gone for good: its seed was wiped", id);
        }
        return false;
    }
    if (secret_size(seed) != NATIVE_KEY_SIZE) {
        return err_set(err, ERR_CLASH, "'%s' is torn: %zu bytes", path, secret_size(seed));
    }
    *out = TAKE(seed);
    return true;
}

bool nativestate_derive(const struct secret *root_key, const struct secret *seed, const char *id,
                        struct secret **out, struct err *err)
{
    char info[sizeof("quoin kek ") + UUID_SIZE];

    (void)snprintf(info, sizeof(info), "quoin kek %s", id);
    return hkdf_derive(root_key, span_of(secret_look(seed), secret_size(seed)), span_text(info),
                       NATIVE_KEY_SIZE, out, err);
}

bool nativestate_kek(const char *folder, const struct secret *root_key, const char *id,
                     struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *seed = NULL;

    return nativestate_read_seed(folder, id, &seed, err) &&
           nativestate_derive(root_key, seed, id, out, err);
}

void nativestate_id(const char *root, const char *id, char out[NATIVE_ID_SIZE])
{
    (void)snprintf(out, NATIVE_ID_SIZE, "native:%s:%s", root, id);
}

bool nativestate_id_of(const char *kek_id, const char *root, const char **out, struct err *err)
{
    char start[NATIVE_ID_SIZE];

    nativestate_id(root, "", start);
    if (strlen(kek_id) != NATIVE_ID_SIZE - 1 || !text_starts(kek_id, "native:") ||
        !uuid_valid(kek_id + strlen(start))) {
        return err_set(err, ERR_INPUT, "'%s' is no id of a native KEK", kek_id);
    }
    if (!text_starts(kek_id, start)) {
        err_set(err, ERR_ABSENT, "KEK '%s' is of another root key than this host's", kek_id);
        return err_mend(err, "recover that provider from its backup: quoin key recover");
    }
    *out = kek_id + strlen(start);
    return true;
}
