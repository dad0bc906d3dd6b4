/* SPDX-License-Identifier: Apache-2.0 */
/* The proof over a VM's disks and home: the part of agent/disk.h that only reads. */
#include <string.h>

#include "agent/disk.h"
#include "agent/home.h"

struct reader {
    frames_read *read;
    void *context;
};

static bool read_blocks(const struct reader *from, struct blocks **out, struct err *err)
{
    AUTO(drop_text) struct text body = {0};
    char piece[65536];
    size_t length = 1;

    while (length > 0) {
        if (!from->read(from->context, piece, sizeof(piece), &length, err)) {
            return false;
        }
        if (body.length + length > BLOCKS_MAX_BYTES) {
            return err_set(err, ERR_INPUT, "the set of block digests is over %zu bytes",
                           BLOCKS_MAX_BYTES);
        }
        text_add_bytes(&body, piece, length);
    }
    if (body.length == 0) {
        *out = NULL;
        return true;
    }
    return blocks_read((const unsigned char *)body.bytes, body.length, out, err);
}

static json_t *disk_json(const char *name, const struct proof_result *result)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:b}", "name", name, "header", result->header,
        "cipher", result->cipher, "key_bits", (int)result->key_bits, "bytes_examined",
        (json_int_t)result->bytes_examined, "plain_blocks", (json_int_t)result->plain_blocks,
        "known_blocks", (json_int_t)result->known_blocks, "zero_blocks",
        (json_int_t)result->zero_blocks, "encrypted", result->encrypted);

    if (result->first_plain != UINT64_MAX) {
        json_object_set_new(object, "first_plain", json_integer((json_int_t)result->first_plain));
    }
    if (result->header_fault[0]) {
        json_object_set_new(object, "fault", json_string(result->header_fault));
    }
    return object;
}

bool disk_examine(struct vm *vm, const json_t *entry, struct blocks *plain,
                  const struct progress *progress, struct proof_result *out, struct err *err)
{
    const struct store_backend *backend = vm->agent->backend;
    AUTO(drop_free) char *name = disk_image_name(vm, entry);
    struct store *store = NULL;
    struct medium raw = {.io = backend->io};

    if (!agent_store(vm->agent, &store, err) ||
        !backend->images->open(store, name, NULL, false, &raw.image, err)) {
        return false;
    }
    bool done = proof(&(struct proof){.uuid = json_string_or(entry, "uuid", ""),
                                      .raw = raw,
                                      .plain = plain,
                                      .progress = progress},
                      out, err);

    backend->images->close(raw.image);
    return done;
}

/* Each disk's share of the progress. */
struct share {
    const struct progress *all;
    size_t index, count;
};

static void tell_share(void *context, unsigned percent, const char *what)
{
    const struct share *share = context;

    progress_tell(share->all, (unsigned)((share->index * 100 + percent) / share->count), what);
}

static bool prove_all(struct vm *vm, struct blocks *plain, struct making *making, struct err *err)
{
    json_t *entries = json_object_get(vm->config, "disks"), *entry;
    json_t *disks = json_array();
    bool home = false, all = json_array_size(entries) > 0;
    struct share share = {making->progress, 0, json_array_size(entries)};
    const struct progress progress = {tell_share, &share};

    making->result = json_object();
    json_object_set_new(making->result, "disks", disks);
    json_array_foreach(entries, share.index, entry)
    {
        struct proof_result result = {0};

        if (!disk_examine(vm, entry, plain, &progress, &result, err)) {
            return err_add(err, "prove disk '%s'", json_string_or(entry, "name", ""));
        }
        all = all && result.encrypted;
        json_array_append_new(disks, disk_json(json_string_or(entry, "name", ""), &result));
    }
    if (!home_prove(vm, &home, err)) {
        return false;
    }
    json_object_set_new(making->result, "home", json_pack("{s:b}", "encrypted", home));
    json_object_set_new(making->result, "encrypted", json_boolean(all && home));
    return true;
}

bool disk_prove(struct agent *agent, const char *uuid, frames_read *read, void *context,
                struct making *making, struct err *err)
{
    const struct reader reader = {read, context};
    AUTO(drop_blocks) struct blocks *plain = NULL;
    struct vm *vm = NULL;

    if (!read_blocks(&reader, &plain, err)) {
        return false;
    }
    pthread_mutex_lock(&agent->work);
    bool proven =
        vm_find(agent, uuid, &vm, err) && vm_open(vm, err) && prove_all(vm, plain, making, err);
    pthread_mutex_unlock(&agent->work);
    return proven;
}
