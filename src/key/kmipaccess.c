/* SPDX-License-Identifier: Apache-2.0 */
#include "key/kmipaccess.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "wire/stream.h"

#define FORMAT 1
/* Two PEM texts and some names. */
#define MAX_RECORD       (2 * STREAM_MAX_PEM + 16384u)
#define MAX_SERVER_NAME  280u
#define MAX_USER         255u
#define GOOD_SERVER      "good-server"
#define PASSWORD_PURPOSE "kmip-client-password"

struct kmipaccess {
    json_t *record;
    const char *servers[KMIP_MAX_SERVERS + 1]; /* in the record, as the texts below */
    const char *ca;
    const char *certificate;
    const char *user; /* or NULL */
    const char *kek;
    struct secret *private_key;
    struct secret *password;
    char *remember;
};

static char *in_folder(const struct provider_conf *conf, const char *file)
{
    return text_make("%s/%s", conf->folder, file);
}

/* --- keeping --------------------------------------------------------------------------------- */

static bool kek_is_known(const char *kek)
{
    return !kek || strcmp(kek, "auto") == 0 || strcmp(kek, "server") == 0 ||
           strcmp(kek, "host") == 0;
}

static bool is_complete(const struct provider_conf *conf, const char *key_path, struct err *err)
{
    const struct {
        const char *what;
        bool there;
    } needs[] = {
        {"server", conf->servers[0] != NULL},
        {"CA", conf->ca != NULL},
        {"client certificate", conf->certificate != NULL},
        {"private key", conf->private_key || file_exists(key_path)},
        {"password for its user", !conf->user || conf->password},
        {"place for its KEKs: auto, server or host", kek_is_known(conf->kek)},
    };

    for (size_t i = 0; i < COUNT_OF(needs); i++) {
        if (!needs[i].there) {
            return err_set(err, ERR_INPUT, "a kmip provider needs a %s", needs[i].what);
        }
    }
    return true;
}

static json_t *record_of(const struct provider_conf *conf)
{
    json_t *servers = json_array();

    for (size_t i = 0; conf->servers[i]; i++) {
        json_array_append_new(servers, json_string(conf->servers[i]));
    }
    return json_pack("{s:i, s:s, s:o, s:s, s:s, s:s*, s:s*}", "version", FORMAT, "cluster",
                     conf->cluster, "servers", servers, "ca", conf->ca, "certificate",
                     conf->certificate, "user", conf->user, "kek", conf->kek);
}

/* The record last: with it there, all of it is there. */
static bool keep(const struct provider_conf *conf, struct err *err)
{
    AUTO(drop_free) char *key_path = in_folder(conf, KMIPACCESS_KEY_FILE);
    AUTO(drop_free) char *password_path = in_folder(conf, "client-password.json");
    AUTO(drop_free) char *path = in_folder(conf, "kmip.json");
    AUTO(drop_json) json_t *record = NULL;
    AUTO(drop_free) char *text = NULL;

    if (!is_complete(conf, key_path, err) || !file_make_folder(conf->folder, 0700, err) ||
        (conf->private_key &&
         !hostseal_seal(&conf->host, key_path, KMIPACCESS_KEY_PURPOSE, conf->private_key, err)) ||
        (conf->user &&
         !hostseal_seal(&conf->host, password_path, PASSWORD_PURPOSE, conf->password, err))) {
        return false;
    }
    record = record_of(conf);
    if (!record) {
        return err_set(err, ERR_INPUT, "a kmip provider's texts are not UTF-8");
    }
    text = json_write_canonical(record);
    return file_write(path, text, strlen(text), 0600, err);
}

/* --- reading --------------------------------------------------------------------------------- */

static bool read_servers(const json_t *record, struct kmipaccess *access, struct err *err)
{
    const json_t *servers = NULL;

    if (!json_get_array(record, "servers", KMIP_MAX_SERVERS, &servers, err)) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const char *name = json_string_value(json_array_get(servers, i));

        if (!name || strlen(name) > MAX_SERVER_NAME) {
            return err_set(err, ERR_INPUT, "the name of key server %zu is none", i + 1);
        }
        access->servers[i] = name;
    }
    return true;
}

