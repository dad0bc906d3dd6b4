/* SPDX-License-Identifier: Apache-2.0 */
/* key.recover: the way back when the key provider is gone for good. */
#include "world.h"

#include "agent/ca.h"
#include "agent/home.h"
#include "agent/notice.h"
#include "agent/recover.h"
#include "agent/rewrap.h"
#include "base/secret_open.h"
#include "key/native.h"

static struct secret *kept; /* what the user has */

static struct secret *password(void)
{
    static const char text[] = "correct horse battery staple";
    struct secret *secret = NULL;
    struct err err = {0};

    assert_true(secret_new(strlen(text), &secret, &err));
    memcpy(secret_bytes(secret), text, strlen(text));
    return secret;
}

/* "PASSWORD\nFILE", as the user's program sends it. */
static struct secret *file_for_the_user(void)
{
    AUTO(drop_secret) struct secret *word = password();
    AUTO(drop_free) char *file = NULL;
    struct secret *body = NULL;
    size_t n = secret_size(word);
    struct err err = {0};

    assert_true(notice_give(&world.agent, word, &file, &err));
    assert_true(secret_new(n + 1 + strlen(file), &body, &err));
    memcpy(secret_bytes(body), secret_look(word), n);
    secret_bytes(body)[n] = '\n';
    memcpy(secret_bytes(body) + n + 1, file, strlen(file));
    assert_true(notice_fetched(&world.agent, body, &err));
    return body;
}

static int begin(void **state)
{
    if (world_begin(state) != 0) {
        return -1;
    }
    make_store();
    (void)step_do("recovery.make", json_object());
    make_poured();
    kept = file_for_the_user();
    return 0;
}

static int end(void **state)
{
    secret_free(TAKE(kept));
    return world_end(state);
}

/* The host's keys are gone, and the agent begins anew. */
static void lose_provider(void)
{
    AUTO(drop_free) char *folder = text_copy(world.agent.provider.folder);
    struct err err = {0};

    assert_true(native_destroy(folder, &err));
    world_restart();
}

static bool bring(struct err *err)
{
    bool recovery = false;

    return recover_keys(&world.agent, kept, &recovery, err) && recovery;
}

static void recover(void)
{
    struct err err = {0};

    if (!bring(&err)) {
        fail_msg("%s", err.what);
    }
    (void)step_do("key.recover", provider_params());
}

static bool all_opens(void)
{
    AUTO(drop_json) json_t *look = NULL;
    AUTO(drop_secret) struct secret *ca = NULL;
    size_t left = 0;
    struct err err = {0};

    world_restart();
    if (!rewrap_look(&world.agent, true, NULL, &look, &left, &err) ||
        !ca_open(&world.agent, &ca, &err)) {
        print_message("%s\n", err.what);
        return false;
    }
    return left == 0;
}

static void the_recovery_key_opens_everything_after_the_provider_is_gone(void **state)
{
    struct err err = {0};

    (void)state;
    lose_provider();
    assert_false(vm_list_load(&world.agent, &err) && vm_open(vm_here("mgr"), &err));
    recover();
    assert_true(all_opens());
    assert_true(vm_open(vm_here("mgr"), &err));
}

/* A move was begun, half of it made or nothing, and where it leads to is gone for good: neither a
 * rotation nor another move gets past that, and the first provider is there still. */
static void a_move_to_what_is_gone_for_good_is_ended_by_the_recovery_key(void **state)
{
    struct err err = {0};

    (void)state;
    for (int rewrapped = 0; rewrapped < 2; rewrapped++) {
        (void)step_do("key.make", json_pack("{s:{s:s, s:s, s:s}}", "provider", "name", "elsewhere",
                                            "type", "other", "tpm", "off"));
        if (rewrapped) {
            (void)step_do("key.rewrap", json_object());
        }
        world_restart();
        fake_key_other_away = true;
        step_refused("key.make", json_object(), ERR_CLASH);
        recover();
        assert_string_equal(world.agent.host.provider.type, "native");
        assert_null(world.agent.host.old.kek);
        assert_true(all_opens());
        assert_true(vm_open(vm_here("mgr"), &err));
        fake_key_other_away = false;
    }
}

static void it_is_for_the_same_recovery_key_afterwards(void **state)
{
    bool holds = false;
    struct err err = {0};

    (void)state;
    lose_provider();
    recover();
    assert_true(notice_holds(&world.agent, vm_here("mgr")->recovery, &holds, &err));
    assert_true(holds);
}

static void a_second_time_finds_all_done(void **state)
{
    struct err err = {0};

    (void)state;
    lose_provider();
    recover();
    assert_true(bring(&err));
    assert_false(step_do("key.recover", provider_params()));
    assert_true(all_opens());
}

