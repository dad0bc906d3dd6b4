/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/inventory.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "base/uuid.h"

/* A DNS label, as in the blueprint. */
#define NAME_LENGTH 63u
/* A DNS name (RFC 1035). */
#define ADDRESS_LENGTH 253u
/* Of each kind: far above what one manager serves, so that a runaway script fills no disk. */
#define ITEMS_MAX 4096

#define CLUSTER_FIELD                                                                              \
    {                                                                                              \
        "cluster", INVENTORY_PARENT, "clusters", "the cluster it belongs to"                       \
    }

const struct inventory_kind inventory_kinds[] = {
    {"datacenters", "datacenters", "data center", "Places that clusters stand in", {{0}}},
    {"clusters",
     "clusters",
     "cluster",
     "Hosts that share a datastore",
     {{"datacenter", INVENTORY_PARENT, "datacenters", "the data center it stands in"},
      {"id", INVENTORY_UUID, NULL, "the cluster's UUID, as in its certificates"}}},
    {"hosts",
     "hosts",
     "host",
     "Machines that run the agent and the virtual machines",
     {{"address", INVENTORY_ADDRESS, NULL, "where its agent answers: IPv4, IPv6 or a DNS name"},
      CLUSTER_FIELD}},
    {"datastores",
     "datastores",
     "datastore",
     "Where the disks of virtual machines are kept",
     {{"type", INVENTORY_NAME, NULL, "what it is made with, such as ceph"}, CLUSTER_FIELD}},
    {"key-providers",
     "key_providers",
     "key provider",
     "What keeps the keys that the disks' keys are wrapped with",
     {{"type", INVENTORY_NAME, NULL, "native or kmip"}, CLUSTER_FIELD}},
};
const size_t inventory_kind_count = COUNT_OF(inventory_kinds);

const struct inventory_kind *inventory_kind_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(inventory_kinds); i++) {
        if (strcmp(inventory_kinds[i].name, name) == 0) {
            return &inventory_kinds[i];
        }
    }
    return NULL;
}

static bool is_label(const char *text)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789._-";

    return isalnum((unsigned char)text[0]) && text[strspn(text, characters)] == '\0';
}

static bool is_address(const char *text)
{
    unsigned char bytes[16];

    return is_label(text) || inet_pton(AF_INET6, text, bytes) == 1;
}

static bool fits(const struct inventory_field *field, const char *text)
{
    switch (field->shape) {
    case INVENTORY_ADDRESS:
        return is_address(text);
    case INVENTORY_UUID:
        return uuid_valid(text);
    default:
        return is_label(text) && strlen(text) <= NAME_LENGTH;
    }
}

static const struct inventory_field name_field = {"name", INVENTORY_NAME, NULL, NULL};

/* The value of a field of a wish. */
static bool read_field(const struct inventory_kind *kind, const struct inventory_field *field,
                       const json_t *wish, const char **out, struct err *err)
{
    if (!json_get_string(wish, field->name, ADDRESS_LENGTH, out, err)) {
        return err_add(err, "a %s", kind->one);
    }
    return fits(field, *out) || err_set(err, ERR_INPUT, "a %s: '%s' is not well formed: '%s'",
                                        kind->one, field->name, *out);
}

static const struct inventory_field *field_find(const struct inventory_kind *kind, const char *name)
{
    for (const struct inventory_field *field = kind->fields; field->name; field++) {
        if (strcmp(field->name, name) == 0) {
            return field;
        }
    }
    return NULL;
}

/* Each field is there and fits, and nothing else is. */
static bool check_wish(const struct inventory_kind *kind, const json_t *wish, struct err *err)
{
    const char *key, *text;
    json_t *value;

    if (!json_is_object(wish)) {
        return err_set(err, ERR_INPUT, "a %s is a JSON object", kind->one);
    }
    if (!read_field(kind, &name_field, wish, &text, err)) {
        return false;
    }
    for (const struct inventory_field *field = kind->fields; field->name; field++) {
        if (!read_field(kind, field, wish, &text, err)) {
            return false;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)wish, key, value)
    {
        if (strcmp(key, "name") != 0 && !field_find(kind, key)) {
            return err_set(err, ERR_INPUT, "a %s has no '%.64s'", kind->one, key);
        }
    }
    return true;
}

/* "name, id, address, cluster, created as RFC 3339" of all, or of one by ?1. The names in it come
 * from the table above and from nowhere else. */
static char *select_of(const struct inventory_kind *kind, const char *which)
{
    AUTO(drop_text) struct text sql = {0};

    text_add(&sql, "SELECT name, id");
    for (const struct inventory_field *field = kind->fields; field->name; field++) {
        if (strcmp(field->name, "id") != 0) {
            text_addf(&sql, ", %s", field->name);
        }
    }
    text_addf(&sql,
              ", strftime('%%Y-%%m-%%dT%%H:%%M:%%SZ', created, 'unixepoch') AS created_at "
              "FROM %s %s ORDER BY created, name",
              kind->table, which);
    return text_take(&sql);
}

bool inventory_list(struct database *database, const struct inventory_kind *kind, json_t **out,
                    struct err *err)
{
    AUTO(drop_free) char *sql = select_of(kind, "");

    return database_rows(database, sql, NULL, 0, out, err);
}

