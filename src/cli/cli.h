/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli: the `quoin` verbs, one file each. A verb gets the words after its name and the options that
 * hold everywhere, prints its result on standard output and returns false with an error otherwise;
 * main turns that into a message, a remedy and an exit code.
 */
#ifndef QUOIN_CLI_CLI_H
#define QUOIN_CLI_CLI_H

#include <stdbool.h>

#include "base/base.h"

struct cli {
    bool json;                 /* -o json */
    bool verbose;              /* -v */
    bool yes;                  /* --yes */
    bool offline;              /* --offline */
    bool detail;               /* --detail */
    bool dry;                  /* --dry-run */
    const char *with;          /* --with HOST, or NULL */
    const char *state;         /* --state DIR, or NULL */
    const char *cluster;       /* --cluster NAME, or NULL */
    const char *plan;          /* --plan HASH, or NULL */
    const char *destroy;       /* --yes-destroy NAME, or NULL */
    const char *output;        /* --output FILE, or NULL */
    const char *ca;            /* --ca FILE, or NULL */
    const char *to;            /* --to BLUEPRINT, or NULL */
    const char *password_file; /* --password-file FILE, or NULL */
    bool deep;                 /* --deep */
    const char *limit;         /* --limit RATE, or NULL */
    int count;                 /* words after the verb */
    char **words;
    int exit;  /* the exit code when the verb succeeds; 0 unless it says otherwise */
    bool told; /* the verb has told of its failure itself (events) */
};

struct verb {
    const char *name;  /* "deploy", or "key backup" */
    const char *words; /* "BLUEPRINT", for the help */
    const char *summary;
    const char *options; /* the names of the options it takes besides those that hold everywhere */
    int min_words, max_words;
    bool (*run)(struct cli *cli, struct err *err);
};

/* Every verb, in the order of the help, ended by a NULL name. */
extern const struct verb verbs[];

/* Prints `result` as one JSON document. */
void cli_print_json(const json_t *result);

bool verb_check(struct cli *cli, struct err *err);
bool verb_plan(struct cli *cli, struct err *err);
bool verb_deploy(struct cli *cli, struct err *err);
bool verb_status(struct cli *cli, struct err *err);
bool verb_verify(struct cli *cli, struct err *err);
bool verb_destroy(struct cli *cli, struct err *err);
bool verb_blueprint_new(struct cli *cli, struct err *err);
bool verb_blueprint_show(struct cli *cli, struct err *err);
bool verb_blueprint_set(struct cli *cli, struct err *err);
bool verb_blueprint_get(struct cli *cli, struct err *err);
bool verb_blueprint_schema(struct cli *cli, struct err *err);
bool verb_host_list(struct cli *cli, struct err *err);
bool verb_host_add(struct cli *cli, struct err *err);
bool verb_host_remove(struct cli *cli, struct err *err);
bool verb_host_replace(struct cli *cli, struct err *err);
bool verb_host_maintenance(struct cli *cli, struct err *err);
bool verb_key_list(struct cli *cli, struct err *err);
/* What `key rotate --deep` does. */
bool verb_key_deep(struct cli *cli, struct err *err);
bool verb_key_rotate(struct cli *cli, struct err *err);
bool verb_key_csr(struct cli *cli, struct err *err);
bool verb_key_move(struct cli *cli, struct err *err);
bool verb_key_backup(struct cli *cli, struct err *err);
bool verb_key_recovery(struct cli *cli, struct err *err);
bool verb_key_recover(struct cli *cli, struct err *err);

#endif
