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

#include "base/base.h"
#include "blueprint/blueprint.h"

/* A blueprint with all its files, in a folder of its own. */
struct place {
    char folder[32];
    char *yaml; /* its path */
};

static const char text_of[] =
    "quoin: 1\n"
    "cluster: {name: edge-01}\n"
    "hosts:\n"
    "  - {name: h1, address: 10.77.0.11, ssh: {key: lab.key}, disks: [{serial: S1}]}\n"
    "  - name: h2\n"
    "    address: h2.test\n"
    "    disks: [{uuid: 9b2b8e52-8f0b-4c7b-a6c5-2d1d4f0a7b11, wipe: true}]\n"
    "datastore: {network: 10.77.0.0/24}\n"
    "manager:\n"
    "  name: mgr\n"
    "  image: image\n"
    "  image_sha256: \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n"
    "  disks: [{name: system, size: 64M}, {name: data, size: 1G}]\n"
    "  network: {bridge: br0, address: 10.77.0.10/24}\n"
    "  admin: {password_file: password}\n"
    "encryption:\n"
    "  provider: {type: kmip, servers: [\"[fd00::1]:5696\", \"kms.test:5696\"], ca: ca.pem}\n"
    "  cache: off\n"
    "  recovery: required\n";

static void put(const struct place *place, const char *name, const char *bytes, size_t length,
                mode_t mode)
{
    AUTO(drop_free) char *path = text_make("%s/%s", place->folder, name);
    struct err err = {0};

    assert_true(file_write(path, bytes, length, mode, &err));
}

static int begin(void **state)
{
    struct place *place = text_room(1, sizeof(*place));
    AUTO(drop_free) char *zeros = text_room(1, 4096);

    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/quoin-test-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    put(place, "blueprint.yaml", text_of, strlen(text_of), 0644);
    put(place, "image", zeros, 4096, 0644);
    put(place, "lab.key", "key\n", 4, 0600);
    put(place, "password", "correct horse\n", 14, 0600);
    put(place, "ca.pem", "x\n", 2, 0644);
    place->yaml = text_make("%s/blueprint.yaml", place->folder);
    *state = place;
    return 0;
}

static int end(void **state)
{
    struct place *place = *state;
    struct err err = {0};

    assert_true(file_remove_tree(place->folder, &err));
    free(place->yaml);
    free(place);
    return 0;
}

static bool load(const struct place *place, struct blueprint **out, struct findings *findings)
{
    static const char *const both[] = {"native", "kmip", NULL};
    const struct blueprint_limits limits = {.providers = both};
    struct err err = {0};

    return blueprint_load(place->yaml, &limits, out, findings, &err);
}

/* Exactly one finding, at `where`, that says `part`. */
static void finds(const struct place *place, const char *where, const char *part)
{
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;

    assert_false(load(place, &blueprint, &findings));
    assert_null(blueprint);
    if (findings.count != 1 || strcmp(findings.items[0].where, where) != 0 ||
        !strstr(findings.items[0].what, part)) {
        for (size_t i = 0; i < findings.count; i++) {
            print_error("%s: %s\n", findings.items[i].where, findings.items[i].what);
        }
        fail_msg("wanted one finding, at %s: %s", where, part);
    }
}

