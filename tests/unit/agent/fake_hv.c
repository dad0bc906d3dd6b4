/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hypervisor of one VM, and the VM's files in memory. It starts only what real QEMU could: each
 * disk's key must open what lies on the datastore.
 */
#include "base/secret_open.h"
#include "world.h"

struct fake_hv fake_hv;
struct fake_moves fake_moves;

/* The files of the VM, as they lie on this host; they and the watch outlive no power cut. */
static struct secret *files;
static void (*watcher)(void *context, const char *uuid);
static void *watcher_context;
static char watched[UUID_SIZE];

void fake_hv_power_cut(void)
{
    secret_free(TAKE(files));
    watcher = NULL;
    fake_copies_begin(NULL, NULL);
    fake_hv = (struct fake_hv){.state = HV_ABSENT};
    fake_moves = (struct fake_moves){0};
}

static struct secret *secret_of(const char *text)
{
    struct secret *secret = NULL;
    struct err err = {0};

    assert_true(secret_new(strlen(text), &secret, &err));
    memcpy(secret_bytes(secret), text, strlen(text));
    return secret;
}

void fake_hv_write(const char *text)
{
    secret_free(files);
    files = secret_of(text);
    if (watcher) {
        watcher(watcher_context, watched);
    }
}

bool fake_hv_has(const char *text)
{
    AUTO(drop_secret) struct secret *wanted = secret_of(text);

    return files && secret_equal(files, wanted);
}

/* ---- hv/files.h ---- */

bool files_put(const char *uuid, const struct secret *packed, struct err *err)
{
    (void)uuid;
    secret_free(TAKE(files));
    if (!packed) {
        files = secret_of("fresh");
        return true;
    }
    return secret_copy(packed, &files, err);
}

bool files_gather(const char *uuid, struct secret **out, struct err *err)
{
    (void)uuid;
    return files ? secret_copy(files, out, err) : err_set(err, ERR_ABSENT, "no files");
}

bool files_clear(const char *uuid, struct err *err)
{
    (void)uuid;
    (void)err;
    secret_free(TAKE(files));
    return true;
}

bool files_watch_start(const char *uuid, void (*changed)(void *context, const char *uuid),
                       void *context, struct files_watch **out, struct err *err)
{
    (void)err;
    assert_null(watcher);
    memcpy(watched, uuid, UUID_SIZE);
    watcher_context = context;
    watcher = changed;
    *out = (struct files_watch *)(void *)&watcher;
    return true;
}

void files_watch_stop(struct files_watch *watch)
{
    if (watch) {
        watcher = NULL;
    }
}

/* ---- hv/process.h ---- */

bool process_signal(const char *uuid, struct err *err)
{
    fake_hv.signals++;
    return process_kill(uuid, err);
}

bool process_kill(const char *uuid, struct err *err)
{
    if (fake_hv.unending) {
        return err_set(err, ERR_SYSTEM, "a process does not end");
    }
    if (strcmp(fake_hv.uuid, uuid) == 0 && fake_hv.hangs) {
        fake_hv.state = HV_ABSENT;
        fake_hv.kills++;
    }
    return true;
}

/* ---- hv/hv.h ---- */

static bool fake_open(hv_changed *changed, void *context, struct hv **out, struct err *err)
{
    (void)changed;
    (void)context;
    (void)err;
    *out = (struct hv *)(void *)&fake_hv;
    return true;
}

void (*fake_hv_closing)(void);

static void fake_close(struct hv *hv)
{
    (void)hv;
    if (fake_hv_closing) {
        fake_hv_closing();
    }
}

static bool fake_look(struct hv *hv, const char *uuid, struct hv_look *out, struct err *err)
{
    bool this = strcmp(fake_hv.uuid, uuid) == 0;

    (void)hv;
    (void)err;
    *out = (struct hv_look){.state = this ? fake_hv.state : HV_ABSENT,
                            .since = this && fake_hv.state != HV_ABSENT ? 1700000000 : 0};
    return true;
}

static bool fake_list(struct hv *hv, json_t **out, struct err *err)
{
    (void)hv;
    (void)err;
    *out = fake_hv.state == HV_ABSENT ? json_array() : json_pack("[s]", fake_hv.uuid);
    return true;
}

