/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rewrap.h"

#include <string.h>

#include "agent/ca.h"
#include "agent/cached.h"
#include "agent/disk.h"
#include "agent/home.h"
#include "agent/notice.h"

/* ---- what an envelope is under ---- */

const char *rewrap_state_name(enum rewrap_state state)
{
    static const char *const names[] = {
        [REWRAP_CURRENT] = "current", [REWRAP_OLD] = "old", [REWRAP_UNKNOWN] = "unknown"};

    return names[state];
}

static bool under(const struct host_provider *host, const struct envelope_about *about)
{
    return host->kek && strcmp(host->kek, about->kek_id) == 0 &&
           strcmp(host->name, about->provider) == 0 && strcmp(host->type, about->type) == 0;
}

static enum rewrap_state state_of(const struct agent *agent, const struct envelope_about *about)
{
    if (under(&agent->host.provider, about)) {
        return REWRAP_CURRENT;
    }
    return under(&agent->host.old, about) ? REWRAP_OLD : REWRAP_UNKNOWN;
}

enum rewrap_state rewrap_state_of(const struct agent *agent, const char *text)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err ignored = {0};

    return text && envelope_read(text, strlen(text), &envelope, &ignored)
               ? state_of(agent, envelope_about(envelope))
               : REWRAP_UNKNOWN;
}

bool rewrap_is_ours(const struct vm *vm)
{
    const char *host = json_string_or(vm->config, "host", "");

    return host[0] == '\0' || strcmp(host, vm->agent->host.name) == 0;
}

bool rewrap_open(struct vm *vm, struct err *err)
{
    rewrap_leave(vm);
    return vm_open(vm, err);
}

void rewrap_leave(struct vm *vm)
{
    if (!rewrap_is_ours(vm)) {
        vm_close(vm);
    }
}

/* ---- a VM ---- */

static bool is_poured(const json_t *disk)
{
    return json_is_true(json_object_get(disk, "poured"));
}

static bool generation_of(const char *text, int64_t *out, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;

    if (!envelope_read(text, strlen(text), &envelope, err)) {
        return false;
    }
    *out = envelope_about(envelope)->generation;
    return true;
}

/* Above the home's and every header's: an earlier try may have come as far as some headers. */
static bool next_generation(const struct vm *vm, int64_t *out, struct err *err)
{
    int64_t newest = 0;
    json_t *disk;
    size_t i;

    if (!generation_of(vm->envelope, &newest, err)) {
        return false;
    }
    json_array_foreach(json_object_get(vm->config, "disks"), i, disk)
    {
        AUTO(drop_header_facts) struct header_facts facts = {0};

        if (is_poured(disk) && !disk_look(vm, disk, &facts, err)) {
            return false;
        }
        newest = facts.generation > newest ? facts.generation : newest;
    }
    *out = newest + 1;
    return true;
}

static bool exchange_headers(const struct vm *vm, const struct header_plan *plan, struct err *err)
{
    json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(vm->config, "disks"), i, disk)
    {
        if (is_poured(disk) && !disk_rewrap(vm, disk, plan, err)) {
            return false;
        }
    }
    return true;
}

/* All headers carry it: whatever comes of this write, the next one of the home must carry it too.
 */
static bool exchange_home(struct vm *vm, char **envelope, char **recovery, struct err *err)
{
    pthread_mutex_lock(&vm->lock);
    free(vm->envelope);
    free(vm->recovery);
    vm->envelope = TAKE(*envelope);
    vm->recovery = TAKE(*recovery);
    bool stored = home_store(vm, err);

    vm->unsaved = vm->unsaved || !stored;
    vm->cached = 0; /* the provider has wrapped it and opened it again */
    pthread_mutex_unlock(&vm->lock);
    return stored;
}

/* What memory says and what the datastore says may differ after a write whose answer was lost. */
static bool is_current(struct vm *vm, bool *out, struct err *err)
{
    AUTO(drop_chest_about) struct chest_about about = {0};

    if (!home_look(vm, &about, err)) {
        return false;
    }
    bool kek = rewrap_state_of(vm->agent, about.envelope) == REWRAP_CURRENT &&
               strcmp(about.envelope, vm->envelope) == 0;

    if (!notice_holds(vm->agent, about.recovery, out, err)) {
        return false;
    }
    *out = *out && kek;
    return true;
}

