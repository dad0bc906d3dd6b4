/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/share.h"

#include <string.h>

#include "agent/enrol.h"
#include "agent/step.h"
#include "key/native.h"

#define NONCE_SIZE    32u
#define PART_NONCE    "nonce"
#define PART_NATIVE   "native"
#define PART_STORE    "store"
#define PROOF_PURPOSE "share"

static bool is_native(const struct agent *agent)
{
    return agent->host.provider.type && strcmp(agent->host.provider.type, "native") == 0;
}

/* --- out -------------------------------------------------------------------------------------- */

static bool add_native(struct agent *agent, struct parcel *parcel, struct err *err)
{
    const struct hostseal_conf conf = agent_hostseal_conf(agent);
    AUTO(drop_jwks) struct jwks *jwks = NULL;
    struct secret *text = NULL;
    char cluster[UUID_SIZE];

    if (!is_native(agent)) {
        return true;
    }
    return native_export(agent->provider.folder, &conf, agent->host.cluster_id, false, &jwks,
                         cluster, err) &&
           jwks_write(jwks, &text, err) && parcel_add(parcel, PART_NATIVE, text, err);
}

/* Before there is a datastore a host has none of its keys. */
static bool add_store(struct agent *agent, struct parcel *parcel, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const struct store_conf conf = host_store_conf(&agent->host, monitors);
    struct secret *keys = NULL;

    if (!agent->host.store_type) {
        return true;
    }
    if (!store_backend_find(agent->host.store_type, &agent->backend, err)) {
        return false;
    }
    if (!agent->backend->build->keys(&conf, &keys, err)) {
        return err->kind == ERR_ABSENT;
    }
    return parcel_add(parcel, PART_STORE, keys, err);
}

static bool add_nonce(struct agent *agent, struct parcel *parcel, struct envelope **out_proof,
                      struct err *err)
{
    const struct envelope_about about = {.kek_id = agent->host.provider.kek,
                                         .vm = agent->host.cluster_id,
                                         .purpose = PROOF_PURPOSE,
                                         .generation = 1};
    struct secret *nonce = NULL;
    struct key *key = NULL;

    if (!about.kek_id) {
        return err_set(err, ERR_ABSENT, "this host has no key provider yet");
    }
    return agent_key(agent, &key, err) && secret_random(NONCE_SIZE, &nonce, err) &&
           parcel_add(parcel, PART_NONCE, nonce, err) &&
           key_wrap(key, &about, parcel_part(parcel, PART_NONCE), out_proof, err);
}

bool step_host_share(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_parcel) struct parcel *parcel = parcel_new();
    AUTO(drop_envelope) struct envelope *proof = NULL;
    AUTO(drop_free) char *ca = NULL;
    const struct parcel_about about = {agent->host.cluster_id, agent->host.name, NULL};
    const char *certificate;
    json_t *sealed = NULL;

    /* parcel_seal looks who it is for: what was gathered goes nowhere else. */
    if (!json_get_string(making->params, "certificate", CERTIFICATE_MAX, &certificate, err) ||
        !enrol_ca(agent, &ca, err) || !add_nonce(agent, parcel, &proof, err) ||
        !add_native(agent, parcel, err) || !add_store(agent, parcel, err) ||
        !parcel_seal(parcel, &about, certificate, ca, &sealed, err)) {
        return false;
    }
    making->result =
        json_pack("{s:s, s:s, s:o, s:o}", "from", agent->host.name, "kek", agent->host.provider.kek,
                  "parcel", sealed, "proof", envelope_json(proof));
    return true;
}

bool share_receiver(const struct agent *agent, const char *certificate, struct peer *out,
                    struct err *err)
{
    AUTO(drop_free) char *ca = NULL;

    return enrol_ca(agent, &ca, err) &&
           parcel_receiver(certificate, ca, agent->host.cluster_id, out, err);
}

