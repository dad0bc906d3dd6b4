/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/copy.h"

#include <string.h>

#include "agent/disk.h"
#include "agent/home.h"

/* The guest is paused when so little is left to be copied, or when it writes as fast as that. */
#define LITTLE     (4u << 20)
#define MAX_ROUNDS 8u
/* Percent of the work that the copying is; catching up, and then the proof, are the rest. */
#define COPIED_PERCENT 80u
#define CAUGHT_PERCENT 85u
/* Of the datastore, left free: one that is full stops every guest. */
#define FREE_PERCENT 5u

/* One deep rekey under way. */
struct copy {
    struct vm *vm;
    struct vm next; /* what it becomes */
    struct hv *hv;
    struct store *store;
    bool live, switched;
    bool unsure; /* what the datastore holds, the old home or the new */
    uint64_t limit;
    const struct progress *progress;
    struct store_attachment attachments[DOMAIN_MAX_DISKS]; /* of the new images */
    struct domain_storage storage;
    struct secret *keys[DOMAIN_MAX_DISKS];
    uint64_t bytes, written; /* of all disks: to copy, copied */
    uint64_t base, share;    /* of the disk at work, for the progress */
    atomic_uint told;        /* percent */
    int64_t began, paused;   /* milliseconds */
    json_t *disks;           /* for the result */
};

static void drop_copy(struct copy *copy)
{
    for (size_t i = 0; i < DOMAIN_MAX_DISKS; i++) {
        store_attachment_clear(&copy->attachments[i]);
        secret_free(copy->keys[i]);
    }
    json_decref(copy->disks);
    home_discard(&copy->next);
}

static const struct hv_copies *copies_of(const struct copy *copy)
{
    return copy->vm->agent->hypervisor->copies;
}

static const json_t *disks_of(const struct vm *vm)
{
    return json_object_get(vm->config, "disks");
}

/* ---- what is left of an interrupted one ---- */

static bool is_named(const struct vm *vm, const char *image)
{
    json_t *entry;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)disks_of(vm), i, entry)
    {
        AUTO(drop_free) char *name = disk_image_name(vm, entry);

        if (strcmp(name, image) == 0) {
            return true;
        }
    }
    return false;
}

/* Images of this VM that its home does not name. */
static bool list_unnamed(struct vm *vm, struct store **out_store, json_t **out, struct err *err)
{
    AUTO(drop_free) char *prefix = text_make("vm-%s-", vm->uuid);
    AUTO(drop_json) json_t *names = NULL;
    json_t *name;
    size_t i;

    if (!agent_store(vm->agent, out_store, err) ||
        !vm->agent->backend->images->list(*out_store, &names, err)) {
        return false;
    }
    *out = json_array();
    json_array_foreach(names, i, name)
    {
        const char *image = json_string_value(name);

        if (text_starts(image, prefix) && !is_named(vm, image)) {
            json_array_append(*out, name);
        }
    }
    return true;
}

/* Closed by the hypervisor first; one that has nothing of the kind is not disturbed. */
static bool sweep(struct vm *vm, struct err *err)
{
    AUTO(drop_json) json_t *names = NULL;
    struct store *store = NULL;
    struct hv *hv = NULL;
    json_t *name;
    size_t i;

    if (!list_unnamed(vm, &store, &names, err)) {
        return false;
    }
    if (json_array_size(names) > 0 && (!agent_hv(vm->agent, &hv, err) ||
                                       !vm->agent->hypervisor->copies->clear(hv, vm->uuid, err))) {
        return false;
    }
    json_array_foreach(names, i, name)
    {
        if (!vm->agent->backend->images->remove(store, json_string_value(name), NULL, err)) {
            return false;
        }
    }
    return true;
}

/* ---- the proof, without which no old image goes ---- */

static bool is_unproven(const struct vm *vm)
{
    return json_is_true(json_object_get(vm->config, "unproven"));
}

static void set_proven(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    (void)json_object_del(vm->config, "unproven");
    pthread_mutex_unlock(&vm->lock);
}

static bool refuse(struct vm *vm, const char *disk, struct err *err)
{
    vm->refuted = true;
    err_set(err, ERR_CLASH, "disk '%s' is not proven encrypted; the images before it are kept",
            disk);
    return err_mend(err, "quoin verify names the plain blocks, docs/recovery.md says how to look "
                         "at the disk; a deep rekey or a restart of the agent proves it again");
}

static bool prove_disks(struct vm *vm, const struct progress *progress, struct err *err)
{
    const json_t *disks = disks_of(vm);
    size_t count = json_array_size(disks);

    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(disks, i);
        struct proof_result result = {0};

        progress_tell(progress, CAUGHT_PERCENT + (unsigned)(i * (100 - CAUGHT_PERCENT) / count),
                      "prove the new disks");
        if (!disk_check(vm, entry, err) || !disk_examine(vm, entry, NULL, NULL, &result, err)) {
            return false;
        }
        if (!result.encrypted) {
            return refuse(vm, json_string_or(entry, "name", ""), err);
        }
    }
    return true;
}

