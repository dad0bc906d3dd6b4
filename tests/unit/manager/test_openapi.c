/* SPDX-License-Identifier: Apache-2.0 */
/* The description follows the tables: nothing that is there is left out, nothing leads nowhere. */
#include "manager/api.h"
#include "manager/inventory.h"
#include "manager/openapi.h"
#include "tests.h"

static const json_t *at(const json_t *object, const char *a, const char *b, const char *c)
{
    return json_object_get(json_object_get(json_object_get(object, a), b), c);
}

static void every_reference_leads_somewhere(const json_t *all, const json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)value, i, child)
    {
        every_reference_leads_somewhere(all, child);
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, child)
    {
        if (strcmp(key, "$ref") == 0) {
            const char *name = strrchr(json_string_value(child), '/') + 1;

            assert_non_null(at(all, "components", "schemas", name));
        }
        every_reference_leads_somewhere(all, child);
    }
}

static void no_reference_leads_nowhere(void **state)
{
    AUTO(drop_json) json_t *all = openapi_make();

    (void)state;
    every_reference_leads_somewhere(all, all);
}

static void every_route_of_the_api_is_described(void **state)
{
    AUTO(drop_json) json_t *all = openapi_make();

    (void)state;
    for (size_t i = 0; i < api_route_count; i++) {
        const struct route *route = &api_routes[i];
        AUTO(drop_free) char *method = text_copy(route->method);

        for (char *c = method; *c; c++) {
            *c |= 0x20;
        }
        if (text_starts(route->path, "/api/") && !strchr(route->path, '{')) {
            assert_non_null(at(all, "paths", route->path, method));
        }
    }
    for (size_t i = 0; i < inventory_kind_count; i++) {
        AUTO(drop_free) char *list = text_make("/api/v1/%s", inventory_kinds[i].name);
        AUTO(drop_free) char *item = text_make("%s/{item}", list);

        assert_non_null(at(all, "paths", list, "get"));
        assert_non_null(at(all, "paths", list, "post"));
        assert_non_null(at(all, "paths", item, "get"));
        assert_non_null(at(all, "paths", item, "delete"));
    }
    assert_non_null(at(all, "paths", "/api/v1/vms", "get"));
    assert_null(at(all, "paths", "/api/v1/vms", "post"));
    assert_null(at(all, "paths", "/api/v1/events/{item}", "delete"));
}

static void what_may_be_posted_is_what_the_table_says(void **state)
{
    AUTO(drop_json) json_t *all = openapi_make();

    (void)state;
    for (size_t i = 0; i < inventory_kind_count; i++) {
        AUTO(drop_free) char *name = text_make("%s-wish", inventory_kinds[i].name);
        const json_t *wish = at(all, "components", "schemas", name);
        size_t count = 1;

        for (const struct inventory_field *field = inventory_kinds[i].fields; field->name;
             field++, count++) {
            assert_non_null(json_object_get(json_object_get(wish, "properties"), field->name));
        }
        assert_int_equal(json_array_size(json_object_get(wish, "required")), count);
        assert_true(json_is_false(json_object_get(wish, "additionalProperties")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_reference_leads_nowhere),
        cmocka_unit_test(every_route_of_the_api_is_described),
        cmocka_unit_test(what_may_be_posted_is_what_the_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
