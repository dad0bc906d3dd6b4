/* SPDX-License-Identifier: Apache-2.0 */
/* agent/identity.h: what the agent writes, the manager's strict reader reads. */
#include "world.h"

#include "agent/identity.h"
#include "base/secret_open.h"
#include "manager/identity.h"

/* As it comes from the disk: the document and NUL bytes behind it. */
static struct secret *as_on_disk(const struct secret *document)
{
    struct secret *disk = NULL;
    struct err err = {0};

    assert_true(secret_new(secret_size(document) + 4096, &disk, &err));
    memcpy(secret_bytes(disk), secret_look(document), secret_size(document));
    return disk;
}

static struct identity *made(void)
{
    AUTO(drop_secret) struct secret *document = NULL;
    struct identity *identity = NULL;
    struct err err = {0};

    if (!identity_make(vm_here("mgr"), &document, &err)) {
        fail_msg("%s", err.what);
    }
    assert_true(secret_size(document) <= IDENTITY_MAX);
    AUTO(drop_secret) struct secret *disk = as_on_disk(document);

    if (!identity_read(disk, &identity, &err)) {
        fail_msg("%s", err.what);
    }
    return identity;
}

static void the_manager_reads_what_the_agent_wrote(void **state)
{
    char mac[DOMAIN_MAC_SIZE];

    (void)state;
    make_vm();
    AUTO(drop_identity) struct identity *identity = made();

    domain_mac(vm_uuid("mgr"), mac);
    assert_string_equal(identity->cluster_id, CLUSTER);
    assert_string_equal(identity->cluster, "edge-01");
    assert_string_equal(identity->datacenter, "fra1");
    assert_string_equal(identity->name, "mgr");
    assert_string_equal(identity->hostname, "mgr.edge-01.test");
    assert_string_equal(identity->user, "admin");
    assert_string_equal(identity->password_hash, "scrypt$15$8$1$c2FsdA$aGFzaA");
    assert_string_equal(identity->address, "127.0.0.10/24");
    assert_string_equal(identity->gateway, "127.0.0.1");
    assert_string_equal(identity->mac, mac);
    assert_int_equal(identity->dns_count, 1);
    assert_string_equal(identity->dns[0], "127.0.0.1");
}

static void key_and_certificate_fit_and_are_of_the_cluster(void **state)
{
    struct certificate_facts facts = {.server = false};
    struct err err = {0};

    (void)state;
    make_vm();
    AUTO(drop_identity) struct identity *identity = made();

    assert_true(certificate_fits(identity->tls_certificate, identity->tls_key, &err));
    assert_true(certificate_check(identity->tls_certificate, identity->ca, &err));
    assert_true(certificate_read(identity->tls_certificate, &facts, &err));
    assert_true(facts.server);
    assert_true(facts.client);
    assert_int_equal(facts.peer.role, ROLE_MANAGER);
    assert_string_equal(facts.peer.cluster, CLUSTER);
    assert_string_equal(facts.peer.name, "mgr");
}

static void each_document_has_a_key_of_its_own(void **state)
{
    (void)state;
    make_vm();
    AUTO(drop_identity) struct identity *first = made(), *second = made();

    assert_false(secret_equal(first->tls_key, second->tls_key));
}

static void without_a_gateway_there_is_none_in_it(void **state)
{
    json_t *params = vm_params("mgr");

    (void)state;
    make_store();
    json_object_del(json_object_get(params, "network"), "gateway");
    json_object_del(json_object_get(params, "network"), "dns");
    (void)step_do("vm.seal", params);
    AUTO(drop_identity) struct identity *identity = made();

    assert_null(identity->gateway);
    assert_int_equal(identity->dns_count, 0);
}

/* Whoever is called so keeps the name, and the key is where it belongs. */
static void assert_place(const char *name)
{
    AUTO(drop_secret) struct secret *document = NULL;
    AUTO(drop_json) json_t *json = NULL;
    struct err err = {0};

    host_set(&world.agent.host.datacenter, name);
    assert_true(identity_make(vm_here("mgr"), &document, &err));
    assert_true(json_read((const char *)secret_look(document), secret_size(document), &json, &err));
    assert_string_equal(json_string_or(json_object_get(json, "cluster"), "datacenter", ""), name);
    assert_true(text_starts(json_string_or(json_object_get(json, "manager"), "tls_key", ""),
                            "-----BEGIN PRIVATE KEY-----\n"));
}

static void no_name_takes_the_place_of_the_key(void **state)
{
    static const char *const names[] = {"@", "\"tls_key\":\"\"", "\\\"tls_key\\\":\\\"\\\""};

    (void)state;
    make_vm();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_place(names[i]);
    }
}

static void the_identity_disk_holds_the_document(void **state)
{
    AUTO(drop_secret) struct secret *passphrase = NULL;
    AUTO(drop_secret) struct secret *disk = NULL;
    struct medium medium = {.io = stores[0]->io};
    struct identity *identity = NULL;
    json_t *entry = NULL;
    struct err err = {0};

    (void)state;
    make_vm();
    (void)step_do("disk.identity", this_vm());
    struct vm *vm = vm_here("mgr");
    AUTO(drop_free) char *name = disk_image("identity");

    assert_true(vm_disk(vm, "identity", &entry, &err));
    assert_int_equal(json_integer_value(json_object_get(entry, "bytes")), 16 * MIB);
    assert_true(header_passphrase(vm->key, json_string_or(entry, "uuid", ""), &passphrase, &err));
    assert_true(stores[0]->images->open(NULL, name, passphrase, false, &medium.image, &err));
    assert_true(secret_new(IDENTITY_MAX, &disk, &err));
    assert_true(medium_read(&medium, 0, secret_bytes(disk), IDENTITY_MAX, &err));
    stores[0]->images->close(medium.image);
    assert_true(identity_read(disk, &identity, &err));
    assert_string_equal(identity->name, "mgr");
    identity_free(identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(the_manager_reads_what_the_agent_wrote),
        IT(key_and_certificate_fit_and_are_of_the_cluster),
        IT(each_document_has_a_key_of_its_own),
        IT(without_a_gateway_there_is_none_in_it),
        IT(no_name_takes_the_place_of_the_key),
        IT(the_identity_disk_holds_the_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
