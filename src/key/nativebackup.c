/* SPDX-License-Identifier: Apache-2.0 */
#include "key/nativebackup.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "key/native.h"
#include "key/nativestate.h"
#include "key/secretfile.h"

DROP(folder, DIR *, closedir);

/* Two lists of at most 64 UUIDs. */
#define MAX_BYTES 16384u

/* --- what was made and fetched ------------------------------------------------------------------
 */

/* An empty object where there is nothing to read. */
static json_t *notes_read(const char *folder)
{
    AUTO(drop_free) char *path = nativestate_path(folder, "backup.json");
    AUTO(drop_free) char *text = NULL;
    struct err ignored = {0};
    json_t *notes = NULL;
    size_t length = 0;

    if (!file_read(path, MAX_BYTES, &text, &length, &ignored) ||
        !json_read(text, length, &notes, &ignored)) {
        return json_object();
    }
    return notes;
}

static bool notes_write(const char *folder, const json_t *notes, struct err *err)
{
    AUTO(drop_free) char *path = nativestate_path(folder, "backup.json");
    AUTO(drop_free) char *text = json_write_canonical(notes);

    return file_write(path, text, strlen(text), 0600, err);
}

static bool holds(const json_t *keks, const char *id)
{
    for (size_t i = 0; i < json_array_size(keks); i++) {
        const char *one = json_string_value(json_array_get(keks, i));

        if (one && strcmp(one, id) == 0) {
            return true;
        }
    }
    return false;
}

const char *nativebackup_state(const char *folder, const struct ledger *ledger)
{
    AUTO(drop_json) json_t *notes = notes_read(folder);
    const json_t *fetched = json_object_get(notes, "fetched");

    if (!fetched) {
        return "none";
    }
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->keks[i].retired[0] == '\0' &&
            !holds(json_object_get(fetched, "keks"), ledger->keks[i].id)) {
            return "stale";
        }
    }
    return "current";
}

bool nativebackup_made(const char *folder, const struct ledger *ledger, struct err *err)
{
    AUTO(drop_json) json_t *notes = notes_read(folder);
    json_t *keks = json_array();
    char now[LEDGER_TIME_SIZE];

    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->keks[i].retired[0] == '\0') {
            json_array_append_new(keks, json_string(ledger->keks[i].id));
        }
    }
    ledger_now(now);
    json_object_set_new(notes, "made", json_pack("{s:s, s:o}", "at", now, "keks", keks));
    return notes_write(folder, notes, err);
}

bool native_fetched(const char *folder, struct err *err)
{
    AUTO(drop_json) json_t *notes = NULL;
    AUTO(drop_fd) int lock = -1;

    if (!nativestate_lock(folder, &lock, err)) {
        return false;
    }
    notes = notes_read(folder);
    if (!json_object_get(notes, "made")) {
        return err_set(err, ERR_ABSENT, "no backup of the native provider was made yet");
    }
    json_object_set(notes, "fetched", json_object_get(notes, "made"));
    return notes_write(folder, notes, err);
}

/* --- the keys out -------------------------------------------------------------------------------
 */

static bool add_root(struct jwks *jwks, const char *root, const struct secret *root_key,
                     struct err *err)
{
    AUTO(drop_secret) struct secret *copy = NULL;
    AUTO(drop_free) char *kid = text_make("native:%s", root);

    if (!secret_copy(root_key, &copy, err) || !jwks_add(jwks, kid, copy, NULL, err)) {
        return false;
    }
    copy = NULL;
    return true;
}

static bool add_kek(struct jwks *jwks, const char *folder, const struct secret *root_key,
                    const char *root, const char *id, struct err *err)
{
    AUTO(drop_secret) struct secret *seed = NULL, *kek = NULL;
    char kid[NATIVE_ID_SIZE];

    nativestate_id(root, id, kid);
    if (!nativestate_read_seed(folder, id, &seed, err) ||
        !nativestate_derive(root_key, seed, id, &kek, err) ||
        !jwks_add(jwks, kid, kek, seed, err)) {
        return false;
    }
    kek = seed = NULL;
    return true;
}

static bool gather(const char *folder, const struct secret *root_key, const struct ledger *ledger,
                   struct jwks **out, struct err *err)
{
    AUTO(drop_jwks) struct jwks *jwks = jwks_new();

    if (!add_root(jwks, ledger->root, root_key, err)) {
        return false;
    }
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->keks[i].retired[0] == '\0' &&
            !add_kek(jwks, folder, root_key, ledger->root, ledger->keks[i].id, err)) {
            return false;
        }
    }
    *out = TAKE(jwks);
    return true;
}

