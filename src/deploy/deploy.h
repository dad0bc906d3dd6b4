/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy: the deployment unit. It looks at the hosts, has the plan made, and goes through the
 * plan's steps in order; each step is made by a host's agent, or here where only this side can.
 * Everything may be run again: what holds is found to hold. It holds no key, ever.
 */
#ifndef QUOIN_DEPLOY_DEPLOY_H
#define QUOIN_DEPLOY_DEPLOY_H

#include <stdatomic.h>

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
    struct err *missing; /* one a host: why it is left out of this run; of no kind: it is not */
    size_t lead;         /* the host that is asked for the cluster as a whole */
    bool lead_known;
    bool may_miss;        /* further hosts may be away: what can be done is done without them */
    bool replaces;        /* the host that comes in takes the place of one that then goes */
    bool again;           /* a deploy of this blueprint ran to its end before */
    atomic_bool changed;  /* a step changed something in this run */
    bool unproven;        /* one of the leading host's did */
    json_t *vm;           /* what vm.seal gave: {"vm","kek","disks"} */
    json_t *proof;        /* what vm.verify gave */
    struct facts **facts; /* owned: what `answers` point to */
};

/* Reaches and asks every host, adding to `findings` what stands against a deploy. The hosts' own
 * failures are findings, not errors. `boot`: ask the hypervisor by booting something. */
bool deploy_look(struct deploy *deploy, bool boot, struct findings *findings, struct err *err);
/* Part of it: the certificates to a key server. */
void deploy_look_keys(struct deploy *deploy, struct findings *findings);
/* How many phases a deploy of it has, check included. */
unsigned deploy_phases(const struct blueprint *blueprint);
/* After deploy_look found no error. */
bool deploy_plan(struct deploy *deploy, struct err *err);
/* Goes through the plan. A further host that fails is left out and does not stop it. */
bool deploy_steps(struct deploy *deploy, struct err *err);
/* The same, and ERR_AWAY when hosts were left out. */
bool deploy_run(struct deploy *deploy, struct err *err);
/* Stops and removes everything of the cluster, keys last. */
bool deploy_undo(struct deploy *deploy, struct err *err);
/* One host that left the cluster, which goes on: its own services, keys and agent. */
bool deploy_undo_host(struct deploy *deploy, struct remote *remote, struct err *err);
/* The proof alone; its result in deploy->proof. */
bool deploy_prove(struct deploy *deploy, const char *vm, struct err *err);
void deploy_clear(struct deploy *deploy);

/* On `remote`: all that the recovery key opens, under a KEK of the provider that the blueprint
 * names. The agent has the recovery key already. */
bool deploy_recover(struct deploy *deploy, struct remote *remote, struct err *err);

/* An open connection to the manager through a member of the cluster; ERR_AWAY while it does not
 * answer. */
bool deploy_manager(struct deploy *deploy, struct client **out, struct err *err);
/* "https://10.77.0.10/"; the caller frees. */
char *deploy_manager_url(const struct blueprint *blueprint);

/* The certificate signing request for the key servers of a kmip provider without a private key, of
 * this host, whose agent is there; the caller frees the PEM text. */
bool deploy_request(struct deploy *deploy, struct remote *remote, char **out_pem, struct err *err);

/* One host's step by its agent; `params` is taken. `out_result` may be NULL, else a new reference.
 */
bool deploy_step(struct deploy *deploy, struct remote *remote, const char *kind, json_t *params,
                 json_t **out_result, struct err *err);
/* What this host cannot open any more is put aside there, so that a deploy gives it new keys. */
bool deploy_forget(struct deploy *deploy, struct remote *remote, bool *out_forgotten,
                   struct err *err);
/* The remote of a host by its name; ERR_AWAY when it was not reached. */
bool deploy_remote(struct deploy *deploy, const char *host, struct remote **out, struct err *err);

/* The host that is asked for the cluster as a whole: the first that answers and is a member of it.
 * ERR_AWAY: none is. Any member can: none has a role that cannot move. */
bool deploy_lead(struct deploy *deploy, struct remote **out, struct err *err);
/* The same, but not this host. */
bool deploy_lead_besides(struct deploy *deploy, const char *host, struct remote **out,
                         struct err *err);
/* This host is left out of the rest of the run; the first reason stays. From any thread, for a host
 * that is this thread's. */
void deploy_leave_out(struct deploy *deploy, size_t host, const struct err *err);
/* ERR_AWAY, naming them, when hosts were left out. */
bool deploy_complete(const struct deploy *deploy, struct err *err);

/* What only this side can make, by the kind of step (deploy/make.c). `count` steps of this kind,
 * one for each host, where `together`; else one. */
struct deploy_maker {
    const char *kind;
    bool (*make)(struct deploy *deploy, const struct step *step, struct err *err);
    bool (*together)(struct deploy *deploy, const struct step *steps, size_t count,
                     struct err *err);
};
extern const struct deploy_maker deploy_makers[];

#endif
