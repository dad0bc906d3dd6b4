/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for tests of the agent: the agent as it is and the native key provider as it is, over a
 * datastore in a folder, a hypervisor of one VM, and no TPM. Folder and datastore outlive the
 * agent, so a test can cut the power.
 */
#ifndef QUOIN_TESTS_AGENT_WORLD_H
#define QUOIN_TESTS_AGENT_WORLD_H

#include "../scratch.h"

#include "agent/agent.h"
#include "agent/disk.h"
#include "agent/step.h"
#include "agent/vm.h"

#define CLUSTER "6f1c2a3b-4d5e-4f60-8a1b-2c3d4e5f6071"
#define OTHER   "00000000-4d5e-4f60-8a1b-2c3d4e5f6071"
#define MIB     ((uint64_t)1 << 20)
/* The image is smaller than its disk, as images are. */
#define IMAGE_BYTES (5 * MIB + 512)
#define DISK_BYTES  (8 * MIB)

/* ---- the datastore ---- */
struct fake_store {
    const char *folder;
    bool begun, disk, pool; /* what was made of it */
    bool holes;             /* they hold */
    bool away;              /* nothing answers */
    bool full;              /* objects cannot be written */
    bool small;             /* no room for another image */
    /* --- of several hosts --- */
    char joined[64];    /* who joined last, with the datastore's keys */
    size_t monitors;    /* that the settings name, as they were settled last */
    char monitor[64];   /* who was asked for its own last */
    unsigned copies;    /* spread to */
    char left[64];      /* who left last */
    char left_from[64]; /* the address that was named with it, or "" */
    char other[64];     /* who has a disk in it besides, or "" */
    json_t *hosts;      /* as its maps tell them, borrowed; or NULL */
};
extern struct fake_store fake_store;
/* The data key in the header of the file, which the passphrase opens. */
bool fake_store_key(const char *path, const struct secret *passphrase, struct secret **out,
                    struct err *err);
void fake_store_begin(const char *folder);
/* The file of an image, of an object; the caller frees. */
char *fake_store_image(const char *name);
char *fake_store_object(const char *name);

/* Leases, judged by the datastore's own clock. One test's hosts share them. */
struct fake_leases {
    int64_t now;                   /* milliseconds; a test sets it */
    unsigned fences;               /* how often a host was fenced */
    char fenced[64];               /* the address that is, or "" */
    bool fence_away;               /* fencing fails */
    bool refused;                  /* the administrator's key is */
    bool unlisted;                 /* this host was taken out of the datastore */
    unsigned looks;                /* at whoever holds it */
    int64_t slow;                  /* milliseconds that pass with each look */
    char seen_at[64];              /* where the datastore sees us; "": at our address */
    char holder[STORE_MAX_HOLDER]; /* of the one lease there is */
    char address[64];              /* from where it is held, as the datastore tells; or "" */
    int64_t ends;                  /* by `now` */
};
extern struct fake_leases fake_leases;
extern const struct store_leases fake_lease_backend;

/* ---- the hypervisor ---- */
struct fake_hv {
    char uuid[UUID_SIZE];
    enum hv_state state;
    unsigned starts;
    unsigned pulls;                   /* how often a plug was to be pulled */
    bool stuck;                       /* and cannot be */
    bool hangs;                       /* the daemon: only the kernel ends the process */
    unsigned kills;                   /* that it did */
    bool unending;                    /* a process is not ended by it either */
    unsigned signals, signals_before; /* processes that were signalled; …before the first pull */
    size_t disks, read_only;
    /* Changing the images under it (fake_copies.c). */
    bool writes;          /* the guest writes all the time */
    unsigned written;     /* how often it did */
    unsigned char *model; /* what its first disk must hold, or NULL */
    unsigned calls;       /* of these functions */
    unsigned fail_at;     /* the so manieth call fails; 0: none */
    bool dies;            /* and the VM with it */
    bool lives_on;        /* destroying it says it succeeded, and it did not */
};
extern struct fake_hv fake_hv;
extern void (*fake_hv_closing)(void); /* called when it is closed; NULL: nothing */
/* Moves: what comes is the tests' own doing. */
struct fake_moves {
    bool expects;      /* keys and pass are there */
    bool fails;        /* sending does */
    bool stands_still; /* and leaves the VM so */
    bool cuts_store;   /* the datastore is away once it was sent */
};
extern struct fake_moves fake_moves;
extern const struct hv_copies fake_copies;
/* A VM starts with these; NULL: it is gone. */
void fake_copies_begin(const struct domain *domain, const struct hv_keys *keys);
void fake_hv_power_cut(void);
/* The VM writes its files, and whoever watches them is told. */
void fake_hv_write(const char *text);
bool fake_hv_has(const char *text);

