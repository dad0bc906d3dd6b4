/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: RBD, objects of 4 MiB, the exclusive lock and nothing else. No journal (encryption
 * forbids it) and no object map (it costs a write for each new object of a pour).
 */
#include "store/ceph_image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/secret_open.h"
#include "store/ceph_client.h"

#define FEATURES RBD_FEATURE_EXCLUSIVE_LOCK
#define ORDER    22 /* 4 MiB: STORE_OBJECT */
/* The cluster forgets a client that is silent for 30 s; then its watch on an image is gone. */
#define WATCH_SECONDS 35
#define MAX_WATCHERS  16
#define MAX_OWNERS    4
/* More disks than all VMs of the largest cluster have. */
#define MAX_LIST 100000u

_Static_assert(STORE_OBJECT == 1ull << ORDER, "the order is the size of an object");

static bool name_valid(const char *name, struct err *err)
{
    size_t length = strlen(name);

    return (length > 0 && length <= STORE_MAX_NAME && !strpbrk(name, "/@")) ||
           err_set(err, ERR_INPUT, "'%.100s' is no name of an image", name);
}

static bool image_look(struct store *store, const char *name, uint64_t *out_size, struct err *err)
{
    rbd_image_t rbd = NULL;
    uint64_t size = 0;

    if (!name_valid(name, err)) {
        return false;
    }
    int r = rbd_open_read_only(store->images, name, &rbd, NULL);

    if (r >= 0) {
        r = rbd_get_size(rbd, &size);
        rbd_close(rbd);
    }
    if (r < 0) {
        return ceph_errno(err, r, "look at image '%s'", name);
    }
    if (out_size) {
        *out_size = size;
    }
    return true;
}

static int create_plain(struct store *store, const char *name, uint64_t size)
{
    rbd_image_options_t options = NULL;
    int r = -ENOMEM;

    rbd_image_options_create(&options);
    if (options &&
        rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_FEATURES, FEATURES) == 0 &&
        rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_ORDER, ORDER) == 0) {
        r = rbd_create4(store->images, name, size, options);
    }
    rbd_image_options_destroy(options);
    return r;
}

static bool image_create(struct store *store, const char *name, uint64_t size, struct err *err)
{
    uint64_t there = 0;

    if (!name_valid(name, err)) {
        return false;
    }
    int r = create_plain(store, name, size);

    if (r < 0 && r != -EEXIST) {
        return ceph_errno(err, r, "make image '%s'", name);
    }
    if (!image_look(store, name, &there, err)) {
        return false;
    }
    if (there != size) {
        (void)err_set(err, ERR_CLASH, "image '%s' has %llu bytes, not %llu", name,
                      (unsigned long long)there, (unsigned long long)size);
        return err_mend(err, "Remove it, or choose another name.");
    }
    return true;
}

/* Addresses of those who have it open, for the error. */
static void list_watchers(struct store *store, const char *name, char *out, size_t room)
{
    AUTO(drop_text) struct text text = {0};
    rbd_image_watcher_t watchers[MAX_WATCHERS];
    size_t count = MAX_WATCHERS;
    rbd_image_t rbd = NULL;

    if (rbd_open_read_only(store->images, name, &rbd, NULL) == 0) {
        if (rbd_watchers_list(rbd, watchers, &count) == 0) {
            for (size_t i = 0; i < count; i++) {
                text_addf(&text, "%s%s", i ? ", " : "", watchers[i].addr);
            }
            rbd_watchers_list_cleanup(watchers, count);
        }
        rbd_close(rbd);
    }
    (void)snprintf(out, room, "%s", text.bytes ? text.bytes : "someone");
}

struct removal {
    const struct progress *progress;
    unsigned percent; /* that was told; librbd calls for every object */
};

static int tell_removed(uint64_t done, uint64_t all, void *context)
{
    struct removal *removal = context;
    unsigned percent = all ? (unsigned)(done * 100 / all) : 100;

    if (percent != removal->percent) {
        removal->percent = percent;
        progress_tell(removal->progress, percent, "remove the image");
    }
    return 0;
}

static bool image_remove(struct store *store, const char *name, const struct progress *progress,
                         struct err *err)
{
    int64_t stop = clock_ms() + 1000 * (int64_t)WATCH_SECONDS;
    struct removal removal = {progress, 0};
    char watchers[256];
    int r = 0;

    if (!name_valid(name, err)) {
        return false;
    }
    progress_tell(progress, 0, "remove the image");
    while ((r = rbd_remove_with_progress(store->images, name, tell_removed, &removal)) == -EBUSY &&
           clock_ms() < stop) {
        nanosleep(&(struct timespec){0, 200000000}, NULL);
    }
    if (r == -EBUSY) {
        list_watchers(store, name, watchers, sizeof(watchers));
        (void)err_set(err, ERR_CLASH, "image '%s' is open at %s", name, watchers);
        return err_mend(err, "Stop what uses it.");
    }
    return r >= 0 || r == -ENOENT || ceph_errno(err, r, "remove image '%s'", name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const rbd_image_spec_t *)a)->name, ((const rbd_image_spec_t *)b)->name);
}

static bool image_list(struct store *store, json_t **out, struct err *err)
{
    AUTO(drop_free) rbd_image_spec_t *images = text_room(MAX_LIST, sizeof(*images));
    size_t count = MAX_LIST;
    int r = rbd_list2(store->images, images, &count);

    if (r < 0) {
        return ceph_errno(err, r, "list images");
    }
    json_t *list = json_array();

    qsort(images, count, sizeof(*images), by_name);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_string(images[i].name));
    }
    rbd_image_spec_list_cleanup(images, count);
    *out = list;
    return true;
}

