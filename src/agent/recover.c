/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/recover.h"

#include <string.h>

#include "agent/brought.h"
#include "agent/home.h"
#include "agent/notice.h"

/* Of a VM whose host was away when the recovery key was renewed. */
static bool is_named(struct agent *agent, const char *id)
{
    struct err ignored = {0};

    if (agent->host.store_type) {
        (void)vm_list_load(agent, &ignored);
    }
    for (const struct vm *vm = agent->vms; vm; vm = vm->next) {
        AUTO(drop_chest_about) struct chest_about about = {0};

        if (home_look(vm, &about, &ignored)) {
            AUTO(drop_json) json_t *named = notice_id_of(about.recovery);

            if (json_is_string(named) && strcmp(json_string_value(named), id) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* The notice may be out of reach: then the envelopes themselves tell an older key. */
static bool is_due(struct agent *agent, const char *id, struct err *err)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    struct err ignored = {0};

    if (notice_read(agent, &notice, &ignored) && notice && strcmp(notice->id, id) != 0 &&
        !is_named(agent, id)) {
        err_set(err, ERR_CLASH, "the file is of %s, but %s is due", id, notice->id);
        return err_mend(err, "take the file that was fetched last (%s)", notice->fetched);
    }
    return true;
}

static bool take_recovery(struct agent *agent, const char *text, size_t length,
                          const struct secret *password, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    char id[RECOVERY_ID_SIZE];

    if (!recovery_file_open(text, length, agent->host.cluster_id, password, &key, id, err) ||
        !is_due(agent, id, err)) {
        return false;
    }
    secret_free(agent->recovery_key);
    agent->recovery_key = TAKE(key);
    return true;
}

bool recover_keys(struct agent *agent, const struct secret *body, bool *out_recovery,
                  struct err *err)
{
    const struct hostseal_conf conf = agent_hostseal_conf(agent);
    AUTO(drop_secret) struct secret *password = NULL;
    const char *text = NULL;
    size_t rest = 0;

    if (!brought_part(body, &password, &text, &rest, err)) {
        return false;
    }
    *out_recovery = recovery_file_is(text, rest);
    if (*out_recovery) {
        return take_recovery(agent, text, rest, password, err);
    }
    agent_key_close(agent);
    return backup_restore(agent->provider.folder, &conf, agent->host.cluster_id, text, rest,
                          password, err);
}
