/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/domain.h"

#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "hv/files.h"
#include "hv/xml.h"

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME    LETTERS DIGITS "._-"

/* Debian's 4 MB build without Secure Boot: it needs no SMM, which emulation makes slow. */
#define FIRMWARE "/usr/share/OVMF/OVMF_CODE_4M.fd"

/* The longest path of a configuration file; far below PATH_MAX, as ours are short. */
#define MAX_PATH 255
/* A DNS name (RFC 1035), brackets, a colon and a port. */
#define MAX_SERVER 263

static bool refuse(struct err *err, const char *field, const char *wanted)
{
    return err_set(err, ERR_INPUT, "a virtual machine's %s must be %s", field, wanted);
}

/* `text` begins with a letter or digit (so it is no option and no hidden file) and goes on with
 * letters, digits, '.', '_' and '-'. */
static bool is_name(const char *text, size_t max)
{
    size_t length = text ? strspn(text, NAME) : 0;

    return length > 0 && length <= max && text[length] == '\0' &&
           strchr(LETTERS DIGITS, text[0]) != NULL;
}

static bool is_path(const char *text)
{
    size_t length = text ? strspn(text, NAME "/") : 0;

    return length > 1 && length <= MAX_PATH && text[length] == '\0' && text[0] == '/' &&
           !strstr(text, "..");
}

/* "pool/image": no '@' (a snapshot), no ':' or '=' (options of librbd). */
static bool is_source(const char *text)
{
    char pool[DOMAIN_MAX_SOURCE + 1];
    const char *slash = text ? strchr(text, '/') : NULL;

    if (!slash || strlen(text) > DOMAIN_MAX_SOURCE) {
        return false;
    }
    (void)snprintf(pool, sizeof(pool), "%.*s", (int)(slash - text), text);
    return is_name(pool, DOMAIN_MAX_SOURCE) && is_name(slash + 1, DOMAIN_MAX_SOURCE);
}

/* A monitor's address, taken apart in its own memory. */
struct server {
    char text[MAX_SERVER + 1];
    const char *host;
    const char *port;
};

/* The next of `hosts` ("10.77.0.11:3300 [fd00::1]:3300"); `*hosts` goes on behind it. */
static bool next_server(const char **hosts, struct server *out)
{
    size_t length = strcspn(*hosts, " ");
    char *colon, *end;

    if (length == 0 || length > MAX_SERVER) {
        return false;
    }
    (void)snprintf(out->text, sizeof(out->text), "%.*s", (int)length, *hosts);
    *hosts += length + ((*hosts)[length] == ' ');
    colon = strrchr(out->text, ':');
    if (!colon) {
        return false;
    }
    *colon = '\0';
    out->port = colon + 1;
    long port = strtol(out->port, &end, 10);
    if (strspn(out->port, DIGITS) != strlen(out->port) || port < 1 || port > 65535) {
        return false;
    }
    out->host = out->text;
    if (out->text[0] != '[') {
        return is_name(out->text, MAX_SERVER);
    }
    out->host++;
    length = strspn(out->host, DIGITS "abcdefABCDEF:.");
    if (length == 0 || strcmp(out->host + length, "]") != 0) {
        return false;
    }
    out->text[length + 1] = '\0';
    return true;
}

static bool check_hosts(const char *hosts, struct err *err)
{
    struct server server;
    unsigned count = 0;

    while (hosts && *hosts) {
        if (++count > DOMAIN_MAX_SERVERS || !next_server(&hosts, &server)) {
            return refuse(err, "datastore addresses", "1 to 5 of HOST:PORT");
        }
    }
    return count > 0 || refuse(err, "datastore addresses", "1 to 5 of HOST:PORT");
}