bool share_keys(struct agent *agent, const char *certificate, json_t **out, struct err *err)
{
    AUTO(drop_parcel) struct parcel *parcel = parcel_new();
    AUTO(drop_free) char *ca = NULL;
    const struct parcel_about about = {agent->host.cluster_id, agent->host.name, NULL};

    return !is_native(agent) || (enrol_ca(agent, &ca, err) && add_native(agent, parcel, err) &&
                                 parcel_seal(parcel, &about, certificate, ca, out, err));
}

/* --- in --------------------------------------------------------------------------------------- */

bool share_open(const struct agent *agent, const json_t *params, struct parcel **out,
                struct err *err)
{
    const struct parcel_about about = {agent->host.cluster_id, NULL, agent->host.name};
    AUTO(drop_secret) struct secret *key = NULL;
    const json_t *json = json_object_get(params, "parcel");

    if (!json) {
        return err_set(err, ERR_ABSENT, "no parcel came from another host");
    }
    return enrol_key(agent, &key, err) && parcel_open(json, &about, key, out, err);
}

bool share_import_to(struct agent *agent, const char *folder, const struct hostseal_conf *conf,
                     const struct parcel *parcel, struct err *err)
{
    const struct secret *text = parcel_part(parcel, PART_NATIVE);
    AUTO(drop_jwks) struct jwks *jwks = NULL;

    if (!text) {
        return err_set(err, ERR_INPUT, "the parcel holds no keys of the native provider");
    }
    agent_key_close(agent);
    return (jwks_read(text, &jwks, err) &&
            native_import(folder, conf, agent->host.cluster_id, jwks, err)) ||
           err_add(err, "take over the native provider's keys");
}

bool share_import(struct agent *agent, const struct parcel *parcel, struct err *err)
{
    const struct hostseal_conf conf = agent_hostseal_conf(agent);

    return !is_native(agent) || share_import_to(agent, agent->provider.folder, &conf, parcel, err);
}

static bool adopt(struct agent *agent, const char *kek, bool *out_changed, struct err *err)
{
    if (agent->host.provider.kek && strcmp(agent->host.provider.kek, kek) == 0) {
        return true;
    }
    *out_changed = true;
    pthread_mutex_lock(&agent->state);
    host_set(&agent->host.provider.kek, kek);
    pthread_mutex_unlock(&agent->state);
    return agent_save(agent, err);
}

bool share_prove(struct agent *agent, const json_t *params, const struct parcel *parcel,
                 bool *out_changed, struct err *err)
{
    const struct envelope_about about = {
        .vm = agent->host.cluster_id, .purpose = PROOF_PURPOSE, .generation = 1};
    const struct secret *nonce = parcel_part(parcel, PART_NONCE);
    AUTO(drop_envelope) struct envelope *proof = NULL;
    AUTO(drop_secret) struct secret *opened = NULL;
    struct key *key = NULL;

    if (!nonce) {
        return err_set(err, ERR_INPUT, "the parcel holds no nonce");
    }
    if (!envelope_of_json(json_object_get(params, "proof"), &proof, err) ||
        !agent_key(agent, &key, err) || !key_unwrap(key, proof, &about, &opened, err)) {
        err_add(err, "open what another host of the cluster wrapped");
        return err_mend(err, "give this host the key provider that the cluster has");
    }
    return (secret_equal(nonce, opened) ||
            err_set(err, ERR_CLASH, "this host's key provider is not the cluster's")) &&
           adopt(agent, envelope_about(proof)->kek_id, out_changed, err);
}

/* The datastore's keys in a parcel are store.join's. */
const struct secret *share_store_keys(const struct parcel *parcel)
{
    return parcel_part(parcel, PART_STORE);
}

bool step_provider_import(struct agent *agent, struct making *making, struct err *err)
{
    AUTO(drop_parcel) struct parcel *parcel = NULL;

    if (!agent->host.provider.type) {
        return err_set(err, ERR_ABSENT, "this host has no key provider yet");
    }
    if (!share_open(agent, making->params, &parcel, err) || !share_import(agent, parcel, err) ||
        !share_prove(agent, making->params, parcel, &making->changed, err)) {
        return false;
    }
    making->result = json_pack("{s:s}", "kek", agent->host.provider.kek);
    return true;
}
