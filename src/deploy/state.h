/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the deployment unit remembers of one cluster, in FOLDER/NAME: cluster.json (its id, the
 * blueprint's path, the last finished phase), ca.pem, and journal.jsonl, every event of every run.
 * No secret is in it: losing it loses no key. One run at a time: the folder is locked while open.
 */
#ifndef QUOIN_DEPLOY_STATE_H
#define QUOIN_DEPLOY_STATE_H

#include <stdbool.h>

#include "base/base.h"

struct state {
    char *folder; /* FOLDER/NAME */
    int lock;
    int journal;
    char *cluster_id; /* made at the first opening */
    char *cluster, *datacenter;
    char *blueprint; /* absolute path of the blueprint deployed last, or NULL */
    char *phase;     /* the phase that ended last, or NULL */
    bool deployed;   /* a deploy ran to its end */
    json_t *deep;    /* deploy/deepkey.h: a deep rekey that is under way, or NULL */
};

/* The folder of all clusters: `wanted`, else $XDG_STATE_HOME/quoin, else ~/.local/state/quoin. */
char *state_folder(const char *wanted);
/* Makes it when `make`, else ERR_ABSENT. ERR_AWAY while another run holds it (its pid is named). */
bool state_open(const char *folder, const char *cluster, bool make, struct state **out,
                struct err *err);
/* The only cluster there is; ERR_ABSENT for none, ERR_INPUT for several (their names are given). */
bool state_find_one(const char *folder, char **out_cluster, struct err *err);
bool state_save(struct state *state, struct err *err);
/* One JSON line, with the time; failing to journal ends the run rather than going on unrecorded. */
bool state_note(struct state *state, const json_t *event, struct err *err);
bool state_write_ca(const struct state *state, const char *pem, struct err *err);
/* ERR_ABSENT before ca.make. The caller frees. */
bool state_read_ca(const struct state *state, char **out_pem, struct err *err);
/* The cluster is gone: everything but the journal's last line goes with it. */
bool state_forget(struct state *state, struct err *err);
void state_free(struct state *state);
DROP(state, struct state *, state_free);

#endif