static void what_is_written_arrives_and_what_is_not_has_its_default(void **state)
{
    const struct place *place = *state;
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *bp = NULL;
    AUTO(drop_free) char *image = text_make("%s/image", place->folder);
    AUTO(drop_free) char *key = text_make("%s/lab.key", place->folder);

    assert_true(load(place, &bp, &findings));
    assert_int_equal(findings.count, 0);
    assert_string_equal(bp->cluster, "edge-01");
    assert_string_equal(bp->datacenter, "default");
    assert_int_equal(bp->host_count, 2);
    assert_string_equal(bp->hosts[0].ssh.user, "root");
    assert_string_equal(bp->hosts[0].ssh.key, key);
    assert_int_equal(bp->hosts[0].ssh.port, 22);
    assert_null(bp->hosts[0].ssh.host_key);
    assert_int_equal(bp->hosts[0].disks[0].by, DISK_BY_SERIAL);
    assert_string_equal(bp->hosts[0].disks[0].id, "S1");
    assert_false(bp->hosts[0].disks[0].wipe);
    assert_int_equal(bp->hosts[1].disks[0].by, DISK_BY_UUID);
    assert_true(bp->hosts[1].disks[0].wipe);
    assert_string_equal(bp->datastore.type, "ceph");
    assert_string_equal(bp->datastore.name, "datastore");
    assert_int_equal(bp->datastore.replicas, 2);
    assert_string_equal(bp->manager.image, image);
    assert_int_equal(bp->manager.image_bytes, 4096);
    assert_int_equal(bp->manager.cpus, 2);
    assert_int_equal(bp->manager.memory_bytes, 1u << 30);
    assert_int_equal(bp->manager.disks[0].bytes, 64u << 20);
    assert_null(bp->manager.network.gateway);
    assert_int_equal(bp->manager.network.dns_count, 0);
    assert_string_equal(bp->manager.network.hostname, "mgr");
    assert_string_equal(bp->manager.admin.user, "admin");
    assert_string_equal(bp->encryption.provider.name, "kmip");
    assert_int_equal(bp->encryption.provider.server_count, 2);
    assert_string_equal(bp->encryption.provider.servers[0], "[fd00::1]:5696");
    assert_int_equal(bp->encryption.tpm, TPM_AUTO);
    assert_int_equal(bp->encryption.recovery, RECOVERY_REQUIRED);
    assert_int_equal(bp->encryption.cache_seconds, 0);
}

static void the_json_form_is_a_blueprint_again(void **state)
{
    const struct place *place = *state;
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *bp = NULL, *again = NULL;

    assert_true(load(place, &bp, &findings));
    AUTO(drop_json) json_t *json = blueprint_json(bp);
    AUTO(drop_free) char *bytes = json_write(json);

    put(place, "blueprint.yaml", bytes, strlen(bytes), 0644);
    assert_true(load(place, &again, &findings));
    AUTO(drop_json) json_t *second = blueprint_json(again);

    assert_true(json_equal(json, second));
}

static void a_missing_file_is_found(void **state)
{
    const struct place *place = *state;
    static const struct {
        const char *file, *where;
    } files[] = {{"image", "manager.image"},
                 {"lab.key", "hosts[0].ssh.key"},
                 {"password", "manager.admin.password_file"},
                 {"ca.pem", "encryption.provider.ca"}};

    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(drop_free) char *path = text_make("%s/%s", place->folder, files[i].file);
        AUTO(drop_free) char *aside = text_make("%s.aside", path);

        assert_int_equal(rename(path, aside), 0);
        finds(place, files[i].where, "No such file");
        assert_int_equal(mkdir(path, 0700), 0);
        finds(place, files[i].where, files[i].file);
        assert_int_equal(rmdir(path), 0);
        put(place, files[i].file, "", 0, 0600);
        finds(place, files[i].where, "empty");
        assert_int_equal(rename(aside, path), 0);
    }
}

static void a_secret_that_others_can_read_is_found(void **state)
{
    const struct place *place = *state;

    put(place, "password", "correct horse\n", 14, 0640);
    finds(place, "manager.admin.password_file", "password");
    put(place, "password", "correct horse\n", 14, 0600);
    put(place, "lab.key", "key\n", 4, 0604);
    finds(place, "hosts[0].ssh.key", "can be read by others");
}

static void an_empty_password_is_found_and_a_short_one_warned_of(void **state)
{
    const struct place *place = *state;
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;

    put(place, "password", "\n", 1, 0600);
    finds(place, "manager.admin.password_file", "empty");
    put(place, "password", "12345678901\n", 12, 0600);
    assert_true(load(place, &blueprint, &findings));
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.items[0].severity, SEVERITY_WARNING);
}

/* A qcow2 head with the given virtual size and offset of a backing file's name. */
static void put_qcow2(const struct place *place, uint64_t size, uint64_t backing, uint32_t version)
{
    unsigned char head[512] = "QFI\xfb";

    for (int i = 0; i < 8; i++) {
        head[8 + i] = (unsigned char)(backing >> (56 - 8 * i));
        head[24 + i] = (unsigned char)(size >> (56 - 8 * i));
    }
    head[7] = (unsigned char)version;
    put(place, "image", (const char *)head, sizeof(head), 0644);
}

