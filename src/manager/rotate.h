/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotation as a task: somebody asks the manager, and the manager asks the hosts' agents
 * (manager/rotation.h). It sees progress and the new KEK's id, never a key. One at a time.
 */
#ifndef QUOIN_MANAGER_ROTATE_H
#define QUOIN_MANAGER_ROTATE_H

#include "manager/database.h"
#include "manager/watch.h"

struct rotate;

/* For one phase on one host. It rewraps a header in a second; a hundred VMs through a slow TPM or
 * key server take minutes. What takes longer is a host that keeps the manager waiting. */
#define ROTATE_SECONDS (15u * 60u)

/* Both are borrowed. `seconds`: for a phase of a host, 0: ROTATE_SECONDS. */
struct rotate *rotate_new(struct database *database, struct watch *watch, unsigned seconds);
/* One that runs is waited for no longer than its host's next line, or than client.h takes silence
 * for; its task has failed. The host ends that
 * phase by itself. */
void rotate_free(struct rotate *rotate);
DROP(rotate, struct rotate *, rotate_free);

/* Of the key provider with this name. The task runs when it returns. ERR_CLASH: one runs already,
 * or a host uses another provider. ERR_AWAY: a host does not answer; every one must take part, and
 * it is named. */
bool rotate_begin(struct rotate *rotate, const char *provider, const char *user, int64_t *out_task,
                  struct err *err);

#endif
