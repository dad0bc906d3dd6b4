/* SPDX-License-Identifier: Apache-2.0 */
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "base/uuid.h"
#include "blueprint/address.h"
#include "blueprint/blueprint.h"
#include "blueprint/field.h"

/* The longest text that a field takes when it says nothing else: Linux' PATH_MAX. */
#define TEXT_MAX 4096

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;

    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        abort();
    }
    bool is = regexec(&regex, text, 0, NULL, 0) == 0;

    regfree(&regex);
    return is;
}

static bool fits(const struct field *field, const char *text)
{
    size_t length = strlen(text), max = field->max ? field->max : TEXT_MAX;
    const struct field_type *type = field->type;

    return length > 0 && length <= max && (!type->pattern || matches(text, type->pattern)) &&
           (!type->fits || type->fits(text));
}

static void drop_string(void *at)
{
    free(*(char **)at);
}

static json_t *show_string(const struct field *field, const void *at)
{
    const char *text = *(char *const *)at;

    (void)field;
    return text ? json_string(text) : NULL;
}

static bool read_string(const struct field *field, const char *text, const char *folder, void *at)
{
    (void)folder;
    if (!fits(field, text)) {
        return false;
    }
    *(char **)at = text_copy(text);
    return true;
}

static bool read_file(const struct field *field, const char *text, const char *folder, void *at)
{
    if (!fits(field, text)) {
        return false;
    }
    *(char **)at = text[0] == '/' || strcmp(folder, ".") == 0 ? text_copy(text)
                                                              : text_make("%s/%s", folder, text);
    return true;
}

static bool read_digest(const struct field *field, const char *text, const char *folder, void *at)
{
    (void)folder;
    if (!fits(field, text)) {
        return false;
    }
    memcpy(at, text, DIGEST_HEX_SIZE);
    return true;
}

static json_t *show_digest(const struct field *field, const void *at)
{
    (void)field;
    return json_string(at);
}

static bool in_range(const struct field *field, uint64_t number)
{
    return number >= field->min && number <= field->max;
}

static bool read_integer(const struct field *field, const char *text, const char *folder, void *at)
{
    (void)folder;
    if (!fits(&(struct field){.type = field->type}, text)) {
        return false;
    }
    uint64_t number = strtoull(text, NULL, 10);

    if (in_range(field, number)) {
        *(unsigned *)at = (unsigned)number;
    }
    return in_range(field, number);
}

static json_t *show_integer(const struct field *field, const void *at)
{
    (void)field;
    return json_integer(*(const unsigned *)at);
}

static bool read_size(const struct field *field, const char *text, const char *folder, void *at)
{
    static const char units[] = "KMGT";

    (void)folder;
    if (!fits(&(struct field){.type = field->type}, text)) {
        return false;
    }
    char *end;
    uint64_t number = strtoull(text, &end, 10); /* at most eight digits: no overflow below */

    number <<= 10 * (strchr(units, *end) - units + 1);
    if (in_range(field, number)) {
        *(uint64_t *)at = number;
    }
    return in_range(field, number);
}

static json_t *show_size(const struct field *field, const void *at)
{
    uint64_t bytes = *(const uint64_t *)at;
    AUTO(drop_free) char *text = NULL;
    unsigned unit = 0;

    (void)field;
    while (unit < 4 && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    text = text_make("%llu%.1s", (unsigned long long)bytes, &" KMGT"[unit]);
    return json_string(text);
}

static bool read_flag(const struct field *field, const char *text, const char *folder, void *at)
{
    (void)field;
    (void)folder;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        return false;
    }
    *(bool *)at = text[0] == 't';
    return true;
}

static json_t *show_flag(const struct field *field, const void *at)
{
    (void)field;
    return json_boolean(*(const bool *)at);
}

static bool read_choice(const struct field *field, const char *text, const char *folder, void *at)
{
    (void)folder;
    for (unsigned i = 0; field->choices[i]; i++) {
        if (strcmp(field->choices[i], text) == 0) {
            *(unsigned *)at = i;
            return true;
        }
    }
    return false;
}

static json_t *show_choice(const struct field *field, const void *at)
{
    return json_string(field->choices[*(const unsigned *)at]);
}

