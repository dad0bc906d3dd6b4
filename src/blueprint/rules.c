/* SPDX-License-Identifier: Apache-2.0 */
#include "blueprint/rules.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "blueprint/address.h"
#include "blueprint/node.h"

/* The writes of a pour are this large (DESIGN.md): a disk is a whole number of them. */
#define VOLUME_GRAIN (4ull << 20)

#define CIRCULAR_REMEDY "name a key server outside the cluster, or the native provider"

struct rules {
    const struct blueprint *blueprint;
    struct findings *findings;
};

__attribute__((format(printf, 4, 5))) static void
broken(const struct rules *rules, const char *where, const char *remedy, const char *format, ...)
{
    AUTO(drop_free) char *what = NULL;
    va_list list;

    va_start(list, format);
    if (vasprintf(&what, format, list) < 0) {
        abort();
    }
    va_end(list);
    blueprint_find(rules->blueprint, rules->findings, SEVERITY_ERROR, where, what, remedy);
}

static bool same(const char *a, const char *b)
{
    return a && b && strcasecmp(a, b) == 0;
}

static bool same_address(const char *a, const char *b)
{
    struct address first, second;

    return a && b && address_read(a, &first) && address_read(b, &second)
               ? address_equal(&first, &second)
               : same(a, b);
}

/* Of two that are alike the later one is said. */
static void check_hosts(const struct rules *rules)
{
    const struct blueprint *bp = rules->blueprint;

    for (size_t i = 1; i < bp->host_count; i++) {
        bool name = false, address = false;

        for (size_t j = 0; j < i && !(name && address); j++) {
            if (!name && same(bp->hosts[i].name, bp->hosts[j].name)) {
                AUTO(drop_free) char *where = text_make("hosts[%zu].name", i);

                name = true;
                broken(rules, where, "give each host a name of its own",
                       "hosts[%zu] is named '%s' already", j, bp->hosts[j].name);
            }
            if (!address && same_address(bp->hosts[i].address, bp->hosts[j].address)) {
                AUTO(drop_free) char *where = text_make("hosts[%zu].address", i);

                address = true;
                broken(rules, where, "give each host its own address",
                       "hosts[%zu] has the address '%s' already", j, bp->hosts[j].address);
            }
        }
    }
}

/* A path and a serial number may be the same on two hosts; a WWN and a UUID are the world's. */
static bool same_disk(const struct blueprint_disk *a, const struct blueprint_disk *b, bool one_host)
{
    return a->by == b->by && same(a->id, b->id) &&
           (one_host || a->by == DISK_BY_WWN || a->by == DISK_BY_UUID);
}

static void check_disk_twice(const struct rules *rules, size_t host, size_t disk)
{
    const struct blueprint *bp = rules->blueprint;
    const struct blueprint_disk *mine = &bp->hosts[host].disks[disk];

    for (size_t h = 0; h <= host; h++) {
        size_t end = h == host ? disk : bp->hosts[h].disk_count;

        for (size_t d = 0; d < end; d++) {
            if (same_disk(mine, &bp->hosts[h].disks[d], h == host)) {
                AUTO(drop_free) char *where = text_make("hosts[%zu].disks[%zu]", host, disk);

                broken(rules, where, "name each disk once",
                       "the disk '%s' is hosts[%zu].disks[%zu] already", mine->id, h, d);
                return;
            }
        }
    }
}

static void check_disk_name(const struct rules *rules, size_t host, size_t disk)
{
    const struct node *hosts = node_get(rules->blueprint->tree, "hosts");
    const struct node *disks = node_get(hosts->items[host], "disks");
    const struct node *node = disks->items[disk];
    AUTO(drop_free) char *where = text_make("hosts[%zu].disks[%zu]", host, disk);
    size_t names = 0;

    for (enum disk_by by = DISK_BY_WWN; by <= DISK_BY_PATH; by++) {
        names += node_get(node, disk_by_name(by)) != NULL;
    }
    if (names > 1) {
        broken(rules, where, "keep the one that you are surest of",
               "the disk is named %zu ways, must be one of wwn, serial, uuid, path", names);
    } else if (names == 0 && node->kind == NODE_MAP) {
        broken(rules, where, "lsblk -o NAME,SIZE,WWN,SERIAL on the host shows them",
               "the disk is not named: one of wwn, serial, uuid, path is missing");
    }
}

