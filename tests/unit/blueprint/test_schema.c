/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON Schema against the loader, on the same texts: JSON is YAML, so both can read them. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <regex.h>
#include <string.h>

#include "blueprint/blueprint.h"
#include "blueprint/field.h"
#include "golden.h"

static bool holds(const json_t *schema, const json_t *value);

static json_int_t bound(const json_t *schema, const char *key, json_int_t otherwise)
{
    const json_t *found = json_object_get(schema, key);

    return found ? json_integer_value(found) : otherwise;
}

static bool string_holds(const json_t *schema, const json_t *value)
{
    const char *pattern = json_string_or(schema, "pattern", NULL), *text = json_string_value(value);
    json_int_t length = (json_int_t)strlen(text);
    const json_t *words = json_object_get(schema, "enum"), *word;
    bool good = length >= bound(schema, "minLength", 0) &&
                length <= bound(schema, "maxLength", INT64_MAX),
         among = !words;
    size_t i;

    json_array_foreach(words, i, word)
    {
        among |= strcmp(json_string_value(word), text) == 0;
    }
    if (pattern) {
        regex_t regex;

        assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
        good &= regexec(&regex, text, 0, NULL, 0) == 0;
        regfree(&regex);
    }
    return good && among;
}

static bool array_holds(const json_t *schema, const json_t *value)
{
    json_int_t count = (json_int_t)json_array_size(value);
    const json_t *item;
    bool good =
        count >= bound(schema, "minItems", 0) && count <= bound(schema, "maxItems", INT64_MAX);
    size_t i;

    json_array_foreach(value, i, item)
    {
        good &= holds(json_object_get(schema, "items"), item);
    }
    return good;
}

static bool has_all(const json_t *required, const json_t *value)
{
    const json_t *key;
    size_t i;

    json_array_foreach(required, i, key)
    {
        if (!json_object_get(value, json_string_value(key))) {
            return false;
        }
    }
    return true;
}

static bool object_holds(const json_t *schema, json_t *value)
{
    const json_t *ways = json_object_get(schema, "oneOf"), *way;
    size_t i, ways_held = 0;
    const char *key;
    json_t *item;
    bool good = has_all(json_object_get(schema, "required"), value);

    json_object_foreach(value, key, item)
    {
        const json_t *of = json_object_get(json_object_get(schema, "properties"), key);

        good &= of && holds(of, item);
    }
    json_array_foreach(ways, i, way)
    {
        ways_held += has_all(json_object_get(way, "required"), value);
    }
    return good && (!ways || ways_held == 1);
}

/* The part of JSON Schema 2020-12 that blueprint_schema uses. */
static bool holds(const json_t *schema, const json_t *value)
{
    const char *type = json_string_or(schema, "type", "");

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return strcmp(type, "object") == 0 && object_holds(schema, (json_t *)(uintptr_t)value);
    case JSON_ARRAY:
        return strcmp(type, "array") == 0 && array_holds(schema, value);
    case JSON_STRING:
        return strcmp(type, "string") == 0 && string_holds(schema, value);
    case JSON_INTEGER:
        return strcmp(type, "integer") == 0 &&
               json_integer_value(value) >= bound(schema, "minimum", INT64_MIN) &&
               json_integer_value(value) <= bound(schema, "maximum", INT64_MAX);
    case JSON_TRUE:
    case JSON_FALSE:
        return strcmp(type, "boolean") == 0;
    default:
        return false;
    }
}

static bool loads(const json_t *value)
{
    static const char *const both[] = {"native", "kmip", NULL};
    const struct blueprint_limits limits = {.providers = both, .form_only = true};
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    AUTO(drop_free) char *bytes = json_write(value);
    struct err err = {0};

    return blueprint_parse(bytes, strlen(bytes), "x", &limits, &blueprint, &findings, &err);
}

static const char good[] =
    "{\"quoin\":1,\"cluster\":{\"name\":\"c\",\"datacenter\":\"d\"},\"hosts\":[{\"name\":\"h1\","
    "\"address\":\"10.77.0.11\",\"ssh\":{\"user\":\"root\",\"port\":22,\"key\":\"k\"},\"disks\":["
    "{\"serial\":\"S1\",\"wipe\":true}]}],\"datastore\":{\"type\":\"ceph\",\"name\":\"n\","
    "\"network\":\"10.77.0.0/24\",\"replicas\":1},\"manager\":{\"name\":\"m\",\"image\":\"i\","
    "\"image_sha256\":\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\","
    "\"cpus\":2,\"memory\":\"1G\",\"disks\":[{\"name\":\"system\",\"size\":\"4G\"},{\"name\":"
    "\"data\",\"size\":\"4G\"}],\"network\":{\"bridge\":\"br0\",\"address\":\"10.77.0.10/24\","
    "\"gateway\":\"10.77.0.1\",\"dns\":[\"10.77.0.1\"],\"hostname\":\"m.test\"},\"admin\":{"
    "\"user\":\"a\",\"password_file\":\"p\"}},\"encryption\":{\"provider\":{\"name\":\"n\","
    "\"type\":\"native\"},\"tpm\":\"auto\",\"recovery\":\"off\",\"cache\":\"off\"}}";

