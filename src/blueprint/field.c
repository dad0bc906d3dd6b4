/* SPDX-License-Identifier: Apache-2.0 */
#include "blueprint/field.h"

#include <string.h>

#include "blueprint/blueprint.h"
#include "blueprint/node.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define TIB (1ull << 40)

/* clang-format off: a table is read by its columns */
#define SCALAR(key_, type_, struct_, member_, ...)                                                 \
    {                                                                                              \
        .key = (key_), .kind = FIELD_SCALAR, .type = &(type_),                                     \
        .offset = offsetof(struct_, member_), __VA_ARGS__                                          \
    }
#define MAP(key_, fields_, offset_, ...)                                                           \
    {                                                                                              \
        .key = (key_), .kind = FIELD_MAP, .fields = (fields_), .offset = (offset_), __VA_ARGS__    \
    }
#define LIST(key_, item_, struct_, items_, count_, max_, ...)                                      \
    {                                                                                              \
        .key = (key_), .kind = FIELD_LIST, .item = (item_), .offset = offsetof(struct_, items_),   \
        .count_offset = offsetof(struct_, count_), .item_size = sizeof(*((struct_ *)0)->items_),   \
        .max = (max_), __VA_ARGS__                                                                 \
    }
#define END                                                                                        \
    {                                                                                              \
        .key = NULL                                                                                \
    }

static const struct field disk[] = {
    SCALAR("wwn", type_wwn, struct blueprint_disk, by, .max = 128,
           .about = "World Wide Name, as lsblk -o WWN prints it. Exactly one of wwn, serial, uuid "
                    "and path"),
    SCALAR("serial", type_serial, struct blueprint_disk, by, .max = 128,
           .about = "serial number, as lsblk -o SERIAL prints it"),
    SCALAR("uuid", type_uuid, struct blueprint_disk, by, .max = 128,
           .about = "UUID of the device, of what lies on it, or of quoin's mark"),
    SCALAR("path", type_path, struct blueprint_disk, by, .max = 512,
           .about = "device file; best a link under /dev/disk/by-id, which names the same disk "
                    "after a restart"),
    SCALAR("wipe", type_flag, struct blueprint_disk, wipe, .fallback = "false",
           .about = "consent to wipe the disk although something lies on it; one that holds "
                    "nothing needs none"),
    END};

static const struct field disk_item = MAP(NULL, disk, 0, .required = true);

static const struct field ssh[] = {
    SCALAR("user", type_user, struct blueprint_host, ssh.user, .fallback = "root",
           .about = "who signs in: root, or a user who may become root by sudo without a password"),
    SCALAR("key", type_file, struct blueprint_host, ssh.key, .otherwise = "what ssh finds itself",
           .about = "private key file"),
    SCALAR("host_key", type_fingerprint, struct blueprint_host, ssh.host_key,
           .otherwise = "what known_hosts says",
           .about = "the host's key, as ssh-keygen -l prints it; any other key is refused"),
    SCALAR("port", type_integer, struct blueprint_host, ssh.port, .fallback = "22", .min = 1,
           .max = 65535, .about = "TCP port of the SSH server"),
    END};

static const struct field host[] = {
    SCALAR("name", type_label, struct blueprint_host, name, .required = true, .max = 63,
           .about = "the host's name in the cluster"),
    SCALAR("address", type_host, struct blueprint_host, address, .required = true,
           .about = "its network identifier: IPv4, IPv6 or a DNS name"),
    MAP("ssh", ssh, 0, .about = "how the deployment unit reaches it, until the agent is there"),
    LIST("disks", &disk_item, struct blueprint_host, disks, disk_count, 64, .min = 1,
         .required = true,
         .about = "the disks that the datastore takes, exactly these; each is wiped once"),
    SCALAR("kms_certificate", type_file, struct blueprint_host, kms_certificate,
           .about = "kmip without private_key: this host's certificate, PEM, signed from its quoin "
                    "key csr"),
    END};

static const struct field host_item = MAP(NULL, host, 0, .required = true);

static const struct field cluster[] = {
    SCALAR("name", type_label, struct blueprint, cluster, .required = true, .max = 63,
           .about = "the cluster's name"),
    SCALAR("datacenter", type_label, struct blueprint, datacenter, .fallback = "default", .max = 63,
           .about = "the data center that the cluster is made in"),
    END};

