/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "wire/certificate.h"

#define CLUSTER "01234567-89ab-4cde-8f01-23456789abcd"

struct world {
    struct secret *ca_key, *key;
    char *ca, *uri;
};

static struct world world;

static int make_world(void **state)
{
    struct err err = {0};

    (void)state;
    world.uri = role_uri(CLUSTER, ROLE_HOST, "h1");
    return certificate_authority_make("quoin edge-01", 3650, &world.ca_key, &world.ca, &err) &&
                   certificate_key_make(&world.key, &err)
               ? 0
               : -1;
}

static int end_world(void **state)
{
    (void)state;
    secret_free(world.ca_key);
    secret_free(world.key);
    free(world.ca);
    free(world.uri);
    return 0;
}

static struct authority authority(void)
{
    return (struct authority){world.ca, world.ca_key};
}

static struct certificate_wish host_wish(void)
{
    static const char *const names[] = {"h1.test", NULL};
    static const char *const addresses[] = {"10.77.0.11", "fd00::11", NULL};

    return (struct certificate_wish){.common_name = "h1",
                                     .names = names,
                                     .addresses = addresses,
                                     .uri = world.uri,
                                     .server = true,
                                     .client = true,
                                     .days = 30};
}

/* Stock tools are the judges. */
static char *openssl_text(const char *pem)
{
    struct run run = {.argv = RUN("openssl", "x509", "-noout", "-text"),
                      .input = pem,
                      .input_length = strlen(pem)};
    char *out = NULL;
    struct err err = {0};

    assert_true(run_ok(&run, &out, &err));
    return out;
}

static void a_certificate_says_what_was_wished(void **state)
{
    struct certificate_wish wish = host_wish();
    struct authority ca = authority();
    AUTO(drop_free) char *pem = NULL, *text = NULL;
    struct certificate_facts facts;
    struct err err = {0};

    (void)state;
    assert_true(certificate_make(&ca, world.key, &wish, &pem, &err));
    assert_true(certificate_read(pem, &facts, &err));
    assert_string_equal(facts.common_name, "h1");
    assert_true(facts.server && facts.client && !facts.authority && facts.has_peer);
    assert_int_equal(facts.peer.role, ROLE_HOST);
    assert_string_equal(facts.peer.cluster, CLUSTER);
    assert_string_equal(facts.peer.name, "h1");
    assert_in_range(facts.not_after - time(NULL), 30 * 86400 - 60, 30 * 86400);
    assert_in_range(time(NULL) - facts.not_before, 300, 360);
    text = openssl_text(pem);
    assert_non_null(strstr(text,
                           "DNS:h1.test, IP Address:10.77.0.11, IP Address:FD00:0:0:0:0:0:0:11,"
                           " URI:quoin://" CLUSTER "/host/h1"));
    assert_non_null(strstr(text, "CA:FALSE"));
    assert_non_null(strstr(text, "Digital Signature\n"));
    assert_non_null(strstr(text, "ecdsa-with-SHA256"));
    assert_non_null(strstr(text, "prime256v1"));
}

static void an_authority_may_sign_and_nothing_below_it_may(void **state)
{
    struct certificate_facts facts;
    AUTO(drop_free) char *text = openssl_text(world.ca);
    struct err err = {0};

    (void)state;
    assert_true(certificate_read(world.ca, &facts, &err));
    assert_true(facts.authority && !facts.server && !facts.client && !facts.has_peer);
    assert_non_null(strstr(text, "CA:TRUE, pathlen:0"));
    assert_non_null(strstr(text, "Certificate Sign, CRL Sign\n"));
}

static void a_request_is_signed_without_its_key_leaving(void **state)
{
    struct certificate_wish wish = host_wish();
    struct authority ca = authority();
    AUTO(drop_free) char *request = NULL, *pem = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_request_make(world.key, "whatever it says", &request, &err));
    assert_null(strstr(request, "PRIVATE"));
    assert_true(certificate_sign(&ca, request, &wish, &pem, &err));
    assert_true(certificate_check(pem, world.ca, &err));
    assert_true(certificate_fits(pem, world.key, &err));
}

