/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/place.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "hv/files.h"

/* The TPM's state where libvirt's swtpm keeps it, and the variables of the firmware in domain.c. */
const struct place places[PLACE_COUNT] = {
    {"vtpm", "/var/lib/libvirt/swtpm", "/tpm2", "tpm2-00.permall", ".lock", "tss", NULL},
    {"nvram", FILES_NVRAM_FOLDER, "", FILES_NVRAM_FILE, FILES_NVRAM_FILE, "root",
     "/usr/share/OVMF/OVMF_VARS_4M.fd"},
};

char *place_root(const struct place *place, const char *uuid)
{
    return text_make("%s/%s", place->base, uuid);
}

char *place_folder(const struct place *place, const char *uuid)
{
    return text_make("%s/%s%s", place->base, uuid, place->sub);
}

bool place_owner(const struct place *place, uid_t *out_user, gid_t *out_group, struct err *err)
{
    struct passwd entry, *found = NULL;
    char room[4096]; /* one line of passwd; _SC_GETPW_R_SIZE_MAX says 1024 */
    int number = getpwnam_r(place->user, &entry, room, sizeof(room), &found);

    if (number != 0) {
        return err_errno(err, number, "look up the user '%s'", place->user);
    }
    *out_user = found ? entry.pw_uid : 0;
    *out_group = found ? entry.pw_gid : 0;
    return true;
}

/* Root's folders may be passed by QEMU and swtpm, not listed; so whatever our umask is. */
static bool make_passage(const char *folder, struct err *err)
{
    return file_make_folder(folder, 0711, err) &&
           (chmod(folder, 0711) == 0 || err_errno(err, errno, "open the way to %s", folder));
}

bool place_make(const struct place *place, const char *uuid, struct err *err)
{
    AUTO(drop_free) char *root = place_root(place, uuid);
    AUTO(drop_free) char *folder = place_folder(place, uuid);
    uid_t user;
    gid_t group;

    if (!place_owner(place, &user, &group, err) || !make_passage(place->base, err) ||
        !make_passage(root, err)) {
        return false;
    }
    if (!place->sub[0]) {
        return true;
    }
    /* Above it all is root's, so nobody puts something else in its place. */
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
        return err_errno(err, errno, "make %s", folder);
    }
    return lchown(folder, user, group) == 0 || err_errno(err, errno, "give %s away", folder);
}
