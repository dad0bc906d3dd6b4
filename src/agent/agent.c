/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "agent/lease.h"
#include "agent/move.h"
#include "agent/provider.h"
#include "agent/vm.h"

bool agent_open(const char *folder, struct agent *out, struct err *err)
{
    *out = (struct agent){.work = PTHREAD_MUTEX_INITIALIZER, .state = PTHREAD_MUTEX_INITIALIZER};
    out->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (out->wake < 0) {
        return err_errno(err, errno, "make an event descriptor");
    }
    out->hypervisor = hypervisors[0];
    if (!file_make_folder(folder, 0700, err) || !host_load(folder, &out->host, err)) {
        return false;
    }
    out->audit = audit_new();
    out->now = clock_boot_ms;
    /* Of systemd: a folder of this boot alone. */
    const char *run = getenv("RUNTIME_DIRECTORY");

    out->leases = leases_new(out, run ? text_make("%s/leases", run) : agent_path(out, "leases"));
    provider_find(out);
    return true;
}

void agent_close(struct agent *agent)
{
    server_stop(agent->network);
    move_free(TAKE(agent->move));
    /* Where the daemon hangs this takes longer than a lease lasts: it is renewed meanwhile. */
    if (agent->hv) {
        agent->hypervisor->close(TAKE(agent->hv));
    }
    lease_stop(agent);
    vm_list_free(agent->vms);
    agent_key_close(agent);
    agent_store_close(agent);
    leases_free(agent->leases);
    free(agent->provider.folder);
    free(agent->old.folder);
    audit_free(agent->audit);
    secret_free(agent->private_key);
    secret_free(agent->password);
    secret_free(agent->recovery_key);
    host_clear(&agent->host);
    free(agent->waiting);
    json_decref(agent->rotate_shared);
    free(agent->waiting_remedy);
    drop_fd(&agent->wake);
}

char *agent_path(const struct agent *agent, const char *name)
{
    return text_make("%s/%s", agent->host.folder, name);
}

bool agent_store(struct agent *agent, struct store **out, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    if (!agent->host.store_type) {
        return err_set(err, ERR_ABSENT, "this host has no datastore yet");
    }
    if (!agent->store) {
        struct store *store = NULL;

        if (!store_backend_find(agent->host.store_type, &agent->backend, err) ||
            !agent->backend->open(&conf, &store, err)) {
            return err_add(err, "open datastore '%s'", agent->host.store_name);
        }
        agent->store = store;
    }
    *out = agent->store;
    return true;
}

void agent_store_close(struct agent *agent)
{
    lease_store_close(agent);
    if (agent->store) {
        agent->backend->close(agent->store);
        agent->store = NULL;
    }
}

void agent_wait_for(struct agent *agent, const struct err *why)
{
    pthread_mutex_lock(&agent->state);
    host_set(&agent->waiting, why ? why->what : NULL);
    host_set(&agent->waiting_remedy, why && why->remedy[0] ? why->remedy : NULL);
    pthread_mutex_unlock(&agent->state);
}

bool agent_save(struct agent *agent, struct err *err)
{
    return host_save(&agent->host, err);
}

/* A VM that came up or went is the keeper's business. */
static void hv_told(void *context, const char *uuid, enum hv_state state)
{
    struct agent *agent = context;

    (void)uuid;
    (void)state;
    (void)eventfd_write(agent->wake, 1);
}

bool agent_hv(struct agent *agent, struct hv **out, struct err *err)
{
    if (!agent->hv && !agent->hypervisor->open(hv_told, agent, &agent->hv, err)) {
        return err_add(err, "open the hypervisor");
    }
    *out = agent->hv;
    return true;
}
