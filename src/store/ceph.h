/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the Ceph backend among themselves; nobody else includes this.
 *
 * On a host: /etc/ceph/ceph.conf (ours, or we refuse), the keyrings of client.admin (root: builds
 * and repairs), client.quoin (the agent) and client.quoin-vm (the hypervisor), and the daemons'
 * folders under /var/lib/ceph. All of it under `conf->root` in tests.
 */
#ifndef QUOIN_STORE_CEPH_H
#define QUOIN_STORE_CEPH_H

#include <rados/librados.h>

#include "store/store.h"

#define CEPH_ADMIN "admin"
#define CEPH_USER  "quoin"
#define CEPH_VM    "quoin-vm"
/* The namespace of small objects in the pool: a list of them shows no pieces of images. */
#define CEPH_OBJECTS "quoin"
/* An agent's own settings and keyrings are small. */
#define CEPH_MAX_FILE (64u << 10)

extern const struct store_build ceph_build;
extern const struct store_care ceph_care;
extern const struct store_images ceph_images;
extern const struct image_io ceph_io;
extern const struct store_objects ceph_objects;
extern const struct store_leases ceph_leases;
bool ceph_look(const struct store_conf *conf, struct store_health *out, struct err *err);
bool ceph_holes(struct store *store, bool *out_hold, struct err *err);
/* An encrypted image of `size` bytes under a key that nobody keeps, open for writing. */
bool ceph_scratch_disk(struct store *store, const char *name, uint64_t size,
                       const struct secret *passphrase, struct image **out, struct err *err);
bool ceph_fence(struct store *store, const char *image, struct err *err);
/* Takes the lock of each image that this client holds, an address as Ceph writes it; its process is
 * no more. */
bool ceph_release(struct store *store, const char *address, struct err *err);

