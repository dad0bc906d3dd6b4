/* SPDX-License-Identifier: Apache-2.0 */
/* agent/host.h: what a host is part of, kept over restarts. */
#include "world.h"

static json_t *cluster_of(const char *id)
{
    return json_pack("{s:s, s:s, s:s}", "id", id, "name", "edge-01", "datacenter", "fra1");
}

static json_t *self_of(const char *name)
{
    return json_pack("{s:s, s:s}", "name", name, "address", "127.0.0.1");
}

static bool join(struct host *host, const char *id, const char *name, struct err *err)
{
    AUTO(drop_json) json_t *cluster = cluster_of(id), *self = self_of(name);

    return host_join(host, cluster, self, err);
}

static void load(struct host *host)
{
    struct err err = {0};

    assert_true(host_load(world.folder, host, &err));
}

static void a_fresh_host_is_part_of_nothing(void **state)
{
    AUTO(host_clear) struct host host = {0};

    (void)state;
    load(&host);
    assert_null(host.cluster_id);
    assert_string_equal(host.folder, world.folder);
}

static void what_is_saved_is_loaded(void **state)
{
    AUTO(host_clear) struct host host = {0};
    AUTO(host_clear) struct host again = {0};
    char **const fields[] = {&host.store_type,    &host.store_name,      &host.store_network,
                             &host.provider.name, &host.provider.type,   &host.provider.tpm,
                             &host.provider.kek,  &host.provider.folder, &host.provider.made,
                             &host.next.name,     &host.next.folder,     &host.next_label,
                             &host.old.name,      &host.old.type,        &host.old.tpm,
                             &host.old.folder,    &host.old.kek};
    struct err err = {0};

    (void)state;
    load(&host);
    assert_true(join(&host, CLUSTER, "h1", &err));
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        AUTO(drop_free) char *value = text_make("value \"%zu\"\n", i);

        host_set(fields[i], value);
    }
    host.store_replicas = 3;
    host.holes_proven = true;
    assert_true(host_save(&host, &err));
    load(&again);
    assert_string_equal(again.cluster_id, CLUSTER);
    assert_string_equal(again.cluster, "edge-01");
    assert_string_equal(again.datacenter, "fra1");
    assert_string_equal(again.name, "h1");
    assert_string_equal(again.address, "127.0.0.1");
    char *const read[] = {again.store_type,    again.store_name,      again.store_network,
                          again.provider.name, again.provider.type,   again.provider.tpm,
                          again.provider.kek,  again.provider.folder, again.provider.made,
                          again.next.name,     again.next.folder,     again.next_label,
                          again.old.name,      again.old.type,        again.old.tpm,
                          again.old.folder,    again.old.kek};

    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        assert_string_equal(read[i], *fields[i]);
    }
    assert_int_equal(again.store_replicas, 3);
    assert_true(again.holes_proven);
}

static void a_host_that_left_is_part_of_nothing(void **state)
{
    AUTO(host_clear) struct host host = {0};
    AUTO(host_clear) struct host again = {0};
    struct err err = {0};

    (void)state;
    load(&host);
    assert_true(join(&host, CLUSTER, "h1", &err));
    assert_true(host_leave(&host, &err));
    assert_null(host.cluster_id);
    load(&again);
    assert_null(again.cluster_id);
    assert_true(join(&host, OTHER, "other", &err));
}

static void a_host_joins_one_cluster_by_one_name(void **state)
{
    AUTO(host_clear) struct host host = {0};
    struct err err = {0}, clash = {0}, name = {0};

    (void)state;
    load(&host);
    assert_true(join(&host, CLUSTER, "h1", &err));
    assert_true(join(&host, CLUSTER, "h1", &err));
    assert_false(join(&host, OTHER, "h1", &clash));
    assert_int_equal(clash.kind, ERR_CLASH);
    assert_string_not_equal(clash.remedy, "");
    assert_false(join(&host, CLUSTER, "h2", &name));
    assert_int_equal(name.kind, ERR_CLASH);
    assert_string_equal(host.cluster_id, CLUSTER);
    assert_string_equal(host.name, "h1");
}

static void an_id_that_is_no_uuid_is_refused(void **state)
{
    AUTO(host_clear) struct host host = {0};
    struct err err = {0};

    (void)state;
    load(&host);
    assert_false(join(&host, "not a uuid", "h1", &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(host.cluster_id);
}

static void a_damaged_file_is_no_fresh_host(void **state)
{
    AUTO(drop_free) char *path = text_make("%s/cluster.json", world.folder);
    AUTO(host_clear) struct host host = {0};
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, "{\"cluster", 9, 0600, &err));
    assert_false(host_load(world.folder, &host, &err));
    assert_null(host.folder);
}

static void what_a_newer_quoin_wrote_is_refused_and_left_alone(void **state)
{
    static const char newer[] = "{\"format\":2,\"cluster_id\":\"of another shape\"}";
    AUTO(drop_free) char *path = text_make("%s/cluster.json", world.folder);
    AUTO(host_clear) struct host host = {0};
    AUTO(drop_free) char *text = NULL;
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, newer, strlen(newer), 0600, &err));
    assert_false(host_load(world.folder, &host, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "newer quoin"));
    assert_true(file_read(path, 4096, &text, NULL, &err));
    assert_string_equal(text, newer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_fresh_host_is_part_of_nothing),
        IT(what_is_saved_is_loaded),
        IT(a_host_that_left_is_part_of_nothing),
        IT(a_host_joins_one_cluster_by_one_name),
        IT(an_id_that_is_no_uuid_is_refused),
        IT(a_damaged_file_is_no_fresh_host),
        IT(what_a_newer_quoin_wrote_is_refused_and_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
