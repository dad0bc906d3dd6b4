/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/manager.h"

#include <string.h>
#include <unistd.h>

#include "base/secret_open.h"

/* A guest under software emulation on a busy host takes minutes to come up. */
#define WAIT_SECONDS 600u
#define PASSWORD_MAX 1024u
#define TOKEN_MAX    256u
#define HTTPS_PORT   443u

/* "10.77.0.10/24" without its prefix; the caller frees. */
static char *bare_address(const struct blueprint *blueprint)
{
    char *address = text_copy(blueprint->manager.network.address);

    address[strcspn(address, "/")] = '\0';
    return address;
}

static char *url_of(const char *name)
{
    bool six = strchr(name, ':') != NULL;

    return text_make("https://%s%s%s", six ? "[" : "", name, six ? "]" : "");
}

char *deploy_manager_url(const struct blueprint *blueprint)
{
    AUTO(drop_free) char *address = bare_address(blueprint);
    AUTO(drop_free) char *url = url_of(address);

    return text_make("%s/", url);
}

bool deploy_manager(struct deploy *deploy, struct client **out, struct err *err)
{
    AUTO(drop_free) char *address = bare_address(deploy->blueprint);
    AUTO(drop_free) char *url = url_of(address);
    bool six = strchr(address, ':') != NULL;
    AUTO(drop_free)
    char *remote_end = text_make("%s%s%s:%u", six ? "[" : "", address, six ? "]" : "", HTTPS_PORT);
    AUTO(drop_free) char *socket = NULL, *ca = NULL;
    struct remote *remote = NULL;

    if (!deploy_lead(deploy, &remote, err) || !state_read_ca(deploy->state, &ca, err) ||
        !ssh_forward(remote->ssh, remote_end, &socket, err)) {
        return err_add(err, "reach the manager");
    }
    return client_open(
        &(struct client_conf){.socket = socket, .url = url, .authority = ca, .connect_seconds = 15},
        out, err);
}

static bool is_healthy(struct client *client, struct err *err)
{
    const struct client_call call = {.method = "GET", .path = "/healthz", .seconds = 15};

    return client_ask(client, &call, NULL, err);
}

bool manager_wait(struct deploy *deploy, struct err *err)
{
    AUTO(drop_client) struct client *client = NULL;
    int64_t began = clock_ms();

    if (!deploy_manager(deploy, &client, err)) {
        return false;
    }
    while (!is_healthy(client, err)) {
        int64_t waited = (clock_ms() - began) / 1000;

        if ((err->kind != ERR_AWAY && err->kind != ERR_SYSTEM) || waited > (int64_t)WAIT_SECONDS) {
            err_add(err, "the manager does not answer");
            return err_mend(err,
                            "look at its host (quoin status), then run the same command again");
        }
        /* Half of the wait is 60 s: a bar that moves at once and never lies about the end. */
        report_progress(deploy->report, (unsigned)(95 * waited / (waited + 30)),
                        "wait for the manager");
        sleep(1);
    }
    *err = (struct err){0};
    return true;
}

static void put_text(unsigned char *to, size_t *n, const char *text)
{
    memcpy(to + *n, text, strlen(text));
    *n += strlen(text);
}

/* {"user":…,"password":…} in locked memory, the password escaped as JSON wants it. */
static bool sign_in_body(const char *user, const struct secret *password, struct secret **out,
                         struct err *err)
{
    AUTO(drop_free) char *head = text_make("{\"user\":\"%s\",\"password\":\"", user);
    const unsigned char *from = secret_look(password);
    AUTO(drop_secret) struct secret *body = NULL;
    size_t n = 0;

    if (!secret_new(strlen(head) + 6 * secret_size(password) + 2, &body, err)) {
        return false;
    }
    unsigned char *to = secret_bytes(body);

    put_text(to, &n, head);
    for (size_t i = 0; i < secret_size(password); i++) {
        static const char hex[] = "0123456789abcdef";

        if (from[i] == '"' || from[i] == '\\') {
            to[n++] = '\\';
            to[n++] = from[i];
        } else if (from[i] < ' ') {
            put_text(to, &n, "\\u00");
            to[n++] = (unsigned char)hex[from[i] >> 4];
            to[n++] = (unsigned char)hex[from[i] & 15];
        } else {
            to[n++] = from[i];
        }
    }
    put_text(to, &n, "\"}");
    secret_cut(body, n);
    *out = TAKE(body);
    return true;
}

