/* SPDX-License-Identifier: Apache-2.0 */
/* agent/vm.h and agent/home.h: sealed, started, stopped, removed; what a hostile datastore may not.
 */
#include "world.h"

#include "agent/home.h"

static char *home_path(const char *name)
{
    AUTO(drop_free) char *object = text_make("home.%s", vm_uuid(name));

    return fake_store_object(object);
}

static char *home_bytes(const char *name, size_t *out_length)
{
    AUTO(drop_free) char *path = home_path(name);
    char *bytes = NULL;
    struct err err = {0};

    assert_true(file_read(path, STORE_MAX_OBJECT, &bytes, out_length, &err));
    return bytes;
}

/* As a hostile datastore does it. */
static void put_home(const char *name, const char *bytes, size_t length)
{
    AUTO(drop_free) char *path = home_path(name);
    struct err err = {0};

    assert_true(file_write(path, bytes, length, 0600, &err));
}

static char *image_path(const char *disk)
{
    AUTO(drop_free) char *name = disk_image(disk);

    return fake_store_image(name);
}

static void copy_header(const char *from, const char *to)
{
    AUTO(drop_free) char *from_path = image_path(from), *to_path = image_path(to);
    AUTO(drop_free) char *bytes = text_room(1, HEADER_SIZE);
    AUTO(drop_fd) int in = open(from_path, O_RDONLY | O_CLOEXEC);
    AUTO(drop_fd) int out = open(to_path, O_RDWR | O_CLOEXEC);
    struct err err = {0};

    assert_true(file_pread(in, bytes, HEADER_SIZE, 0, &err));
    assert_true(file_pwrite(out, bytes, HEADER_SIZE, 0, &err));
}

static void sealed_twice_with_the_same_wish_it_is_the_same_vm(void **state)
{
    json_t *params = vm_params("mgr");

    (void)state;
    make_store();
    assert_true(step_do("vm.seal", vm_params("mgr")));
    AUTO(drop_free) char *envelope = text_copy(vm_here("mgr")->envelope);

    assert_false(step_do("vm.seal", vm_params("mgr")));
    world_restart();
    assert_false(step_do("vm.seal", vm_params("mgr")));
    assert_string_equal(vm_here("mgr")->envelope, envelope);
    /* A password's hash has a salt: it is another one each time. */
    json_object_set_new(json_object_get(params, "admin"), "password_hash",
                        json_string("scrypt$15$8$1$b3RoZXI$aGFzaA"));
    assert_false(step_do("vm.seal", params));
}

static void sealed_with_another_wish_it_clashes(void **state)
{
    const struct {
        const char *key;
        json_t *value;
    } wishes[] = {
        {"cpus", json_integer(2)},
        {"memory", json_integer(1024)},
        {"disks", json_pack("[{s:s, s:I}]", "name", "system", "bytes", (json_int_t)DISK_BYTES)},
        {"network", json_pack("{s:s, s:s, s:s}", "bridge", "br1", "address", "127.0.0.10/24",
                              "hostname", "mgr.edge-01.test")}};

    (void)state;
    make_vm();
    for (size_t i = 0; i < COUNT_OF(wishes); i++) {
        json_t *params = vm_params("mgr");

        json_object_set_new(params, wishes[i].key, wishes[i].value);
        step_refused("vm.seal", params, ERR_CLASH);
    }
    assert_false(step_do("vm.seal", vm_params("mgr")));
}

static void a_wish_out_of_bounds_seals_nothing(void **state)
{
    static const struct {
        const char *key;
        json_int_t value;
    } wishes[] = {{"cpus", 0}, {"cpus", 100000}, {"memory", 1}, {"disks", 3}, {"network", 3}};

    (void)state;
    make_store();
    for (size_t i = 0; i < COUNT_OF(wishes); i++) {
        json_t *params = vm_params("mgr");

        json_object_set_new(params, wishes[i].key, json_integer(wishes[i].value));
        step_refused("vm.seal", params, ERR_INPUT);
    }
    assert_null(world.agent.vms);
}

static void vm_seal_tells_the_vm_and_its_kek(void **state)
{
    (void)state;
    make_store();
    AUTO(drop_outcome) struct outcome sealed = step_try("vm.seal", vm_params("mgr"));

    assert_true(sealed.made);
    assert_string_equal(json_string_or(sealed.result, "vm", ""), vm_uuid("mgr"));
    assert_string_equal(json_string_or(sealed.result, "kek", ""), world.agent.host.provider.kek);
}

static void a_vm_that_could_not_be_sealed_is_not_there(void **state)
{
    (void)state;
    make_store();
    fake_store.full = true;
    step_refused("vm.seal", vm_params("mgr"), ERR_AWAY);
    assert_null(world.agent.vms);
    fake_store.full = false;
    assert_true(step_do("vm.seal", vm_params("mgr")));
}