/* The switch wrote that there is no proof yet; so whoever comes to sweep makes it. One that found
 * plain blocks is not made again by itself: it reads every disk. */
static bool prove(struct vm *vm, const struct progress *progress, struct err *err)
{
    if (!is_unproven(vm)) {
        return true;
    }
    if (vm->refuted) {
        return refuse(vm, "of a deep rekey", err);
    }
    if (!prove_disks(vm, progress, err)) {
        return false;
    }
    set_proven(vm);
    if (vm_save(vm, err)) {
        return true;
    }
    vm_note(vm, vm->config, "unproven", json_true());
    return false;
}

bool copy_sweep(struct vm *vm, struct err *err)
{
    if (vm->swept && !is_unproven(vm)) {
        return true;
    }
    vm->swept = vm_open(vm, err) && prove(vm, NULL, err) && sweep(vm, err);
    return vm->swept || err_add(err, "remove what an interrupted copy left");
}

static bool settle_disk(struct vm *vm, struct hv *hv, unsigned i, const json_t *entry,
                        struct err *err)
{
    const struct hv_copies *copies = vm->agent->hypervisor->copies;
    AUTO(drop_free) char *image = disk_image_name(vm, entry);
    AUTO(drop_free) char *now = NULL;
    struct store_attachment attachment = {0};
    struct store *store = NULL;

    if (!agent_store(vm->agent, &store, err) ||
        !vm->agent->backend->images->attachment(store, image, &attachment, err) ||
        !copies->image(hv, vm->uuid, i, &now, err)) {
        store_attachment_clear(&attachment);
        return false;
    }
    bool settled = strcmp(now, attachment.source) == 0 ||
                   copies->turn(hv, vm->uuid, i, attachment.source, err);

    store_attachment_clear(&attachment);
    return settled;
}

/* The home was switched and the hypervisor has not the new image: both images hold the same, the
 * guest stood still. It starts anew from what the home names. */
bool copy_settle(struct vm *vm, struct hv *hv, bool *out_off, struct err *err)
{
    const json_t *disks = disks_of(vm);

    for (size_t i = 0; i < json_array_size(disks); i++) {
        struct err fault = {0};

        if (settle_disk(vm, hv, (unsigned)i, json_array_get(disks, i), &fault)) {
            continue;
        }
        if (fault.kind != ERR_ABSENT) {
            *err = fault;
            return err_add(err, "give the VM the disks that its home names");
        }
        *out_off = vm->agent->hypervisor->destroy(hv, vm->uuid, err);
        return *out_off;
    }
    return true;
}

/* ---- before ---- */

static bool look(struct copy *copy, struct err *err)
{
    struct agent *agent = copy->vm->agent;
    struct hv_look now = {0};
    bool started = false;

    if (!vm_open(copy->vm, err) || !agent_store(agent, &copy->store, err) ||
        !agent_hv(agent, &copy->hv, err) ||
        !agent->hypervisor->look(copy->hv, copy->vm->uuid, &now, err)) {
        return false;
    }
    const char *host = json_string_or(copy->vm->config, "host", agent->host.name);

    if (strcmp(host, agent->host.name) != 0) {
        return err_set(err, ERR_CLASH, "the VM runs on host '%s', which is to be asked for this",
                       host);
    }
    if (now.state == HV_CRASHED) {
        return err_set(err, ERR_CLASH, "the VM crashed; it is started again by itself");
    }
    copy->live = now.state != HV_ABSENT;
    copy->vm->swept = false;
    copy->vm->refuted = false;
    if ((now.state == HV_PAUSED && !vm_start(copy->vm, &started, err)) ||
        !copy_sweep(copy->vm, err)) {
        return false;
    }
    /* From now on there will be something to sweep. */
    copy->vm->swept = false;
    return true;
}

static bool add_bytes(struct copy *copy, struct err *err)
{
    json_t *entry;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)disks_of(copy->vm), i, entry)
    {
        uint64_t bytes = 0;

        if (!json_is_true(json_object_get(entry, "poured"))) {
            return err_set(err, ERR_ABSENT, "disk '%s' is not poured yet",
                           json_string_or(entry, "name", ""));
        }
        if (!disk_bytes(copy->vm, entry, &bytes, err)) {
            return false;
        }
        copy->bytes += bytes;
    }
    return true;
}

