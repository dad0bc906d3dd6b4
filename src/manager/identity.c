/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/identity.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "base/uuid.h"
#include "manager/secret_json.h"

/* A PKCS #8 key in PEM is near 250 bytes; a certificate with intermediates near 4 KiB. */
#define KEY_MAX      (16u * 1024u)
#define PEM_MAX      (64u * 1024u)
#define LABEL_MAX    63u
#define DNS_NAME_MAX 253u
#define ADDRESS_MAX  64u
#define MAC_LENGTH   17u

static bool made_of(const char *text, const char *characters)
{
    return text[0] != '\0' && text[strspn(text, characters)] == '\0';
}

#define LETTERS  "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS   "0123456789"

static bool is_name(const char *text)
{
    return made_of(text, LETTERS CAPITALS DIGITS "._-") && isalnum((unsigned char)text[0]);
}

static bool is_user(const char *text)
{
    return made_of(text, LETTERS DIGITS "._-");
}

static bool is_certificate(const char *text)
{
    return text_starts(text, "-----BEGIN CERTIFICATE-----\n");
}

static bool is_hash(const char *text)
{
    return text_starts(text, "scrypt$") && made_of(text, LETTERS CAPITALS DIGITS "$_-");
}

/* AF_INET or AF_INET6; 0 for no address. */
static int family_of(const char *text)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, text, bytes) == 1    ? AF_INET
           : inet_pton(AF_INET6, text, bytes) == 1 ? AF_INET6
                                                   : 0;
}

static bool is_address(const char *text)
{
    return family_of(text) != 0;
}

/* "10.77.0.10/24" */
static int family_of_network(const char *text)
{
    const char *slash = strchr(text, '/');
    AUTO(drop_free) char *address = text_copy(text);

    if (!slash || strlen(slash) < 2 || strlen(slash) > 4 || !made_of(slash + 1, DIGITS)) {
        return 0;
    }
    address[slash - text] = '\0';
    int family = family_of(address);

    return atoi(slash + 1) <= (family == AF_INET6 ? 128 : 32) ? family : 0;
}

static bool is_network(const char *text)
{
    return family_of_network(text) != 0;
}

static bool is_mac(const char *text)
{
    if (strlen(text) != MAC_LENGTH) {
        return false;
    }
    for (unsigned i = 0; i < MAC_LENGTH; i++) {
        if (i % 3 == 2 ? text[i] != ':' : !strchr(DIGITS "abcdef", text[i])) {
            return false;
        }
    }
    return true;
}

/* Every text of the document, in the order of docs/manager-identity.md. */
static const struct field {
    const char *object, *key;
    size_t max;
    bool (*fits)(const char *text);
    size_t offset; /* of the char * in struct identity */
    bool optional;
} fields[] = {
    {"cluster", "id", UUID_SIZE - 1, uuid_valid, offsetof(struct identity, cluster_id)},
    {"cluster", "name", LABEL_MAX, is_name, offsetof(struct identity, cluster)},
    {"cluster", "datacenter", LABEL_MAX, is_name, offsetof(struct identity, datacenter)},
    {"manager", "name", LABEL_MAX, is_name, offsetof(struct identity, name)},
    {"manager", "hostname", DNS_NAME_MAX, is_name, offsetof(struct identity, hostname)},
    {"manager", "tls_certificate", PEM_MAX, is_certificate,
     offsetof(struct identity, tls_certificate)},
    {"manager", "ca", PEM_MAX, is_certificate, offsetof(struct identity, ca)},
    {"admin", "user", LABEL_MAX, is_user, offsetof(struct identity, user)},
    {"admin", "password_hash", 127, is_hash, offsetof(struct identity, password_hash)},
    {"network", "address", ADDRESS_MAX, is_network, offsetof(struct identity, address)},
    {"network", "gateway", ADDRESS_MAX, is_address, offsetof(struct identity, gateway), true},
    {"network", "mac", MAC_LENGTH, is_mac, offsetof(struct identity, mac), true},
};

/* What else may stand there; read by code of its own. */
static const struct {
    const char *object, *key;
} others[] = {
    {"", "quoin"},   {"", "cluster"},    {"", "manager"},        {"", "admin"},
    {"", "network"}, {"network", "dns"}, {"manager", "tls_key"},
};

