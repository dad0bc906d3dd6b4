/* SPDX-License-Identifier: Apache-2.0 */
#include "store/ceph_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cursor.h"
#include "base/secret_open.h"

#define MAGIC "quoin-store-keys-1 "

static const struct {
    const char *entity;
    const char *file; /* where it lies on a host */
    const char *caps; /* in the file, besides the key */
} kinds[CEPH_KEYS] = {
    [CEPH_KEY_MONITORS] = {"mon.", "/etc/ceph/ceph.mon.keyring", "\tcaps mon = \"allow *\"\n"},
    [CEPH_KEY_ADMIN] = {"client.admin", "/etc/ceph/ceph.client." CEPH_ADMIN ".keyring", ""},
    [CEPH_KEY_USER] = {"client.quoin", "/etc/ceph/ceph.client." CEPH_USER ".keyring", ""},
    [CEPH_KEY_VM] = {"client.quoin-vm", "/etc/ceph/ceph.client." CEPH_VM ".keyring", ""},
};

void ceph_keys_clear(struct ceph_keys *keys)
{
    for (size_t i = 0; i < CEPH_KEYS; i++) {
        secret_free(TAKE(keys->each[i]));
    }
}

/* A text in locked memory, filled from its beginning. */
struct writer {
    unsigned char *at;
};

static void put(struct writer *writer, const void *bytes, size_t length)
{
    memcpy(writer->at, bytes, length);
    writer->at += length;
}

static void put_text(struct writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

static size_t written(const struct writer *writer, const struct secret *secret)
{
    return (size_t)(writer->at - secret_look(secret));
}

bool ceph_keys_write(const struct ceph_keys *keys, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *text = NULL;

    if (!secret_new(STORE_MAX_KEYS, &text, err)) {
        return false;
    }
    struct writer writer = {secret_bytes(text)};

    put_text(&writer, MAGIC);
    put_text(&writer, keys->cluster);
    put_text(&writer, "\n");
    for (size_t i = 0; i < CEPH_KEYS; i++) {
        put_text(&writer, kinds[i].entity);
        put_text(&writer, " ");
        put(&writer, secret_look(keys->each[i]), CEPH_KEY_DIGITS);
        put_text(&writer, "\n");
    }
    secret_cut(text, written(&writer, text));
    *out = TAKE(text);
    return true;
}

static bool take_text(struct cursor *reader, const char *text)
{
    const unsigned char *at = cursor_take(reader, strlen(text));

    return at && memcmp(at, text, strlen(text)) == 0;
}

/* 28 bytes are 37 digits and a bit: the last two that count are followed by "==". */
static bool key_valid(const unsigned char *digits)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < CEPH_KEY_DIGITS - 2; i++) {
        if (!digits[i] || !strchr(base64, digits[i])) {
            return false;
        }
    }
    return memcmp(digits + CEPH_KEY_DIGITS - 2, "==", 2) == 0;
}

static bool take_key(struct cursor *reader, const char *entity, struct secret **out,
                     struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    const unsigned char *digits = NULL;

    if (!take_text(reader, entity) || !take_text(reader, " ") ||
        !(digits = cursor_take(reader, CEPH_KEY_DIGITS)) || !key_valid(digits) ||
        !take_text(reader, "\n")) {
        return err_set(err, ERR_INPUT, "the datastore's keys are damaged at %s", entity);
    }
    if (!secret_new(CEPH_KEY_DIGITS, &key, err)) {
        return false;
    }
    memcpy(secret_bytes(key), digits, CEPH_KEY_DIGITS);
    *out = TAKE(key);
    return true;
}

static bool take_cluster(struct cursor *reader, char out[UUID_SIZE])
{
    const unsigned char *uuid = NULL;

    if (!take_text(reader, MAGIC) || !(uuid = cursor_take(reader, UUID_SIZE - 1))) {
        return false;
    }
    memcpy(out, uuid, UUID_SIZE - 1);
    out[UUID_SIZE - 1] = '\0';
    return uuid_valid(out) && take_text(reader, "\n");
}

bool ceph_keys_read(const struct secret *text, struct ceph_keys *out, struct err *err)
{
    AUTO(drop_keys) struct ceph_keys keys = {.cluster = ""};
    struct cursor reader = {secret_look(text), secret_size(text)};

    if (!take_cluster(&reader, keys.cluster)) {
        return err_set(err, ERR_INPUT, "these are no keys of a datastore");
    }
    for (size_t i = 0; i < CEPH_KEYS; i++) {
        if (!take_key(&reader, kinds[i].entity, &keys.each[i], err)) {
            return false;
        }
    }
    if (reader.left > 0) {
        return err_set(err, ERR_INPUT, "something follows the datastore's keys");
    }
    *out = keys;
    keys = (struct ceph_keys){.cluster = ""};
    return true;
}

