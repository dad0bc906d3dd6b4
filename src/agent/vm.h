/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM of the cluster as a host knows it. All that it is lies on the datastore: its disks' images,
 * and its home object with envelope, configuration, vTPM state and firmware variables. The VM key
 * is in locked memory from the moment the host needs it until the VM is off.
 *
 * The configuration in the home, JSON:
 *   {"name","cpus","memory","accel","network":{…},"admin":{…},"host","wanted":"off"|"running",
 *    "disks":[{"name","uuid","bytes","poured":bool,"image"}],"unproven":true}, "image" where the
 * disk was copied, "unproven" until the copies are proven encrypted and the old images may go
 */
#ifndef QUOIN_AGENT_VM_H
#define QUOIN_AGENT_VM_H

#include <stdatomic.h>

#include "agent/agent.h"
#include "hv/files.h"
#include "seal/seal.h"

struct vm {
    struct vm *next;
    struct agent *agent;
    char uuid[UUID_SIZE];
    pthread_mutex_t lock; /* the fields below; the last lock to be taken */
    struct secret *key;   /* NULL while closed */
    char *envelope;       /* JSON text; what the disks' headers carry as well */
    char *recovery;       /* the same for the recovery key, or NULL */
    int64_t generation;   /* of the home that was read or written last */
    uint64_t version;     /* of its object */
    json_t *config;       /* NULL before it was opened once */
    struct secret *files; /* vTPM state and firmware variables, packed; NULL: none yet */
    /* Passphrase of the vTPM's state where the VM key does not give it (any more); or NULL. */
    struct secret *tpm;
    atomic_bool unsaved; /* they changed, and could not be stored yet */
    atomic_bool unseen;  /* its generation could not be noted on this host yet (home_remember) */
    time_t cached;      /* opened by a key kept here since then, its provider away; 0: it was not */
    int64_t cache_next; /* by the agent's clock: its key is kept anew then; under `work` */
    struct files_watch *watch;
    bool tidy;     /* nothing of a move that was broken off is left here; under `work` */
    bool swept;    /* what an interrupted copy left was looked for; under `work` */
    bool refuted;  /* the proof after a deep rekey found plain blocks; under `work` */
    char *trouble; /* why it does not run, or NULL */
    json_t *shown; /* what status last told of it, or NULL; under the agent's `state` */
};

/* All of these but vm_list_free are called under `work`. */

/* Every VM whose home is on the datastore is in the agent's list afterwards, closed if new. */
bool vm_list_load(struct agent *agent, struct err *err);
void vm_list_free(struct vm *vm);
/* ERR_ABSENT. */
bool vm_find(struct agent *agent, const char *uuid, struct vm **out, struct err *err);
/* A new VM: key made and wrapped, the envelope opened once to prove it, the home stored. One that
 * is there already is opened. `config` is borrowed. ERR_CLASH: it is there, but configured in
 * another way. */
bool vm_make(struct agent *agent, const char *uuid, const json_t *config, bool *out_made,
             struct vm **out, struct err *err);
/* Its key from the provider, its configuration from the home. Twice is nothing. */
bool vm_open(struct vm *vm, struct err *err);
/* As it lies on the datastore now, whatever was known of it; the provider is asked again only where
 * it lies under another envelope than the one that is open. It is forgotten when that fails. */
bool vm_open_again(struct vm *vm, struct err *err);
/* Its secrets are forgotten; what it is remains known. */
void vm_close(struct vm *vm);
/* All of it is: the host lost the VM to another, or may have. It is read anew when it is needed;
 * changes of its files that were not stored are of a past that did not happen. */
void vm_forget(struct vm *vm);
/* Every disk's header is held against the policy and the VM's key, the files are put in place, the
 * domain is started and its files are watched. Running already: nothing. */
bool vm_start(struct vm *vm, bool *out_started, struct err *err);
/* It is this host's turn to have the VM, or nobody's: else ERR_CLASH, and what is here of it
 * (`*state`) is destroyed first. An agent before us that was about to give it away: that is done.
 */
bool vm_turn(struct vm *vm, struct hv *hv, enum hv_state *state, struct err *err);
/* Off, its files stored; the configuration says that it shall stay off. */
bool vm_stop(struct vm *vm, bool *out_stopped, struct err *err);
/* Off, its images, its home and its key gone. */
bool vm_remove(struct vm *vm, const struct progress *progress, struct err *err);
/* The home as it is now, sealed and stored. */
bool vm_save(struct vm *vm, struct err *err);
/* Changes that could not be stored are stored now, as they are now. */
bool vm_save_again(struct vm *vm, struct err *err);
/* The same whether they changed or not, and no change is stored any more until vm_start: the VM is
 * about to go to another host. */
bool vm_keep_still(struct vm *vm, struct err *err);
/* Changes a part of the configuration, which status may be reading. Takes `value`. */
void vm_note(struct vm *vm, json_t *part, const char *name, json_t *value);
/* 64 hexadecimal digits: what encrypts the vTPM's state. From the VM key, or, once that key was
 * changed, the one that the home keeps: swtpm does not encrypt its state anew. */
bool vm_tpm(const struct vm *vm, struct secret **out, struct err *err);
/* The entry of a disk in the configuration, borrowed; ERR_ABSENT. */
bool vm_disk(const struct vm *vm, const char *disk, json_t **out, struct err *err);

#endif
