/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of taking a disk, on loop devices: as root. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "direct.h"
#include "store/disk.h"
#include "store/disk_sysfs.h"
#include "store/mark.h"
#include "store/store.h"

#define OURS   "5f3c1c0e-0000-4000-8000-0000000000a3"
#define THEIRS "0b6a1f6e-1111-4222-8333-444455556666"
#define SIZE   (5ull << 30)

struct bench {
    char folder[64], file[96], loop[64];
    struct disk_order order;
};

static int make_bench(void **state)
{
    static struct bench bench;

    (void)snprintf(bench.folder, sizeof(bench.folder), "/tmp/quoin-disk-XXXXXX");
    assert_non_null(mkdtemp(bench.folder));
    (void)snprintf(bench.file, sizeof(bench.file), "%s/disk", bench.folder);
    loop_make(bench.file, SIZE, bench.loop);
    assert_true(bench.loop[0]);
    bench.order = (struct disk_order){
        .name = {.path = bench.loop}, .size = SIZE, .cluster = OURS, .host = "h1"};
    *state = &bench;
    return 0;
}

static int drop_bench(void **state)
{
    struct bench *bench = *state;
    struct err err = {0};

    loop_free(bench->loop);
    return file_remove_tree(bench->folder, &err) ? 0 : 1;
}

static void put(const struct bench *bench, uint64_t offset, const void *bytes, size_t length)
{
    AUTO(drop_fd) int fd = open(bench->loop, O_RDWR | O_CLOEXEC);
    struct err err = {0};

    assert_true(fd >= 0 && file_pwrite(fd, bytes, length, (off_t)offset, &err) && fsync(fd) == 0);
}

static void get(const struct bench *bench, uint64_t offset, void *bytes, size_t length)
{
    AUTO(drop_fd) int fd = open(bench->loop, O_RDONLY | O_CLOEXEC);
    struct err err = {0};

    assert_true(fd >= 0 && file_pread(fd, bytes, length, (off_t)offset, &err));
}

static void put_mark(const struct bench *bench, const char *cluster)
{
    struct mark mark = {.host = "h9", .disk = THEIRS};
    unsigned char head[MARK_SIZE];
    struct err err = {0};

    (void)snprintf(mark.cluster, sizeof(mark.cluster), "%s", cluster);
    assert_true(mark_write(&mark, head, &err));
    put(bench, 0, head, sizeof(head));
}

static void put_file_system(const struct bench *bench)
{
    struct err err = {0};

    assert_true(run_ok(&(struct run){.argv = RUN("mkfs.ext4", "-q", "-F", bench->loop, "100M")},
                       NULL, &err));
}

/* Refused as `kind`, with a remedy, and not a byte of its head has changed. */
static void is_refused(struct bench *bench, enum err_kind kind, const char *word)
{
    unsigned char before[8192], after[8192];
    struct err err = {0};
    struct disk disk;

    get(bench, 0, before, sizeof(before));
    assert_false(disk_take(&bench->order, &disk, &err));
    if (err.kind != kind || !strstr(err.what, word)) {
        fail_msg("%s: %s", err_kind_name(err.kind), err.what);
    }
    assert_true(err.remedy[0]);
    get(bench, 0, after, sizeof(after));
    assert_memory_equal(before, after, sizeof(before));
}

static void an_empty_disk_is_taken_and_marked(void **state)
{
    struct bench *bench = *state;
    unsigned char head[MARK_SIZE];
    struct err err = {0};
    struct disk disk;
    struct mark mark;

    assert_true(disk_find(&bench->order.name, &disk, &err));
    assert_int_equal(disk.content, DISK_EMPTY);
    assert_int_equal(disk.size, SIZE);
    assert_string_equal(disk.node, bench->loop);
    assert_false(disk.mounted || disk.held || disk.root || disk.busy || disk.read_only);
    assert_true(disk_take(&bench->order, &disk, &err));
    assert_int_equal(disk.content, DISK_MEMBER);
    assert_true(disk_is_ours(&disk, OURS));
    assert_false(disk_is_ours(&disk, THEIRS));
    get(bench, 0, head, sizeof(head));
    assert_true(mark_read(head, sizeof(head), &mark));
    assert_string_equal(mark.cluster, OURS);
    assert_string_equal(mark.host, "h1");
}

