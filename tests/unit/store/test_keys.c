/* SPDX-License-Identifier: Apache-2.0 */
/* The keys on their way to a further host: what is written is read, and nothing else is. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <string.h>
#include <sys/stat.h>

#include "base/secret_open.h"
#include "store/ceph_keys.h"

#define CLUSTER "5f3c1c0e-0000-4000-8000-0000000000a3"
#define KEY     "AQBeaAdrw6W6MhAA4S8Q/cfJZTrFoyIUckq+Ug=="
#define GOOD                                                                                       \
    "quoin-store-keys-1 " CLUSTER "\nmon. " KEY "\nclient.admin " KEY "\nclient.quoin " KEY "\n"   \
    "client.quoin-vm " KEY "\n"

static struct secret *secret_of(const char *text)
{
    struct secret *secret = NULL;
    struct err err = {0};

    assert_true(secret_new(strlen(text), &secret, &err));
    memcpy(secret_bytes(secret), text, strlen(text));
    return secret;
}

static bool is_text(const struct secret *secret, const char *text)
{
    return secret_size(secret) == strlen(text) &&
           memcmp(secret_look(secret), text, strlen(text)) == 0;
}

static void keys_that_are_written_are_read(void **state)
{
    AUTO(drop_secret) struct secret *text = secret_of(GOOD), *again = NULL;
    AUTO(drop_keys) struct ceph_keys keys = {.cluster = ""};
    struct err err = {0};

    (void)state;
    assert_true(ceph_keys_read(text, &keys, &err));
    assert_string_equal(keys.cluster, CLUSTER);
    for (size_t i = 0; i < CEPH_KEYS; i++) {
        assert_true(is_text(keys.each[i], KEY));
    }
    assert_true(ceph_keys_write(&keys, &again, &err));
    assert_true(is_text(again, GOOD));
    assert_true(secret_size(again) <= STORE_MAX_KEYS);
}

static void every_damage_to_the_keys_is_refused(void **state)
{
    static const char good[] = GOOD;

    (void)state;
    for (size_t i = 0; i < strlen(good); i++) {
        AUTO(drop_secret) struct secret *text = secret_of(good), *cut = NULL;
        AUTO(drop_keys) struct ceph_keys keys = {.cluster = ""};
        struct err err = {0};

        secret_bytes(text)[i] = '!';
        assert_false(ceph_keys_read(text, &keys, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        if (i > 0) {
            cut = secret_of(good);
            secret_cut(cut, i);
            assert_false(ceph_keys_read(cut, &keys, &err));
            assert_int_equal(err.kind, ERR_INPUT);
        }
    }
}

static void keys_with_something_after_them_are_refused(void **state)
{
    AUTO(drop_secret) struct secret *text = secret_of(GOOD "\n");
    AUTO(drop_keys) struct ceph_keys keys = {.cluster = ""};
    struct err err = {0};

    (void)state;
    assert_false(ceph_keys_read(text, &keys, &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

struct place {
    char root[64];
    struct store_monitor monitor;
    struct store_conf conf;
};

static int make_place(void **state)
{
    static struct place place;
    struct err err = {0};

    (void)snprintf(place.root, sizeof(place.root), "/tmp/quoin-keys-XXXXXX");
    assert_non_null(mkdtemp(place.root));
    place.monitor = (struct store_monitor){"h2", "127.0.0.1"};
    place.conf = (struct store_conf){.cluster = CLUSTER,
                                     .name = "ds1",
                                     .network = "127.0.0.0/8",
                                     .host = "h2",
                                     .address = "127.0.0.1",
                                     .monitors = &place.monitor,
                                     .monitor_count = 1,
                                     .replicas = 1,
                                     .root = place.root};
    AUTO(drop_free) char *folder = ceph_path(&place.conf, "/etc/ceph");

    assert_true(file_make_folder(folder, 0755, &err));
    *state = &place;
    return 0;
}

static int drop_place(void **state)
{
    struct place *place = *state;
    struct err err = {0};

    return file_remove_tree(place->root, &err) ? 0 : 1;
}

static void keys_lie_on_a_host_closed_to_others_and_are_gathered_again(void **state)
{
    static const char *const files[] = {"mon", "client.admin", "client.quoin", "client.quoin-vm"};
    struct place *place = *state;
    AUTO(drop_secret) struct secret *text = secret_of(GOOD), *again = NULL;
    AUTO(drop_keys) struct ceph_keys keys = {.cluster = ""};
    struct err err = {0};

    assert_true(ceph_conf_make(&place->conf, false, &err));
    assert_true(ceph_keys_read(text, &keys, &err));
    assert_true(ceph_keys_put(&place->conf, &keys, &err));
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(drop_free) char *path = ceph_path(&place->conf, "/etc/ceph/ceph.%s.keyring", files[i]);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    assert_true(ceph_keys_gather(&place->conf, &again, &err));
    assert_true(is_text(again, GOOD));
    assert_true(ceph_keys_remove(&place->conf, &err));
    assert_true(ceph_keys_remove(&place->conf, &err));
    AUTO(drop_secret) struct secret *none = NULL;

    assert_false(ceph_keys_gather(&place->conf, &none, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void a_host_of_another_cluster_does_not_join(void **state)
{
    struct place *place = *state;
    struct store_conf other = place->conf;
    AUTO(drop_secret) struct secret *text = secret_of(GOOD);
    AUTO(drop_free) char *admin = ceph_path(&place->conf, "/etc/ceph/ceph.client.admin.keyring");
    struct err err = {0};

    other.cluster = "0b6a1f6e-1111-4222-8333-444455556666";
    assert_true(ceph_conf_make(&other, false, &err));
    assert_false(ceph_join(&place->conf, text, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, other.cluster));
    assert_false(ceph_join(&other, text, NULL, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_false(file_exists(admin));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_are_written_are_read),
        cmocka_unit_test(every_damage_to_the_keys_is_refused),
        cmocka_unit_test(keys_with_something_after_them_are_refused),
        cmocka_unit_test_setup_teardown(keys_lie_on_a_host_closed_to_others_and_are_gathered_again,
                                        make_place, drop_place),
        cmocka_unit_test_setup_teardown(a_host_of_another_cluster_does_not_join, make_place,
                                        drop_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
