/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blueprint: what is wanted. Reads the YAML file of CONTRACT.md strictly (one table of fields, see
 * field.h, makes loader, messages, JSON Schema and manual page), says all that is wrong in one
 * pass, and gives plain structs in which every optional part has its default. It also edits the
 * file without losing comments. It reads no secret: it only looks at the files that hold one.
 */
#ifndef QUOIN_BLUEPRINT_BLUEPRINT_H
#define QUOIN_BLUEPRINT_BLUEPRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "blueprint/finding.h"

/* A thousand hosts fit well; more is an attack on the reader (THREATS T5). */
#define BLUEPRINT_MAX_BYTES (1024u * 1024u)

enum disk_by { DISK_BY_WWN, DISK_BY_SERIAL, DISK_BY_UUID, DISK_BY_PATH };
enum tpm_use { TPM_AUTO, TPM_REQUIRED, TPM_OFF };
enum kek_at { KEK_AT_AUTO, KEK_AT_SERVER, KEK_AT_HOST };
enum recovery_use { RECOVERY_OFF, RECOVERY_REQUIRED };

struct blueprint_disk {
    enum disk_by by;
    char *id;  /* as written: "0x5000c50000000101", "/dev/disk/by-id/…" */
    bool wipe; /* consent to wipe it although it holds something; default false */
};

struct blueprint_host {
    char *name;    /* a DNS label */
    char *address; /* IPv4, IPv6 or a DNS name */
    struct {
        char *user;     /* default "root" */
        char *key;      /* file, or NULL: what the user's ssh has */
        char *host_key; /* "SHA256:…", or NULL: the user's known_hosts decides */
        unsigned port;  /* default 22 */
    } ssh;
    struct blueprint_disk *disks; /* one or more */
    size_t disk_count;
    char *kms_certificate; /* file, or NULL: its certificate for a kmip provider without a key */
};

struct blueprint_volume { /* a disk of the manager */
    char *name;           /* a DNS label of at most 20 bytes (virtio's serial); not "identity" */
    uint64_t bytes;       /* a multiple of 4 MiB */
};

struct blueprint_manager {
    char *name;
    char *image;                    /* file: raw or qcow2 */
    uint64_t image_bytes;           /* its virtual size; 0 when files were not looked at */
    char image_sha256[65];          /* of the file as it is, lower case */
    unsigned cpus;                  /* default 2 */
    uint64_t memory_bytes;          /* default 1 GiB */
    struct blueprint_volume *disks; /* "system", "data", then others */
    size_t disk_count;
    struct {
        char *bridge;
        char *address; /* "10.77.0.10/24" */
        char *gateway; /* NULL: none */
        char **dns;    /* addresses; at most 3 */
        size_t dns_count;
        char *hostname; /* default: the manager's name */
    } network;
    struct {
        char *user;          /* default "admin" */
        char *password_file; /* owned by us or root, closed to others, not empty */
    } admin;
};

struct blueprint_provider {
    char *name;
    char *type; /* "native", "kmip": one of blueprint_limits.providers */
    /* The rest is for kmip; NULL and 0 for native. */
    char **servers; /* "host:port", in the order of trying */
    size_t server_count;
    char *ca, *certificate,
        *private_key;               /* files; certificate and private_key may be NULL together:
                                       then each host has its own key and kms_certificate */
    enum kek_at kek_at;             /* where KEKs are used; default auto */
    char *username, *password_file; /* or NULL together */
};

struct blueprint {
    char *file;   /* its path as given */
    char *folder; /* that all files are relative to; the paths in here are joined with it already */
    char *source; /* its text */
    size_t source_length;
    struct node *tree; /* for blueprint_place; not for others */

    unsigned format;              /* 1 */
    char *cluster;                /* a DNS label */
    char *datacenter;             /* a DNS label; default "default" */
    struct blueprint_host *hosts; /* one or more; the first one begins the cluster */
    size_t host_count;
    struct {
        char *type;        /* "ceph": one of blueprint_limits.datastores */
        char *name;        /* default "datastore" */
        char *network;     /* CIDR: the hosts' addresses on it carry the storage */
        unsigned replicas; /* 1 … 3; default: as many as hosts, at most 3 */
    } datastore;
    struct blueprint_manager manager;
    struct {
        struct blueprint_provider provider;
        enum tpm_use tpm;           /* default auto: sealed in the TPM where there is one */
        enum recovery_use recovery; /* default required */
        unsigned cache_seconds;     /* `off` or "24h"; default 0: off */
        unsigned *pcrs;             /* that hosts' keys are bound to in their TPMs; each once */
        size_t pcr_count;
    } encryption;
};

/* What this build knows and how far to look; zero-initialized is what the deployment unit wants. */
struct blueprint_limits {
    const char *const *providers;  /* types that are built, ended by NULL; NULL: {"native"} */
    const char *const *datastores; /* the same; NULL: {"ceph"} */
    bool form_only;                /* do not look at the files that it names */
};

/* Reads and checks. Findings of any severity are added to `findings`; with an error among them (or
 * a file that cannot be read) it returns false, ERR_INPUT, and `*out` stays. The caller frees. */
bool blueprint_load(const char *path, const struct blueprint_limits *limits, struct blueprint **out,
                    struct findings *findings, struct err *err);
/* The same for text at hand; `path` names it in messages and says where its files lie. */
bool blueprint_parse(const char *bytes, size_t length, const char *path,
                     const struct blueprint_limits *limits, struct blueprint **out,
                     struct findings *findings, struct err *err);
void blueprint_free(struct blueprint *blueprint);
DROP(blueprint, struct blueprint *, blueprint_free);

/* Adds a finding at `where` ("hosts[0].disks[1]"), with the line and column of that node, or of the
 * nearest one above it that is written. */
void blueprint_find(const struct blueprint *blueprint, struct findings *findings,
                    enum severity severity, const char *where, const char *what,
                    const char *remedy);
/* All of it with defaults filled in, keys as in the file; holds no secret. A new reference. */
json_t *blueprint_json(const struct blueprint *blueprint);
/* "wwn", "serial", "uuid", "path"; and "wwn 0x5000…", which the caller frees. */
const char *disk_by_name(enum disk_by by);
char *blueprint_disk_label(const struct blueprint_disk *disk);

/* JSON Schema 2020-12 for editors, made from the table of fields. A new reference. */
json_t *blueprint_schema(void);
/* A commented starter; the caller frees. */
char *blueprint_starter(void);
/* The value at `key` ("encryption.provider.type", "hosts[0].address") as text: a scalar as it is,
 * anything else as compact JSON; the caller frees. ERR_ABSENT: not written in the file. */
bool blueprint_get(const char *path, const char *key, char **out, struct err *err);
/* Writes `value` (a YAML scalar or flow collection) at `key`, comments and order kept, missing
 * mappings made. The result is checked first: with an error among its findings that the file did
 * not have before, nothing is written (ERR_INPUT). */
bool blueprint_set(const char *path, const char *key, const char *value,
                   const struct blueprint_limits *limits, struct findings *findings,
                   struct err *err);

#endif
