/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/disk.h"

#include <string.h>

char *disk_image_name(const struct vm *vm, const json_t *entry)
{
    const char *image = json_string_or(entry, "image", NULL);

    return image ? text_copy(image)
                 : text_make("vm-%s-%s", vm->uuid, json_string_or(entry, "name", ""));
}

/* An open image of the datastore, closed where its scope ends. */
struct opened {
    const struct store_images *images;
    struct medium medium;
};

static void drop_opened(struct opened *opened)
{
    if (opened->medium.image) {
        opened->images->close(opened->medium.image);
    }
}

static bool image_open(const struct vm *vm, const char *name, const struct secret *passphrase,
                       bool writable, struct opened *out, struct err *err)
{
    const struct store_backend *backend = vm->agent->backend;
    struct store *store = NULL;

    out->images = backend->images;
    out->medium.io = backend->io;
    return agent_store(vm->agent, &store, err) &&
           backend->images->open(store, name, passphrase, writable, &out->medium.image, err);
}

/* The generation of the envelope is the disks' as well: a rekey raises both. */
static bool wanted_header(const struct vm *vm, const json_t *entry, struct header_want *out,
                          struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;

    if (!json_get_string(entry, "uuid", UUID_SIZE, &out->uuid, err) ||
        !envelope_read(vm->envelope, strlen(vm->envelope), &envelope, err)) {
        return false;
    }
    out->generation = envelope_about(envelope)->generation;
    return true;
}

bool disk_check(const struct vm *vm, const json_t *entry, struct err *err)
{
    const char *disk = json_string_or(entry, "name", "");
    AUTO(drop_free) char *name = disk_image_name(vm, entry);
    AUTO(drop_opened) struct opened raw = {0};
    AUTO(drop_free) unsigned char *bytes = text_room(HEADER_SIZE, 1);
    struct header_want want;

    return (wanted_header(vm, entry, &want, err) && image_open(vm, name, NULL, false, &raw, err) &&
            medium_read(&raw.medium, 0, bytes, HEADER_SIZE, err) &&
            header_open(bytes, HEADER_SIZE, &want, vm->key, NULL, err)) ||
           err_add(err, "the header of disk '%s'", disk);
}

bool disk_look(const struct vm *vm, const json_t *entry, struct header_facts *out, struct err *err)
{
    const char *disk = json_string_or(entry, "name", "");
    AUTO(drop_free) char *name = disk_image_name(vm, entry);
    AUTO(drop_opened) struct opened raw = {0};
    AUTO(drop_free) unsigned char *bytes = text_room(HEADER_SIZE, 1);

    return (image_open(vm, name, NULL, false, &raw, err) &&
            medium_read(&raw.medium, 0, bytes, HEADER_SIZE, err) &&
            header_look(bytes, HEADER_SIZE, json_string_or(entry, "uuid", ""), out, err)) ||
           err_add(err, "the header of disk '%s'", disk);
}

static bool exchange(const struct vm *vm, const struct medium *raw, const struct header_want *want,
                     const struct header_plan *plan, struct err *err)
{
    AUTO(drop_free) unsigned char *before = text_room(HEADER_SIZE, 1);
    AUTO(drop_free) unsigned char *after = NULL;

    return medium_read(raw, 0, before, HEADER_SIZE, err) &&
           header_rewrap(before, HEADER_SIZE, want, vm->key, plan, &after, err) &&
           medium_write(raw, 0, after, HEADER_SIZE, err) && raw->io->flush(raw->image, err);
}

static bool exchange_locked(const struct vm *vm, const char *image, const struct header_want *want,
                            const struct header_plan *plan, struct err *err)
{
    AUTO(drop_opened) struct opened raw = {0};
    const struct image_io *io = vm->agent->backend->io;
    struct err ignored = {0};

    if (!image_open(vm, image, NULL, true, &raw, err) || !io->lock(raw.medium.image, err)) {
        return false;
    }
    bool done = exchange(vm, &raw.medium, want, plan, err);

    return io->unlock(raw.medium.image, done ? err : &ignored) && done;
}

/* By another opening of the image: what is on the disks, not what a client remembers. */
static bool read_back(const struct vm *vm, const char *image, const struct header_want *want,
                      struct err *err)
{
    AUTO(drop_opened) struct opened raw = {0};
    AUTO(drop_free) unsigned char *bytes = text_room(HEADER_SIZE, 1);

    return (image_open(vm, image, NULL, false, &raw, err) &&
            medium_read(&raw.medium, 0, bytes, HEADER_SIZE, err) &&
            header_open(bytes, HEADER_SIZE, want, vm->key, NULL, err)) ||
           err_add(err, "read the new header back");
}

bool disk_rewrap(const struct vm *vm, const json_t *entry, const struct header_plan *plan,
                 struct err *err)
{
    const char *disk = json_string_or(entry, "name", "");
    AUTO(drop_free) char *image = disk_image_name(vm, entry);
    struct header_plan full = *plan;
    struct header_want want;

