/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/vm_domain.h"

#include <string.h>
#include <time.h>

#include "agent/disk.h"
#include "base/hkdf.h"

void vm_domain_clear(struct vm_domain *domain)
{
    for (size_t i = 0; i < DOMAIN_MAX_DISKS; i++) {
        store_attachment_clear(&domain->attachments[i]);
        secret_free(domain->owned[i]);
    }
    secret_free(domain->owned[DOMAIN_MAX_DISKS]);
}

bool vm_tpm(const struct vm *vm, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *raw = NULL;

    if (vm->tpm) {
        return secret_copy(vm->tpm, out, err);
    }
    return hkdf_derive(vm->key, SPAN_NONE, span_text("tpm"), 32, &raw, err) &&
           secret_to_hex(raw, out, err);
}

static bool add_disk(struct vm *vm, struct store *store, json_t *disk, size_t i,
                     struct vm_domain *out, struct err *err)
{
    const char *name = json_string_or(disk, "name", "");
    AUTO(drop_free) char *image = disk_image_name(vm, disk);
    struct store_attachment *attachment = &out->attachments[i];

    if (!json_is_true(json_object_get(disk, "poured"))) {
        return err_set(err, ERR_ABSENT, "disk '%s' is not poured yet", name);
    }
    if (!disk_check(vm, disk, err) ||
        !vm->agent->backend->images->attachment(store, image, attachment, err) ||
        !header_passphrase(vm->key, json_string_or(disk, "uuid", ""), &out->owned[i], err)) {
        return err_add(err, "disk '%s'", name);
    }
    out->keys.disks[i] = out->owned[i];
    out->domain.disks[i] = (struct domain_disk){
        .name = name, .source = attachment->source, .read_only = strcmp(name, "identity") == 0};
    return true;
}

static bool add_disks(struct vm *vm, struct vm_domain *out, struct err *err)
{
    const json_t *disks = json_object_get(vm->config, "disks");
    struct store *store = NULL;

    out->domain.disk_count = json_array_size(disks);
    if (out->domain.disk_count == 0 || out->domain.disk_count > DOMAIN_MAX_DISKS) {
        return err_set(err, ERR_INPUT, "a VM has 1 to %d disks", DOMAIN_MAX_DISKS);
    }
    if (!agent_store(vm->agent, &store, err)) {
        return false;
    }
    for (size_t i = 0; i < out->domain.disk_count; i++) {
        if (!add_disk(vm, store, json_array_get(disks, i), i, out, err)) {
            return false;
        }
    }
    const struct store_attachment *first = &out->attachments[0];

    out->domain.storage =
        (struct domain_storage){first->protocol, first->user, first->conf, first->hosts};
    out->keys.storage = first->key;
    return true;
}

bool vm_domain_make(struct vm *vm, struct vm_domain *out, struct err *err)
{
    const json_t *network = json_object_get(vm->config, "network");
    const char *bridge, *name, *accel;
    int64_t cpus, memory;

    if (!json_get_string(vm->config, "name", DOMAIN_MAX_NAME, &name, err) ||
        !json_get_string(vm->config, "accel", 8, &accel, err) ||
        !json_get_integer(vm->config, "cpus", 1, DOMAIN_MAX_CPUS, &cpus, err) ||
        !json_get_integer(vm->config, "memory", DOMAIN_MIN_MEMORY, DOMAIN_MAX_MEMORY, &memory,
                          err) ||
        !json_get_string(network, "bridge", 15, &bridge, err)) {
        return err_add(err, "the configuration");
    }
    out->domain = (struct domain){.uuid = vm->uuid,
                                  .name = name,
                                  .kvm = strcmp(accel, "kvm") == 0,
                                  .cpus = (unsigned)cpus,
                                  .memory = (unsigned)memory,
                                  .bridge = bridge,
                                  .started = time(NULL)};
    if (!vm_tpm(vm, &out->owned[DOMAIN_MAX_DISKS], err)) {
        return false;
    }
    out->keys.tpm = out->owned[DOMAIN_MAX_DISKS];
    return add_disks(vm, out, err);
}
