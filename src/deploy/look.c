/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the hosts: the part of deploy/deploy.h that changes nothing. */
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

/* A cluster that was deployed is not begun anew beside itself because its members are away. */
static void check_members(struct deploy *deploy, struct findings *findings)
{
    const struct facts *lead = deploy->facts[deploy->lead];

    if (!deploy->state || !deploy->state->deployed || !lead || lead->member) {
        return;
    }
    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        if (!deploy->facts[i]) {
            blueprint_find(deploy->blueprint, findings, SEVERITY_ERROR, "hosts",
                           "this cluster was deployed, and none of the hosts that answer is a "
                           "member of it",
                           "start the others, or mend the way to them");
            return;
        }
    }
}

static void choose_lead(struct deploy *deploy, struct findings *findings)
{
    deploy->lead = plan_lead(deploy->blueprint, (const struct facts *const *)deploy->facts,
                             deploy->state ? deploy->state->cluster_id : NULL);
    deploy->lead_known = true;
    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        deploy->answers[i].may_be_away = deploy->may_miss && i != deploy->lead;
        if (!deploy->facts[i]) {
            deploy_leave_out(deploy, i, &deploy->answers[i].err);
        }
    }
    check_members(deploy, findings);
}

bool deploy_look(struct deploy *deploy, bool boot, struct findings *findings, struct err *err)
{
    const struct blueprint *blueprint = deploy->blueprint;
    size_t count = blueprint->host_count;
    AUTO(drop_free) struct asking *askings = text_room(count, sizeof(*askings));
    AUTO(drop_free) char *script = NULL;

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
    deploy->missing = text_room(count, sizeof(*deploy->missing));
    for (size_t i = 0; i < count; i++) {
        deploy->remotes[i] = askings[i].remote;
        deploy->answers[i] = askings[i].answer;
        deploy->facts[i] = askings[i].facts;
    }
    choose_lead(deploy, findings);
    plan_check(blueprint, deploy->answers, deploy->state ? deploy->state->cluster_id : NULL,
               findings);
    deploy_look_keys(deploy, findings);
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
    free(deploy->missing);
    plan_free(deploy->plan);
    json_decref(deploy->vm);
    json_decref(deploy->proof);
    *deploy = (struct deploy){0};
}
