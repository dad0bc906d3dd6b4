/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: the datastore made of the hosts' own disks. A backend is one const struct; nothing outside
 * this room knows Ceph. Everything that makes something looks, makes, and looks again: twice is
 * safe, and so is the run after a kill anywhere. Everything ends by a deadline, also when the
 * cluster is dead: ERR_AWAY, with a remedy. A struct store may be used by many threads at once.
 */
#ifndef QUOIN_STORE_STORE_H
#define QUOIN_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "base/image.h"
#include "store/disk.h"

struct store; /* an open datastore */

/* A cluster of quoin: odd quorums of three or five; more monitors make it slower, not safer. */
#define STORE_MAX_MONITORS 5
/* An image name: the field's own limit is larger, ours keeps names readable. */
#define STORE_MAX_NAME 96
/* The largest small object (a VM's home): below what an OSD takes in one write. */
#define STORE_MAX_OBJECT (16u << 20)
/* The keys of a datastore for a further host, in bytes. */
#define STORE_MAX_KEYS 4096u
/* Bytes in front of a disk's payload in its image: the LUKS2 header. */
#define STORE_HEADER (4ull << 20)
/* Size of the objects that an image is cut into; best size and alignment of writes. */
#define STORE_OBJECT (4ull << 20)

/* How daemons are run: systemd units on a host; directly in tests. Twice is safe. */
struct store_daemons {
    /* `device`: a block device that must belong to the daemon at each start, or NULL. Enabled for
     * the next boot, started, running when it returns. */
    bool (*start)(const char *root, const char *kind, const char *id, const char *device,
                  struct err *err);
    /* Stopped and not started at the next boot; succeeds when there is none. */
    bool (*stop)(const char *root, const char *kind, const char *id, struct err *err);
};
extern const struct store_daemons store_units; /* ceph-mon@h1.service and so on */

struct store_monitor {
    const char *host;    /* its name */
    const char *address; /* IPv4 or IPv6, on the datastore's network */
};

/* What a datastore should be, and which host we are. */
struct store_conf {
    const char *cluster; /* UUID of the cluster */
    const char *name;    /* of the datastore: `datastore.name` */
    const char *network; /* "10.77.0.0/24" */
    const char *host;    /* name of this host */
    const char *address; /* of this host on that network */
    const struct store_monitor *monitors;
    size_t monitor_count;
    unsigned replicas;    /* copies of each byte: never more than there are hosts (then: disks) */
    uint64_t disk_memory; /* bytes of memory for each disk's daemon; 0: chosen by this host's */
    unsigned seconds;     /* deadline of each wait; 0: 120 */
    const char *root;     /* "" on a host; tests keep everything under another folder */
    const struct store_daemons *daemons; /* NULL: store_units */
};

/* AWAY: nobody answers, so all the rest is unknown. FAILED: data cannot be read or written. */
enum store_state { STORE_OK, STORE_WARN, STORE_FAILED, STORE_AWAY };

struct store_health {
    enum store_state state;
    char reasons[1024]; /* "; " between them; "" when there are none */
    uint64_t bytes_total, bytes_used;
    unsigned disks, disks_up, disks_in;
    unsigned monitors, monitors_in_quorum;
    bool clean;     /* there is data's place, it has all its copies and takes writes */
    bool available; /* every byte can be read and written now */
    unsigned copies, copies_least; /* of each byte: wanted; that a write needs. 0: no pool yet */
    bool copies_on_hosts;          /* each copy is on another host, so one of them may go */
    /* Of all copies, in percent: not there (redundancy is less), or not where they belong yet. */
    double degraded, misplaced;
    json_t *members; /* [{"id":0,"host":"h1","disk":"/dev/disk/by-id/…" (ours only),"up":true,
                          "in":true}] */
    /* Every host with a disk or a monitor, by name: [{"name":"h1","disks":2,"up":2,"in":2,
     * "monitor":"quorum" | "away" | "none", "address":"10.77.0.11" of its monitor or "",
     * "disks_at":"10.77.0.11" of its disks' daemons, also when they are down, or "",
     * "paused":false}]. A host of `conf->monitors` with "none" lacks its monitor. */
    json_t *hosts;
};
void store_health_clear(struct store_health *health);
/* "ok", "warn", "failed", "away" */
const char *store_state_name(enum store_state state);

