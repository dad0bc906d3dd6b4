/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/recover.h"

#include <string.h>

#include "base/secret_open.h"

static bool take_password(const struct secret *body, size_t length, struct secret **out,
                          struct err *err)
{
    if (!secret_new(length, out, err)) {
        return false;
    }
    memcpy(secret_bytes(*out), secret_look(body), length);
    return true;
}

bool recover_keys(struct agent *agent, const struct secret *body, struct err *err)
{
    const struct hostseal_conf conf = agent_hostseal_conf(agent);
    const char *bytes = (const char *)secret_look(body);
    const char *end = memchr(bytes, '\n', secret_size(body));
    AUTO(drop_secret) struct secret *password = NULL;

    if (!end || end == bytes) {
        return err_set(err, ERR_INPUT, "no password before the backup");
    }
    size_t length = (size_t)(end - bytes);

    if (!take_password(body, length, &password, err)) {
        return false;
    }
    agent_key_close(agent);
    return backup_restore(agent->provider.folder, &conf, agent->host.cluster_id, end + 1,
                          secret_size(body) - length - 1, password, err);
}