static json_t *good_json(void)
{
    json_t *json = NULL;
    struct err err = {0};

    assert_true(json_read(good, strlen(good), &json, &err));
    return json;
}

static void the_schema_takes_what_the_loader_takes(void **state)
{
    AUTO(drop_json) json_t *schema = blueprint_schema();
    AUTO(drop_json) json_t *json = good_json();

    (void)state;
    assert_true(loads(json));
    assert_true(holds(schema, json));
}

/* Every value of the tree, one at a time, in place of one of these. */
static size_t spoil(json_t *schema, json_t *root, json_t *at)
{
    const char *const odd[] = {"null", "-1", "99999999",    "\"\"", "\";x\"", "[]",
                               "[[]]", "{}", "{\"odd\":1}", "true", "1.5"};
    size_t refused = 0, i = 0;
    const char *key;
    json_t *item;
    void *next;

    for (size_t o = 0; o < COUNT_OF(odd); o++) {
        json_object_foreach_safe(at, next, key, item)
        {
            json_t *spoilt = json_loads(odd[o], JSON_DECODE_ANY, NULL);

            json_incref(item);
            json_object_set_new(at, key, spoilt);
            bool load = loads(root), hold = holds(schema, root);

            if (load && !hold) {
                fail_msg("%s: %s is taken by the loader only", key, odd[o]);
            }
            refused += !load && !hold;
            json_object_set_new(at, key, item);
        }
    }
    json_object_foreach(at, key, item)
    {
        refused += json_is_object(item) ? spoil(schema, root, item) : 0;
        json_t *member;

        json_array_foreach(item, i, member)
        {
            refused += json_is_object(member) ? spoil(schema, root, member) : 0;
        }
    }
    return refused;
}

static void the_schema_refuses_no_less_than_a_shape_can_say(void **state)
{
    AUTO(drop_json) json_t *schema = blueprint_schema();
    AUTO(drop_json) json_t *json = good_json();

    (void)state;
    assert_true(spoil(schema, json, json) > 250);
    assert_true(holds(schema, json)); /* all was put back */
}

static void each_required_key_is_required_by_both(void **state)
{
    AUTO(drop_json) json_t *schema = blueprint_schema();
    AUTO(drop_json) json_t *json = good_json();
    const char *const maps[] = {"cluster", "datastore", "manager"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(maps); i++) {
        json_t *map = json_object_get(json, maps[i]), *item;
        AUTO(drop_json) json_t *keys = json_copy(map);
        const char *key;

        json_object_foreach(keys, key, item)
        {
            json_object_del(map, key);
            assert_int_equal(loads(json), holds(schema, json));
            json_object_set(map, key, item);
        }
    }
}

/* For the manual: one paragraph a key. */
static void describe(struct text *out, const struct field *map, const char *path)
{
    for (const struct field *field = map->fields; field->key; field++) {
        AUTO(drop_free)
        char *own = text_make("%s%s%s%s", path, *path ? "." : "", field->key,
                              field->kind == FIELD_LIST ? "[]" : "");
        const char *otherwise = field->fallback ? field->fallback : field->otherwise;

        text_addf(out, "*%s*\n\t%c%s.", own, field->about[0] & ~(field->about[0] >= 'a' ? 0x20 : 0),
                  field->about + 1);
        if (field->required) {
            text_add(out, " Required.");
        } else if (otherwise) {
            text_addf(out, " Default: %s.", otherwise);
        }
        text_add(out, "\n\n");
        if (field->kind == FIELD_MAP) {
            describe(out, field, own);
        } else if (field->kind == FIELD_LIST && field->item->kind == FIELD_MAP) {
            describe(out, field->item, own);
        }
    }
}

/* scdoc takes '_' and others for its own. */
static char *escape(const char *text)
{
    struct text out = {0};

    for (const char *at = text; *at; at++) {
        bool own = *at == '_' && at > text;

        text_addf(&out, "%s%c", own ? "\\" : "", *at);
    }
    return text_take(&out);
}

/* tests/golden/manual-keys.scd is the table in the manual's words; the page holds it word for word.
 */
static void the_manual_describes_every_key(void **state)
{
    AUTO(drop_text) struct text text = {0};
    size_t length;
    AUTO(drop_free) char *page = source_read("man/quoin-blueprint.5.scd", &length);

    (void)state;
    describe(&text, &blueprint_root, "");
    AUTO(drop_free) char *keys = escape(text.bytes);

    assert_true(golden_equal("tests/golden/manual-keys.scd", keys));
    assert_non_null(strstr(page, keys));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_takes_what_the_loader_takes),
        cmocka_unit_test(the_schema_refuses_no_less_than_a_shape_can_say),
        cmocka_unit_test(each_required_key_is_required_by_both),
        cmocka_unit_test(the_manual_describes_every_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
