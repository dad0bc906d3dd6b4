/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <string.h>

#include "base/base.h"
#include "hv/domain.h"
#include "hv/xml.h"

#define VM "6f1c3a52-0b7e-4b55-9d0e-3f1f2a9d7c11"

static struct domain plain(void)
{
    return (struct domain){
        .uuid = VM,
        .name = "mgr",
        .cpus = 2,
        .memory = 1024,
        .bridge = "br0",
        .started = 1700000000,
        .storage = {"rbd", "quoin", "/etc/ceph/ceph.conf", "10.77.0.11:3300 [fd00::1]:3300"},
        .disks = {{"system", "ds1/mgr-system", false},
                  {"data", "ds1/mgr-data", false},
                  {"identity", "ds1/mgr-identity", true}},
        .disk_count = 3,
    };
}

/* tests/golden/domain/NAME.xml; QUOIN_GOLDEN_WRITE=1 writes it anew, to be read before it lands. */
static void assert_golden(const struct domain *domain, const char *name)
{
    AUTO(drop_free)
    char *path = text_make("%s/tests/golden/domain/%s.xml", getenv("QUOIN_SOURCE"), name);
    AUTO(drop_free) char *xml = NULL, *golden = NULL;
    size_t length;
    struct err err = {0};

    assert_true(domain_xml(domain, &xml, &err));
    if (getenv("QUOIN_GOLDEN_WRITE")) {
        assert_true(file_write(path, xml, strlen(xml), 0644, &err));
    }
    assert_true(file_read(path, 1 << 20, &golden, &length, &err));
    assert_string_equal(xml, golden);
}

static void an_emulated_domain_is_as_agreed(void **state)
{
    struct domain domain = plain();

    (void)state;
    assert_golden(&domain, "tcg");
}

static void a_virtualized_domain_is_as_agreed(void **state)
{
    struct domain domain = plain();

    (void)state;
    domain.kvm = true;
    domain.cpus = 8;
    domain.memory = 16384;
    domain.bridge = "vlan.12";
    domain.storage.hosts = "ceph-a.example:6789";
    assert_golden(&domain, "kvm");
}

static const xmlChar *characters(const char *text)
{
    return (const xmlChar *)text;
}

static void assert_path(xmlXPathContextPtr in, const char *path, const char *value)
{
    xmlXPathObjectPtr found = xmlXPathEvalExpression(characters(path), in);

    assert_non_null(found);
    AUTO(drop_free) char *text = (char *)xmlXPathCastToString(found);
    assert_string_equal(text, value);
    xmlXPathFreeObject(found);
}

/* Reads the XML again and compares every field with the domain that it was made of. */
static void assert_same(const struct domain *domain, const char *xml)
{
    xmlDocPtr document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NOERROR);
    xmlXPathContextPtr in;

    assert_non_null(document);
    in = xmlXPathNewContext(document);
    xmlXPathRegisterNs(in, characters("q"), characters(DOMAIN_METADATA));
    AUTO(drop_free) char *count = text_make("%zu", domain->disk_count);
    AUTO(drop_free) char *memory = text_make("%u", domain->memory);
    AUTO(drop_free) char *started = text_make("%lld", (long long)domain->started);
    assert_path(in, "/domain/name", domain->name);
    assert_path(in, "/domain/uuid", domain->uuid);
    assert_path(in, "/domain/@type", domain->kvm ? "kvm" : "qemu");
    assert_path(in, "/domain/memory", memory);
    assert_path(in, "/domain/metadata/q:vm/@started", started);
    assert_path(in, "/domain/devices/interface/source/@bridge", domain->bridge);
    assert_path(in, "count(/domain/devices/interface)", "1");
    assert_path(in, "count(/domain/devices/disk)", count);
    assert_path(in, "count(/domain/devices/*)", domain->disk_count == 3 ? "11" : "9");
    for (size_t i = 0; i < domain->disk_count; i++) {
        AUTO(drop_free) char *disk = text_make("/domain/devices/disk[%zu]", i + 1);
        AUTO(drop_free) char *serial = text_make("string(%s/serial)", disk);
        AUTO(drop_free) char *name = text_make("string(%s/source/@name)", disk);
        AUTO(drop_free) char *user = text_make("string(%s/source/auth/@username)", disk);
        AUTO(drop_free) char *conf = text_make("string(%s/source/config/@file)", disk);
        AUTO(drop_free) char *read_only = text_make("count(%s/readonly)", disk);
        AUTO(drop_free) char *key = text_make("string(%s/source/encryption/secret/@uuid)", disk);
        char wanted[UUID_SIZE];

        domain_secret_uuid(domain->uuid, DOMAIN_SECRET_DISK, domain->disks[i].name, wanted);
        assert_path(in, serial, domain->disks[i].name);
        assert_path(in, name, domain->disks[i].source);
        assert_path(in, user, domain->storage.user);
        assert_path(in, conf, domain->storage.conf);
        assert_path(in, read_only, domain->disks[i].read_only ? "1" : "0");
        assert_path(in, key, wanted);
    }
    xmlXPathFreeContext(in);
    xmlFreeDoc(document);
}

