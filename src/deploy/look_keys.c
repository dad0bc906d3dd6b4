/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates to a key server, before a deploy: those that the blueprint names, and what agents
 * that are there already know of theirs. */
#include <string.h>
#include <time.h>

#include "deploy/deploy.h"

/* Weeks ahead: who signs certificates takes days. */
#define EXPIRY_WARNING (30 * 86400LL)

static void expiry(const struct deploy *deploy, struct findings *findings, const char *where,
                   const char *whose, long long until)
{
    long long rest = until - (long long)time(NULL);
    AUTO(drop_free)
    char *what = rest <= 0 ? text_make("%s certificate has expired", whose)
                           : text_make("%s certificate expires in %lld days", whose, rest / 86400);

    if (until && rest < EXPIRY_WARNING) {
        blueprint_find(deploy->blueprint, findings, rest <= 0 ? SEVERITY_ERROR : SEVERITY_WARNING,
                       where, what, "renew it, name the new one here, and deploy again");
    }
}

static void look_at_file(const struct deploy *deploy, struct findings *findings, const char *where,
                         const char *path)
{
    AUTO(drop_free) char *text = NULL;
    struct certificate_facts facts;
    struct err err = {0};

    if (!path) {
        return;
    }
    if (!file_read(path, CERTIFICATE_MAX, &text, NULL, &err) ||
        !certificate_read(text, &facts, &err)) {
        blueprint_find(deploy->blueprint, findings, SEVERITY_ERROR, where, err.what,
                       "name a certificate in PEM");
        return;
    }
    if (facts.not_before > time(NULL)) {
        blueprint_find(deploy->blueprint, findings, SEVERITY_ERROR, where,
                       "the client's certificate is not valid yet",
                       "is the clock of this machine right, and that of who signed it?");
    }
    expiry(deploy, findings, where, "the client's", facts.not_after);
}

/* A host whose agent is there knows the server's certificate from when it reached it last. */
static void look_at_host(struct deploy *deploy, struct findings *findings, size_t number)
{
    struct remote *remote = deploy->remotes[number];
    AUTO(drop_free) char *where = text_make("hosts[%zu]", number);
    AUTO(drop_json) json_t *status = NULL;
    struct err ignored = {0};

    if (!remote || !deploy->facts[number] || !deploy->facts[number]->agent_cluster[0] ||
        !remote_status(remote, &status, &ignored)) {
        return;
    }
    const json_t *provider = json_object_get(status, "provider");

    expiry(deploy, findings, where, "the key server's",
           json_integer_value(json_object_get(provider, "server_certificate_expires")));
}

void deploy_look_keys(struct deploy *deploy, struct findings *findings)
{
    const struct blueprint *blueprint = deploy->blueprint;

    if (blueprint->encryption.provider.server_count == 0) {
        return;
    }
    look_at_file(deploy, findings, "encryption.provider.certificate",
                 blueprint->encryption.provider.certificate);
    for (size_t i = 0; i < blueprint->host_count; i++) {
        AUTO(drop_free) char *where = text_make("hosts[%zu].kms_certificate", i);

        look_at_file(deploy, findings, where, blueprint->hosts[i].kms_certificate);
        look_at_host(deploy, findings, i);
    }
}