static bool is_known(const char *object, const char *key)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (strcmp(fields[i].object, object) == 0 && strcmp(fields[i].key, key) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (strcmp(others[i].object, object) == 0 && strcmp(others[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_keys(const json_t *object, const char *name, struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!is_known(name, key)) {
            return err_set(err, ERR_INPUT, "'%.64s' is not known in %s%s", key,
                           name[0] ? "" : "the document", name);
        }
    }
    return true;
}

static bool read_field(const json_t *object, const struct field *field, struct identity *identity,
                       struct err *err)
{
    const char *text = NULL;

    if (field->optional && !json_object_get(object, field->key)) {
        return true;
    }
    if (!json_get_string(object, field->key, field->max, &text, err)) {
        return err_add(err, "%s", field->object);
    }
    if (!field->fits(text)) {
        return err_set(err, ERR_INPUT, "%s: '%s' is not well formed", field->object, field->key);
    }
    *(char **)((char *)identity + field->offset) = text_copy(text);
    return true;
}

static bool read_texts(const json_t *document, struct identity *identity, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const json_t *object = NULL;

        if (!json_get_object(document, fields[i].object, &object, err) ||
            !check_keys(object, fields[i].object, err) ||
            !read_field(object, &fields[i], identity, err)) {
            return false;
        }
    }
    return true;
}

static bool read_dns(const json_t *document, struct identity *identity, struct err *err)
{
    const json_t *network = json_object_get(document, "network"), *list = NULL;

    if (!json_object_get(network, "dns")) {
        return true;
    }
    if (!json_get_array(network, "dns", IDENTITY_DNS_MAX, &list, err)) {
        return err_add(err, "network");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (!text || !is_address(text)) {
            return err_set(err, ERR_INPUT, "network: 'dns' holds something that is no address");
        }
        identity->dns[identity->dns_count++] = text_copy(text);
    }
    return true;
}

static bool check_whole(const json_t *document, const struct identity *identity, struct err *err)
{
    const json_t *manager = json_object_get(document, "manager");

    /* It was found somewhere: this is the place where it must be. */
    if (!json_object_get(manager, "tls_key")) {
        return err_set(err, ERR_INPUT, "manager: 'tls_key' is missing");
    }
    if (identity->gateway && family_of(identity->gateway) != family_of_network(identity->address)) {
        return err_set(err, ERR_INPUT, "network: address and gateway are of different families");
    }
    return true;
}

static bool read_document(const json_t *document, struct identity *identity, struct err *err)
{
    int64_t format = 0;

    if (!json_get_integer(document, "quoin", 1, INT64_MAX, &format, err)) {
        return false;
    }
    if (format != 1) {
        err_set(err, ERR_INPUT, "the identity has format %lld, this program knows 1",
                (long long)format);
        return err_mend(err, "use the manager's image of the quoin that deployed it");
    }
    return check_keys(document, "", err) && read_texts(document, identity, err) &&
           read_dns(document, identity, err) && check_whole(document, identity, err);
}

bool identity_read(struct secret *disk, struct identity **out, struct err *err)
{
    AUTO(drop_identity) struct identity *identity = text_room(1, sizeof(*identity));
    AUTO(drop_json) json_t *document = NULL;
    const unsigned char *bytes = secret_look(disk);
    const unsigned char *end = memchr(bytes, '\0', secret_size(disk));

    if (!end || end == bytes) {
        return err_set(err, ERR_INPUT,
                       end ? "the identity disk is empty"
                           : "the identity's end is not within its first MiB");
    }
    secret_cut(disk, (size_t)(end - bytes));
    if (!secret_json_read(disk, "tls_key", KEY_MAX, &identity->tls_key, &document, err) ||
        !read_document(document, identity, err)) {
        return err_add(err, "the identity");
    }
    *out = TAKE(identity);
    return true;
}

static bool read_start(int fd, struct secret *to, struct err *err)
{
    size_t used = 0;

    while (used < secret_size(to)) {
        ssize_t n = read(fd, secret_bytes(to) + used, secret_size(to) - used);

        if (n < 0 && errno != EINTR) {
            return err_errno(err, errno, "read it");
        }
        if (n == 0) {
            break;
        }
        used += n > 0 ? (size_t)n : 0;
    }
    if (used == 0) {
        return err_set(err, ERR_INPUT, "it is empty");
    }
    secret_cut(to, used);
    return true;
}

bool identity_load(const char *path, struct identity **out, struct err *err)
{
    AUTO(drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    AUTO(drop_secret) struct secret *disk = NULL;

    if (fd < 0) {
        return err_errno(err, errno, "open the identity '%s'", path);
    }
    return (secret_new(IDENTITY_MAX + 1, &disk, err) && read_start(fd, disk, err) &&
            identity_read(disk, out, err)) ||
           err_add(err, "'%s'", path);
}

void identity_free(struct identity *identity)
{
    if (!identity) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        free(*(char **)((char *)identity + fields[i].offset));
    }
    for (unsigned i = 0; i < identity->dns_count; i++) {
        free(identity->dns[i]);
    }
    secret_free(identity->tls_key);
    free(identity);
}
