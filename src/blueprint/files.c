/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a blueprint names; rules.h says what is promised. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "base/text.h"
#include "blueprint/image.h"
#include "blueprint/rules.h"

/* The largest password or key file that is read; a PEM chain of RSA keys is far smaller. */
#define FILE_SECRET_MAX 65536
/* Shorter ones are guessed. */
#define PASSWORD_GOOD 12

struct files {
    struct blueprint *blueprint;
    struct findings *findings;
};

static void broken(const struct files *files, const char *where, const struct err *err,
                   const char *remedy)
{
    blueprint_find(files->blueprint, files->findings, SEVERITY_ERROR, where, err->what,
                   err->remedy[0] ? err->remedy : remedy);
}

/* There, a plain file, readable, not empty. */
static void check_plain(const struct files *files, const char *where, const char *path)
{
    struct err err = {0};
    struct stat st;

    if (!path) {
        return;
    }
    if (stat(path, &st) != 0) {
        err_errno(&err, errno, "'%s'", path);
    } else if (!S_ISREG(st.st_mode) || st.st_size == 0) {
        err_set(&err, ERR_INPUT, "'%s' is %s", path,
                S_ISREG(st.st_mode) ? "empty" : "no plain file");
    } else if (access(path, R_OK) != 0) {
        err_errno(&err, errno, "read '%s'", path);
    }
    if (err.kind) {
        broken(files, where, &err, "paths are relative to the blueprint's folder");
    }
}

/* A private key that ssh or OpenSSL reads itself: we look at its mode and never at its bytes. */
static void check_key(const struct files *files, const char *where, const char *path)
{
    struct err err = {0};
    struct stat st;

    check_plain(files, where, path);
    if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077)) {
        AUTO(drop_free) char *remedy = text_make("chmod 600 '%s'", path);

        err_set(&err, ERR_DENIED, "'%s' can be read by others", path);
        broken(files, where, &err, remedy);
    }
}

static void check_password(const struct files *files, const char *where, const char *path)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    struct err err = {0};

    if (!path) {
        return;
    }
    if (!secret_read_file(path, FILE_SECRET_MAX, true, &secret, &err)) {
        broken(files, where, &err, "write the password on one line of it, and chmod 600 it");
    } else if (secret_size(secret) < PASSWORD_GOOD) {
        blueprint_find(files->blueprint, files->findings, SEVERITY_WARNING, where,
                       "the password is short", "use twelve characters or more");
    }
}

static void check_image(const struct files *files)
{
    struct blueprint_manager *manager = &files->blueprint->manager;
    enum image_format format;
    struct err err = {0};
    char need[16], have[16];

    if (!manager->image) {
        return;
    }
    if (!image_look(manager->image, &format, &manager->image_bytes, &err)) {
        broken(files, "manager.image", &err, "paths are relative to the blueprint's folder");
        return;
    }
    if (manager->disk_count > 0 && manager->disks[0].bytes > 0 &&
        manager->disks[0].bytes < manager->image_bytes) {
        AUTO(drop_free)
        char *what = text_make("%s is smaller than the image, which holds %s",
                               text_size(manager->disks[0].bytes, have),
                               text_size(manager->image_bytes, need));

        blueprint_find(files->blueprint, files->findings, SEVERITY_ERROR, "manager.disks[0].size",
                       what, "make the disk at least as large");
    }
}

void rules_check_files(struct blueprint *blueprint, struct findings *findings)
{
    const struct files files = {blueprint, findings};
    const struct blueprint_provider *provider = &blueprint->encryption.provider;

    for (size_t i = 0; i < blueprint->host_count; i++) {
        AUTO(drop_free) char *where = text_make("hosts[%zu].ssh.key", i);

        AUTO(drop_free) char *own = text_make("hosts[%zu].kms_certificate", i);

        check_key(&files, where, blueprint->hosts[i].ssh.key);
        check_plain(&files, own, blueprint->hosts[i].kms_certificate);
    }
    check_image(&files);
    check_password(&files, "manager.admin.password_file", blueprint->manager.admin.password_file);
    check_plain(&files, "encryption.provider.ca", provider->ca);
    check_plain(&files, "encryption.provider.certificate", provider->certificate);
    check_key(&files, "encryption.provider.private_key", provider->private_key);
    check_password(&files, "encryption.provider.password_file", provider->password_file);
}
