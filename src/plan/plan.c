/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "plan/disk.h"

static void forget_step(struct step *step)
{
    free(step->host);
    free(step->target);
}

static void forget_wipe(struct wipe *wipe)
{
    free(wipe->host);
    free(wipe->disk);
    free(wipe->holds);
}

void plan_free(struct plan *plan)
{
    if (!plan) {
        return;
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        forget_step(&plan->steps[i]);
    }
    for (size_t i = 0; i < plan->wipe_count; i++) {
        forget_wipe(&plan->wipes[i]);
    }
    free(plan->steps);
    free(plan->wipes);
    free(plan);
}

struct maker {
    const struct blueprint *blueprint;
    const struct facts *const *facts;
    const char *cluster_id;
    struct plan *plan;
    json_t *disks; /* what the hash covers of them */
};

static struct step *add_step(struct maker *maker, const char *kind, size_t host, const char *target)
{
    struct step *step = &maker->plan->steps[maker->plan->step_count++];

    *step = (struct step){.kind = step_kind_find(kind),
                          .host = text_copy(maker->blueprint->hosts[host].name),
                          .target = text_copy(target),
                          .host_number = host};
    assert(step->kind);
    return step;
}

/* Room for all steps: eleven that are there once, and some for each host and disk. */
static size_t room_for(const struct blueprint *bp)
{
    size_t room = 16;

    for (size_t i = 0; i < bp->host_count; i++) {
        room += 2 + bp->hosts[i].disk_count;
    }
    return room + bp->manager.disk_count;
}

/* "wwn 0x5000c50000000101 (/dev/sdb)" */
static char *disk_text(const struct blueprint_disk *wanted, const struct facts_disk *disk)
{
    AUTO(drop_free) char *label = blueprint_disk_label(wanted);

    return text_make("%s (%s)", label, disk->node);
}

static void add_wipe(struct maker *maker, const char *host, const char *text,
                     const struct facts_disk *disk)
{
    struct wipe *wipe = &maker->plan->wipes[maker->plan->wipe_count++];

    *wipe = (struct wipe){.host = text_copy(host),
                          .disk = text_copy(text),
                          .bytes = disk->bytes,
                          .holds = text_copy(disk->signature)};
}

static void hash_disk(struct maker *maker, const char *host, const struct blueprint_disk *wanted,
                      const struct facts_disk *disk)
{
    AUTO(drop_free) char *label = blueprint_disk_label(wanted);

    json_array_append_new(maker->disks,
                          json_pack("{s:s, s:s, s:s, s:s, s:I, s:b}", "host", host, "disk", label,
                                    "wwn", disk->wwn, "serial", disk->serial, "bytes",
                                    (json_int_t)disk->bytes, "wipe", wanted->wipe));
}

static bool take_disk(struct maker *maker, size_t host, size_t number, struct err *err)
{
    const struct blueprint_host *on = &maker->blueprint->hosts[host];
    const struct blueprint_disk *wanted = &on->disks[number];
    const struct facts_disk *disk = NULL;
    size_t found = facts_disk_match(maker->facts[host], wanted, &disk);

    if (found != 1) {
        return err_set(err, found ? ERR_CLASH : ERR_ABSENT, "host '%s' has %s disk %s '%s'",
                       on->name, found ? "more than one" : "no", disk_by_name(wanted->by),
                       wanted->id);
    }
    enum disk_owner owner = disk_owner(disk, maker->cluster_id, wanted);

    if (owner == DISK_FOREIGN) {
        return err_set(err, ERR_CLASH, "disk '%s' of host '%s' belongs to another cluster",
                       wanted->id, on->name);
    }
    AUTO(drop_free) char *text = disk_text(wanted, disk);

    if (host == maker->plan->lead) { /* the join of another host takes its disks */
        add_step(maker, "store.disk", host, text)->number = number;
    }
    hash_disk(maker, on->name, wanted, disk);
    if (owner != DISK_OURS) {
        add_wipe(maker, on->name, text, disk);
    }
    return true;
}

