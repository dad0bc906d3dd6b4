/* SPDX-License-Identifier: Apache-2.0 */
/* agent/disk.h: the pour of an image, whole and broken; disks without one; the proof. */
#include "world.h"

static bool is_poured(const char *disk)
{
    struct vm *vm = vm_here("mgr");
    json_t *entry = NULL;
    struct err err = {0};

    assert_true(vm_open(vm, &err) && vm_disk(vm, disk, &entry, &err));
    return json_is_true(json_object_get(entry, "poured"));
}

/* Does the header that lies there open with the VM's key? */
static bool opens(const char *disk)
{
    struct vm *vm = vm_here("mgr");
    json_t *entry = NULL;
    struct err err = {0};

    assert_true(vm_open(vm, &err) && vm_disk(vm, disk, &entry, &err));
    return disk_check(vm, entry, &err);
}

static void assert_content(void)
{
    AUTO(drop_free) unsigned char *expected = image_plain(), *plain = system_plain();

    assert_memory_equal(plain, expected, DISK_BYTES);
}

static void an_image_that_was_poured_reads_back_through_its_encryption(void **state)
{
    (void)state;
    make_vm();
    AUTO(drop_outcome) struct outcome poured = pour_try(HARM_NONE);

    assert_true(poured.made);
    assert_true(poured.changed);
    assert_true(is_poured("system"));
    assert_true(opens("system"));
    assert_content();
    assert_int_equal(json_integer_value(json_object_get(poured.result, "content")), IMAGE_BYTES);
}

static void poured_is_remembered_over_a_power_cut(void **state)
{
    (void)state;
    make_poured();
    world_power_cut();
    assert_true(is_poured("system"));
    assert_true(is_poured("data"));
    assert_true(is_poured("identity"));
    assert_content();
}

static void no_plain_block_lies_on_the_datastore(void **state)
{
    AUTO(drop_free) unsigned char *plain = image_plain();
    AUTO(drop_free) char *bytes = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)state;
    make_poured();
    AUTO(drop_free) char *name = disk_image("system");
    AUTO(drop_free) char *path = fake_store_image(name);

    assert_true(file_read(path, 64 * MIB, &bytes, &length, &err));
    assert_int_equal(length, HEADER_SIZE + DISK_BYTES);
    assert_null(memmem(bytes, length, plain, 64));
    assert_null(memmem(bytes, length, plain + 4 * MIB, 64));
}

static void a_second_pour_takes_the_stream_and_changes_nothing(void **state)
{
    (void)state;
    make_vm();
    AUTO(drop_outcome) struct outcome first = pour_try(HARM_NONE);
    size_t all = pour_read();

    assert_true(first.changed);
    int64_t generation = vm_here("mgr")->generation;
    AUTO(drop_outcome) struct outcome second = pour_try(HARM_NONE);

    assert_true(second.made);
    assert_false(second.changed);
    assert_int_equal(pour_read(), all);
    assert_int_equal(vm_here("mgr")->generation, generation);
    assert_content();
}

static void harmed(enum harm harm, enum err_kind kind)
{
    make_vm();
    AUTO(drop_outcome) struct outcome poured = pour_try(harm);

    assert_false(poured.made);
    assert_int_equal(poured.err.kind, kind);
    assert_false(poured.changed);
    assert_false(is_poured("system"));
    assert_false(opens("system"));
    step_refused("vm.start", this_vm(), ERR_ABSENT);
    world_power_cut();
    assert_false(is_poured("system"));
    AUTO(drop_outcome) struct outcome again = pour_try(HARM_NONE);

    assert_true(again.made);
    assert_true(again.changed);
    assert_content();
}

static void a_stream_that_breaks_off_leaves_nothing_that_opens(void **state)
{
    (void)state;
    harmed(HARM_BROKEN, ERR_AWAY);
}

static void a_stream_that_ends_early_leaves_nothing_that_opens(void **state)
{
    (void)state;
    harmed(HARM_SHORT, ERR_INPUT);
}

static void a_stream_with_another_digest_leaves_nothing_that_opens(void **state)
{
    (void)state;
    harmed(HARM_DIGEST, ERR_CLASH);
}

static void a_pour_whose_end_could_not_be_stored_is_no_pour_yet(void **state)
{
    (void)state;
    make_vm();
    fake_store.full = true;
    AUTO(drop_outcome) struct outcome first = pour_try(HARM_NONE);
    AUTO(drop_outcome) struct outcome second = pour_try(HARM_NONE);

    assert_false(first.made);
    assert_int_equal(first.err.kind, ERR_AWAY);
    assert_false(second.made);
    fake_store.full = false;
    AUTO(drop_outcome) struct outcome third = pour_try(HARM_NONE);

    assert_true(third.made);
    world_power_cut();
    assert_true(is_poured("system"));
    assert_content();
}

static void a_disk_that_was_poured_is_never_poured_again(void **state)
{
    struct err err = {0};

    (void)state;
    make_poured();
    AUTO(drop_free) char *name = disk_image("system");
    AUTO(drop_free) char *path = fake_store_image(name);

    assert_true(file_remove(path, &err));
    AUTO(drop_outcome) struct outcome poured = pour_try(HARM_NONE);

    assert_false(poured.made);
    assert_int_equal(poured.err.kind, ERR_ABSENT);
    assert_string_not_equal(poured.err.remedy, "");
    assert_false(poured.changed);
    assert_false(file_exists(path));
}

