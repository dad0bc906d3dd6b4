/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/provider.h"
#include "key/tpm.h"

#include <string.h>

/* Seconds; as long as a blueprint may say. */
#define MAX_CACHE (30 * 86400)
/* As many as a blueprint may name. */
#define MAX_SERVERS 16u

char *provider_path(const struct agent *agent, const struct host_provider *host)
{
    return agent_path(agent, host->folder ? host->folder : HOST_PROVIDER_FOLDER);
}

void provider_find(struct agent *agent)
{
    agent_key_close(agent);
    free(agent->provider.folder);
    free(agent->old.folder);
    agent->provider.folder = provider_path(agent, &agent->host.provider);
    agent->old.folder = provider_path(agent, &agent->host.old);
}

struct hostseal_conf provider_sealing(const struct agent *agent, const struct host_provider *host)
{
    struct hostseal_conf conf = {.tpm = TPM_AUTO, .tcti = agent->tcti};
    struct err ignored = {0};

    if (host->tpm) {
        (void)tpm_mode_of(host->tpm, &conf.tpm, &ignored);
    }
    for (const char *at = host->pcrs; at; at = strchr(at, ',')) {
        at += *at == ',';
        conf.pcrs |= 1u << (strtoul(at, NULL, 10) % (TPM_PCRS));
    }
    return conf;
}

struct hostseal_conf agent_hostseal_conf(const struct agent *agent)
{
    return provider_sealing(agent, &agent->host.provider);
}

unsigned provider_cache(const struct host_provider *host)
{
    return host->cache ? (unsigned)strtoul(host->cache, NULL, 10) : 0;
}

/* Only a TPM keeps a key for a time, and looks at PCRs. */
static bool needs_tpm(const struct agent *agent, enum tpm_mode mode, const char *what,
                      struct err *err)
{
    const struct hostseal_conf conf = {.tpm = TPM_REQUIRED, .tcti = agent->tcti};
    enum hostseal_by by;

    if (mode == TPM_OFF) {
        return err_set(err, ERR_INPUT, "to %s takes the host's TPM, which is off", what);
    }
    return hostseal_choose(&conf, &by, err) || err_add(err, "%s", what);
}

/* "7,11"; NULL: none. */
static bool read_pcrs(const json_t *params, char **out, struct err *err)
{
    AUTO(drop_text) struct text text = {0};
    const json_t *list;

    if (!json_object_get(params, "pcrs")) {
        return true;
    }
    if (!json_get_array(params, "pcrs", TPM_PCRS, &list, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *pcr = json_array_get(list, i);

        if (!json_is_integer(pcr) || json_integer_value(pcr) < 0 ||
            json_integer_value(pcr) >= TPM_PCRS) {
            return err_set(err, ERR_INPUT, "pcrs[%zu] is none of a TPM's 24 PCRs", i);
        }
        text_addf(&text, "%s%d", i ? "," : "", (int)json_integer_value(pcr));
    }
    *out = text_copy(text.bytes);
    return true;
}

bool provider_read(const struct agent *agent, const json_t *params, struct host_provider *out,
                   struct err *err)
{
    const char *name, *type, *tpm = json_string_or(params, "tpm", "auto");
    AUTO(drop_free) char *pcrs = NULL;
    enum tpm_mode mode;
    int64_t cache = 0;

    if (!json_get_string(params, "name", ENVELOPE_MAX_NAME, &name, err) ||
        !json_get_string(params, "type", 16, &type, err) || !tpm_mode_of(tpm, &mode, err) ||
        (json_object_get(params, "cache") &&
         !json_get_integer(params, "cache", 0, MAX_CACHE, &cache, err)) ||
        !read_pcrs(params, &pcrs, err) ||
        (cache > 0 && !needs_tpm(agent, mode, "keep VM keys on this host", err)) ||
        (pcrs && !needs_tpm(agent, mode, "bind keys to PCRs", err))) {
        return false;
    }
    *out = (struct host_provider){.name = text_copy(name),
                                  .type = text_copy(type),
                                  .tpm = text_copy(tpm),
                                  .pcrs = TAKE(pcrs),
                                  .cache = cache ? text_make("%u", (unsigned)cache) : NULL};
    return true;
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

static bool open_new(struct agent *agent, struct provider *provider,
                     const struct host_provider *host, const struct provider_conf *more,
                     struct err *err)
{
    struct key *key = NULL;

    provider->conf = *more;
    provider->conf.name = host->name;
    provider->conf.type = host->type;
    provider->conf.cluster = agent->host.cluster_id;
    provider->conf.self = agent->host.name;
    provider->conf.folder = provider->folder;
    provider->conf.host = provider_sealing(agent, host);
    if (!key_open(&provider->conf, &key, err)) {
        return false;
    }
    key_listen(key, audit_key, agent->audit);
    pthread_mutex_lock(&agent->state);
    provider->key = key;
    pthread_mutex_unlock(&agent->state);
    return true;
}

static bool open_once(struct agent *agent, struct provider *provider,
                      const struct host_provider *host, struct key **out, struct err *err)
{
    if (!provider->key) {
        bool opened = is_there(provider, host, err) &&
                      open_new(agent, provider, host, &(struct provider_conf){0}, err);

        audit_opened(agent->audit, opened ? NULL : err);
        if (!opened) {
            return false;
        }
    }
    *out = provider->key;
    return true;
}

bool provider_open(struct agent *agent, const struct host_provider *host, struct provider *out,
                   struct key **out_key, struct err *err)
{
    free(out->folder);
    out->folder = provider_path(agent, host);
    return open_once(agent, out, host, out_key, err);
}

static bool read_servers(const json_t *params, const char *servers[MAX_SERVERS + 1],
                         struct err *err)
{
    const json_t *list;

    if (!json_get_array(params, "servers", MAX_SERVERS, &list, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        servers[i] = json_string_value(json_array_get(list, i));
    }
    return true;
}

bool provider_open_given(struct agent *agent, const struct host_provider *host,
                         const json_t *params, struct provider *out, struct key **out_key,
                         struct err *err)
{
    const char *servers[MAX_SERVERS + 1] = {NULL};

    if (!read_servers(params, servers, err)) {
        return false;
    }
    const struct provider_conf given = {.servers = servers,
                                        .ca = json_string_or(params, "ca", NULL),
                                        .certificate = json_string_or(params, "certificate", NULL),
                                        .private_key = agent->private_key,
                                        .user = json_string_or(params, "user", NULL),
                                        .password = agent->password,
                                        .kek = json_string_or(params, "kek_at", NULL)};

    free(out->folder);
    out->folder = provider_path(agent, host);
    bool opened = open_new(agent, out, host, &given, err);

    secret_free(TAKE(agent->private_key));
    secret_free(TAKE(agent->password));
    *out_key = out->key;
    return opened;
}

void provider_close(struct provider *provider)
{
    key_close(TAKE(provider->key));
    free(TAKE(provider->folder));
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
