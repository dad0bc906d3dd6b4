/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the files of a VM lie: one table for those who gather, put and watch them. Each file
 * lies in a folder of its own kind: BASE/UUID, or BASE/UUID/SUB. BASE and BASE/UUID belong to root
 * and may only be passed; SUB belongs to the file's user.
 */
#ifndef QUOIN_HV_PLACE_H
#define QUOIN_HV_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct place {
    const char *name; /* in the packed files */
    const char *base;
    const char *sub; /* "/SUB", or "" */
    const char *file;
    const char *lock;  /* the file in the same folder that its program locks while it runs */
    const char *user;  /* the owner; root where there is no such user, as libvirt does it */
    const char *fresh; /* what a first start begins with, or NULL: nothing */
};

#define PLACE_COUNT 2
extern const struct place places[PLACE_COUNT];

/* BASE/UUID, and the file's own folder; the caller frees. */
char *place_root(const struct place *place, const char *uuid);
char *place_folder(const struct place *place, const char *uuid);
bool place_owner(const struct place *place, uid_t *out_user, gid_t *out_group, struct err *err);
/* Makes the folders that are missing, with the owners and modes that libvirt gives them. */
bool place_make(const struct place *place, const char *uuid, struct err *err);

#endif
