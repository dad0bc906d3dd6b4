/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hv_copies over the datastore in a folder: what QEMU does with bitmap, second node and backup. The
 * guest writes a sector of its first disk whenever one of these is called while it runs.
 */
#include "base/secret_open.h"
#include "world.h"

#define SECTORS (DISK_BYTES / XTS_SECTOR)

static struct {
    char *source; /* what the device uses */
    struct secret *key;
    char *added; /* the second node */
    struct secret *added_key;
    bool tracked;
    bool dirty[SECTORS];
} disks[DOMAIN_MAX_DISKS];

static void forget(char **source, struct secret **key)
{
    free(TAKE(*source));
    secret_free(TAKE(*key));
}

void fake_copies_begin(const struct domain *domain, const struct hv_keys *keys)
{
    struct err err = {0};

    for (size_t i = 0; i < DOMAIN_MAX_DISKS; i++) {
        forget(&disks[i].source, &disks[i].key);
        forget(&disks[i].added, &disks[i].added_key);
        disks[i].tracked = false;
        if (domain && i < domain->disk_count) {
            disks[i].source = text_copy(domain->disks[i].source);
            assert_true(secret_copy(keys->disks[i], &disks[i].key, &err));
        }
    }
}

static void on_disk(const char *source, const struct secret *key, bool write, uint64_t offset,
                    unsigned char *bytes)
{
    struct medium medium = {.io = stores[0]->io};
    struct err err = {0};

    AUTO(drop_free) char *path = fake_store_image(strchr(source, '/') + 1);
    AUTO(drop_secret) struct secret *dek = NULL;
    AUTO(drop_xts) struct xts *xts = NULL;
    unsigned char sector[XTS_SECTOR];

    memcpy(sector, bytes, sizeof(sector));
    assert_true(fake_store_key(path, key, &dek, &err) && xts_new(NULL, dek, &xts, &err));
    assert_true(stores[0]->images->open(NULL, strchr(source, '/') + 1, write ? NULL : key, write,
                                        &medium.image, &err));
    assert_true(!write || xts_encrypt(xts, offset, sector, sizeof(sector), &err));
    assert_true(write ? medium_write(&medium, HEADER_SIZE + offset, sector, sizeof(sector), &err)
                      : medium_read(&medium, offset, bytes, XTS_SECTOR, &err));
    stores[0]->images->close(medium.image);
}

static void guest_writes(void)
{
    unsigned number = fake_hv.written++;
    size_t sector = number * 37 % SECTORS;
    unsigned char bytes[XTS_SECTOR];

    memset(bytes, (int)(number % 251) + 1, sizeof(bytes));
    on_disk(disks[0].source, disks[0].key, true, sector * XTS_SECTOR, bytes);
    disks[0].dirty[sector] = disks[0].tracked;
    if (fake_hv.model) {
        memcpy(fake_hv.model + sector * XTS_SECTOR, bytes, sizeof(bytes));
    }
}

/* Each call: the guest goes on, and what a test wants to go wrong goes wrong. */
static bool called(const char *uuid, struct err *err)
{
    if (fake_hv.state == HV_RUNNING && fake_hv.writes) {
        guest_writes();
    }
    if (++fake_hv.calls == fake_hv.fail_at) {
        if (fake_hv.dies) {
            fake_hv.state = HV_ABSENT;
        }
        return err_set(err, ERR_SYSTEM, "the hypervisor is killed");
    }
    return (strcmp(uuid, fake_hv.uuid) == 0 && fake_hv.state != HV_ABSENT) ||
           err_set(err, ERR_ABSENT, "it does not run");
}

static bool fake_track(struct hv *hv, const char *uuid, unsigned disk, struct err *err)
{
    (void)hv;
    if (!called(uuid, err)) {
        return false;
    }
    disks[disk].tracked = true;
    memset(disks[disk].dirty, 0, sizeof(disks[disk].dirty));
    return true;
}

static bool fake_add(struct hv *hv, const char *uuid, const struct hv_target *target,
                     struct err *err)
{
    struct image *image = NULL;

    (void)hv;
    if (!called(uuid, err) || !stores[0]->images->open(NULL, strchr(target->source, '/') + 1,
                                                       target->key, true, &image, err)) {
        return false;
    }
    stores[0]->images->close(image);
    forget(&disks[target->disk].added, &disks[target->disk].added_key);
    disks[target->disk].added = text_copy(target->source);
    return secret_copy(target->key, &disks[target->disk].added_key, err);
}

static bool fake_catch_up(struct hv *hv, const char *uuid, const struct hv_target *target,
                          uint64_t limit, uint64_t *out_left, struct err *err)
{
    unsigned char bytes[XTS_SECTOR];
    bool round[SECTORS];
    unsigned i = target->disk;

    (void)hv;
    (void)limit;
    assert_true(disks[i].tracked && disks[i].added);
    memcpy(round, disks[i].dirty, sizeof(round));
    memset(disks[i].dirty, 0, sizeof(disks[i].dirty));
    if (!called(uuid, err)) {
        return false;
    }
    for (size_t s = 0; s < SECTORS; s++) {
        if (round[s]) {
            on_disk(disks[i].source, disks[i].key, false, s * XTS_SECTOR, bytes);
            on_disk(disks[i].added, disks[i].added_key, true, s * XTS_SECTOR, bytes);
        }
        *out_left += disks[i].dirty[s] ? XTS_SECTOR : 0;
    }
    return true;
}

static bool fake_pause(struct hv *hv, const char *uuid, struct err *err)
{
    (void)hv;
    if (!called(uuid, err)) {
        return false;
    }
    fake_hv.state = HV_PAUSED;
    return true;
}

static bool fake_turn(struct hv *hv, const char *uuid, unsigned disk, const char *source,
                      struct err *err)
{
    (void)hv;
    assert_int_equal(fake_hv.state, HV_PAUSED);
    if (!called(uuid, err)) {
        return false;
    }
    if (!disks[disk].added || strcmp(disks[disk].added, source) != 0) {
        return err_set(err, ERR_ABSENT, "'%s' was not added", source);
    }
    forget(&disks[disk].source, &disks[disk].key);
    disks[disk].source = TAKE(disks[disk].added);
    disks[disk].key = TAKE(disks[disk].added_key);
    return true;
}

static bool fake_image(struct hv *hv, const char *uuid, unsigned disk, char **out, struct err *err)
{
    (void)hv;
    if (!called(uuid, err)) {
        return false;
    }
    *out = text_copy(disks[disk].source);
    return true;
}

static bool fake_clear(struct hv *hv, const char *uuid, struct err *err)
{
    (void)hv;
    if (fake_hv.state == HV_ABSENT) {
        return true;
    }
    if (!called(uuid, err)) {
        return false;
    }
    for (size_t i = 0; i < DOMAIN_MAX_DISKS; i++) {
        forget(&disks[i].added, &disks[i].added_key);
        disks[i].tracked = false;
    }
    return true;
}

const struct hv_copies fake_copies = {
    fake_track, fake_add, fake_catch_up, fake_pause, fake_turn, fake_image, fake_clear,
};
