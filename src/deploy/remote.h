/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host as the deployment unit sees it: reached by SSH, asked for its facts without changing it,
 * given an agent, and from then on asked for steps through a tunnel to the agent's socket.
 */
#ifndef QUOIN_DEPLOY_REMOTE_H
#define QUOIN_DEPLOY_REMOTE_H

#include "deploy/report.h"
#include "plan/facts.h"
#include "plan/plan.h"
#include "wire/wire.h"

struct remote {
    const struct blueprint_host *host; /* borrowed */
    struct ssh *ssh;
    char *socket;         /* leads to the agent's */
    struct client *agent; /* NULL before remote_agent */
};

/* ERR_AWAY, ERR_CLASH (another host key), ERR_DENIED. */
bool remote_open(const struct blueprint_host *host, struct remote **out, struct err *err);
void remote_close(struct remote *remote);
DROP(remote, struct remote *, remote_close);

/* What the host says of itself, asked by `script` (plan_question), with our clock around the
 * asking. Changes nothing there. */
bool remote_look(struct remote *remote, const char *script, struct facts **out_facts,
                 double *out_began, double *out_ended, struct err *err);
/* The agent's package of this build, installed unless it is there already. */
bool remote_install(struct remote *remote, bool *out_changed, struct err *err);
/* The agent's package, gone with its state; without one it succeeds. The programs that it needed
 * stay: they may have been there before. */
bool remote_uninstall(struct remote *remote, struct err *err);
/* Opens the tunnel and the client. Twice is nothing. ERR_ABSENT: no agent, and the host is part of
 * no cluster; ERR_AWAY: it is, but its agent does not run, or the connection was lost. */
bool remote_agent(struct remote *remote, struct err *err);
bool remote_status(struct remote *remote, json_t **out, struct err *err);

/* How a long answer is heard: progress to the report, the last line kept. */
struct remote_answer {
    struct report *report;
    const char *who; /* whose progress it is, where several are at work; or NULL */
    bool ended;
    bool changed;
    json_t *result; /* owned */
    struct err failure;
};
/* `call` with its line callback set to hear into `answer`. */
bool remote_ask(struct remote *remote, struct client_call *call, struct remote_answer *answer,
                struct err *err);

#endif
