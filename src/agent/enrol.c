/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/enrol.h"

#include <string.h>

#include "agent/ca.h"
#include "agent/serve.h"
#include "agent/step.h"

static bool read_pem(const struct agent *agent, const char *name, char **out, struct err *err)
{
    AUTO(drop_free) char *path = agent_path(agent, name);

    return file_read(path, CERTIFICATE_MAX, out, NULL, err);
}

static bool write_pem(const struct agent *agent, const char *name, const char *pem, struct err *err)
{
    AUTO(drop_free) char *path = agent_path(agent, name);

    return file_write(path, pem, strlen(pem), 0644, err);
}

bool enrol_ca(const struct agent *agent, char **out_pem, struct err *err)
{
    return read_pem(agent, "ca.pem", out_pem, err);
}

bool enrol_certificate(const struct agent *agent, char **out_pem, struct err *err)
{
    return read_pem(agent, "tls.pem", out_pem, err);
}

/* This host's own private key, made when there is none, sealed to the host. */
static bool own_key(struct agent *agent, struct secret **out, bool *out_made, struct err *err)
{
    AUTO(drop_free) char *sealed = agent_path(agent, "tls.key");
    const struct hostseal_conf conf = agent_hostseal_conf(agent);
    AUTO(drop_secret) struct secret *secret = NULL;

    *out_made = !file_exists(sealed);
    if (!*out_made) {
        return hostseal_open(&conf, sealed, "agent-tls", out, err);
    }
    if (!certificate_key_make(&secret, err) ||
        !hostseal_seal(&conf, sealed, "agent-tls", secret, err)) {
        return false;
    }
    *out = TAKE(secret);
    return true;
}

bool enrol_key(const struct agent *agent, struct secret **out, struct err *err)
{
    AUTO(drop_free) char *sealed = agent_path(agent, "tls.key");
    const struct hostseal_conf conf = agent_hostseal_conf(agent);

    return hostseal_open(&conf, sealed, "agent-tls", out, err);
}

/* Of this cluster, for this host and its key, by `ca`, valid now. */
static bool is_ours(const struct agent *agent, const char *pem, const char *ca,
                    const struct secret *secret, struct err *err)
{
    const struct host *host = &agent->host;
    struct certificate_facts facts;

    if (!certificate_check(pem, ca, err) || !certificate_read(pem, &facts, err) ||
        !certificate_fits(pem, secret, err)) {
        return err_add(err, "this host's certificate");
    }
    if (facts.authority || !facts.server || !facts.client || !facts.has_peer ||
        facts.peer.role != ROLE_HOST || strcmp(facts.peer.cluster, host->cluster_id) != 0 ||
        strcmp(facts.peer.name, host->name) != 0) {
        return err_set(err, ERR_DENIED, "the certificate is not that of host '%s' of cluster %s",
                       host->name, host->cluster_id);
    }
    return true;
}

/* {"tpm"}: how this host's key shall rest; only before one is made. */
static bool take_tpm(struct agent *agent, const json_t *params, struct err *err)
{
    const char *tpm = json_string_or(params, "tpm", "auto");
    enum tpm_mode mode;

    if (!tpm_mode_of(tpm, &mode, err)) {
        return false;
    }
    if (agent->host.provider.tpm) {
        return true;
    }
    pthread_mutex_lock(&agent->state);
    host_set(&agent->host.provider.tpm, tpm);
    pthread_mutex_unlock(&agent->state);
    return agent_save(agent, err);
}

bool step_agent_request(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    AUTO(drop_free) char *request = NULL, *pem = NULL, *ca = NULL;
    struct err none = {0};

    if (!take_tpm(agent, making->params, err) || !own_key(agent, &secret, &making->changed, err) ||
        !certificate_request_make(secret, agent->host.name, &request, err)) {
        return false;
    }
    making->result = json_pack("{s:s, s:s}", "version", QUOIN_VERSION, "request", request);
    if (read_pem(agent, "tls.pem", &pem, &none) && enrol_ca(agent, &ca, &none) &&
        is_ours(agent, pem, ca, secret, &none)) {
        json_object_set_new(making->result, "certificate", json_string(pem));
    }
    return true;
}

