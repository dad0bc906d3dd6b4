/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A datastore in a folder: FOLDER/images/NAME, FOLDER/objects/NAME with its version in
 * FOLDER/versions/NAME. Images are decrypted as librbd does it: by the keyslot in their header.
 */
#include <dirent.h>
#include <libcryptsetup.h>

#include "base/secret_open.h"
#include "seal/file_image.h"
#include "world.h"

struct fake_store fake_store;

/* Each decrypted view stands on a raw image that lives as long. */
#define MAX_VIEWS 8
static struct {
    struct image *view, *raw;
} views[MAX_VIEWS];

static char *path_of(const char *kind, const char *name)
{
    return text_make("%s/%s/%s", fake_store.folder, kind, name);
}

char *fake_store_image(const char *name)
{
    return path_of("images", name);
}

char *fake_store_object(const char *name)
{
    return path_of("objects", name);
}

void fake_store_begin(const char *folder)
{
    static const char *const kinds[] = {"images", "objects", "versions"};
    struct err err = {0};

    fake_store = (struct fake_store){.folder = folder, .holes = true};
    fake_leases = (struct fake_leases){.now = 0};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        AUTO(drop_free) char *path = text_make("%s/%s", folder, kinds[i]);

        assert_true(file_make_folder(path, 0700, &err));
    }
}

static bool answers(struct err *err)
{
    return !fake_store.away || err_set(err, ERR_AWAY, "the datastore does not answer");
}

static bool list_folder(const char *kind, const char *prefix, json_t **out, struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/%s", fake_store.folder, kind);
    struct dirent **entries = NULL;
    int count = answers(err) ? scandir(path, &entries, NULL, alphasort) : -1;

    if (count < 0) {
        return false;
    }
    *out = json_array();
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.' && text_starts(entries[i]->d_name, prefix)) {
            json_array_append_new(*out, json_string(entries[i]->d_name));
        }
        free(entries[i]);
    }
    free(entries);
    return true;
}

/* ---- images ---- */

static bool image_create(struct store *store, const char *name, uint64_t size, struct err *err)
{
    AUTO(drop_free) char *path = fake_store_image(name);
    AUTO(drop_file_image) struct image *image = NULL;

    (void)store;
    return answers(err) && file_image_open(path, size, &image, err);
}

static bool image_remove(struct store *store, const char *name, const struct progress *progress,
                         struct err *err)
{
    AUTO(drop_free) char *path = fake_store_image(name);

    (void)store;
    (void)progress;
    return answers(err) && file_remove(path, err);
}

static bool image_look(struct store *store, const char *name, uint64_t *out_size, struct err *err)
{
    AUTO(drop_free) char *path = fake_store_image(name);
    AUTO(drop_file_image) struct image *image = NULL;
    uint64_t size;

    (void)store;
    return answers(err) && file_image_open(path, 0, &image, err) &&
           file_image_io.size(image, out_size ? out_size : &size, err);
}

static bool image_list(struct store *store, json_t **out, struct err *err)
{
    (void)store;
    return list_folder("images", "", out, err);
}

/* The data key in the header of the file, which the passphrase opens. */
bool fake_store_key(const char *path, const struct secret *passphrase, struct secret **out,
                    struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    struct crypt_device *device = NULL;
    size_t size = HEADER_DEK_SIZE;

    if (!secret_new(size, &key, err)) {
        return false;
    }
    bool ok =
        crypt_init(&device, path) == 0 && crypt_load(device, CRYPT_LUKS2, NULL) == 0 &&
        crypt_volume_key_get(device, 0, (char *)secret_bytes(key), &size,
                             (const char *)secret_look(passphrase), secret_size(passphrase)) >= 0;

    crypt_free(device);
    if (!ok) {
        return err_set(err, ERR_DENIED, "the passphrase does not open '%s'", path);
    }
    *out = TAKE(key);
    return true;
}

static bool open_view(const char *path, const struct secret *passphrase, struct image **raw,
                      struct image **out, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    const struct medium medium = {&file_image_io, *raw};
    size_t i = 0;

    while (i < MAX_VIEWS && views[i].view) {
        i++;
    }
    assert_true(i < MAX_VIEWS);
    if (!fake_store_key(path, passphrase, &key, err) ||
        !file_image_decrypted(&medium, key, &views[i].view, err)) {
        return false;
    }
    views[i].raw = TAKE(*raw);
    *out = views[i].view;
    return true;
}

static bool image_open(struct store *store, const char *name, const struct secret *passphrase,
                       bool writable, struct image **out, struct err *err)
{
    AUTO(drop_free) char *path = fake_store_image(name);
    AUTO(drop_file_image) struct image *raw = NULL;

    (void)store;
    (void)writable;
    if (!answers(err) || !file_image_open(path, 0, &raw, err)) {
        return false;
    }
    if (passphrase) {
        return open_view(path, passphrase, &raw, out, err);
    }
    *out = TAKE(raw);
    return true;
}

