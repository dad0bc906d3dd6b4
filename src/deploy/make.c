/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The makers of a plan's steps: what the agent is asked for, out of the blueprint, and what only
 * the deployment unit can do (install, send the image, talk to the manager).
 */
#include <string.h>

#include "base/blocks.h"
#include "base/frames.h"
#include "base/password.h"
#include "deploy/ask.h"
#include "deploy/deploy.h"
#include "deploy/join.h"
#include "deploy/manager.h"

#define PASSWORD_MAX 1024u

/* The agent's step of the same kind. */
static bool ask_agent(struct deploy *deploy, const struct step *step, json_t *params,
                      json_t **out_result, struct err *err)
{
    struct remote *remote = NULL;

    if (!deploy_remote(deploy, step->host, &remote, err)) {
        json_decref(params);
        return false;
    }
    return deploy_step(deploy, remote, step->kind->name, params, out_result, err);
}

static bool install(struct deploy *deploy, const struct step *step, struct err *err)
{
    struct remote *remote = NULL;
    bool changed = false;

    report_step(deploy->report, step->kind->name, step->host, NULL);
    if (!deploy_remote(deploy, step->host, &remote, err) ||
        !remote_install(remote, &changed, err) || !remote_agent(remote, err)) {
        return false;
    }
    deploy->changed = deploy->changed || changed;
    report_host_done(deploy->report, step->kind->name, step->host, changed);
    return true;
}

struct installing {
    struct deploy *deploy;
    const struct step *steps;
};

static void install_one(void *context, size_t number)
{
    const struct installing *installing = context;
    const struct step *step = &installing->steps[number];
    struct err err = {0};

    if (!install(installing->deploy, step, &err)) {
        deploy_leave_out(installing->deploy, step->host_number, &err);
        if (step->host_number != installing->deploy->lead) {
            report_missing(installing->deploy->report, step->host, &err);
        }
    }
}

/* On all hosts side by side; only the one that leads is needed. */
static bool make_install(struct deploy *deploy, const struct step *steps, size_t count,
                         struct err *err)
{
    struct installing installing = {deploy, steps};

    side_by_side(count, SIDE_HOSTS, install_one, &installing);
    if (deploy->missing[deploy->lead].kind != ERR_NONE) {
        *err = deploy->missing[deploy->lead];
        return false;
    }
    return true;
}

static bool make_provider(struct deploy *deploy, const struct step *step, struct err *err)
{
    struct remote *remote = NULL;
    json_t *params = NULL;

    return deploy_remote(deploy, step->host, &remote, err) &&
           ask_provider(deploy, remote, &params, err) && ask_agent(deploy, step, params, NULL, err);
}

bool deploy_request(struct deploy *deploy, struct remote *remote, char **out_pem, struct err *err)
{
    AUTO(drop_json) json_t *result = NULL;
    json_t *params = ask_provider_basics(deploy->blueprint);
    const char *pem = NULL;

    if (!deploy_step(deploy, remote, "provider.request", params, &result, err) ||
        !json_get_string(result, "request", CERTIFICATE_MAX, &pem, err)) {
        return false;
    }
    *out_pem = text_copy(pem);
    return true;
}

static bool make_ca(struct deploy *deploy, const struct step *step, struct err *err)
{
    AUTO(drop_json) json_t *result = NULL;
    const char *pem;

    return ask_agent(deploy, step, NULL, &result, err) &&
           json_get_string(result, "ca", CERTIFICATE_MAX, &pem, err) &&
           state_write_ca(deploy->state, pem, err);
}

static bool make_plainly(struct deploy *deploy, const struct step *step, struct err *err)
{
    return ask_agent(deploy, step, NULL, NULL, err);
}

static bool make_store(struct deploy *deploy, const struct step *step, struct err *err)
{
    return ask_agent(deploy, step, ask_store(deploy->blueprint), NULL, err);
}

static bool make_pool(struct deploy *deploy, const struct step *step, struct err *err)
{
    const struct blueprint_host *host = &deploy->blueprint->hosts[step->host_number];

    return ask_agent(deploy, step, json_pack("{s:i}", "disks", (int)host->disk_count), NULL, err);
}