static void zeros_are_written_where_holes_are_not_proven(void **state)
{
    (void)state;
    make_vm();
    world.agent.host.holes_proven = false;
    AUTO(drop_outcome) struct outcome poured = pour_try(HARM_NONE);

    assert_true(poured.made);
    assert_int_equal(json_integer_value(json_object_get(poured.result, "skipped")), 0);
    assert_int_equal(json_integer_value(json_object_get(poured.result, "written")), DISK_BYTES);
    assert_content();
}

static void disks_without_an_image_twice_change_nothing_the_second_time(void **state)
{
    (void)state;
    make_vm();
    assert_true(step_do("disk.blank", this_disk("data")));
    assert_false(step_do("disk.blank", this_disk("data")));
    assert_true(step_do("disk.identity", this_vm()));
    assert_false(step_do("disk.identity", this_vm()));
    world_restart();
    assert_false(step_do("disk.blank", this_disk("data")));
    assert_false(step_do("disk.identity", this_vm()));
}

static void a_disk_that_the_vm_has_not_is_absent(void **state)
{
    (void)state;
    make_vm();
    step_refused("disk.blank", this_disk("attic"), ERR_ABSENT);
}

static bool nothing(void *context, void *to, size_t room, size_t *out_length, struct err *err)
{
    (void)context;
    (void)to;
    (void)room;
    (void)err;
    *out_length = 0;
    return true;
}

static json_t *proven(void)
{
    struct making making = {.params = NULL};
    struct err err = {0};

    if (!disk_prove(&world.agent, vm_uuid("mgr"), nothing, NULL, &making, &err)) {
        fail_msg("%s", err.what);
    }
    assert_false(making.changed);
    return making.result;
}

static void the_proof_says_what_the_contract_says(void **state)
{
    (void)state;
    make_poured();
    AUTO(drop_json) json_t *result = proven();
    json_t *disks = json_object_get(result, "disks"), *disk;
    size_t i;

    assert_true(json_is_true(json_object_get(result, "encrypted")));
    assert_true(json_is_true(json_object_get(json_object_get(result, "home"), "encrypted")));
    assert_int_equal(json_array_size(disks), 3);
    json_array_foreach(disks, i, disk)
    {
        assert_string_equal(json_string_or(disk, "header", ""), "luks2");
        assert_string_equal(json_string_or(disk, "cipher", ""), "aes-xts-plain64");
        assert_int_equal(json_integer_value(json_object_get(disk, "key_bits")), 512);
        assert_int_equal(json_integer_value(json_object_get(disk, "plain_blocks")), 0);
        assert_true(json_integer_value(json_object_get(disk, "bytes_examined")) >= HEADER_SIZE);
    }
}

static void the_proof_finds_a_plain_block(void **state)
{
    AUTO(drop_free) unsigned char *plain = image_plain();
    struct err err = {0};

    (void)state;
    make_poured();
    AUTO(drop_free) char *name = disk_image("system");
    AUTO(drop_free) char *path = fake_store_image(name);
    AUTO(drop_fd) int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(file_pwrite(fd, plain, 4096, HEADER_SIZE + MIB, &err));
    AUTO(drop_json) json_t *result = proven();
    const json_t *disk = json_array_get(json_object_get(result, "disks"), 0);

    assert_true(json_is_false(json_object_get(result, "encrypted")));
    assert_int_equal(json_integer_value(json_object_get(disk, "plain_blocks")), 1);
    assert_int_equal(json_integer_value(json_object_get(disk, "first_plain")), HEADER_SIZE + MIB);
}

static void the_proof_finds_a_home_in_clear(void **state)
{
    AUTO(drop_free) char *name = text_make("home.%s", vm_uuid("mgr"));
    struct err err = {0};

    (void)state;
    make_poured();
    AUTO(drop_free) char *path = fake_store_object(name);

    assert_true(file_write(path, "{\"name\":\"mgr\"}", 14, 0600, &err));
    AUTO(drop_json) json_t *result = proven();

    assert_true(json_is_false(json_object_get(result, "encrypted")));
    assert_true(json_is_false(json_object_get(json_object_get(result, "home"), "encrypted")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(an_image_that_was_poured_reads_back_through_its_encryption),
        IT(poured_is_remembered_over_a_power_cut),
        IT(no_plain_block_lies_on_the_datastore),
        IT(a_second_pour_takes_the_stream_and_changes_nothing),
        IT(a_stream_that_breaks_off_leaves_nothing_that_opens),
        IT(a_stream_that_ends_early_leaves_nothing_that_opens),
        IT(a_stream_with_another_digest_leaves_nothing_that_opens),
        IT(a_pour_whose_end_could_not_be_stored_is_no_pour_yet),
        IT(a_disk_that_was_poured_is_never_poured_again),
        IT(zeros_are_written_where_holes_are_not_proven),
        IT(disks_without_an_image_twice_change_nothing_the_second_time),
        IT(a_disk_that_the_vm_has_not_is_absent),
        IT(the_proof_says_what_the_contract_says),
        IT(the_proof_finds_a_plain_block),
        IT(the_proof_finds_a_home_in_clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