static void what_is_written_reads_back_the_same(void **state)
{
    struct domain domain = plain();
    AUTO(drop_free) char *xml = NULL;
    struct err err = {0};

    (void)state;
    assert_true(domain_xml(&domain, &xml, &err));
    assert_same(&domain, xml);
}

/* Each of the domain's texts, to be set to something hostile. */
static const char **field(struct domain *domain, size_t index)
{
    const char **fields[] = {&domain->uuid,
                             &domain->name,
                             &domain->bridge,
                             &domain->storage.protocol,
                             &domain->storage.user,
                             &domain->storage.conf,
                             &domain->storage.hosts,
                             &domain->disks[0].name,
                             &domain->disks[0].source,
                             &domain->disks[2].name,
                             &domain->disks[2].source};

    return index < COUNT_OF(fields) ? fields[index] : NULL;
}

static void a_hostile_text_is_refused_in_every_field(void **state)
{
    static const char *const hostile[] = {
        "'/><disk type='file'><source file='/etc/shadow'/></disk><x y='",
        "\"/><x>",
        "]]>",
        "&lt;",
        "&#39;",
        "<!--",
        "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/shadow'>]>",
        "a\nb",
        "a b c",
        "a\x01",
        "a\x7f",
        "\xff\xfe",
        "\xe2\x80\xae"
        "abc",
        "",
        "../../etc/passwd",
        "/../x",
        "a/../../b",
        "-x",
        ".x",
        "ds1/a@snap",
        "ds1/a:conf=/tmp/evil",
        "ds1/",
        "/a",
        "a/b/c",
        ";reboot",
        "$(reboot)",
        "10.77.0.11",
        "10.77.0.11:0",
        "10.77.0.11:65536",
        "10.77.0.11:3300,x",
        "[fd00::1:3300",
        "[]:3300",
        " 10.77.0.11:3300",
        "6F1C3A52-0B7E-4B55-9D0E-3F1F2A9D7C11",
        NULL,
    };

    (void)state;
    for (size_t i = 0; i < 11; i++) {
        for (size_t j = 0; j < COUNT_OF(hostile); j++) {
            struct domain domain = plain();
            AUTO(drop_free) char *xml = NULL;
            struct err err = {0};
            const char *text = hostile[j];

            *field(&domain, i) = text;
            if (domain_xml(&domain, &xml, &err)) {
                /* What a field may look like by its nature must then be it, whole. */
                assert_null(strpbrk(text, "<>&'\"\n\x01\x7f\xff\xe2;$ @"));
                assert_same(&domain, xml);
            } else {
                assert_int_equal(err.kind, ERR_INPUT);
                assert_null(xml);
            }
        }
    }
}