    if (!wanted_header(vm, entry, &want, err)) {
        return false;
    }
    full.uuid = want.uuid;
    const struct header_want after = {.uuid = want.uuid, .generation = plan->generation};

    return (exchange_locked(vm, image, &want, &full, err) && read_back(vm, image, &after, err)) ||
           err_add(err, "rewrap the header of disk '%s'", disk);
}

/* The decrypted view for the pour's comparison. */
struct reading {
    const struct vm *vm;
    const char *image;
};

static bool reader_open(void *context, const struct secret *passphrase, struct medium *out,
                        struct err *err)
{
    const struct reading *reading = context;
    struct opened opened = {0};

    if (!image_open(reading->vm, reading->image, passphrase, false, &opened, err)) {
        return false;
    }
    *out = opened.medium;
    return true;
}

static void reader_close(void *context, struct medium *reader)
{
    const struct reading *reading = context;

    reading->vm->agent->backend->images->close(reader->image);
}

/* An image of an earlier, interrupted pour goes first: where nothing is written must be nothing. */
static bool image_fresh(const struct vm *vm, const char *name, uint64_t bytes, struct err *err)
{
    const struct store_images *images = vm->agent->backend->images;
    struct store *store = NULL;

    return agent_store(vm->agent, &store, err) && images->remove(store, name, NULL, err) &&
           images->create(store, name, HEADER_SIZE + bytes, err);
}

static bool pour_locked(const struct vm *vm, const json_t *entry, struct source *source,
                        const char *image, struct medium raw, struct making *making,
                        struct err *err)
{
    struct reading reading = {vm, image};
    struct pour_result result = {0};
    struct header_want want;

    if (!wanted_header(vm, entry, &want, err)) {
        return false;
    }
    const struct header_plan plan = {.uuid = want.uuid,
                                     .envelope = vm->envelope,
                                     .recovery = vm->recovery,
                                     .generation = want.generation};
    const struct pour order = {.source = source,
                               .disk_size =
                                   (uint64_t)json_integer_value(json_object_get(entry, "bytes")),
                               .plan = &plan,
                               .vm_key = vm->key,
                               .raw = raw,
                               .skip_zero = vm->agent->host.holes_proven,
                               .progress = making->progress,
                               .reader_open = reader_open,
                               .reader_close = reader_close,
                               .context = &reading};

    if (!pour(&order, &result, err)) {
        return false;
    }
    making->result =
        json_pack("{s:I, s:I, s:I, s:I, s:s}", "content", (json_int_t)result.content, "written",
                  (json_int_t)result.written, "skipped", (json_int_t)result.skipped, "compared",
                  (json_int_t)result.compared, "engine", result.engine);
    return true;
}

static bool pour_into(const struct vm *vm, const json_t *entry, struct source *source,
                      struct making *making, struct err *err)
{
    AUTO(drop_free) char *image = disk_image_name(vm, entry);
    AUTO(drop_opened) struct opened raw = {0};
    const struct image_io *io = vm->agent->backend->io;
    int64_t bytes;
    struct err ignored = {0};

    if (!json_get_integer(entry, "bytes", 1, INT64_MAX / 2, &bytes, err) ||
        !image_fresh(vm, image, (uint64_t)bytes, err) ||
        !image_open(vm, image, NULL, true, &raw, err) || !io->lock(raw.medium.image, err)) {
        return false;
    }
    bool poured = pour_locked(vm, entry, source, image, raw.medium, making, err);

    return io->unlock(raw.medium.image, poured ? err : &ignored) && poured;
}

/* Whether it was poured, and what the datastore holds opens with the VM's key. A disk that was
 * poured is never poured again: whatever hides its header today, its content may be all there is.
 */
static bool look(struct vm *vm, const json_t *entry, bool *out_poured, struct err *err)
{
    bool poured = json_is_true(json_object_get(entry, "poured"));

    if (poured && !disk_check(vm, entry, err)) {
        return err_mend(err, "nothing was changed; docs/recovery.md says how to look at the disk, "
                             "quoin destroy gives it up");
    }
    /* The home may not say so yet. */
    if (poured && !vm_save_again(vm, err)) {
        return false;
    }
    *out_poured = poured;
    return true;
}

static bool pour_disk(struct vm *vm, json_t *entry, struct source *source, struct making *making,
                      struct err *err)
{
    if (!pour_into(vm, entry, source, making, err)) {
        return err_add(err, "pour disk '%s'", json_string_or(entry, "name", ""));
    }
    making->changed = true;
    vm_note(vm, entry, "poured", json_true());
    return vm_save(vm, err);
}

bool disk_pour_blank(struct vm *vm, const char *disk, struct making *making, struct err *err)
{
    AUTO(drop_source) struct source source = {0};
    json_t *entry = NULL;
    bool poured = false;

    if (!vm_open(vm, err) || !vm_disk(vm, disk, &entry, err) || !look(vm, entry, &poured, err)) {
        return false;
    }
    return poured || (source_blank(&source, err) && pour_disk(vm, entry, &source, making, err));
}