/* What the hypervisor needs to give an image to a virtual machine. */
struct store_attachment {
    const char *protocol; /* "rbd" */
    char *source;         /* "ds1/mgr-system" */
    char *user;           /* "quoin" */
    char *conf;           /* a file the hypervisor's process reads: "/etc/ceph/ceph.conf" */
    char *hosts;          /* "10.77.0.11:3300", spaces between them */
    struct secret *key;   /* the user's key, as base64 text: for an ephemeral private secret */
};
void store_attachment_clear(struct store_attachment *attachment);

struct store_images {
    /* `size` bytes, header included. There already with that size: succeeds. ERR_CLASH: other size.
     */
    bool (*create)(struct store *store, const char *name, uint64_t size, struct err *err);
    /* Not there any more: succeeds. ERR_CLASH: a living client has it open (its address is named).
     */
    bool (*remove)(struct store *store, const char *name, const struct progress *progress,
                   struct err *err);
    /* ERR_ABSENT: no such image. `out_size` may be NULL. */
    bool (*look)(struct store *store, const char *name, uint64_t *out_size, struct err *err);
    /* A JSON array of names, sorted; a new reference. */
    bool (*list)(struct store *store, json_t **out, struct err *err);
    /* `passphrase` NULL: raw bytes, header and all. Else decrypted, offset 0 is the disk's first
     * byte; opened for reading unless `writable`. ERR_DENIED: the passphrase opens no keyslot. */
    bool (*open)(struct store *store, const char *name, const struct secret *passphrase,
                 bool writable, struct image **out, struct err *err);
    void (*close)(struct image *image);
    bool (*attachment)(struct store *store, const char *name, struct store_attachment *out,
                       struct err *err);
};

/* Any version, for `expect`. */
#define STORE_ANY UINT64_MAX

struct store_objects {
    /* The whole object; the caller frees. ERR_ABSENT. `out_version` may be NULL. */
    bool (*read)(struct store *store, const char *name, char **out, size_t *out_length,
                 uint64_t *out_version, struct err *err);
    /* The whole object at once or not at all. `expect` 0: must not exist yet; else the version it
     * must have; STORE_ANY. ERR_CLASH: it has another. `out_version` may be NULL. */
    bool (*write)(struct store *store, const char *name, const void *bytes, size_t length,
                  uint64_t expect, uint64_t *out_version, struct err *err);
    /* Not there: succeeds. */
    bool (*remove)(struct store *store, const char *name, struct err *err);
    /* A JSON array of the names that begin with `prefix`, sorted; a new reference. */
    bool (*list)(struct store *store, const char *prefix, json_t **out, struct err *err);
};

/* "HOST/RUN": RUN names one start of the host's kernel, so of its virtual machines too. */
#define STORE_MAX_HOLDER 128u

/* Who holds a lease. */
struct store_lease {
    char holder[STORE_MAX_HOLDER];  /* "": nobody */
    char address[STORE_MAX_HOLDER]; /* of the holder's client, without a port; "" */
};

/*
 * Leases, and the fence that makes them safe. A lease is a lock with a duration on an object; the
 * datastore judges its end by the clock of whichever host keeps that object just then. Clocks may
 * jump, so that a lease has run out proves nothing about its holder: it only says whose turn it is.
 * Whoever takes over from another host must fence that host before it touches what the lease is
 * for. ERR_AWAY: ask again.
 */
