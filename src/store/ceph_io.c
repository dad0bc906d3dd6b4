/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/ceph_image.h"

#define MAX_OWNERS 4

/* One request under way. */
struct request {
    struct image *image;
    image_done *done;
    void *context;
    const char *verb;
    uint64_t offset;
    size_t expect; /* bytes that a read must give; 0 for a write */
};

/* From a thread of librbd's. */
static void finish(rbd_completion_t completion, void *argument)
{
    AUTO(drop_free) struct request *request = argument;
    ssize_t r = rbd_aio_get_return_value(completion);
    struct err err = {.kind = ERR_NONE};

    rbd_aio_release(completion);
    if (r < 0) {
        (void)ceph_errno(&err, (int)r, "%s image '%s' at %llu", request->verb, request->image->name,
                         (unsigned long long)request->offset);
    } else if (request->expect && (size_t)r != request->expect) {
        (void)err_set(&err, ERR_INPUT, "image '%s' ends before %llu", request->image->name,
                      (unsigned long long)(request->offset + request->expect));
    }
    request->done(request->context, err.kind == ERR_NONE ? NULL : &err);
}

static bool prepare(const struct request *like, struct request **out, rbd_completion_t *completion,
                    struct err *err)
{
    struct request *request = text_room(1, sizeof(*request));
    int r = 0;

    *request = *like;
    r = rbd_aio_create_completion(request, finish, completion);
    if (r < 0) {
        free(request);
        return ceph_errno(err, r, "%s image '%s'", like->verb, like->image->name);
    }
    *out = request;
    return true;
}

static bool begun(int r, struct request *request, rbd_completion_t completion, struct err *err)
{
    if (r >= 0) {
        return true;
    }
    rbd_aio_release(completion);
    (void)ceph_errno(err, r, "%s image '%s'", request->verb, request->image->name);
    free(request);
    return false;
}

static bool write_at(struct image *image, uint64_t offset, const void *bytes, size_t length,
                     image_done *done, void *context, struct err *err)
{
    const struct request like = {image, done, context, "write", offset, 0};
    struct request *request = NULL;
    rbd_completion_t completion = NULL;

    return prepare(&like, &request, &completion, err) &&
           begun(rbd_aio_write2(image->rbd, offset, length, bytes, completion,
                                LIBRADOS_OP_FLAG_FADVISE_DONTNEED),
                 request, completion, err);
}

static bool read_at(struct image *image, uint64_t offset, void *bytes, size_t length,
                    image_done *done, void *context, struct err *err)
{
    const struct request like = {image, done, context, "read", offset, length};
    struct request *request = NULL;
    rbd_completion_t completion = NULL;

    return prepare(&like, &request, &completion, err) &&
           begun(rbd_aio_read(image->rbd, offset, length, bytes, completion), request, completion,
                 err);
}

static bool flush(struct image *image, struct err *err)
{
    int r = rbd_flush(image->rbd);

    return r >= 0 || ceph_errno(err, r, "flush image '%s'", image->name);
}

struct walk {
    bool (*each)(void *context, uint64_t offset, uint64_t length, struct err *err);
    void *context;
    struct err *err;
    bool ended;
};

static int walk_one(uint64_t offset, size_t length, int exists, void *argument)
{
    struct walk *walk = argument;

    if (exists && !walk->each(walk->context, offset, length, walk->err)) {
        walk->ended = true;
        return -ECANCELED;
    }
    return 0;
}

static bool extents(struct image *image,
                    bool (*each)(void *context, uint64_t offset, uint64_t length, struct err *err),
                    void *context, struct err *err)
{
    struct walk walk = {each, context, err, false};
    uint64_t size = 0;

    if (image->decrypted) {
        return err_set(err, ERR_BUG, "what is allocated is asked of the raw image");
    }
    int r = rbd_get_size(image->rbd, &size);

    r = r < 0 ? r : rbd_diff_iterate2(image->rbd, NULL, 0, size, 0, 1, walk_one, &walk);
    if (walk.ended) {
        return false;
    }
    return r >= 0 || ceph_errno(err, r, "see what is allocated of image '%s'", image->name);
}

static void name_owner(struct image *image, char *out, size_t room)
{
    char *owners[MAX_OWNERS];
    size_t count = MAX_OWNERS;
    rbd_lock_mode_t mode;

    (void)snprintf(out, room, "another client");
    if (rbd_lock_get_owners(image->rbd, &mode, owners, &count) >= 0) {
        if (count > 0) {
            (void)snprintf(out, room, "%s", owners[0]);
        }
        rbd_lock_get_owners_cleanup(owners, count);
    }
}

/* librbd itself breaks the lock of a client that watches the image no more, and fences it first. */
static bool lock(struct image *image, struct err *err)
{
    char owner[128];
    int r = rbd_lock_acquire(image->rbd, RBD_LOCK_MODE_EXCLUSIVE);

    if (r == -EROFS || r == -EBUSY || r == -EAGAIN) {
        name_owner(image, owner, sizeof(owner));
        (void)err_set(err, ERR_CLASH, "image '%s' is locked by %s", image->name, owner);
        return err_mend(err, "Wait until it is done, or stop it.");
    }
    return r >= 0 || ceph_errno(err, r, "lock image '%s'", image->name);
}

static bool unlock(struct image *image, struct err *err)
{
    int owner = 0, r = rbd_is_exclusive_lock_owner(image->rbd, &owner);

    r = r < 0 || !owner ? r : rbd_lock_release(image->rbd);
    return r >= 0 || ceph_errno(err, r, "unlock image '%s'", image->name);
}

static bool size_of(struct image *image, uint64_t *out, struct err *err)
{
    uint64_t size = 0;
    int r = rbd_get_size(image->rbd, &size);

    if (r < 0) {
        return ceph_errno(err, r, "look at image '%s'", image->name);
    }
    *out = size;
    return true;
}

const struct image_io ceph_io = {
    .write_at = write_at,
    .read_at = read_at,
    .flush = flush,
    .extents = extents,
    .lock = lock,
    .unlock = unlock,
    .size = size_of,
};