static bool take_disks(struct maker *maker, size_t host, struct err *err)
{
    for (size_t i = 0; i < maker->blueprint->hosts[host].disk_count; i++) {
        if (!take_disk(maker, host, i, err)) {
            return false;
        }
    }
    return true;
}

static bool make_first_host(struct maker *maker, struct err *err)
{
    const struct blueprint *bp = maker->blueprint;
    const char *manager = bp->manager.name;
    size_t lead = maker->plan->lead;

    add_step(maker, "provider.open", lead, bp->encryption.provider.name);
    add_step(maker, "ca.make", lead, bp->cluster);
    add_step(maker, "agent.enrol", lead, bp->hosts[lead].name);
    add_step(maker, "store.begin", lead, bp->datastore.name);
    if (!take_disks(maker, lead, err)) {
        return false;
    }
    add_step(maker, "store.pool", lead, bp->datastore.name);
    add_step(maker, "store.holes", lead, bp->datastore.name);
    if (bp->encryption.recovery == RECOVERY_REQUIRED) {
        add_step(maker, "recovery.make", lead, bp->cluster);
    }
    add_step(maker, "vm.seal", lead, manager);
    for (size_t i = 0; i < bp->manager.disk_count; i++) {
        add_step(maker, "disk.pour", lead, bp->manager.disks[i].name)->number = i;
    }
    add_step(maker, "disk.pour", lead, "identity")->number = bp->manager.disk_count;
    add_step(maker, "vm.start", lead, manager);
    add_step(maker, "vm.verify", lead, manager);
    add_step(maker, "cluster.make", lead, bp->cluster);
    return true;
}

/* The disks of a host that joins are named by the plan too, and wiped by its join. */
static bool make_other_hosts(struct maker *maker, struct err *err)
{
    const struct blueprint *bp = maker->blueprint;

    for (size_t i = 0; i < bp->host_count; i++) {
        if (i == maker->plan->lead || !maker->facts[i]) {
            continue;
        }
        add_step(maker, "host.join", i, bp->hosts[i].name);
        if (!take_disks(maker, i, err)) {
            return false;
        }
    }
    return true;
}

static json_t *steps_json(const struct plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];

        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s}", "phase", phase_name(step->kind->phase), "kind",
                            step->kind->name, "host", step->host, "target", step->target));
    }
    return list;
}

/* Kernel names of disks ("/dev/sdb") change from start to start, so steps are hashed without them;
 * the disks' entries say which they are. */
static json_t *hashed_steps(const struct plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];
        bool disk = strcmp(step->kind->name, "store.disk") == 0;

        json_array_append_new(
            list, json_pack("[s, s, s]", step->kind->name, step->host, disk ? "" : step->target));
    }
    return list;
}

static void hash(struct maker *maker)
{
    json_t *wanted = blueprint_json(maker->blueprint);
    AUTO(drop_json) json_t *all = NULL;
    AUTO(drop_free) char *bytes = NULL;

    /* Where the files lie and who signs in by SSH is no part of what is made. */
    json_object_del(json_object_get(wanted, "manager"), "image");
    json_object_del(wanted, "hosts");
    all = json_pack("{s:i, s:o, s:o, s:O}", "quoin-plan", 1, "wanted", wanted, "steps",
                    hashed_steps(maker->plan), "disks", maker->disks);
    bytes = json_write_canonical(all);
    digest_hex(bytes, strlen(bytes), maker->plan->hash);
}

size_t plan_lead(const struct blueprint *blueprint, const struct facts *const *facts,
                 const char *cluster_id)
{
    for (size_t i = 0; cluster_id && i < blueprint->host_count; i++) {
        if (facts[i] && facts[i]->member && strcmp(facts[i]->agent_cluster, cluster_id) == 0) {
            return i;
        }
    }
    return 0;
}