/* ceph_conf: the file of settings. */
char *ceph_path(const struct store_conf *conf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const struct store_daemons *ceph_daemons(const struct store_conf *conf);
unsigned ceph_seconds(const struct store_conf *conf);
/* Pure. `hasty`: the settings of the bring-up besides. The caller frees. */
char *ceph_conf_text(const struct store_conf *conf, uint64_t disk_memory, bool hasty);
/* Written when it differs. ERR_CLASH: there is one that is not ours, or of another cluster. */
bool ceph_conf_make(const struct store_conf *conf, bool hasty, struct err *err);
bool ceph_conf_is_hasty(const struct store_conf *conf, bool *out, struct err *err);
/* `*out` is an empty text when there is no such file. */
bool ceph_conf_cluster(const struct store_conf *conf, char out[UUID_SIZE], struct err *err);

/* ceph_link: connections and commands. */
DROP(rados, rados_t, rados_shutdown);
DROP(ioctx, rados_ioctx_t, rados_ioctx_destroy);
/* -number as an errno of Ceph's; ETIMEDOUT and the like are ERR_AWAY. */
bool ceph_errno(struct err *err, int number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* `seconds` bounds connecting and every answer of the monitors; of the disks' daemons too. */
bool ceph_connect(const struct store_conf *conf, const char *user, unsigned seconds, rados_t *out,
                  struct err *err);
/* A monitor command, {"prefix":…}: taken over. `out` (may be NULL) is its JSON answer. */
bool ceph_command(rados_t cluster, json_t *command, json_t **out, struct err *err);
/* The same to one monitor alone: its own settings. */
bool ceph_tell_monitor(rados_t cluster, const char *host, json_t *command, struct err *err);
/* Does the datastore list a disk or a monitor of `host`? */
bool ceph_is_listed(rados_t cluster, const char *host, bool *out, struct err *err);
/* The one spelling of an address; the caller frees. */
char *ceph_address(const char *address);
/* Its answer as it is, into a file of `owner`'s, mode 0600: a map, or a keyring. */
bool ceph_fetch(rados_t cluster, json_t *command, const char *path, uid_t owner, gid_t group,
                struct err *err);
/* Mode 0600; beside it, synced, renamed: a kill leaves the old or the new one. */
bool ceph_write_private(const char *path, const void *bytes, size_t length, uid_t owner,
                        gid_t group, struct err *err);
/* `auth get-or-create`: the keyring as text goes into a file of `owner`'s, mode 0600. */
bool ceph_keyring_fetch(rados_t cluster, const char *entity, json_t *caps, const char *path,
                        uid_t owner, gid_t group, struct err *err);
/* The key in a keyring file, as base64 text. */
bool ceph_keyring_key(const char *path, struct secret **out, struct err *err);

/* ceph_cluster and ceph_osd: daemons. */
bool ceph_account(uid_t *out_user, gid_t *out_group, struct err *err);
bool ceph_program(const char *const *argv, unsigned seconds, struct err *err);
/* A folder of a daemon's, closed to others; made anew when `fresh`. */
bool ceph_folder(const char *path, bool fresh, struct err *err);
/* Folders where the packages would have made them; in tests nobody has. */
bool ceph_places_make(const struct store_conf *conf, struct err *err);
bool ceph_manager_make(const struct store_conf *conf, rados_t cluster, struct err *err);
/* The promises of store_build and store_care. */
bool ceph_join(const struct store_conf *conf, const struct secret *text,
               const struct progress *progress, struct err *err);
bool ceph_monitor(const struct store_conf *conf, const struct progress *progress, struct err *err);
bool ceph_settle(const struct store_conf *conf, struct err *err);
bool ceph_spread(const struct store_conf *conf, const struct progress *progress,
                 unsigned *out_copies, struct err *err);
bool ceph_leave(const struct store_conf *conf, const char *host, const char *address,
                const struct progress *progress, struct err *err);
/* A host that stays after all: its daemons may come up. Where it has no place: nothing to do. */
bool ceph_leave_undo_host(rados_t cluster, const char *host, struct err *err);
/* And this disk takes data again. `bytes`: its size. */
bool ceph_leave_undo_disk(rados_t cluster, unsigned number, uint64_t bytes, struct err *err);
bool ceph_pause(const struct store_conf *conf, const char *host, bool on, struct err *err);
bool ceph_osd_make(const struct store_conf *conf, const struct disk_order *order,
                   const struct progress *progress, unsigned *out_member, struct err *err);
bool ceph_pool_make(const struct store_conf *conf, const struct progress *progress,
                    struct err *err);
bool ceph_undo(const struct store_conf *conf, const struct progress *progress, json_t **out_cleared,
               struct err *err);

/* ceph_monitor: one host's monitor. `cluster` NULL: the first one, of itself alone. */
struct ceph_monitors;
bool ceph_monitor_make(const struct store_conf *conf, rados_t cluster, struct err *err);
bool ceph_monitors_look(rados_t cluster, struct ceph_monitors *out, struct err *err);
/* Until there is a quorum, with the monitor of `host` in it unless NULL: a connection to it. */
bool ceph_monitors_wait(const struct store_conf *conf, const char *host, unsigned seconds,
                        rados_t *out, struct err *err);
/* ERR_CLASH: the others would have no majority without it. Not there: succeeds. */
bool ceph_monitor_spare(rados_t cluster, const char *host, struct err *err);
/* The same, and off the list. */
bool ceph_monitor_remove(rados_t cluster, const char *host, struct err *err);

/* An open datastore. */
struct store {
    rados_t cluster;
    rados_ioctx_t images;  /* the pool */
    rados_ioctx_t objects; /* the same, in CEPH_OBJECTS */
    char *pool;
    char *conf_path, *vm_key_path, *hosts;
    char *note; /* see ceph_client.h */
};
bool ceph_open(const struct store_conf *conf, struct store **out, struct err *err);
void ceph_close(struct store *store);

#endif