static void warn_of_path(const struct rules *rules, size_t host, size_t disk)
{
    const struct blueprint_disk *mine = &rules->blueprint->hosts[host].disks[disk];

    if (mine->by == DISK_BY_PATH && mine->id && !text_starts(mine->id, "/dev/disk/")) {
        AUTO(drop_free) char *where = text_make("hosts[%zu].disks[%zu].path", host, disk);

        blueprint_find(rules->blueprint, rules->findings, SEVERITY_WARNING, where,
                       "such a name may mean another disk after a restart",
                       "use a link under /dev/disk/by-id, the wwn or the serial");
    }
}

static void check_disks(const struct rules *rules)
{
    const struct blueprint *bp = rules->blueprint;

    for (size_t h = 0; h < bp->host_count; h++) {
        for (size_t d = 0; d < bp->hosts[h].disk_count; d++) {
            check_disk_name(rules, h, d);
            check_disk_twice(rules, h, d);
            warn_of_path(rules, h, d);
        }
    }
}

static void check_type(const struct rules *rules, const char *where, const char *type,
                       const char *const *built)
{
    struct text names = {0};
    AUTO(drop_free) char *remedy = NULL;

    for (size_t i = 0; built[i]; i++) {
        if (same(type, built[i])) {
            text_clear(&names);
            return;
        }
        text_addf(&names, "%s%s", i ? ", " : "", built[i]);
    }
    AUTO(drop_free) char *list = text_take(&names);

    if (type) {
        remedy = text_make("this build has: %s", list);
        broken(rules, where, remedy, "there is no type '%s'", type);
    }
}

static void check_datastore(const struct rules *rules)
{
    const struct blueprint *bp = rules->blueprint;

    if (bp->host_count > 0 && bp->datastore.replicas > bp->host_count) {
        broken(rules, "datastore.replicas", "name more hosts, or keep fewer copies",
               "%u copies need %u hosts, there %s %zu", bp->datastore.replicas,
               bp->datastore.replicas, bp->host_count == 1 ? "is" : "are", bp->host_count);
    }
}

static void check_volumes(const struct rules *rules)
{
    static const char *const first[] = {"system", "data"};
    const struct blueprint_manager *manager = &rules->blueprint->manager;

    for (size_t i = 0; i < manager->disk_count; i++) {
        const struct blueprint_volume *volume = &manager->disks[i];
        AUTO(drop_free) char *name = text_make("manager.disks[%zu].name", i);
        AUTO(drop_free) char *size = text_make("manager.disks[%zu].size", i);

        if (volume->bytes % VOLUME_GRAIN != 0) {
            broken(rules, size, "round it up", "is not a multiple of 4M");
        }
        if (volume->name && i < COUNT_OF(first) && strcmp(volume->name, first[i]) != 0) {
            broken(rules, name, "the manager finds its disks by these names",
                   "disk %zu of the manager is '%s', not '%s'", i + 1, first[i], volume->name);
        } else if (same(volume->name, "identity")) {
            broken(rules, name, "choose another name",
                   "'identity' is the name of quoin's own disk");
        }
        for (size_t j = 0; i >= COUNT_OF(first) && j < i; j++) {
            if (same(volume->name, manager->disks[j].name)) {
                broken(rules, name, "give each disk a name of its own",
                       "manager.disks[%zu] is named '%s' already", j, volume->name);
                break;
            }
        }
    }
}

static void check_gateway(const struct rules *rules, const struct address *own)
{
    const char *text = rules->blueprint->manager.network.gateway;
    struct address gateway;

    if (!text || !address_read(text, &gateway)) {
        return;
    }
    if (!address_in(&gateway, own)) {
        broken(rules, "manager.network.gateway",
               "write the router's address on the manager's network, or leave it out",
               "'%s' is not on the network of '%s'", text,
               rules->blueprint->manager.network.address);
    } else if (address_equal(&gateway, own)) {
        broken(rules, "manager.network.gateway", "write the router's address, or leave it out",
               "is the manager's own address");
    }
}

