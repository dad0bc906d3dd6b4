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

#define CLUSTER "01234567-89ab-4cde-8f01-23456789abcd"

static void a_role_uri_is_read_back_as_it_was_written(void **state)
{
    static const enum role roles[] = {ROLE_HOST, ROLE_MANAGER, ROLE_DEPLOYER};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        AUTO(drop_free) char *uri = role_uri(CLUSTER, roles[i], "h1.edge-01");
        struct peer peer = {0};
        struct err err = {0};

        assert_true(role_read(uri, &peer, &err));
        assert_int_equal(peer.role, roles[i]);
        assert_string_equal(peer.cluster, CLUSTER);
        assert_string_equal(peer.name, "h1.edge-01");
    }
}

static void whatever_is_not_exactly_a_role_uri_is_denied(void **state)
{
    static const char *const wrong[] = {
        "",
        "quoin://",
        "http://" CLUSTER "/host/h1",
        "QUOIN://" CLUSTER "/host/h1",
        "quoin://" CLUSTER,
        "quoin://" CLUSTER "/host",
        "quoin://" CLUSTER "/host/",
        "quoin://" CLUSTER "/hosts/h1",
        "quoin://" CLUSTER "/hos/h1",
        "quoin://" CLUSTER "/local/h1",
        "quoin://" CLUSTER "/nobody/h1",
        "quoin://" CLUSTER "/Host/h1",
        "quoin://" CLUSTER "//h1",
        "quoin://" CLUSTER "/host/h1/x",
        "quoin://" CLUSTER "/host/h1?x",
        "quoin://" CLUSTER "/host/H1",
        "quoin://" CLUSTER "/host/-h1",
        "quoin://" CLUSTER "/host/h1.",
        "quoin://" CLUSTER "/host/h 1",
        "quoin://" CLUSTER "/host/h\xc3\xa4",
        "quoin://01234567-89AB-4cde-8f01-23456789abcd/host/h1",
        "quoin://0123456789ab4cde8f0123456789abcd0000/host/h1",
        "quoin://" CLUSTER "/host/"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct peer peer = {.name = "untouched"};
        struct err err = {0};

        assert_false(role_read(wrong[i], &peer, &err));
        assert_int_equal(err.kind, ERR_DENIED);
        assert_string_equal(peer.name, "untouched");
    }
}

static void a_name_of_63_characters_is_the_longest(void **state)
{
    const char *uri = "quoin://" CLUSTER "/host/"
                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct peer peer = {0};
    struct err err = {0};

    (void)state;
    assert_true(role_read(uri, &peer, &err));
    assert_int_equal(strlen(peer.name), ROLE_NAME_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_role_uri_is_read_back_as_it_was_written),
        cmocka_unit_test(whatever_is_not_exactly_a_role_uri_is_denied),
        cmocka_unit_test(a_name_of_63_characters_is_the_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