static bool exchange(struct vm *vm, struct err *err)
{
    AUTO(drop_free) char *envelope = NULL, *recovery = NULL;
    int64_t generation = 0;

    if (!next_generation(vm, &generation, err) || !home_wrap(vm, generation, &envelope, err) ||
        !home_wrap_recovery(vm, generation, &recovery, err)) {
        return false;
    }
    const struct header_plan plan = {
        .envelope = envelope, .recovery = recovery, .generation = generation};

    return exchange_headers(vm, &plan, err) && exchange_home(vm, &envelope, &recovery, err) &&
           cached_drop(vm, err);
}

bool rewrap_vm(struct vm *vm, bool *out_changed, struct err *err)
{
    bool current = false;

    if (!vm_open(vm, err) || !is_current(vm, &current, err) || (!current && !exchange(vm, err))) {
        return err_add(err, "rewrap VM '%s'", json_string_or(vm->config, "name", vm->uuid));
    }
    *out_changed = !current;
    return true;
}

/* ---- the CA ---- */

static bool rewrap_text(struct agent *agent, const char *text, struct envelope **out,
                        struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct key *from = NULL, *to = NULL;

    if (!envelope_read(text, strlen(text), &envelope, err)) {
        return false;
    }
    const struct envelope_about *about = envelope_about(envelope);
    const struct envelope_about wanted = {.kek_id = agent->host.provider.kek,
                                          .vm = agent->host.cluster_id,
                                          .purpose = about->purpose,
                                          .generation = about->generation + 1};

    return agent_key_for(agent, about, &from, err) && agent_key(agent, &to, err) &&
           key_rewrap(from, to, envelope, &wanted, out, err);
}

/* The file of the first host and the object on the datastore may differ, where another host came
 * first: one that opens is good for both. */
bool rewrap_ca(struct agent *agent, bool *out_changed, struct err *err)
{
    AUTO(drop_free) char *here = NULL, *there = NULL;
    AUTO(drop_envelope) struct envelope *fresh = NULL;
    struct err none = {0};

    *out_changed = false;
    if (!ca_envelope_read(agent, &here, err)) {
        return err->kind == ERR_ABSENT;
    }
    if (!ca_object_read(agent, &there, &none) && none.kind != ERR_ABSENT) {
        *err = none;
        return false;
    }
    if (rewrap_state_of(agent, here) == REWRAP_CURRENT &&
        (!there || rewrap_state_of(agent, there) == REWRAP_CURRENT)) {
        return true;
    }
    if (!(rewrap_text(agent, here, &fresh, err) ||
          (there && rewrap_text(agent, there, &fresh, &none))) ||
        !ca_envelope_write(agent, envelope_text(fresh), err)) {
        return err_add(err, "rewrap the cluster's CA");
    }
    *out_changed = true;
    return true;
}

/* ---- the recovery key that was not fetched yet ---- */

bool rewrap_recovery(struct agent *agent, bool *out_changed, struct err *err)
{
    AUTO(drop_envelope) struct envelope *fresh = NULL;
    AUTO(drop_free) char *text = NULL;
    struct err none = {0};

    *out_changed = false;
    if (!notice_private_read(agent, &text, &none)) {
        *err = none;
        return none.kind == ERR_ABSENT;
    }
    if (rewrap_state_of(agent, text) == REWRAP_CURRENT) {
        return true;
    }
    if (!rewrap_text(agent, text, &fresh, err) ||
        !notice_private_write(agent, envelope_text(fresh), err)) {
        return err_add(err, "rewrap the recovery key that was not fetched yet");
    }
    *out_changed = true;
    return true;
}

/* ---- looking ---- */

struct looking {
    struct agent *agent;
    bool prove;
    size_t left;
};

/* Into `object`: the envelope's KEK, generation and state; `fault` (or NULL) is why it cannot be
 * trusted whatever it says. */
static void tell(struct looking *looking, json_t *object, const char *text, const struct err *fault)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    enum rewrap_state state = rewrap_state_of(looking->agent, text);
    struct err ignored = {0};

    if (text && envelope_read(text, strlen(text), &envelope, &ignored)) {
        const struct envelope_about *about = envelope_about(envelope);

        json_object_set_new(object, "kek", json_string(about->kek_id));
        json_object_set_new(object, "generation", json_integer(about->generation));
    } else {
        json_object_set_new(object, "kek", json_null());
        json_object_set_new(object, "generation", json_null());
    }
    if (fault && fault->kind != ERR_NONE) {
        json_object_set_new(object, "why", json_string(fault->what));
        state = state == REWRAP_CURRENT ? REWRAP_UNKNOWN : state;
    }
    looking->left += state != REWRAP_CURRENT;
    json_object_set_new(object, "state", json_string(rewrap_state_name(state)));
}

