/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts: what a host says of itself. look.sh runs on the host as root (`ssh HOST sh -s`; nothing is
 * installed, nothing changed) and prints lines "key value…": words parted by single spaces, in
 * which every byte outside [A-Za-z0-9._:/@+,=~-] is written %XX and an empty word is "%". The first
 * line is "quoin-facts 1", the last "end". A host may lie: everything here has a ceiling and a
 * shape, and what decides about a disk is looked at again by the agent, right before the wipe.
 */
#ifndef QUOIN_PLAN_FACTS_H
#define QUOIN_PLAN_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/uuid.h"

#define FACTS_MAX_BYTES   (1024u * 1024u) /* 500 disks with 20 links each fit */
#define FACTS_MAX_WORD    1024u           /* of one decoded word */
#define FACTS_MAX_ITEMS   1024u           /* of each list */
#define FACTS_MAX_SERVERS 16u             /* key servers: a blueprint names at most 8 */

enum hypervisor {
    HYPERVISOR_UNKNOWN,
    /* not asked */ HYPERVISOR_NONE,
    HYPERVISOR_TCG,
    HYPERVISOR_KVM
};

struct facts_names { /* a list of words */
    char **items;
    size_t count;
};

/* A word with what belongs to it: package and version (empty: not installed), name and the address
 * it resolves to (empty: does not), port and who listens. */
struct facts_pair {
    char *name;
    char *value;
};
struct facts_pairs {
    struct facts_pair *items;
    size_t count;
};

/* A key server as the host sees it, by TCP alone. */
struct facts_server {
    char *name;    /* as asked, "10.77.0.1:5696" */
    char *address; /* that its name resolves to; empty: none */
    char *state;   /* "open", "refused", "silent", "unknown" */
    char *machine; /* the virtual machine of this very host that has the address; empty: none */
};
struct facts_servers {
    struct facts_server *items;
    size_t count;
};

struct facts_disk {
    char *node; /* "/dev/sda" */
    unsigned major, minor;
    uint64_t bytes;
    unsigned logical, physical; /* block sizes in bytes */
    bool read_only, rotational;
    bool mounted;    /* it, or a part of it */
    bool busy;       /* cannot be opened exclusively, has holders, or is swap */
    bool root;       /* the host's root file system lies on it */
    bool zero;       /* its first and last MiB are zeros */
    char *signature; /* what blkid finds: "ext4", "gpt", "ceph_bluestore"; empty: nothing */
    char *serial, *wwn, *uuid, *model; /* empty: unknown */
    struct facts_names links;          /* "/dev/disk/by-id/…" */
    /* Our mark, written when quoin wiped it: the cluster, host and disk ids; empty: none. */
    char mark_cluster[UUID_SIZE], mark_disk[UUID_SIZE];
    char *mark_host;
    /* The label that the datastore left on it: the cluster's and its own id; empty: none. */
    char store_cluster[UUID_SIZE], store_id[UUID_SIZE];
};

struct facts {
    char *hostname, *machine_id, *product_uuid, *kernel, *os, *os_version;
    double began, ended; /* the host's clock, seconds since 1970, at the first and the last line */
    bool superuser;      /* the script ran as root */
    unsigned cpus;
    uint64_t memory_total, memory_available;
    enum hypervisor hypervisor;
    unsigned hypervisor_ms; /* from start to the guest's answer */
    char *tpm;              /* "/dev/tpmrm0" or a TCTI; empty: none */
    struct facts_names bridges;
    struct facts_names addresses; /* "10.77.0.11/24" */
    struct facts_pairs packages;  /* those that were asked for */
    struct facts_pairs names;
    struct facts_pairs ports; /* those asked for that are in use */
    struct facts_pairs moves; /* what its operators set that a VM's move depends on: plan/check.c */
    struct facts_servers servers;
    struct facts_disk *disks;
    size_t disk_count;
    char *agent_version;           /* empty: not installed */
    char agent_cluster[UUID_SIZE]; /* empty: not enrolled */
    char *agent_host;
    bool member; /* it has all that its cluster needs of a host */
};

/* Strict: ERR_INPUT names the line. The caller frees. */
bool facts_read(const char *bytes, size_t length, struct facts **out, struct err *err);
void facts_free(struct facts *facts);
DROP(facts, struct facts *, facts_free);

/* What to ask besides what is always told; each list ended by NULL, or NULL. */
struct facts_question {
    const char *const *packages;
    const char *const *names;   /* to be resolved */
    const char *const *ports;   /* decimal TCP ports */
    const char *const *servers; /* "host:port", to be reached by TCP */
    bool no_boot;               /* leave the hypervisor out (it takes seconds) */
};
/* The script with the question at its head, for the standard input of `sh -s`; the caller frees.
 * ERR_INPUT: a word with a byte that a shell might obey. */
bool facts_script(const struct facts_question *question, char **out, struct err *err);

/* The disk that `by` and `id` name: 0, 1 or more; `*out` is the first, or NULL. Borrowed. */
struct blueprint_disk;
size_t facts_disk_match(const struct facts *facts, const struct blueprint_disk *wanted,
                        const struct facts_disk **out);

#endif
