/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/home.h"

#include <string.h>

#include "agent/cached.h"
#include "agent/lease.h"
#include "agent/notice.h"
#include "base/secret_open.h"

#define VM_KEY_SIZE 32u

static char *object_name(const struct vm *vm)
{
    return text_make("home.%s", vm->uuid);
}

static char *seen_path(const struct vm *vm)
{
    AUTO(drop_free) char *folder = agent_path(vm->agent, "seen");

    return text_make("%s/%s", folder, vm->uuid);
}

/* The newest generation this host has seen; 1 where it has seen none. */
static bool seen_read(const struct vm *vm, int64_t *out, struct err *err)
{
    AUTO(drop_free) char *path = seen_path(vm);
    AUTO(drop_free) char *text = NULL;

    *out = 1;
    if (!file_exists(path)) {
        return true;
    }
    if (!file_read(path, 32, &text, NULL, err)) {
        return false;
    }
    *out = strtoll(text, NULL, 10);
    return *out >= 1 || err_set(err, ERR_SYSTEM, "'%s' holds no generation", path);
}

static bool seen_write(const struct vm *vm, struct err *err)
{
    AUTO(drop_free) char *folder = agent_path(vm->agent, "seen");
    AUTO(drop_free) char *path = seen_path(vm);
    AUTO(drop_free) char *text = text_make("%lld\n", (long long)vm->generation);

    return file_make_folder(folder, 0700, err) && file_write(path, text, strlen(text), 0600, err);
}

/* What is stored is stored, whether this host can note it or not: who took that for a failure would
 * go on from what the datastore no longer holds. It is noted later (home_remember). */
static void note_seen(struct vm *vm)
{
    struct err err = {0};

    vm->unseen = !seen_write(vm, &err);
    if (vm->unseen) {
        log_err(&err);
    }
}

bool home_remember(struct vm *vm, struct err *err)
{
    pthread_mutex_lock(&vm->lock);
    vm->unseen = vm->unseen && !seen_write(vm, err);
    bool seen = !vm->unseen;
    pthread_mutex_unlock(&vm->lock);
    return seen || err_add(err, "note how new the home of VM '%s' is", vm->uuid);
}

bool home_forget(struct vm *vm, struct err *err)
{
    AUTO(drop_free) char *path = seen_path(vm);

    return cached_drop(vm, err) && file_remove(path, err);
}

static bool secret_of_json(const json_t *value, struct secret **out, struct err *err)
{
    AUTO(drop_free) char *text = json_write(value);
    size_t length = strlen(text);

    if (!secret_new(length, out, err)) {
        return false;
    }
    memcpy(secret_bytes(*out), text, length);
    explicit_bzero(text, length);
    return true;
}

static bool pack(struct vm *vm, struct chest *home, struct err *err)
{
    AUTO(drop_secret) struct secret *config = NULL;
    AUTO(drop_secret) struct secret *files = NULL, *tpm = NULL;

    if (!secret_of_json(vm->config, &config, err) || !chest_put(home, "config", &config, err)) {
        return false;
    }
    if (vm->tpm && (!secret_copy(vm->tpm, &tpm, err) || !chest_put(home, "tpm", &tpm, err))) {
        return false;
    }
    return !vm->files ||
           (secret_copy(vm->files, &files, err) && chest_put(home, "files", &files, err));
}