/* Old and new images lie side by side until the proof. */
static bool has_room(const struct copy *copy, struct err *err)
{
    const struct agent *agent = copy->vm->agent;
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const struct store_conf conf = host_store_conf(&agent->host, monitors);
    struct store_health health = {0};
    bool looked = agent->backend->look(&conf, &health, err);
    uint64_t copies = health.copies > 0 ? health.copies : 1;
    uint64_t need = copy->bytes * copies + health.bytes_total / 100 * FREE_PERCENT;
    uint64_t room =
        health.bytes_total > health.bytes_used ? health.bytes_total - health.bytes_used : 0;

    store_health_clear(&health);
    if (looked && room < need) {
        err_set(err, ERR_SYSTEM,
                "the datastore has %llu MiB free; a second image of each disk takes %llu MiB",
                (unsigned long long)(room >> 20), (unsigned long long)(need >> 20));
        return err_mend(err, "add disks to the datastore, or remove what is not needed");
    }
    return looked;
}

static bool rename_disks(struct copy *copy, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    json_t *entry;
    size_t i;

    if (!envelope_read(copy->next.envelope, strlen(copy->next.envelope), &envelope, err)) {
        return false;
    }
    long long generation = (long long)envelope_about(envelope)->generation;

    json_array_foreach((json_t *)(uintptr_t)disks_of(&copy->next), i, entry)
    {
        const char *name = json_string_or(entry, "name", "");
        AUTO(drop_free) char *label = text_make("disk/%s/%lld", name, generation);
        AUTO(drop_free) char *image = text_make("vm-%s-%s-%lld", copy->vm->uuid, name, generation);
        char uuid[UUID_SIZE];

        uuid_derive(copy->vm->uuid, label, uuid);
        json_object_set_new(entry, "uuid", json_string(uuid));
        json_object_set_new(entry, "image", json_string(image));
    }
    json_object_set_new(copy->next.config, "unproven", json_true());
    return true;
}

/* ---- the copy ---- */

static void tell_disk(void *context, unsigned percent, const char *what)
{
    struct copy *copy = context;
    uint64_t done = copy->base + copy->share * percent / 100;
    unsigned all = copy->bytes ? (unsigned)(done * COPIED_PERCENT / copy->bytes) : 0;

    (void)what;
    if (all > atomic_exchange(&copy->told, all)) {
        progress_tell(copy->progress, all, "copy the disks through their new keys");
    }
}

static bool is_read_only(const json_t *entry)
{
    return strcmp(json_string_or(entry, "name", ""), "identity") == 0;
}

static bool copy_disk(struct copy *copy, unsigned i, struct err *err)
{
    const json_t *from = json_array_get(disks_of(copy->vm), i);
    const json_t *to = json_array_get(disks_of(&copy->next), i);
    const struct progress progress = {tell_disk, copy};
    AUTO(drop_free) char *image = disk_image_name(&copy->next, to);
    uint64_t written = 0;

    if (copy->live && !is_read_only(from) &&
        !copies_of(copy)->track(copy->hv, copy->vm->uuid, i, err)) {
        return false;
    }
    copy->base += copy->share;
    if (!disk_bytes(copy->vm, from, &copy->share, err) ||
        !disk_copy(copy->vm, from, &copy->next, to, copy->limit, &progress, &written, err)) {
        return false;
    }
    copy->written += written;
    json_array_append_new(copy->disks,
                          json_pack("{s:s, s:s, s:I}", "name", json_string_or(from, "name", ""),
                                    "image", image, "written", (json_int_t)written));
    return header_passphrase(copy->next.key, json_string_or(to, "uuid", ""), &copy->keys[i], err) &&
           copy->vm->agent->backend->images->attachment(copy->store, image, &copy->attachments[i],
                                                        err);
}

static struct hv_target target_of(struct copy *copy, unsigned i)
{
    const struct store_attachment *its = &copy->attachments[i];

    copy->storage = (struct domain_storage){its->protocol, its->user, its->conf, its->hosts};
    return (struct hv_target){.disk = i,
                              .storage = &copy->storage,
                              .source = its->source,
                              .storage_key = its->key,
                              .key = copy->keys[i],
                              .read_only = is_read_only(json_array_get(disks_of(copy->vm), i))};
}

/* One round over all disks; `*out_left` is what the guest wrote meanwhile. */
static bool catch_up(struct copy *copy, uint64_t limit, uint64_t *out_left, struct err *err)
{
    *out_left = 0;
    for (unsigned i = 0; i < json_array_size(disks_of(copy->vm)); i++) {
        const struct hv_target target = target_of(copy, i);
        uint64_t left = 0;

        if (!target.read_only &&
            !copies_of(copy)->catch_up(copy->hv, copy->vm->uuid, &target, limit, &left, err)) {
            return err_add(err, "catch up with what the guest writes");
        }
        *out_left += left;
    }
    return true;
}

