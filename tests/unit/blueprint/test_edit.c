/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "blueprint/blueprint.h"

static const char before[] =
    "# the head\n"
    "quoin: 1\n"
    "cluster: {name: edge-01, datacenter: fra1} # where\n"
    "hosts:\n"
    "  # the first\n"
    "  - name: h1 # one\n"
    "    address: 10.77.0.11   # ä is two bytes\n"
    "    disks:\n"
    "      - wwn: \"0x5000c50000000101\" # this\n"
    "      - path: /dev/disk/by-id/x\n"
    "datastore: {network: 10.77.0.0/24}\n"
    "manager:\n"
    "  name: mgr\n"
    "  image: quoin-manager.img\n"
    "  image_sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n"
    "  disks: [{name: system, size: 4G}, {name: data, size: 4G}]\n"
    "  network:\n"
    "    bridge: br0\n"
    "    address: 10.77.0.10/24\n"
    "  admin: {password_file: admin.password}\n"
    "# the end\n";

static const char *const both[] = {"native", "kmip", NULL};
static const struct blueprint_limits limits = {.providers = both, .form_only = true};

static char path[32];

static int begin(void **state)
{
    struct err err = {0};

    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/quoin-edit-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    return file_write(path, before, strlen(before), 0640, &err) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

static bool set(const char *key, const char *value)
{
    AUTO(drop_findings) struct findings findings = {0};
    struct err err = {0};

    if (blueprint_set(path, key, value, &limits, &findings, &err)) {
        return true;
    }
    print_message("%s = %s: %s\n", key, value, err.what);
    return false;
}

static void reads(const char *key, const char *wanted)
{
    AUTO(drop_free) char *value = NULL;
    struct err err = {0};

    if (!blueprint_get(path, key, &value, &err)) {
        fail_msg("%s", err.what);
    }
    assert_string_equal(value, wanted);
}

static char *text_now(void)
{
    char *bytes = NULL;
    struct err err = {0};
    size_t length;

    assert_true(file_read(path, BLUEPRINT_MAX_BYTES, &bytes, &length, &err));
    return bytes;
}

/* The file is as it was at first, but for `was`, which is `is` now. */
static void differs_only(const char *was, const char *is)
{
    AUTO(drop_free) char *now = text_now();
    const char *at = strstr(before, was);
    AUTO(drop_free) char *wanted = NULL;

    assert_non_null(at);
    wanted = text_make("%.*s%s%s", (int)(at - before), before, is, at + strlen(was));
    assert_string_equal(now, wanted);
}

static void a_value_changes_and_nothing_else(void **state)
{
    (void)state;
    assert_true(set("hosts[0].address", "10.77.0.12"));
    differs_only("10.77.0.11 ", "10.77.0.12 ");
    reads("hosts[0].address", "10.77.0.12");
}

static void a_value_after_letters_of_two_bytes_changes(void **state)
{
    (void)state;
    assert_true(set("hosts[0].disks[0].wwn", "0x5000c500000001ff"));
    differs_only("\"0x5000c50000000101\" # this", "\"0x5000c500000001ff\" # this");
}

static void a_key_is_added_behind_the_last_of_its_mapping(void **state)
{
    (void)state;
    assert_true(set("hosts[0].disks[0].wipe", "true"));
    differs_only("0101\" # this\n", "0101\" # this\n        wipe: true\n");
    reads("hosts[0].disks[0].wipe", "true");
}

static void a_key_is_added_in_brackets(void **state)
{
    (void)state;
    assert_true(set("datastore.replicas", "1"));
    differs_only("10.77.0.0/24}", "10.77.0.0/24, replicas: 1}");
}

static void missing_mappings_are_made(void **state)
{
    (void)state;
    assert_true(set("encryption.provider.type", "native"));
    differs_only("admin.password}\n",
                 "admin.password}\nencryption:\n  provider:\n    type: native\n");
    reads("encryption.provider.type", "native");
}

static void a_missing_mapping_is_made_inside_a_list(void **state)
{
    (void)state;
    assert_true(set("hosts[0].ssh.port", "2222"));
    differs_only("by-id/x\n", "by-id/x\n    ssh:\n      port: 2222\n");
}

static void an_item_is_added_to_a_list(void **state)
{
    (void)state;
    assert_true(set("hosts[0].disks[2].serial", "S 1"));
    differs_only("by-id/x\n", "by-id/x\n      - {serial: \"S 1\"}\n");
    reads("hosts[0].disks[2].serial", "S 1");
    assert_false(set("hosts[0].disks[7].serial", "S2"));
    assert_true(set("manager.disks[2]", "{name: more, size: 8M}") == false); /* too small */
    assert_true(set("manager.disks[2]", "{name: more, size: 64M}"));
    reads("manager.disks[2]", "{\"name\":\"more\",\"size\":\"64M\"}");
    assert_true(set("manager.network.dns[0]", "10.77.0.1"));
    reads("manager.network.dns", "[\"10.77.0.1\"]");
}

static void text_that_yaml_would_misread_is_quoted(void **state)
{
    (void)state;
    assert_true(set("hosts[0].name", "no"));
    differs_only("name: h1 #", "name: \"no\" #");
    assert_true(set("hosts[0].disks[1]", "{serial: \"1\"}"));
    assert_true(set("hosts[0].disks[1].serial", "0123"));
    reads("hosts[0].disks[1].serial", "0123");
}

static void an_empty_value_is_filled(void **state)
{
    AUTO(drop_free) char *text = text_make("%sencryption:\n", before);
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, text, strlen(text), 0640, &err));
    assert_true(set("encryption.provider.type", "native"));
    reads("encryption", "{\"provider\":{\"type\":\"native\"}}");
}

