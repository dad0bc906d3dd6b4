/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy: the deployment unit. It looks at the hosts, has the plan made, and goes through the
 * plan's steps in order; each step is made by a host's agent, or here where only this side can.
 * Everything may be run again: what holds is found to hold. It holds no key, ever.
 */
#ifndef QUOIN_DEPLOY_DEPLOY_H
#define QUOIN_DEPLOY_DEPLOY_H

#include "blueprint/blueprint.h"
#include "deploy/image.h"
#include "deploy/remote.h"
#include "deploy/report.h"
#include "deploy/state.h"
#include "plan/plan.h"

/* Everything one run knows. */
struct deploy {
    const struct blueprint *blueprint; /* borrowed */
    struct state *state;               /* borrowed; NULL when only looking */
    struct report *report;             /* borrowed */
    struct remote **remotes;           /* one a host; NULL where it was not reached */
    struct host_answer *answers;       /* one a host */
    struct plan *plan;
    bool again;           /* a deploy of this blueprint ran to its end before */
    bool changed;         /* a step changed something in this run */
    json_t *vm;           /* what vm.seal gave: {"vm","kek","disks"} */
    json_t *proof;        /* what vm.verify gave */
    struct facts **facts; /* owned: what `answers` point to */
};

/* Reaches and asks every host, adding to `findings` what stands against a deploy. The hosts' own
 * failures are findings, not errors. `boot`: ask the hypervisor by booting something. */
bool deploy_look(struct deploy *deploy, bool boot, struct findings *findings, struct err *err);
/* How many phases a deploy of it has, check included. */
unsigned deploy_phases(const struct blueprint *blueprint);
/* After deploy_look found no error. */
bool deploy_plan(struct deploy *deploy, struct err *err);
/* Goes through the plan. */
bool deploy_run(struct deploy *deploy, struct err *err);
/* Stops and removes everything of the cluster, keys last. */
bool deploy_undo(struct deploy *deploy, struct err *err);
/* The proof alone; its result in deploy->proof. */
bool deploy_prove(struct deploy *deploy, const char *vm, struct err *err);
void deploy_clear(struct deploy *deploy);

/* An open connection to the manager through the first host; ERR_AWAY while it does not answer. */
bool deploy_manager(struct deploy *deploy, struct client **out, struct err *err);
/* "https://10.77.0.10/"; the caller frees. */
char *deploy_manager_url(const struct blueprint *blueprint);

/* One host's step by its agent; `params` is taken. `out_result` may be NULL, else a new reference.
 */
bool deploy_step(struct deploy *deploy, struct remote *remote, const char *kind, json_t *params,
                 json_t **out_result, struct err *err);
/* The remote of a host by its name; ERR_AWAY when it was not reached. */
bool deploy_remote(struct deploy *deploy, const char *host, struct remote **out, struct err *err);

/* What only this side can make, by the kind of step (deploy/make.c). */
struct deploy_maker {
    const char *kind;
    bool (*make)(struct deploy *deploy, const struct step *step, struct err *err);
};
extern const struct deploy_maker deploy_makers[];

#endif