/* `expect`: the version that the object must have; 0: none yet. */
static bool write_home(struct vm *vm, uint64_t expect, struct err *err)
{
    AUTO(drop_free) char *name = object_name(vm);
    AUTO(drop_chest) struct chest *home = chest_new();
    struct chest_about about = {
        .generation = vm->generation + 1, .envelope = vm->envelope, .recovery = vm->recovery};
    AUTO(drop_free) unsigned char *bytes = NULL;
    struct store *store = NULL;
    size_t length = 0;

    memcpy(about.vm, vm->uuid, UUID_SIZE);
    if (!pack(vm, home, err) || !chest_seal(home, &about, vm->key, &bytes, &length, err) ||
        !agent_store(vm->agent, &store, err) ||
        !vm->agent->backend->objects->write(store, name, bytes, length, expect, &vm->version,
                                            err)) {
        return err_add(err, "store the home of VM '%s'", vm->uuid);
    }
    vm->generation = about.generation;
    note_seen(vm);
    return true;
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

/* Another host may have wrapped the same VM key anew, where the recovery key opened it: what is
 * newer stays, whoever made it. */
static bool keep_newer(struct vm *vm, struct chest_about *stored, struct err *err)
{
    int64_t here = 0, there = 0;

    if (!generation_of(vm->envelope, &here, err) || !generation_of(stored->envelope, &there, err)) {
        return false;
    }
    if (there > here) {
        free(vm->envelope);
        free(vm->recovery);
        vm->envelope = TAKE(stored->envelope);
        vm->recovery = TAKE(stored->recovery);
    }
    return true;
}

/* A write whose answer was lost may have landed: then the home is newer than we know, by our own
 * hand. Another host's would name that host. What we know of it is brought up to date. */
static bool is_our_own(struct vm *vm, struct err *err)
{
    AUTO(drop_free) char *name = object_name(vm);
    AUTO(drop_free) char *bytes = NULL;
    AUTO(drop_chest) struct chest *home = NULL;
    AUTO(drop_chest_about) struct chest_about about = {0};
    AUTO(drop_json) json_t *config = NULL;
    struct store *store = NULL;
    uint64_t version = 0;
    size_t length = 0;

    if (!agent_store(vm->agent, &store, err) ||
        !vm->agent->backend->objects->read(store, name, &bytes, &length, &version, err) ||
        !chest_look((const unsigned char *)bytes, length, &about, NULL, err) ||
        !chest_open((const unsigned char *)bytes, length, vm->uuid, vm->generation + 1, vm->key,
                    &home, err)) {
        return false;
    }
    const struct secret *text = chest_get(home, "config");

    if (!text || !json_read((const char *)secret_look(text), secret_size(text), &config, err)) {
        return false;
    }
    const char *host = json_string_or(config, "host", vm->agent->host.name);

    if (strcmp(host, vm->agent->host.name) != 0) {
        return err_set(err, ERR_CLASH, "host '%s' stored it", host);
    }
    if (!keep_newer(vm, &about, err)) {
        return false;
    }
    vm->version = version;
    vm->generation = about.generation;
    return true;
}

bool home_store(struct vm *vm, struct err *err)
{
    struct err first = {0}, ignored = {0};

    if (!vm->key) {
        return err_set(err, ERR_BUG, "the home of VM '%s' is closed", vm->uuid);
    }
    /* A VM that shall run and whose lease this host lost is another's now: its write would be
     * refused anyway, by the object's version or by the fence. */
    if (strcmp(json_string_or(vm->config, "wanted", ""), "running") == 0 &&
        !lease_allows(vm->agent, vm->uuid, err)) {
        return err_add(err, "store the home of VM '%s'", vm->uuid);
    }
    if (write_home(vm, vm->version, &first)) {
        return true;
    }
    if (first.kind == ERR_CLASH && is_our_own(vm, &ignored)) {
        return write_home(vm, vm->version, err);
    }
    *err = first;
    return false;
}

static struct envelope_about about_of(const struct vm *vm)
{
    return (struct envelope_about){.vm = vm->uuid, .purpose = "vm"};
}

static bool unwrap(struct vm *vm, const struct envelope *envelope, struct secret **out,
                   struct err *err)
{
    const struct envelope_about expected = about_of(vm);
    struct key *key = NULL;

    return (agent_key_for(vm->agent, envelope_about(envelope), &key, err) &&
            key_unwrap(key, envelope, &expected, out, err)) ||
           err_add(err, "open the envelope of VM '%s'", vm->uuid);
}

bool home_wrap(struct vm *vm, int64_t generation, char **out_envelope, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_secret) struct secret *again = NULL;
    struct envelope_about about = about_of(vm);
    struct key *key = NULL;

    about.kek_id = vm->agent->host.provider.kek;
    about.generation = generation;
    if (!agent_key(vm->agent, &key, err) || !key_wrap(key, &about, vm->key, &envelope, err) ||
        !unwrap(vm, envelope, &again, err)) {
        return false;
    }
    if (!secret_equal(vm->key, again)) {
        return err_set(err, ERR_CLASH, "key provider '%s' gives another key back",
                       vm->agent->host.provider.name);
    }
    *out_envelope = text_copy(envelope_text(envelope));
    return true;
}

bool home_wrap_recovery(struct vm *vm, int64_t generation, char **out_envelope, struct err *err)
{
    struct envelope_about about = about_of(vm);

    about.generation = generation;
    return notice_wrap(vm->agent, &about, vm->key, out_envelope, err);
}