static bool disk_opens(const struct domain_disk *disk, const struct secret *key, struct err *err)
{
    struct image *image = NULL;

    if (!stores[0]->images->open(NULL, strchr(disk->source, '/') + 1, key, false, &image, err)) {
        return err_add(err, "disk '%s'", disk->name);
    }
    stores[0]->images->close(image);
    return true;
}

static bool fake_start(struct hv *hv, const struct domain *domain, const struct hv_keys *keys,
                       struct err *err)
{
    (void)hv;
    assert_int_equal(secret_size(keys->tpm), 64);
    assert_non_null(keys->storage);
    for (size_t i = 0; i < domain->disk_count; i++) {
        if (!disk_opens(&domain->disks[i], keys->disks[i], err)) {
            return false;
        }
        fake_hv.read_only += domain->disks[i].read_only ? 1 : 0;
    }
    if (fake_hv.state == HV_ABSENT) {
        fake_copies_begin(domain, keys);
    }
    memcpy(fake_hv.uuid, domain->uuid, UUID_SIZE);
    fake_hv.disks = domain->disk_count;
    fake_hv.state = HV_RUNNING;
    fake_hv.starts++;
    return true;
}

static bool fake_destroy(struct hv *hv, const char *uuid, struct err *err)
{
    (void)hv;
    if (fake_hv.pulls++ == 0) {
        fake_hv.signals_before = fake_hv.signals;
    }
    if (fake_hv.hangs) {
        return err_set(err, ERR_AWAY, "the hypervisor's daemon does not answer");
    }
    if (fake_hv.stuck) {
        return err_set(err, ERR_SYSTEM, "the process does not end");
    }
    if (strcmp(fake_hv.uuid, uuid) == 0 && !fake_hv.lives_on) {
        fake_hv.state = HV_ABSENT;
    }
    return true;
}

static bool fake_stop(struct hv *hv, const char *uuid, unsigned seconds, struct err *err)
{
    (void)seconds;
    return fake_destroy(hv, uuid, err);
}

/* ---- moves ---- */

static bool fake_expect(struct hv *hv, const struct domain *domain, const struct hv_keys *keys,
                        const struct hv_pass *pass, struct err *err)
{
    (void)hv;
    assert_int_equal(secret_size(keys->tpm), 64);
    assert_non_null(pass->ca);
    assert_non_null(pass->key);
    if (fake_hv.state != HV_ABSENT) {
        return err_set(err, ERR_CLASH, "it is here");
    }
    for (size_t i = 0; i < domain->disk_count; i++) {
        if (!disk_opens(&domain->disks[i], keys->disks[i], err)) {
            return false;
        }
    }
    fake_moves.expects = true;
    return true;
}

static bool fake_forget(struct hv *hv, const char *uuid, struct err *err)
{
    (void)hv;
    (void)uuid;
    (void)err;
    fake_moves.expects = false;
    return true;
}

static bool fake_send(struct hv *hv, const struct domain *domain, const struct hv_peer *peer,
                      const struct hv_pass *pass, const struct progress *progress, struct err *err)
{
    (void)hv;
    (void)progress;
    assert_non_null(pass->key);
    assert_true(file_exists(peer->socket));
    assert_true(domain->started > 0);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_null(watcher); /* what goes is not stored from here any more */
    if (fake_moves.fails) {
        fake_hv.state = fake_moves.stands_still ? HV_PAUSED : HV_RUNNING;
        return err_set(err, ERR_AWAY, "the other host is gone");
    }
    fake_hv.state = HV_ABSENT;
    fake_store.away = fake_moves.cuts_store;
    return true;
}

static const struct hv_moves fake_move_calls = {fake_expect, fake_forget, fake_send};

static const struct hypervisor fake = {
    "fake",     "one VM",  fake_open,    fake_close,   fake_look,        fake_list,
    fake_start, fake_stop, fake_destroy, &fake_copies, &fake_move_calls,
};

const struct hypervisor *const hypervisors[] = {&fake, NULL};
