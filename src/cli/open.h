/* SPDX-License-Identifier: Apache-2.0 */
/* What several verbs begin with: the blueprint read, the state opened, the hosts reached. */
#ifndef QUOIN_CLI_OPEN_H
#define QUOIN_CLI_OPEN_H

#include "cli/cli.h"
#include "deploy/deploy.h"

/* What this build has; the loader refuses other types by name. */
extern const struct blueprint_limits cli_limits;

/* Everything a verb that reaches hosts holds; zero-initialized, dropped by drop_session. */
struct session {
    struct blueprint *blueprint;
    struct state *state;
    struct findings findings;
    struct report report;
    struct deploy deploy;
};
void session_clear(struct session *session);
__attribute__((unused)) static inline void drop_session(struct session *session)
{
    session_clear(session);
}

/* Loads it, an absolute path or one relative to here; findings are printed when there are errors
 * (then false, ERR_INPUT). */
bool session_load(struct cli *cli, const char *path, struct session *session, struct err *err);
/* The state of the blueprint's cluster; `make` as state_open. */
bool session_state(struct cli *cli, bool make, struct session *session, struct err *err);
/* For verbs without a BLUEPRINT: the cluster named by --cluster or the only one, its state, and
 * the blueprint that it was deployed from. */
bool session_known(struct cli *cli, struct session *session, struct err *err);
/* The same without reaching a host. */
bool session_find(struct cli *cli, struct session *session, struct err *err);
/* Room in `deploy` for what each host is reached by and answers: nothing yet. */
void session_rooms(struct session *session);
/* Every host that can be reached; those that cannot are left out. */
bool session_reach(struct session *session, struct err *err);
/* Somebody allowed what the plan wipes: --yes, --plan, or a person at the terminal. */
bool session_allowed(const struct cli *cli, const struct plan *plan, struct err *err);
/* Says what was found and fails with it: nothing was changed. */
bool session_refuse(struct cli *cli, struct session *session, struct err *err);
/* Status and verify find this blueprint from anywhere from now on. */
bool session_remember(struct session *session, struct err *err);
/* Names the hosts that this run goes on without. */
void session_tell_missing(struct session *session);
/* Prints them; as JSON only when the verb is `check`. */
void session_print_findings(struct cli *cli, const struct session *session);

#endif