struct store_leases {
    /* Ours for `seconds` from the moment the datastore hears it; ours already: from now on. A lock
     * of the same HOST gives way: an older client of this agent's, or of a kernel that is no more.
     * ERR_CLASH: another host holds it, and is named. */
    bool (*take)(struct store *store, const char *name, const char *holder, unsigned seconds,
                 struct err *err);
    /* Not ours, or nobody's: succeeds. */
    bool (*drop)(struct store *store, const char *name, const char *holder, struct err *err);
    /* Is `address` the one that the datastore sees us at? A fence of any other would stop nobody
     * here. ERR_SYSTEM: it is not, with both named. */
    bool (*seen_at)(struct store *store, const char *address, struct err *err);
    /* Succeeds also where there is no such lease. */
    bool (*look)(struct store *store, const char *name, struct store_lease *out, struct err *err);
    /* `holder`, as look told it, does not hold it any more. Only after its host was fenced. */
    bool (*oust)(struct store *store, const char *name, const char *holder, struct err *err);
    /* No client of the whole host `address` (IPv4 or IPv6, no port) is heard by the datastore any
     * more, whatever it had under way and however often it connects again; its disks' daemons work
     * on. ERR_DENIED: it was fenced by hand, and that would end. When this returns
     * every disk's daemon that this pool's data lies on knows it. It ends by `lift` only. Twice
     * succeeds. ERR_AWAY: it may hold already; do it again. */
    bool (*fence)(struct store *store, const char *address, struct err *err);
    /* The next three by the monitors alone, so that a fenced host can ask. Does the datastore list
     * a disk or a monitor of `conf->host`? */
    bool (*listed)(const struct store_conf *conf, bool *out, struct err *err);
    bool (*fenced)(const struct store_conf *conf, const char *address, bool *out, struct err *err);
    /* For the host itself, once it has seen that nothing of it can write any more. Clients that
     * were open before must be opened anew. Not fenced: succeeds. ERR_DENIED, and the fence stays:
     * the datastore lists no disk and no monitor of `conf->host` any more, so it was taken out; but
     * not where it comes in `anew`. */
    bool (*lift)(const struct store_conf *conf, const char *address, bool anew, struct err *err);
};

/*
 * How a datastore comes to be on a host, and how it goes.
 *
 *     the first host:  begin  disk…  pool
 *     every further:   join (with the keys of any host that has them)  disk…  settle
 *     then, on any:    care->spread        and on each of conf->monitors, one by one:  monitor
 *     the last:        undo
 *
 * `conf->monitors` is what should be; who is listed and not there yet does no harm.
 */
struct store_build {
    /* The services without any disk, a monitor of one: they answer when it returns. Only for the
     * first host. ERR_CLASH: this host serves another cluster, or has services not ours. */
    bool (*begin)(const struct store_conf *conf, const struct progress *progress, struct err *err);
    /* All that a further host must know and may not be told in clear: text, under STORE_MAX_KEYS
     * bytes. Without the cluster's help. ERR_ABSENT: this host does not have them (yet): there is
     * no pool. The caller frees. */
    bool (*keys)(const struct store_conf *conf, struct secret **out, struct err *err);
    /* This host becomes one of the datastore: settings, keys, `monitor`, and where there is none to
     * spare, a manager daemon. It can open the datastore when it returns. Hosts may join
     * side by side. ERR_INPUT: the keys are damaged; ERR_CLASH: this host serves another cluster,
     * or the keys are another's: nothing was changed; ERR_DENIED: the cluster does not know them;
     * ERR_AWAY: no monitor answers. */
    bool (*join)(const struct store_conf *conf, const struct secret *keys,
                 const struct progress *progress, struct err *err);
    /* This host's monitor, as `conf->monitors` says, and a manager daemon with it. In it: made,
     * fills itself from the others, only then becomes one of them, and is seen in the quorum; one
     * that does not get there in `conf->seconds` is taken out again (ERR_AWAY), so that the others
     * keep their majority. Not in it: goes, once the others have a majority without it (else
     * ERR_CLASH). Two are no better than one and fail with either: go on to the third at once. */
    bool (*monitor)(const struct store_conf *conf, const struct progress *progress,
                    struct err *err);
    /* disk_take, then the disk's daemon, enabled and started. `out_member` is its number. What an
     * interrupted `leave` took from it (its weight, its place among those with data) it has again.
     */
    bool (*disk)(const struct store_conf *conf, const struct disk_order *order,
                 const struct progress *progress, unsigned *out_member, struct err *err);
    /* All data has its copies, a pool takes writes, and was seen to: an object was written, read
     * and removed. `replicas` at most as many as there are disks; `settle` besides. On the first
     * host: what a pool becomes with more hosts is `spread`. */
    bool (*pool)(const struct store_conf *conf, const struct progress *progress, struct err *err);
    /* Stop the daemons of our cluster on this host, forget their state and keys, clear every disk
     * with our mark (`out_cleared`: their links, a new reference); never anything of another
     * cluster. Succeeds when nothing is left. Asks nobody: a host of several must have left. */
    bool (*undo)(const struct store_conf *conf, const struct progress *progress,
                 json_t **out_cleared, struct err *err);
};

