/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>

#include "hv/nodes.h"

/* As QEMU 7.2 says it of a disk that libvirt 9.0 gave it, and of one that we added. */
static const char said[] =
    "[{\"node-name\":\"libvirt-3-format\",\"drv\":\"raw\",\"file\":\"json:{\\\"driver\\\": "
    "\\\"raw\\\", "
    "\\\"file\\\": {\\\"pool\\\": \\\"ds1\\\", \\\"image\\\": \\\"vm-1-system\\\", \\\"driver\\\": "
    "\\\"rbd\\\"}}\",\"dirty-bitmaps\":[{\"name\":\"other\",\"count\":1},{\"name\":\"quoin\","
    "\"count\":131072}]},"
    "{\"node-name\":\"quoin-0123\",\"drv\":\"rbd\",\"file\":\"json:{\\\"pool\\\": \\\"ds1\\\", "
    "\\\"image\\\": \\\"vm-1-system-2\\\", \\\"driver\\\": \\\"rbd\\\"}\"},"
    "{\"node-name\":\"libvirt-pflash1-format\",\"file\":\"/run/quoin-vm/1/nvram.fd\"},"
    "{\"node-name\":\"odd\",\"file\":\"json:{\"}]";

static json_t *nodes(void)
{
    json_t *read = NULL;
    struct err err = {0};

    assert_true(json_read(said, strlen(said), &read, &err));
    return read;
}

static void a_node_is_known_by_its_image(void **state)
{
    AUTO(drop_json) json_t *all = nodes();
    AUTO(drop_free) char *first = nodes_image(all, "libvirt-3-format");
    AUTO(drop_free) char *second = nodes_image(all, "quoin-0123");

    (void)state;
    assert_string_equal(first, "ds1/vm-1-system");
    assert_string_equal(second, "ds1/vm-1-system-2");
}

static void a_file_or_nonsense_is_no_image(void **state)
{
    AUTO(drop_json) json_t *all = nodes();

    (void)state;
    assert_null(nodes_image(all, "libvirt-pflash1-format"));
    assert_null(nodes_image(all, "odd"));
    assert_null(nodes_image(all, "none"));
    assert_null(nodes_image(NULL, "none"));
}

static void only_a_node_of_ours_counts_as_added(void **state)
{
    AUTO(drop_json) json_t *all = nodes();

    (void)state;
    assert_string_equal(nodes_added(all, "ds1/vm-1-system-2"), "quoin-0123");
    assert_null(nodes_added(all, "ds1/vm-1-system"));
}

static void what_the_guest_wrote_is_counted_in_our_bitmap(void **state)
{
    AUTO(drop_json) json_t *all = nodes();

    (void)state;
    assert_int_equal(nodes_dirty(all, "libvirt-3-format"), 131072);
    assert_int_equal(nodes_dirty(all, "quoin-0123"), -1);
}

static void a_node_is_in_use_by_a_device(void **state)
{
    AUTO(drop_json)
    json_t *blocks = json_pack("[{s:s}, {s:s, s:{s:s}}]", "device", "empty", "device", "",
                               "inserted", "node-name", "quoin-0123");

    (void)state;
    assert_true(nodes_used(blocks, "quoin-0123"));
    assert_false(nodes_used(blocks, "libvirt-3-format"));
    assert_false(nodes_used(blocks, ""));
}

static void names_are_short_and_their_images_own(void **state)
{
    char first[NODES_NAME], again[NODES_NAME], second[NODES_NAME];

    (void)state;
    nodes_name("ds1/vm-1-system-2", first);
    nodes_name("ds1/vm-1-system-2", again);
    nodes_name("ds1/vm-1-system-3", second);
    assert_string_equal(first, again);
    assert_string_not_equal(first, second);
    assert_true(strlen(first) < 32);
}

static const struct domain_storage storage = {"rbd", "quoin", "/etc/ceph/ceph.conf",
                                              "10.77.0.11:3300 [fd00::1]:3301"};

static void an_order_says_all_and_no_secret(void **state)
{
    const struct hv_target target = {
        .storage = &storage, .source = "ds1/vm-1-system-2", .read_only = true};
    AUTO(drop_json) json_t *order = NULL;
    const json_t *server;
    struct err err = {0};

    (void)state;
    assert_true(nodes_order(&target, &order, &err));
    assert_string_equal(json_string_or(order, "pool", ""), "ds1");
    assert_string_equal(json_string_or(order, "image", ""), "vm-1-system-2");
    assert_string_equal(json_string_or(order, "discard", ""), "ignore");
    assert_true(json_is_true(json_object_get(order, "read-only")));
    assert_true(json_is_true(json_object_get(json_object_get(order, "cache"), "direct")));
    server = json_array_get(json_object_get(order, "server"), 1);
    assert_string_equal(json_string_or(server, "host", ""), "fd00::1");
    assert_string_equal(json_string_or(server, "port", ""), "3301");
    const json_t *encrypt = json_object_get(order, "encrypt");

    assert_string_equal(json_string_or(encrypt, "format", ""), "luks2");
    assert_true(text_starts(json_string_or(encrypt, "key-secret", ""), NODES_PREFIX));
}

static void a_source_without_its_shape_is_refused(void **state)
{
    static const char *const bad[] = {"",        "ds1",       "/image", "ds1/",
                                      "ds1/a@b", "ds1/a:b=c", "ds1/a,b"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const struct hv_target target = {.storage = &storage, .source = bad[i]};
        json_t *order = NULL;
        struct err err = {0};

        assert_false(nodes_order(&target, &order, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void a_job_that_does_not_come_forward_is_given_up(void **state)
{
    const int64_t still = 1000 * (int64_t)NODES_STILL_SECONDS;
    struct nodes_pace pace = {0};
    int64_t now = 5000;

    (void)state;
    for (int done = 0; done < 10; done++) {
        AUTO(drop_json) json_t *job = json_pack("{s:i}", "current-progress", done);

        assert_true(nodes_pace(&pace, job, now));
        now += still - 1;
        assert_true(nodes_pace(&pace, job, now));
    }
    AUTO(drop_json) json_t *job = json_pack("{s:i}", "current-progress", 9);

    assert_false(nodes_pace(&pace, job, now + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_is_known_by_its_image),
        cmocka_unit_test(a_file_or_nonsense_is_no_image),
        cmocka_unit_test(only_a_node_of_ours_counts_as_added),
        cmocka_unit_test(what_the_guest_wrote_is_counted_in_our_bitmap),
        cmocka_unit_test(a_node_is_in_use_by_a_device),
        cmocka_unit_test(names_are_short_and_their_images_own),
        cmocka_unit_test(a_job_that_does_not_come_forward_is_given_up),
        cmocka_unit_test(an_order_says_all_and_no_secret),
        cmocka_unit_test(a_source_without_its_shape_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
