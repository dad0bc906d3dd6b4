/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: pure. Blueprint and facts in, findings and ordered steps out; it touches nothing and asks
 * no clock. The same blueprint and facts give the same plan and the same hash.
 */
#ifndef QUOIN_PLAN_PLAN_H
#define QUOIN_PLAN_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/text.h"
#include "blueprint/blueprint.h"
#include "plan/facts.h"
#include "plan/step.h"

/* What asking one host gave: its facts, or the error (unreachable, other host key, no root). */
struct host_answer {
    const struct facts *facts; /* NULL: see `err` */
    struct err err;
    double began, ended; /* the asker's own clock around the asking, seconds since 1970 */
    bool may_be_away;    /* ERR_AWAY is a warning: the cluster is made of the others meanwhile */
};

/* Adds what stands against deploying `blueprint` on hosts that answered so. `answers` has one for
 * each of its hosts, in order. `cluster_id` is the one this deployment unit made for it earlier, or
 * NULL. */
void plan_check(const struct blueprint *blueprint, const struct host_answer *answers,
                const char *cluster_id, struct findings *findings);

/* The host that the cluster is made from, or that lets others into the cluster that there is: the
 * first one that says it is a member of `cluster_id` (NULL: there is none), else the first of all.
 */
size_t plan_lead(const struct blueprint *blueprint, const struct facts *const *facts,
                 const char *cluster_id);

/* The script that gets the facts of any of its hosts, for `sh -s` there. `packages` (ended by NULL,
 * or NULL) must be installed. `boot` asks whether a guest starts, which takes seconds. The caller
 * frees.
 */
bool plan_question(const struct blueprint *blueprint, const char *const *packages, bool boot,
                   char **out, struct err *err);

struct step {
    const struct step_kind *kind;
    char *host;         /* its name in the blueprint */
    size_t host_number; /* which of the blueprint's hosts */
    size_t number; /* store.disk: which of that host's disks; disk.pour: which of the manager's,
                    * the identity disk after the last; else 0 */
    char *target;  /* "wwn 0x5000c50000000101 (/dev/sdb)", a name, or empty */
};

/* A disk that is not this cluster's yet: what lies on it will be gone. */
struct wipe {
    char *host;
    char *disk; /* "wwn 0x5000c50000000101 (/dev/sdb)" */
    uint64_t bytes;
    char *holds; /* "ext4", or empty */
};

struct plan {
    struct step *steps;
    size_t step_count;
    struct wipe *wipes;
    size_t wipe_count;
    size_t lead; /* plan_lead */
    /* SHA-256 over what is wanted and every disk that is taken (identity, size, consent), whether
     * it is wiped now or was by this cluster before: so the hash that a user allowed still holds
     * when an interrupted deploy goes on. */
    char hash[DIGEST_HEX_SIZE];
};

/* After plan_check without errors. `facts` has one for each host; NULL: it is away, and the plan is
 * that of the others. ERR_AWAY: the host that leads is away; ERR_ABSENT: a disk is not there;
 * ERR_CLASH: a disk is another cluster's. The caller frees. */
bool plan_make(const struct blueprint *blueprint, const struct facts *const *facts,
               const char *cluster_id, struct plan **out, struct err *err);
/* Only what brings this host in. False: there is nothing of it in the plan. */
bool plan_keep_host(struct plan *plan, const char *host);
void plan_free(struct plan *plan);
DROP(plan, struct plan *, plan_free);

/* CONTRACT's `plan`; a new reference. */
json_t *plan_json(const struct plan *plan);
void plan_text(const struct plan *plan, struct text *out);

/* What the datastore needs of a disk, and a host besides the manager; Ceph's own journal and
 * metadata take 2 GiB of it. */
#define PLAN_DISK_MIN_BYTES (4ull << 30)

#endif