static bool open_new(struct copy *copy, struct err *err)
{
    for (unsigned i = 0; i < json_array_size(disks_of(copy->vm)); i++) {
        const struct hv_target target = target_of(copy, i);

        if (!copies_of(copy)->add(copy->hv, copy->vm->uuid, &target, err)) {
            return err_add(err, "open image '%s'", target.source);
        }
    }
    return true;
}

static bool run_after(struct copy *copy, struct err *err)
{
    uint64_t left = UINT64_MAX;

    progress_tell(copy->progress, COPIED_PERCENT, "catch up with what the guest writes");
    for (unsigned i = 0; i < MAX_ROUNDS && left > LITTLE; i++) {
        if (!catch_up(copy, copy->limit, &left, err)) {
            return false;
        }
    }
    return true;
}

/* The guest stands still. Both images hold the same, then the home changes, and vm_start gives the
 * guest the images that the home names (copy_settle) and lets it go on. */
static bool change_over(struct copy *copy, struct err *err)
{
    struct err away = {0};
    bool started = false;
    uint64_t left = 0;

    if (copy->live && !catch_up(copy, 0, &left, err)) {
        return false;
    }
    if (left > 0) {
        return err_set(err, ERR_BUG, "a paused guest wrote %llu bytes", (unsigned long long)left);
    }
    copy->switched = home_switch(copy->vm, &copy->next, err);
    if (copy->switched || err->kind != ERR_AWAY) {
        return copy->switched;
    }
    /* What is stored cannot be told: the next start asks, and until then the guest stands still. */
    away = *err;
    copy->unsure = true;
    vm_close(copy->vm);
    if (copy->live && !vm_start(copy->vm, &started, err)) {
        *err = away;
        return false;
    }
    return err_set(err, ERR_AWAY, "%s", away.what);
}

static bool change_live(struct copy *copy, struct err *err)
{
    int64_t from = clock_ms();
    struct err fault = {0};
    bool started = false;

    if (!open_new(copy, err) || !run_after(copy, err)) {
        return false;
    }
    from = clock_ms();
    if (!copies_of(copy)->pause(copy->hv, copy->vm->uuid, err)) {
        return false;
    }
    bool changed = change_over(copy, err);
    bool going = copy->vm->key && vm_start(copy->vm, &started, &fault);

    copy->paused = clock_ms() - from;
    if (changed && !going) {
        *err = fault;
    }
    return changed && going;
}

static bool copy_all(struct copy *copy, struct err *err)
{
    if (!add_bytes(copy, err) || !has_room(copy, err) || !home_renew(copy->vm, &copy->next, err) ||
        !rename_disks(copy, err)) {
        return false;
    }
    for (unsigned i = 0; i < json_array_size(disks_of(copy->vm)); i++) {
        if (!copy_disk(copy, i, err)) {
            return false;
        }
    }
    return copy->live ? change_live(copy, err) : change_over(copy, err);
}

/* ---- after ---- */

static void fall_back(struct copy *copy)
{
    struct err err = {0};
    bool started = false;
    struct hv_look now = {.state = HV_ABSENT};

    (void)copy->vm->agent->hypervisor->look(copy->hv, copy->vm->uuid, &now, &err);
    if (now.state == HV_PAUSED && copy->vm->key) {
        (void)vm_start(copy->vm, &started, &err);
    }
    /* What is not removed now is removed by the keeper, after the proof where the home changed. */
    (void)(copy->vm->key && !copy->unsure && copy_sweep(copy->vm, &err));
}

bool copy_vm(struct vm *vm, uint64_t limit, struct making *making, struct err *err)
{
    AUTO(drop_copy)
    struct copy copy = {.vm = vm,
                        .limit = limit,
                        .progress = making->progress,
                        .disks = json_array(),
                        .began = clock_ms()};

    if (!look(&copy, err)) {
        return err_add(err, "deep rekey of VM '%s'", vm->uuid);
    }
    if (!copy_all(&copy, err)) {
        if (!copy.switched) {
            fall_back(&copy);
        }
        return err_add(err, "deep rekey of VM '%s'", vm->uuid);
    }
    making->changed = true;
    if (!prove(vm, making->progress, err) || !copy_sweep(vm, err)) {
        return err_add(err, "deep rekey of VM '%s': its disks are the new ones", vm->uuid);
    }
    progress_tell(making->progress, 100, "rekeyed");
    making->result =
        json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:O}", "vm", vm->uuid, "live", copy.live, "bytes",
                  (json_int_t)copy.bytes, "written", (json_int_t)copy.written, "paused_ms",
                  (json_int_t)copy.paused, "took_ms", (json_int_t)(clock_ms() - copy.began),
                  "disks", copy.disks);
    return true;
}
