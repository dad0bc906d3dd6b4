/* SPDX-License-Identifier: Apache-2.0 */
#include "key/native.h"

#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "key/nativebackup.h"
#include "key/nativestate.h"
#include "key/secretfile.h"

struct native {
    char *folder;
    struct hostseal_conf host;
    struct secret *root_key;
    char root[UUID_SIZE];
};

static void native_close(void *self)
{
    struct native *native = self;

    secret_free(native->root_key);
    free(native->folder);
    free(native);
}
DROP(native, struct native *, native_close);

/* --- opening: what is missing is made, what is half made is finished ----------------------------
 */

static bool make_root(struct native *native, const char *cluster, const char *ledger_path,
                      const char *root_path, struct err *err)
{
    AUTO(drop_free) struct ledger *ledger = text_room(1, sizeof(*ledger));

    if (nativestate_has_seeds(native->folder)) {
        err_set(err, ERR_CLASH, "the native provider in '%s' lost its ledger", native->folder);
        return err_mend(err, "put '%s' back, or recover from the backup into an empty folder",
                        ledger_path);
    }
    uuid_make(ledger->root);
    (void)snprintf(ledger->cluster, sizeof(ledger->cluster), "%s", cluster);
    memcpy(native->root, ledger->root, UUID_SIZE);
    /* The ledger last: a root key without one was never used. */
    return secret_random(NATIVE_KEY_SIZE, &native->root_key, err) &&
           hostseal_seal(&native->host, root_path, NATIVE_ROOT_PURPOSE, native->root_key, err) &&
           ledger_write(ledger_path, native->root_key, ledger, err);
}

/* A crash may have come between the ledger's word and the wiping. */
static bool finish_retiring(const char *folder, const struct ledger *ledger, struct err *err)
{
    for (size_t i = 0; i < ledger->count; i++) {
        AUTO(drop_free) char *path = nativestate_seed_path(folder, ledger->keks[i].id);

        if (ledger->keks[i].retired[0] != '\0' && !secretfile_wipe(path, err)) {
            return false;
        }
    }
    return true;
}

static bool open_root(struct native *native, const char *cluster, const char *ledger_path,
                      const char *root_path, struct err *err)
{
    AUTO(drop_free) struct ledger *ledger = NULL;

    if (!hostseal_open(&native->host, root_path, NATIVE_ROOT_PURPOSE, &native->root_key, err)) {
        err_add(err, "the native provider's root key");
        return err_mend(err, "recover it from the backup: quoin key recover");
    }
    if (!ledger_read(ledger_path, native->root_key, &ledger, err)) {
        return false;
    }
    if (strcmp(ledger->cluster, cluster) != 0) {
        return err_set(err, ERR_CLASH, "the native provider in '%s' is cluster %s's, not %s's",
                       native->folder, ledger->cluster, cluster);
    }
    memcpy(native->root, ledger->root, UUID_SIZE);
    return finish_retiring(native->folder, ledger, err);
}

static bool native_open(const struct provider_conf *conf, void **out_self, struct err *err)
{
    AUTO(drop_native) struct native *native = text_room(1, sizeof(*native));
    AUTO(drop_free) char *ledger_path = nativestate_path(conf->folder, "ledger.json");
    AUTO(drop_free) char *root_path = nativestate_path(conf->folder, "root.json");
    AUTO(drop_fd) int lock = -1;

    native->folder = text_copy(conf->folder);
    native->host = conf->host;
    if (!conf->cluster || !uuid_valid(conf->cluster)) {
        return err_set(err, ERR_INPUT, "a native provider belongs to a cluster");
    }
    if (!nativestate_lock(conf->folder, &lock, err) ||
        !(file_exists(ledger_path)
              ? open_root(native, conf->cluster, ledger_path, root_path, err)
              : make_root(native, conf->cluster, ledger_path, root_path, err))) {
        return false;
    }
    *out_self = TAKE(native);
    return true;
}

/* --- KEKs ----------------------------------------------------------------------------------- */

/* Under the lock: the ledger as it is now, since another process may have written it. */
static bool ledger_open(const struct native *native, int *out_lock, char **out_path,
                        struct ledger **out, struct err *err)
{
    *out_path = nativestate_path(native->folder, "ledger.json");
    return nativestate_lock(native->folder, out_lock, err) &&
           ledger_read(*out_path, native->root_key, out, err);
}

/* The seed first: what stands in the ledger as active can be used. */
static bool add_kek(const struct native *native, const char *ledger_path, struct ledger *ledger,
                    const char *id, const char *label, struct err *err)
{
    AUTO(drop_free) char *seed_path = nativestate_seed_path(native->folder, id);
    AUTO(drop_secret) struct secret *seed = NULL;
    struct err ignored = {0};

    if (!ledger_add(ledger, id, label, err) || !secret_random(NATIVE_KEY_SIZE, &seed, err) ||
        !secretfile_write(seed_path, seed, err)) {
        return false;
    }
    if (!ledger_write(ledger_path, native->root_key, ledger, err)) {
        (void)secretfile_wipe(seed_path, &ignored);
        return false;
    }
    return true;
}