static json_t *look_at_disk(struct looking *looking, struct vm *vm, const json_t *disk)
{
    AUTO(drop_header_facts) struct header_facts facts = {0};
    json_t *object = json_pack("{s:s}", "name", json_string_or(disk, "name", ""));
    struct err fault = {0};

    if (disk_look(vm, disk, &facts, &fault) && looking->prove && vm->key) {
        (void)disk_check(vm, disk, &fault);
    }
    tell(looking, object, facts.envelope, &fault);
    return object;
}

/* The envelope as it lies there opens, to the key that the VM has. */
static bool home_opens(struct vm *vm, const char *text, struct err *err)
{
    const struct envelope_about expected = {.vm = vm->uuid, .purpose = "vm"};
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    struct key *provider = NULL;

    if (!envelope_read(text, strlen(text), &envelope, err) ||
        !agent_key_for(vm->agent, envelope_about(envelope), &provider, err) ||
        !key_unwrap(provider, envelope, &expected, &key, err)) {
        return false;
    }
    if (!secret_equal(key, vm->key)) {
        return err_set(err, ERR_CLASH, "the envelope holds another key than VM '%s' has", vm->uuid);
    }
    /* A later write of what is in memory would bring the old one back. */
    return strcmp(text, vm->envelope) == 0 ||
           err_set(err, ERR_CLASH, "VM '%s' is not stored as it is known here", vm->uuid);
}

static json_t *look_at_vm(struct looking *looking, struct vm *vm)
{
    AUTO(drop_chest_about) struct chest_about about = {0};
    json_t *object = json_pack("{s:s}", "id", vm->uuid), *disks = json_array(), *disk;
    struct err fault = {0}, closed = {0};
    size_t i;
    bool open = rewrap_open(vm, &closed);

    if (home_look(vm, &about, &fault) && looking->prove) {
        fault = closed;
        (void)(open && home_opens(vm, about.envelope, &fault));
    }
    json_object_set_new(object, "name", json_string(json_string_or(vm->config, "name", "")));
    json_object_set_new(object, "host", json_string(json_string_or(vm->config, "host", "")));
    tell(looking, object, about.envelope, &fault);
    json_array_foreach(json_object_get(vm->config, "disks"), i, disk)
    {
        if (is_poured(disk)) {
            json_array_append_new(disks, look_at_disk(looking, vm, disk));
        }
    }
    json_object_set_new(object, "disks", disks);
    rewrap_leave(vm);
    return object;
}

/* Wherever it lies. */
static json_t *look_at_ca(struct looking *looking)
{
    AUTO(drop_free) char *here = NULL, *there = NULL;
    AUTO(drop_secret) struct secret *secret = NULL;
    struct err fault = {0}, none = {0};

    if (!ca_envelope_read(looking->agent, &here, &fault) && fault.kind == ERR_ABSENT) {
        return json_null();
    }
    json_t *object = json_object();
    bool stored = ca_object_read(looking->agent, &there, &none);

    if (!stored && none.kind != ERR_ABSENT) {
        fault = none;
    } else if (here && looking->prove) {
        (void)ca_open(looking->agent, &secret, &fault);
    }
    tell(looking, object,
         stored && rewrap_state_of(looking->agent, there) != REWRAP_CURRENT ? there : here, &fault);
    return object;
}

/* Proven: it opens. */
static json_t *look_at_recovery(struct looking *looking)
{
    AUTO(drop_free) char *text = NULL;
    struct err fault = {0};

    if (!notice_private_read(looking->agent, &text, &fault) && fault.kind == ERR_ABSENT) {
        return json_null();
    }
    json_t *object = json_object();

    if (text && looking->prove) {
        (void)notice_private_prove(looking->agent, &fault);
    }
    tell(looking, object, text, &fault);
    return object;
}

static size_t count_vms(const struct agent *agent)
{
    size_t count = 0;

    for (const struct vm *vm = agent->vms; vm; vm = vm->next) {
        count++;
    }
    return count;
}

bool rewrap_look(struct agent *agent, bool prove, const struct progress *progress, json_t **out,
                 size_t *out_left, struct err *err)
{
    struct looking looking = {.agent = agent, .prove = prove};
    json_t *vms;
    size_t done = 0;

    if (agent->host.store_type && !vm_list_load(agent, err)) {
        return false;
    }
    size_t count = count_vms(agent);

    vms = json_array();
    *out = json_pack("{s:o, s:o, s:o}", "ca", look_at_ca(&looking), "recovery",
                     look_at_recovery(&looking), "vms", vms);
    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        progress_tell(progress, (unsigned)(100 * done++ / count), prove ? "verify" : "look");
        json_array_append_new(vms, look_at_vm(&looking, vm));
    }
    *out_left = looking.left;
    return true;
}
