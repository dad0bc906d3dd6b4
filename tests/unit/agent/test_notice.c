/* SPDX-License-Identifier: Apache-2.0 */
/* agent/notice.h: the recovery key from its making until the user alone has it. */
#include "world.h"

#include "agent/ca.h"
#include "agent/home.h"
#include "agent/notice.h"
#include "agent/rewrap.h"
#include "base/secret_open.h"
#include "key/ecjwk.h"
#include "wire/certificate.h"

static char *last_file;

static const struct envelope_about of_vm = {.cluster = CLUSTER, .purpose = "vm"};

static void make_recovery(void)
{
    make_store();
    assert_true(step_do("recovery.make", json_object()));
}

static struct secret *password(void)
{
    static const char text[] = "correct horse battery staple";
    struct secret *secret = NULL;
    struct err err = {0};

    assert_true(secret_new(strlen(text), &secret, &err));
    memcpy(secret_bytes(secret), text, strlen(text));
    return secret;
}

static struct recovery *read_notice(void)
{
    struct recovery *notice = NULL;
    struct err err = {0};

    if (!notice_read(&world.agent, &notice, &err)) {
        fail_msg("%s", err.what);
    }
    return notice;
}

/* "PASSWORD\nFILE" of what was given out last: as the user's program sends it. */
static struct secret *on_the_users_disk(const char *file)
{
    AUTO(drop_secret) struct secret *word = password();
    struct secret *body = NULL;
    size_t n = secret_size(word);

    assert_true(secret_new(n + 1 + strlen(file), &body, &(struct err){0}));
    memcpy(secret_bytes(body), secret_look(word), n);
    secret_bytes(body)[n] = '\n';
    memcpy(secret_bytes(body) + n + 1, file, strlen(file));
    return body;
}

/* The file for the user, opened again; it stays in `last_file`. */
static struct secret *fetched_key(char id[RECOVERY_ID_SIZE])
{
    AUTO(drop_secret) struct secret *word = password();
    struct secret *key = NULL;
    struct err err = {0};

    free(TAKE(last_file));
    assert_true(notice_give(&world.agent, word, &last_file, &err));
    assert_true(recovery_file_open(last_file, strlen(last_file), CLUSTER, word, &key, id, &err));
    return key;
}

static bool tell_fetched(const char *file, struct err *err)
{
    AUTO(drop_secret) struct secret *body = on_the_users_disk(file);

    return notice_fetched(&world.agent, body, err);
}

static bool is_held(void)
{
    AUTO(drop_free) char *path = agent_path(&world.agent, "recovery.envelope");

    return file_exists(path);
}

static void a_recovery_key_is_made_once(void **state)
{
    (void)state;
    make_recovery();
    AUTO(drop_recovery) struct recovery *first = read_notice();

    assert_false(step_do("recovery.make", json_object()));
    world_restart();
    AUTO(drop_recovery) struct recovery *second = read_notice();

    assert_string_equal(first->id, second->id);
    assert_string_equal(second->fetched, "");
    assert_true(is_held());
}

static void a_vm_is_sealed_for_it_and_opens_by_it(void **state)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_secret) struct secret *key = NULL, *opened = NULL;
    struct envelope_about expected = of_vm;
    char id[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    make_recovery();
    assert_true(step_do("vm.seal", vm_params("mgr")));
    struct vm *vm = vm_here("mgr");

    key = fetched_key(id);
    expected.vm = vm->uuid;
    assert_true(recovery_envelope(vm->recovery, NULL, &envelope, &err));
    assert_true(recovery_unwrap(key, envelope, &expected, &opened, &err));
    assert_true(secret_equal(opened, vm->key));
}

/* Whoever writes to the datastore takes the object away, and the copy here is lost. */
static void where_one_is_required_nothing_is_wrapped_without_it(void **state)
{
    AUTO(drop_free) char *object = fake_store_object(NOTICE_OBJECT);
    json_t *params = provider_params();
    bool holds = false;
    struct err err = {0};

    (void)state;
    make_recovery();
    json_object_set_new(params, "recovery", json_string("required"));
    (void)step_do("provider.open", params);
    (void)step_do("vm.seal", vm_params("mgr"));
    assert_true(file_remove(object, &err));
    assert_true(notice_forget(&world.agent, &err));
    world_restart();
    step_refused("vm.seal", vm_params("other"), ERR_ABSENT);
    (void)step_do("key.make", json_object());
    step_refused("key.rewrap", json_object(), ERR_ABSENT);
    assert_true(vm_open(vm_here("mgr"), &err));
    assert_non_null(vm_here("mgr")->recovery);
    assert_false(notice_holds(&world.agent, vm_here("mgr")->recovery, &holds, &err));
    assert_non_null(strstr(err.what, "a recovery key is required"));
    /* A deploy makes another one. */
    (void)step_do("recovery.make", json_object());
    (void)step_do("key.rewrap", json_object());
}

