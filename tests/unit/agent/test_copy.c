/* SPDX-License-Identifier: Apache-2.0 */
/* agent/copy.h: other keys and other images under a VM, whatever is killed on the way. */
#include "world.h"

#include "agent/copy.h"
#include "agent/home.h"
#include "agent/keeper.h"

/* More calls of the hypervisor's than one deep rekey makes. */
#define MAX_CALLS 60u

static struct outcome copy_try(void)
{
    return step_try("vm.copy", this_vm());
}

static void model_begin(void)
{
    fake_hv.model = image_plain();
    fake_hv.writes = true;
}

static void model_end(void)
{
    free(TAKE(fake_hv.model));
}

static bool as_the_model(void)
{
    AUTO(drop_free) unsigned char *plain = system_plain();

    return memcmp(plain, fake_hv.model, DISK_BYTES) == 0;
}

static size_t images_there(void)
{
    AUTO(drop_json) json_t *names = NULL;
    struct err err = {0};

    assert_true(stores[0]->images->list(NULL, &names, &err));
    return json_array_size(names);
}

static bool is_unproven(void)
{
    return json_is_true(json_object_get(vm_here("mgr")->config, "unproven"));
}

static void a_running_vm_gets_other_keys_and_images(void **state)
{
    (void)state;
    make_running();
    struct vm *vm = vm_here("mgr");
    AUTO(drop_secret) struct secret *before = NULL;
    AUTO(drop_free) char *image = disk_image("system");
    AUTO(drop_free) char *envelope = text_copy(vm->envelope);
    size_t images = images_there();
    struct err err = {0};

    assert_true(vm_open(vm, &err) && secret_copy(vm->key, &before, &err));
    model_begin();
    AUTO(drop_outcome) struct outcome outcome = copy_try();
    AUTO(drop_free) char *now = disk_image("system");

    assert_true(outcome.made && outcome.changed);
    assert_true(json_is_true(json_object_get(outcome.result, "live")));
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_int_equal(fake_hv.starts, 2); /* the second lets it go on */
    assert_true(fake_hv.written > 5);
    assert_true(as_the_model());
    assert_false(secret_equal(before, vm->key));
    assert_string_not_equal(envelope, vm->envelope);
    assert_string_not_equal(image, now);
    assert_int_equal(images_there(), images);
    assert_false(is_unproven());
    model_end();
}