/* What a datastore needs as it lives. All of it from any host that has joined. */
struct store_care {
    /* The settings of the bring-up on this host give way to those of everyday, and its file of
     * settings names `conf->monitors`. Local and quick; whenever they may have changed. */
    bool (*settle)(const struct store_conf *conf, struct err *err);
    /* Copies and places of everything raised, never lowered: one copy more at a time, up to
     * `conf->replicas` or as many as there are hosts with a disk that is up (`*out_copies`: what it
     * came to), on different hosts as soon as there are as many. At each step it waits until all
     * data is safe: it may take as long as that takes, and ends with ERR_AWAY when nothing moved
     * for `conf->seconds`. With two or three copies a host may fail and writes go on: of three, two
     * must be there; of two, one, and both unless only one is there. What the monitors hold for
     * failed is set for the number of hosts. */
    bool (*spread)(const struct store_conf *conf, const struct progress *progress,
                   unsigned *out_copies, struct err *err);
    /* `host`, alive or dead, is no part of the datastore any more: its data is elsewhere with all
     * its copies, its disks are members no more, its monitor, keys and place are gone. Another than
     * this one. Waits as spread does. Nothing of it there: succeeds. Its own daemons are left to
     * `undo` on it. It is fenced before the first change and for good: at the addresses that the
     * datastore knows of it and at `address` (IPv4 or IPv6; NULL: those alone); as long as it is
     * listed it may lift that. ERR_CLASH, nothing changed: too few hosts for the copies, too little
     * room, a quorum that would be lost, an address that is another host's, or a monitor of
     * `conf->monitors` (what should be then, so without `host`: else ERR_INPUT) that is not in the
     * quorum yet. */
    bool (*leave)(const struct store_conf *conf, const char *host, const char *address,
                  const struct progress *progress, struct err *err);
    /* Off for a while: its disks are not held for lost. ERR_CLASH: data could not be reached or the
     * quorum would be lost without it. `on` false: back to everyday. ERR_ABSENT: no such host. */
    bool (*pause)(const struct store_conf *conf, const char *host, bool on, struct err *err);
};

struct store_backend {
    const char *type;    /* as written in a blueprint: "ceph" */
    const char *summary; /* one line for people */

    /* Does the head of a disk (its first 4 KiB) belong to a cluster? Its UUID and the disk's own.
     * Pure. */
    bool (*label)(const unsigned char *head, size_t length, char out_cluster[UUID_SIZE],
                  char out_member[UUID_SIZE]);
    /* Under two seconds. Succeeds also when the datastore is away: that is what it then says. */
    bool (*look)(const struct store_conf *conf, struct store_health *out, struct err *err);
    /* ERR_ABSENT: no datastore on this host; ERR_AWAY: it does not answer. */
    bool (*open)(const struct store_conf *conf, struct store **out, struct err *err);
    void (*close)(struct store *store);
    /* With a throw-away encrypted image: zeros stay zeros for every read size, before and after a
     * 4 KiB write. `*out_hold` false: zeros must be written. */
    bool (*holes)(struct store *store, bool *out_hold, struct err *err);
    /* Whoever holds the image's lock must not write any more, and the caller knows it: fenced by
     * the blocklist, then the lock is broken. Nobody holds it: succeeds. */
    bool (*fence)(struct store *store, const char *image, struct err *err);

    const struct store_build *build;
    const struct store_care *care;
    const struct store_images *images;
    const struct image_io *io;
    const struct store_objects *objects;
    const struct store_leases *leases;
};

extern const struct store_backend *const stores[]; /* ended by NULL */
/* ERR_INPUT: no such type; the remedy lists those there are. */
bool store_backend_find(const char *type, const struct store_backend **out, struct err *err);

#endif