static void ours_is_taken_again_as_it_is(void **state)
{
    struct bench *bench = *state;
    struct err err = {0};
    struct disk disk, again;

    assert_true(disk_take(&bench->order, &disk, &err));
    assert_true(disk_take(&bench->order, &again, &err));
    assert_string_equal(disk.member, again.member);
    assert_string_equal(disk.identity, again.identity);
}

static void a_file_system_is_refused_without_consent_and_goes_with_it(void **state)
{
    struct bench *bench = *state;
    struct err err = {0};
    struct disk disk;

    put_file_system(bench);
    is_refused(bench, ERR_CLASH, "ext4");
    bench->order.consent = true;
    assert_true(disk_take(&bench->order, &disk, &err));
    assert_true(disk_is_ours(&disk, OURS));
}

static void bytes_of_no_known_kind_are_refused_without_consent(void **state)
{
    struct bench *bench = *state;

    put(bench, 12345, "x", 1);
    is_refused(bench, ERR_CLASH, "data");
}

/* "EFI PART" behind the first sector and in the last one (UEFI, 5.3). */
static void a_partition_table_goes_at_both_ends(void **state)
{
    struct bench *bench = *state;
    AUTO(drop_free) char *script = text_copy("label: gpt\nsize=100M\n");
    char tail[512];
    struct err err = {0};
    struct disk disk;

    assert_true(run_ok(&(struct run){.argv = RUN("sfdisk", "--no-reread", "-q", bench->loop),
                                     .input = script,
                                     .input_length = strlen(script)},
                       NULL, &err));
    get(bench, SIZE - 512, tail, sizeof(tail));
    assert_memory_equal(tail, "EFI PART", 8);
    is_refused(bench, ERR_CLASH, "gpt");
    bench->order.consent = true;
    assert_true(disk_take(&bench->order, &disk, &err));
    get(bench, SIZE - 512, tail, sizeof(tail));
    assert_int_equal(tail[0], 0);
}

/* Killed between the mark and the rest: the mark says it is ours, the wipe is done again. */
static void an_interrupted_wipe_is_finished(void **state)
{
    struct bench *bench = *state;
    struct err err = {0};
    struct disk disk;
    char tail[8];

    put(bench, SIZE - 512, "EFI PART", 8);
    put_mark(bench, OURS);
    assert_true(disk_take(&bench->order, &disk, &err));
    get(bench, SIZE - 512, tail, sizeof(tail));
    assert_int_equal(tail[0], 0);
}

static void another_clusters_disk_is_refused_whatever_the_consent(void **state)
{
    struct bench *bench = *state;

    put_mark(bench, THEIRS);
    bench->order.consent = true;
    is_refused(bench, ERR_CLASH, THEIRS);
}

static void a_foreign_osd_is_refused_whatever_the_consent(void **state)
{
    struct bench *bench = *state;
    AUTO(drop_free)
    char *path = text_make("%s/tests/unit/store/bluestore.label", getenv("QUOIN_SOURCE"));
    AUTO(drop_free) char *label = NULL;
    struct err err = {0};
    size_t length = 0;

    assert_true(file_read(path, 4096, &label, &length, &err));
    put(bench, 0, label, length);
    bench->order.consent = true;
    is_refused(bench, ERR_CLASH, "5574f2fe-c814-4d5f-9b87-0ffacb0dcc86");
    put(bench, 100, "broken", 6);
    is_refused(bench, ERR_CLASH, "(unknown)");
}

