/* SPDX-License-Identifier: Apache-2.0 */
/* The way back by the recovery key: docs/protocol.md, key.recover. */
#include "deploy/ask.h"
#include "deploy/deploy.h"

bool deploy_forget(struct deploy *deploy, struct remote *remote, bool *out_forgotten,
                   struct err *err)
{
    AUTO(drop_json) json_t *result = NULL;

    if (!deploy_step(deploy, remote, "key.forget", json_object(), &result, err)) {
        return err_add(err, "host '%s'", remote->host->name);
    }
    *out_forgotten = json_is_true(json_object_get(result, "forgotten"));
    return true;
}

bool deploy_recover(struct deploy *deploy, struct remote *remote, struct err *err)
{
    json_t *params = NULL;

    return ask_provider(deploy, remote, &params, err) &&
           deploy_step(deploy, remote, "key.recover", params, NULL, err);
}
