/* SPDX-License-Identifier: Apache-2.0 */
/* The identity disk (docs/manager-identity.md), and what is set up from it before the network. */
#include "manager/identity.h"
#include "manager/setup.h"
#include "tests.h"

static const char hash[] =
    "scrypt$15$8$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static struct cluster cluster;

static int begin(void **state)
{
    struct err err = {0};

    (void)state;
    assert_done(cluster_begin(&cluster, &err), &err);
    return 0;
}

static int end(void **state)
{
    (void)state;
    cluster_end(&cluster);
    return 0;
}

static json_t *document(void)
{
    json_t *json = cluster_identity(&cluster, ROLE_MANAGER, "admin", hash);

    assert_non_null(json);
    return json;
}

static bool read_text(const char *text, size_t length, struct identity **out, struct err *err)
{
    AUTO(drop_secret) struct secret *disk = secret_of(text, length);

    return identity_read(disk, out, err);
}

static bool read_json(const json_t *json, struct identity **out, struct err *err)
{
    AUTO(drop_free) char *text = json_write(json);

    return read_text(text, strlen(text) + 1, out, err);
}

static void a_document_is_read_whole(void **state)
{
    AUTO(drop_json) json_t *json = document();
    AUTO(drop_identity) struct identity *identity = NULL;
    struct err err = {0};

    (void)state;
    json_object_set_new(json_object_get(json, "network"), "gateway", json_string("10.77.0.1"));
    json_object_set_new(json_object_get(json, "network"), "mac", json_string("52:54:00:12:34:56"));
    json_object_set_new(json_object_get(json, "network"), "dns",
                        json_pack("[s, s]", "10.77.0.1", "fd00::1"));
    assert_done(read_json(json, &identity, &err), &err);
    assert_string_equal(identity->cluster_id, CLUSTER);
    assert_string_equal(identity->cluster, "edge-01");
    assert_string_equal(identity->datacenter, "fra1");
    assert_string_equal(identity->name, "mgr");
    assert_string_equal(identity->user, "admin");
    assert_string_equal(identity->gateway, "10.77.0.1");
    assert_int_equal(identity->dns_count, 2);
    assert_string_equal(identity->dns[1], "fd00::1");
    assert_true(certificate_fits(identity->tls_certificate, identity->tls_key, &err));
}