static void check_manager_network(const struct rules *rules)
{
    const struct blueprint *bp = rules->blueprint;
    const char *text = bp->manager.network.address;
    struct address own, other;

    if (!text || !address_read_cidr(text, &own)) {
        return;
    }
    check_gateway(rules, &own);
    for (size_t i = 0; i < bp->host_count; i++) {
        const char *host = bp->hosts[i].address;

        if (host && address_read(host, &other) && address_equal(&own, &other)) {
            broken(rules, "manager.network.address", "give the manager an address of its own",
                   "hosts[%zu] has the address '%s'", i, host);
        }
    }
}

static void check_names(const struct rules *rules)
{
    const struct blueprint *bp = rules->blueprint;

    for (size_t i = 0; i < bp->host_count; i++) {
        if (same(bp->manager.name, bp->hosts[i].name)) {
            broken(rules, "manager.name", "give the manager a name of its own",
                   "hosts[%zu] is named '%s'", i, bp->manager.name);
        }
    }
}

/* "[::1]:5696" -> "::1"; the caller frees. */
static char *address_of_server(const char *server)
{
    const char *colon = strrchr(server, ':');
    size_t length = colon ? (size_t)(colon - server) : strlen(server);

    return length > 2 && server[0] == '[' ? text_make("%.*s", (int)length - 2, server + 1)
                                          : text_make("%.*s", (int)length, server);
}

/* Both or none. Found in the mapping, not in the key: `set` may add one and then the other. */
static void check_pair(const struct rules *rules, const char *first, const char *second,
                       const char *first_value, const char *second_value)
{
    if (!first_value == !second_value) {
        return;
    }
    AUTO(drop_free)
    char *remedy = text_make("add %s, or take this one away", first_value ? second : first);

    broken(rules, "encryption.provider", remedy, "'%s' stands without '%s'",
           first_value ? first : second, first_value ? second : first);
}

static bool is_written(const struct rules *rules, const char *key)
{
    const struct node *encryption = node_get(rules->blueprint->tree, "encryption");

    return node_get(node_get(encryption, "provider"), key) != NULL;
}

/* A host's own certificate goes with a key of its own, and only a key server wants one. */
static void check_certificates(const struct rules *rules, bool refused)
{
    const struct blueprint *bp = rules->blueprint;

    for (size_t i = 0; i < bp->host_count && refused; i++) {
        if (bp->hosts[i].kms_certificate) {
            AUTO(drop_free) char *where = text_make("hosts[%zu].kms_certificate", i);

            broken(rules, where,
                   "take it away, or take certificate and private_key of the provider away",
                   "the host has a certificate of its own, but no key of its own to a key server");
        }
    }
}

/* After a power loss nothing could start: the KEK would lie behind what it opens. */
static void check_servers(const struct rules *rules)
{
    const struct blueprint *bp = rules->blueprint;
    struct address own;
    char manager[64] = "";

    if (bp->manager.network.address && address_read_cidr(bp->manager.network.address, &own)) {
        (void)snprintf(manager, sizeof(manager), "%.*s",
                       (int)strcspn(bp->manager.network.address, "/"), bp->manager.network.address);
    }
    for (size_t i = 0; i < bp->encryption.provider.server_count; i++) {
        const char *server = bp->encryption.provider.servers[i];
        AUTO(drop_free) char *where = text_make("encryption.provider.servers[%zu]", i);
        AUTO(drop_free) char *name = server ? address_of_server(server) : NULL;

        if (same_address(name, manager) || same(name, bp->manager.network.hostname) ||
            same(name, bp->manager.name)) {
            broken(rules, where, CIRCULAR_REMEDY,
                   "the key server is the manager that its key unlocks: after a power loss neither "
                   "could start");
        }
        for (size_t j = 0; j < bp->host_count; j++) {
            if (same_address(name, bp->hosts[j].address) || same(name, bp->hosts[j].name)) {
                broken(rules, where, CIRCULAR_REMEDY,
                       "the key server lies on hosts[%zu] of the cluster that its key unlocks", j);
            }
        }
    }
}