bool home_make(struct vm *vm, const json_t *config, struct err *err)
{
    if (!secret_random(VM_KEY_SIZE, &vm->key, err) || !home_wrap(vm, 1, &vm->envelope, err) ||
        !home_wrap_recovery(vm, 1, &vm->recovery, err)) {
        return false;
    }
    vm->config = json_deep_copy(config);
    vm->generation = 0;
    return write_home(vm, 0, err);
}

static bool unpack(struct vm *vm, const struct chest *home, struct err *err)
{
    const struct secret *config = chest_get(home, "config");
    const struct secret *files = chest_get(home, "files");
    const struct secret *tpm = chest_get(home, "tpm");

    if (!config) {
        return err_set(err, ERR_CLASH, "the home has no configuration");
    }
    json_decref(TAKE(vm->config));
    secret_free(TAKE(vm->files));
    secret_free(TAKE(vm->tpm));
    return json_read((const char *)secret_look(config), secret_size(config), &vm->config, err) &&
           (!files || secret_copy(files, &vm->files, err)) &&
           (!tpm || secret_copy(tpm, &vm->tpm, err));
}

static bool unwrap_recovery(struct vm *vm, const struct secret *recovery_key, struct secret **out,
                            struct err *err)
{
    struct envelope_about expected = about_of(vm);

    expected.cluster = vm->agent->host.cluster_id;
    if (!vm->recovery) {
        return err_set(err, ERR_ABSENT, "VM '%s' has no envelope for a recovery key", vm->uuid);
    }
    return notice_unwrap(vm->agent, recovery_key, vm->recovery, &expected, out, err);
}

static bool unwrap_text(struct vm *vm, struct secret **out, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;

    if (!envelope_read(vm->envelope, strlen(vm->envelope), &envelope, err)) {
        return false;
    }
    vm->cached = 0;
    return unwrap(vm, envelope, out, err) || cached_get(vm, envelope, out, err);
}

/* `recovery_key` NULL: by the provider, unless its answer to the same envelope is still here. */
static bool key_of(struct vm *vm, const struct chest_about *about,
                   const struct secret *recovery_key, struct secret **out, struct err *err)
{
    bool same = vm->key && vm->envelope && strcmp(vm->envelope, about->envelope) == 0;

    /* That it is sealed can be told also while the provider is away. */
    free(vm->envelope);
    free(vm->recovery);
    vm->envelope = text_copy(about->envelope);
    vm->recovery = text_copy(about->recovery);
    return recovery_key ? unwrap_recovery(vm, recovery_key, out, err)
           : same       ? secret_copy(vm->key, out, err)
                        : unwrap_text(vm, out, err);
}

static bool open_bytes(struct vm *vm, const unsigned char *bytes, size_t length,
                       const struct secret *recovery_key, struct err *err)
{
    AUTO(drop_chest_about) struct chest_about about = {0};
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_chest) struct chest *home = NULL;
    int64_t seen = 0;

    if (!chest_look(bytes, length, &about, NULL, err)) {
        return false;
    }
    if (!key_of(vm, &about, recovery_key, &key, err) || !seen_read(vm, &seen, err) ||
        !chest_open(bytes, length, vm->uuid, seen, key, &home, err) || !unpack(vm, home, err)) {
        return false;
    }
    secret_free(vm->key);
    vm->key = TAKE(key);
    vm->generation = about.generation;
    note_seen(vm);
    return true;
}

static bool load(struct vm *vm, const struct secret *recovery_key, struct err *err)
{
    AUTO(drop_free) char *name = object_name(vm);
    AUTO(drop_free) char *bytes = NULL;
    struct store *store = NULL;
    size_t length = 0;

    return (agent_store(vm->agent, &store, err) &&
            vm->agent->backend->objects->read(store, name, &bytes, &length, &vm->version, err) &&
            open_bytes(vm, (const unsigned char *)bytes, length, recovery_key, err)) ||
           err_add(err, "open the home of VM '%s'", vm->uuid);
}

bool home_load(struct vm *vm, struct err *err)
{
    return load(vm, NULL, err);
}

bool home_recover(struct vm *vm, const struct secret *recovery_key, struct err *err)
{
    return load(vm, recovery_key, err);
}