/* What ca.sign gave on another host; this host has no CA yet, or this one. */
static bool enrol_given(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    AUTO(drop_free) char *have = NULL, *pem = NULL;
    const char *certificate, *ca;
    struct certificate_facts facts;
    struct err none = {0};

    if (!json_get_string(making->params, "certificate", CERTIFICATE_MAX, &certificate, err) ||
        !json_get_string(making->params, "ca", CERTIFICATE_MAX, &ca, err) ||
        !certificate_read(ca, &facts, err)) {
        return false;
    }
    if (!facts.authority) {
        return err_set(err, ERR_DENIED, "what came as the cluster's CA is no CA");
    }
    if (enrol_ca(agent, &have, &none) && strcmp(have, ca) != 0) {
        return err_set(err, ERR_CLASH, "this host knows another CA of cluster '%s'",
                       agent->host.cluster);
    }
    if (!enrol_key(agent, &secret, err) || !is_ours(agent, certificate, ca, secret, err)) {
        return false;
    }
    making->changed =
        !have || !read_pem(agent, "tls.pem", &pem, &none) || strcmp(pem, certificate) != 0;
    return write_pem(agent, "ca.pem", ca, err) && write_pem(agent, "tls.pem", certificate, err);
}

/* The host that made the CA signs for itself. */
static bool enrol_self(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_free) char *path = agent_path(agent, "tls.pem");
    AUTO(drop_secret) struct secret *secret = NULL;
    AUTO(drop_free) char *request = NULL, *pem = NULL;
    bool made;

    if (file_exists(path)) {
        return true;
    }
    making->changed = true;
    return own_key(agent, &secret, &made, err) &&
           certificate_request_make(secret, agent->host.name, &request, err) &&
           ca_sign_host(agent, request, agent->host.name, agent->host.address, &pem, err) &&
           write_pem(agent, "tls.pem", pem, err);
}

bool step_agent_enrol(struct agent *agent, struct making *making, struct err *err)
{
    bool given = json_object_get(making->params, "certificate") != NULL;

    if (!(given ? enrol_given(agent, making, err) : enrol_self(agent, making, err)) ||
        !enrol_serve(agent, err)) {
        return false;
    }
    making->result = json_pack("{s:i}", "port", (int)AGENT_PORT);
    return true;
}

bool enrol_manager(struct agent *agent, const char *name, const char *hostname, const char *address,
                   struct secret **out_key, char **out_certificate, struct err *err)
{
    AUTO(drop_free) char *uri = role_uri(agent->host.cluster_id, ROLE_MANAGER, name);
    AUTO(drop_secret) struct secret *secret = NULL;
    const char *names[] = {hostname, NULL};
    const char *addresses[] = {address, NULL};
    const struct certificate_wish wish = {.common_name = hostname,
                                          .names = names,
                                          .addresses = addresses,
                                          .uri = uri,
                                          .server = true,
                                          .client = true,
                                          .days = PEER_DAYS};

    if (!certificate_key_make(&secret, err) ||
        !ca_certify(agent, secret, &wish, out_certificate, err)) {
        return err_add(err, "make the manager's certificate");
    }
    *out_key = TAKE(secret);
    return true;
}

bool enrol_serve(struct agent *agent, struct err *err)
{
    AUTO(drop_free) char *sealed = agent_path(agent, "tls.key");
    AUTO(drop_free) char *certificate = NULL, *ca = NULL;
    const struct hostseal_conf conf = agent_hostseal_conf(agent);
    AUTO(drop_secret) struct secret *secret = NULL;

    if (agent->network || !agent->host.cluster_id) {
        return true;
    }
    if (!read_pem(agent, "tls.pem", &certificate, err)) {
        return err->kind == ERR_ABSENT;
    }
    return (enrol_ca(agent, &ca, err) && hostseal_open(&conf, sealed, "agent-tls", &secret, err) &&
            serve_network(agent, certificate, secret, ca, err)) ||
           err_add(err, "open the agent's door on port %u", AGENT_PORT);
}