static void an_image_larger_than_its_disk_is_found(void **state)
{
    const struct place *place = *state;
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    AUTO(drop_free) char *path = text_make("%s/image", place->folder);

    assert_int_equal(truncate(path, (64 << 20) + 1), 0);
    finds(place, "manager.disks[0].size", "smaller than the image");
    assert_int_equal(truncate(path, 64 << 20), 0);
    assert_true(load(place, &blueprint, &findings));
    put_qcow2(place, (64 << 20) + 1, 0, 3);
    finds(place, "manager.disks[0].size", "smaller than the image");
    put_qcow2(place, 64 << 20, 0, 3);
    blueprint_free(TAKE(blueprint));
    assert_true(load(place, &blueprint, &findings));
    assert_int_equal(blueprint->manager.image_bytes, 64 << 20);
}

static void an_image_that_leans_on_another_is_found(void **state)
{
    const struct place *place = *state;

    put_qcow2(place, 64 << 20, 512, 3);
    finds(place, "manager.image", "leans on another");
    put_qcow2(place, 64 << 20, 0, 9);
    finds(place, "manager.image", "version 9");
    put_qcow2(place, UINT64_MAX, 0, 3);
    finds(place, "manager.image", "1 PiB");
}

static void a_disk_by_kernel_name_is_warned_of(void **state)
{
    const struct place *place = *state;
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    AUTO(drop_text) struct text text = {0};
    const char *at = strstr(text_of, "{serial: S1}");

    text_addf(&text, "%.*s{path: /dev/sdb}%s", (int)(at - text_of), text_of,
              at + strlen("{serial: S1}"));
    put(place, "blueprint.yaml", text.bytes, text.length, 0644);
    assert_true(load(place, &blueprint, &findings));
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.items[0].severity, SEVERITY_WARNING);
    assert_string_equal(findings.items[0].where, "hosts[0].disks[0].path");
    assert_int_equal(findings.items[0].line, 4);
}

static void without_encryption_written_the_native_provider_is_taken(void **state)
{
    const struct place *place = *state;
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    const char *at = strstr(text_of, "encryption:");

    put(place, "blueprint.yaml", text_of, (size_t)(at - text_of), 0644);
    assert_true(load(place, &blueprint, &findings));
    assert_string_equal(blueprint->encryption.provider.type, "native");
    assert_string_equal(blueprint->encryption.provider.name, "native");
}

static void a_blueprint_that_is_not_there_is_absent(void **state)
{
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    struct err err = {0};

    (void)state;
    assert_false(blueprint_load("/nowhere/x.yaml", NULL, &blueprint, &findings, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void the_starter_is_right_in_form(void **state)
{
    const struct blueprint_limits limits = {.form_only = true};
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_blueprint) struct blueprint *blueprint = NULL;
    AUTO(drop_free) char *starter = blueprint_starter();
    struct err err = {0};

    (void)state;
    assert_true(
        blueprint_parse(starter, strlen(starter), "x", &limits, &blueprint, &findings, &err));
    assert_int_equal(findings.count, 0);
}

int main(void)
{
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_PLACE(what_is_written_arrives_and_what_is_not_has_its_default),
        IN_PLACE(the_json_form_is_a_blueprint_again),
        IN_PLACE(a_missing_file_is_found),
        IN_PLACE(a_secret_that_others_can_read_is_found),
        IN_PLACE(an_empty_password_is_found_and_a_short_one_warned_of),
        IN_PLACE(an_image_larger_than_its_disk_is_found),
        IN_PLACE(an_image_that_leans_on_another_is_found),
        IN_PLACE(a_disk_by_kernel_name_is_warned_of),
        IN_PLACE(without_encryption_written_the_native_provider_is_taken),
        cmocka_unit_test(a_blueprint_that_is_not_there_is_absent),
        cmocka_unit_test(the_starter_is_right_in_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