static bool read_duration(const struct field *field, const char *text, const char *folder, void *at)
{
    uint64_t number;
    char *end;

    (void)folder;
    if (!fits(&(struct field){.type = field->type}, text)) {
        return false;
    }
    number = strtoull(text, &end, 10);
    number *= *end == 'd' ? 86400 : *end == 'h' ? 3600 : 60;
    if (number <= field->max) {
        *(unsigned *)at = (unsigned)number;
    }
    return number <= field->max;
}

static json_t *show_duration(const struct field *field, const void *at)
{
    unsigned seconds = *(const unsigned *)at;
    AUTO(drop_free) char *text = text_make("%um", seconds / 60);

    (void)field;
    return json_string(seconds ? text : "off");
}

static const struct field_type *const identities[] = {
    [DISK_BY_WWN] = &type_wwn,
    [DISK_BY_SERIAL] = &type_serial,
    [DISK_BY_UUID] = &type_uuid,
    [DISK_BY_PATH] = &type_path,
};

/* Four keys fill one pair of members: which one it was, and what it says. */
static bool read_identity(const struct field *field, const char *text, const char *folder, void *at)
{
    struct blueprint_disk *disk = at;

    (void)folder;
    if (!fits(field, text)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(identities); i++) {
        if (identities[i] == field->type) {
            disk->by = (enum disk_by)i;
        }
    }
    free(disk->id);
    disk->id = text_copy(text);
    return true;
}

/* Called for each of the four. */
static void drop_identity(void *at)
{
    struct blueprint_disk *disk = at;

    free(disk->id);
    disk->id = NULL;
}

static json_t *show_identity(const struct field *field, const void *at)
{
    const struct blueprint_disk *disk = at;

    return disk->id && identities[disk->by] == field->type ? json_string(disk->id) : NULL;
}

static bool fits_label(const char *text)
{
    return name_is_label(text, 63);
}

static bool fits_ip(const char *text)
{
    struct address address;

    return address_read(text, &address) && address_usable(&address);
}

static bool fits_host(const char *text)
{
    struct address address;

    return address_read(text, &address) ? address_usable(&address) : name_is_dns(text);
}

static bool fits_cidr(const char *text)
{
    struct address address;

    return address_read_cidr(text, &address) && address_usable(&address) &&
           !address_is_edge(&address);
}

static bool fits_network(const char *text)
{
    struct address address;
    char proper[64];

    return address_read_cidr(text, &address) && address_usable(&address) &&
           address_is_network(&address, proper);
}

static bool fits_path(const char *text)
{
    return !strstr(text, "..") && !strstr(text, "//") && text[strlen(text) - 1] != '/';
}

#define TEXT_TYPE .schema = "string", .read = read_string, .drop = drop_string, .show = show_string
#define FILE_TYPE .schema = "string", .read = read_file, .drop = drop_string, .show = show_string
#define IDENTITY_TYPE                                                                              \
    .schema = "string", .read = read_identity, .drop = drop_identity, .show = show_identity,       \
    .identity = true

const struct field_type type_label = {
    .example = "edge-01",
    .shape = "a name: a lower-case letter, then letters, digits and hyphens",
    .pattern = "^[a-z]([a-z0-9-]*[a-z0-9])?$",
    .fits = fits_label,
    TEXT_TYPE};
const struct field_type type_dns = {.example = "mgr.edge-01.test",
                                    .shape = "a DNS name: letters, digits, hyphens and dots",
                                    .pattern = "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
                                    .fits = name_is_dns,
                                    TEXT_TYPE};
const struct field_type type_host = {
    .example = "10.77.0.11",
    .shape = "an IPv4 or IPv6 address or a DNS name that a host can have",
    .fits = fits_host,
    TEXT_TYPE};
const struct field_type type_ip = {.example = "10.77.0.1",
                                   .shape = "an IPv4 or IPv6 address that a host can have",
                                   .fits = fits_ip,
                                   TEXT_TYPE};
const struct field_type type_cidr = {
    .example = "10.77.0.10/24",
    .shape = "an address and the length of its network's prefix, as 10.77.0.10/24",
    .pattern = "^[0-9A-Fa-f.:]+/[1-9][0-9]*$",
    .fits = fits_cidr,
    TEXT_TYPE};
const struct field_type type_network = {
    .example = "10.77.0.0/24",
    .shape = "a network, as 10.77.0.0/24, with nothing behind its prefix",
    .pattern = "^[0-9A-Fa-f.:]+/[1-9][0-9]*$",
    .fits = fits_network,
    TEXT_TYPE};