static void image_close(struct image *image)
{
    for (size_t i = 0; i < MAX_VIEWS; i++) {
        if (views[i].view == image) {
            file_image_close(TAKE(views[i].raw));
            views[i].view = NULL;
        }
    }
    file_image_close(image);
}

static bool image_attachment(struct store *store, const char *name, struct store_attachment *out,
                             struct err *err)
{
    (void)store;
    if (!answers(err) || !secret_random(16, &out->key, err)) {
        return false;
    }
    out->protocol = "fake";
    out->source = text_make("pool/%s", name);
    out->user = text_copy("quoin");
    out->conf = text_copy("/etc/fake.conf");
    out->hosts = text_copy("127.0.0.1:3300");
    return true;
}

static bool image_write(struct image *image, uint64_t offset, const void *bytes, size_t length,
                        image_done *done, void *context, struct err *err)
{
    if (!fake_change_begins(err) ||
        !file_image_io.write_at(image, offset, bytes, length, done, context, err)) {
        return false;
    }
    fake_change_is_made();
    return true;
}

/* ---- objects ---- */

static uint64_t version_of(const char *name)
{
    AUTO(drop_free) char *path = path_of("versions", name);
    AUTO(drop_free) char *text = NULL;
    struct err err = {0};

    return file_read(path, 32, &text, NULL, &err) ? strtoull(text, NULL, 10) : 0;
}

static bool object_read(struct store *store, const char *name, char **out, size_t *out_length,
                        uint64_t *out_version, struct err *err)
{
    AUTO(drop_free) char *path = fake_store_object(name);

    (void)store;
    if (!answers(err) || !file_read(path, STORE_MAX_OBJECT, out, out_length, err)) {
        return false;
    }
    if (out_version) {
        *out_version = version_of(name);
    }
    return true;
}

static bool object_write(struct store *store, const char *name, const void *bytes, size_t length,
                         uint64_t expect, uint64_t *out_version, struct err *err)
{
    AUTO(drop_free) char *path = fake_store_object(name), *version_path = path_of("versions", name);
    bool there = file_exists(path);
    uint64_t version = there ? version_of(name) : 0;

    (void)store;
    if (!answers(err) || !fake_change_begins(err)) {
        return false;
    }
    if (fake_store.full) {
        return err_set(err, ERR_AWAY, "the datastore takes no writes now");
    }
    if (expect != STORE_ANY && expect != version) {
        return err_set(err, ERR_CLASH, "'%s' has another version", name);
    }
    AUTO(drop_free) char *text = text_make("%llu", (unsigned long long)version_of(name) + 1);

    if (!file_write(path, bytes, length, 0600, err) ||
        !file_write(version_path, text, strlen(text), 0600, err)) {
        return false;
    }
    if (out_version) {
        *out_version = version_of(name);
    }
    fake_change_is_made();
    return true;
}

static bool object_remove(struct store *store, const char *name, struct err *err)
{
    AUTO(drop_free) char *path = fake_store_object(name);

    (void)store;
    return answers(err) && file_remove(path, err);
}

static bool object_list(struct store *store, const char *prefix, json_t **out, struct err *err)
{
    (void)store;
    return list_folder("objects", prefix, out, err);
}

/* ---- the datastore comes and goes ---- */

static bool build_begin(const struct store_conf *conf, const struct progress *progress,
                        struct err *err)
{
    (void)conf;
    (void)progress;
    fake_store.begun = true;
    return answers(err);
}

/* The room's own function: a disk is there when its path begins with /dev/. */
bool disk_find(const struct disk_name *name, struct disk *out, struct err *err)
{
    if (!name->path || !text_starts(name->path, "/dev/")) {
        return err_set(err, ERR_ABSENT, "there is no such disk");
    }
    *out = (struct disk){.content = fake_store.disk ? DISK_MEMBER : DISK_EMPTY};
    (void)snprintf(out->identity, sizeof(out->identity), "path-%.200s", name->path);
    return true;
}

static bool build_disk(const struct store_conf *conf, const struct disk_order *order,
                       const struct progress *progress, unsigned *out_member, struct err *err)
{
    (void)conf;
    (void)progress;
    if (!order->consent && !fake_store.disk) {
        return err_set(err, ERR_CLASH, "the disk holds data");
    }
    fake_store.disk = true;
    *out_member = 0;
    return answers(err);
}

static bool build_pool(const struct store_conf *conf, const struct progress *progress,
                       struct err *err)
{
    (void)conf;
    (void)progress;
    fake_store.pool = true;
    return answers(err);
}

static bool build_undo(const struct store_conf *conf, const struct progress *progress,
                       json_t **out_cleared, struct err *err)
{
    (void)conf;
    (void)progress;
    fake_store.begun = fake_store.disk = fake_store.pool = false;
    *out_cleared = json_pack("[s]", "/dev/fake");
    return answers(err);
}

/* ---- one of several hosts ---- */

static const char fake_keys[] = "the keys of the datastore";