static bool check_disk(const struct domain *domain, size_t index, struct err *err)
{
    const struct domain_disk *disk = &domain->disks[index];

    if (!is_name(disk->name, DOMAIN_MAX_DISK_NAME)) {
        return refuse(err, "disk name", "1 to 20 letters, digits, '.', '_' and '-'");
    }
    if (!is_source(disk->source)) {
        return refuse(err, "disk source", "POOL/IMAGE");
    }
    for (size_t i = 0; i < index; i++) {
        if (!strcmp(domain->disks[i].name, disk->name) ||
            !strcmp(domain->disks[i].source, disk->source)) {
            return refuse(err, "disks", "distinct in name and source");
        }
    }
    return true;
}

static bool check(const struct domain *domain, struct err *err)
{
    const struct domain_storage *storage = &domain->storage;

    if (!domain->uuid || !uuid_valid(domain->uuid)) {
        return refuse(err, "UUID", "36 lower-case characters");
    }
    if (!is_name(domain->name, DOMAIN_MAX_NAME)) {
        return refuse(err, "name", "1 to 63 letters, digits, '.', '_' and '-'");
    }
    if (domain->machine && !is_name(domain->machine, DOMAIN_MAX_NAME)) {
        return refuse(err, "machine type", "1 to 63 letters, digits, '.', '_' and '-'");
    }
    if (domain->cpus < 1 || domain->cpus > DOMAIN_MAX_CPUS) {
        return refuse(err, "number of CPUs", "1 to 256");
    }
    if (domain->memory < DOMAIN_MIN_MEMORY || domain->memory > DOMAIN_MAX_MEMORY) {
        return refuse(err, "memory", "128 MiB to 4 TiB");
    }
    if (!is_name(domain->bridge, IFNAMSIZ - 1)) {
        return refuse(err, "bridge", "the name of a network device");
    }
    if (!storage->protocol || strcmp(storage->protocol, "rbd") != 0) {
        return refuse(err, "datastore protocol", "rbd");
    }
    if (!is_name(storage->user, DOMAIN_MAX_NAME)) {
        return refuse(err, "datastore user", "letters, digits, '.', '_' and '-'");
    }
    if (!is_path(storage->conf)) {
        return refuse(err, "datastore configuration", "an absolute path of plain characters");
    }
    if (!check_hosts(storage->hosts, err)) {
        return false;
    }
    if (domain->disk_count < 1 || domain->disk_count > DOMAIN_MAX_DISKS) {
        return refuse(err, "number of disks", "1 to 8");
    }
    for (size_t i = 0; i < domain->disk_count; i++) {
        if (!check_disk(domain, i, err)) {
            return false;
        }
    }
    return true;
}

/* What it is made of: memory that is neither dumped nor shared, firmware, processors, and no way to
 * write that memory to a disk. */
static void add_machine(struct text *xml, const struct domain *domain)
{
    AUTO(drop_free) char *started = text_make("%" PRId64, domain->started);

    xml_addf(xml, "<domain type='%s'>\n", domain->kvm ? "kvm" : "qemu");
    xml_addf(xml, "  <name>%s</name>\n  <uuid>%s</uuid>\n", domain->name, domain->uuid);
    xml_addf(xml, "  <metadata>\n    <quoin:vm xmlns:quoin='%s' started='%s'/>\n  </metadata>\n",
             DOMAIN_METADATA, started);
    xml_addf(xml, "  <memory unit='MiB' dumpCore='off'>%u</memory>\n", domain->memory);
    xml_addf(xml, "  <memoryBacking>\n    <nosharepages/>\n  </memoryBacking>\n");
    xml_addf(xml, "  <vcpu>%u</vcpu>\n", domain->cpus);
    xml_addf(xml, "  <os>\n    <type arch='x86_64' machine='%s'>hvm</type>\n",
             domain->machine ? domain->machine : "q35");
    xml_addf(xml, "    <loader readonly='yes' type='pflash'>%s</loader>\n", FIRMWARE);
    xml_addf(xml, "    <nvram>%s/%s/%s</nvram>\n  </os>\n", FILES_NVRAM_FOLDER, domain->uuid,
             FILES_NVRAM_FILE);
    xml_addf(xml, "  <features>\n    <acpi/>\n    <apic/>\n  </features>\n");
    xml_addf(xml, "  <cpu mode='%s' check='none'/>\n",
             domain->kvm ? "host-passthrough" : "maximum");
    xml_addf(xml, "  <clock offset='utc'/>\n  <on_poweroff>destroy</on_poweroff>\n"
                  "  <on_reboot>restart</on_reboot>\n  <on_crash>destroy</on_crash>\n");
    xml_addf(xml,
             "  <pm>\n    <suspend-to-mem enabled='no'/>\n    <suspend-to-disk enabled='no'/>\n"
             "  </pm>\n");
}

