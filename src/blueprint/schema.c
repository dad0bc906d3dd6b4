/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema 2020-12 of the blueprint, for editors; from the table of fields. */
#include "base/text.h"
#include "blueprint/blueprint.h"
#include "blueprint/field.h"

static json_t *schema_of(const struct field *field);

static void set_integer(json_t *schema, const char *key, uint64_t value)
{
    json_object_set_new(schema, key, json_integer((json_int_t)value));
}

static void add_scalar(json_t *schema, const struct field *field)
{
    const struct field_type *type = field->type;

    json_object_set_new(schema, "type", json_string(type->schema));
    if (type->pattern && type->schema[0] == 's') {
        json_object_set_new(schema, "pattern", json_string(type->pattern));
    }
    if (type == &type_integer) {
        set_integer(schema, "minimum", field->min);
        set_integer(schema, "maximum", field->max);
    } else if (type->schema[0] == 's') {
        set_integer(schema, "minLength", 1);
    }
    if (type != &type_size && type != &type_duration && type->schema[0] == 's' && field->max > 0) {
        set_integer(schema, "maxLength", field->max);
    }
    for (size_t i = 0; field->choices && field->choices[i]; i++) {
        json_t *words = json_object_get(schema, "enum");

        if (!words) {
            words = json_array();
            json_object_set_new(schema, "enum", words);
        }
        json_array_append_new(words, json_string(field->choices[i]));
    }
}

static void add_default(json_t *schema, const struct field *field)
{
    json_t *value;

    if (!field->fallback) {
        return;
    }
    value = field->type->schema[0] == 's' ? json_string(field->fallback)
                                          : json_loads(field->fallback, JSON_DECODE_ANY, NULL);
    json_object_set_new(schema, "default", value);
}

/* A disk is named exactly one way: those of its keys that say who it is exclude each other. */
static void add_one_of(json_t *schema, const struct field *map)
{
    json_t *ways = json_array();

    for (const struct field *field = map->fields; field->key; field++) {
        if (field->kind == FIELD_SCALAR && field->type->identity) {
            json_array_append_new(ways, json_pack("{s:[s]}", "required", field->key));
        }
    }
    if (json_array_size(ways) > 0) {
        json_object_set(schema, "oneOf", ways);
    }
    json_decref(ways);
}

static void add_map(json_t *schema, const struct field *map)
{
    json_t *properties = json_object(), *required = json_array();

    json_object_set_new(schema, "type", json_string("object"));
    for (const struct field *field = map->fields; field->key; field++) {
        json_object_set_new(properties, field->key, schema_of(field));
        if (field->required) {
            json_array_append_new(required, json_string(field->key));
        }
    }
    json_object_set_new(schema, "properties", properties);
    json_object_set_new(schema, "required", required);
    json_object_set_new(schema, "additionalProperties", json_false());
    add_one_of(schema, map);
}

static void add_list(json_t *schema, const struct field *list)
{
    json_object_set_new(schema, "type", json_string("array"));
    json_object_set_new(schema, "items", schema_of(list->item));
    set_integer(schema, "minItems", list->min);
    set_integer(schema, "maxItems", list->max);
}

static json_t *schema_of(const struct field *field)
{
    static void (*const adders[])(json_t *, const struct field *) = {add_map, add_list, add_scalar};
    json_t *schema = json_object();

    adders[field->kind](schema, field);
    if (field->about) {
        json_object_set_new(schema, "description", json_string(field->about));
    }
    if (field->kind == FIELD_SCALAR) {
        add_default(schema, field);
    }
    return schema;
}

json_t *blueprint_schema(void)
{
    json_t *schema = json_pack(
        "{s:s, s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title",
        "quoin blueprint", "description", "What a cluster is made of: see quoin-blueprint(5)");
    json_t *root = schema_of(&blueprint_root);

    json_object_update(schema, root);
    json_decref(root);
    return schema;
}