static void a_text_that_is_too_long_is_refused_in_every_field(void **state)
{
    char longest[4096];

    (void)state;
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    for (size_t i = 0; i < 11; i++) {
        struct domain domain = plain();
        AUTO(drop_free) char *xml = NULL;
        struct err err = {0};

        *field(&domain, i) = longest;
        assert_false(domain_xml(&domain, &xml, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

/* To the host that it moves to it is what it is here. */
static void a_machine_that_runs_is_called_what_it_is(void **state)
{
    static const char *const bad[] = {"", "q35'/><x y='", "-q35", "pc q35"};
    struct domain domain = plain();
    AUTO(drop_free) char *xml = NULL;
    struct err err = {0};

    (void)state;
    domain.machine = "pc-q35-7.2";
    assert_true(domain_xml(&domain, &xml, &err));
    assert_non_null(strstr(xml, "<type arch='x86_64' machine='pc-q35-7.2'>hvm</type>"));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(drop_free) char *none = NULL;

        domain.machine = bad[i];
        assert_false(domain_xml(&domain, &none, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void sizes_out_of_range_are_refused(void **state)
{
    struct domain bad[8];
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bad[i] = plain();
    }
    bad[0].cpus = 0;
    bad[1].cpus = DOMAIN_MAX_CPUS + 1;
    bad[2].memory = DOMAIN_MIN_MEMORY - 1;
    bad[3].memory = DOMAIN_MAX_MEMORY + 1;
    bad[4].disk_count = 0;
    bad[5].disk_count = DOMAIN_MAX_DISKS + 1;
    bad[6].disks[1].name = "system";
    bad[7].disks[1].source = "ds1/mgr-system";
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO(drop_free) char *xml = NULL;

        assert_false(domain_xml(&bad[i], &xml, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void whatever_is_written_stays_text(void **state)
{
    static const char *const hostile = "'/><x a=\"b\">&amp;]]>\x01 \xc3\xa9";
    AUTO(drop_text) struct text xml = {0};
    xmlDocPtr document;
    xmlNodePtr root;

    (void)state;
    xml_addf(&xml, "<a b='%s' n='%u'>%s</a>", hostile, 42u, hostile);
    document = xmlReadMemory(xml.bytes, (int)xml.length, NULL, NULL, XML_PARSE_NOERROR);
    assert_non_null(document);
    root = xmlDocGetRootElement(document);
    AUTO(drop_free) char *inside = (char *)xmlNodeGetContent(root);
    AUTO(drop_free) char *attribute = (char *)xmlGetProp(root, characters("b"));
    AUTO(drop_free) char *number = (char *)xmlGetProp(root, characters("n"));
    assert_string_equal(inside, "'/><x a=\"b\">&amp;]]>? \xc3\xa9");
    assert_string_equal(attribute, inside);
    assert_string_equal(number, "42");
    assert_null(root->next);
    xmlFreeDoc(document);
}

static void the_network_address_is_the_same_each_time_and_local(void **state)
{
    char one[DOMAIN_MAC_SIZE], again[DOMAIN_MAC_SIZE], other[DOMAIN_MAC_SIZE];

    (void)state;
    domain_mac(VM, one);
    domain_mac(VM, again);
    domain_mac("6f1c3a52-0b7e-4b55-9d0e-3f1f2a9d7c12", other);
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
    assert_int_equal(strlen(one), DOMAIN_MAC_SIZE - 1);
    assert_memory_equal(one, "52:54:00:", 9);
}

static void every_secret_has_a_number_of_its_own(void **state)
{
    char numbers[5][UUID_SIZE];

    (void)state;
    domain_secret_uuid(VM, DOMAIN_SECRET_STORAGE, NULL, numbers[0]);
    domain_secret_uuid(VM, DOMAIN_SECRET_TPM, NULL, numbers[1]);
    domain_secret_uuid(VM, DOMAIN_SECRET_DISK, "system", numbers[2]);
    domain_secret_uuid(VM, DOMAIN_SECRET_DISK, "data", numbers[3]);
    domain_secret_uuid("6f1c3a52-0b7e-4b55-9d0e-3f1f2a9d7c12", DOMAIN_SECRET_TPM, NULL, numbers[4]);
    for (size_t i = 0; i < 5; i++) {
        assert_true(uuid_valid(numbers[i]));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(numbers[i], numbers[j]);
        }
    }
}

static void a_secret_is_never_kept_nor_given_back(void **state)
{
    AUTO(drop_free) char *xml = domain_secret_xml(VM, DOMAIN_SECRET_DISK, "system");
    AUTO(drop_free) char *prefix = domain_secret_prefix(VM);

    (void)state;
    assert_non_null(strstr(xml, "<secret ephemeral='yes' private='yes'>"));
    assert_non_null(strstr(xml, "<usage type='volume'>"));
    assert_non_null(strstr(xml, prefix));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_emulated_domain_is_as_agreed),
        cmocka_unit_test(a_virtualized_domain_is_as_agreed),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(a_hostile_text_is_refused_in_every_field),
        cmocka_unit_test(a_text_that_is_too_long_is_refused_in_every_field),
        cmocka_unit_test(a_machine_that_runs_is_called_what_it_is),
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(whatever_is_written_stays_text),
        cmocka_unit_test(the_network_address_is_the_same_each_time_and_local),
        cmocka_unit_test(every_secret_has_a_number_of_its_own),
        cmocka_unit_test(a_secret_is_never_kept_nor_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
