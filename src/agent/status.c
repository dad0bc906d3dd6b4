/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status.h"

#include <string.h>
#include <time.h>

#include "agent/lease.h"
#include "agent/memory.h"
#include "agent/notice.h"
#include "agent/provider.h"
#include "agent/rewrap.h"
#include "agent/vm.h"
#include "key/kmipaccess.h"
#include "key/native.h"

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* A copy of what the host is, so that slow looking needs no lock. */
static struct host copy_host(struct agent *agent)
{
    pthread_mutex_lock(&agent->state);
    struct host copy = host_copy(&agent->host);
    pthread_mutex_unlock(&agent->state);
    return copy;
}

/* Every host tells its own part and what is not well: a thousand hosts that each tell of three
 * thousand disks, every five seconds, would be told of by nobody. */
#define TOLD_WHOLE 48u
#define TOLD_MAX   256u

static bool is_worth_telling(const json_t *disk, const char *self)
{
    return strcmp(json_string_or(disk, "host", ""), self) == 0 ||
           !json_is_true(json_object_get(disk, "up"));
}

static bool is_odd(const json_t *host, const char *self)
{
    return strcmp(json_string_or(host, "name", ""), self) == 0 ||
           strcmp(json_string_or(host, "monitor", "none"), "none") != 0 ||
           json_is_true(json_object_get(host, "paused")) ||
           json_integer_value(json_object_get(host, "up")) <
               json_integer_value(json_object_get(host, "disks"));
}

/* All of a short list; of a long one those of this host and those that are not well. */
static json_t *some_of(json_t *list, const char *self,
                       bool (*wanted)(const json_t *one, const char *self))
{
    json_t *some = json_array(), *one;
    bool whole = json_array_size(list) <= TOLD_WHOLE;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if ((whole || wanted(one, self)) && json_array_size(some) < TOLD_MAX) {
            json_array_append(some, one);
        }
    }
    return some;
}

static json_t *store_json(const struct host *host)
{
    const struct store_backend *backend = NULL;
    struct store_health health = {.state = STORE_AWAY};
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const struct store_conf conf = host_store_conf(host, monitors);
    struct err ignored = {0};

    if (!host->store_type || !store_backend_find(host->store_type, &backend, &ignored)) {
        return json_null();
    }
    (void)backend->look(&conf, &health, &ignored);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:i}", "type", host->store_type, "name",
                  host->store_name, "health", store_state_name(health.state), "reasons",
                  health.reasons, "bytes_total", (json_int_t)health.bytes_total, "bytes_used",
                  (json_int_t)health.bytes_used, "replicas", host->store_replicas);

    json_object_update_missing_new(
        object,
        json_pack("{s:i, s:i, s:i, s:b, s:b, s:b, s:f, s:f}", "monitors", (int)health.monitors,
                  "monitors_in_quorum", (int)health.monitors_in_quorum, "copies",
                  (int)health.copies, "copies_on_hosts", health.copies_on_hosts, "available",
                  health.available, "clean", health.clean, "degraded", health.degraded, "misplaced",
                  health.misplaced));
    json_object_set_new(object, "osds_total", json_integer(health.disks));
    json_object_set_new(object, "osds_up", json_integer(health.disks_up));
    json_object_set_new(object, "osds", some_of(health.members, host->name, is_worth_telling));
    json_object_set_new(object, "hosts", some_of(health.hosts, host->name, is_odd));
    store_health_clear(&health);
    return object;
}

void status_add_rest(const char *provider_folder, json_t *object)
{
    struct err ignored = {0};
    bool fetched = false;
    enum hostseal_by by = HOSTSEAL_BY_FILE;
    bool known = native_look(provider_folder, &fetched, &by, &ignored);

    json_object_set_new(object, "backup_fetched", known ? json_boolean(fetched) : json_null());
    json_object_set_new(object, "sealed_by",
                        known ? json_string(hostseal_by_name(by)) : json_null());
}