const struct field_type type_server = {.example = "kms.test:5696",
                                       .shape = "HOST:PORT, as kms.test:5696 or [fd00::1]:5696",
                                       .pattern = "^.+:[1-9][0-9]*$",
                                       .fits = name_is_server,
                                       TEXT_TYPE};
const struct field_type type_bridge = {
    .example = "br0",
    .shape = "the name of a network interface: at most 15 letters, digits, '.', '_' and '-'",
    .pattern = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,14}$",
    TEXT_TYPE};
const struct field_type type_user = {
    .example = "root",
    .shape = "a user's name: at most 32 small letters, digits, '_' and '-'",
    .pattern = "^[a-z_][a-z0-9_-]{0,31}$",
    TEXT_TYPE};
const struct field_type type_text = {.example = "quoin",
                                     .shape = "a text of printable ASCII",
                                     .pattern = "^[!-~]+( [!-~]+)*$",
                                     TEXT_TYPE};
const struct field_type type_file = {.example = "ca.pem", .shape = "the path of a file", FILE_TYPE};
const struct field_type type_secret = {
    .example = "admin.password", .shape = "the path of a file", FILE_TYPE};
const struct field_type type_fingerprint = {
    .example = "\"SHA256:…\"",
    .shape = "SHA256: and 43 characters, as ssh-keygen -l prints it",
    .pattern = "^SHA256:[A-Za-z0-9+/]{43}$",
    TEXT_TYPE};
const struct field_type type_digest = {.example = "\"9f86d0…\"",
                                       .shape = "64 hexadecimal digits in lower case",
                                       .pattern = "^[0-9a-f]{64}$",
                                       .schema = "string",
                                       .read = read_digest,
                                       .show = show_digest};
const struct field_type type_integer = {.example = "2",
                                        .shape = "a whole number",
                                        .pattern = "^(0|[1-9][0-9]{0,8})$",
                                        .schema = "integer",
                                        .bare = true,
                                        .read = read_integer,
                                        .show = show_integer};
const struct field_type type_size = {.example = "4G",
                                     .shape = "a number and K, M, G or T (powers of 1024), as 4G",
                                     .pattern = "^[1-9][0-9]{0,7}[KMGT]$",
                                     .schema = "string",
                                     .read = read_size,
                                     .show = show_size};
const struct field_type type_flag = {.example = "true",
                                     .shape = "true or false",
                                     .schema = "boolean",
                                     .bare = true,
                                     .read = read_flag,
                                     .show = show_flag};
const struct field_type type_choice = {.bare = true,
                                       .shape = "one of the words",
                                       .schema = "string",
                                       .read = read_choice,
                                       .show = show_choice};
const struct field_type type_duration = {.bare = true,
                                         .example = "12h",
                                         .shape = "off, or a number and m, h or d, as 12h",
                                         .pattern = "^(off|[1-9][0-9]{0,5}[mhd])$",
                                         .schema = "string",
                                         .read = read_duration,
                                         .show = show_duration};
const struct field_type type_wwn = {
    .example = "\"0x5000c50000000101\"",
    .shape = "a World Wide Name, as lsblk -o WWN prints it",
    .pattern = "^(0x[0-9a-f]{16}([0-9a-f]{16})?|(eui|naa|nvme|uuid)\\.[0-9A-Za-z.-]+)$",
    IDENTITY_TYPE};
const struct field_type type_serial = {.example = "\"S4EVNX0R\"",
                                       .shape = "a serial number: at most 128 printable characters",
                                       .pattern = "^[0-9A-Za-z._:+/-]( ?[0-9A-Za-z._:+/-])*$",
                                       IDENTITY_TYPE};
const struct field_type type_uuid = {.example = "\"9b2b8e52-8f0b-4c7b-a6c5-2d1d4f0a7b11\"",
                                     .shape = "a UUID in lower case",
                                     .fits = uuid_valid,
                                     IDENTITY_TYPE};
const struct field_type type_path = {.example = "/dev/disk/by-id/scsi-SATA_disk_1",
                                     .shape = "a device file under /dev/",
                                     .pattern = "^/dev/[0-9A-Za-z._:+@=,~/-]+$",
                                     .fits = fits_path,
                                     IDENTITY_TYPE};

const char *disk_by_name(enum disk_by by)
{
    static const char *const names[] = {"wwn", "serial", "uuid", "path"};

    return names[by];
}

char *blueprint_disk_label(const struct blueprint_disk *disk)
{
    return text_make("%s %s", disk_by_name(disk->by), disk->id);
}
