/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <dirent.h>
#include <string.h>
#include <time.h>

#include "blueprint/blueprint.h"
#include "golden.h"

/* A blueprint that is right in form; the tests below spoil it. */
static const char good[] =
    "quoin: 1\n"
    "cluster: {name: edge-01, datacenter: fra1}\n"
    "hosts:\n"
    "  - name: h1\n"
    "    address: 10.77.0.11\n"
    "    ssh: {user: root, key: lab.key, port: 22}\n"
    "    disks:\n"
    "      - wwn: \"0x5000c50000000101\"\n"
    "      - path: /dev/disk/by-id/scsi-quoin-h1-2\n"
    "        wipe: true\n"
    "datastore: {type: ceph, name: ds1, network: 10.77.0.0/24, replicas: 1}\n"
    "manager:\n"
    "  name: mgr\n"
    "  image: quoin-manager.img\n"
    "  image_sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n"
    "  cpus: 2\n"
    "  memory: 1G\n"
    "  disks: [{name: system, size: 4G}, {name: data, size: 4G}]\n"
    "  network: {bridge: br0, address: 10.77.0.10/24, gateway: 10.77.0.1, dns: [10.77.0.1], "
    "hostname: mgr.test}\n"
    "  admin: {user: admin, password_file: admin.password}\n"
    "encryption:\n"
    "  tpm: auto\n"
    "  recovery: off\n"
    "  cache: off\n"
    "  provider: {name: native, type: native}\n";

static const char *const both[] = {"native", "kmip", NULL};

static bool parse(const char *bytes, size_t length, const char *const *providers,
                  struct findings *findings)
{
    const struct blueprint_limits limits = {.providers = providers, .form_only = true};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    struct err err = {0};
    bool made =
        blueprint_parse(bytes, length, "blueprint.yaml", &limits, &blueprint, findings, &err);

    assert_int_equal(made, blueprint != NULL);
    assert_int_equal(made, findings->errors == 0);
    assert_int_equal(made ? ERR_NONE : ERR_INPUT, err.kind);
    return made;
}

/* One file of tests/refused/blueprint. */
static bool is_refused_as_expected(const char *name)
{
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_text) struct text text = {0};
    AUTO(drop_free) char *part = text_make("tests/refused/blueprint/%s.yaml", name);
    AUTO(drop_free) char *expect = text_make("tests/refused/blueprint/%s.expect", name);
    size_t length;
    AUTO(drop_free) char *bytes = source_read(part, &length);

    if (parse(bytes, length, text_starts(name, "kmip-") ? both : NULL, &findings)) {
        print_error("%s is not refused\n", name);
        return false;
    }
    for (size_t i = 0; i < findings.count; i++) {
        if (findings.items[i].severity == SEVERITY_ERROR && !findings.items[i].remedy[0]) {
            print_error("%s: no remedy\n", name);
            return false;
        }
    }
    findings_text(&findings, "blueprint.yaml", bytes, length, &text);
    return golden_equal(expect, text.bytes);
}

static void every_refused_blueprint_is_refused_with_its_findings(void **state)
{
    AUTO(drop_free) char *path = source_path("tests/refused/blueprint");
    DIR *folder = opendir(path);
    size_t refused = 0, wrong = 0;

    (void)state;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char *dot = strstr(entry->d_name, ".yaml");

        if (dot) {
            *dot = '\0';
            wrong += !is_refused_as_expected(entry->d_name);
            refused++;
        }
    }
    closedir(folder);
    assert_true(refused > 90);
    assert_int_equal(wrong, 0);
}

static void ten_mistakes_get_ten_findings(void **state)
{
    AUTO(drop_findings) struct findings findings = {0};
    size_t length;
    AUTO(drop_free) char *bytes = source_read("tests/refused/blueprint/ten-mistakes.yaml", &length);

    (void)state;
    assert_false(parse(bytes, length, NULL, &findings));
    assert_int_equal(findings.count, 10);
    assert_int_equal(findings.errors, 10);
    for (size_t i = 0; i < findings.count; i++) {
        assert_true(findings.items[i].line > 0 && findings.items[i].column > 0);
        assert_true(findings.items[i].remedy[0]);
    }
}

static void the_good_one_is_good(void **state)
{
    AUTO(drop_findings) struct findings findings = {0};

    (void)state;
    assert_true(parse(good, strlen(good), NULL, &findings));
    assert_int_equal(findings.count, 0);
}

/* A word that a colon follows: a key. */
static size_t next_key(const char *text, size_t from, size_t *out_length)
{
    for (size_t at = from; text[at]; at++) {
        size_t length = strspn(text + at, "abcdefghijklmnopqrstuvwxyz_0123456789");

        if (length > 0 && text[at + length] == ':' && strchr(" \n", text[at + length + 1])) {
            *out_length = length;
            return at;
        }
        at += length;
    }
    return SIZE_MAX;
}

/* Each key with one letter doubled, one left out, two swapped, and one added: always exactly one
 * finding, at that key, which names the right word. */
static void a_misspelt_key_is_one_finding(void **state)
{
    size_t length, keys = 0;

    (void)state;
    for (size_t at = 0; (at = next_key(good, at, &length)) != SIZE_MAX; at += length) {
        AUTO(drop_findings) struct findings findings = {0};
        AUTO(drop_free) char *key = strndup(good + at, length);
        AUTO(drop_free)
        char *bytes = text_make("%.*s%sx%s", (int)at, good, key, good + at + length);

        assert_false(parse(bytes, strlen(bytes), NULL, &findings));
        if (findings.count != 1 || !strstr(findings.items[0].remedy, key)) {
            print_error("%s: %zu findings\n", key, findings.count);
        }
        assert_int_equal(findings.count, 1);
        assert_non_null(strstr(findings.items[0].what, "there is no key"));
        assert_non_null(strstr(findings.items[0].remedy, key));
        keys++;
    }
    assert_true(keys > 40);
}