/* How using it went last. */
static void add_use(struct agent *agent, json_t *object)
{
    const struct audit_health health = audit_health(agent->audit);
    json_t *success = health.success ? json_integer(health.success) : json_null();
    json_t *failure = health.failure ? json_integer(health.failure) : json_null();

    json_object_set_new(object, "trouble", text_or_null(health.why[0] ? health.why : NULL));
    json_object_set_new(object, "remedy", text_or_null(health.remedy[0] ? health.remedy : NULL));
    json_object_set_new(object, "last_success", success);
    json_object_set_new(object, "last_failure", failure);
    json_object_set_new(object, "finding", text_or_null(health.finding[0] ? health.finding : NULL));
    json_object_set_new(object, "found", health.found ? json_integer(health.found) : json_null());
}

/* When this host's certificate and the CA's end; those that are there. */
static json_t *certificates_json(const struct host *host)
{
    static const struct {
        const char *name, *file;
    } files[] = {{"host", "tls.pem"}, {"ca", "ca.pem"}};
    json_t *list = json_array();

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(drop_free) char *path = text_make("%s/%s", host->folder, files[i].file);
        AUTO(drop_free) char *pem = NULL;
        struct certificate_facts facts;
        struct err ignored = {0};

        if (file_read(path, CERTIFICATE_MAX, &pem, NULL, &ignored) &&
            certificate_read(pem, &facts, &ignored)) {
            json_array_append_new(list, json_pack("{s:s, s:I}", "name", files[i].name, "ends",
                                                  (json_int_t)facts.not_after));
        }
    }
    return list;
}

/* Of an external provider. */
static void status_add_dates(const char *folder, json_t *object)
{
    long long ours, theirs;

    kmipaccess_dates(folder, &ours, &theirs);
    if (ours) {
        json_object_set_new(object, "client_certificate_expires", json_integer(ours));
    }
    if (theirs) {
        json_object_set_new(object, "server_certificate_expires", json_integer(theirs));
    }
}

static json_t *provider_json(struct agent *agent, const struct host *host)
{
    AUTO(drop_free)
    char *folder = text_make("%s/%s", host->folder,
                             host->provider.folder ? host->provider.folder : HOST_PROVIDER_FOLDER);

    if (!host->provider.type) {
        return json_null();
    }
    pthread_mutex_lock(&agent->state);
    bool open = agent->provider.key != NULL;
    pthread_mutex_unlock(&agent->state);
    /* `old_kek` is not null while a rekey is open: two KEKs are in use. `begun`: this host was
     * about to make one. */
    json_t *object =
        json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:b, s:s}", "name", host->provider.name,
                  "type", host->provider.type, "kek", host->provider.kek, "kek_made",
                  host->provider.made, "old_kek", host->old.kek, "old_provider", host->old.name,
                  "begun", host->next_label != NULL, "state", open ? "open" : "closed");

    json_object_set_new(object, "pcrs", text_or_null(host->provider.pcrs));
    json_object_set_new(object, "cache", json_integer(provider_cache(&host->provider)));
    status_add_rest(folder, object);
    add_use(agent, object);
    status_add_dates(folder, object);
    return object;
}

/* {"kek","generation","state"} of what wraps its key, or null. The agent's `state` is held. */
static json_t *envelope_of(const struct vm *vm)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err ignored = {0};

    if (!vm->envelope || !envelope_read(vm->envelope, strlen(vm->envelope), &envelope, &ignored)) {
        return json_null();
    }
    const struct envelope_about *about = envelope_about(envelope);

    return json_pack("{s:s, s:I, s:s}", "kek", about->kek_id, "generation",
                     (json_int_t)about->generation, "state",
                     rewrap_state_name(rewrap_state_of(vm->agent, vm->envelope)));
}

/* A deep copy; null where it is not known. */
static json_t *copy_or_null(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return value ? json_deep_copy(value) : json_null();
}

/* With the VM's lock held. A deep copy: the configuration may change once the lock is gone. */
static json_t *describe(const struct vm *vm)
{
    static const char *const keys[] = {"name", "host", "disks", "network", "cpus", "memory"};
    json_t *envelope = envelope_of(vm);
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:o, s:I}", "id", vm->uuid, "encrypted",
                  vm->envelope ? json_true() : json_null(), "kek", copy_or_null(envelope, "kek"),
                  "envelope", envelope, "generation", (json_int_t)vm->generation);

    json_object_set_new(object, "recovery", notice_id_of(vm->recovery));
    json_object_set_new(object, "cached", vm->cached ? json_integer(vm->cached) : json_null());
    json_object_set_new(object, "trouble", text_or_null(vm->trouble));
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        json_object_set_new(object, keys[i], copy_or_null(vm->config, keys[i]));
    }
    return object;
}