static void add_source(struct text *xml, const struct domain *domain,
                       const struct domain_disk *disk)
{
    char storage_key[UUID_SIZE], disk_key[UUID_SIZE];
    const char *hosts = domain->storage.hosts;
    struct server server;

    domain_secret_uuid(domain->uuid, DOMAIN_SECRET_STORAGE, NULL, storage_key);
    domain_secret_uuid(domain->uuid, DOMAIN_SECRET_DISK, disk->name, disk_key);
    xml_addf(xml, "      <source protocol='%s' name='%s'>\n", domain->storage.protocol,
             disk->source);
    while (*hosts && next_server(&hosts, &server)) {
        xml_addf(xml, "        <host name='%s' port='%s'/>\n", server.host, server.port);
    }
    xml_addf(xml, "        <config file='%s'/>\n", domain->storage.conf);
    xml_addf(xml,
             "        <auth username='%s'>\n          <secret type='ceph' uuid='%s'/>\n"
             "        </auth>\n",
             domain->storage.user, storage_key);
    xml_addf(xml,
             "        <encryption format='luks2' engine='librbd'>\n"
             "          <secret type='passphrase' uuid='%s'/>\n        </encryption>\n"
             "      </source>\n",
             disk_key);
}

/*
 * discard='ignore': a trimmed range would become a hole, which tells an onlooker what is free and
 * which reads as noise under encryption (docs/design.md). cache='none': a write that the guest
 * flushed is on the datastore. error_policy='stop': an error pauses the guest instead of damaging
 * its file system. Logical sectors stay 512 bytes for the partition table, physical ones say 4096,
 * the size of an encrypted sector: smaller writes would be read first.
 */
static void add_disk(struct text *xml, const struct domain *domain, size_t index)
{
    const struct domain_disk *disk = &domain->disks[index];
    const char target[] = {'v', 'd', (char)('a' + index), '\0'};

    xml_addf(xml, "    <disk type='network' device='disk'>\n      <driver name='qemu' type='raw' "
                  "cache='none' error_policy='stop' discard='ignore'/>\n");
    add_source(xml, domain, disk);
    xml_addf(xml, "      <target dev='%s' bus='virtio'/>\n      <serial>%s</serial>\n", target,
             disk->name);
    xml_addf(xml, "      <blockio logical_block_size='512' physical_block_size='4096'/>\n");
    if (index == 0) {
        xml_addf(xml, "      <boot order='1'/>\n");
    }
    if (disk->read_only) {
        xml_addf(xml, "      <readonly/>\n");
    }
    xml_addf(xml, "    </disk>\n");
}

/*
 * The console is a pty without a log: root on the host may watch (virsh console), nothing is kept.
 * The TPM's state stays when the VM ends, until files_clear; libvirt would take it away before it
 * could be gathered.
 */
