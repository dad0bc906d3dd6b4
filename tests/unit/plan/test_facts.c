/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "golden.h"
#include "plan/disk.h"
#include "plan/plan.h"

static bool reads(const char *bytes, size_t length)
{
    AUTO(drop_facts) struct facts *facts = NULL;
    struct err err = {0};
    bool read = facts_read(bytes, length, &facts, &err);

    assert_int_equal(read, facts != NULL);
    assert_int_equal(read ? ERR_NONE : ERR_INPUT, err.kind);
    return read;
}

/* Between the first and the last line. */
static bool reads_line(const char *line)
{
    AUTO(drop_free) char *bytes = text_make("quoin-facts 1\n%s\nend\n", line);

    return reads(bytes, strlen(bytes));
}

static void all_that_a_host_says_arrives(void **state)
{
    size_t length;
    AUTO(drop_free) char *bytes = source_read("tests/golden/plan/one-host-again/h1.facts", &length);
    AUTO(drop_facts) struct facts *facts = NULL;
    struct err err = {0};

    (void)state;
    assert_true(facts_read(bytes, length, &facts, &err));
    assert_string_equal(facts->hostname, "h1");
    assert_true(facts->began > 1000.4 && facts->began < 1000.6);
    assert_true(facts->superuser);
    assert_int_equal(facts->cpus, 4);
    assert_int_equal(facts->memory_total, 17179869184);
    assert_int_equal(facts->hypervisor, HYPERVISOR_KVM);
    assert_string_equal(facts->tpm, "/dev/tpmrm0");
    assert_int_equal(facts->packages.count, 2);
    assert_string_equal(facts->packages.items[0].name, "ceph-osd");
    assert_string_equal(facts->bridges.items[0], "br0");
    assert_string_equal(facts->addresses.items[0], "10.77.0.11/24");
    assert_int_equal(facts->ports.count, 3);
    assert_string_equal(facts->agent_cluster, "3b1dde21-af0e-4097-9452-7695f036aeb0");
    assert_int_equal(facts->disk_count, 3);
    assert_string_equal(facts->disks[0].node, "/dev/sdb");
    assert_int_equal(facts->disks[1].minor, 32);
    assert_int_equal(facts->disks[0].bytes, 6442450944);
    assert_int_equal(facts->disks[0].physical, 4096);
    assert_true(facts->disks[0].busy && !facts->disks[0].zero && facts->disks[2].zero);
    assert_string_equal(facts->disks[0].signature, "ceph_bluestore");
    assert_string_equal(facts->disks[0].model, "QUOIN LAB");
    assert_string_equal(facts->disks[0].store_cluster, "3b1dde21-af0e-4097-9452-7695f036aeb0");
    assert_string_equal(facts->disks[0].mark_cluster, "");
    assert_int_equal(facts->disks[0].links.count, 2);
}