static void a_mounted_disk_is_refused(void **state)
{
    struct bench *bench = *state;
    AUTO(drop_free) char *point = text_make("%s/point", bench->folder);

    put_file_system(bench);
    assert_int_equal(mkdir(point, 0755), 0);
    if (mount(bench->loop, point, "ext4", MS_RDONLY, NULL) != 0) {
        skip(); /* no right to mount here */
    }
    bench->order.consent = true;
    is_refused(bench, ERR_CLASH, "mounted");
    assert_int_equal(umount(point), 0);
}

static void a_disk_that_somebody_has_for_himself_is_refused(void **state)
{
    struct bench *bench = *state;
    AUTO(drop_fd) int holder = open(bench->loop, O_RDWR | O_EXCL | O_CLOEXEC);

    assert_true(holder >= 0);
    bench->order.consent = true;
    is_refused(bench, ERR_CLASH, "in use");
}

static void a_disk_of_another_size_than_planned_is_refused(void **state)
{
    struct bench *bench = *state;

    bench->order.size = SIZE - 4096;
    is_refused(bench, ERR_CLASH, "not");
}

static void a_disk_of_another_identity_than_planned_is_refused(void **state)
{
    struct bench *bench = *state;

    bench->order.identity = "wwn-0x5000c50000000101";
    is_refused(bench, ERR_CLASH, "wwn-0x5000c50000000101");
}

static void a_node_that_went_to_another_disk_is_refused(void **state)
{
    struct bench *bench = *state;
    AUTO(drop_free) char *link = text_make("/dev/disk/by-id/quoin-test-%d", (int)getpid());
    struct err err = {0};
    struct disk disk;

    bench->order.link = "/dev/disk/by-id/scsi-of-another-disk";
    is_refused(bench, ERR_CLASH, "scsi-of-another-disk");
    bench->order.link = bench->loop; /* leads to it, but says nothing of what it is */
    is_refused(bench, ERR_CLASH, "leads elsewhere");
    bench->order.link = link;
    assert_true(file_make_folder("/dev/disk/by-id", 0755, &err));
    assert_int_equal(symlink("/dev/null", link), 0);
    is_refused(bench, ERR_CLASH, "leads elsewhere");
    assert_int_equal(unlink(link), 0);
    assert_int_equal(symlink(bench->loop, link), 0);
    bool taken = disk_take(&bench->order, &disk, &err);

    assert_int_equal(unlink(link), 0);
    assert_true(taken);
}

