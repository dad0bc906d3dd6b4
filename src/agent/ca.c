/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/ca.h"

#include <string.h>

#include "agent/enrol.h"
#include "agent/step.h"

#define FILE_NAME "ca.envelope"

/* --- its envelope ----------------------------------------------------------------------------- */

static bool file_envelope(const struct agent *agent, char **out, struct err *err)
{
    AUTO(drop_free) char *path = agent_path(agent, FILE_NAME);

    return file_read(path, ENVELOPE_MAX_TEXT, out, NULL, err);
}

static bool object_envelope(struct agent *agent, char **out, struct err *err)
{
    AUTO(drop_free) char *bytes = NULL;
    struct store *store = NULL;
    size_t length = 0;

    if (!agent_store(agent, &store, err) ||
        !agent->backend->objects->read(store, CA_OBJECT, &bytes, &length, NULL, err)) {
        return err_add(err, "the CA's envelope on the datastore");
    }
    if (length > ENVELOPE_MAX_TEXT) {
        return err_set(err, ERR_INPUT, "the CA's envelope on the datastore has %zu bytes", length);
    }
    *out = text_make("%.*s", (int)length, bytes);
    return true;
}

bool ca_object_read(struct agent *agent, char **out, struct err *err)
{
    return agent->host.store_type ? object_envelope(agent, out, err)
                                  : err_set(err, ERR_ABSENT, "there is no datastore yet");
}

bool ca_envelope_read(struct agent *agent, char **out, struct err *err)
{
    struct err none = {0};

    if (file_envelope(agent, out, &none)) {
        return true;
    }
    if (none.kind == ERR_ABSENT && agent->host.store_type) {
        return object_envelope(agent, out, err);
    }
    *err = none;
    return false;
}

static bool write_file(const struct agent *agent, const char *text, struct err *err)
{
    AUTO(drop_free) char *path = agent_path(agent, FILE_NAME);

    return file_write(path, text, strlen(text), 0644, err);
}

static bool write_object(struct agent *agent, const char *text, uint64_t expect, struct err *err)
{
    struct store *store = NULL;

    return agent_store(agent, &store, err) &&
           agent->backend->objects->write(store, CA_OBJECT, text, strlen(text), expect, NULL, err);
}

bool ca_envelope_write(struct agent *agent, const char *text, struct err *err)
{
    AUTO(drop_free) char *have = NULL;
    struct err none = {0};
    bool keeps_file = !agent->host.store_type || file_envelope(agent, &have, &none);

    return (!agent->host.store_type || write_object(agent, text, STORE_ANY, err)) &&
           (!keeps_file || write_file(agent, text, err));
}

bool ca_publish(struct agent *agent, bool *out_changed, struct err *err)
{
    AUTO(drop_free) char *text = NULL, *have = NULL;

    if (!file_envelope(agent, &text, err)) {
        return err->kind == ERR_ABSENT;
    }
    struct err none = {0};

    if (object_envelope(agent, &have, &none)) {
        return true;
    }
    if (none.kind != ERR_ABSENT) {
        *err = none;
        return err_add(err, "put the CA's envelope on the datastore");
    }
    if (!write_object(agent, text, 0, err)) {
        return err_add(err, "put the CA's envelope on the datastore");
    }
    *out_changed = true;
    return true;
}

/* --- its key ---------------------------------------------------------------------------------- */

static struct envelope_about ca_about(const struct agent *agent)
{
    return (struct envelope_about){.kek_id = agent->host.provider.kek,
                                   .vm = agent->host.cluster_id,
                                   .purpose = "ca",
                                   .generation = 1};
}

static bool open_text(struct agent *agent, const char *text, struct secret **out, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct envelope_about about = ca_about(agent);
    struct key *key = NULL;

    /* Any: a rekey changed them. */
    about.kek_id = NULL;
    about.generation = 0;
    return envelope_read(text, strlen(text), &envelope, err) &&
           agent_key_for(agent, envelope_about(envelope), &key, err) &&
           key_unwrap(key, envelope, &about, out, err);
}

/* This host's file may be older than the object, and under a KEK that is gone. */
bool ca_open(struct agent *agent, struct secret **out, struct err *err)
{
    AUTO(drop_free) char *text = NULL, *newer = NULL;
    struct err first = {0}, none = {0};

    if (ca_envelope_read(agent, &text, &first) && open_text(agent, text, out, &first)) {
        return true;
    }
    if (text && agent->host.store_type && object_envelope(agent, &newer, &none) &&
        strcmp(text, newer) != 0 && open_text(agent, newer, out, &none)) {
        return true;
    }
    *err = first;
    return err_add(err, "open the cluster's CA");
}