static bool read_key(const struct store_conf *conf, enum ceph_key kind, struct secret **out,
                     struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "%s", kinds[kind].file);
    AUTO(drop_secret) struct secret *key = NULL;

    if (!ceph_keyring_key(path, &key, err)) {
        return false;
    }
    if (secret_size(key) != CEPH_KEY_DIGITS || !key_valid(secret_look(key))) {
        return err_set(err, ERR_SYSTEM, "'%s' holds no key that Ceph makes", path);
    }
    *out = TAKE(key);
    return true;
}

bool ceph_keys_gather(const struct store_conf *conf, struct secret **out, struct err *err)
{
    AUTO(drop_keys) struct ceph_keys keys = {.cluster = ""};

    if (!ceph_conf_cluster(conf, keys.cluster, err)) {
        return false;
    }
    if (strcmp(keys.cluster, conf->cluster) != 0) {
        return err_set(err, keys.cluster[0] ? ERR_CLASH : ERR_ABSENT,
                       "this host does not serve cluster %s", conf->cluster);
    }
    for (size_t i = 0; i < CEPH_KEYS; i++) {
        if (!read_key(conf, (enum ceph_key)i, &keys.each[i], err)) {
            return err_add(err, "gather the datastore's keys");
        }
    }
    return ceph_keys_write(&keys, out, err);
}

/* A keyring file with one key. */
static bool put_key(const char *path, enum ceph_key kind, const struct secret *key, uid_t owner,
                    gid_t group, struct err *err)
{
    AUTO(drop_secret) struct secret *text = NULL;

    if (!secret_new(STORE_MAX_KEYS, &text, err)) {
        return false;
    }
    struct writer writer = {secret_bytes(text)};

    put_text(&writer, "[");
    put_text(&writer, kinds[kind].entity);
    put_text(&writer, "]\n\tkey = ");
    put(&writer, secret_look(key), secret_size(key));
    put_text(&writer, "\n");
    put_text(&writer, kinds[kind].caps);
    return ceph_write_private(path, secret_look(text), written(&writer, text), owner, group, err);
}

bool ceph_keys_put(const struct store_conf *conf, const struct ceph_keys *keys, struct err *err)
{
    for (size_t i = 0; i < CEPH_KEYS; i++) {
        AUTO(drop_free) char *path = ceph_path(conf, "%s", kinds[i].file);
        AUTO(drop_secret) struct secret *there = NULL;
        struct err absent = {0};

        if (file_exists(path) && read_key(conf, (enum ceph_key)i, &there, &absent) &&
            secret_equal(there, keys->each[i])) {
            continue;
        }
        if (!put_key(path, (enum ceph_key)i, keys->each[i], 0, 0, err)) {
            return err_add(err, "keep the key of %s", kinds[i].entity);
        }
    }
    return true;
}

bool ceph_keys_seed(const struct store_conf *conf, const char *path, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    uid_t user = 0;
    gid_t group = 0;

    return ceph_account(&user, &group, err) && read_key(conf, CEPH_KEY_MONITORS, &key, err) &&
           put_key(path, CEPH_KEY_MONITORS, key, user, group, err);
}

static bool make_admin(const struct store_conf *conf, struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "/etc/ceph/ceph.client.admin.keyring");
    AUTO(drop_free) char *beside = text_make("%s.new", path);

    if (file_exists(path)) {
        return true;
    }
    if (!file_remove(beside, err) ||
        !ceph_program(RUN("ceph-authtool", "--create-keyring", beside, "--gen-key", "-n",
                          "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *",
                          "--cap", "mgr", "allow *"),
                      30, err)) {
        return err_add(err, "make the administrator's key");
    }
    if (chmod(beside, 0600) != 0 || rename(beside, path) != 0) {
        return err_errno(err, errno, "make '%s'", path);
    }
    return true;
}

/* The administrator's too: a monitor that starts a cluster takes both in. */
bool ceph_keys_first(const struct store_conf *conf, const char *keyring, struct err *err)
{
    AUTO(drop_free) char *admin = ceph_path(conf, "%s", kinds[CEPH_KEY_ADMIN].file);

    return make_admin(conf, err) &&
           ceph_program(RUN("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.",
                            "--cap", "mon", "allow *"),
                        30, err) &&
           ceph_program(RUN("ceph-authtool", keyring, "--import-keyring", admin), 30, err);
}

bool ceph_keys_keep(const struct store_conf *conf, const char *monitor_folder, struct err *err)
{
    AUTO(drop_free) char *path = ceph_path(conf, "%s", kinds[CEPH_KEY_MONITORS].file);
    AUTO(drop_free) char *from = text_make("%s/keyring", monitor_folder);
    AUTO(drop_secret) struct secret *key = NULL;

    return file_exists(path) ||
           (ceph_keyring_key(from, &key, err) && put_key(path, CEPH_KEY_MONITORS, key, 0, 0, err));
}

bool ceph_keys_remove(const struct store_conf *conf, struct err *err)
{
    for (size_t i = 0; i < CEPH_KEYS; i++) {
        AUTO(drop_free) char *path = ceph_path(conf, "%s", kinds[i].file);
        AUTO(drop_free) char *beside = text_make("%s.new", path);

        if (!file_remove(path, err) || !file_remove(beside, err)) {
            return false;
        }
    }
    return true;
}