static void a_datastore_that_does_not_answer_is_told(void **state)
{
    (void)state;
    make_running();
    world_restart();
    fake_store.away = true;
    step_refused("vm.start", this_vm(), ERR_AWAY);
    step_refused("vm.stop", this_vm(), ERR_AWAY);
    step_refused("vm.remove", this_vm(), ERR_AWAY);
    step_refused("disk.blank", this_disk("data"), ERR_AWAY);
}

static void an_older_home_is_refused(void **state)
{
    size_t length = 0;

    (void)state;
    make_vm();
    AUTO(drop_free) char *old = home_bytes("mgr", &length);
    AUTO(drop_outcome) struct outcome poured = pour_try(HARM_NONE);

    assert_true(poured.made);
    world_restart();
    put_home("mgr", old, length);
    step_refused("vm.start", this_vm(), ERR_CLASH);
    assert_int_equal(fake_hv.starts, 0);
}

static void the_home_of_another_vm_is_refused(void **state)
{
    size_t length = 0;

    (void)state;
    make_poured();
    (void)step_do("vm.seal", vm_params("other"));
    AUTO(drop_free) char *other = home_bytes("other", &length);

    world_restart();
    put_home("mgr", other, length);
    step_refused("vm.start", this_vm(), ERR_CLASH);
    assert_int_equal(fake_hv.starts, 0);
}

static void a_changed_home_is_refused(void **state)
{
    size_t length = 0;

    (void)state;
    make_poured();
    AUTO(drop_free) char *home = home_bytes("mgr", &length);

    world_restart();
    home[length - 20] ^= 1;
    put_home("mgr", home, length);
    step_refused("vm.start", this_vm(), ERR_DENIED);
    put_home("mgr", home, length / 2);
    step_refused("vm.start", this_vm(), ERR_INPUT);
    assert_int_equal(fake_hv.starts, 0);
}

/* The home is stored once more in the name of `host`, and this agent does not know of it. */
static void store_unknown(struct vm *vm, const char *host)
{
    uint64_t version = vm->version;
    int64_t generation = vm->generation;
    struct err err = {0};

    vm_note(vm, vm->config, "host", json_string(host));
    assert_true(vm_save(vm, &err));
    vm_note(vm, vm->config, "host", json_string("h1"));
    vm->version = version;
    vm->generation = generation;
}

