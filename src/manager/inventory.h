/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people made: data centers, clusters, hosts, datastores, key providers. One table says what
 * each is made of; requests, SQL and the API's description all follow from it.
 */
#ifndef QUOIN_MANAGER_INVENTORY_H
#define QUOIN_MANAGER_INVENTORY_H

#include "manager/database.h"

enum inventory_shape {
    INVENTORY_NAME,    /* a label of 1 … 63 letters, digits, '.', '_' and '-' */
    INVENTORY_ADDRESS, /* IPv4, IPv6 or a DNS name */
    INVENTORY_UUID,
    INVENTORY_PARENT, /* the name of an item of the collection `of` */
};

struct inventory_field {
    const char *name;
    enum inventory_shape shape;
    const char *of; /* a collection */
    const char *about;
};

#define INVENTORY_FIELDS_MAX 3u

struct inventory_kind {
    const char *name;  /* in URLs: "key-providers" */
    const char *table; /* in SQL: "key_providers" */
    const char *one;   /* to people: "key provider" */
    const char *about;
    /* Besides name, id and created_at. Ended by a zero entry. */
    struct inventory_field fields[INVENTORY_FIELDS_MAX];
};

extern const struct inventory_kind inventory_kinds[];
extern const size_t inventory_kind_count;

/* NULL: there is no such collection, or it is not of these. */
const struct inventory_kind *inventory_kind_find(const char *name);

/* {"name","id",…,"created_at"}, oldest first. */
bool inventory_list(struct database *database, const struct inventory_kind *kind, json_t **out,
                    struct err *err);
/* By name or id; ERR_ABSENT. */
bool inventory_get(struct database *database, const struct inventory_kind *kind, const char *which,
                   json_t **out, struct err *err);
/* The item as it is afterwards. There already and the same: `*out_created` is false; there but
 * different: ERR_CLASH; unknown fields, bad values: ERR_INPUT; the parent is missing: ERR_ABSENT.
 */
bool inventory_make(struct database *database, const struct inventory_kind *kind,
                    const json_t *wish, bool *out_created, json_t **out, struct err *err);
/* ERR_ABSENT; ERR_CLASH: something stands on it. */
bool inventory_remove(struct database *database, const struct inventory_kind *kind,
                      const char *which, struct err *err);

#endif