static bool read_record(const struct provider_conf *conf, struct kmipaccess *access,
                        struct err *err)
{
    AUTO(drop_free) char *path = in_folder(conf, "kmip.json");
    AUTO(drop_free) char *text = NULL;
    const char *cluster = NULL;
    size_t length = 0;

    if (!file_read(path, MAX_RECORD, &text, &length, err) ||
        !json_read(text, length, &access->record, err) ||
        !json_get_format(access->record, "version", FORMAT, err) ||
        !json_get_string(access->record, "cluster", UUID_SIZE, &cluster, err) ||
        !json_get_string(access->record, "ca", STREAM_MAX_PEM, &access->ca, err) ||
        !json_get_string(access->record, "certificate", STREAM_MAX_PEM, &access->certificate,
                         err) ||
        !read_servers(access->record, access, err)) {
        return err_add(err, "the way to the key servers");
    }
    if (json_object_get(access->record, "user") &&
        !json_get_string(access->record, "user", MAX_USER, &access->user, err)) {
        return false;
    }
    access->kek = json_string_or(access->record, "kek", "auto");
    return strcmp(cluster, conf->cluster) == 0 ||
           err_set(err, ERR_CLASH, "the kmip provider in '%s' is cluster %s's, not %s's",
                   conf->folder, cluster, conf->cluster);
}

static bool read_secrets(const struct provider_conf *conf, struct kmipaccess *access,
                         struct err *err)
{
    AUTO(drop_free) char *key_path = in_folder(conf, KMIPACCESS_KEY_FILE);
    AUTO(drop_free) char *password_path = in_folder(conf, "client-password.json");

    return hostseal_open(&conf->host, key_path, KMIPACCESS_KEY_PURPOSE, &access->private_key,
                         err) &&
           (!access->user ||
            hostseal_open(&conf->host, password_path, PASSWORD_PURPOSE, &access->password, err));
}

bool kmipaccess_open(const struct provider_conf *conf, struct kmipaccess **out, struct err *err)
{
    AUTO(drop_kmipaccess) struct kmipaccess *access = text_room(1, sizeof(*access));

    if (!conf->cluster || !uuid_valid(conf->cluster)) {
        return err_set(err, ERR_INPUT, "a kmip provider belongs to a cluster");
    }
    if ((conf->servers && !keep(conf, err)) || !read_record(conf, access, err) ||
        !read_secrets(conf, access, err)) {
        return false;
    }
    access->remember = in_folder(conf, GOOD_SERVER);
    *out = TAKE(access);
    return true;
}

static void date_of_ours(const char *folder, long long *out)
{
    AUTO(drop_free) char *path = text_make("%s/kmip.json", folder);
    AUTO(drop_free) char *text = NULL;
    AUTO(drop_json) json_t *record = NULL;
    struct err ignored = {0};
    size_t length = 0;

    *out = 0;
    if (file_read(path, MAX_RECORD, &text, &length, &ignored) &&
        json_read(text, length, &record, &ignored)) {
        (void)stream_pem_expires(json_string_or(record, "certificate", ""), out, &ignored);
    }
}

void kmipaccess_dates(const char *folder, long long *out_ours, long long *out_theirs)
{
    AUTO(drop_free) char *path = text_make("%s/" GOOD_SERVER, folder);

    date_of_ours(folder, out_ours);
    *out_theirs = kmipserver_remembered(path);
}

void kmipaccess_free(struct kmipaccess *access)
{
    if (access) {
        json_decref(access->record);
        secret_free(access->private_key);
        secret_free(access->password);
        free(access->remember);
        free(access);
    }
}

const char *kmipaccess_kek(const struct kmipaccess *access)
{
    return access->kek;
}

struct kmipserver_conf kmipaccess_servers(const struct kmipaccess *access)
{
    return (struct kmipserver_conf){
        .servers = access->servers,
        .ca = access->ca,
        .certificate = access->certificate,
        .private_key = access->private_key,
        .credential = {.user = access->user, .password = access->password},
        .remember = access->remember,
    };
}
