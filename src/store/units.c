/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Daemons as systemd units from the distribution's packages, with one drop-in each: after a power
 * cut they come back without limit of tries (the network or a disk may be late), and the disk's
 * device belongs to its daemon again, also where there is no udev.
 */
#include <stdio.h>
#include <string.h>

#include "store/store.h"

#define SECONDS 90u

static char *unit_name(const char *kind, const char *id)
{
    return text_make("ceph-%s@%s.service", kind, id);
}

static char *drop_in_folder(const char *root, const char *unit)
{
    return text_make("%s/etc/systemd/system/%s.d", root ? root : "", unit);
}

static bool control(const char *verb, const char *unit, struct err *err)
{
    struct run run = {.argv = RUN("systemctl", verb, unit), .seconds = SECONDS};

    return run_ok(&run, NULL, err) || err_add(err, "systemctl %s %s", verb, unit);
}

static bool reload(struct err *err)
{
    return run_ok(&(struct run){.argv = RUN("systemctl", "daemon-reload"), .seconds = SECONDS},
                  NULL, err);
}

/* Written when it differs. */
static bool make_drop_in(const char *root, const char *unit, const char *device, bool *out_changed,
                         struct err *err)
{
    AUTO(drop_free) char *folder = drop_in_folder(root, unit);
    AUTO(drop_free) char *path = text_make("%s/quoin.conf", folder);
    AUTO(drop_free) char *there = NULL;
    AUTO(drop_text) struct text text = {0};
    struct err ignored = {0};

    text_add(&text, "# Written by quoin.\n[Unit]\nStartLimitIntervalSec=0\n[Service]\n"
                    "Restart=always\nRestartSec=2\n");
    if (device) {
        text_addf(&text, "ExecStartPre=/bin/chown ceph:ceph %s\n", device);
    }
    (void)file_read(path, 4096, &there, NULL, &ignored);
    *out_changed = !there || strcmp(there, text.bytes) != 0;
    return !*out_changed || (file_make_folder(folder, 0755, err) &&
                             file_write(path, text.bytes, text.length, 0644, err));
}

/* Enabled is a link; whether it runs only systemd knows. */
static bool is_up(const char *root, const char *kind, const char *unit)
{
    AUTO(drop_free)
    char *link =
        text_make("%s/etc/systemd/system/ceph-%s.target.wants/%s", root ? root : "", kind, unit);
    struct err ignored = {0};

    return file_exists(link) && control("is-active", unit, &ignored);
}

static bool unit_start(const char *root, const char *kind, const char *id, const char *device,
                       struct err *err)
{
    AUTO(drop_free) char *unit = unit_name(kind, id);
    AUTO(drop_free) char *target = text_make("ceph-%s.target", kind);
    bool changed = false;

    if (!make_drop_in(root, unit, device, &changed, err)) {
        return err_add(err, "prepare %s", unit);
    }
    if (!changed && is_up(root, kind, unit)) {
        return true;
    }
    /* `enable` has systemd read everything again, the drop-in too. */
    struct run enable = {.argv = RUN("systemctl", "enable", "--now", "ceph.target", target, unit),
                         .seconds = SECONDS};

    return run_ok(&enable, NULL, err) || err_add(err, "start %s", unit);
}

static bool unit_stop(const char *root, const char *kind, const char *id, struct err *err)
{
    AUTO(drop_free) char *unit = unit_name(kind, id);
    AUTO(drop_free) char *folder = drop_in_folder(root, unit);
    struct err ignored = {0};

    if (!control("stop", unit, err) || !control("disable", unit, err) ||
        !file_remove_tree(folder, err)) {
        return false;
    }
    (void)control("reset-failed", unit, &ignored); /* says no when it did not fail */
    return reload(err);
}

const struct store_daemons store_units = {
    .start = unit_start,
    .stop = unit_stop,
};