static bool decrypt(struct image *image, const struct secret *passphrase, struct err *err)
{
    /* librbd keeps a copy of it as long as it opens the keyslot: it has no other interface. */
    rbd_encryption_luks2_format_options_t options = {
        .alg = RBD_ENCRYPTION_ALGORITHM_AES256,
        .passphrase = (const char *)secret_look(passphrase),
        .passphrase_size = secret_size(passphrase),
    };
    int r = rbd_encryption_load(image->rbd, RBD_ENCRYPTION_FORMAT_LUKS2, &options, sizeof(options));

    if (r == -EPERM) {
        return err_set(err, ERR_DENIED, "the passphrase opens no keyslot of image '%s'",
                       image->name);
    }
    image->decrypted = r >= 0;
    return r >= 0 || ceph_errno(err, r, "open the encryption of image '%s'", image->name);
}

static void image_close(struct image *image)
{
    if (!image) {
        return;
    }
    if (image->rbd) {
        rbd_close(image->rbd);
    }
    free(image->name);
    free(image);
}

static bool image_open(struct store *store, const char *name, const struct secret *passphrase,
                       bool writable, struct image **out, struct err *err)
{
    AUTO(drop_image) struct image *image = text_room(1, sizeof(*image));

    image->name = text_copy(name);
    if (!name_valid(name, err)) {
        return false;
    }
    int r = writable ? rbd_open(store->images, name, &image->rbd, NULL)
                     : rbd_open_read_only(store->images, name, &image->rbd, NULL);

    if (r < 0) {
        image->rbd = NULL;
        return ceph_errno(err, r, "open image '%s'", name);
    }
    if (passphrase && !decrypt(image, passphrase, err)) {
        return false;
    }
    *out = TAKE(image);
    return true;
}

/* The monitors that there are now, of the file of settings: this connection may be older than most
 * of them, and a hypervisor that knew only a dead one would find no other. */
static char *monitors_now(const struct store *store)
{
    static const char word[] = "\nmon_host = ";
    AUTO(drop_free) char *file = NULL;
    AUTO(drop_text) struct text hosts = {0};
    struct err ignored = {0};
    char *rest = NULL;

    char *line = file_read(store->conf_path, CEPH_MAX_FILE, &file, NULL, &ignored)
                     ? strstr(file, word)
                     : NULL;
    if (!line) {
        return text_copy(store->hosts);
    }
    line += strlen(word);
    line[strcspn(line, "\n")] = '\0';
    for (char *one = strtok_r(line, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        size_t length = strlen(one);

        if (text_starts(one, "[v2:") && length > 5) {
            text_addf(&hosts, "%s%.*s", hosts.length ? " " : "", (int)length - 5, one + 4);
        }
    }
    return hosts.length ? text_take(&hosts) : text_copy(store->hosts);
}

static bool image_attachment(struct store *store, const char *name, struct store_attachment *out,
                             struct err *err)
{
    struct secret *key = NULL;

    if (!image_look(store, name, NULL, err) || !ceph_keyring_key(store->vm_key_path, &key, err)) {
        return false;
    }
    *out = (struct store_attachment){
        .protocol = "rbd",
        .source = text_make("%s/%s", store->pool, name),
        .user = text_copy(CEPH_VM),
        .conf = text_copy(store->conf_path),
        .hosts = monitors_now(store),
        .key = key,
    };
    return true;
}

/* From all who hold it, or from this client alone. */
static bool take_lock(struct store *store, const char *name, const char *from, struct err *err)
{
    AUTO(drop_image) struct image *image = NULL;
    char *owners[MAX_OWNERS];
    size_t count = MAX_OWNERS;
    rbd_lock_mode_t mode;
    bool taken = true;

    if (!image_open(store, name, NULL, true, &image, err)) {
        return false;
    }
    int r = rbd_lock_get_owners(image->rbd, &mode, owners, &count);

    if (r < 0) {
        return r == -ENOENT || ceph_errno(err, r, "see who holds image '%s'", name);
    }
    for (size_t i = 0; taken && i < count; i++) {
        if (from && strcmp(owners[i], from) != 0) {
            continue;
        }
        taken = from || ceph_client_fence(store->cluster, owners[i], err);
        r = taken ? rbd_lock_break(image->rbd, mode, owners[i]) : 0;
        if (r < 0 && r != -ENOENT) {
            taken = ceph_errno(err, r, "take the lock of image '%s' from %s", name, owners[i]);
        }
    }
    rbd_lock_get_owners_cleanup(owners, count);
    return taken;
}

bool ceph_fence(struct store *store, const char *name, struct err *err)
{
    return take_lock(store, name, NULL, err);
}

bool ceph_release(struct store *store, const char *address, struct err *err)
{
    AUTO(drop_json) json_t *names = NULL;
    struct err first = {0};
    const json_t *name;
    size_t i;

    if (!image_list(store, &names, err)) {
        return false;
    }
    json_array_foreach(names, i, name)
    {
        struct err why = {0};

        /* Another host may have removed it meanwhile. */
        if (!take_lock(store, json_string_value(name), address, &why) && why.kind != ERR_ABSENT &&
            first.kind == ERR_NONE) {
            first = why;
        }
    }
    if (first.kind != ERR_NONE) {
        *err = first;
        return err_add(err, "the locks of client %s, whose process is no more", address);
    }
    return true;
}

const struct store_images ceph_images = {
    .create = image_create,
    .remove = image_remove,
    .look = image_look,
    .list = image_list,
    .open = image_open,
    .close = image_close,
    .attachment = image_attachment,
};
