/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/provider.h"

#include <string.h>

static char *folder_of(const struct agent *agent, const struct host_provider *host)
{
    return agent_path(agent, host->folder ? host->folder : HOST_PROVIDER_FOLDER);
}

void provider_find(struct agent *agent)
{
    agent_key_close(agent);
    free(agent->provider.folder);
    free(agent->old.folder);
    agent->provider.folder = folder_of(agent, &agent->host.provider);
    agent->old.folder = folder_of(agent, &agent->host.old);
}

static struct hostseal_conf sealing(const struct host_provider *host)
{
    struct hostseal_conf conf = {.tpm = TPM_AUTO};
    struct err ignored = {0};

    if (host->tpm) {
        (void)tpm_mode_of(host->tpm, &conf.tpm, &ignored);
    }
    return conf;
}

struct hostseal_conf agent_hostseal_conf(const struct agent *agent)
{
    return sealing(&agent->host.provider);
}

/* Opening an empty folder would make a new provider, whose keys open nothing that is here. */
static bool is_there(const struct provider *provider, const struct host_provider *host,
                     struct err *err)
{
    if (host->kek && !file_exists(provider->folder)) {
        err_set(err, ERR_ABSENT, "the keys of provider '%s' are gone from this host", host->name);
        return err_mend(err, "put them back from their backup: quoin key recover --file FILE");
    }
    return true;
}

static bool open_once(struct agent *agent, struct provider *provider,
                      const struct host_provider *host, struct key **out, struct err *err)
{
    struct key *key = NULL;

    if (!provider->key) {
        provider->conf = (struct provider_conf){.name = host->name,
                                                .type = host->type,
                                                .cluster = agent->host.cluster_id,
                                                .folder = provider->folder,
                                                .host = sealing(host)};
        if (!is_there(provider, host, err) || !key_open(&provider->conf, &key, err)) {
            audit_opened(agent->audit, err);
            return false;
        }
        audit_opened(agent->audit, NULL);
        key_listen(key, audit_key, agent->audit);
        pthread_mutex_lock(&agent->state);
        provider->key = key;
        pthread_mutex_unlock(&agent->state);
    }
    *out = provider->key;
    return true;
}

bool agent_key(struct agent *agent, struct key **out, struct err *err)
{
    if (!agent->host.provider.type) {
        return err_set(err, ERR_ABSENT, "this host has no key provider yet");
    }
    return open_once(agent, &agent->provider, &agent->host.provider, out, err);
}

static bool made_by(const struct host_provider *host, const struct envelope_about *about)
{
    return host->name && host->type && strcmp(host->name, about->provider) == 0 &&
           strcmp(host->type, about->type) == 0;
}

bool agent_key_for(struct agent *agent, const struct envelope_about *about, struct key **out,
                   struct err *err)
{
    const struct host *host = &agent->host;

    if (host->old.kek && !made_by(&host->provider, about) && made_by(&host->old, about)) {
        return open_once(agent, &agent->old, &host->old, out, err);
    }
    /* Whatever else it says, this one refuses it by name. */
    return agent_key(agent, out, err);
}

static void shut(struct agent *agent, struct provider *provider)
{
    pthread_mutex_lock(&agent->state);
    struct key *key = TAKE(provider->key);
    pthread_mutex_unlock(&agent->state);
    key_close(key);
}

void agent_key_close(struct agent *agent)
{
    shut(agent, &agent->provider);
    shut(agent, &agent->old);
}
