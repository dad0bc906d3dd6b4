/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the hosts: the part of deploy/deploy.h that changes nothing. */
#include <string.h>

#include "deploy/deploy.h"

/* What the agent's package depends on: what a host must have, or be able to get. */
static const char *const wanted_packages[] = {"libvirt-daemon-system",
                                              "qemu-system-x86",
                                              "qemu-block-extra",
                                              "ovmf",
                                              "swtpm",
                                              "ceph-mon",
                                              "ceph-mgr",
                                              "ceph-osd",
                                              "ceph-common",
                                              "systemd",
                                              "openssh-server",
                                              NULL};
struct asking {
    const struct blueprint_host *host;
    const char *script;
    struct remote *remote;
    struct facts *facts;
    struct host_answer answer;
};

static void ask(void *context, size_t number)
{
    struct asking *asking = (struct asking *)context + number;
    struct err err = {0};

    if (!remote_open(asking->host, &asking->remote, &err) ||
        !remote_look(asking->remote, asking->script, &asking->facts, &asking->answer.began,
                     &asking->answer.ended, &err)) {
        asking->answer.err = err;
        return;
    }
    asking->answer.facts = asking->facts;
}

bool deploy_look(struct deploy *deploy, bool boot, struct findings *findings, struct err *err)
{
    const struct blueprint *blueprint = deploy->blueprint;
    size_t count = blueprint->host_count;
    AUTO(drop_free) struct asking *askings = text_room(count, sizeof(*askings));
    AUTO(drop_free) char *script = NULL;

    if (blueprint->host_count > 1) {
        blueprint_find(blueprint, findings, SEVERITY_ERROR, "hosts[1]",
                       "this version of quoin deploys one host; it cannot join a second one",
                       "name the first host alone, with replicas: 1");
    }
    if (!plan_question(blueprint, wanted_packages, boot, &script, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        askings[i].host = &blueprint->hosts[i];
        askings[i].script = script;
    }
    side_by_side(count, SIDE_HOSTS, ask, askings);
    deploy->remotes = text_room(count, sizeof(*deploy->remotes));
    deploy->answers = text_room(count, sizeof(*deploy->answers));
    deploy->facts = text_room(count, sizeof(*deploy->facts));
    for (size_t i = 0; i < count; i++) {
        deploy->remotes[i] = askings[i].remote;
        deploy->answers[i] = askings[i].answer;
        deploy->facts[i] = askings[i].facts;
    }
    plan_check(blueprint, deploy->answers, deploy->state ? deploy->state->cluster_id : NULL,
               findings);
    return true;
}

bool deploy_plan(struct deploy *deploy, struct err *err)
{
    return plan_make(deploy->blueprint, (const struct facts *const *)deploy->facts,
                     deploy->state ? deploy->state->cluster_id : NULL, &deploy->plan, err);
}

void deploy_clear(struct deploy *deploy)
{
    for (size_t i = 0; deploy->remotes && i < deploy->blueprint->host_count; i++) {
        remote_close(deploy->remotes[i]);
        facts_free(deploy->facts[i]);
    }
    free(deploy->remotes);
    free(deploy->answers);
    free(deploy->facts);
    plan_free(deploy->plan);
    json_decref(deploy->vm);
    json_decref(deploy->proof);
    *deploy = (struct deploy){0};
}

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