static const struct facts *facts_of(const struct deploy *deploy, const char *host)
{
    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        if (strcmp(deploy->blueprint->hosts[i].name, host) == 0) {
            return deploy->facts[i];
        }
    }
    return NULL;
}

static const struct blueprint_host *host_of(const struct deploy *deploy, const char *name)
{
    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        if (strcmp(deploy->blueprint->hosts[i].name, name) == 0) {
            return &deploy->blueprint->hosts[i];
        }
    }
    return NULL;
}

/* A step's target begins with the disk's label. */
static const struct blueprint_disk *disk_of(const struct blueprint_host *host, const char *target)
{
    for (size_t i = 0; host && i < host->disk_count; i++) {
        AUTO(drop_free) char *label = blueprint_disk_label(&host->disks[i]);
        size_t length = strlen(label);

        if (text_starts(target, label) && (target[length] == '\0' || target[length] == ' ')) {
            return &host->disks[i];
        }
    }
    return NULL;
}

static bool make_disk(struct deploy *deploy, const struct step *step, struct err *err)
{
    const struct blueprint_disk *disk = disk_of(host_of(deploy, step->host), step->target);
    const struct facts *facts = facts_of(deploy, step->host);
    json_t *params = NULL;

    if (!disk || !facts) {
        return err_set(err, ERR_BUG, "the plan's disk '%s' is not in the blueprint", step->target);
    }
    return ask_disk(disk, facts, &params, err) && ask_agent(deploy, step, params, NULL, err);
}

static json_t *network_json(const struct blueprint_manager *manager)
{
    json_t *dns = json_array();

    for (size_t i = 0; i < manager->network.dns_count; i++) {
        json_array_append_new(dns, json_string(manager->network.dns[i]));
    }
    return json_pack("{s:s, s:s, s:s*, s:o, s:s}", "bridge", manager->network.bridge, "address",
                     manager->network.address, "gateway", manager->network.gateway, "dns", dns,
                     "hostname", manager->network.hostname);
}

static json_t *disks_json(const struct blueprint_manager *manager)
{
    json_t *disks = json_array();

    for (size_t i = 0; i < manager->disk_count; i++) {
        json_array_append_new(disks, json_pack("{s:s, s:I}", "name", manager->disks[i].name,
                                               "bytes", (json_int_t)manager->disks[i].bytes));
    }
    return disks;
}

/* The hash is made here, so the password itself never leaves this machine but to sign in. */
static bool admin_json(const struct blueprint_manager *manager, json_t **out, struct err *err)
{
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_free) char *hash = NULL;

    if (!secret_read_file(manager->admin.password_file, PASSWORD_MAX, true, &password, err) ||
        !password_hash(password, &hash, err)) {
        return err_add(err, "the admin's password");
    }
    *out = json_pack("{s:s, s:s}", "user", manager->admin.user, "password_hash", hash);
    return true;
}

static bool make_seal(struct deploy *deploy, const struct step *step, struct err *err)
{
    const struct blueprint_manager *manager = &deploy->blueprint->manager;
    const struct facts *facts = facts_of(deploy, step->host);
    json_t *admin = NULL;

    if (!admin_json(manager, &admin, err)) {
        return false;
    }
    json_t *params =
        json_pack("{s:s, s:i, s:I, s:s, s:o, s:o, s:o}", "name", manager->name, "cpus",
                  (int)manager->cpus, "memory", (json_int_t)(manager->memory_bytes >> 20), "accel",
                  facts && facts->hypervisor == HYPERVISOR_KVM ? "kvm" : "tcg", "disks",
                  disks_json(manager), "network", network_json(manager), "admin", admin);

    return ask_agent(deploy, step, params, &deploy->vm, err);
}

/* The VM as the agent made it; ERR_BUG before vm.seal. */
static bool vm_id(const struct deploy *deploy, const char **out, struct err *err)
{
    return json_get_string(deploy->vm, "vm", UUID_SIZE, out, err);
}