bool plan_make(const struct blueprint *blueprint, const struct facts *const *facts,
               const char *cluster_id, struct plan **out, struct err *err)
{
    AUTO(drop_plan) struct plan *plan = text_room(1, sizeof(*plan));
    AUTO(drop_json) json_t *disks = json_array();
    struct maker maker = {blueprint, facts, cluster_id, plan, disks};
    size_t room = room_for(blueprint);

    plan->steps = text_room(room, sizeof(*plan->steps));
    plan->wipes = text_room(room, sizeof(*plan->wipes));
    plan->lead = plan_lead(blueprint, facts, cluster_id);
    if (!facts[plan->lead]) {
        return err_set(err, ERR_AWAY, "host '%s' is away", blueprint->hosts[plan->lead].name);
    }
    for (size_t i = 0; i < blueprint->host_count; i++) {
        if (facts[i]) {
            add_step(&maker, "agent.install", i, "");
        }
    }
    if (!make_first_host(&maker, err) || !make_other_hosts(&maker, err)) {
        return err_add(err, "plan cluster '%s'", blueprint->cluster);
    }
    hash(&maker);
    *out = TAKE(plan);
    return true;
}

bool plan_keep_host(struct plan *plan, const char *host)
{
    size_t steps = 0, wipes = 0;

    for (size_t i = 0; i < plan->step_count; i++) {
        if (strcmp(plan->steps[i].host, host) == 0) {
            plan->steps[steps++] = plan->steps[i];
        } else {
            forget_step(&plan->steps[i]);
        }
    }
    for (size_t i = 0; i < plan->wipe_count; i++) {
        if (strcmp(plan->wipes[i].host, host) == 0) {
            plan->wipes[wipes++] = plan->wipes[i];
        } else {
            forget_wipe(&plan->wipes[i]);
        }
    }
    plan->step_count = steps;
    plan->wipe_count = wipes;
    return steps > 0;
}

json_t *plan_json(const struct plan *plan)
{
    json_t *wipes = json_array();

    for (size_t i = 0; i < plan->wipe_count; i++) {
        const struct wipe *wipe = &plan->wipes[i];

        json_array_append_new(wipes, json_pack("{s:s, s:s, s:I, s:s}", "host", wipe->host, "disk",
                                               wipe->disk, "bytes", (json_int_t)wipe->bytes,
                                               "holds", wipe->holds));
    }
    return json_pack("{s:s, s:o, s:o}", "hash", plan->hash, "steps", steps_json(plan), "wipes",
                     wipes);
}

static size_t widest(const struct plan *plan)
{
    size_t width = 4;

    for (size_t i = 0; i < plan->step_count; i++) {
        size_t length = strlen(plan->steps[i].host);

        width = length > width ? length : width;
    }
    return width;
}

static void wipes_text(const struct plan *plan, struct text *out)
{
    char size[16];

    if (plan->wipe_count == 0) {
        text_add(out, "\nNo disk is wiped.\n");
        return;
    }
    text_addf(out, "\nWiped, and what is on them gone (%zu disk%s):\n", plan->wipe_count,
              plan->wipe_count == 1 ? "" : "s");
    for (size_t i = 0; i < plan->wipe_count; i++) {
        const struct wipe *wipe = &plan->wipes[i];

        text_addf(out, "  %s  %s  %s  %s%s\n", wipe->host, wipe->disk, text_size(wipe->bytes, size),
                  wipe->holds[0] ? "holds " : "empty", wipe->holds);
    }
}

void plan_text(const struct plan *plan, struct text *out)
{
    int width = (int)widest(plan);

    text_addf(out, "%-9s  %-13s  %-*s  %s\n", "PHASE", "STEP", width, "HOST", "TARGET");
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct step *step = &plan->steps[i];

        text_addf(out, "%-9s  %-13s  %-*s  %s\n", phase_name(step->kind->phase), step->kind->name,
                  width, step->host, step->target);
    }
    wipes_text(plan, out);
    text_addf(out, "\nHash: %s\n", plan->hash);
}