bool native_export(const char *folder, const struct hostseal_conf *host, const char *cluster,
                   bool backup, struct jwks **out, char out_cluster[UUID_SIZE], struct err *err)
{
    AUTO(drop_free) char *root_path = nativestate_path(folder, "root.json");
    AUTO(drop_free) char *ledger_path = nativestate_path(folder, "ledger.json");
    AUTO(drop_secret) struct secret *root_key = NULL;
    AUTO(drop_free) struct ledger *ledger = NULL;
    AUTO(drop_jwks) struct jwks *jwks = NULL;
    AUTO(drop_fd) int lock = -1;

    if (!nativestate_lock(folder, &lock, err) ||
        !hostseal_open(host, root_path, NATIVE_ROOT_PURPOSE, &root_key, err) ||
        !ledger_read(ledger_path, root_key, &ledger, err)) {
        return false;
    }
    if (cluster && strcmp(cluster, ledger->cluster) != 0) {
        return err_set(err, ERR_CLASH, "the native provider is cluster %s's, not %s's",
                       ledger->cluster, cluster);
    }
    if (!gather(folder, root_key, ledger, &jwks, err) ||
        (backup && !nativebackup_made(folder, ledger, err))) {
        return false;
    }
    memcpy(out_cluster, ledger->cluster, UUID_SIZE);
    *out = TAKE(jwks);
    return true;
}

/* --- and in -------------------------------------------------------------------------------------
 */

/* The ledger that is there, if it is this root key's; else a new one. */
static bool ledger_for(const char *path, const char *root, const char *cluster,
                       const struct secret *root_key, struct ledger **out, struct err *err)
{
    AUTO(drop_free) struct ledger *ledger = NULL;

    if (file_exists(path)) {
        if (!ledger_read(path, root_key, &ledger, err)) {
            return err_mend(err, "another provider is in use here; destroy it first");
        }
    } else {
        ledger = text_room(1, sizeof(*ledger));
        (void)snprintf(ledger->cluster, sizeof(ledger->cluster), "%s", cluster);
        (void)snprintf(ledger->root, sizeof(ledger->root), "%s", root);
    }
    if (strcmp(ledger->cluster, cluster) != 0 || strcmp(ledger->root, root) != 0) {
        return err_set(err, ERR_CLASH, "the provider here is cluster %s's with root %s",
                       ledger->cluster, ledger->root);
    }
    *out = TAKE(ledger);
    return true;
}

static bool import_kek(const char *folder, const struct secret *root_key, const struct jwk *jwk,
                       struct ledger *ledger, struct err *err)
{
    AUTO(drop_secret) struct secret *kek = NULL;
    AUTO(drop_free) char *seed_path = NULL;
    const char *id = NULL;
    const struct ledger_kek *known;

    if (!jwk->seed || !nativestate_id_of(jwk->kid, ledger->root, &id, err) ||
        !nativestate_derive(root_key, jwk->seed, id, &kek, err) || !secret_equal(kek, jwk->key)) {
        return err_set(err, ERR_INPUT, "'%s' in the backup is no KEK of its root key", jwk->kid);
    }
    known = ledger_find(ledger, id);
    if (known && known->retired[0] != '\0') {
        return true; /* retired here after the backup was made: it stays lost */
    }
    seed_path = nativestate_seed_path(folder, id);
    return secretfile_write(seed_path, jwk->seed, err) &&
           (known || ledger_add(ledger, id, "recovered", err));
}

static bool import_keks(const char *folder, const struct jwks *jwks, struct ledger *ledger,
                        struct err *err)
{
    for (size_t i = 1; i < jwks->count; i++) {
        if (!import_kek(folder, jwks->keys[0].key, &jwks->keys[i], ledger, err)) {
            return false;
        }
    }
    return true;
}

bool native_import(const char *folder, const struct hostseal_conf *host, const char *cluster,
                   const struct jwks *jwks, struct err *err)
{
    const struct jwk *root = &jwks->keys[0];
    AUTO(drop_free) char *root_path = nativestate_path(folder, "root.json");
    AUTO(drop_free) char *ledger_path = nativestate_path(folder, "ledger.json");
    AUTO(drop_free) struct ledger *ledger = NULL;
    AUTO(drop_fd) int lock = -1;

    if (jwks->count == 0 || !text_starts(root->kid, "native:") || root->seed ||
        !uuid_valid(root->kid + strlen("native:"))) {
        return err_set(err, ERR_INPUT, "the backup begins with no root key");
    }
    return nativestate_lock(folder, &lock, err) &&
           ledger_for(ledger_path, root->kid + strlen("native:"), cluster, root->key, &ledger,
                      err) &&
           hostseal_seal(host, root_path, NATIVE_ROOT_PURPOSE, root->key, err) &&
           import_keks(folder, jwks, ledger, err) &&
           ledger_write(ledger_path, root->key, ledger, err) &&
           nativebackup_made(folder, ledger, err);
}

/* --- the end ------------------------------------------------------------------------------------
 */

static bool holds_a_secret(const char *name)
{
    static const char *const ends[] = {".secret", ".seed", ".new"};
    size_t length = strlen(name);

    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        if (length > strlen(ends[i]) && strcmp(name + length - strlen(ends[i]), ends[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool wipe_secrets(const char *folder, DIR *entries, struct err *err)
{
    const struct dirent *entry;

    while ((entry = readdir(entries))) {
        AUTO(drop_free) char *path = nativestate_path(folder, entry->d_name);

        if (holds_a_secret(entry->d_name) && !secretfile_wipe(path, err)) {
            return false;
        }
    }
    return true;
}

bool native_destroy(const char *folder, struct err *err)
{
    AUTO(drop_folder) DIR *entries = opendir(folder);

    if (!entries) {
        return errno == ENOENT || err_errno(err, errno, "open '%s'", folder);
    }
    return wipe_secrets(folder, entries, err) && file_remove_tree(folder, err);
}
