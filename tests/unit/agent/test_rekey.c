/* SPDX-License-Identifier: Apache-2.0 */
/* agent/rekey.h, agent/rewrap.h and the steps key.*: the KEK changes, and every disk opens before,
 * during and after. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "world.h"

#include "agent/ca.h"
#include "agent/home.h"
#include "agent/notice.h"
#include "agent/rekey.h"
#include "agent/rewrap.h"

/* ---- what a rotation and a move are made of ---- */

static json_t *kek_param(const char *kek)
{
    return json_pack("{s:s}", "kek", kek);
}

static json_t *target(const char *type)
{
    return json_pack("{s:{s:s, s:s, s:s}}", "provider", "name", "elsewhere", "type", type, "tpm",
                     "off");
}

static const struct host *host(void)
{
    return &world.agent.host;
}

/* All steps of it, in order, until one fails. `to` NULL: a rotation. */
static bool rekey(const char *to, struct err *out_err)
{
    const char *const kinds[] = {"key.make", "key.rewrap", "key.retire"};
    AUTO(drop_free) char *old = NULL;

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        json_t *params = i == 0 && to ? target(to)
                         : i == 2     ? kek_param(old ? old : "none")
                                      : json_object();
        AUTO(drop_outcome) struct outcome outcome = step_try(kinds[i], params);

        if (!outcome.made) {
            *out_err = outcome.err;
            return false;
        }
        if (i == 0) {
            old = text_copy(json_string_or(outcome.result, "old", NULL));
        }
    }
    return true;
}

static void rekey_must(const char *to)
{
    struct err err = {0};

    if (!rekey(to, &err)) {
        fail_msg("%s", err.what);
    }
}

/* ---- what must hold at each moment ---- */

static struct vm *mgr(void)
{
    struct vm *vm = vm_here("mgr");
    struct err err = {0};

    if (!vm_open(vm, &err)) {
        fail_msg("%s", err.what);
    }
    return vm;
}

/* The envelope opens to the VM's key. */
static void envelope_opens(const struct vm *vm, const char *text)
{
    const struct envelope_about expected = {.vm = vm->uuid, .purpose = "vm"};
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    struct key *provider = NULL;
    struct err err = {0};

    if (!envelope_read(text, strlen(text), &envelope, &err) ||
        !agent_key_for(&world.agent, envelope_about(envelope), &provider, &err) ||
        !key_unwrap(provider, envelope, &expected, &key, &err)) {
        fail_msg("%s", err.what);
    }
    assert_true(secret_equal(key, vm->key));
}

/* By the home, and each disk by what its own header carries: as the agent and as a person do it. */
static void all_opens(void)
{
    AUTO(drop_secret) struct secret *ca = ca_secret();
    struct vm *vm = mgr();
    json_t *disk;
    size_t i;

    assert_non_null(ca);
    json_array_foreach(json_object_get(vm->config, "disks"), i, disk)
    {
        AUTO(drop_header_facts) struct header_facts facts = {0};
        struct err err = {0};

        if (!disk_check(vm, disk, &err) || !disk_look(vm, disk, &facts, &err)) {
            fail_msg("%s", err.what);
        }
        envelope_opens(vm, facts.envelope);
    }
}

/* How many envelopes are not under the KEK that wraps now. */
static json_int_t left(void)
{
    AUTO(drop_outcome) struct outcome look = step_try("key.look", json_pack("{s:b}", "prove", 1));

    if (!look.made) {
        fail_msg("%s", look.err.what);
    }
    return json_integer_value(json_object_get(look.result, "left"));
}

/* The KEKs of the native provider in FOLDER that are not retired. */
static size_t active_keks(const char *folder)
{
    AUTO(drop_free) char *path = text_make("%s/%s/ledger.json", world.folder, folder);
    AUTO(drop_free) char *text = NULL;
    AUTO(drop_json) json_t *ledger = NULL;
    struct err err = {0};
    size_t length = 0, count = 0, i;
    json_t *kek;

    assert_true(file_read(path, 65536, &text, &length, &err));
    assert_true(json_read(text, length, &ledger, &err));
    json_array_foreach(json_object_get(ledger, "keks"), i, kek)
    {
        count += json_string_or(kek, "retired", "")[0] == '\0';
    }
    return count;
}

