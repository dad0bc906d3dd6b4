/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "base/base.h"
#include "wire/role.h"
#include "wire/route.h"

static void answer(struct request *request, void *context)
{
    (void)request;
    (void)context;
}

static const struct route routes[] = {
    {"GET", "/", ROLE_LOCAL, 0, answer},
    {"GET", "/v1/vms", ROLE_LOCAL, 0, answer},
    {"GET", "/v1/vms/{vm}", ROLE_LOCAL, 0, answer},
    {"PUT", "/v1/vms/{vm}", ROLE_LOCAL, 1024, answer},
    {"GET", "/v1/vms/{vm}/disks/{disk}", ROLE_LOCAL, 0, answer},
};

static enum route_match find(const char *method, const char *path, const struct route **out,
                             struct route_values *values)
{
    return route_find(routes, COUNT_OF(routes), method, path, out, values);
}

static void a_path_leads_to_its_route(void **state)
{
    static const struct {
        const char *method, *path;
        size_t route;
    } cases[] = {
        {"GET", "/", 0},         {"GET", "/v1/vms", 1},           {"GET", "/v1/vms/m", 2},
        {"PUT", "/v1/vms/m", 3}, {"GET", "/v1/vms/m/disks/d", 4},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct route *route = NULL;
        struct route_values values;

        assert_int_equal(find(cases[i].method, cases[i].path, &route, &values), ROUTE_FOUND);
        assert_ptr_equal(route, &routes[cases[i].route]);
    }
}

static void each_named_segment_has_its_value(void **state)
{
    const struct route *route = NULL;
    struct route_values values;

    (void)state;
    assert_int_equal(find("GET", "/v1/vms/mgr/disks/system", &route, &values), ROUTE_FOUND);
    assert_string_equal(route_value(&values, "vm"), "mgr");
    assert_string_equal(route_value(&values, "disk"), "system");
    assert_null(route_value(&values, "di"));
    assert_null(route_value(&values, "disks"));
}

static void a_path_that_is_no_route_is_not_found(void **state)
{
    static const char *const paths[] = {
        "",
        "v1/vms",
        "/v1",
        "/v1/vms/",
        "/v1/vmsx",
        "/v1//vms",
        "//",
        "/v1/vms/m/disks",
        "/v1/vms/m/disks/d/e",
        "/v1/vms//disks/d",
        "/v1/vms/..",
        "/v1/vms/.",
        "/v1/vms/a\nb",
    };
    const struct route *route = NULL;
    struct route_values values;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_int_equal(find("GET", paths[i], &route, &values), ROUTE_NO_PATH);
    }
}

static void another_method_is_told_from_another_path(void **state)
{
    const struct route *route = NULL;
    struct route_values values;

    (void)state;
    assert_int_equal(find("DELETE", "/v1/vms/m", &route, &values), ROUTE_NO_METHOD);
    assert_int_equal(find("get", "/v1/vms/m", &route, &values), ROUTE_NO_METHOD);
    assert_int_equal(find("DELETE", "/v1/vm", &route, &values), ROUTE_NO_PATH);
}

static void a_value_over_its_ceiling_is_not_found(void **state)
{
    char path[ROUTE_VALUE_MAX + 16] = "/v1/vms/";
    const struct route *route = NULL;
    struct route_values values;

    (void)state;
    memset(path + 8, 'a', ROUTE_VALUE_MAX);
    assert_int_equal(find("GET", path, &route, &values), ROUTE_FOUND);
    path[8 + ROUTE_VALUE_MAX] = 'a';
    assert_int_equal(find("GET", path, &route, &values), ROUTE_NO_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_leads_to_its_route),
        cmocka_unit_test(each_named_segment_has_its_value),
        cmocka_unit_test(a_path_that_is_no_route_is_not_found),
        cmocka_unit_test(another_method_is_told_from_another_path),
        cmocka_unit_test(a_value_over_its_ceiling_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