static void add_devices(struct text *xml, const struct domain *domain)
{
    char mac[DOMAIN_MAC_SIZE], tpm_key[UUID_SIZE];

    domain_mac(domain->uuid, mac);
    domain_secret_uuid(domain->uuid, DOMAIN_SECRET_TPM, NULL, tpm_key);
    xml_addf(xml, "    <controller type='usb' model='none'/>\n");
    xml_addf(xml,
             "    <interface type='bridge'>\n      <mac address='%s'/>\n"
             "      <source bridge='%s'/>\n",
             mac, domain->bridge);
    xml_addf(xml, "      <model type='virtio'/>\n      <rom enabled='no'/>\n    </interface>\n");
    xml_addf(xml, "    <serial type='pty'>\n      <target type='isa-serial' port='0'/>\n"
                  "    </serial>\n    <console type='pty'>\n"
                  "      <target type='serial' port='0'/>\n    </console>\n");
    xml_addf(xml,
             "    <tpm model='tpm-crb'>\n"
             "      <backend type='emulator' version='2.0' persistent_state='yes'>\n"
             "        <encryption secret='%s'/>\n      </backend>\n    </tpm>\n",
             tpm_key);
    xml_addf(xml, "    <memballoon model='none'/>\n    <rng model='virtio'>\n"
                  "      <backend model='random'>/dev/urandom</backend>\n    </rng>\n"
                  "    <panic model='isa'/>\n");
}

bool domain_xml(const struct domain *domain, char **out, struct err *err)
{
    AUTO(drop_text) struct text xml = {0};

    if (!check(domain, err)) {
        return false;
    }
    add_machine(&xml, domain);
    text_add(&xml, "  <devices>\n");
    for (size_t i = 0; i < domain->disk_count; i++) {
        add_disk(&xml, domain, i);
    }
    add_devices(&xml, domain);
    text_add(&xml, "  </devices>\n</domain>\n");
    *out = text_take(&xml);
    return true;
}

/* 24 bits of the hash behind the prefix that virtual machines of QEMU bear. */
void domain_mac(const char *uuid, char out[DOMAIN_MAC_SIZE])
{
    char hash[UUID_SIZE];

    uuid_derive(uuid, "network", hash);
    (void)snprintf(out, DOMAIN_MAC_SIZE, "52:54:00:%.2s:%.2s:%.2s", hash, hash + 2, hash + 4);
}

/* How each secret is called, and libvirt's words for its kind. */
static const struct {
    const char *name;
    const char *usage;   /* type of its usage */
    const char *element; /* that names the usage */
} secrets[] = {
    [DOMAIN_SECRET_STORAGE] = {"storage", "ceph", "name"},
    [DOMAIN_SECRET_TPM] = {"tpm", "vtpm", "name"},
    [DOMAIN_SECRET_DISK] = {"disk", "volume", "volume"},
};

void domain_secret_uuid(const char *uuid, enum domain_secret secret, const char *disk,
                        char out[UUID_SIZE])
{
    AUTO(drop_free) char *name = text_make("secret/%s/%s", secrets[secret].name, disk ? disk : "");

    uuid_derive(uuid, name, out);
}

char *domain_secret_prefix(const char *uuid)
{
    return text_make("/quoin/%s/", uuid);
}

char *domain_secret_xml(const char *uuid, enum domain_secret secret, const char *disk)
{
    AUTO(drop_free) char *prefix = domain_secret_prefix(uuid);
    AUTO(drop_text) struct text xml = {0};
    char own[UUID_SIZE];

    domain_secret_uuid(uuid, secret, disk, own);
    xml_addf(&xml, "<secret ephemeral='yes' private='yes'>\n  <uuid>%s</uuid>\n", own);
    xml_addf(&xml, "  <usage type='%s'>\n", secrets[secret].usage);
    text_addf(&xml, "    <%s>", secrets[secret].element);
    xml_addf(&xml, "%s%s%s%s", prefix, secrets[secret].name, disk ? "/" : "", disk ? disk : "");
    text_addf(&xml, "</%s>\n", secrets[secret].element);
    text_add(&xml, "  </usage>\n</secret>\n");
    return text_take(&xml);
}
