/* SPDX-License-Identifier: Apache-2.0 */
/* The way back by the recovery key: docs/protocol.md, key.recover. */
#include "deploy/ask.h"
#include "deploy/deploy.h"

bool deploy_recover(struct deploy *deploy, struct remote *remote, struct err *err)
{
    json_t *params = NULL;

    return ask_provider(deploy, remote, &params, err) &&
           deploy_step(deploy, remote, "key.recover", params, NULL, err);
}