static const struct field datastore[] = {
    SCALAR("type", type_label, struct blueprint, datastore.type, .fallback = "ceph", .max = 63,
           .about = "what the datastore is made with: ceph"),
    SCALAR("name", type_label, struct blueprint, datastore.name, .fallback = "datastore", .max = 63,
           .about = "its name in the manager"),
    SCALAR("network", type_network, struct blueprint, datastore.network, .required = true,
           .about = "the network that carries the storage, as ADDRESS/PREFIX; every host has an "
                    "address on it"),
    SCALAR("replicas", type_integer, struct blueprint, datastore.replicas, .min = 1, .max = 3,
           .otherwise = "as many as there are hosts, at most 3",
           .about = "copies of all data, each on another host"),
    END};

static const struct field volume[] = {
    SCALAR("name", type_label, struct blueprint_volume, name, .required = true, .max = 20,
           .about = "the disk's name and its serial number in the guest; the first is system, the "
                    "second data"),
    SCALAR("size", type_size, struct blueprint_volume, bytes, .required = true, .min = 64 * MIB,
           .max = 64 * TIB,
           .about = "a multiple of 4M; the first holds the image and may be larger"),
    END};

static const struct field volume_item = MAP(NULL, volume, 0, .required = true);
static const struct field dns_item = {
    .kind = FIELD_SCALAR, .type = &type_ip, .item_size = sizeof(char *)};
static const struct field server_item = {
    .kind = FIELD_SCALAR, .type = &type_server, .item_size = sizeof(char *)};

static const struct field network[] = {
    SCALAR("bridge", type_bridge, struct blueprint_manager, network.bridge, .required = true,
           .about = "the bridge on every host that the manager's card is plugged into"),
    SCALAR("address", type_cidr, struct blueprint_manager, network.address, .required = true,
           .about = "the manager's address with the length of its network's prefix"),
    SCALAR("gateway", type_ip, struct blueprint_manager, network.gateway, .otherwise = "none",
           .about = "its router"),
    LIST("dns", &dns_item, struct blueprint_manager, network.dns, network.dns_count, 3,
         .otherwise = "none", .about = "addresses of name servers"),
    SCALAR("hostname", type_dns, struct blueprint_manager, network.hostname,
           .otherwise = "manager.name", .about = "its host name, in its certificate too"),
    END};

static const struct field admin[] = {
    SCALAR("user", type_user, struct blueprint_manager, admin.user, .fallback = "admin",
           .about = "the first person who may sign in at the manager"),
    SCALAR("password_file", type_secret, struct blueprint_manager, admin.password_file,
           .required = true, .about = "file with that person's password, one line, mode 0600"),
    END};

static const struct field manager[] = {
    SCALAR("name", type_label, struct blueprint_manager, name, .required = true, .max = 63,
           .about = "the name of the manager's virtual machine"),
    SCALAR("image", type_file, struct blueprint_manager, image, .required = true,
           .about = "the manager's disk image, raw or qcow2"),
    SCALAR("image_sha256", type_digest, struct blueprint_manager, image_sha256, .required = true,
           .about = "SHA-256 of that file, as sha256sum prints it"),
    SCALAR("cpus", type_integer, struct blueprint_manager, cpus, .fallback = "2", .min = 1,
           .max = 64, .about = "virtual CPUs"),
    SCALAR("memory", type_size, struct blueprint_manager, memory_bytes, .fallback = "1G",
           .min = 512 * MIB, .max = TIB, .about = "its memory"),
    LIST("disks", &volume_item, struct blueprint_manager, disks, disk_count, 16, .min = 2,
         .required = true, .about = "its disks, all encrypted"),
    MAP("network", network, 0, .required = true, .about = "where the manager is reached"),
    MAP("admin", admin, 0, .required = true, .about = "who signs in first"),
    END};

static const char *const kek_words[] = {"auto", "server", "host", NULL};