/* The token out of {"token":"…",…}: letters, digits, '-' and '_' only, so nothing is escaped. */
static bool take_token(const struct secret *answer, struct secret **out, struct err *err)
{
    static const char mark[] = "\"token\":\"";
    const char *bytes = (const char *)secret_look(answer);
    const char *start = memmem(bytes, secret_size(answer), mark, strlen(mark));

    if (start) {
        start += strlen(mark);
        const char *end = memchr(start, '"', secret_size(answer) - (size_t)(start - bytes));

        if (end && end > start && (size_t)(end - start) <= TOKEN_MAX) {
            if (!secret_new((size_t)(end - start), out, err)) {
                return false;
            }
            memcpy(secret_bytes(*out), start, (size_t)(end - start));
            return true;
        }
    }
    return err_set(err, ERR_INPUT, "the manager gave no token");
}

bool manager_sign_in(struct deploy *deploy, struct client *client, struct secret **out_token,
                     struct err *err)
{
    const struct blueprint_manager *manager = &deploy->blueprint->manager;
    AUTO(drop_secret) struct secret *password = NULL, *body = NULL, *answer = NULL;

    if (!secret_read_file(manager->admin.password_file, PASSWORD_MAX, true, &password, err) ||
        !sign_in_body(manager->admin.user, password, &body, err)) {
        return err_add(err, "the admin's password");
    }
    const struct client_call call = {
        .method = "POST", .path = "/api/v1/session", .secret = body, .seconds = 60};

    return (client_ask_secret(client, &call, 4096, &answer, err) &&
            take_token(answer, out_token, err)) ||
           err_add(err, "sign in to the manager");
}

static bool create(struct client *client, const struct secret *token, const char *collection,
                   json_t *item, bool *changed, struct err *err)
{
    AUTO(drop_json) json_t *owned = item;
    AUTO(drop_json) json_t *answer = NULL;
    AUTO(drop_free) char *path = text_make("/api/v1/%s", collection);
    const struct client_call call = {
        .method = "POST", .path = path, .json = owned, .bearer = token, .seconds = 60};

    if (!client_ask(client, &call, &answer, err)) {
        return err_add(err, "%s '%s'", collection, json_string_or(owned, "name", ""));
    }
    *changed = *changed || json_is_true(json_object_get(answer, "created"));
    return true;
}

bool manager_fill(struct deploy *deploy, bool *out_changed, struct err *err)
{
    const struct blueprint *blueprint = deploy->blueprint;
    const struct blueprint_provider *provider = &blueprint->encryption.provider;
    const struct blueprint_host *lead = &blueprint->hosts[deploy->lead];
    AUTO(drop_client) struct client *client = NULL;
    AUTO(drop_secret) struct secret *token = NULL;

    return deploy_manager(deploy, &client, err) && manager_sign_in(deploy, client, &token, err) &&
           create(client, token, "datacenters", json_pack("{s:s}", "name", blueprint->datacenter),
                  out_changed, err) &&
           create(client, token, "clusters",
                  json_pack("{s:s, s:s, s:s}", "name", blueprint->cluster, "datacenter",
                            blueprint->datacenter, "id", deploy->state->cluster_id),
                  out_changed, err) &&
           create(client, token, "key-providers",
                  json_pack("{s:s, s:s, s:s}", "name", provider->name, "type", provider->type,
                            "cluster", blueprint->cluster),
                  out_changed, err) &&
           create(client, token, "datastores",
                  json_pack("{s:s, s:s, s:s}", "name", blueprint->datastore.name, "type",
                            blueprint->datastore.type, "cluster", blueprint->cluster),
                  out_changed, err) &&
           create(client, token, "hosts",
                  json_pack("{s:s, s:s, s:s}", "name", lead->name, "address", lead->address,
                            "cluster", blueprint->cluster),
                  out_changed, err);
}

bool manager_add_host(struct deploy *deploy, size_t host, bool *out_changed, struct err *err)
{
    const struct blueprint_host *added = &deploy->blueprint->hosts[host];
    AUTO(drop_client) struct client *client = NULL;
    AUTO(drop_secret) struct secret *token = NULL;

    return deploy_manager(deploy, &client, err) && manager_sign_in(deploy, client, &token, err) &&
           create(client, token, "hosts",
                  json_pack("{s:s, s:s, s:s}", "name", added->name, "address", added->address,
                            "cluster", deploy->blueprint->cluster),
                  out_changed, err);
}

bool manager_remove_host(struct deploy *deploy, size_t host, bool *out_changed, struct err *err)
{
    AUTO(drop_free)
    char *path = text_make("/api/v1/hosts/%s", deploy->blueprint->hosts[host].name);
    AUTO(drop_client) struct client *client = NULL;
    AUTO(drop_secret) struct secret *token = NULL;

    if (!deploy_manager(deploy, &client, err) || !manager_sign_in(deploy, client, &token, err)) {
        return false;
    }
    const struct client_call call = {
        .method = "DELETE", .path = path, .bearer = token, .seconds = 60};

    *out_changed = client_ask(client, &call, NULL, err);
    return *out_changed || err->kind == ERR_ABSENT;
}