static void a_line_of_another_shape_is_refused(void **state)
{
    static const char *const good[] = {"hostname h1",
                                       "hostname %",
                                       "hostname %41%ff%1b",
                                       "os debian 12",
                                       "disk /dev/sda 8 0 1 512 512 %",
                                       "disk /dev/sda 8 0 1 512 512 ro,zero",
                                       "agent 1 % %"};
    static const char *const bad[] = {"",
                                      " ",
                                      "hostname",
                                      "hostname ",
                                      "hostname  h1",
                                      "hostname h1 ",
                                      "hostname h1 h2",
                                      "hostname h;1",
                                      "hostname $(x)",
                                      "hostname %4",
                                      "hostname %zz",
                                      "hostname %00",
                                      "hostname a%",
                                      "hostname \xff",
                                      "hostname h1\r",
                                      "nothing x",
                                      "cpus x",
                                      "cpus -1",
                                      "cpus 99999999999999999999",
                                      "cpus 65537",
                                      "memory 1",
                                      "memory 1 2 3",
                                      "memory 9999999999999999999 1",
                                      "superuser 2",
                                      "hypervisor xen 1",
                                      "hypervisor kvm",
                                      "began x",
                                      "began 1e400",
                                      "ended -1",
                                      "began 99999999999",
                                      "disk sda 8 0 1 512 512 %",
                                      "disk /dev/sda 8 0 1 512 512 odd",
                                      "disk /dev/sda 8 0 x 512 512 %",
                                      "disk-id a b c d",
                                      "disk-link /x",
                                      "disk-mark a b c",
                                      "agent 1 not-a-uuid h",
                                      "disk /dev/sda 8 0 1 512 512 %\ndisk-mark zzz h zzz",
                                      "a b c d e f g h i j k"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (!reads_line(good[i])) {
            fail_msg("'%s' is refused", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (reads_line(bad[i])) {
            fail_msg("'%s' is taken", bad[i]);
        }
    }
}

static void what_is_cut_anywhere_is_refused(void **state)
{
    size_t length;
    AUTO(drop_free) char *bytes = source_read("tests/golden/plan/one-host-again/h1.facts", &length);

    (void)state;
    assert_true(reads(bytes, length));
    for (size_t i = 0; i < length; i++) {
        assert_false(reads(bytes, i));
    }
    AUTO(drop_free) char *more = text_make("%shostname x\n", bytes);

    assert_false(reads(more, strlen(more)));
}

static void another_format_is_refused(void **state)
{
    (void)state;
    assert_false(reads("quoin-facts 2\nend\n", 18));
    assert_false(reads("hostname h1\nend\n", 16));
    assert_false(reads("quoin-facts 1\nquoin-facts 1\nend\n", 32));
}

static void lists_have_a_ceiling(void **state)
{
    AUTO(drop_text) struct text text = {0}, large = {0};

    (void)state;
    text_add(&text, "quoin-facts 1\n");
    for (size_t i = 0; i <= FACTS_MAX_ITEMS; i++) {
        text_add(&text, "bridge br0\n");
    }
    text_add(&text, "end\n");
    assert_false(reads(text.bytes, text.length));
    text_add(&large, "hostname ");
    for (size_t i = 0; i <= FACTS_MAX_WORD; i++) {
        text_add(&large, "a");
    }
    assert_false(reads_line(large.bytes));
}

static void what_a_terminal_obeys_does_not_arrive(void **state)
{
    static const char bytes[] = "quoin-facts 1\nhostname %1b%5b31m%e2%80%ae%ff%0a\nend\n";
    AUTO(drop_facts) struct facts *facts = NULL;
    struct err err = {0};

    (void)state;
    assert_true(facts_read(bytes, sizeof(bytes) - 1, &facts, &err));
    assert_string_equal(facts->hostname, "?[31m?????");
}

/* The disk that wanted names, or NULL unless it is exactly one. */
static const struct facts_disk *match(const struct facts *facts, enum disk_by by, const char *id)
{
    const struct blueprint_disk wanted = {.by = by, .id = (char *)(uintptr_t)id};
    const struct facts_disk *disk = NULL;

    return facts_disk_match(facts, &wanted, &disk) == 1 ? disk : NULL;
}

static void a_disk_is_found_by_each_of_its_names(void **state)
{
    static const char bytes[] =
        "quoin-facts 1\n"
        "disk /dev/sda 8 0 1 512 512 %\n"
        "disk-id S1 0x5000c500000000AA 11111111-1111-4111-8111-111111111111 %\n"
        "disk-link /dev/disk/by-id/ata-MODEL_WD-9\n"
        "disk-link /dev/disk/by-id/ata-MODEL_WD-9-part1\n"
        "disk /dev/sdb 8 16 1 512 512 %\n"
        "disk-id % % % %\n"
        "disk-link /dev/disk/by-id/wwn-0x5000c500000000bb\n"
        "disk-mark 22222222-2222-4222-8222-222222222222 h1 33333333-3333-4333-8333-333333333333\n"
        "disk /dev/sdc 8 32 1 512 512 %\n"
        "disk-store 22222222-2222-4222-8222-222222222222 44444444-4444-4444-8444-444444444444\n"
        "end\n";
    AUTO(drop_facts) struct facts *facts = NULL;
    struct err err = {0};

    (void)state;
    assert_true(facts_read(bytes, sizeof(bytes) - 1, &facts, &err));
    const struct facts_disk *a = &facts->disks[0], *b = a + 1, *c = a + 2;

    assert_ptr_equal(match(facts, DISK_BY_WWN, "0x5000c500000000aa"), a);
    assert_ptr_equal(match(facts, DISK_BY_WWN, "0x5000c500000000bb"), b);
    assert_ptr_equal(match(facts, DISK_BY_SERIAL, "S1"), a);
    assert_ptr_equal(match(facts, DISK_BY_SERIAL, "WD-9"), a);
    assert_null(match(facts, DISK_BY_SERIAL, "D-9"));
    assert_null(match(facts, DISK_BY_SERIAL, "part1-not"));
    assert_null(match(facts, DISK_BY_SERIAL, "s1"));
    assert_ptr_equal(match(facts, DISK_BY_UUID, "11111111-1111-4111-8111-111111111111"), a);
    assert_ptr_equal(match(facts, DISK_BY_UUID, "33333333-3333-4333-8333-333333333333"), b);
    assert_ptr_equal(match(facts, DISK_BY_UUID, "44444444-4444-4444-8444-444444444444"), c);
    assert_ptr_equal(match(facts, DISK_BY_PATH, "/dev/sdc"), c);
    assert_ptr_equal(match(facts, DISK_BY_PATH, "/dev/disk/by-id/ata-MODEL_WD-9"), a);
    assert_null(match(facts, DISK_BY_PATH, "/dev/sd"));
}

/* A disk whose label names no cluster yet, with the id that the store gives "identity". */
static enum disk_owner owner_of(const char *identity, const struct blueprint_disk *wanted)
{
    static const char cluster[] = "22222222-2222-4222-8222-222222222222";
    static const char format[] = "quoin-facts 1\n"
                                 "disk /dev/sdb 8 16 1 512 512 %%\n"
                                 "disk-id S1 0x5000c500000000aa %% %%\n"
                                 "disk-link /dev/disk/by-id/ata-M_S1\n"
                                 "disk-link /dev/disk/by-id/wwn-0x5000c500000000bb\n"
                                 "disk-store %% %s\n"
                                 "end\n";
    AUTO(drop_facts) struct facts *facts = NULL;
    struct err err = {0};
    char id[UUID_SIZE];

    uuid_derive(cluster, identity, id);
    AUTO(drop_free) char *bytes = text_make(format, wanted ? wanted->id : id);

    assert_true(facts_read(bytes, strlen(bytes), &facts, &err));
    assert_int_equal(disk_owner(&facts->disks[0], NULL, wanted), DISK_NOBODY);
    return disk_owner(&facts->disks[0], cluster, wanted);
}

static void a_member_of_an_interrupted_start_is_known_by_its_id(void **state)
{
    static const char *const ours[] = {"wwn-0x5000c500000000aa", "wwn-0x5000c500000000bb",
                                       "serial-S1", "id-ata-M_S1", "path-/dev/sdb"};
    const struct blueprint_disk asked = {
        .by = DISK_BY_UUID, .id = (char *)(uintptr_t) "44444444-4444-4444-8444-444444444444"};
    const struct blueprint_disk other = {
        .by = DISK_BY_SERIAL, .id = (char *)(uintptr_t) "44444444-4444-4444-8444-444444444444"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        assert_int_equal(owner_of(ours[i], NULL), DISK_OURS);
    }
    assert_int_equal(owner_of("wwn-0x5000c500000000cc", NULL), DISK_NOBODY);
    assert_int_equal(owner_of("path-/dev/sda", NULL), DISK_NOBODY);
    assert_int_equal(owner_of("", &asked), DISK_OURS);
    assert_int_equal(owner_of("", &other), DISK_NOBODY);
}

static void a_question_that_a_shell_would_obey_is_refused(void **state)
{
    static const char *const words[] = {"x'; reboot; '", "$(x)", "`x`", "a b", "", "a\nb", "a\\"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const char *const list[] = {words[i], NULL};
        char *script = NULL;
        struct err err = {0};

        assert_false(facts_script(&(struct facts_question){.names = list}, &script, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(script);
    }
}

/* The script itself, on this machine, without the boot. */
static void the_script_runs_here_and_what_it_says_is_read(void **state)
{
    static const char *const packages[] = {"coreutils", "no-such-package", NULL};
    static const char *const names[] = {"localhost", "nowhere.invalid", NULL};
    AUTO(drop_free) char *script = NULL;
    AUTO(drop_facts) struct facts *facts = NULL;
    AUTO(drop_run_result) struct run_result result = {0};
    struct err err = {0};
    const struct facts_question question = {.packages = packages, .names = names, .no_boot = true};

    (void)state;
    assert_true(facts_script(&question, &script, &err));
    assert_true(run_program(&(struct run){.argv = RUN("sh", "-s"),
                                          .input = script,
                                          .input_length = strlen(script),
                                          .seconds = 120},
                            &result, &err));
    if (!facts_read(result.out, result.out_length, &facts, &err)) {
        fail_msg("%s\n%s", err.what, result.out);
    }
    assert_string_equal(result.errors, "");
    assert_true(facts->cpus > 0 && facts->memory_total > 0);
    assert_true(facts->ended >= facts->began && facts->began > 1700000000);
    assert_int_equal(facts->packages.count, 2);
    assert_true(facts->packages.items[0].value[0]);
    assert_false(facts->packages.items[1].value[0]);
    assert_true(facts->names.items[0].value[0]);
    assert_false(facts->names.items[1].value[0]);
    assert_int_equal(facts->hypervisor, HYPERVISOR_UNKNOWN);
}

/* On a host whose /etc is this one's alone. */
static const char own_etc[] =
    "mount -t ramfs ramfs /etc && mkdir -p /etc/libvirt /etc/pki/libvirt-migrate /etc/pki/qemu && "
    ": >/etc/pki/qemu/key.pem && cat >/etc/libvirt/qemu.conf <<'END' && exec sh -s\n"
    "#default_tls_x509_verify = 1\n"
    "default_tls_x509_cert_dir = \"/etc/pki/own\" # ours\n"
    "  migrate_tls_x509_verify=0\n"
    "vnc_tls_x509_verify = 0\n"
    "END\n";

static void what_a_move_depends_on_is_told(void **state)
{
    static const char *const wanted[][2] = {{"default_tls_x509_cert_dir", "/etc/pki/own"},
                                            {"migrate_tls_x509_verify", "0"},
                                            {"/etc/pki/libvirt-migrate", "there"},
                                            {"/etc/pki/qemu", "used"}};
    const struct facts_question question = {.no_boot = true};
    AUTO(drop_free) char *script = NULL;
    AUTO(drop_facts) struct facts *facts = NULL;
    AUTO(drop_run_result) struct run_result result = {0};
    struct err err = {0};

    (void)state;
    if (geteuid() != 0) {
        print_message("not root\n");
        skip();
    }
    assert_true(facts_script(&question, &script, &err));
    assert_true(run_program(&(struct run){.argv = RUN("unshare", "-m", "sh", "-c", own_etc),
                                          .input = script,
                                          .input_length = strlen(script),
                                          .seconds = 120},
                            &result, &err));
    if (!facts_read(result.out, result.out_length, &facts, &err)) {
        fail_msg("%s\n%s\n%s", err.what, result.out, result.errors);
    }
    assert_int_equal(facts->moves.count, COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_string_equal(facts->moves.items[i].name, wanted[i][0]);
        assert_string_equal(facts->moves.items[i].value, wanted[i][1]);
    }
}

static void a_shell_without_extensions_runs_the_script(void **state)
{
    AUTO(drop_free) char *path = source_path("src/plan/look.sh");
    struct err err = {0};

    (void)state;
    assert_true(run_ok(&(struct run){.argv = RUN("dash", "-n", path)}, NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_a_host_says_arrives),
        cmocka_unit_test(a_line_of_another_shape_is_refused),
        cmocka_unit_test(what_is_cut_anywhere_is_refused),
        cmocka_unit_test(another_format_is_refused),
        cmocka_unit_test(lists_have_a_ceiling),
        cmocka_unit_test(what_a_terminal_obeys_does_not_arrive),
        cmocka_unit_test(a_disk_is_found_by_each_of_its_names),
        cmocka_unit_test(a_member_of_an_interrupted_start_is_known_by_its_id),
        cmocka_unit_test(a_question_that_a_shell_would_obey_is_refused),
        cmocka_unit_test(the_script_runs_here_and_what_it_says_is_read),
        cmocka_unit_test(what_a_move_depends_on_is_told),
        cmocka_unit_test(a_shell_without_extensions_runs_the_script),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