static void a_request_changed_on_its_way_is_refused(void **state)
{
    struct certificate_wish wish = host_wish();
    struct authority ca = authority();
    AUTO(drop_free) char *request = NULL, *pem = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_request_make(world.key, "h1", &request, &err));
    char *at = strstr(request, "-----END") - 30;
    *at = *at == 'A' ? 'B' : 'A';
    assert_false(certificate_sign(&ca, request, &wish, &pem, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(pem);
}

static void a_key_that_is_no_p256_is_not_signed(void **state)
{
    struct certificate_wish wish = host_wish();
    struct authority ca = authority();
    AUTO(drop_free) char *request = NULL, *pem = NULL;
    struct err err = {0};
    struct run run = {.argv = RUN("openssl", "req", "-new", "-newkey", "rsa:1024", "-nodes",
                                  "-subj", "/CN=h1", "-keyout", "/dev/null")};

    (void)state;
    assert_true(run_ok(&run, &request, &err));
    assert_false(certificate_sign(&ca, request, &wish, &pem, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void a_certificate_of_another_authority_is_denied(void **state)
{
    struct certificate_wish wish = host_wish();
    AUTO(drop_secret) struct secret *other_key = NULL;
    AUTO(drop_free) char *other = NULL, *pem = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_authority_make("quoin edge-01", 10, &other_key, &other, &err));
    struct authority ca = {other, other_key};
    assert_true(certificate_make(&ca, world.key, &wish, &pem, &err));
    assert_true(certificate_check(pem, other, &err));
    assert_false(certificate_check(pem, world.ca, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void an_authority_signs_only_with_its_own_key(void **state)
{
    struct certificate_wish wish = host_wish();
    struct authority ca = {world.ca, world.key};
    AUTO(drop_free) char *pem = NULL;
    struct err err = {0};

    (void)state;
    assert_false(certificate_make(&ca, world.key, &wish, &pem, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void an_expired_certificate_is_denied(void **state)
{
    struct certificate_wish wish = host_wish();
    struct authority ca = authority();
    AUTO(drop_free) char *pem = NULL;
    struct err err = {0};

    (void)state;
    wish.days = 0;
    assert_true(certificate_make(&ca, world.key, &wish, &pem, &err));
    sleep(1);
    assert_false(certificate_check(pem, world.ca, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "expired"));
}

static void a_certificate_that_belongs_to_another_key_clashes(void **state)
{
    struct certificate_wish wish = host_wish();
    struct authority ca = authority();
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *pem = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_key_make(&key, &err));
    assert_true(certificate_make(&ca, world.key, &wish, &pem, &err));
    assert_false(certificate_fits(pem, key, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void two_roles_in_one_certificate_are_none(void **state)
{
    /* One URI that holds two cannot be made by us; so sign a foreign one. */
    AUTO(drop_free) char *pem = NULL;
    struct certificate_facts facts;
    struct err err = {0};
    struct run run = {.argv = RUN("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                  "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=h1", "-keyout",
                                  "/dev/null", "-addext",
                                  "subjectAltName=URI:quoin://" CLUSTER
                                  "/host/h1,URI:quoin://" CLUSTER "/manager/h1")};

    (void)state;
    assert_true(run_ok(&run, &pem, &err));
    assert_true(certificate_read(pem, &facts, &err));
    assert_false(facts.has_peer);
}

static void serial_numbers_are_large_and_never_the_same(void **state)
{
    struct certificate_wish wish = host_wish();
    struct authority ca = authority();
    AUTO(drop_free) char *a = NULL, *b = NULL;
    struct certificate_facts fa, fb;
    struct err err = {0};

    (void)state;
    assert_true(certificate_make(&ca, world.key, &wish, &a, &err));
    assert_true(certificate_make(&ca, world.key, &wish, &b, &err));
    assert_true(certificate_read(a, &fa, &err) && certificate_read(b, &fb, &err));
    assert_string_not_equal(fa.fingerprint, fb.fingerprint);
    AUTO(drop_free) char *text = openssl_text(a);
    const char *serial = strstr(text, "Serial Number:\n            ");
    assert_non_null(serial);
    assert_int_equal(strcspn(serial + 27, "\n"), 16 * 3 - 1);
}

static void what_is_no_certificate_is_refused(void **state)
{
    static const char *const wrong[] = {
        "", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    struct certificate_facts facts;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(certificate_read(wrong[i], &facts, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    assert_false(certificate_read("-----BEGIN EC PRIVATE KEY-----", &facts, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_says_what_was_wished),
        cmocka_unit_test(an_authority_may_sign_and_nothing_below_it_may),
        cmocka_unit_test(a_request_is_signed_without_its_key_leaving),
        cmocka_unit_test(a_request_changed_on_its_way_is_refused),
        cmocka_unit_test(a_key_that_is_no_p256_is_not_signed),
        cmocka_unit_test(a_certificate_of_another_authority_is_denied),
        cmocka_unit_test(an_authority_signs_only_with_its_own_key),
        cmocka_unit_test(an_expired_certificate_is_denied),
        cmocka_unit_test(a_certificate_that_belongs_to_another_key_clashes),
        cmocka_unit_test(two_roles_in_one_certificate_are_none),
        cmocka_unit_test(serial_numbers_are_large_and_never_the_same),
        cmocka_unit_test(what_is_no_certificate_is_refused),
    };

    return cmocka_run_group_tests(tests, make_world, end_world);
}