static int64_t generation_of(struct agent *agent)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_free) char *text = NULL;
    struct err ignored = {0};

    return ca_envelope_read(agent, &text, &ignored) &&
                   envelope_read(text, strlen(text), &envelope, &ignored)
               ? envelope_about(envelope)->generation
               : 0;
}

bool ca_rewrap(struct agent *agent, const struct secret *secret, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_free) char *pem = NULL;
    struct envelope_about about = ca_about(agent);
    struct key *key = NULL;

    about.generation = generation_of(agent) + 1;
    return enrol_ca(agent, &pem, err) && certificate_fits(pem, secret, err) &&
           agent_key(agent, &key, err) && key_wrap(key, &about, secret, &envelope, err) &&
           ca_envelope_write(agent, envelope_text(envelope), err);
}

static bool write_certificate(const struct agent *agent, const char *pem, struct err *err)
{
    AUTO(drop_free) char *path = agent_path(agent, "ca.pem");

    return file_write(path, pem, strlen(pem), 0644, err);
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
        !write_file(agent, envelope_text(envelope), err) || !write_certificate(agent, pem, err)) {
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

/* --- signing: the authority is whole only while the secret is --------------------------------- */

bool ca_certify(struct agent *agent, const struct secret *subject,
                const struct certificate_wish *wish, char **out, struct err *err)
{
    AUTO(drop_free) char *ca = NULL;
    AUTO(drop_secret) struct secret *secret = NULL;

    return enrol_ca(agent, &ca, err) && ca_open(agent, &secret, err) &&
           certificate_make(&(struct authority){ca, secret}, subject, wish, out, err);
}

static bool check_request(const char *request, const char *uri, const char *name, struct err *err)
{
    struct peer peer;
    char asked[65];

    if (!role_read(uri, &peer, err)) {
        return err_set(err, ERR_INPUT, "'%.64s' is no name of a host", name);
    }
    if (!certificate_request_name(request, asked, err)) {
        return false;
    }
    return strcmp(asked, name) == 0 ||
           err_set(err, ERR_DENIED, "the request is for '%s', not for host '%s'", asked, name);
}

bool ca_sign_host(struct agent *agent, const char *request, const char *name, const char *address,
                  char **out, struct err *err)
{
    AUTO(drop_free) char *uri = role_uri(agent->host.cluster_id, ROLE_HOST, name);
    AUTO(drop_free) char *ca = NULL;
    AUTO(drop_secret) struct secret *secret = NULL;
    const char *addresses[] = {address, NULL}, *names[] = {name, NULL};
    const char *both[] = {name, address, NULL};
    bool literal = strspn(address, "0123456789.") == strlen(address) || strchr(address, ':');
    const struct certificate_wish wish = {.common_name = name,
                                          .names = literal ? names : both,
                                          .addresses = literal ? addresses : NULL,
                                          .uri = uri,
                                          .server = true,
                                          .client = true,
                                          .days = PEER_DAYS};

    return (check_request(request, uri, name, err) && enrol_ca(agent, &ca, err) &&
            ca_open(agent, &secret, err) &&
            certificate_sign(&(struct authority){ca, secret}, request, &wish, out, err)) ||
           err_add(err, "sign the certificate of host '%.64s'", name);
}

bool step_ca_sign(struct agent *agent, struct making *making, struct err *err)
{
    const char *request, *name, *address;
    AUTO(drop_free) char *pem = NULL, *ca = NULL;

    if (!json_get_string(making->params, "request", CERTIFICATE_MAX, &request, err) ||
        !json_get_string(making->params, "name", ROLE_NAME_MAX, &name, err) ||
        !json_get_string(making->params, "address", 255, &address, err)) {
        return false;
    }
    if (strcmp(name, agent->host.name) == 0) {
        return err_set(err, ERR_CLASH, "'%s' is this host itself", name);
    }
    if (!ca_sign_host(agent, request, name, address, &pem, err) || !enrol_ca(agent, &ca, err)) {
        return false;
    }
    making->changed = true;
    making->result = json_pack("{s:s, s:s}", "certificate", pem, "ca", ca);
    return true;
}
