/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hv: the hypervisor of this host. A backend is one const struct; nothing outside this room knows
 * libvirt. Everything may be done twice: look, make, look again. A struct hv may be used by many
 * threads at once. files.h has the files of a VM that change, domain.h says what a VM is, process.h
 * ends one without asking anybody. Whatever is asked here ends within a minute with ERR_AWAY where
 * the hypervisor's daemon hangs.
 *
 * To start a VM: files_put, start, files_watch_start. To stop it: stop, files_watch_stop,
 * files_gather (and store), files_clear.
 */
#ifndef QUOIN_HV_HV_H
#define QUOIN_HV_HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "hv/domain.h"
#include "hv/files.h"
#include "hv/process.h"

struct hv; /* an open hypervisor */

enum hv_state {
    HV_ABSENT,  /* off, or never started: VMs here are transient */
    HV_RUNNING, /* also while it shuts down */
    HV_PAUSED,  /* stopped by an I/O error or by hand; start lets it go on */
    HV_CRASHED, /* the guest says so; destroy, then start */
};
/* "off", "running", "paused", "crashed" */
const char *hv_state_name(enum hv_state state);

struct hv_look {
    enum hv_state state;
    int64_t since; /* started at, Unix seconds; 0 when absent */
};

/* What the start needs and libvirt forgets right after it. */
struct hv_keys {
    const struct secret *storage;                 /* the storage user's key, as base64 text */
    const struct secret *tpm;                     /* 64 hexadecimal digits */
    const struct secret *disks[DOMAIN_MAX_DISKS]; /* 64 hexadecimal digits, as in the domain */
};

/* The VM came up, stopped, paused or crashed; from a thread of the hypervisor's. Must not block
 * long and must not call this room. */
typedef void hv_changed(void *context, const char *uuid, enum hv_state state);

/* A new image for a disk, whose content it is to take over. */
struct hv_target {
    unsigned disk;                        /* its place in the domain's disks */
    const struct domain_storage *storage; /* as in the domain */
    const char *source;                   /* "ds1/mgr-system-2" */
    const struct secret *storage_key;     /* as in struct hv_keys */
    const struct secret *key;             /* of the new image, likewise */
    bool read_only;
};

/*
 * Changing the images under a running VM. Who copies the content is the caller; the hypervisor adds
 * what the guest wrote in the meantime:
 *
 *   track ─► (the caller copies, the guest writes) ─► add ─► catch_up … ─► pause ─► catch_up
 *         ─► (the caller records which image is the disk) ─► turn ─► start ─► clear
 *
 * Until `turn` the guest's disk is the old image and nothing has been lost when any of it fails.
 */
struct hv_copies {
    /* From now on it is remembered where the guest writes on a disk. Twice: from now on anew. */
    bool (*track)(struct hv *hv, const char *uuid, unsigned disk, struct err *err);
    /* The hypervisor opens the new image, beside the old one. There already: succeeds. */
    bool (*add)(struct hv *hv, const char *uuid, const struct hv_target *target, struct err *err);
    /* What was written since `track`, or since the last of these, is written to the new image as
     * well, at most `limit` bytes a second (0: no limit). `*out_left`: bytes that the guest has
     * written meanwhile; none while it is paused. */
    bool (*catch_up)(struct hv *hv, const char *uuid, const struct hv_target *target,
                     uint64_t limit, uint64_t *out_left, struct err *err);
    /* The guest stands still, all that it wrote is on the datastore. `start` lets it go on. */
    bool (*pause)(struct hv *hv, const char *uuid, struct err *err);
    /* A paused guest's disk is this image from now on. ERR_ABSENT: it was never added. */
    bool (*turn)(struct hv *hv, const char *uuid, unsigned disk, const char *source,
                 struct err *err);
    /* The image that a guest's disk is now; the caller frees. ERR_ABSENT: no such VM, or disk. */
    bool (*image)(struct hv *hv, const char *uuid, unsigned disk, char **out, struct err *err);
    /* Ends what is under way and closes every image that is no disk of the guest's. No such VM:
     * succeeds. */
    bool (*clear)(struct hv *hv, const char *uuid, struct err *err);
};