static void a_bad_value_is_refused_and_the_file_stays(void **state)
{
    static const char *const bad[][2] = {{"manager.cpus", "x"},
                                         {"manager.memory", "1"},
                                         {"hosts[0].name", ";reboot"},
                                         {"hosts[0].name", "a\nb: c"},
                                         {"manager.network.address", "10.77.0.11/24"},
                                         {"hosts[0].disks", "[]"},
                                         {"hosts[0].disks[1].path", "/etc"},
                                         {"cluster.name", "{"},
                                         {"cluster.name", "\"x\", y: z"},
                                         {"quoin", "2"},
                                         {"encryption.provider.type", "vault"},
                                         {"cluster.colour", "blue"},
                                         {"cluster[0]", "x"},
                                         {"", "x"},
                                         {"manager.disks[0].size.x", "1"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (set(bad[i][0], bad[i][1])) {
            print_error("%s = %s was taken\n", bad[i][0], bad[i][1]);
            fail();
        }
        differs_only("# the head", "# the head");
    }
}

static void a_plain_blueprint_becomes_one_with_a_provider_step_by_step_and_back(void **state)
{
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    struct err err = {0};

    (void)state;
    assert_true(set("encryption.provider.type", "kmip"));
    assert_false(blueprint_load(path, &limits, &blueprint, &findings, &err)); /* incomplete yet */
    assert_true(set("encryption.provider.servers[0]", "kms.test:5696"));
    assert_true(set("encryption.provider.ca", "ca.pem"));
    findings_clear(&findings);
    assert_true(blueprint_load(path, &limits, &blueprint, &findings, &err));
    assert_string_equal(blueprint->encryption.provider.servers[0], "kms.test:5696");
    assert_true(set("encryption.provider", "{type: native}"));
    blueprint_free(TAKE(blueprint));
    assert_true(blueprint_load(path, &limits, &blueprint, &findings, &err));
    assert_string_equal(blueprint->encryption.provider.type, "native");
}

static void the_mode_of_the_file_stays(void **state)
{
    struct stat st;

    (void)state;
    assert_true(set("manager.memory", "2G"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void what_is_not_written_is_absent_and_its_default_named(void **state)
{
    AUTO(drop_free) char *value = NULL;
    struct err err = {0};

    (void)state;
    assert_false(blueprint_get(path, "manager.memory", &value, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_non_null(strstr(err.remedy, "1G"));
    assert_false(blueprint_get(path, "manager.colour", &value, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

/* Every scalar of the file set to what it says already: the file stays right, and says the same. */
static void setting_what_is_there_changes_nothing(void **state)
{
    static const char *const keys[] = {"cluster.name",
                                       "cluster.datacenter",
                                       "hosts[0].name",
                                       "hosts[0].address",
                                       "hosts[0].disks[0].wwn",
                                       "hosts[0].disks[1].path",
                                       "datastore.network",
                                       "manager.name",
                                       "manager.image",
                                       "manager.disks[0].name",
                                       "manager.disks[1].size",
                                       "manager.network.bridge",
                                       "manager.network.address",
                                       "manager.admin.password_file"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        AUTO(drop_free) char *value = NULL;
        struct err err = {0};

        assert_true(blueprint_get(path, keys[i], &value, &err));
        assert_true(set(keys[i], value));
        differs_only("# the head", "# the head");
    }
}

/* One key after the other, as a user types them; then back by one. */
static void a_plain_blueprint_gets_a_key_server_and_goes_back(void **state)
{
    static const char *const steps[][2] = {
        {"encryption.provider.type", "kmip"},
        {"encryption.provider.name", "corp-kms"},
        {"encryption.provider.servers", "[\"10.77.0.1:5696\", \"kms.test:5696\"]"},
        {"encryption.provider.ca", "ca.pem"},
        {"encryption.provider.certificate", "client.pem"},
        {"encryption.provider.private_key", "client.key"},
        {"encryption.provider.username", "quoin"},
        {"encryption.provider.password_file", "kms.password"},
        {"encryption.cache", "off"},
        {"encryption.provider", "{name: native, type: native}"},
    };
    AUTO(drop_free) char *text = NULL, *type = NULL;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        AUTO(drop_findings) struct findings findings = {0};

        if (!blueprint_set(path, steps[i][0], steps[i][1], &limits, &findings, &err)) {
            fail_msg("%s: %s", steps[i][0], err.what);
        }
    }
    assert_true(blueprint_get(path, "encryption.provider.type", &type, &err));
    assert_string_equal(type, "native");
    assert_true(file_read(path, 1u << 20, &text, NULL, &err));
    /* Everything that was there is there, in its place, the comments too. */
    assert_memory_equal(text, before, strlen(before) - strlen("# the end\n"));
    assert_non_null(strstr(text, "# the end\n"));
    assert_null(strstr(text, "servers"));
}

int main(void)
{
#define IN_FILE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_FILE(a_value_changes_and_nothing_else),
        IN_FILE(a_plain_blueprint_gets_a_key_server_and_goes_back),
        IN_FILE(a_value_after_letters_of_two_bytes_changes),
        IN_FILE(a_key_is_added_behind_the_last_of_its_mapping),
        IN_FILE(a_key_is_added_in_brackets),
        IN_FILE(missing_mappings_are_made),
        IN_FILE(a_missing_mapping_is_made_inside_a_list),
        IN_FILE(an_item_is_added_to_a_list),
        IN_FILE(text_that_yaml_would_misread_is_quoted),
        IN_FILE(an_empty_value_is_filled),
        IN_FILE(a_bad_value_is_refused_and_the_file_stays),
        IN_FILE(a_plain_blueprint_becomes_one_with_a_provider_step_by_step_and_back),
        IN_FILE(the_mode_of_the_file_stays),
        IN_FILE(what_is_not_written_is_absent_and_its_default_named),
        IN_FILE(setting_what_is_there_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