static void a_provider_that_works_stays_as_it_is(void **state)
{
    AUTO(drop_free) char *kek = text_copy(world.agent.host.provider.kek);
    struct err err = {0};

    (void)state;
    assert_true(bring(&err));
    assert_false(step_do("key.recover", provider_params()));
    assert_string_equal(world.agent.host.provider.kek, kek);
}

static void an_interrupted_one_is_finished_by_the_next(void **state)
{
    struct err err = {0};

    (void)state;
    lose_provider();
    assert_true(bring(&err));
    fake_store.full = true;
    AUTO(drop_outcome) struct outcome first = step_try("key.recover", provider_params());

    assert_false(first.made);
    fake_store.full = false;
    world_restart();
    recover();
    assert_true(all_opens());
}

static void without_the_key_there_is_no_way(void **state)
{
    (void)state;
    lose_provider();
    step_refused("key.recover", provider_params(), ERR_ABSENT);
}

static void a_file_of_an_older_recovery_key_is_a_clash_that_names_both(void **state)
{
    AUTO(drop_secret) struct secret *newer = file_for_the_user();
    bool recovery = false;
    struct err err = {0};

    (void)state;
    assert_true(step_do("recovery.follow", json_object()));
    assert_false(recover_keys(&world.agent, kept, &recovery, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_true(recover_keys(&world.agent, newer, &recovery, &err));
}

/* Its host was away when the recovery key was renewed. */
static void a_file_of_an_older_recovery_key_is_taken_while_a_vm_needs_it(void **state)
{
    AUTO(drop_secret) struct secret *newer = NULL;
    bool recovery = false;
    struct err err = {0};

    (void)state;
    newer = file_for_the_user();
    assert_true(recover_keys(&world.agent, kept, &recovery, &err));
    assert_true(recovery);
    assert_int_equal(err.kind, ERR_NONE);
    assert_true(step_do("recovery.follow", json_object()));
    assert_false(recover_keys(&world.agent, kept, &recovery, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_true(recover_keys(&world.agent, newer, &recovery, &err));
}

static void a_wrong_password_is_denied(void **state)
{
    bool recovery = false;
    struct err err = {0};

    (void)state;
    secret_bytes(kept)[0] ^= 1;
    assert_false(recover_keys(&world.agent, kept, &recovery, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

/* T2 e: the TPM opens nothing any more, and the host's own key is lost with it. */
static void a_lost_host_key_is_made_anew(void **state)
{
    AUTO(drop_free) char *sealed = agent_path(&world.agent, "tls.key");
    struct err err = {0};

    (void)state;
    lose_provider();
    assert_true(hostseal_remove(sealed, &err));
    recover();
    assert_true(file_exists(sealed));
    assert_true(all_opens());
}

static void envelopes_follow_a_renewed_key_while_the_vm_stays_open(void **state)
{
    AUTO(drop_secret) struct secret *newer = NULL;
    bool recovery = false;
    struct err err = {0};

    (void)state;
    newer = file_for_the_user();
    assert_true(step_do("recovery.follow", json_object()));
    assert_false(step_do("recovery.follow", json_object()));
    assert_true(all_opens());
    lose_provider();
    assert_true(recover_keys(&world.agent, newer, &recovery, &err));
    assert_true(step_do("key.recover", provider_params()));
    assert_true(all_opens());
}

/* The same key wrapped anew at this generation, and stored. */
static void wrap_elsewhere(struct vm *vm, int64_t generation)
{
    struct err err = {0};

    free(TAKE(vm->envelope));
    free(TAKE(vm->recovery));
    if (!home_wrap(vm, generation, &vm->envelope, &err) ||
        !home_wrap_recovery(vm, generation, &vm->recovery, &err) || !vm_save(vm, &err)) {
        fail_msg("%s", err.what);
    }
}

/* Who writes to the datastore puts a home of his own there, wrapped for the recovery key's public
 * half, which everybody may know. */
static void a_home_that_somebody_else_made_is_denied(void **state)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct vm *vm = vm_here("mgr");
    const struct envelope_about about = {.vm = vm->uuid, .purpose = "vm", .generation = 1};
    struct err err = {0};

    (void)state;
    assert_true(vm_open(vm, &err));
    assert_true(notice_read(&world.agent, &notice, &err));
    secret_free(TAKE(vm->key));
    assert_true(secret_random(32, &vm->key, &err));
    assert_true(recovery_wrap(notice, &about, vm->key, &envelope, &err));
    free(vm->recovery);
    vm->recovery = text_copy(envelope_text(envelope));
    assert_true(vm_save(vm, &err));
    lose_provider();
    assert_true(bring(&err));
    step_refused("key.recover", provider_params(), ERR_DENIED);
    assert_null(vm_here("mgr")->key);
    assert_null(world.agent.recovery_key);
}

/* As key recover on one host does with a VM that runs on another. */
static void an_envelope_that_another_host_made_anew_is_not_undone(void **state)
{
    AUTO(drop_chest_about) struct chest_about about = {0};
    struct vm *vm, *elsewhere;
    struct err err = {0};

    (void)state;
    vm = vm_here("mgr");
    elsewhere = vm_elsewhere();
    wrap_elsewhere(elsewhere, 2);
    assert_string_not_equal(vm->envelope, elsewhere->envelope);
    assert_true(vm_save(vm, &err));
    assert_true(home_look(vm, &about, &err));
    assert_string_equal(about.envelope, elsewhere->envelope);
    assert_string_equal(about.recovery, elsewhere->recovery);
    assert_string_equal(vm->envelope, elsewhere->envelope);
    vm_list_free(elsewhere);
}

static void an_envelope_newer_than_another_hosts_is_stored(void **state)
{
    AUTO(drop_chest_about) struct chest_about about = {0};
    AUTO(drop_free) char *newer = NULL;
    struct vm *vm, *elsewhere;
    struct err err = {0};

    (void)state;
    vm = vm_here("mgr");
    elsewhere = vm_elsewhere();
    wrap_elsewhere(elsewhere, 2);
    vm_list_free(elsewhere);
    assert_true(home_wrap(vm, 3, &newer, &err));
    free(vm->envelope);
    vm->envelope = text_copy(newer);
    assert_true(vm_save(vm, &err));
    assert_true(home_look(vm, &about, &err));
    assert_string_equal(about.envelope, newer);
}

static void what_was_put_aside_is_wiped_with_the_rest(void **state)
{
    AUTO(drop_free) char *aside = NULL;
    struct err err = {0};

    (void)state;
    aside = text_make("%s.lost-1", world.agent.provider.folder);
    assert_true(rename(world.agent.provider.folder, aside) == 0);
    assert_true(recover_forget(&world.agent, &err));
    assert_false(file_exists(aside));
}

/* The user has the file, but the host never heard that he has. */
static void a_private_half_under_a_lost_kek_does_not_stand_in_the_way_of_a_new_one(void **state)
{
    AUTO(drop_secret) struct secret *word = password();
    AUTO(drop_free) char *first = NULL, *second = NULL;
    struct err err = {0};

    (void)state;
    assert_true(notice_give(&world.agent, word, &first, &err));
    lose_provider();
    assert_false(notice_give(&world.agent, word, &second, &err));
    recover();
    assert_true(notice_give(&world.agent, word, &second, &err));
    assert_true(all_opens());
}

static json_t *elsewhere(void)
{
    return json_pack("{s:s, s:s, s:s}", "name", "elsewhere", "type", "other", "tpm", "off");
}

/* A key server whose operator locked this host out has not lost its keys. */
static void a_server_that_denies_is_left_as_it_is(void **state)
{
    AUTO(drop_free) char *kek = NULL, *old = text_copy(world.agent.host.provider.kek);
    AUTO(drop_json) json_t *target = json_pack("{s:o}", "provider", elsewhere());
    struct err err = {0};

    (void)state;
    (void)step_do("key.make", json_incref(target));
    (void)step_do("key.rewrap", json_object());
    (void)step_do("key.retire", json_pack("{s:s}", "kek", old));
    kek = text_copy(world.agent.host.provider.kek);
    world_restart();
    assert_true(bring(&err));
    fake_key_denies = true;
    step_refused("key.recover", elsewhere(), ERR_DENIED);
    fake_key_denies = false;
    assert_string_equal(world.agent.host.provider.kek, kek);
    assert_true(all_opens());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_recovery_key_opens_everything_after_the_provider_is_gone),
        TEST(a_move_to_what_is_gone_for_good_is_ended_by_the_recovery_key),
        TEST(it_is_for_the_same_recovery_key_afterwards),
        TEST(a_home_that_somebody_else_made_is_denied),
        TEST(a_second_time_finds_all_done),
        TEST(a_provider_that_works_stays_as_it_is),
        TEST(an_interrupted_one_is_finished_by_the_next),
        TEST(without_the_key_there_is_no_way),
        TEST(a_file_of_an_older_recovery_key_is_a_clash_that_names_both),
        TEST(a_file_of_an_older_recovery_key_is_taken_while_a_vm_needs_it),
        TEST(a_wrong_password_is_denied),
        TEST(a_lost_host_key_is_made_anew),
        TEST(envelopes_follow_a_renewed_key_while_the_vm_stays_open),
        TEST(an_envelope_that_another_host_made_anew_is_not_undone),
        TEST(an_envelope_newer_than_another_hosts_is_stored),
        TEST(what_was_put_aside_is_wiped_with_the_rest),
        TEST(a_server_that_denies_is_left_as_it_is),
        TEST(a_private_half_under_a_lost_kek_does_not_stand_in_the_way_of_a_new_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
