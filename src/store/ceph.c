/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ceph.h"

#include <stdio.h>
#include <string.h>

#include "store/ceph_client.h"
#include "store/ceph_label.h"

static bool label(const unsigned char *head, size_t length, char out_cluster[UUID_SIZE],
                  char out_member[UUID_SIZE])
{
    struct ceph_label found;

    if (!ceph_label_read(head, length, &found)) {
        return false;
    }
    memcpy(out_cluster, found.cluster, UUID_SIZE);
    memcpy(out_member, found.osd, UUID_SIZE);
    return true;
}

static char *monitor_list(const struct store_conf *conf)
{
    AUTO(drop_text) struct text text = {0};

    for (size_t i = 0; i < conf->monitor_count; i++) {
        bool v6 = strchr(conf->monitors[i].address, ':') != NULL;

        text_addf(&text, "%s%s%s%s:3300", i ? " " : "", v6 ? "[" : "", conf->monitors[i].address,
                  v6 ? "]" : "");
    }
    return text_take(&text);
}

bool ceph_open(const struct store_conf *conf, struct store **out, struct err *err)
{
    struct store *store = text_room(1, sizeof(*store));

    store->pool = text_copy(conf->name);
    store->conf_path = ceph_path(conf, "/etc/ceph/ceph.conf");
    store->vm_key_path = ceph_path(conf, "/etc/ceph/ceph.client." CEPH_VM ".keyring");
    store->hosts = monitor_list(conf);
    if (!ceph_connect(conf, CEPH_USER, ceph_seconds(conf), &store->cluster, err) ||
        !ceph_client_note(conf, store->cluster, &store->note, err)) {
        ceph_close(store);
        return false;
    }
    int r = rados_ioctx_create(store->cluster, store->pool, &store->images);

    r = r < 0 ? r : rados_ioctx_create(store->cluster, store->pool, &store->objects);
    if (r < 0) {
        (void)ceph_errno(err, r, "open pool '%s'", store->pool);
        ceph_close(store);
        return false;
    }
    rados_ioctx_set_namespace(store->objects, CEPH_OBJECTS);
    if (!ceph_client_fence_dead(conf, store, err)) {
        ceph_close(store);
        return false;
    }
    *out = store;
    return true;
}

void ceph_close(struct store *store)
{
    struct err ignored = {0};

    if (!store) {
        return;
    }
    drop_ioctx(&store->objects);
    drop_ioctx(&store->images);
    drop_rados(&store->cluster);
    if (store->note) {
        (void)file_remove(store->note, &ignored);
    }
    free(store->note);
    free(store->pool);
    free(store->conf_path);
    free(store->vm_key_path);
    free(store->hosts);
    free(store);
}

static const struct store_backend ceph = {
    .type = "ceph",
    .summary = "the hosts' own disks, by Ceph's block devices (RBD)",
    .label = label,
    .look = ceph_look,
    .open = ceph_open,
    .close = ceph_close,
    .holes = ceph_holes,
    .fence = ceph_fence,
    .build = &ceph_build,
    .care = &ceph_care,
    .images = &ceph_images,
    .io = &ceph_io,
    .objects = &ceph_objects,
    .leases = &ceph_leases,
};

const struct store_backend *const stores[] = {&ceph, NULL};