bool disk_pour_bytes(struct vm *vm, const char *disk, const struct secret *bytes,
                     struct making *making, struct err *err)
{
    AUTO(drop_source) struct source source = {0};
    json_t *entry = NULL;
    bool poured = false;

    if (!vm_open(vm, err) || !vm_disk(vm, disk, &entry, err) || !look(vm, entry, &poured, err)) {
        return false;
    }
    return poured ||
           (source_secret(bytes, &source, err) && pour_disk(vm, entry, &source, making, err));
}

/* The peer sends on; what it sends is not needed. */
static bool drain(frames_read *read, void *context, struct err *err)
{
    char piece[16384];
    size_t length = 1;

    while (length > 0) {
        if (!read(context, piece, sizeof(piece), &length, err)) {
            return false;
        }
    }
    return true;
}

static bool pour_image_locked(struct agent *agent, const char *uuid, const char *disk,
                              frames_read *read, void *context, struct making *making,
                              struct err *err)
{
    AUTO(drop_source) struct source source = {0};
    struct vm *vm = NULL;
    json_t *entry = NULL;
    bool poured = false;

    if (!vm_find(agent, uuid, &vm, err) || !vm_open(vm, err) || !vm_disk(vm, disk, &entry, err) ||
        !look(vm, entry, &poured, err)) {
        return false;
    }
    if (poured) {
        return drain(read, context, err);
    }
    return source_frames(read, context, &source, err) && pour_disk(vm, entry, &source, making, err);
}

bool disk_pour_image(struct agent *agent, const char *vm, const char *disk, frames_read *read,
                     void *context, struct making *making, struct err *err)
{
    pthread_mutex_lock(&agent->work);
    bool poured = pour_image_locked(agent, vm, disk, read, context, making, err);
    pthread_mutex_unlock(&agent->work);
    return poured;
}

/* ---- to another image ---- */

/* The home, which is sealed, says how large a disk is; what the datastore says is held against it
 * before anything is made by it. */
static bool check_size(const struct opened *raw, const json_t *entry, uint64_t *out,
                       struct err *err)
{
    int64_t bytes = 0;
    uint64_t size = 0;

    if (!json_get_integer(entry, "bytes", 1, INT64_MAX / 2, &bytes, err) ||
        !raw->medium.io->size(raw->medium.image, &size, err)) {
        return false;
    }
    *out = (uint64_t)bytes;
    return size == HEADER_SIZE + (uint64_t)bytes ||
           err_set(err, ERR_CLASH, "its image has %llu bytes, and its home says %llu",
                   (unsigned long long)size, (unsigned long long)(HEADER_SIZE + (uint64_t)bytes));
}

static bool open_sealed(const struct vm *vm, const json_t *entry, struct opened *raw,
                        struct secret **out_dek, struct err *err)
{
    AUTO(drop_free) char *name = disk_image_name(vm, entry);
    AUTO(drop_free) unsigned char *bytes = text_room(HEADER_SIZE, 1);
    struct header_want want;
    uint64_t size = 0;

    return wanted_header(vm, entry, &want, err) && image_open(vm, name, NULL, false, raw, err) &&
           check_size(raw, entry, &size, err) &&
           medium_read(&raw->medium, 0, bytes, HEADER_SIZE, err) &&
           header_open(bytes, HEADER_SIZE, &want, vm->key, out_dek, err);
}

bool disk_copy(const struct vm *vm, const json_t *from, const struct vm *next, const json_t *to,
               uint64_t limit, const struct progress *progress, uint64_t *out_written,
               struct err *err)
{
    AUTO(drop_opened) struct opened raw = {0};
    AUTO(drop_secret) struct secret *dek = NULL;
    AUTO(drop_source) struct source source = {0};
    struct making making = {.progress = progress};
    bool copied = open_sealed(vm, from, &raw, &dek, err) &&
                  source_sealed(&raw.medium, dek, limit, &source, err) &&
                  pour_into(next, to, &source, &making, err);

    if (copied) {
        *out_written = (uint64_t)json_integer_value(json_object_get(making.result, "written"));
    }
    json_decref(making.result);
    return copied || err_add(err, "copy disk '%s'", json_string_or(from, "name", ""));
}

bool disk_bytes(const struct vm *vm, const json_t *entry, uint64_t *out, struct err *err)
{
    AUTO(drop_free) char *name = disk_image_name(vm, entry);
    AUTO(drop_opened) struct opened raw = {0};
    uint64_t size = 0, there = 0;

    if (!image_open(vm, name, NULL, false, &raw, err) || !check_size(&raw, entry, &size, err) ||
        !source_sealed_bytes(&raw.medium, &there, err)) {
        return err_add(err, "the size of disk '%s'", json_string_or(entry, "name", ""));
    }
    *out = there < size ? there : size; /* extents are the datastore's word as well */
    return true;
}
