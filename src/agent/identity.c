/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/identity.h"

#include <string.h>

#include "agent/enrol.h"
#include "base/secret_open.h"

/* Where the private key goes in a document that was written without it. Compact JSON has these
 * bytes nowhere else: in a string its quotes would be escaped. */
#define KEY_FIELD "\"tls_key\":\""
#define KEY_PLACE KEY_FIELD "\""

static bool in_clear(const struct vm *vm, const char *certificate, const char *ca, json_t **out,
                     struct err *err)
{
    const struct host *host = &vm->agent->host;
    const json_t *network = json_object_get(vm->config, "network");
    json_t *shown = json_object();
    char mac[DOMAIN_MAC_SIZE];
    static const char *const keys[] = {"address", "gateway", "dns"};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (json_object_get(network, keys[i])) {
            json_object_set(shown, keys[i], json_object_get(network, keys[i]));
        }
    }
    domain_mac(vm->uuid, mac);
    json_object_set_new(shown, "mac", json_string(mac));
    *out = json_pack("{s:i, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:O, s:o}", "quoin", 1,
                     "cluster", "id", host->cluster_id, "name", host->cluster, "datacenter",
                     host->datacenter, "manager", "name", json_string_or(vm->config, "name", ""),
                     "hostname", json_string_or(network, "hostname", ""), "tls_key", "",
                     "tls_certificate", certificate, "ca", ca, "admin",
                     json_object_get(vm->config, "admin"), "network", shown);
    return *out || err_set(err, ERR_BUG, "the identity document cannot be written");
}

/* A PEM in JSON: each newline becomes two characters; nothing else in it needs escaping. */
static size_t add_pem(unsigned char *to, const struct secret *pem)
{
    const unsigned char *from = secret_look(pem);
    size_t n = 0;

    for (size_t i = 0; i < secret_size(pem); i++) {
        if (from[i] == '\n') {
            to[n++] = '\\';
            to[n++] = 'n';
        } else {
            to[n++] = from[i];
        }
    }
    return n;
}

static bool put_key(const char *clear, const struct secret *key, struct secret **out,
                    struct err *err)
{
    const char *place = strstr(clear, KEY_PLACE);
    AUTO(drop_secret) struct secret *document = NULL;

    if (!place || !secret_new(strlen(clear) + 2 * secret_size(key), &document, err)) {
        return place ? false
                     : err_set(err, ERR_BUG, "the identity document has no place for a key");
    }
    unsigned char *to = secret_bytes(document);
    size_t n = (size_t)(place - clear) + strlen(KEY_FIELD);

    memcpy(to, clear, n);
    n += add_pem(to + n, key);
    place += strlen(KEY_FIELD);
    memcpy(to + n, place, strlen(place));
    secret_cut(document, n + strlen(place));
    *out = TAKE(document);
    return true;
}

/* "10.77.0.10/24" without the prefix. */
static char *address_of(const struct vm *vm)
{
    char *address =
        text_copy(json_string_or(json_object_get(vm->config, "network"), "address", ""));

    address[strcspn(address, "/")] = '\0';
    return address;
}

bool identity_make(struct vm *vm, struct secret **out_document, struct err *err)
{
    const json_t *network = json_object_get(vm->config, "network");
    AUTO(drop_free) char *address = address_of(vm);
    AUTO(drop_free) char *certificate = NULL, *ca = NULL, *text = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_json) json_t *clear = NULL;

    if (!enrol_manager(vm->agent, json_string_or(vm->config, "name", ""),
                       json_string_or(network, "hostname", ""), address, &key, &certificate, err) ||
        !enrol_ca(vm->agent, &ca, err) || !in_clear(vm, certificate, ca, &clear, err)) {
        return err_add(err, "make the manager's identity");
    }
    text = json_write(clear);
    return put_key(text, key, out_document, err);
}