/* What one host shows the other while a VM goes over, and whom it trusts: a CA made for this one
 * move, so that nobody else's certificate gets near. The key lies in a folder in memory for as long
 * as that takes. */
struct hv_pass {
    const char *ca, *certificate; /* PEM */
    const struct secret *key;     /* PEM */
};

/* Another host, as a VM is sent to it. */
struct hv_peer {
    const char *address; /* IPv4, IPv6 or a name, that its certificate bears */
    const char *socket;  /* leads to its hypervisor's daemon, by a way that is nobody else's */
};

/*
 * A running VM goes to another host, its disks shared, with its memory, its vTPM's state and its
 * firmware variables; all of that by TLS, never in clear.
 *
 *   there: files_put (nothing), expect ─► here: send ─► there: start, files_watch_start, forget
 *
 * What comes there stands still until `start`, whatever happens to either side or between them:
 * so as long as nobody starts it, the one here is the VM, and may go on.
 */
struct hv_moves {
    /* This host has what its hypervisor asks for when the VM comes: the keys, and the pass. Twice
     * is safe. ERR_INPUT, ERR_SYSTEM as `start`; ERR_CLASH: it is here. */
    bool (*expect)(struct hv *hv, const struct domain *domain, const struct hv_keys *keys,
                   const struct hv_pass *pass, struct err *err);
    /* Keys and pass are forgotten again, whether it came or not; also what send needed. */
    bool (*forget)(struct hv *hv, const char *uuid, struct err *err);
    /* `domain` is what it is there: its disks are the images that it has now, which the VM's own
     * description may not say (hv_copies). True: gone from here, all that it wrote is on the
     * datastore, and it stands still there. False: it may stand still here, and `start` lets it go
     * on. ERR_ABSENT: it does not run here; ERR_AWAY: the peer's hypervisor does not answer. */
    bool (*send)(struct hv *hv, const struct domain *domain, const struct hv_peer *peer,
                 const struct hv_pass *pass, const struct progress *progress, struct err *err);
};

struct hypervisor {
    const char *type;    /* "libvirt" */
    const char *summary; /* one line for people */

    /* Also while its daemon does not answer: then the calls are ERR_AWAY until it does. `changed`
     * may be NULL. A lost connection is made again by the next call; VMs do not mind. */
    bool (*open)(hv_changed *changed, void *context, struct hv **out, struct err *err);
    void (*close)(struct hv *hv);
    /* A VM that is not there is HV_ABSENT and no error. */
    bool (*look)(struct hv *hv, const char *uuid, struct hv_look *out, struct err *err);
    /* A JSON array of the UUIDs of all VMs that are there, in whatever state, and that quoin
     * started, on this host or before they moved to it; a new reference. */
    bool (*list)(struct hv *hv, json_t **out, struct err *err);
    /* Running: nothing. Paused: goes on. Else started from `domain`; running when it returns.
     * ERR_INPUT: domain_xml's refusals, or a key without its shape; ERR_CLASH: another VM has its
     * name, or it is crashed; ERR_DENIED: a key opens no disk, or not the TPM's state; ERR_SYSTEM:
     * the host is not fit to keep secrets (the remedy says what to do). */
    bool (*start)(struct hv *hv, const struct domain *domain, const struct hv_keys *keys,
                  struct err *err);
    /* The power button, and after `seconds` the plug. Absent when it returns. */
    bool (*stop)(struct hv *hv, const char *uuid, unsigned seconds, struct err *err);
    /* The plug at once. Absent when it returns, and nothing of it is left in the hypervisor. */
    bool (*destroy)(struct hv *hv, const char *uuid, struct err *err);

    const struct hv_copies *copies;
    const struct hv_moves *moves;
};

extern const struct hypervisor *const hypervisors[]; /* ended by NULL */
/* ERR_INPUT: no such type; the remedy lists those there are. */
bool hypervisor_find(const char *type, const struct hypervisor **out, struct err *err);

#endif
