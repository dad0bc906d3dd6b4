/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotation as a task: somebody asks the manager, the manager asks the host's agent, and the agent
 * does it by itself (docs/protocol.md, POST /v1/key/rotate). The manager sees progress and the new
 * KEK's id, never a key. One at a time.
 */
#ifndef QUOIN_MANAGER_ROTATE_H
#define QUOIN_MANAGER_ROTATE_H

#include "manager/database.h"
#include "manager/watch.h"

struct rotate;

/* A host rewraps a header in a second; a hundred VMs through a slow TPM or key server take minutes.
 * What takes longer is a host that keeps the manager waiting. */
#define ROTATE_SECONDS (15u * 60u)

/* Both are borrowed. `seconds`: for all of a rotation, 0: ROTATE_SECONDS. */
struct rotate *rotate_new(struct database *database, struct watch *watch, unsigned seconds);
/* One that runs is waited for no longer than its host's next line, or than client.h takes silence
 * for; its task has failed. The host goes on by itself. */
void rotate_free(struct rotate *rotate);
DROP(rotate, struct rotate *, rotate_free);

/* Of the key provider with this name. The task runs when it returns. ERR_CLASH: one runs already;
 * ERR_AWAY: the host that has the provider is not known or does not answer; ERR_INPUT: several
 * hosts have it, so that the new key had to be given from host to host, which only the deployment
 * unit does. */
bool rotate_begin(struct rotate *rotate, const char *provider, const char *user, int64_t *out_task,
                  struct err *err);

#endif