static bool build_keys(const struct store_conf *conf, struct secret **out, struct err *err)
{
    (void)conf;
    if (!fake_store.pool) {
        return err_set(err, ERR_ABSENT, "there is no pool");
    }
    if (!secret_new(strlen(fake_keys), out, err)) {
        return false;
    }
    memcpy(secret_bytes(*out), fake_keys, strlen(fake_keys));
    return true;
}

static void note(char to[64], const char *name)
{
    (void)snprintf(to, 64, "%s", name);
}

static bool build_join(const struct store_conf *conf, const struct secret *keys,
                       const struct progress *progress, struct err *err)
{
    (void)progress;
    if (secret_size(keys) != strlen(fake_keys) ||
        memcmp(secret_look(keys), fake_keys, strlen(fake_keys)) != 0) {
        return err_set(err, ERR_INPUT, "the keys are damaged");
    }
    note(fake_store.joined, conf->host);
    return answers(err);
}

static bool build_monitor(const struct store_conf *conf, const struct progress *progress,
                          struct err *err)
{
    (void)progress;
    note(fake_store.monitor, conf->host);
    return answers(err);
}

static bool care_settle(const struct store_conf *conf, struct err *err)
{
    (void)err;
    fake_store.monitors = conf->monitor_count;
    return true;
}

static bool care_spread(const struct store_conf *conf, const struct progress *progress,
                        unsigned *out_copies, struct err *err)
{
    (void)progress;
    fake_store.copies = *out_copies = conf->replicas;
    return answers(err);
}

static bool care_leave(const struct store_conf *conf, const char *host, const char *address,
                       const struct progress *progress, struct err *err)
{
    (void)conf;
    (void)progress;
    note(fake_store.left_from, address ? address : "");
    note(fake_store.left, host);
    return answers(err);
}

static bool care_pause(const struct store_conf *conf, const char *host, bool on, struct err *err)
{
    (void)conf;
    (void)host;
    (void)on;
    return answers(err);
}

static bool fake_label(const unsigned char *head, size_t length, char out_cluster[UUID_SIZE],
                       char out_member[UUID_SIZE])
{
    (void)head;
    (void)length;
    (void)out_cluster;
    (void)out_member;
    return false;
}

static bool fake_look(const struct store_conf *conf, struct store_health *out, struct err *err)
{
    (void)conf;
    (void)err;
    *out = (struct store_health){
        .state = fake_store.away || !fake_store.begun ? STORE_AWAY : STORE_OK,
        .bytes_total = fake_store.small ? 1000 : (uint64_t)1 << 40,
        .bytes_used = 10,
        .disks_up = fake_store.disk ? 1 : 0,
        .clean = fake_store.pool,
        .members = json_pack("[{s:i, s:s, s:b}]", "id", 0, "disk", "/dev/fake", "up", 1)};
    if (fake_store.other[0]) {
        json_array_append_new(out->members, json_pack("{s:i, s:s, s:s, s:b}", "id", 1, "host",
                                                      fake_store.other, "disk", "", "up", 1));
    }
    if (fake_store.hosts) {
        out->hosts = json_deep_copy(fake_store.hosts);
    }
    return true;
}

/* As files have it, but that a test may come between. */
static struct image_io io;

/* Anything but NULL: the folder is all there is. */
static bool fake_open(const struct store_conf *conf, struct store **out, struct err *err)
{
    (void)conf;
    if (!answers(err)) {
        return false;
    }
    io = file_image_io;
    io.write_at = image_write;
    *out = (struct store *)(void *)&fake_store;
    return true;
}

static void fake_close(struct store *store)
{
    (void)store;
}

static bool fake_holes(struct store *store, bool *out_hold, struct err *err)
{
    (void)store;
    *out_hold = fake_store.holes;
    return answers(err);
}

static bool fake_fence(struct store *store, const char *image, struct err *err)
{
    (void)store;
    (void)image;
    return answers(err);
}

static const struct store_build build = {.begin = build_begin,
                                         .keys = build_keys,
                                         .join = build_join,
                                         .monitor = build_monitor,
                                         .disk = build_disk,
                                         .pool = build_pool,
                                         .undo = build_undo};
static const struct store_care care = {
    .settle = care_settle, .spread = care_spread, .leave = care_leave, .pause = care_pause};
static const struct store_images images = {image_create, image_remove, image_look,      image_list,
                                           image_open,   image_close,  image_attachment};
static const struct store_objects objects = {object_read, object_write, object_remove, object_list};

static const struct store_backend fake = {
    .type = "fake",
    .summary = "a folder",
    .label = fake_label,
    .look = fake_look,
    .open = fake_open,
    .close = fake_close,
    .holes = fake_holes,
    .fence = fake_fence,
    .build = &build,
    .care = &care,
    .images = &images,
    .io = &io,
    .objects = &objects,
    .leases = &fake_lease_backend,
};

const struct store_backend *const stores[] = {&fake, NULL};
