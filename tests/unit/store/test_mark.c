/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <string.h>

#include "store/ceph_label.h"
#include "store/mark.h"
#include "store/store.h"

#define CLUSTER "5f3c1c0e-0000-4000-8000-0000000000a3"
#define DISK    "0b6a1f6e-1111-4222-8333-444455556666"

static const struct mark mark = {.cluster = CLUSTER, .host = "h1.example", .disk = DISK};

static void write_it(unsigned char head[MARK_SIZE])
{
    struct err err = {0};

    assert_true(mark_write(&mark, head, &err));
}

static void a_mark_is_one_line_and_zeros(void **state)
{
    static const char line[] = "quoin-disk-1 " CLUSTER " h1.example " DISK "\n";
    unsigned char head[MARK_SIZE];

    (void)state;
    write_it(head);
    assert_memory_equal(head, line, strlen(line));
    for (size_t i = strlen(line); i < MARK_SIZE; i++) {
        assert_int_equal(head[i], 0);
    }
}

static void what_was_written_is_read(void **state)
{
    unsigned char head[MARK_SIZE];
    struct mark back;

    (void)state;
    write_it(head);
    assert_true(mark_read(head, sizeof(head), &back));
    assert_string_equal(back.cluster, CLUSTER);
    assert_string_equal(back.host, "h1.example");
    assert_string_equal(back.disk, DISK);
}

static void a_damaged_mark_is_none(void **state)
{
    unsigned char head[MARK_SIZE];
    struct mark back = {.cluster = "untouched"};
    size_t length = 0;

    (void)state;
    write_it(head);
    length = strlen((const char *)head);
    for (size_t i = 0; i < length; i++) {
        unsigned char kept = head[i];

        head[i] = 0xff;
        assert_false(mark_read(head, sizeof(head), &back));
        head[i] = kept;
    }
    assert_false(mark_read(head, MARK_SIZE - 1, &back));
    assert_string_equal(back.cluster, "untouched");
}

static void a_mark_without_an_end_is_none(void **state)
{
    unsigned char head[MARK_SIZE];
    struct mark back;

    (void)state;
    write_it(head);
    memset(head + strlen("quoin-disk-1 " CLUSTER " "), 'a', MARK_SIZE - 60);
    assert_false(mark_read(head, sizeof(head), &back));
}

static void a_mark_with_a_nul_in_a_word_is_none(void **state)
{
    unsigned char head[MARK_SIZE];
    struct mark back;

    (void)state;
    write_it(head);
    head[strlen("quoin-disk-1 " CLUSTER " h1")] = '\0';
    assert_false(mark_read(head, sizeof(head), &back));
}

static void a_mark_needs_uuids_and_a_host(void **state)
{
    static const char *const hosts[] = {"", "a b", "a\nb", "a/b", "h\xc3\xa4"};
    unsigned char head[MARK_SIZE];
    struct mark wrong = mark;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        (void)snprintf(wrong.host, sizeof(wrong.host), "%s", hosts[i]);
        assert_false(mark_write(&wrong, head, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    wrong = mark;
    wrong.cluster[0] = 'X';
    assert_false(mark_write(&wrong, head, &err));
}

static void a_disk_has_the_same_uuid_again_and_others_have_others(void **state)
{
    char a[UUID_SIZE], again[UUID_SIZE], other_disk[UUID_SIZE], other_cluster[UUID_SIZE];

    (void)state;
    mark_disk_uuid(CLUSTER, "wwn-0x5000c50000000101", a);
    mark_disk_uuid(CLUSTER, "wwn-0x5000c50000000101", again);
    mark_disk_uuid(CLUSTER, "wwn-0x5000c50000000102", other_disk);
    mark_disk_uuid(DISK, "wwn-0x5000c50000000101", other_cluster);
    assert_true(uuid_valid(a));
    assert_string_equal(a, again);
    assert_string_not_equal(a, other_disk);
    assert_string_not_equal(a, other_cluster);
}

static void read_label(unsigned char head[MARK_SIZE])
{
    AUTO(drop_free)
    char *path = text_make("%s/tests/unit/store/bluestore.label", getenv("QUOIN_SOURCE"));
    AUTO(drop_free) char *bytes = NULL;
    struct err err = {0};
    size_t length = 0;

    assert_true(file_read(path, MARK_SIZE, &bytes, &length, &err));
    assert_int_equal(length, MARK_SIZE);
    memcpy(head, bytes, MARK_SIZE);
}

/* The file was written by ceph-osd --mkfs of 16.2.15. */
static void a_label_of_ceph_is_read(void **state)
{
    unsigned char head[MARK_SIZE];
    struct ceph_label label;

    (void)state;
    read_label(head);
    assert_true(ceph_label_read(head, sizeof(head), &label));
    assert_string_equal(label.osd, "196c34cb-d7f1-4ff5-9ab8-89fd5f3f26a2");
    assert_string_equal(label.cluster, "5574f2fe-c814-4d5f-9b87-0ffacb0dcc86");
    assert_string_equal(label.number, "0");
    assert_true(label.whole && label.ready);
}

/* A foreign OSD must never look like an empty disk, however broken its label is. */
static void a_label_with_a_wrong_checksum_is_a_label_that_says_little(void **state)
{
    unsigned char head[MARK_SIZE];
    struct ceph_label label;

    (void)state;
    read_label(head);
    for (size_t i = 60; i < 0x24b; i++) {
        head[i] ^= 0x11;
        assert_true(ceph_label_read(head, sizeof(head), &label));
        assert_string_equal(label.osd, "196c34cb-d7f1-4ff5-9ab8-89fd5f3f26a2");
        assert_string_equal(label.cluster, "");
        assert_false(label.whole || label.ready);
        head[i] ^= 0x11;
    }
}

static void other_bytes_are_no_label(void **state)
{
    unsigned char head[MARK_SIZE] = "bluestore block devicf\n";
    struct ceph_label label;

    (void)state;
    assert_false(ceph_label_read(head, sizeof(head), &label));
    assert_false(ceph_label_read(head, 0, &label));
}

static void a_backend_is_found_by_its_type_and_others_are_named(void **state)
{
    const struct store_backend *backend = NULL;
    struct err err = {0};

    (void)state;
    assert_true(store_backend_find("ceph", &backend, &err));
    assert_ptr_equal(backend, stores[0]);
    assert_false(store_backend_find("gluster", &backend, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.remedy, "ceph"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_is_one_line_and_zeros),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_damaged_mark_is_none),
        cmocka_unit_test(a_mark_without_an_end_is_none),
        cmocka_unit_test(a_mark_with_a_nul_in_a_word_is_none),
        cmocka_unit_test(a_mark_needs_uuids_and_a_host),
        cmocka_unit_test(a_disk_has_the_same_uuid_again_and_others_have_others),
        cmocka_unit_test(a_label_of_ceph_is_read),
        cmocka_unit_test(a_label_with_a_wrong_checksum_is_a_label_that_says_little),
        cmocka_unit_test(other_bytes_are_no_label),
        cmocka_unit_test(a_backend_is_found_by_its_type_and_others_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
