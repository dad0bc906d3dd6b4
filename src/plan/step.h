/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of step, one table that plan, agent, deploy and manual share. A step is (kind, host,
 * target); what it does lives in the agent, one file per kind.
 */
#ifndef QUOIN_PLAN_STEP_H
#define QUOIN_PLAN_STEP_H

#include <stddef.h>

/* In the order in which a deploy goes through them. */
enum phase {
    PHASE_CHECK,
    PHASE_HOSTS,
    PHASE_PROVIDER,
    PHASE_DATASTORE,
    PHASE_SEAL,
    PHASE_POUR,
    PHASE_START,
    PHASE_PROVE,
    PHASE_CLUSTER,
    PHASE_JOIN,
    PHASE_COUNT,
};

struct step_kind {
    const char *name; /* "store.disk" */
    enum phase phase;
    const char *summary; /* "give a disk to the datastore": what the progress shows */
    const char *target;  /* what the target names; NULL: it is empty */
};

/* In the order of a plan; ended by a NULL name. */
extern const struct step_kind step_kinds[];

/* MiB that a host keeps for itself when it takes a VM in (vm.expect), besides the VM's memory: who
 * chooses the host counts as the host does. */
#define STEP_MEMORY_RESERVE 256

/* NULL: there is no such kind. */
const struct step_kind *step_kind_find(const char *name);
/* "check", "hosts", … */
const char *phase_name(enum phase phase);

#endif