static char *image_path(const char *disk)
{
    json_t *entry = NULL;
    struct err err = {0};

    assert_true(vm_open(vm_here("mgr"), &err) && vm_disk(vm_here("mgr"), disk, &entry, &err));
    AUTO(drop_free) char *name = disk_image_name(vm_here("mgr"), entry);

    return fake_store_image(name);
}

/* The header of a disk, as a thief keeps it; the caller frees. */
static unsigned char *header_bytes(const char *disk)
{
    AUTO(drop_free) char *path = image_path(disk);
    AUTO(drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char *bytes = text_room(1, HEADER_SIZE);
    struct err err = {0};

    assert_true(file_pread(fd, bytes, HEADER_SIZE, 0, &err));
    return bytes;
}

static void header_put(const char *disk, const unsigned char *bytes)
{
    AUTO(drop_free) char *path = image_path(disk);
    AUTO(drop_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
    struct err err = {0};

    assert_true(file_pwrite(fd, bytes, HEADER_SIZE, 0, &err));
}

/* ---- a rotation ---- */

static void a_rotation_changes_the_kek_of_every_envelope_and_retires_the_old(void **state)
{
    (void)state;
    make_poured();
    AUTO(drop_free) char *before = text_copy(host()->provider.kek);

    rekey_must(NULL);
    assert_string_not_equal(host()->provider.kek, before);
    assert_non_null(host()->provider.made);
    assert_null(host()->old.kek);
    assert_null(host()->next_label);
    assert_int_equal(left(), 0);
    assert_int_equal(active_keks("provider"), 1);
    world_restart();
    all_opens();
}

static void a_rotation_leaves_a_running_vm_alone(void **state)
{
    (void)state;
    make_running();
    rekey_must(NULL);
    assert_int_equal(fake_hv.starts, 1);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    fake_hv_write("written after the rotation");
    world_power_cut();
    (void)step_do("vm.start", this_vm());
    assert_true(fake_hv_has("written after the rotation"));
    all_opens();
}

static void a_rotation_changes_no_byte_of_the_disk(void **state)
{
    (void)state;
    make_poured();
    AUTO(drop_free) unsigned char *before = system_plain();

    rekey_must(NULL);
    AUTO(drop_free) unsigned char *after = system_plain();

    assert_memory_equal(before, after, DISK_BYTES);
}

static void a_disk_that_is_not_poured_is_no_obstacle(void **state)
{
    (void)state;
    make_vm();
    rekey_must(NULL);
    assert_int_equal(left(), 0);
}

static void what_is_sealed_in_the_middle_is_under_the_new_kek(void **state)
{
    (void)state;
    make_poured();
    (void)step_do("key.make", json_object());
    (void)step_do("vm.seal", vm_params("second"));
    assert_int_equal(rewrap_state_of(&world.agent, vm_here("second")->envelope), REWRAP_CURRENT);
    assert_int_equal(rewrap_state_of(&world.agent, vm_here("mgr")->envelope), REWRAP_OLD);
    rekey_must(NULL);
    all_opens();
}

static void asked_for_again_in_the_middle_it_is_the_same_rotation(void **state)
{
    (void)state;
    make_poured();
    assert_true(step_do("key.make", json_object()));
    AUTO(drop_free) char *kek = text_copy(host()->provider.kek);

    assert_false(step_do("key.make", json_object()));
    world_restart();
    assert_false(step_do("key.make", json_object()));
    assert_string_equal(host()->provider.kek, kek);
    assert_true(step_do("key.rewrap", json_object()));
    assert_false(step_do("key.rewrap", json_object()));
    assert_int_equal(active_keks("provider"), 2);
}

static void yesterdays_header_is_refused_after_a_rotation(void **state)
{
    (void)state;
    make_poured();
    AUTO(drop_free) unsigned char *yesterday = header_bytes("data");

    rekey_must(NULL);
    header_put("data", yesterday);
    world_restart();
    step_refused("vm.start", this_vm(), ERR_CLASH);
    /* Nor does the next rotation take it for its own unfinished work. */
    (void)step_do("key.make", json_object());
    step_refused("key.rewrap", json_object(), ERR_CLASH);
}

static void the_old_kek_is_kept_while_one_header_is_under_it(void **state)
{
    (void)state;
    make_poured();
    AUTO(drop_free) unsigned char *yesterday = header_bytes("data");
    AUTO(drop_free) char *old = text_copy(host()->provider.kek);

    (void)step_do("key.make", json_object());
    (void)step_do("key.rewrap", json_object());
    AUTO(drop_free) unsigned char *today = header_bytes("data");

    header_put("data", yesterday);
    assert_int_equal(left(), 1);
    step_refused("key.retire", kek_param(old), ERR_CLASH);
    assert_int_equal(active_keks("provider"), 2);
    header_put("data", today);
    assert_true(step_do("key.retire", kek_param(old)));
    all_opens();
}

static void the_old_kek_is_kept_while_another_hosts_vm_is_under_it(void **state)
{
    (void)state;
    make_poured();
    struct vm *vm = mgr();
    struct err err = {0};
    AUTO(drop_free) char *old = text_copy(host()->provider.kek);

    vm_note(vm, vm->config, "host", json_string("h2"));
    assert_true(vm_save(vm, &err));
    (void)step_do("key.make", json_object());
    (void)step_do("key.rewrap", json_object());
    assert_int_equal(rewrap_state_of(&world.agent, mgr()->envelope), REWRAP_OLD);
    step_refused("key.retire", kek_param(old), ERR_CLASH);
    all_opens();
}

static void another_hosts_vm_is_looked_at_as_that_host_left_it(void **state)
{
    struct vm *vm, *elsewhere;
    bool changed = false;
    struct err err = {0};

    (void)state;
    make_poured();
    vm = mgr();
    AUTO(drop_free) char *old = text_copy(host()->provider.kek);

    vm_note(vm, vm->config, "host", json_string("h2"));
    assert_true(vm_save(vm, &err));
    (void)step_do("key.make", json_object());
    (void)step_do("key.rewrap", json_object());
    assert_null(vm->key);
    assert_true(vm_open(vm, &err));
    elsewhere = vm_elsewhere();
    assert_true(rewrap_vm(elsewhere, &changed, &err));
    assert_true(changed);
    vm_list_free(elsewhere);
    assert_int_equal(left(), 0);
    assert_null(vm->key);
    assert_true(step_do("key.retire", kek_param(old)));
    all_opens();
}

static void the_kek_in_use_is_not_retired(void **state)
{
    (void)state;
    make_poured();
    step_refused("key.retire", kek_param(host()->provider.kek), ERR_CLASH);
    (void)step_do("key.make", json_object());
    step_refused("key.retire", kek_param("native:none"), ERR_CLASH);
    all_opens();
}

static void a_provider_that_gives_another_key_back_changes_nothing(void **state)
{
    struct err err = {0};

    (void)state;
    make_poured();
    (void)step_do("key.make", json_object());
    AUTO(drop_free) unsigned char *before = header_bytes("system");
    (void)mgr();

    fake_key_lies = true;
    assert_false(rekey(NULL, &err));
    fake_key_lies = false;
    AUTO(drop_free) unsigned char *after = header_bytes("system");

    assert_memory_equal(before, after, HEADER_SIZE);
    world_restart();
    all_opens();
    rekey_must(NULL);
    all_opens();
}

static void the_envelope_for_the_recovery_key_is_made_anew_with_the_other(void **state)
{
    AUTO(drop_header_facts) struct header_facts facts = {0};
    AUTO(drop_chest_about) struct chest_about about = {0};
    AUTO(drop_recovery) struct recovery *notice = NULL;
    json_t *disk = NULL;
    struct err err = {0};

    (void)state;
    make_store();
    assert_true(step_do("recovery.make", json_object()));
    make_poured();
    struct vm *vm = mgr();
    AUTO(drop_free) char *before = text_copy(vm->recovery);

    rekey_must(NULL);
    assert_true(vm_disk(vm, "system", &disk, &err) && disk_look(vm, disk, &facts, &err));
    assert_true(home_look(vm, &about, &err));
    assert_string_equal(facts.recovery, about.recovery);
    assert_string_not_equal(about.recovery, before);
    assert_true(notice_read(&world.agent, &notice, &err));
    AUTO(drop_json) json_t *id = notice_id_of(about.recovery);

    assert_string_equal(json_string_value(id), notice->id);
}

static void looking_changes_nothing(void **state)
{
    (void)state;
    make_poured();
    AUTO(drop_free) unsigned char *before = header_bytes("system");
    AUTO(drop_free) char *kek = text_copy(host()->provider.kek);

    fake_death = (struct fake_death){0};
    assert_int_equal(left(), 0);
    assert_int_equal(fake_death.calls, 0);
    AUTO(drop_free) unsigned char *after = header_bytes("system");

    assert_memory_equal(before, after, HEADER_SIZE);
    assert_string_equal(host()->provider.kek, kek);
    assert_int_equal(active_keks("provider"), 1);
}

/* The first host alone has the CA's envelope in a file; every other one reads the datastore's. */
static void a_host_without_the_cas_file_rotates_as_well(void **state)
{
    AUTO(drop_free) char *path = agent_path(&world.agent, "ca.envelope");
    AUTO(drop_secret) struct secret *ca = NULL;
    bool published = false;
    struct err err = {0};

    (void)state;
    make_poured();
    assert_true(ca_publish(&world.agent, &published, &err));
    assert_true(file_remove(path, &err));
    assert_int_equal(left(), 0);
    rekey_must(NULL);
    assert_false(file_exists(path));
    assert_int_equal(left(), 0);
    assert_int_equal(active_keks("provider"), 1);
    world_restart();
    assert_true(ca_open(&world.agent, &ca, &err));
    assert_int_equal(err.kind, ERR_NONE);
}

static void before_a_deploy_there_is_nothing_to_rotate(void **state)
{
    (void)state;
    step_refused("key.make", json_object(), ERR_ABSENT);
    step_refused("key.rewrap", json_object(), ERR_ABSENT);
    step_refused("key.look", json_object(), ERR_ABSENT);
}

/* ---- another host ---- */

static void a_kek_that_does_not_work_here_is_not_taken_for_one_that_does(void **state)
{
    (void)state;
    make_poured();
    step_refused("key.take", kek_param("native:nobody"), ERR_INPUT);
    all_opens();
}

/* ---- a move ---- */

static void a_move_leaves_nothing_of_the_old_provider(void **state)
{
    AUTO(drop_free) char *old = NULL;

    (void)state;
    make_poured();
    old = text_make("%s/provider", world.folder);
    rekey_must("other");
    assert_string_equal(host()->provider.name, "elsewhere");
    assert_string_equal(host()->provider.type, "other");
    assert_null(host()->old.kek);
    assert_false(file_exists(old));
    assert_int_equal(left(), 0);
    assert_int_equal(active_keks("provider.2"), 1);
    world_restart();
    all_opens();
}

static char *folder_of(const char *name)
{
    return text_make("%s/%s", world.folder, name);
}

/* Its KEK is retired, its secrets are half wiped: it opens never again, and need not. */
static void a_provider_that_is_half_wiped_is_wiped_to_the_end(void **state)
{
    AUTO(drop_free) char *old = NULL, *folder = NULL, *gone = NULL, *obstacle = NULL;

    (void)state;
    make_poured();
    rekey_must("other");
    old = text_copy(host()->provider.kek);
    folder = folder_of("provider.2");
    gone = folder_of("provider.2.lost-gone");
    obstacle = folder_of("provider.2/obstacle.secret");
    assert_int_equal(mkdir(obstacle, 0700), 0);
    (void)step_do("key.make", target("native"));
    (void)step_do("key.rewrap", json_object());
    step_refused("key.retire", kek_param(old), ERR_SYSTEM);
    assert_false(file_exists(folder));
    assert_true(file_exists(gone));
    free(obstacle);
    obstacle = folder_of("provider.2.lost-gone/obstacle.secret");
    assert_int_equal(rmdir(obstacle), 0);
    world_restart();
    fake_key_other_away = true;
    assert_true(step_do("key.retire", kek_param(old)));
    assert_false(file_exists(gone));
    all_opens();
}

static void a_move_that_was_given_up_half_is_given_up_to_the_end(void **state)
{
    struct host_provider next = {0}, third = {0};
    AUTO(drop_free) char *folder = NULL, *gone = NULL;
    struct err err = {0};

    (void)state;
    make_poured();
    next = (struct host_provider){.name = text_copy("elsewhere"),
                                  .type = text_copy("other"),
                                  .folder = text_copy("provider.2")};
    third = (struct host_provider){
        .name = text_copy("third"), .type = text_copy("native"), .folder = text_copy("provider.2")};
    folder = folder_of("provider.2");
    gone = folder_of("provider.2.lost-gone");
    assert_int_equal(mkdir(gone, 0700), 0);
    assert_true(rekey_intend(&world.agent, &next, &err));
    fake_key_other_away = true;
    assert_true(rekey_intend(&world.agent, &third, &err));
    assert_string_equal(host()->next.name, "third");
    assert_false(file_exists(gone));
    assert_false(file_exists(folder));
    rekey_must(NULL);
    all_opens();
}

static void there_and_back_again(void **state)
{
    (void)state;
    make_running();
    rekey_must("other");
    AUTO(drop_free) char *there = text_make("%s/provider.2", world.folder);

    rekey_must("native");
    assert_false(file_exists(there));
    assert_int_equal(active_keks("provider"), 1);
    world_power_cut();
    (void)step_do("vm.start", this_vm());
    all_opens();
}

static void a_move_to_where_it_is_changes_nothing(void **state)
{
    (void)state;
    make_poured();
    rekey_must("other");
    AUTO(drop_free) char *kek = text_copy(host()->provider.kek);

    assert_false(step_do("key.make", target("other")));
    assert_string_equal(host()->provider.kek, kek);
}

static void a_provider_that_does_not_answer_is_not_moved_to(void **state)
{
    (void)state;
    make_poured();
    fake_key_other_away = true;
    step_refused("key.make", target("other"), ERR_AWAY);
    assert_null(host()->next_label);
    assert_null(host()->old.kek);
    fake_key_other_away = false;
    rekey_must("other");
    all_opens();
}

static void a_move_half_done_goes_on_when_the_provider_is_back(void **state)
{
    struct err err = {0};

    (void)state;
    make_poured();
    (void)step_do("key.make", target("other"));
    (void)mgr();
    fake_key_other_away = true;
    step_refused("key.rewrap", json_object(), ERR_AWAY);
    all_opens();
    assert_false(rekey("other", &err));
    fake_key_other_away = false;
    rekey_must("other");
    world_restart();
    all_opens();
}

static void a_move_that_is_not_finished_is_neither_rotated_nor_redirected(void **state)
{
    (void)state;
    make_poured();
    (void)step_do("key.make", target("other"));
    step_refused("key.make", json_object(), ERR_CLASH);
    step_refused("key.make",
                 json_pack("{s:{s:s, s:s}}", "provider", "name", "third", "type", "native"),
                 ERR_CLASH);
    rekey_must("other");
}

static void a_rotation_that_is_not_finished_is_not_moved(void **state)
{
    (void)state;
    make_poured();
    (void)step_do("key.make", json_object());
    step_refused("key.make", target("other"), ERR_CLASH);
    rekey_must(NULL);
    rekey_must("other");
}

static void a_deploy_with_the_new_blueprint_finds_all_done(void **state)
{
    json_t *params =
        json_pack("{s:s, s:s, s:s}", "name", "elsewhere", "type", "other", "tpm", "off");

    (void)state;
    make_poured();
    step_refused("provider.open", json_incref(params), ERR_CLASH);
    rekey_must("other");
    assert_false(step_do("provider.open", params));
    step_refused("provider.open", provider_params(), ERR_CLASH);
}

/* ---- killed, and failing, anywhere ---- */

/* A child makes it and dies in change number `at`; true: it died before it was done. */
static bool killed_in(const char *to, unsigned at, bool late)
{
    world_close();
    pid_t child = fork();

    if (child == 0) {
        struct err err = {0};

        world_open();
        fake_death = (struct fake_death){.at = at, .late = late};
        _exit(rekey(to, &err) ? 7 : 8);
    }
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    world_open();
    assert_int_not_equal(WEXITSTATUS(status), 8);
    return WEXITSTATUS(status) == 0;
}

/* `targets`: where the first, third, … one goes, and where the others do. */
static void killed_at_every_change(const char *const targets[2], bool late)
{
    unsigned kills = 0;
    bool killed = true;

    make_poured();
    for (unsigned at = 1; killed; at++) {
        const char *to = targets[(at + 1) % 2];

        killed = killed_in(to, at, late);
        kills += killed;
        all_opens();
        if (killed) {
            rekey_must(to);
        }
        assert_int_equal(left(), 0);
        assert_null(host()->old.kek);
        assert_null(host()->next_label);
        assert_int_equal(active_keks(to && strcmp(to, "other") == 0 ? "provider.2" : "provider"),
                         1);
    }
    /* A proof, the KEK, three headers, the home, the retiring. */
    assert_true(kills >= 8);
}

static void a_rotation_killed_in_any_change_opens_all_and_is_finished(void **state)
{
    static const char *const rotation[] = {NULL, NULL};

    (void)state;
    killed_at_every_change(rotation, true);
}

static void a_move_killed_in_any_change_opens_all_and_is_finished(void **state)
{
    static const char *const there_and_back[] = {"other", "native"};

    (void)state;
    killed_at_every_change(there_and_back, false);
}

static void a_rotation_that_fails_in_any_change_opens_all_and_is_finished(void **state)
{
    bool failed = true;

    (void)state;
    make_running();
    for (unsigned at = 1; failed; at++) {
        struct err err = {0};

        fake_death = (struct fake_death){.at = at, .fail = true};
        failed = !rekey(NULL, &err);
        fake_death = (struct fake_death){0};
        all_opens();
        fake_hv_write("life goes on");
        if (at % 2 == 0) {
            world_restart();
        }
        rekey_must(NULL);
        all_opens();
        assert_int_equal(left(), 0);
        assert_int_equal(active_keks("provider"), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_rotation_changes_the_kek_of_every_envelope_and_retires_the_old),
        IT(a_rotation_leaves_a_running_vm_alone),
        IT(a_rotation_changes_no_byte_of_the_disk),
        IT(a_disk_that_is_not_poured_is_no_obstacle),
        IT(what_is_sealed_in_the_middle_is_under_the_new_kek),
        IT(asked_for_again_in_the_middle_it_is_the_same_rotation),
        IT(yesterdays_header_is_refused_after_a_rotation),
        IT(the_old_kek_is_kept_while_one_header_is_under_it),
        IT(the_old_kek_is_kept_while_another_hosts_vm_is_under_it),
        IT(another_hosts_vm_is_looked_at_as_that_host_left_it),
        IT(the_kek_in_use_is_not_retired),
        IT(a_provider_that_gives_another_key_back_changes_nothing),
        IT(the_envelope_for_the_recovery_key_is_made_anew_with_the_other),
        IT(looking_changes_nothing),
        IT(a_host_without_the_cas_file_rotates_as_well),
        IT(before_a_deploy_there_is_nothing_to_rotate),
        IT(a_kek_that_does_not_work_here_is_not_taken_for_one_that_does),
        IT(a_move_leaves_nothing_of_the_old_provider),
        IT(a_provider_that_is_half_wiped_is_wiped_to_the_end),
        IT(a_move_that_was_given_up_half_is_given_up_to_the_end),
        IT(there_and_back_again),
        IT(a_move_to_where_it_is_changes_nothing),
        IT(a_provider_that_does_not_answer_is_not_moved_to),
        IT(a_move_half_done_goes_on_when_the_provider_is_back),
        IT(a_move_that_is_not_finished_is_neither_rotated_nor_redirected),
        IT(a_rotation_that_is_not_finished_is_not_moved),
        IT(a_deploy_with_the_new_blueprint_finds_all_done),
        IT(a_rotation_killed_in_any_change_opens_all_and_is_finished),
        IT(a_move_killed_in_any_change_opens_all_and_is_finished),
        IT(a_rotation_that_fails_in_any_change_opens_all_and_is_finished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
