/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/ask.h"

#include <string.h>

#define CREDENTIAL_MAX 16384u

const char *ask_tpm_word(const struct blueprint *blueprint)
{
    static const char *const words[] = {
        [TPM_AUTO] = "auto", [TPM_REQUIRED] = "required", [TPM_OFF] = "off"};

    return words[blueprint->encryption.tpm];
}

/* A secret of the user's goes from its file through locked memory and the tunnel to the agent's. */
static bool send_secret(struct remote *remote, const char *file, bool line, const char *path,
                        struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;

    if (!file) {
        return true;
    }
    if (!secret_read_file(file, CREDENTIAL_MAX, line, &secret, err) || !remote_agent(remote, err)) {
        return false;
    }
    const struct client_call call = {.method = "PUT", .path = path, .secret = secret};

    return client_ask(remote->agent, &call, NULL, err);
}

static bool add_file(json_t *params, const char *key, const char *file, struct err *err)
{
    AUTO(drop_free) char *text = NULL;

    if (!file) {
        return true;
    }
    if (!file_read(file, CERTIFICATE_MAX, &text, NULL, err)) {
        return false;
    }
    json_object_set_new(params, key, json_string(text));
    return true;
}

/* The one certificate of all, or the host's own: it waits for that to be signed. */
static bool certificate_of(const struct blueprint *blueprint, const struct blueprint_host *host,
                           const char **out, struct err *err)
{
    const struct blueprint_provider *provider = &blueprint->encryption.provider;
    size_t number = 0;

    while (number < blueprint->host_count &&
           strcmp(blueprint->hosts[number].name, host->name) != 0) {
        number++;
    }
    *out = provider->private_key ? provider->certificate : host->kms_certificate;
    if (*out) {
        return true;
    }
    err_set(err, ERR_AWAY, "host '%s' waits for a certificate to its key servers", host->name);
    return err_mend(err,
                    "quoin key csr %s writes its request; have it signed, name the certificate at "
                    "hosts[%zu].kms_certificate, and run the same command again",
                    blueprint->file, number);
}

/* What an external provider is reached with. */
static bool add_servers(json_t *params, const struct blueprint *blueprint,
                        const struct blueprint_host *host, struct err *err)
{
    static const char *const places[] = {
        [KEK_AT_AUTO] = "auto", [KEK_AT_SERVER] = "server", [KEK_AT_HOST] = "host"};
    const struct blueprint_provider *provider = &blueprint->encryption.provider;
    const char *certificate = NULL;
    json_t *servers = json_array();

    json_object_set_new(params, "servers", servers);
    for (size_t i = 0; i < provider->server_count; i++) {
        json_array_append_new(servers, json_string(provider->servers[i]));
    }
    if (provider->username) {
        json_object_set_new(params, "user", json_string(provider->username));
    }
    json_object_set_new(params, "kek_at", json_string(places[provider->kek_at]));
    return certificate_of(blueprint, host, &certificate, err) &&
           add_file(params, "ca", provider->ca, err) &&
           add_file(params, "certificate", certificate, err);
}

static void add_pcrs(json_t *params, const struct blueprint *blueprint)
{
    json_t *list = json_array();

    for (size_t i = 0; i < blueprint->encryption.pcr_count; i++) {
        json_array_append_new(list, json_integer(blueprint->encryption.pcrs[i]));
    }
    if (json_array_size(list) > 0) {
        json_object_set(params, "pcrs", list);
    }
    json_decref(list);
}

json_t *ask_provider_basics(const struct blueprint *blueprint)
{
    const struct blueprint_provider *provider = &blueprint->encryption.provider;
    bool recovery = blueprint->encryption.recovery == RECOVERY_REQUIRED;
    json_t *params =
        json_pack("{s:s, s:s, s:s, s:s}", "name", provider->name, "type", provider->type, "tpm",
                  ask_tpm_word(blueprint), "recovery", recovery ? "required" : "off");

    add_pcrs(params, blueprint);
    if (blueprint->encryption.cache_seconds > 0) {
        json_object_set_new(params, "cache", json_integer(blueprint->encryption.cache_seconds));
    }
    return params;
}

bool ask_provider(struct deploy *deploy, struct remote *remote, json_t **out, struct err *err)
{
    const struct blueprint_provider *provider = &deploy->blueprint->encryption.provider;
    AUTO(drop_json) json_t *params = ask_provider_basics(deploy->blueprint);

    if (provider->server_count > 0 &&
        (!add_servers(params, deploy->blueprint, remote->host, err) ||
         !send_secret(remote, provider->private_key, false, "/v1/provider/private-key", err) ||
         !send_secret(remote, provider->password_file, true, "/v1/provider/password", err))) {
        return err_add(err, "key provider '%s'", provider->name);
    }
    *out = TAKE(params);
    return true;
}

json_t *ask_store(const struct blueprint *blueprint)
{
    return json_pack("{s:s, s:s, s:s, s:i}", "type", blueprint->datastore.type, "name",
                     blueprint->datastore.name, "network", blueprint->datastore.network, "replicas",
                     (int)blueprint->datastore.replicas);
}

/* The first of udev's links by identity, or NULL: a node's name may go to another disk at any
 * time, and the agent sees by this that it did. */
static const char *link_of(const struct facts_disk *disk)
{
    for (size_t i = 0; i < disk->links.count; i++) {
        if (text_starts(disk->links.items[i], "/dev/disk/by-id/")) {
            return disk->links.items[i];
        }
    }
    return NULL;
}

bool ask_disk(const struct blueprint_disk *disk, const struct facts *facts, json_t **out,
              struct err *err)
{
    const struct facts_disk *seen = NULL;

    if (facts_disk_match(facts, disk, &seen) != 1) {
        return err_set(err, ERR_BUG, "the blueprint's disk '%s' is not among the host's", disk->id);
    }
    *out = json_pack("{s:{s:s}, s:s*, s:I, s:b}", "disk", disk_by_name(disk->by), disk->id, "link",
                     link_of(seen), "bytes", (json_int_t)seen->bytes, "consent", disk->wipe);
    return true;
}

void ask_forget_host(json_t *datastore, const char *host)
{
    json_t *hosts = json_object_get(datastore, "hosts");

    for (size_t i = json_array_size(hosts); i > 0; i--) {
        if (strcmp(json_string_or(json_array_get(hosts, i - 1), "name", ""), host) == 0) {
            (void)json_array_remove(hosts, i - 1);
        }
    }
}