static void check_kmip(const struct rules *rules)
{
    const struct blueprint_provider *provider = &rules->blueprint->encryption.provider;
    static const char *const needed[] = {"servers", "ca"};

    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        if (!is_written(rules, needed[i])) {
            broken(rules, "encryption.provider", "add it", "the provider 'kmip' needs the key '%s'",
                   needed[i]);
        }
    }
    check_pair(rules, "certificate", "private_key", provider->certificate, provider->private_key);
    check_certificates(rules, provider->private_key != NULL);
    check_servers(rules);
    check_pair(rules, "username", "password_file", provider->username, provider->password_file);
}

static void check_native(const struct rules *rules)
{
    check_certificates(rules, true);
    static const char *const foreign[] = {
        "servers", "ca", "certificate", "private_key", "username", "password_file", "kek"};

    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        if (is_written(rules, foreign[i])) {
            AUTO(drop_free) char *where = text_make("encryption.provider.%s", foreign[i]);

            broken(rules, where, "take it away, or write type: kmip",
                   "the provider 'native' has no '%s'", foreign[i]);
        }
    }
}

static void check_cache(const struct rules *rules)
{
    const struct blueprint *bp = rules->blueprint;

    if (same(bp->encryption.provider.type, "native")) {
        broken(rules, "encryption.cache", "write cache: off, or leave it out",
               "the native provider is on the hosts itself: there is nothing to keep");
    }
    if (bp->encryption.tpm == TPM_OFF) {
        broken(rules, "encryption.cache", "write cache: off, or tpm: required",
               "keys are kept by a host's TPM alone, and tpm is off");
    }
}

static void check_pcrs(const struct rules *rules)
{
    const struct blueprint *bp = rules->blueprint;
    unsigned seen = 0;

    if (bp->encryption.pcr_count > 0 && bp->encryption.tpm == TPM_OFF) {
        broken(rules, "encryption.pcrs", "write tpm: required, or leave pcrs out",
               "PCRs are looked at by a host's TPM, and tpm is off");
    }
    for (size_t i = 0; i < bp->encryption.pcr_count; i++) {
        unsigned bit = 1u << (bp->encryption.pcrs[i] % 24);

        if (seen & bit) {
            AUTO(drop_free) char *where = text_make("encryption.pcrs[%zu]", i);

            broken(rules, where, "name it once", "PCR %u is there already", bp->encryption.pcrs[i]);
        }
        seen |= bit;
    }
}

static void check_encryption(const struct rules *rules)
{
    const struct blueprint *bp = rules->blueprint;

    if (same(bp->encryption.provider.type, "kmip")) {
        check_kmip(rules);
    } else if (same(bp->encryption.provider.type, "native")) {
        check_native(rules);
    }
    if (bp->encryption.cache_seconds > 0) {
        check_cache(rules);
    }
    check_pcrs(rules);
}

static void fill_in(struct blueprint *bp)
{
    if (bp->datastore.replicas == 0) {
        bp->datastore.replicas = bp->host_count < 3 ? (unsigned)bp->host_count : 3;
    }
    if (!bp->manager.network.hostname && bp->manager.name) {
        bp->manager.network.hostname = text_copy(bp->manager.name);
    }
    if (!bp->encryption.provider.name && bp->encryption.provider.type) {
        bp->encryption.provider.name = text_copy(bp->encryption.provider.type);
    }
}

void rules_check(struct blueprint *blueprint, const struct blueprint_limits *limits,
                 struct findings *findings)
{
    static const char *const providers[] = {"native", NULL};
    static const char *const datastores[] = {"ceph", NULL};
    const struct rules rules = {blueprint, findings};

    fill_in(blueprint);
    check_hosts(&rules);
    check_disks(&rules);
    check_type(&rules, "datastore.type", blueprint->datastore.type,
               limits && limits->datastores ? limits->datastores : datastores);
    check_datastore(&rules);
    check_names(&rules);
    check_volumes(&rules);
    check_manager_network(&rules);
    check_type(&rules, "encryption.provider.type", blueprint->encryption.provider.type,
               limits && limits->providers ? limits->providers : providers);
    check_encryption(&rules);
}
