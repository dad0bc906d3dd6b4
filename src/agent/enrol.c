/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/enrol.h"

#include <string.h>

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

static struct envelope_about ca_about(const struct agent *agent)
{
    return (struct envelope_about){.kek_id = agent->host.provider.kek,
                                   .vm = agent->host.cluster_id,
                                   .purpose = "ca",
                                   .generation = 1};
}

static bool ca_open(struct agent *agent, struct secret **out, struct err *err)
{
    AUTO(drop_free) char *text = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct envelope_about about = ca_about(agent);
    struct key *key = NULL;

    about.kek_id = NULL;
    return (read_pem(agent, "ca.envelope", &text, err) &&
            envelope_read(text, strlen(text), &envelope, err) &&
            agent_key_for(agent, envelope_about(envelope), &key, err) &&
            key_unwrap(key, envelope, &about, out, err)) ||
           err_add(err, "open the cluster's CA");
}

static bool ca_new(struct agent *agent, char **out_pem, struct err *err)
{
    AUTO(drop_free) char *name = text_make("quoin CA %.48s", agent->host.cluster);
    AUTO(drop_secret) struct secret *secret = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    const struct envelope_about about = ca_about(agent);
    AUTO(drop_free) char *pem = NULL;
    struct key *key = NULL;

    if (!agent_key(agent, &key, err) ||
        !certificate_authority_make(name, CA_DAYS, &secret, &pem, err) ||
        !key_wrap(key, &about, secret, &envelope, err) ||
        !write_pem(agent, "ca.envelope", envelope_text(envelope), err) ||
        !write_pem(agent, "ca.pem", pem, err)) {
        return false;
    }
    *out_pem = TAKE(pem);
    return true;
}

bool step_ca_make(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_free) char *pem = NULL;
    AUTO(drop_secret) struct secret *secret = NULL;

    if (!enrol_ca(agent, &pem, err)) {
        if (err->kind != ERR_ABSENT || !ca_new(agent, &pem, err)) {
            return false;
        }
        making->changed = true;
    }
    /* Look again: it opens, and is the certificate's key. */
    if (!ca_open(agent, &secret, err) || !certificate_fits(pem, secret, err)) {
        return false;
    }
    making->result = json_pack("{s:s}", "ca", pem);
    return true;
}

/* The authority is whole only while the secret is. */
static bool sign(struct agent *agent, const struct secret *subject,
                 const struct certificate_wish *wish, char **out, struct err *err)
{
    AUTO(drop_free) char *ca = NULL;
    AUTO(drop_secret) struct secret *secret = NULL;

    if (!enrol_ca(agent, &ca, err) || !ca_open(agent, &secret, err)) {
        return false;
    }
    return certificate_make(&(struct authority){.certificate = ca, .key = secret}, subject, wish,
                            out, err);
}

static bool host_certificate(struct agent *agent, const struct secret *secret, struct err *err)
{
    const struct host *host = &agent->host;
    AUTO(drop_free) char *uri = role_uri(host->cluster_id, ROLE_HOST, host->name);
    AUTO(drop_free) char *pem = NULL;
    const char *addresses[] = {host->address, NULL};
    const char *names[] = {host->name, NULL};
    bool literal =
        strspn(host->address, "0123456789.") == strlen(host->address) || strchr(host->address, ':');
    const char *both[] = {host->name, host->address, NULL};
    const struct certificate_wish wish = {.common_name = host->name,
                                          .names = literal ? names : both,
                                          .addresses = literal ? addresses : NULL,
                                          .uri = uri,
                                          .server = true,
                                          .client = true,
                                          .days = PEER_DAYS};

    return sign(agent, secret, &wish, &pem, err) && write_pem(agent, "tls.pem", pem, err);
}

bool step_agent_enrol(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_free) char *sealed = agent_path(agent, "tls.key");
    AUTO(drop_free) char *pem = agent_path(agent, "tls.pem");
    const struct hostseal_conf conf = agent_hostseal_conf(agent);
    AUTO(drop_secret) struct secret *secret = NULL;

    if (!file_exists(pem)) {
        if (!certificate_key_make(&secret, err) ||
            !hostseal_seal(&conf, sealed, "agent-tls", secret, err) ||
            !host_certificate(agent, secret, err)) {
            return false;
        }
        making->changed = true;
    }
    if (!enrol_serve(agent, err)) {
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

    if (!certificate_key_make(&secret, err) || !sign(agent, secret, &wish, out_certificate, err)) {
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