/* ---- the key provider: "native", and "other", which is a native one by another name ---- */
extern bool fake_key_away;
extern bool fake_key_other_away; /* "other" alone */
extern bool fake_key_denies;     /* who asks is not let in */
extern bool fake_key_lags;       /* another of its servers does not have a new KEK yet */
extern bool fake_key_half;       /* another of its servers is away */
extern bool fake_key_lies;       /* unwrap gives another key than was wrapped */

/* ---- death and failure ---- */
/* Counts what datastore and provider are asked to change. In number `at` (0: never) the process
 * ends: before it is done, or when it was; or with `fail` it and all that follow are not done. */
struct fake_death {
    unsigned calls, at;
    bool late, fail;
};
extern struct fake_death fake_death;
bool fake_change_begins(struct err *err);
void fake_change_is_made(void);

/* ---- the host ---- */
struct world {
    const char *root; /* of all that follows, for this test alone */
    char *folder;     /* the agent's */
    char *address;    /* this process' own on the loopback: the agent's port is always the same */
    struct agent agent;
    int64_t now; /* what the agent's clock says, milliseconds */
};
extern struct world world;

/* For each test. */
int world_begin(void **state);
int world_end(void **state);
/* One without the other, for who forks: a child sees no secret of its parent's. */
void world_open(void);
void world_close(void);
/* The agent ends, and another begins over the same folder and datastore. */
void world_restart(void);
/* The newest generations that the host has seen cannot be written down: a file is in their folder's
 * place; and they can again, what was there is there. */
void world_seen_closed(void);
void world_seen_open(void);
/* The VM is gone as well. */
void world_power_cut(void);

/* ---- steps ---- */
/* What came of one; cleared by the caller. */
struct outcome {
    bool made, changed;
    json_t *result;
    struct err err;
};
void drop_outcome(struct outcome *outcome);
/* `params` is taken. */
struct outcome step_try(const char *kind, json_t *params);
/* Must succeed. True: changed. */
bool step_do(const char *kind, json_t *params);
/* Must fail so. */
void step_refused(const char *kind, json_t *params, enum err_kind kind_of_error);
/* A step's order with this cluster and host; a new reference. */
json_t *order_of(const char *kind, json_t *params);

json_t *provider_params(void);
json_t *store_params(void);
json_t *disk_params(void);
json_t *vm_params(const char *name);
/* Steps of a deploy, up to … */
void make_provider(void);
void make_store(void);
void make_vm(void);     /* sealed, no disk poured */
void make_poured(void); /* all disks */
void make_running(void);

/* {"vm":…}, {"vm":…,"disk":…} of the VM "mgr". */
json_t *this_vm(void);
json_t *this_disk(const char *disk);
const char *vm_uuid(const char *name);
struct vm *vm_here(const char *name);
/* The VM "mgr", open, as another host has it; vm_list_free. */
struct vm *vm_elsewhere(void);

/* The image of a disk of the VM "mgr"; the caller frees. */
char *disk_image(const char *disk);

/* ---- the image ---- */
enum harm { HARM_NONE, HARM_BROKEN, HARM_SHORT, HARM_DIGEST };
/* Pours the image into "system" of the VM "mgr", the stream harmed in one way. */
struct outcome pour_try(enum harm harm);
/* How many bytes of the stream the last pour read. */
size_t pour_read(void);
/* The image's bytes, DISK_BYTES of them; the caller frees. */
unsigned char *image_plain(void);
/* What lies on the disk "system", decrypted; the caller frees. */
unsigned char *system_plain(void);

/* The CA's private key, as only the agent has it. */
struct secret *ca_secret(void);

#define IT(test) cmocka_unit_test_setup_teardown(test, world_begin, world_end)

#endif
