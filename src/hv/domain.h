/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a virtual machine is, in plain words, and its libvirt domain XML. Pure: the same domain
 * gives the same bytes (tests/golden/domain). No secret is in it, only the UUIDs under which
 * libvirt is handed the secrets for the moment of the start. Every field has a shape; whatever does
 * not fit it is refused, and what is written is escaped besides.
 */
#ifndef QUOIN_HV_DOMAIN_H
#define QUOIN_HV_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/uuid.h"

/* system, data, identity, and room for one more life. */
#define DOMAIN_MAX_DISKS 8
/* The serial number that virtio-blk can carry (virtio 1.2, section 5.2). */
#define DOMAIN_MAX_DISK_NAME 20
#define DOMAIN_MAX_NAME      63
/* A pool and an image (STORE_MAX_NAME each), and the slash between them. */
#define DOMAIN_MAX_SOURCE 200
/* Monitors of one cluster. */
#define DOMAIN_MAX_SERVERS 5
#define DOMAIN_MAX_CPUS    256
/* MiB: firmware needs about 128 to come up; 4 TiB is beyond what q35 is told here. */
#define DOMAIN_MIN_MEMORY 128
#define DOMAIN_MAX_MEMORY (4u << 20)

/* The name space of what quoin notes in a domain's metadata. */
#define DOMAIN_METADATA "urn:quoin:vm"

/* "52:54:00:12:34:56" and a NUL */
#define DOMAIN_MAC_SIZE 18

/* What the datastore says about a disk's image (struct store_attachment has the same words); the
 * disks of one domain lie in one datastore. */
struct domain_storage {
    const char *protocol; /* "rbd" */
    const char *user;     /* "quoin": without "client." */
    const char *conf;     /* "/etc/ceph/ceph.conf" */
    const char *hosts;    /* "10.77.0.11:3300 [fd00::1]:3300": spaces between them */
};

struct domain_disk {
    const char *name;   /* what the guest sees as the serial number: "system" */
    const char *source; /* "ds1/mgr-system" */
    bool read_only;
};

struct domain {
    const char *uuid; /* of the VM */
    const char *name; /* of the VM: letters, digits, '.', '_', '-' */
    bool kvm;         /* false: emulated (TCG) */
    /* "pc-q35-7.2", as a hypervisor calls it that runs the VM; NULL: the newest that it has. */
    const char *machine;
    unsigned cpus;
    unsigned memory;    /* MiB */
    const char *bridge; /* of the host: "br0" */
    int64_t started;    /* Unix seconds; kept in the domain, so that look can tell it */
    struct domain_storage storage;
    struct domain_disk disks[DOMAIN_MAX_DISKS]; /* the first is booted */
    size_t disk_count;
};

/* ERR_INPUT names the field that has no allowed shape. The caller frees. */
bool domain_xml(const struct domain *domain, char **out, struct err *err);

/* The address of the VM's network card: the same for the same VM, locally administered. */
void domain_mac(const char *uuid, char out[DOMAIN_MAC_SIZE]);

/* The secrets that libvirt asks for. */
enum domain_secret {
    DOMAIN_SECRET_STORAGE, /* the storage user's key */
    DOMAIN_SECRET_TPM,     /* the passphrase of the emulated TPM's state */
    DOMAIN_SECRET_DISK,    /* the LUKS2 passphrase of one disk */
};
/* Its UUID in libvirt: the same each time. `disk` is the disk's name, else NULL. */
void domain_secret_uuid(const char *uuid, enum domain_secret secret, const char *disk,
                        char out[UUID_SIZE]);
/* The XML that defines it: ephemeral (never on a disk) and private (never given back). The caller
 * frees. `uuid` and `disk` have passed domain_xml. */
char *domain_secret_xml(const char *uuid, enum domain_secret secret, const char *disk);
/* All usage names of a VM's secrets begin with this; the caller frees. */
char *domain_secret_prefix(const char *uuid);

#endif