static const struct field provider[] = {
    SCALAR("name", type_label, struct blueprint_provider, name, .otherwise = "as type", .max = 63,
           .about = "the provider's name in the manager"),
    SCALAR("type", type_label, struct blueprint_provider, type, .fallback = "native", .max = 63,
           .about = "native: keys live on the hosts; kmip: an external key management server"),
    LIST("servers", &server_item, struct blueprint_provider, servers, server_count, 8, .min = 1,
         .about = "kmip: the servers as HOST:PORT, in the order of trying"),
    SCALAR("ca", type_file, struct blueprint_provider, ca,
           .about = "kmip: certificates that the servers' certificates are checked against, PEM"),
    SCALAR("certificate", type_file, struct blueprint_provider, certificate,
           .about = "kmip: the client's certificate, PEM; together with private_key, or neither: "
                    "then each host makes a key of its own"),
    SCALAR("private_key", type_secret, struct blueprint_provider, private_key,
           .about = "kmip: the client's private key, PEM, mode 0600"),
    SCALAR("username", type_text, struct blueprint_provider, username, .max = 128,
           .about = "kmip: user name beside the certificate; together with password_file"),
    SCALAR("password_file", type_secret, struct blueprint_provider, password_file,
           .about = "kmip: file with that user's password, one line, mode 0600"),
    SCALAR("kek", type_choice, struct blueprint_provider, kek_at, .choices = kek_words,
           .fallback = "auto",
           .about = "kmip: where keys are wrapped: at the server, so that the KEK never leaves it, "
                    "or on the host; auto: at the server if it can"),
    END};

static const char *const tpm_words[] = {"auto", "required", "off", NULL};
static const struct field pcr_item = {
    .kind = FIELD_SCALAR, .type = &type_integer, .max = 23, .item_size = sizeof(unsigned)};
static const char *const recovery_words[] = {"off", "required", NULL};

static const struct field encryption[] = {
    MAP("provider", provider, offsetof(struct blueprint, encryption.provider),
        .about = "where key encryption keys come from"),
    SCALAR("tpm", type_choice, struct blueprint, encryption.tpm, .choices = tpm_words,
           .fallback = "auto",
           .about = "seal the hosts' keys in their TPMs: where there is one, always (no TPM is an "
                    "error), never"),
    LIST("pcrs", &pcr_item, struct blueprint, encryption.pcrs, encryption.pcr_count, 24,
         .otherwise = "none",
         .about =
             "PCRs (SHA-256) that those keys are bound to: they open only while the host boots "
             "as it did at the deploy, and by the recovery key"),
    SCALAR("recovery", type_choice, struct blueprint, encryption.recovery,
           .choices = recovery_words, .fallback = "required",
           .about = "a second envelope around every key, for a recovery key that the deploy makes "
                    "and only you hold once quoin key recovery fetched it"),
    SCALAR("cache", type_duration, struct blueprint, encryption.cache_seconds, .fallback = "off",
           .max = 30 * 86400,
           .about = "kmip: for how long a host with a TPM may start its virtual machines by keys "
                    "that it keeps while the key servers are away, as 24h"),
    END};

static const struct field top[] = {
    SCALAR("quoin", type_integer, struct blueprint, format, .required = true, .min = 1, .max = 1,
           .about = "the format of this file: this build reads 1"),
    MAP("cluster", cluster, 0, .required = true, .about = "what is made"),
    LIST("hosts", &host_item, struct blueprint, hosts, host_count, 1000, .min = 1, .required = true,
         .about = "the machines; the first one begins the cluster, the others join"),
    MAP("datastore", datastore, 0, .required = true,
        .about = "the storage made of the hosts' disks, which every host reaches"),
    MAP("manager", manager, offsetof(struct blueprint, manager), .required = true,
        .about = "the virtual machine that manages the cluster"),
    MAP("encryption", encryption, 0,
        .about = "the key provider; the manager is encrypted always, by the native one if this is "
                 "left out"),
    END};
/* clang-format on */

const struct field blueprint_root = MAP(NULL, top, 0, .required = true);

const struct field *field_in(const struct field *map, const char *key)
{
    for (const struct field *field = map->fields; field && field->key; field++) {
        if (strcmp(field->key, key) == 0) {
            return field;
        }
    }
    return NULL;
}

const struct field *field_find(const char *path)
{
    const struct field *field = &blueprint_root;
    struct path_step step;

    while (*path) {
        if (!path_next(&path, &step)) {
            return NULL;
        }
        field = step.is_index ? field->item : field_in(field, step.key);
        if (!field) {
            return NULL;
        }
    }
    return field;
}