static void the_old_key_opens_no_new_disk(void **state)
{
    AUTO(drop_secret) struct secret *before = NULL;
    AUTO(drop_free) unsigned char *bytes = text_room(1, HEADER_SIZE);
    struct medium raw = {.io = stores[0]->io};
    struct err err = {0};
    json_t *entry = NULL;

    (void)state;
    make_running();
    struct vm *vm = vm_here("mgr");

    assert_true(vm_open(vm, &err) && secret_copy(vm->key, &before, &err));
    assert_true(step_do("vm.copy", this_vm()));
    AUTO(drop_free) char *image = disk_image("system");

    assert_true(vm_disk(vm, "system", &entry, &err));
    const struct header_want want = {.uuid = json_string_or(entry, "uuid", ""), .generation = 1};

    assert_true(stores[0]->images->open(NULL, image, NULL, false, &raw.image, &err));
    assert_true(medium_read(&raw, 0, bytes, HEADER_SIZE, &err));
    stores[0]->images->close(raw.image);
    assert_false(header_open(bytes, HEADER_SIZE, &want, before, NULL, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_vm_that_is_off_is_copied_too(void **state)
{
    AUTO(drop_free) unsigned char *plain = image_plain();

    (void)state;
    make_poured();
    AUTO(drop_outcome) struct outcome outcome = copy_try();
    AUTO(drop_free) unsigned char *now = system_plain();

    assert_true(outcome.made && outcome.changed);
    assert_false(json_is_true(json_object_get(outcome.result, "live")));
    assert_memory_equal(plain, now, DISK_BYTES);
    assert_int_equal(fake_hv.state, HV_ABSENT);
    assert_true(step_do("vm.start", this_vm()));
}

static void twice_is_two_generations(void **state)
{
    (void)state;
    make_running();
    assert_true(step_do("vm.copy", this_vm()));
    AUTO(drop_free) char *first = disk_image("data");

    assert_true(step_do("vm.copy", this_vm()));
    AUTO(drop_free) char *second = disk_image("data");

    assert_string_not_equal(first, second);
}

static void it_starts_again_from_the_new_disks_with_the_same_tpm(void **state)
{
    AUTO(drop_secret) struct secret *before = NULL, *after = NULL;
    struct err err = {0};

    (void)state;
    make_running();
    assert_true(vm_tpm(vm_here("mgr"), &before, &err));
    model_begin();
    assert_true(step_do("vm.copy", this_vm()));
    unsigned char *model = TAKE(fake_hv.model);

    world_power_cut();
    assert_true(step_do("vm.start", this_vm()));
    fake_hv.model = model;
    assert_true(as_the_model());
    assert_true(vm_tpm(vm_here("mgr"), &after, &err));
    assert_true(secret_equal(before, after));
    model_end();
}

/* The VM, if it lives, holds all that it wrote; else what its home names opens and holds all. */
static void nothing_is_lost(size_t images)
{
    struct err err = {0};
    bool started = false;
    struct vm *vm = vm_here("mgr");

    fake_hv.writes = false;
    fake_hv.fail_at = 0;
    pthread_mutex_lock(&world.agent.work);
    assert_true(vm_start(vm, &started, &err));
    assert_true(copy_sweep(vm, &err));
    pthread_mutex_unlock(&world.agent.work);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_true(as_the_model());
    assert_int_equal(images_there(), images);
    assert_false(is_unproven());
}

/* What the home says now; then the old images are still there. */
static bool is_kept(size_t images)
{
    struct err err = {0};

    assert_true(vm_open(vm_here("mgr"), &err));
    assert_true(!is_unproven() || images_there() > images);
    return is_unproven();
}

static void fails_at_each(bool dies, bool restart)
{
    bool last = false, kept = false;

    make_running();
    size_t images = images_there();

    model_begin();
    for (unsigned at = 1; at < MAX_CALLS && !last; at++) {
        fake_hv.writes = true;
        fake_hv.calls = 0;
        fake_hv.fail_at = at;
        fake_hv.dies = dies;
        AUTO(drop_outcome) struct outcome outcome = copy_try();

        last = outcome.made;
        if (restart) {
            world_restart();
        }
        kept = is_kept(images) || kept;
        nothing_is_lost(images);
    }
    assert_true(last && kept);
    model_end();
}

static void the_hypervisors_daemon_fails_at_any_step_and_nothing_is_lost(void **state)
{
    (void)state;
    fails_at_each(false, false);
}

static void the_vm_and_the_agent_are_killed_at_any_step_and_nothing_is_lost(void **state)
{
    (void)state;
    fails_at_each(true, true);
}

static void a_home_that_cannot_be_written_leaves_the_old_disks(void **state)
{
    (void)state;
    make_running();
    AUTO(drop_free) char *image = disk_image("system");

    model_begin();
    fake_store.full = true;
    AUTO(drop_outcome) struct outcome outcome = copy_try();

    fake_store.full = false;
    assert_false(outcome.made);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    AUTO(drop_free) char *now = disk_image("system");

    assert_string_equal(image, now);
    assert_true(as_the_model());
    model_end();
}

static void a_generation_that_cannot_be_noted_loses_no_disk(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    AUTO(drop_free) char *image = disk_image("system");
    size_t images = images_there();

    model_begin();
    world_seen_closed();
    AUTO(drop_outcome) struct outcome outcome = copy_try();
    AUTO(drop_free) char *now = disk_image("system");

    assert_true(outcome.made);
    assert_string_not_equal(image, now);
    assert_true(as_the_model());
    assert_int_equal(images_there(), images);
    assert_true(vm_here("mgr")->unseen);
    assert_false(home_remember(vm_here("mgr"), &err));
    world_seen_open();
    assert_true(home_remember(vm_here("mgr"), &err));
    assert_false(vm_here("mgr")->unseen);
    world_restart();
    nothing_is_lost(images);
    model_end();
}

static void a_paused_vm_whose_home_was_switched_gets_its_new_disks(void **state)
{
    struct err err = {0};
    bool started = false;

    (void)state;
    make_running();
    size_t images = images_there();

    model_begin();
    AUTO(drop_outcome) struct outcome outcome = copy_try();

    assert_true(outcome.made);
    fake_hv.writes = false;
    /* As if the agent had been killed before the hypervisor was told: it has the wrong image. */
    fake_hv.state = HV_PAUSED;
    json_t *entry = NULL;
    struct vm *vm = vm_here("mgr");

    assert_true(vm_disk(vm, "system", &entry, &err));
    AUTO(drop_free) char *image = disk_image("system");
    AUTO(drop_free) char *from = fake_store_image(image), *to = fake_store_image("elsewhere");

    assert_int_equal(link(from, to), 0);
    vm_note(vm, entry, "image", json_string("elsewhere"));
    assert_true(vm_start(vm, &started, &err));
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_true(as_the_model());
    assert_int_equal(images_there(), images + 1);
    model_end();
}

/* The first block of the payload, as it lies on the datastore: `bytes` and what was there change
 * places. */
static void exchange_block(unsigned char bytes[4096])
{
    AUTO(drop_free) char *image = disk_image("system");
    AUTO(drop_free) char *path = fake_store_image(image);
    AUTO(drop_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char before[4096];

    assert_int_equal(pread(fd, before, sizeof(before), HEADER_SIZE), sizeof(before));
    assert_int_equal(pwrite(fd, bytes, sizeof(before), HEADER_SIZE), sizeof(before));
    memcpy(bytes, before, sizeof(before));
}

static void no_old_image_goes_while_a_new_one_is_not_proven(void **state)
{
    unsigned char block[4096];
    struct err err = {0};

    (void)state;
    make_poured();
    struct vm *vm = vm_here("mgr");
    AUTO(drop_free) char *image = disk_image("system");
    AUTO(drop_free) char *old = text_make("vm-%s-system-0", vm->uuid);
    AUTO(drop_free) char *from = fake_store_image(image), *to = fake_store_image(old);

    /* As a copy that is killed after the switch leaves it. */
    assert_int_equal(link(from, to), 0);
    assert_true(vm_open(vm, &err));
    vm_note(vm, vm->config, "unproven", json_true());
    assert_true(vm_save(vm, &err));
    world_restart();
    plain_fill(block, sizeof(block), 1);
    exchange_block(block);
    for (int i = 0; i < 2; i++) {
        assert_false(copy_sweep(vm_here("mgr"), &err));
        assert_int_equal(err.kind, ERR_CLASH);
        assert_true(file_exists(to) && is_unproven());
    }
    step_refused("vm.copy", this_vm(), ERR_CLASH);
    assert_true(file_exists(to));
    exchange_block(block);
    world_restart();
    assert_true(copy_sweep(vm_here("mgr"), &err));
    assert_false(file_exists(to));
    world_restart();
    assert_true(vm_open(vm_here("mgr"), &err));
    assert_false(is_unproven());
}

static void without_room_nothing_is_begun(void **state)
{
    (void)state;
    make_running();
    size_t images = images_there();

    fake_store.small = true;
    step_refused("vm.copy", this_vm(), ERR_SYSTEM);
    assert_int_equal(images_there(), images);
}

static void a_disk_that_is_not_poured_is_not_copied(void **state)
{
    (void)state;
    make_vm();
    step_refused("vm.copy", this_vm(), ERR_ABSENT);
}

static void an_image_of_another_size_than_its_home_says_is_not_copied(void **state)
{
    (void)state;
    make_running();
    AUTO(drop_free) char *image = disk_image("system");
    AUTO(drop_free) char *path = fake_store_image(image);
    size_t images = images_there();

    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    step_refused("vm.copy", this_vm(), ERR_CLASH);
    assert_int_equal(images_there(), images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(an_image_of_another_size_than_its_home_says_is_not_copied),
        IT(a_running_vm_gets_other_keys_and_images),
        IT(the_old_key_opens_no_new_disk),
        IT(a_vm_that_is_off_is_copied_too),
        IT(twice_is_two_generations),
        IT(it_starts_again_from_the_new_disks_with_the_same_tpm),
        IT(the_hypervisors_daemon_fails_at_any_step_and_nothing_is_lost),
        IT(the_vm_and_the_agent_are_killed_at_any_step_and_nothing_is_lost),
        IT(a_home_that_cannot_be_written_leaves_the_old_disks),
        IT(a_generation_that_cannot_be_noted_loses_no_disk),
        IT(a_paused_vm_whose_home_was_switched_gets_its_new_disks),
        IT(no_old_image_goes_while_a_new_one_is_not_proven),
        IT(without_room_nothing_is_begun),
        IT(a_disk_that_is_not_poured_is_not_copied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