static bool is_poured(const struct deploy *deploy, const char *name)
{
    const json_t *disk = json_find(json_object_get(deploy->vm, "disks"), "name", name);

    return json_is_true(json_object_get(disk, "poured"));
}

static bool send_image(struct deploy *deploy, struct remote *remote, const char *vm,
                       const char *disk, struct manager_image *image, struct err *err)
{
    AUTO(drop_frames_out) struct frames_out *frames = NULL;
    AUTO(drop_free) char *path = text_make("/v1/vms/%s/disks/%s", vm, disk);
    struct remote_answer answer = {.report = deploy->report};

    if (!frames_out_new(image->fd, image->sha256, &frames, err)) {
        return false;
    }
    struct client_call call = {
        .method = "PUT", .path = path, .pull = frames_out_pull, .pull_context = frames};
    bool sent = remote_ask(remote, &call, &answer, err);

    if (sent) {
        deploy->changed = deploy->changed || answer.changed;
        deploy->unproven = deploy->unproven || answer.changed;
        report_step_done(deploy->report, "disk.pour", answer.changed);
    }
    json_decref(answer.result);
    return sent;
}

static bool pour_image(struct deploy *deploy, const struct step *step, const char *vm,
                       struct err *err)
{
    const struct blueprint_manager *manager = &deploy->blueprint->manager;
    struct manager_image image;
    struct remote *remote = NULL;

    if (is_poured(deploy, step->target)) {
        report_step_done(deploy->report, step->kind->name, false);
        return true;
    }
    if (!deploy_remote(deploy, step->host, &remote, err) ||
        !manager_image_open(manager->image, manager->image_sha256, false, &image, err)) {
        return false;
    }
    bool sent = send_image(deploy, remote, vm, step->target, &image, err);

    manager_image_close(&image);
    return sent;
}

/* The first disk takes the image, the last is the identity, those between begin empty. */
static bool make_pour(struct deploy *deploy, const struct step *step, struct err *err)
{
    struct remote *remote = NULL;
    const char *vm;

    if (!vm_id(deploy, &vm, err)) {
        return false;
    }
    if (strcmp(step->target, deploy->blueprint->manager.disks[0].name) == 0) {
        return pour_image(deploy, step, vm, err);
    }
    if (!deploy_remote(deploy, step->host, &remote, err)) {
        return false;
    }
    if (strcmp(step->target, "identity") == 0) {
        return deploy_step(deploy, remote, "disk.identity", json_pack("{s:s}", "vm", vm), NULL,
                           err);
    }
    return deploy_step(deploy, remote, "disk.blank",
                       json_pack("{s:s, s:s}", "vm", vm, "disk", step->target), NULL, err);
}