static bool native_kek_make(void *self, const char *label, char **out_kek_id, struct err *err)
{
    struct native *native = self;
    AUTO(drop_free) struct ledger *ledger = NULL;
    AUTO(drop_free) char *path = NULL;
    AUTO(drop_fd) int lock = -1;
    char id[UUID_SIZE], full[NATIVE_ID_SIZE];

    if (!ledger_open(native, &lock, &path, &ledger, err)) {
        return false;
    }
    const struct ledger_kek *made = ledger_labelled(ledger, label);

    if (made) {
        memcpy(id, made->id, UUID_SIZE);
    } else {
        uuid_make(id);
        if (!add_kek(native, path, ledger, id, label, err)) {
            return false;
        }
    }
    nativestate_id(native->root, id, full);
    *out_kek_id = text_copy(full);
    return true;
}

static bool kek_of(const struct native *native, const char *kek_id, struct secret **out,
                   struct err *err)
{
    const char *id = NULL;

    return nativestate_id_of(kek_id, native->root, &id, err) &&
           nativestate_kek(native->folder, native->root_key, id, out, err);
}

static bool native_wrap(void *self, const struct envelope_about *about, const struct secret *secret,
                        struct envelope **out, struct err *err)
{
    AUTO(drop_secret) struct secret *kek = NULL;

    return kek_of(self, about->kek_id, &kek, err) && envelope_seal(kek, about, secret, out, err);
}

static bool native_unwrap(void *self, const struct envelope *envelope,
                          const struct envelope_about *expected, struct secret **out,
                          struct err *err)
{
    AUTO(drop_secret) struct secret *kek = NULL;

    return kek_of(self, envelope_about(envelope)->kek_id, &kek, err) &&
           envelope_open(kek, envelope, expected, out, err);
}

static bool native_kek_retire(void *self, const char *kek_id, struct err *err)
{
    struct native *native = self;
    AUTO(drop_free) struct ledger *ledger = NULL;
    AUTO(drop_free) char *path = NULL;
    AUTO(drop_free) char *seed_path = NULL;
    AUTO(drop_fd) int lock = -1;
    const char *id = NULL;

    if (!nativestate_id_of(kek_id, native->root, &id, err) ||
        !ledger_open(native, &lock, &path, &ledger, err)) {
        return false;
    }
    seed_path = nativestate_seed_path(native->folder, id);
    ledger_retire(ledger, id);
    return ledger_write(path, native->root_key, ledger, err) && secretfile_wipe(seed_path, err);
}

/* --- what people want to know -------------------------------------------------------------------
 */

static json_t *keks_json(const struct ledger *ledger)
{
    json_t *keks = json_array();
    char id[NATIVE_ID_SIZE];

    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_kek *kek = &ledger->keks[i];
        bool active = kek->retired[0] == '\0';

        nativestate_id(ledger->root, kek->id, id);
        json_array_append_new(keks,
                              json_pack("{s:s, s:s, s:s, s:s, s:s*}", "id", id, "label", kek->label,
                                        "state", active ? "active" : "retired", "made", kek->made,
                                        "retired", active ? NULL : kek->retired));
    }
    return keks;
}

static bool native_describe(void *self, json_t **out, struct err *err)
{
    struct native *native = self;
    AUTO(drop_free) struct ledger *ledger = NULL;
    AUTO(drop_free) char *path = NULL;
    AUTO(drop_free) char *root_path = nativestate_path(native->folder, "root.json");
    AUTO(drop_fd) int lock = -1;
    enum hostseal_by by = HOSTSEAL_BY_FILE;

    if (!ledger_open(native, &lock, &path, &ledger, err) || !hostseal_look(root_path, &by, err)) {
        return false;
    }
    *out =
        json_pack("{s:s, s:s, s:s, s:o}", "root", ledger->root, "protection", hostseal_by_name(by),
                  "backup", nativebackup_state(native->folder, ledger), "keks", keks_json(ledger));
    return true;
}

bool native_look(const char *folder, bool *out_fetched, enum hostseal_by *out_by, struct err *err)
{
    AUTO(drop_free) struct ledger *ledger = NULL;
    AUTO(drop_free) char *path = nativestate_path(folder, "ledger.json");
    AUTO(drop_free) char *root_path = nativestate_path(folder, "root.json");

    if (!ledger_read(path, NULL, &ledger, err) || !hostseal_look(root_path, out_by, err)) {
        return false;
    }
    *out_fetched = strcmp(nativebackup_state(folder, ledger), "current") == 0;
    return true;
}

const struct key_provider native_provider = {
    .type = "native",
    .summary = "keys on the hosts themselves, sealed by the TPM where there is one",
    .open = native_open,
    .close = native_close,
    .kek_make = native_kek_make,
    .wrap = native_wrap,
    .unwrap = native_unwrap,
    .kek_retire = native_kek_retire,
    .look = native_describe,
};
