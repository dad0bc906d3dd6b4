/* SPDX-License-Identifier: Apache-2.0 */
/* Which host is asked, and which are left out: the part of deploy/deploy.h that knows one host from
 * another. */
#include <string.h>

#include "deploy/deploy.h"

bool deploy_remote(struct deploy *deploy, const char *host, struct remote **out, struct err *err)
{
    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        if (strcmp(deploy->blueprint->hosts[i].name, host) == 0 && deploy->remotes[i]) {
            *out = deploy->remotes[i];
            return true;
        }
    }
    return err_set(err, ERR_AWAY, "host '%s' was not reached", host);
}

void deploy_leave_out(struct deploy *deploy, size_t host, const struct err *err)
{
    if (deploy->missing && deploy->missing[host].kind == ERR_NONE) {
        deploy->missing[host] = *err;
    }
}

bool deploy_complete(const struct deploy *deploy, struct err *err)
{
    const struct blueprint *blueprint = deploy->blueprint;
    AUTO(drop_text) struct text names = {0};
    size_t missing = 0;
    const char *why = "", *remedy = "";

    for (size_t i = 0; deploy->missing && i < blueprint->host_count; i++) {
        if (deploy->missing[i].kind != ERR_NONE) {
            text_addf(&names, "%s'%s'", missing++ ? ", " : "", blueprint->hosts[i].name);
            why = deploy->missing[i].what;
            /* Who answered, and said no, does not come in by being asked once more. */
            remedy = deploy->missing[i].kind != ERR_AWAY && deploy->missing[i].remedy[0]
                         ? deploy->missing[i].remedy
                         : remedy;
        }
    }
    if (missing == 0) {
        return true;
    }
    err_set(err, ERR_AWAY, "the cluster has %zu of %zu hosts; missing: %s (%.300s)",
            blueprint->host_count - missing, blueprint->host_count, names.bytes, why);
    return err_mend(err, "%s",
                    remedy[0] ? remedy
                              : "run the same command again when they answer: it brings them in");
}

static bool is_member(const struct deploy *deploy, const json_t *status)
{
    const json_t *cluster = json_object_get(status, "cluster");

    return strcmp(json_string_or(cluster, "id", ""), deploy->state->cluster_id) == 0 &&
           (json_is_true(json_object_get(status, "member")) || deploy->blueprint->host_count == 1);
}

/* `avoid` may be NULL. */
static bool find_member(struct deploy *deploy, const char *avoid, size_t *out, struct err *err)
{
    struct err first = {0};

    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        const struct blueprint_host *host = &deploy->blueprint->hosts[i];
        AUTO(drop_json) json_t *status = NULL;
        struct err why = {0};

        if (avoid && strcmp(host->name, avoid) == 0) {
            continue;
        }
        if (deploy->remotes[i] && remote_status(deploy->remotes[i], &status, &why) &&
            is_member(deploy, status)) {
            *out = i;
            return true;
        }
        if (why.kind == ERR_NONE && !deploy->remotes[i]) {
            why = deploy->answers[i].err;
        }
        first = first.kind == ERR_NONE ? why : first;
    }
    if (first.kind == ERR_NONE) {
        return err_set(err, ERR_ABSENT, "no host is a member of cluster '%s'",
                       deploy->blueprint->cluster);
    }
    *err = first;
    return err_add(err, "no member of cluster '%s' answers", deploy->blueprint->cluster);
}

bool deploy_lead_besides(struct deploy *deploy, const char *host, struct remote **out,
                         struct err *err)
{
    if (!find_member(deploy, host, &deploy->lead, err)) {
        return false;
    }
    deploy->lead_known = true;
    *out = deploy->remotes[deploy->lead];
    return true;
}

bool deploy_lead(struct deploy *deploy, struct remote **out, struct err *err)
{
    if (deploy->lead_known) {
        return deploy_remote(deploy, deploy->blueprint->hosts[deploy->lead].name, out, err);
    }
    return deploy_lead_besides(deploy, NULL, out, err);
}