static void a_home_that_another_host_stored_is_not_overwritten(void **state)
{
    struct err err = {0};

    (void)state;
    make_vm();
    store_unknown(vm_here("mgr"), "h2");
    assert_false(vm_save(vm_here("mgr"), &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void a_home_whose_answer_was_lost_is_stored_again(void **state)
{
    struct err err = {0};

    (void)state;
    make_vm();
    store_unknown(vm_here("mgr"), "h1");
    int64_t generation = vm_here("mgr")->generation;

    assert_true(vm_save(vm_here("mgr"), &err));
    assert_int_equal(vm_here("mgr")->generation, generation + 2);
}

static void a_home_that_was_put_back_is_not_taken_for_ours(void **state)
{
    AUTO(drop_free) char *name = text_make("home.%s", vm_uuid("mgr"));
    size_t length = 0;
    struct err err = {0};

    (void)state;
    make_vm();
    AUTO(drop_free) char *home = home_bytes("mgr", &length);

    assert_true(stores[0]->objects->write(NULL, name, home, length, STORE_ANY, NULL, &err));
    assert_false(vm_save(vm_here("mgr"), &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void a_home_whose_generation_cannot_be_noted_is_stored(void **state)
{
    struct err err = {0};

    (void)state;
    make_vm();
    struct vm *vm = vm_here("mgr");

    world_seen_closed();
    assert_true(vm_save(vm, &err));
    assert_false(vm->unsaved);
    assert_true(vm->unseen);
    world_seen_open();
    assert_true(vm_save(vm, &err));
    assert_false(vm->unseen);
}

static void the_header_of_another_disk_is_refused(void **state)
{
    (void)state;
    make_poured();
    copy_header("data", "system");
    step_refused("vm.start", this_vm(), ERR_CLASH);
    assert_int_equal(fake_hv.starts, 0);
}

static void a_vm_starts_only_when_all_disks_are_poured(void **state)
{
    (void)state;
    make_vm();
    step_refused("vm.start", this_vm(), ERR_ABSENT);
    AUTO(drop_outcome) struct outcome poured = pour_try(HARM_NONE);

    assert_true(poured.made);
    step_refused("vm.start", this_vm(), ERR_ABSENT);
    (void)step_do("disk.blank", this_disk("data"));
    step_refused("vm.start", this_vm(), ERR_ABSENT);
    assert_int_equal(fake_hv.starts, 0);
    (void)step_do("disk.identity", this_vm());
    assert_true(step_do("vm.start", this_vm()));
    assert_int_equal(fake_hv.starts, 1);
    assert_int_equal(fake_hv.disks, 3);
    assert_int_equal(fake_hv.read_only, 1);
}

static void started_twice_it_runs_once(void **state)
{
    (void)state;
    make_running();
    assert_false(step_do("vm.start", this_vm()));
    world_restart();
    assert_false(step_do("vm.start", this_vm()));
    assert_int_equal(fake_hv.starts, 1);
}

static void a_crashed_vm_starts_again_with_what_it_wrote(void **state)
{
    (void)state;
    make_running();
    fake_hv_write("written before the crash");
    fake_hv.state = HV_CRASHED;
    assert_true(step_do("vm.start", this_vm()));
    assert_int_equal(fake_hv.starts, 2);
    assert_true(fake_hv_has("written before the crash"));
}

static void what_a_vm_wrote_comes_back_after_it_was_stopped(void **state)
{
    (void)state;
    make_running();
    fake_hv_write("firmware and TPM");
    assert_true(step_do("vm.stop", this_vm()));
    assert_false(fake_hv_has("firmware and TPM"));
    assert_null(vm_here("mgr")->key);
    assert_false(step_do("vm.stop", this_vm()));
    assert_true(step_do("vm.start", this_vm()));
    assert_true(fake_hv_has("firmware and TPM"));
}

static void what_shall_run_is_stored_before_it_is_said(void **state)
{
    struct err err = {0};

    (void)state;
    make_poured();
    fake_store.full = true;
    step_refused("vm.start", this_vm(), ERR_AWAY);
    step_refused("vm.start", this_vm(), ERR_AWAY);
    assert_int_equal(fake_hv.starts, 0);
    fake_store.full = false;
    assert_true(step_do("vm.start", this_vm()));
    world_power_cut();
    assert_true(vm_open(vm_here("mgr"), &err));
    assert_string_equal(json_string_or(vm_here("mgr")->config, "wanted", ""), "running");
}

static size_t count(bool (*list)(struct store *, json_t **, struct err *))
{
    AUTO(drop_json) json_t *names = NULL;
    struct err err = {0};

    assert_true(list(NULL, &names, &err));
    return json_array_size(names);
}

static bool homes(struct store *store, json_t **out, struct err *err)
{
    return stores[0]->objects->list(store, "home.", out, err);
}

static void a_removed_vm_leaves_no_image_and_no_home(void **state)
{
    (void)state;
    make_running();
    AUTO(drop_free) char *seen = text_make("%s/seen/%s", world.folder, vm_uuid("mgr"));

    assert_int_equal(count(stores[0]->images->list), 3);
    assert_int_equal(count(homes), 1);
    assert_true(file_exists(seen));
    assert_true(step_do("vm.remove", this_vm()));
    assert_int_equal(count(stores[0]->images->list), 0);
    assert_int_equal(count(homes), 0);
    assert_false(file_exists(seen));
    assert_int_equal(fake_hv.state, HV_ABSENT);
    assert_null(world.agent.vms);
}

static void a_vm_is_removed_without_the_provider(void **state)
{
    (void)state;
    make_poured();
    world_power_cut();
    fake_key_away = true;
    assert_true(step_do("vm.remove", this_vm()));
    assert_int_equal(count(stores[0]->images->list), 0);
}

static void another_vm_keeps_its_images(void **state)
{
    json_t *other;

    (void)state;
    make_poured();
    (void)step_do("vm.seal", vm_params("other"));
    other = json_pack("{s:s, s:s}", "vm", vm_uuid("other"), "disk", "data");
    (void)step_do("disk.blank", other);
    assert_true(step_do("vm.remove", this_vm()));
    assert_int_equal(count(stores[0]->images->list), 1);
    assert_int_equal(count(homes), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(sealed_twice_with_the_same_wish_it_is_the_same_vm),
        IT(sealed_with_another_wish_it_clashes),
        IT(a_wish_out_of_bounds_seals_nothing),
        IT(vm_seal_tells_the_vm_and_its_kek),
        IT(a_vm_that_could_not_be_sealed_is_not_there),
        IT(a_datastore_that_does_not_answer_is_told),
        IT(an_older_home_is_refused),
        IT(the_home_of_another_vm_is_refused),
        IT(a_changed_home_is_refused),
        IT(a_home_that_another_host_stored_is_not_overwritten),
        IT(a_home_whose_answer_was_lost_is_stored_again),
        IT(a_home_that_was_put_back_is_not_taken_for_ours),
        IT(a_home_whose_generation_cannot_be_noted_is_stored),
        IT(the_header_of_another_disk_is_refused),
        IT(a_vm_starts_only_when_all_disks_are_poured),
        IT(started_twice_it_runs_once),
        IT(a_crashed_vm_starts_again_with_what_it_wrote),
        IT(what_a_vm_wrote_comes_back_after_it_was_stopped),
        IT(what_shall_run_is_stored_before_it_is_said),
        IT(a_removed_vm_leaves_no_image_and_no_home),
        IT(a_vm_is_removed_without_the_provider),
        IT(another_vm_keeps_its_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