static void what_the_ca_did_not_sign_is_made_anew(void **state)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct envelope_about about = of_vm;
    bool holds = true, changed = false;
    struct err err = {0};

    (void)state;
    make_recovery();
    (void)step_do("vm.seal", vm_params("mgr"));
    struct vm *vm = vm_here("mgr");

    about.vm = vm->uuid;
    about.generation = 1;
    assert_true(notice_read(&world.agent, &notice, &err));
    assert_true(recovery_wrap(notice, &about, vm->key, &envelope, &err));
    free(vm->recovery);
    vm->recovery = text_copy(envelope_text(envelope));
    assert_true(vm_save(vm, &err));
    assert_true(notice_holds(&world.agent, vm->recovery, &holds, &err));
    assert_false(holds);
    assert_true(rewrap_vm(vm, &changed, &err));
    assert_true(changed);
    assert_true(notice_holds(&world.agent, vm->recovery, &holds, &err));
    assert_true(holds);
}

static void without_one_a_vm_has_one_envelope(void **state)
{
    (void)state;
    make_vm();
    assert_null(vm_here("mgr")->recovery);
    AUTO(drop_json) json_t *look = notice_look(world.folder);

    assert_string_equal(json_string_or(look, "state", ""), "none");
}

static void the_cas_key_opens_by_it(void **state)
{
    const struct envelope_about expected = {.cluster = CLUSTER, .vm = CLUSTER, .purpose = "ca"};
    AUTO(drop_secret) struct secret *key = NULL, *ca = NULL, *opened = NULL;
    char id[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    make_recovery();
    AUTO(drop_recovery) struct recovery *notice = read_notice();

    key = fetched_key(id);
    assert_true(recovery_unwrap(key, notice->ca, &expected, &opened, &err));
    assert_true(ca_open(&world.agent, &ca, &err));
    assert_true(secret_equal(opened, ca));
}

static void it_is_given_as_often_as_asked_until_it_was_fetched_and_then_it_is_gone(void **state)
{
    AUTO(drop_secret) struct secret *one = NULL, *two = NULL;
    char first[RECOVERY_ID_SIZE], second[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    make_recovery();
    one = fetched_key(first);
    world_restart();
    two = fetched_key(second);
    assert_true(secret_equal(one, two));
    assert_true(tell_fetched(last_file, &err));
    assert_false(is_held());
    assert_true(tell_fetched(last_file, &err)); /* the answer was lost */
    AUTO(drop_recovery) struct recovery *notice = read_notice();

    assert_string_equal(notice->id, first);
    assert_string_not_equal(notice->fetched, "");
    AUTO(drop_json) json_t *look = notice_look(world.folder);

    assert_string_equal(json_string_or(look, "state", ""), "fetched");
}

static void a_new_one_counts_only_once_it_was_fetched(void **state)
{
    AUTO(drop_secret) struct secret *one = NULL, *two = NULL;
    char first[RECOVERY_ID_SIZE], second[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    make_recovery();
    one = fetched_key(first);
    assert_true(tell_fetched(last_file, &err));
    two = fetched_key(second);
    assert_string_not_equal(first, second);
    AUTO(drop_recovery) struct recovery *before = read_notice();

    assert_string_equal(before->id, first);
    assert_true(tell_fetched(last_file, &err));
    AUTO(drop_recovery) struct recovery *after = read_notice();

    assert_string_equal(after->id, second);
    assert_true(after->serial > before->serial);
    assert_false(is_held());
}

static void without_a_recovery_key_none_is_given(void **state)
{
    AUTO(drop_secret) struct secret *word = password();
    char *file = NULL;
    struct err err = {0};

    (void)state;
    make_store();
    assert_false(notice_give(&world.agent, word, &file, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_false(tell_fetched("{}", &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

/* What the user's disk made of it, and a file that was given out before. */
static void what_does_not_open_on_the_users_disk_is_not_wiped_here(void **state)
{
    AUTO(drop_secret) struct secret *one = NULL, *two = NULL;
    AUTO(drop_free) char *first = NULL;
    char id[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    make_recovery();
    one = fetched_key(id);
    first = text_copy(last_file);
    for (size_t cut = 0; cut < strlen(first); cut += 41) {
        AUTO(drop_free) char *torn = text_make("%.*s", (int)cut, first);

        assert_false(tell_fetched(torn, &err));
        assert_true(is_held());
    }
    for (size_t at = strlen(first) / 2; at < strlen(first); at += 97) {
        AUTO(drop_free) char *changed = text_copy(first);

        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        assert_false(tell_fetched(changed, &err));
        assert_true(is_held());
    }
    AUTO(drop_recovery) struct recovery *notice = read_notice();

    assert_string_equal(notice->fetched, "");
    assert_true(tell_fetched(first, &err));
    assert_false(is_held());
    /* A new one is given out: the older file opens, and is not it. */
    two = fetched_key(id);
    assert_false(tell_fetched(first, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_true(is_held());
    assert_true(tell_fetched(last_file, &err));
    assert_false(is_held());
    /* The answer was lost, and another file is told of: it is not the one. */
    assert_false(tell_fetched(first, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void write_object(const char *text)
{
    AUTO(drop_free) char *path = fake_store_object(NOTICE_OBJECT);
    struct err err = {0};

    assert_true(file_write(path, text, strlen(text), 0644, &err));
}

static char *read_object(void)
{
    AUTO(drop_free) char *path = fake_store_object(NOTICE_OBJECT);
    char *text = NULL;
    struct err err = {0};

    assert_true(file_read(path, RECOVERY_MAX_TEXT, &text, NULL, &err));
    return text;
}

/* Who owns the storage would have every new key wrapped for himself. */
static void another_key_put_in_its_place_is_denied(void **state)
{
    AUTO(drop_secret) struct secret *ca_key = NULL, *key = NULL;
    AUTO(drop_free) char *ca = NULL, *forged = NULL;
    struct recovery theirs = {.cluster = CLUSTER, .serial = 99, .made = "2026-11-25T23:00:00Z"};
    const struct envelope_about about = {.vm = CLUSTER, .purpose = "ca", .generation = 1};
    struct recovery *notice = NULL;
    struct err err = {0};

    (void)state;
    make_recovery();
    assert_true(certificate_authority_make("CA", 30, &ca_key, &ca, &err));
    assert_true(recovery_key_make(&key, theirs.id, &err));
    assert_true(ecjwk_public(key, &theirs.public_key, &err));
    assert_true(recovery_wrap(&theirs, &about, ca_key, &theirs.ca, &err));
    assert_true(recovery_write(&theirs, ca_key, &forged, &err));
    write_object(forged);
    assert_false(notice_read(&world.agent, &notice, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    step_refused("vm.seal", vm_params("mgr"), ERR_DENIED);
    free(theirs.public_key);
    envelope_free(theirs.ca);
}

static void an_older_notice_or_none_is_put_right_by_who_knows_better(void **state)
{
    AUTO(drop_secret) struct secret *one = NULL;
    AUTO(drop_free) char *path = fake_store_object(NOTICE_OBJECT);
    char first[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    make_recovery();
    AUTO(drop_free) char *older = read_object();

    one = fetched_key(first);
    assert_true(tell_fetched(last_file, &err));
    AUTO(drop_free) char *newer = read_object();

    write_object(older);
    AUTO(drop_recovery) struct recovery *back = read_notice();
    AUTO(drop_free) char *now = read_object();

    assert_string_not_equal(back->fetched, "");
    assert_string_equal(now, newer);
    assert_true(file_remove(path, &err));
    AUTO(drop_recovery) struct recovery *again = read_notice();
    AUTO(drop_free) char *there = read_object();

    assert_int_equal(again->serial, back->serial);
    assert_string_equal(there, newer);
}

static void killed_between_its_making_and_its_notice_it_is_the_same_key(void **state)
{
    AUTO(drop_free) char *object = NULL, *copy = NULL;
    AUTO(drop_secret) struct secret *one = NULL;
    char first[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    make_recovery();
    object = fake_store_object(NOTICE_OBJECT);
    copy = agent_path(&world.agent, "recovery.json");
    one = fetched_key(first);
    assert_true(file_remove(object, &err) && file_remove(copy, &err));
    world_restart();
    assert_true(step_do("recovery.make", json_object()));
    AUTO(drop_recovery) struct recovery *notice = read_notice();

    assert_string_equal(notice->id, first);
}

static void nothing_of_it_is_left_on_a_host_that_leaves(void **state)
{
    AUTO(drop_free) char *copy = NULL;
    struct err err = {0};

    (void)state;
    make_recovery();
    copy = agent_path(&world.agent, "recovery.json");
    assert_true(file_exists(copy));
    assert_true(notice_forget(&world.agent, &err));
    assert_false(file_exists(copy));
    assert_false(is_held());
}

static char *read_private_text(void)
{
    char *text = NULL;
    struct err err = {0};

    assert_true(notice_private_read(&world.agent, &text, &err));
    return text;
}

/* A stolen host, or one that has no TPM: its disk alone says nothing. */
static void on_the_hosts_disk_it_rests_wrapped_by_the_kek_alone(void **state)
{
    AUTO(drop_secret) struct secret *word = password();
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    char *file = NULL;
    struct err err = {0};

    (void)state;
    make_recovery();
    AUTO(drop_free) char *text = read_private_text();

    assert_true(envelope_read(text, strlen(text), &envelope, &err));
    assert_string_equal(envelope_about(envelope)->kek_id, world.agent.host.provider.kek);
    assert_string_equal(envelope_about(envelope)->purpose, "recovery");
    world_restart();
    fake_key_away = true;
    assert_false(notice_give(&world.agent, word, &file, &err));
    assert_int_equal(err.kind, ERR_AWAY);
}

static void rekey_to(json_t *params, bool retire)
{
    AUTO(drop_free) char *old = text_copy(world.agent.host.provider.kek);

    (void)step_do("key.make", params);
    assert_true(step_do("key.rewrap", json_object()));
    if (retire) {
        assert_true(step_do("key.retire", json_pack("{s:s}", "kek", old)));
    }
    world_restart();
}

static void a_rotation_and_a_move_keep_the_one_that_was_not_fetched(void **state)
{
    AUTO(drop_secret) struct secret *one = NULL, *two = NULL, *three = NULL;
    char id[RECOVERY_ID_SIZE];

    (void)state;
    make_recovery();
    one = fetched_key(id);
    rekey_to(json_object(), true);
    two = fetched_key(id);
    assert_true(secret_equal(one, two));
    rekey_to(json_pack("{s:{s:s, s:s, s:s}}", "provider", "name", "elsewhere", "type", "other",
                       "tpm", "off"),
             true);
    three = fetched_key(id);
    assert_true(secret_equal(one, three));
}

static void the_old_kek_stays_while_the_one_that_was_not_fetched_is_under_it(void **state)
{
    AUTO(drop_free) char *before = NULL, *old = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    char id[RECOVERY_ID_SIZE];
    struct err err = {0};

    (void)state;
    make_recovery();
    before = read_private_text();
    old = text_copy(world.agent.host.provider.kek);
    rekey_to(json_object(), false);
    assert_true(notice_private_write(&world.agent, before, &err));
    step_refused("key.retire", json_pack("{s:s}", "kek", old), ERR_CLASH);
    key = fetched_key(id);
    assert_true(step_do("key.rewrap", json_object()));
    assert_true(step_do("key.retire", json_pack("{s:s}", "kek", old)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)
    const struct CMUnitTest tests[] = {
        TEST(a_recovery_key_is_made_once),
        TEST(a_vm_is_sealed_for_it_and_opens_by_it),
        TEST(where_one_is_required_nothing_is_wrapped_without_it),
        TEST(what_the_ca_did_not_sign_is_made_anew),
        TEST(without_one_a_vm_has_one_envelope),
        TEST(the_cas_key_opens_by_it),
        TEST(it_is_given_as_often_as_asked_until_it_was_fetched_and_then_it_is_gone),
        TEST(a_new_one_counts_only_once_it_was_fetched),
        TEST(without_a_recovery_key_none_is_given),
        TEST(what_does_not_open_on_the_users_disk_is_not_wiped_here),
        TEST(another_key_put_in_its_place_is_denied),
        TEST(an_older_notice_or_none_is_put_right_by_who_knows_better),
        TEST(killed_between_its_making_and_its_notice_it_is_the_same_key),
        TEST(nothing_of_it_is_left_on_a_host_that_leaves),
        TEST(on_the_hosts_disk_it_rests_wrapped_by_the_kek_alone),
        TEST(a_rotation_and_a_move_keep_the_one_that_was_not_fetched),
        TEST(the_old_kek_stays_while_the_one_that_was_not_fetched_is_under_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