/* On one of the others, which took it over. */
static bool runs_elsewhere(struct deploy *deploy, const char *vm)
{
    for (size_t i = 0; i < deploy->blueprint->host_count; i++) {
        AUTO(drop_json) json_t *status = NULL;
        struct err ignored = {0};
        json_t *item;
        size_t n;

        if (i == deploy->lead || !deploy->remotes[i] ||
            !remote_status(deploy->remotes[i], &status, &ignored)) {
            continue;
        }
        json_array_foreach(json_object_get(status, "vms"), n, item)
        {
            if (strcmp(json_string_or(item, "id", ""), vm) == 0 &&
                strcmp(json_string_or(item, "state", ""), "running") == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool make_start(struct deploy *deploy, const struct step *step, struct err *err)
{
    const char *vm;

    if (!vm_id(deploy, &vm, err)) {
        return false;
    }
    if (deploy->again && runs_elsewhere(deploy, vm)) {
        report_step_done(deploy->report, step->kind->name, false);
        return manager_wait(deploy, err);
    }
    return ask_agent(deploy, step, json_pack("{s:s}", "vm", vm), NULL, err) &&
           manager_wait(deploy, err);
}

static ssize_t pull_bytes(void *context, char *to, size_t room, struct err *err)
{
    struct span *rest = context;
    size_t n = rest->size < room ? rest->size : room;

    (void)err;
    memcpy(to, rest->bytes, n);
    *rest = span_of((const char *)rest->bytes + n, rest->size - n);
    return (ssize_t)n;
}

static bool make_blocks(const struct blueprint_manager *manager, unsigned char **out,
                        size_t *out_length, struct err *err)
{
    AUTO(drop_blocks) struct blocks *blocks = blocks_new();
    struct manager_image image;

    if (!manager_image_open(manager->image, manager->image_sha256, true, &image, err)) {
        return false;
    }
    bool made =
        blocks_add_file(blocks, image.fd, err) && blocks_write(blocks, out, out_length, err);

    manager_image_close(&image);
    return made;
}

static bool found_plain(const json_t *proof, struct err *err)
{
    json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(proof, "disks"), i, disk)
    {
        if (!json_is_true(json_object_get(disk, "encrypted"))) {
            return err_set(
                err, ERR_CLASH, "disk '%s' is not proven encrypted: %lld plain blocks%s%s",
                json_string_or(disk, "name", ""),
                (long long)json_integer_value(json_object_get(disk, "plain_blocks")),
                json_object_get(disk, "fault") ? "; " : "", json_string_or(disk, "fault", ""));
        }
    }
    return err_set(err, ERR_CLASH, "the manager's home object is not proven encrypted");
}

bool deploy_prove(struct deploy *deploy, const char *vm, struct err *err)
{
    const struct blueprint *blueprint = deploy->blueprint;
    AUTO(drop_free) unsigned char *bytes = NULL;
    AUTO(drop_free) char *path = text_make("/v1/vms/%s/proof", vm);
    struct remote_answer answer = {.report = deploy->report};
    struct remote *remote = NULL;
    size_t length = 0;

    if (!deploy_lead(deploy, &remote, err) ||
        !make_blocks(&blueprint->manager, &bytes, &length, err)) {
        return false;
    }
    struct span rest = span_of(bytes, length);
    struct client_call call = {
        .method = "POST", .path = path, .pull = pull_bytes, .pull_context = &rest};

    if (!remote_ask(remote, &call, &answer, err)) {
        json_decref(answer.result);
        return false;
    }
    json_flatten(answer.result);
    json_decref(deploy->proof);
    deploy->proof = answer.result;
    return true;
}

static bool make_proof(struct deploy *deploy, const struct step *step, struct err *err)
{
    const char *vm;

    /* Proven once, nothing changed since: quoin verify looks again whenever one wishes. */
    if (deploy->again && !deploy->unproven) {
        report_step_done(deploy->report, step->kind->name, false);
        return true;
    }
    if (!vm_id(deploy, &vm, err) || !deploy_prove(deploy, vm, err)) {
        return false;
    }
    if (!json_is_true(json_object_get(deploy->proof, "encrypted"))) {
        return found_plain(deploy->proof, err);
    }
    report_step_done(deploy->report, step->kind->name, true);
    return true;
}

static bool make_cluster(struct deploy *deploy, const struct step *step, struct err *err)
{
    bool changed = false;

    if (!manager_fill(deploy, &changed, err)) {
        return err_add(err, "create the data center and the cluster in the manager");
    }
    deploy->changed = deploy->changed || changed;
    report_step_done(deploy->report, step->kind->name, changed);
    return true;
}

const struct deploy_maker deploy_makers[] = {
    {"agent.install", NULL, make_install},
    {"provider.open", make_provider, NULL},
    {"ca.make", make_ca, NULL},
    {"agent.enrol", make_plainly, NULL},
    {"store.begin", make_store, NULL},
    {"store.disk", make_disk, NULL},
    {"store.pool", make_pool, NULL},
    {"store.holes", make_plainly, NULL},
    {"recovery.make", make_plainly, NULL},
    {"vm.seal", make_seal, NULL},
    {"disk.pour", make_pour, NULL},
    {"vm.start", make_start, NULL},
    {"vm.verify", make_proof, NULL},
    {"cluster.make", make_cluster, NULL},
    {"host.join", NULL, join_hosts},
    {0},
};