static bool look_up(struct database *database, const struct inventory_kind *kind,
                    const char *condition, const char *which, json_t **out, struct err *err)
{
    AUTO(drop_free) char *sql = select_of(kind, condition);
    AUTO(drop_json) json_t *rows = NULL;

    if (!database_rows(database, sql, VALUES(TEXT_VALUE(which)), 1, &rows, err)) {
        return false;
    }
    if (json_array_size(rows) == 0) {
        return err_set(err, ERR_ABSENT, "there is no %s '%.64s'", kind->one, which);
    }
    *out = json_incref(json_array_get(rows, 0));
    return true;
}

bool inventory_get(struct database *database, const struct inventory_kind *kind, const char *which,
                   json_t **out, struct err *err)
{
    return look_up(database, kind, "WHERE name = ?1 OR id = ?1", which, out, err);
}

/* What is there says the same as the wish, field by field. */
static bool is_same(const struct inventory_kind *kind, const json_t *there, const json_t *wish,
                    struct err *err)
{
    for (const struct inventory_field *field = kind->fields; field->name; field++) {
        const char *is = json_string_or(there, field->name, "");
        const char *wanted = json_string_or(wish, field->name, "");

        if (strcmp(is, wanted) != 0) {
            return err_set(err, ERR_CLASH, "the %s '%s' is there with %s '%s', not '%s'", kind->one,
                           json_string_or(wish, "name", ""), field->name, is, wanted);
        }
    }
    return true;
}

static bool check_parents(struct database *database, const struct inventory_kind *kind,
                          const json_t *wish, struct err *err)
{
    for (const struct inventory_field *field = kind->fields; field->name; field++) {
        AUTO(drop_json) json_t *parent = NULL;

        if (field->shape == INVENTORY_PARENT &&
            !look_up(database, inventory_kind_find(field->of), "WHERE name = ?1",
                     json_string_or(wish, field->name, ""), &parent, err)) {
            return err_mend(err, "create it first: POST /api/v1/%s", field->of);
        }
    }
    return true;
}

static bool check_room(struct database *database, const struct inventory_kind *kind,
                       struct err *err)
{
    AUTO(drop_free) char *sql = text_make("SELECT count(*) AS n FROM %s", kind->table);
    AUTO(drop_json) json_t *rows = NULL;

    if (!database_rows(database, sql, NULL, 0, &rows, err)) {
        return false;
    }
    return json_integer_value(json_object_get(json_array_get(rows, 0), "n")) < ITEMS_MAX ||
           err_set(err, ERR_CLASH, "there are %d of '%s', and no more may be", ITEMS_MAX,
                   kind->name);
}

static bool insert(struct database *database, const struct inventory_kind *kind, const json_t *wish,
                   struct err *err)
{
    AUTO(drop_text) struct text sql = {0};
    char id[UUID_SIZE];
    struct value values[INVENTORY_FIELDS_MAX + 2];
    unsigned count = 0;

    uuid_make(id);
    text_addf(&sql, "INSERT INTO %s (created, name", kind->table);
    values[count++] = TEXT_VALUE(json_string_or(wish, "name", ""));
    for (const struct inventory_field *field = kind->fields; field->name; field++) {
        text_addf(&sql, ", %s", field->name);
        values[count++] = TEXT_VALUE(json_string_or(wish, field->name, ""));
    }
    if (!field_find(kind, "id")) {
        text_add(&sql, ", id");
        values[count++] = TEXT_VALUE(id);
    }
    text_add(&sql, ") VALUES (unixepoch(), ?1");
    for (unsigned i = 2; i <= count; i++) {
        text_addf(&sql, ", ?%u", i);
    }
    text_add(&sql, ")");
    if (!database_do(database, sql.bytes, values, count, err)) {
        return err->kind == ERR_CLASH
                   ? err_set(err, ERR_CLASH, "another %s has the same id or address", kind->one)
                   : false;
    }
    return true;
}

bool inventory_make(struct database *database, const struct inventory_kind *kind,
                    const json_t *wish, bool *out_created, json_t **out, struct err *err)
{
    if (!check_wish(kind, wish, err)) {
        return false;
    }
    const char *name = json_string_or(wish, "name", "");
    AUTO(drop_json) json_t *there = NULL;

    if (look_up(database, kind, "WHERE name = ?1", name, &there, err)) {
        if (!is_same(kind, there, wish, err)) {
            return false;
        }
        *out_created = false;
        *out = TAKE(there);
        return true;
    }
    if (err->kind != ERR_ABSENT || !check_parents(database, kind, wish, err) ||
        !check_room(database, kind, err) || !insert(database, kind, wish, err) ||
        !look_up(database, kind, "WHERE name = ?1", name, &there, err)) {
        return false;
    }
    *out_created = true;
    *out = TAKE(there);
    return true;
}

bool inventory_remove(struct database *database, const struct inventory_kind *kind,
                      const char *which, struct err *err)
{
    AUTO(drop_free) char *sql = text_make("DELETE FROM %s WHERE name = ?1 OR id = ?1", kind->table);

    if (!database_do(database, sql, VALUES(TEXT_VALUE(which)), 1, err)) {
        if (err->kind == ERR_CLASH) {
            err_set(err, ERR_CLASH, "the %s '%.64s' is in use", kind->one, which);
            err_mend(err, "remove first what belongs to it");
        }
        return false;
    }
    return database_changed(database) > 0 ||
           err_set(err, ERR_ABSENT, "there is no %s '%.64s'", kind->one, which);
}