bool home_look(const struct vm *vm, struct chest_about *out, struct err *err)
{
    AUTO(drop_free) char *name = object_name(vm);
    AUTO(drop_free) char *bytes = NULL;
    struct store *store = NULL;
    size_t length = 0;

    return (agent_store(vm->agent, &store, err) &&
            vm->agent->backend->objects->read(store, name, &bytes, &length, NULL, err) &&
            chest_look((const unsigned char *)bytes, length, out, NULL, err)) ||
           err_add(err, "look at the home of VM '%s'", vm->uuid);
}

bool home_prove(struct vm *vm, bool *out_encrypted, struct err *err)
{
    AUTO(drop_free) char *name = object_name(vm);
    AUTO(drop_free) char *bytes = NULL;
    AUTO(drop_chest) struct chest *home = NULL;
    struct err fault = {0};
    struct store *store = NULL;
    size_t length = 0;

    if (!agent_store(vm->agent, &store, err) ||
        !vm->agent->backend->objects->read(store, name, &bytes, &length, NULL, err)) {
        return err_add(err, "read the home of VM '%s'", vm->uuid);
    }
    *out_encrypted =
        chest_open((const unsigned char *)bytes, length, vm->uuid, 1, vm->key, &home, &fault);
    return true;
}

/* ---- another key ---- */

bool home_renew(struct vm *vm, struct vm *next, struct err *err)
{
    int64_t generation = 0;

    next->agent = vm->agent;
    memcpy(next->uuid, vm->uuid, UUID_SIZE);
    next->config = json_deep_copy(vm->config);
    return generation_of(vm->envelope, &generation, err) && vm_tpm(vm, &next->tpm, err) &&
           secret_random(VM_KEY_SIZE, &next->key, err) &&
           home_wrap(next, generation + 1, &next->envelope, err) &&
           home_wrap_recovery(next, generation + 1, &next->recovery, err);
}

void home_discard(struct vm *next)
{
    secret_free(TAKE(next->key));
    secret_free(TAKE(next->tpm));
    json_decref(TAKE(next->config));
    free(TAKE(next->envelope));
    free(TAKE(next->recovery));
}

/* Whether a write whose answer was lost has landed: the home opens with the new key. */
static bool has_landed(struct vm *next, bool *out, struct err *err)
{
    AUTO(drop_free) char *name = object_name(next);
    AUTO(drop_free) char *bytes = NULL;
    AUTO(drop_chest) struct chest *home = NULL;
    struct store *store = NULL;
    struct err other = {0};
    uint64_t version = 0;
    size_t length = 0;

    if (!agent_store(next->agent, &store, err) ||
        !next->agent->backend->objects->read(store, name, &bytes, &length, &version, err)) {
        return false;
    }
    *out = chest_open((const unsigned char *)bytes, length, next->uuid, next->generation + 1,
                      next->key, &home, &other);
    if (*out) {
        next->version = version;
        next->generation++;
        note_seen(next);
    }
    return true;
}

static bool write_next(struct vm *next, struct err *err)
{
    struct err away = {0};
    bool landed = false;

    if (write_home(next, next->version, err)) {
        return true;
    }
    if (!has_landed(next, &landed, &away)) {
        err->kind = ERR_AWAY;
        return false;
    }
    return landed;
}

bool home_switch(struct vm *vm, struct vm *next, struct err *err)
{
    pthread_mutex_lock(&vm->lock);
    next->files = vm->files;
    next->version = vm->version;
    next->generation = vm->generation;
    bool stored = write_next(next, err);

    next->files = NULL;
    if (stored) {
        json_t *config = vm->config;
        char *envelope = vm->envelope, *recovery = vm->recovery;
        struct secret *key = vm->key, *tpm = vm->tpm;

        vm->config = next->config, vm->envelope = next->envelope, vm->recovery = next->recovery;
        vm->key = next->key, vm->tpm = next->tpm;
        vm->version = next->version, vm->generation = next->generation;
        vm->unseen = next->unseen;
        vm->cached = 0;
        next->config = config, next->envelope = envelope, next->recovery = recovery;
        next->key = key, next->tpm = tpm;
    }
    pthread_mutex_unlock(&vm->lock);
    struct err kept = {0};

    if (stored && !cached_drop(vm, &kept)) {
        log_err(&kept); /* of the old envelope: of no use beside the new one */
    }
    return stored;
}
