/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of a blueprint, one table: what each is called, what shape it has, where it lands in
 * the structs, what it defaults to and what it means. Loader, messages, `show`, JSON Schema and the
 * manual page all come from it; a new field is one line here.
 */
#ifndef QUOIN_BLUEPRINT_FIELD_H
#define QUOIN_BLUEPRINT_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field;

enum field_kind { FIELD_MAP, FIELD_LIST, FIELD_SCALAR };

/* The shape of a scalar. `at` is where the value lies in its struct. */
struct field_type {
    const char *shape;              /* "must be SHAPE" */
    const char *pattern;            /* POSIX extended and ECMA regular expression, or NULL */
    const char *schema;             /* JSON type */
    const char *example;            /* as it is written; NULL: one of the choices */
    bool (*fits)(const char *text); /* beside the pattern, or NULL */
    bool bare;     /* a number, boolean or word, which other YAML readers may take for no text */
    bool identity; /* one of the ways to name a disk */
    bool (*read)(const struct field *field, const char *text, const char *folder, void *at);
    void (*drop)(void *at);                                     /* frees what it owns; or NULL */
    json_t *(*show)(const struct field *field, const void *at); /* NULL result: left out */
};

struct field {
    const char *key;
    enum field_kind kind;
    const struct field_type *type; /* of a scalar */
    const struct field *fields;    /* of a map, ended by a NULL key */
    const struct field *item;      /* of a list */
    size_t offset;                 /* from the struct that the map above fills */
    size_t count_offset;           /* of a list: its size_t */
    size_t item_size;
    uint64_t min, max;          /* a number's range, a text's length, a list's count */
    const char *const *choices; /* ended by NULL */
    bool required;
    const char *fallback;  /* the default as it would be written, or NULL */
    const char *otherwise; /* a default that needs words, or NULL */
    const char *about;
};

/* The whole file: a map into struct blueprint. */
extern const struct field blueprint_root;

extern const struct field_type type_label, type_dns, type_host, type_ip, type_cidr, type_network,
    type_server, type_bridge, type_user, type_text, type_file, type_secret, type_fingerprint,
    type_digest, type_integer, type_size, type_flag, type_choice, type_duration, type_wwn,
    type_serial, type_uuid, type_path;

/* The field at a path ("hosts[0].ssh.user"), or NULL. */
const struct field *field_find(const char *path);
const struct field *field_in(const struct field *map, const char *key);

#endif