static void the_disk_is_read_up_to_its_first_nul_whatever_follows(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    AUTO(drop_free) char *path = text_make("%s/disk", folder);
    AUTO(drop_json) json_t *json = document();
    AUTO(drop_free) char *text = json_write(json);
    AUTO(drop_free) char *disk = text_room(4 * 1024 * 1024, 1);
    AUTO(drop_identity) struct identity *identity = NULL;
    struct err err = {0};

    (void)state;
    memcpy(disk, text, strlen(text));
    memset(disk + strlen(text) + 1, 0xff, 1000);
    assert_done(file_write(path, disk, 4 * 1024 * 1024, 0600, &err), &err);
    assert_done(identity_load(path, &identity, &err), &err);
    assert_false(identity_load("/nonexistent/disk", &identity, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void a_document_without_an_end_in_its_first_mib_is_refused(void **state)
{
    AUTO(drop_free) char *bytes = text_room(IDENTITY_MAX + 1, 1);
    AUTO(drop_identity) struct identity *identity = NULL;
    struct err err = {0};

    (void)state;
    memset(bytes, ' ', IDENTITY_MAX + 1);
    assert_false(read_text(bytes, IDENTITY_MAX + 1, &identity, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(read_text("\0", 1, &identity, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

/* One change to a good document, each of which makes it a bad one. NULL takes the key away. */
static const struct {
    const char *object, *key, *value;
} changes[] = {
    {"", "quoin", "2"},
    {"", "quoin", "'1'"},
    {"", "quoin", NULL},
    {"", "extra", "1"},
    {"", "cluster", NULL},
    {"", "network", "[]"},
    {"cluster", "id", "'not a uuid'"},
    {"cluster", "id", "'01234567-89AB-4CDE-8F01-23456789ABCD'"},
    {"cluster", "name", "'a b'"},
    {"cluster", "name", "''"},
    {"cluster", "name", "'edge\\n[Network]'"},
    {"cluster", "more", "'x'"},
    {"manager", "hostname", "'mgr;reboot'"},
    {"manager", "hostname", NULL},
    {"manager", "tls_certificate", "'not PEM'"},
    {"manager", "ca", NULL},
    {"manager", "tls_key", NULL},
    {"manager", "tls_key", "''"},
    {"manager", "tls_key", "7"},
    {"admin", "user", "'<b>'"},
    {"admin", "password_hash", "'plain'"},
    {"admin", "password", "'x'"},
    {"admin", "tls_key", "'x'"},
    {"network", "address", "'10.77.0.10'"},
    {"network", "address", "'10.77.0.10/33'"},
    {"network", "address", "'10.77.0.10/24\\nDHCP=yes'"},
    {"network", "address", "'fd00::1/129'"},
    {"network", "gateway", "'fd00::1'"},
    {"network", "gateway", "'nowhere'"},
    {"network", "mac", "'52:54:00:12:34:5G'"},
    {"network", "mac", "'52:54:00:12:34'"},
    {"network", "dns", "['10.77.0.1', '10.77.0.2', '10.77.0.3', '10.77.0.4']"},
    {"network", "dns", "['resolver.test']"},
    {"network", "dns", "'10.77.0.1'"},
    {"network", "bridge", "'br0'"},
};

static void anything_that_is_wrong_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        AUTO(drop_json) json_t *json = document();
        json_t *object = changes[i].object[0] ? json_object_get(json, changes[i].object) : json;
        AUTO(drop_identity) struct identity *identity = NULL;
        struct err err = {0};

        if (changes[i].value) {
            AUTO(drop_free) char *text = text_make("{'v': %s}", changes[i].value);
            AUTO(drop_json) json_t *value = json_of(text);

            json_object_set(object, changes[i].key, json_object_get(value, "v"));
        } else {
            json_object_del(object, changes[i].key);
        }
        if (read_json(json, &identity, &err)) {
            fail_msg("%s.%s = %s was taken", changes[i].object, changes[i].key, changes[i].value);
        }
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(strstr(err.what, "PRIVATE KEY"));
    }
}

static void a_repeated_key_is_refused(void **state)
{
    AUTO(drop_json) json_t *json = document();
    AUTO(drop_free) char *good = json_write(json);
    AUTO(drop_free) char *text = text_make("{\"quoin\":1,%s", good + 1);
    AUTO(drop_identity) struct identity *identity = NULL;
    struct err err = {0};

    (void)state;
    assert_false(read_text(text, strlen(text) + 1, &identity, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void setup_writes_the_network_and_no_secret(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    AUTO(drop_free) char *network = text_make("%s/run/systemd/network", folder);
    AUTO(drop_free) char *resolver = text_make("%s/run/quoin", folder);
    AUTO(drop_free) char *network_file = text_make("%s/10-quoin.network", network);
    AUTO(drop_free) char *resolver_file = text_make("%s/resolv.conf", resolver);
    AUTO(drop_free) char *first = NULL, *second = NULL;
    AUTO(drop_json) json_t *json = document();
    AUTO(drop_identity) struct identity *identity = NULL;
    struct err err = {0};

    (void)state;
    json_object_set_new(json_object_get(json, "network"), "gateway", json_string("10.77.0.1"));
    json_object_set_new(json_object_get(json, "network"), "dns", json_pack("[s]", "10.77.0.1"));
    assert_done(read_json(json, &identity, &err), &err);
    assert_done(file_make_folder(network, 0755, &err) && file_make_folder(resolver, 0755, &err),
                &err);
    assert_done(setup_files(identity, folder, &err), &err);
    assert_done(setup_files(identity, folder, &err), &err);
    assert_done(file_read(network_file, 4096, &first, NULL, &err), &err);
    assert_done(file_read(resolver_file, 4096, &second, NULL, &err), &err);
    assert_string_equal(first, "[Match]\nType=ether\n\n[Network]\nAddress=10.77.0.10/24\n"
                               "Gateway=10.77.0.1\nDHCP=no\nLinkLocalAddressing=ipv6\n"
                               "IPv6AcceptRA=no\n");
    assert_non_null(strstr(second, "\nnameserver 10.77.0.1\n"));
    assert_null(strstr(first, "KEY"));
}

static void the_card_is_matched_by_its_address_when_that_is_known(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    AUTO(drop_free) char *network = text_make("%s/run/systemd/network", folder);
    AUTO(drop_free) char *resolver = text_make("%s/run/quoin", folder);
    AUTO(drop_free) char *network_file = text_make("%s/10-quoin.network", network);
    AUTO(drop_free) char *text = NULL;
    AUTO(drop_json) json_t *json = document();
    AUTO(drop_identity) struct identity *identity = NULL;
    struct err err = {0};

    (void)state;
    json_object_set_new(json_object_get(json, "network"), "mac", json_string("52:54:00:12:34:56"));
    json_object_set_new(json_object_get(json, "network"), "address", json_string("fd00::10/64"));
    assert_done(read_json(json, &identity, &err), &err);
    assert_done(file_make_folder(network, 0755, &err) && file_make_folder(resolver, 0755, &err),
                &err);
    assert_done(setup_files(identity, folder, &err), &err);
    assert_done(file_read(network_file, 4096, &text, NULL, &err), &err);
    assert_true(text_starts(text, "[Match]\nMACAddress=52:54:00:12:34:56\n"));
    assert_non_null(strstr(text, "\nAddress=fd00::10/64\n"));
    assert_null(strstr(text, "Gateway"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read_whole),
        cmocka_unit_test(the_disk_is_read_up_to_its_first_nul_whatever_follows),
        cmocka_unit_test(a_document_without_an_end_in_its_first_mib_is_refused),
        cmocka_unit_test(anything_that_is_wrong_is_refused),
        cmocka_unit_test(a_repeated_key_is_refused),
        cmocka_unit_test(setup_writes_the_network_and_no_secret),
        cmocka_unit_test(the_card_is_matched_by_its_address_when_that_is_known),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