static void a_disk_has_exactly_one_name(void **state)
{
    struct bench *bench = *state;
    const struct disk_name none = {.path = NULL};
    const struct disk_name two = {.path = bench->loop, .serial = "x"};
    const struct disk_name missing = {.path = "/dev/no-such-disk"};
    const struct disk_name unknown = {.wwn = "0x5000c5ffffffffff"};
    const struct disk_name file = {.path = bench->file};
    struct err err = {0};
    struct disk disk;

    assert_false(disk_find(&none, &disk, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(disk_find(&two, &disk, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(disk_find(&missing, &disk, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_false(disk_find(&unknown, &disk, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_false(disk_find(&file, &disk, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

static void a_disk_is_found_by_the_uuid_of_what_is_on_it(void **state)
{
    struct bench *bench = *state;
    struct disk_name name = {.uuid = "8d3b6a52-7a7d-4a43-9d44-3c1c5f1f6e10"};
    struct err err = {0};
    struct disk disk;

    assert_true(run_ok(
        &(struct run){.argv = RUN("mkfs.ext4", "-q", "-F", "-U", name.uuid, bench->loop, "100M")},
        NULL, &err));
    assert_true(disk_find(&name, &disk, &err));
    assert_string_equal(disk.node, bench->loop);
}

static void a_file_system_s_uuid_still_finds_the_disk_that_was_taken(void **state)
{
    struct bench *bench = *state;
    struct disk_order order = bench->order;
    struct err err = {0};
    struct disk disk;

    order.name = (struct disk_name){.uuid = "8d3b6a52-7a7d-4a43-9d44-3c1c5f1f6e11"};
    order.consent = true;
    assert_true(run_ok(&(struct run){.argv = RUN("mkfs.ext4", "-q", "-F", "-U", order.name.uuid,
                                                 bench->loop, "100M")},
                       NULL, &err));
    assert_true(disk_take(&order, &disk, &err));
    assert_true(disk_take(&order, &disk, &err));
}

static void only_ours_is_cleared(void **state)
{
    struct bench *bench = *state;
    struct err err = {0};
    struct disk disk;
    char head[32];

    put_mark(bench, THEIRS);
    assert_true(disk_find(&bench->order.name, &disk, &err));
    assert_false(disk_clear(&disk, OURS, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    get(bench, 0, head, sizeof(head));
    assert_memory_equal(head, "quoin-disk-1 ", 13);
    put_mark(bench, OURS);
    assert_true(disk_clear(&disk, OURS, &err));
    assert_true(disk_find(&bench->order.name, &disk, &err));
    assert_int_equal(disk.content, DISK_EMPTY);
}

static void a_world_wide_name_is_the_same_however_it_is_written(void **state)
{
    (void)state;
    assert_true(disk_wwn_same("0x5000c50000000101", "wwn-0x5000C50000000101"));
    assert_true(disk_wwn_same("naa.5000c50000000101", "0x5000c50000000101"));
    assert_true(disk_wwn_same("eui.0025385b71b07b6c", "nvme-eui.0025385b71b07b6c"));
    assert_false(disk_wwn_same("0x5000c50000000101", "0x5000c50000000102"));
    assert_false(disk_wwn_same("", ""));
}

static void a_serial_number_is_the_end_of_a_link(void **state)
{
    (void)state;
    assert_true(disk_link_has_serial("ata-QEMU_HARDDISK_QM00001", "QM00001"));
    assert_true(disk_link_has_serial("scsi-quoin-h1-2", "quoin-h1-2"));
    assert_false(disk_link_has_serial("ata-QEMU_HARDDISK_QM00001", "M00001"));
    assert_false(disk_link_has_serial("scsi-quoin-h1-2", ""));
    assert_false(disk_link_has_serial("QM00001", "QM00001"));
}

#define ON_A_DISK(test) cmocka_unit_test_setup_teardown(test, make_bench, drop_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_DISK(an_empty_disk_is_taken_and_marked),
        ON_A_DISK(ours_is_taken_again_as_it_is),
        ON_A_DISK(a_file_system_is_refused_without_consent_and_goes_with_it),
        ON_A_DISK(bytes_of_no_known_kind_are_refused_without_consent),
        ON_A_DISK(a_partition_table_goes_at_both_ends),
        ON_A_DISK(an_interrupted_wipe_is_finished),
        ON_A_DISK(another_clusters_disk_is_refused_whatever_the_consent),
        ON_A_DISK(a_foreign_osd_is_refused_whatever_the_consent),
        ON_A_DISK(a_mounted_disk_is_refused),
        ON_A_DISK(a_disk_that_somebody_has_for_himself_is_refused),
        ON_A_DISK(a_disk_of_another_size_than_planned_is_refused),
        ON_A_DISK(a_disk_of_another_identity_than_planned_is_refused),
        ON_A_DISK(a_node_that_went_to_another_disk_is_refused),
        ON_A_DISK(a_disk_has_exactly_one_name),
        ON_A_DISK(a_disk_is_found_by_the_uuid_of_what_is_on_it),
        ON_A_DISK(a_file_system_s_uuid_still_finds_the_disk_that_was_taken),
        ON_A_DISK(only_ours_is_cleared),
        cmocka_unit_test(a_world_wide_name_is_the_same_however_it_is_written),
        cmocka_unit_test(a_serial_number_is_the_end_of_a_link),
    };

    if (geteuid() != 0) {
        return 77; /* meson: skipped */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
