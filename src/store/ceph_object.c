/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small objects: each is read and written as a whole. A version is the generation that we keep in
 * the object itself, as an attribute compared and set in the same operation that writes the bytes:
 * two writers that saw the same version cannot both succeed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/ceph.h"

#define VERSION "quoin.version"
/* More than all VMs of the largest cluster have. */
#define MAX_LIST 100000u

DROP(write_op, rados_write_op_t, rados_release_write_op);
DROP(read_op, rados_read_op_t, rados_release_read_op);

static bool name_valid(const char *name, struct err *err)
{
    size_t length = strlen(name);

    return (length > 0 && length <= STORE_MAX_NAME) ||
           err_set(err, ERR_INPUT, "an object's name has 1 to %d bytes", STORE_MAX_NAME);
}

static uint64_t version_of(rados_xattrs_iter_t attributes)
{
    const char *name = NULL, *value = NULL;
    uint64_t version = 0;
    size_t length = 0;

    while (rados_getxattrs_next(attributes, &name, &value, &length) == 0 && name) {
        if (strcmp(name, VERSION) == 0 && length > 0 && length < 24) {
            char text[24] = "";

            memcpy(text, value, length);
            version = strtoull(text, NULL, 10);
        }
    }
    rados_getxattrs_end(attributes);
    return version;
}

/* Bytes and version belong together: one operation reads both. */
static bool read_both(struct store *store, const char *name, char *bytes, size_t room,
                      size_t *out_length, uint64_t *out_version, struct err *err)
{
    AUTO(drop_read_op) rados_read_op_t op = rados_create_read_op();
    rados_xattrs_iter_t attributes = NULL;
    int read_status = 0, attribute_status = 0;

    rados_read_op_read(op, 0, room, bytes, out_length, &read_status);
    rados_read_op_getxattrs(op, &attributes, &attribute_status);
    int r = rados_read_op_operate(op, store->objects, name, 0);

    r = r < 0 ? r : read_status < 0 ? read_status : attribute_status;
    if (r < 0) {
        return ceph_errno(err, r, "read object '%s'", name);
    }
    *out_version = version_of(attributes);
    return true;
}

static bool object_read(struct store *store, const char *name, char **out, size_t *out_length,
                        uint64_t *out_version, struct err *err)
{
    uint64_t size = 0, version = 0;
    time_t changed = 0;
    size_t length = 0;

    if (!name_valid(name, err)) {
        return false;
    }
    int r = rados_stat(store->objects, name, &size, &changed);

    if (r < 0) {
        return ceph_errno(err, r, "look at object '%s'", name);
    }
    /* It may grow between the two looks: the largest one fits anyway. */
    AUTO(drop_free) char *bytes = text_room(1, STORE_MAX_OBJECT + 1);

    if (size > STORE_MAX_OBJECT) {
        return err_set(err, ERR_INPUT, "object '%s' has more than %u bytes", name,
                       STORE_MAX_OBJECT);
    }
    if (!read_both(store, name, bytes, STORE_MAX_OBJECT, &length, &version, err)) {
        return false;
    }
    char *fit = realloc(bytes, length + 1);

    bytes = fit ? fit : bytes;
    bytes[length] = '\0';
    *out = TAKE(bytes);
    *out_length = length;
    if (out_version) {
        *out_version = version;
    }
    return true;
}

static bool version_now(struct store *store, const char *name, uint64_t *out, struct err *err)
{
    char text[24] = "";
    int r = rados_getxattr(store->objects, name, VERSION, text, sizeof(text) - 1);

    if (r < 0 && r != -ENOENT && r != -ENODATA) {
        return ceph_errno(err, r, "look at object '%s'", name);
    }
    *out = r < 0 ? 0 : strtoull(text, NULL, 10);
    return true;
}

/* The object must have the version `expect` when the write lands; 0: must not be there. */
static int write_expecting(struct store *store, const char *name, const void *bytes, size_t length,
                           uint64_t expect)
{
    AUTO(drop_write_op) rados_write_op_t op = rados_create_write_op();
    char before[24], after[24];

    (void)snprintf(before, sizeof(before), "%" PRIu64, expect);
    (void)snprintf(after, sizeof(after), "%" PRIu64, expect + 1);
    if (expect == 0) {
        rados_write_op_create(op, LIBRADOS_CREATE_EXCLUSIVE, NULL);
    } else {
        rados_write_op_cmpxattr(op, VERSION, LIBRADOS_CMPXATTR_OP_EQ, before, strlen(before));
    }
    rados_write_op_write_full(op, bytes, length);
    rados_write_op_setxattr(op, VERSION, after, strlen(after));
    return rados_write_op_operate(op, store->objects, name, NULL, 0);
}

static bool object_write(struct store *store, const char *name, const void *bytes, size_t length,
                         uint64_t expect, uint64_t *out_version, struct err *err)
{
    uint64_t version = expect;
    int r = 0;

    if (!name_valid(name, err)) {
        return false;
    }
    if (length > STORE_MAX_OBJECT) {
        return err_set(err, ERR_INPUT, "object '%s' would have more than %u bytes", name,
                       STORE_MAX_OBJECT);
    }
    do {
        if (expect == STORE_ANY && !version_now(store, name, &version, err)) {
            return false;
        }
        r = write_expecting(store, name, bytes, length, version);
    } while (expect == STORE_ANY && (r == -ECANCELED || r == -EEXIST));
    if (r == -ECANCELED || r == -EEXIST || r == -ENODATA || (r == -ENOENT && version > 0)) {
        (void)err_set(err, ERR_CLASH, "object '%s' was changed by another", name);
        return err_mend(err, "Read it again.");
    }
    if (r < 0) {
        return ceph_errno(err, r, "write object '%s'", name);
    }
    if (out_version) {
        *out_version = version + 1;
    }
    return true;
}

static bool object_remove(struct store *store, const char *name, struct err *err)
{
    int r = name_valid(name, err) ? rados_remove(store->objects, name) : 1;

    return r != 1 && (r >= 0 || r == -ENOENT || ceph_errno(err, r, "remove object '%s'", name));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_t *sorted(char **names, size_t count)
{
    json_t *list = json_array();

    qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_string(names[i]));
        free(names[i]);
    }
    return list;
}

static bool object_list(struct store *store, const char *prefix, json_t **out, struct err *err)
{
    AUTO(drop_free) char **names = text_room(MAX_LIST, sizeof(*names));
    rados_list_ctx_t list = NULL;
    const char *name = NULL;
    size_t count = 0;
    int r = rados_nobjects_list_open(store->objects, &list);

    while (r >= 0 && count < MAX_LIST &&
           (r = rados_nobjects_list_next(list, &name, NULL, NULL)) >= 0) {
        if (text_starts(name, prefix)) {
            names[count++] = text_copy(name);
        }
    }
    if (list) {
        rados_nobjects_list_close(list);
    }
    json_t *found = sorted(names, count);

    if (r < 0 && r != -ENOENT) {
        json_decref(found);
        return ceph_errno(err, r, "list objects");
    }
    *out = found;
    return true;
}

const struct store_objects ceph_objects = {
    .read = object_read,
    .write = object_write,
    .remove = object_remove,
    .list = object_list,
};
