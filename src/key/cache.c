/* SPDX-License-Identifier: Apache-2.0 */
#include "key/cache.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/secret_open.h"
#include "key/secretfile.h"

/* When it was sealed, in seconds, big-endian; the key follows. */
#define TIME_SIZE 8u
#define SUFFIX    ".json"

static char *path_of(const char *folder, const char *vm)
{
    return text_make("%s/%s" SUFFIX, folder, vm);
}

/* The TPM's record is bound to it as to its purpose. */
static bool purpose_of(const struct envelope *envelope, char **out, struct err *err)
{
    AUTO(drop_free) char *digest = NULL;

    if (!envelope_digest(envelope, &digest, err)) {
        return false;
    }
    *out = text_make("cached-key %s", digest);
    return true;
}

static struct hostseal_conf sealing(const struct cache_conf *conf)
{
    struct hostseal_conf host = conf->host;

    host.tpm = TPM_REQUIRED;
    host.seconds = conf->seconds;
    return host;
}

bool cache_put(const struct cache_conf *conf, const struct envelope *envelope,
               const struct secret *key, time_t now, struct err *err)
{
    const struct hostseal_conf host = sealing(conf);
    AUTO(drop_free) char *path = path_of(conf->folder, envelope_about(envelope)->vm);
    AUTO(drop_free) char *purpose = NULL;
    AUTO(drop_secret) struct secret *content = NULL;

    if (!purpose_of(envelope, &purpose, err) || !file_make_folder(conf->folder, 0700, err) ||
        !secret_new(TIME_SIZE + secret_size(key), &content, err)) {
        return false;
    }
    unsigned char *bytes = secret_bytes(content);

    for (size_t i = 0; i < TIME_SIZE; i++) {
        bytes[i] = (unsigned char)((uint64_t)now >> (56 - 8 * i));
    }
    memcpy(bytes + TIME_SIZE, secret_look(key), secret_size(key));
    return hostseal_seal(&host, path, purpose, content, err) ||
           err_add(err, "keep the key of VM %s on this host", envelope_about(envelope)->vm);
}

static bool is_fresh(const struct cache_conf *conf, time_t at, time_t now, struct err *err)
{
    if (now < at) {
        return err_set(err, ERR_DENIED, "this host's clock was set back since it was kept");
    }
    return now - at <= (time_t)conf->seconds ||
           err_set(err, ERR_DENIED, "it is %lld minutes old, and %u are allowed",
                   (long long)(now - at) / 60, conf->seconds / 60);
}

static bool take(const struct cache_conf *conf, const struct secret *content, time_t now,
                 struct secret **out, time_t *out_at, struct err *err)
{
    size_t size = secret_size(content);
    const unsigned char *bytes = secret_look(content);
    uint64_t at = 0;

    if (size <= TIME_SIZE) {
        return err_set(err, ERR_DENIED, "what is kept holds no key");
    }
    for (size_t i = 0; i < TIME_SIZE; i++) {
        at = at << 8 | bytes[i];
    }
    if (!is_fresh(conf, (time_t)at, now, err) || !secret_new(size - TIME_SIZE, out, err)) {
        return false;
    }
    memcpy(secret_bytes(*out), bytes + TIME_SIZE, size - TIME_SIZE);
    if (out_at) {
        *out_at = (time_t)at;
    }
    return true;
}

bool cache_get(const struct cache_conf *conf, const struct envelope *envelope, time_t now,
               struct secret **out, time_t *out_at, struct err *err)
{
    const struct hostseal_conf host = sealing(conf);
    AUTO(drop_free) char *path = path_of(conf->folder, envelope_about(envelope)->vm);
    AUTO(drop_free) char *purpose = NULL;
    AUTO(drop_secret) struct secret *content = NULL;

    return (purpose_of(envelope, &purpose, err) &&
            hostseal_open(&host, path, purpose, &content, err) &&
            take(conf, content, now, out, out_at, err)) ||
           err_add(err, "the key that was kept on this host");
}

bool cache_drop(const char *folder, const char *vm, struct err *err)
{
    AUTO(drop_free) char *path = path_of(folder, vm);

    return hostseal_remove(path, err);
}

DROP(dir, DIR *, closedir);

bool cache_wipe(const char *folder, struct err *err)
{
    AUTO(drop_dir) DIR *dir = opendir(folder);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        AUTO(drop_free) char *path = text_make("%s/%s", folder, entry->d_name);

        if (entry->d_name[0] != '.' && !secretfile_wipe(path, err)) {
            return err_add(err, "wipe the keys that are kept on this host");
        }
    }
    return rmdir(folder) == 0 || errno == ENOENT || err_errno(err, errno, "remove '%s'", folder);
}