static void a_key_that_is_left_out_is_missed_or_has_a_default(void **state)
{
    static const char *const required[] = {"quoin",  "name",         "address",
                                           "size",   "image_sha256", "password_file",
                                           "bridge", "image",        "network"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(required); i++) {
        AUTO(drop_findings) struct findings findings = {0};
        AUTO(drop_free) char *bytes = text_copy(good);
        AUTO(drop_free) char *key = text_make("%s: ", required[i]);
        char *at = strstr(bytes, key);

        memset(at, 'z', strlen(required[i])); /* unlike any other key */
        assert_false(parse(bytes, strlen(bytes), NULL, &findings));
        assert_true(findings.errors >= 2);
    }
}

static double seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Refused, soon, with few findings. */
static void is_refused_soon(const char *start, const char *piece, size_t count)
{
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_text) struct text text = {0};
    double began = seconds();

    text_add(&text, start);
    for (size_t i = 0; i < count; i++) {
        text_add(&text, piece);
    }
    assert_false(parse(text.bytes, text.length, NULL, &findings));
    if (seconds() - began > 1.0) {
        print_error("'%s%s' took %.1f s\n", start, piece, seconds() - began);
    }
    assert_true(seconds() - began < 10.0); /* under sanitizers on a loaded machine; else 0.1 s */
    assert_true(findings.count <= FINDINGS_MAX);
}

static void what_is_nested_or_endless_is_refused_soon(void **state)
{
    (void)state;
    is_refused_soon("", "[", 100000);
    is_refused_soon("", "{", 100000);
    is_refused_soon("", "[\n", 100000);
    is_refused_soon("", "- ", 100000);
    is_refused_soon("", "? ", 100000);
    is_refused_soon("", "a: {", 100000);
    is_refused_soon("", "&a ", 100000);
    is_refused_soon("", "!a ", 100000);
    is_refused_soon("a: [", "x,", 400000);
    is_refused_soon("", "x: 1\n", 150000);
    is_refused_soon("hosts: [", "{},", 200000);
    is_refused_soon("hosts:\n", "- {name: h1, address: 10.0.0.1, disks: [{serial: a}]}\n", 1000);
    is_refused_soon("", "#\n", 400000);
    is_refused_soon("a: '", "''", 400000);
    is_refused_soon("", "a\n", 400000);
    is_refused_soon("", "---\n", 200000);
    is_refused_soon("", "%YAML 1.1\n", 90000);
    is_refused_soon("a: |\n", " x\n", 300000);
    is_refused_soon("", "x", 2u << 20);
}

static void a_name_of_64_kilobytes_is_refused(void **state)
{
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_text) struct text text = {0};
    const char *at = strstr(good, "edge-01");

    (void)state;
    text_add_bytes(&text, good, (size_t)(at - good));
    for (size_t i = 0; i < 65536; i++) {
        text_add(&text, "a");
    }
    text_add(&text, at + strlen("edge-01"));
    assert_false(parse(text.bytes, text.length, NULL, &findings));
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.items[0].where, "cluster.name");
    assert_true(strlen(findings.items[0].what) < 300);
}

static void a_finding_holds_nothing_that_a_terminal_obeys(void **state)
{
    static const char bytes[] = "\"k\\e[31m\\u202e\": 1\nquoin: \"\\e]0;x\\a\"\n";
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_text) struct text text = {0};

    (void)state;
    assert_false(parse(bytes, strlen(bytes), NULL, &findings));
    findings_text(&findings, "blueprint.yaml", bytes, strlen(bytes), &text);
    assert_null(strpbrk(text.bytes, "\x1b\x07"));
    assert_null(strstr(text.bytes, "\u202e"));
}

static void findings_beyond_the_ceiling_are_counted(void **state)
{
    AUTO(drop_findings) struct findings findings = {0};

    (void)state;
    for (size_t i = 0; i < FINDINGS_MAX + 5; i++) {
        findings_add(&findings, &(struct finding){SEVERITY_ERROR, "", 1, 1, "x", "y"});
    }
    assert_int_equal(findings.count, FINDINGS_MAX);
    assert_int_equal(findings.left_out, 5);
    assert_int_equal(findings.errors, FINDINGS_MAX + 5);
}

static void findings_have_the_fields_of_the_contract(void **state)
{
    AUTO(drop_findings) struct findings findings = {0};

    (void)state;
    findings_add(&findings, &(struct finding){SEVERITY_WARNING, "hosts[0]", 3, 5, "w\n\xff", NULL});
    AUTO(drop_json) json_t *json = findings_json(&findings);
    AUTO(drop_free) char *text = json_write(json);

    assert_string_equal(text, "{\"ok\":true,\"findings\":[{\"severity\":\"warning\",\"where\":"
                              "\"hosts[0]\",\"line\":3,\"column\":5,\"what\":\"w??\",\"remedy\":"
                              "\"\"}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_good_one_is_good),
        cmocka_unit_test(every_refused_blueprint_is_refused_with_its_findings),
        cmocka_unit_test(ten_mistakes_get_ten_findings),
        cmocka_unit_test(a_misspelt_key_is_one_finding),
        cmocka_unit_test(a_key_that_is_left_out_is_missed_or_has_a_default),
        cmocka_unit_test(what_is_nested_or_endless_is_refused_soon),
        cmocka_unit_test(a_name_of_64_kilobytes_is_refused),
        cmocka_unit_test(a_finding_holds_nothing_that_a_terminal_obeys),
        cmocka_unit_test(findings_beyond_the_ceiling_are_counted),
        cmocka_unit_test(findings_have_the_fields_of_the_contract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