/* A VM's lock may be held as long as a datastore that is away lets one wait: then what was told
 * last is told again. */
static json_t *vm_json(struct vm *vm)
{
    if (pthread_mutex_trylock(&vm->lock) == 0) {
        json_decref(vm->shown);
        vm->shown = describe(vm);
        pthread_mutex_unlock(&vm->lock);
    }
    return vm->shown ? json_deep_copy(vm->shown)
                     : json_pack("{s:s, s:n, s:n, s:n, s:n, s:n}", "id", vm->uuid, "name",
                                 "encrypted", "kek", "generation", "trouble");
}

static void add_lease(struct agent *agent, json_t *item)
{
    json_t *lease = lease_status(agent, json_string_or(item, "id", ""));

    json_object_set_new(item, "lease", lease ? lease : json_null());
}

static json_t *vms_json(struct agent *agent)
{
    json_t *list = json_array(), *item;
    size_t i;

    pthread_mutex_lock(&agent->state);
    for (struct vm *vm = agent->vms; vm; vm = vm->next) {
        json_array_append_new(list, vm_json(vm));
    }
    pthread_mutex_unlock(&agent->state);
    json_array_foreach(list, i, item)
    {
        struct hv_look look = {.state = HV_ABSENT};
        struct err ignored = {0};

        /* A daemon that does not answer says nothing, above all not that it is off. */
        bool looked = agent->hv && agent->hypervisor->look(
                                       agent->hv, json_string_or(item, "id", ""), &look, &ignored);

        json_object_set_new(item, "state",
                            looked ? json_string(hv_state_name(look.state)) : json_null());
        json_object_set_new(item, "since", json_integer(look.since));
        add_lease(agent, item);
    }
    return list;
}

/* {"total","available"} in MiB, or null. */
static json_t *memory_json(void)
{
    struct memory memory;
    struct err ignored = {0};

    return memory_look(&memory, &ignored)
               ? json_pack("{s:I, s:I}", "total", (json_int_t)memory.total, "available",
                           (json_int_t)memory.available)
               : json_null();
}

json_t *status_make(struct agent *agent)
{
    AUTO(host_clear) struct host host = copy_host(agent);
    bool joined = host.cluster_id != NULL;
    json_t *status =
        json_pack("{s:s, s:I}", "version", QUOIN_VERSION, "time", (json_int_t)time(NULL));

    json_object_set_new(status, "host", text_or_null(host.name));
    json_object_set_new(status, "address", text_or_null(host.address));
    json_object_set_new(status, "cluster",
                        joined ? json_pack("{s:s, s:s, s:s}", "id", host.cluster_id, "name",
                                           host.cluster, "datacenter", host.datacenter)
                               : json_null());
    json_object_set_new(status, "member", json_boolean(host.member));
    json_object_set_new(status, "maintenance", json_boolean(host.maintenance));
    json_object_set_new(status, "memory", memory_json());
    json_object_set_new(status, "datastore", joined ? store_json(&host) : json_null());
    json_object_set_new(status, "provider", joined ? provider_json(agent, &host) : json_null());
    json_object_set_new(status, "recovery", joined ? notice_look(host.folder) : json_null());
    json_object_set_new(status, "vms", vms_json(agent));
    json_object_set_new(status, "certificates", certificates_json(&host));
    json_object_set_new(status, "events", audit_where(agent->audit));
    pthread_mutex_lock(&agent->state);
    json_object_set_new(status, "enrolled", json_boolean(agent->network != NULL));
    json_object_set_new(status, "waiting", text_or_null(agent->waiting));
    json_object_set_new(status, "waiting_remedy", text_or_null(agent->waiting_remedy));
    pthread_mutex_unlock(&agent->state);
    return status;
}
