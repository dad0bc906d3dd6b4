/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "base/text.h"
#include "blueprint/address.h"

static bool is_host(const char *text)
{
    struct address address;

    return address_read(text, &address) && address_usable(&address);
}

static void addresses_that_a_host_can_have_are_told_from_others(void **state)
{
    static const char *const good[] = {"10.77.0.11", "192.0.2.1", "fd00::1", "2001:db8::a"};
    static const char *const bad[] = {
        "",        "10.77.0",   "10.77.0.256",  "010.77.0.1",      "10.77.0.1 ", "10.77.0.1/24",
        "0.0.0.0", "127.0.0.1", "224.0.0.1",    "255.255.255.255", "::",         "::1",
        "ff02::1", "fe80::1",   "fd00::1%eth0", "::ffff:10.0.0.1", "1",          "0x0a000001"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(is_host(good[i]));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (is_host(bad[i])) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void a_prefix_is_a_plain_number_in_range(void **state)
{
    static const char *const bad[] = {"10.0.0.1",       "10.0.0.1/",           "10.0.0.1/33",
                                      "10.0.0.1/0",     "10.0.0.1/024",        "10.0.0.1/-1",
                                      "10.0.0.1/2 ",    "fd00::1/129",         "/24",
                                      "10.0.0.1/24/24", "10.0.0.1/99999999999"};
    struct address address;

    (void)state;
    assert_true(address_read_cidr("10.0.0.1/32", &address) && address.prefix == 32);
    assert_true(address_read_cidr("fd00::1/64", &address) && address.prefix == 64);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (address_read_cidr(bad[i], &address)) {
            fail_msg("%s", bad[i]);
        }
    }
}

static bool in(const char *address, const char *network)
{
    struct address a, n;

    assert_true(address_read(address, &a) && address_read_cidr(network, &n));
    return address_in(&a, &n);
}

static void an_address_lies_in_its_network_only(void **state)
{
    (void)state;
    assert_true(in("10.77.0.255", "10.77.0.0/24"));
    assert_false(in("10.77.1.0", "10.77.0.0/24"));
    assert_true(in("10.77.1.0", "10.77.0.0/23"));
    assert_true(in("10.77.0.131", "10.77.0.130/31"));
    assert_true(in("fd00::ffff", "fd00::/64"));
    assert_false(in("fd00:0:0:1::", "fd00::/64"));
    assert_false(in("fd00::1", "10.0.0.0/8"));
}

static void the_edges_of_a_network_are_no_hosts(void **state)
{
    struct address address;

    (void)state;
    assert_true(address_read_cidr("10.0.0.0/24", &address) && address_is_edge(&address));
    assert_true(address_read_cidr("10.0.0.255/24", &address) && address_is_edge(&address));
    assert_true(address_read_cidr("10.0.0.1/24", &address) && !address_is_edge(&address));
    assert_true(address_read_cidr("10.0.0.0/31", &address) && !address_is_edge(&address));
    assert_true(address_read_cidr("fd00::/64", &address) && address_is_edge(&address));
    assert_true(address_read_cidr("fd00::ffff:ffff:ffff:ffff/64", &address) &&
                !address_is_edge(&address));
}

static void a_network_is_told_as_it_should_be(void **state)
{
    struct address address;
    char proper[64];

    (void)state;
    assert_true(address_read_cidr("10.77.5.9/22", &address));
    assert_false(address_is_network(&address, proper));
    assert_string_equal(proper, "10.77.4.0/22");
    assert_true(address_read_cidr("fd00::/64", &address));
    assert_true(address_is_network(&address, proper));
}

static void names_have_the_shape_of_their_kind(void **state)
{
    char label[80];

    (void)state;
    assert_true(name_is_label("a", 63) && name_is_label("h-1", 63));
    assert_false(name_is_label("", 63) || name_is_label("1a", 63) || name_is_label("a-", 63) ||
                 name_is_label("-a", 63) || name_is_label("A", 63) || name_is_label("a.b", 63) ||
                 name_is_label("abc", 2));
    assert_true(name_is_dns("h1.test") && name_is_dns("1st.Example") && name_is_dns("xn--e1a"));
    assert_false(name_is_dns("") || name_is_dns("a..b") || name_is_dns("a.") || name_is_dns(".a") ||
                 name_is_dns("a_b") || name_is_dns("10.77.0.256") || name_is_dns("\xc3\xa4.test"));
    memset(label, 'a', sizeof(label));
    label[63] = '\0';
    assert_true(name_is_dns(label));
    label[63] = 'a';
    label[64] = '\0';
    assert_false(name_is_dns(label));
    assert_true(name_is_server("a.test:1") && name_is_server("10.0.0.1:65535") &&
                name_is_server("[fd00::1]:5696"));
    assert_false(name_is_server("a.test") || name_is_server("a:0") || name_is_server("a:65536") ||
                 name_is_server("a:01") || name_is_server("fd00::1:5696") ||
                 name_is_server("[10.0.0.1]:5") || name_is_server("[]:5") || name_is_server(":5") ||
                 name_is_server("a:5 ") || name_is_server("[fd00::1:5696"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_a_host_can_have_are_told_from_others),
        cmocka_unit_test(a_prefix_is_a_plain_number_in_range),
        cmocka_unit_test(an_address_lies_in_its_network_only),
        cmocka_unit_test(the_edges_of_a_network_are_no_hosts),
        cmocka_unit_test(a_network_is_told_as_it_should_be),
        cmocka_unit_test(names_have_the_shape_of_their_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
