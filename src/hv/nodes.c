/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/nodes.h"

#include <stdio.h>
#include <string.h>

/* A file's name in QEMU's words for what has no other: "json:{…}". */
#define IN_WORDS "json:"
/* Digits of the digest of an image's name; with the prefix far below QEMU's limit. */
#define NAME_DIGITS 16
/* A description of one node; a few hundred bytes. */
#define MAX_WORDS 16384u

static const json_t *find(const json_t *nodes, const char *name)
{
    const json_t *node;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)nodes, i, node)
    {
        if (strcmp(json_string_or(node, "node-name", ""), name) == 0) {
            return node;
        }
    }
    return NULL;
}

static char *image_of(const json_t *node)
{
    const char *words = json_string_or(node, "file", "");
    AUTO(drop_json) json_t *read = NULL;
    struct err ignored = {0};

    if (!text_starts(words, IN_WORDS) ||
        !json_read(words + strlen(IN_WORDS), strnlen(words, MAX_WORDS) - strlen(IN_WORDS), &read,
                   &ignored)) {
        return NULL;
    }
    const json_t *file = json_object_get(read, "file");
    const json_t *at = json_is_object(file) ? file : read;
    const char *pool = json_string_or(at, "pool", NULL), *image = json_string_or(at, "image", NULL);

    return pool && image ? text_make("%s/%s", pool, image) : NULL;
}

char *nodes_image(const json_t *nodes, const char *name)
{
    const json_t *node = find(nodes, name);

    return node ? image_of(node) : NULL;
}

const char *nodes_added(const json_t *nodes, const char *source)
{
    const json_t *node;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)nodes, i, node)
    {
        AUTO(drop_free) char *image = image_of(node);
        const char *name = json_string_or(node, "node-name", "");

        if (image && text_starts(name, NODES_PREFIX) && strcmp(image, source) == 0) {
            return name;
        }
    }
    return NULL;
}

bool nodes_used(const json_t *blocks, const char *name)
{
    const json_t *block;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)blocks, i, block)
    {
        const json_t *inserted = json_object_get(block, "inserted");

        if (inserted && strcmp(json_string_or(inserted, "node-name", ""), name) == 0) {
            return true;
        }
    }
    return false;
}

int64_t nodes_dirty(const json_t *nodes, const char *name)
{
    const json_t *bitmaps = json_object_get(find(nodes, name), "dirty-bitmaps"), *bitmap;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)bitmaps, i, bitmap)
    {
        if (strcmp(json_string_or(bitmap, "name", ""), NODES_BITMAP) == 0) {
            return json_integer_value(json_object_get(bitmap, "count"));
        }
    }
    return -1;
}

void nodes_name(const char *source, char out[NODES_NAME])
{
    char digest[DIGEST_HEX_SIZE];

    digest_hex(source, strlen(source), digest);
    (void)snprintf(out, NODES_NAME, NODES_PREFIX "%.*s", NAME_DIGITS, digest);
}

/* "10.77.0.11:3300 [fd00::1]:3300" as QEMU wants it. */
static json_t *servers(const char *hosts)
{
    AUTO(drop_free) char *copy = text_copy(hosts);
    json_t *list = json_array();
    char *rest = NULL;

    for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
        char *colon = strrchr(one, ':');
        char *host = one + (one[0] == '[');

        if (!colon) {
            continue;
        }
        *colon = '\0';
        host[strcspn(host, "]")] = '\0';
        json_array_append_new(list, json_pack("{s:s, s:s}", "host", host, "port", colon + 1));
    }
    return list;
}

bool nodes_order(const struct hv_target *target, json_t **out, struct err *err)
{
    const struct domain_storage *storage = target->storage;
    AUTO(drop_free) char *pool = text_copy(target->source);
    char *slash = strchr(pool, '/');
    AUTO(drop_json) json_t *hosts = servers(storage->hosts);
    char name[NODES_NAME];

    if (!slash || slash == pool || strpbrk(target->source, "@:,") || !slash[1] ||
        strlen(target->source) > DOMAIN_MAX_SOURCE) {
        return err_set(err, ERR_INPUT, "'%.100s' is no POOL/IMAGE", target->source);
    }
    if (json_array_size(hosts) == 0) {
        return err_set(err, ERR_INPUT, "the datastore has no address");
    }
    *slash = '\0';
    nodes_name(target->source, name);
    AUTO(drop_free) char *key = text_make("%s-key", name);
    AUTO(drop_free) char *auth = text_make("%s-auth", name);

    /* As libvirt asks for a disk's: no cache, no holes made by trimming. */
    *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:[s, s], s:s, s:{s:s, s:s},"
                     " s:{s:b, s:b}, s:s, s:b}",
                     "driver", "rbd", "node-name", name, "pool", pool, "image", slash + 1, "conf",
                     storage->conf, "user", storage->user, "server", hosts, "auth-client-required",
                     "cephx", "none", "key-secret", auth, "encrypt", "format", "luks2",
                     "key-secret", key, "cache", "direct", 1, "no-flush", 0, "discard", "ignore",
                     "read-only", target->read_only);
    return *out || err_set(err, ERR_BUG, "the order for QEMU is no JSON");
}

bool nodes_pace(struct nodes_pace *pace, const json_t *job, int64_t now)
{
    int64_t done = json_integer_value(json_object_get(job, "current-progress"));

    if (pace->since == 0 || done != pace->done) {
        *pace = (struct nodes_pace){.since = now, .done = done};
    }
    return now - pace->since < 1000 * (int64_t)NODES_STILL_SECONDS;
}
