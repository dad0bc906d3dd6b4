/* SPDX-License-Identifier: Apache-2.0 */
/* agent/rotate.h: what the manager may have hosts do with their keys, how often, and no more. Here
 * the test is the manager, honest or not; h1 has the VM "mgr", h2 is the other host. */
#include <string.h>

#include "rotating.h"

#include "agent/ca.h"
#include "agent/enrol.h"
#include "agent/home.h"
#include "agent/maker.h"
#include "agent/rewrap.h"
#include "key/jwks.h"
#include "key/parcel.h"

static json_int_t left(struct agent *agent)
{
    AUTO(drop_outcome)
    struct outcome look = agent == &second ? second_try("key.look", json_pack("{s:b}", "prove", 1))
                                           : step_try("key.look", json_pack("{s:b}", "prove", 1));

    if (!look.made) {
        fail_msg("%s", look.err.what);
    }
    return json_integer_value(json_object_get(look.result, "left"));
}

static void all_is_under(const char *other_than)
{
    const struct host *first = &world.agent.host, *other = &second.host;

    assert_string_not_equal(first->provider.kek, other_than);
    assert_string_equal(first->provider.kek, other->provider.kek);
    assert_null(first->old.kek);
    assert_null(other->old.kek);
    assert_int_equal(left(&world.agent) + left(&second), 0);
}

/* ---- two hosts ---- */

static int begin(void **state)
{
    if (second_begin(state) != 0) {
        return -1;
    }
    second_joins();
    (void)step_do("vm.seal", vm_params("mgr"));
    AUTO(drop_outcome) struct outcome poured = pour_try(HARM_NONE);

    assert_true(poured.made);
    (void)step_do("disk.blank", this_disk("data"));
    (void)step_do("disk.identity", this_vm());
    (void)step_do("vm.start", this_vm());
    an_hour_passed();
    return 0;
}

static int end(void **state)
{
    forget();
    return second_end(state);
}

#define TWO(test) cmocka_unit_test_setup_teardown(test, begin, end)

static void the_manager_has_the_keys_of_all_hosts_rotated_while_the_machine_runs(void **state)
{
    (void)state;
    AUTO(drop_free) char *before = text_copy(world.agent.host.provider.kek);

    rotate_must();
    all_is_under(before);
    assert_int_equal(fake_hv.starts, 1);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    world_restart();
    all_is_under(before);
}

/* h1's agent is killed after each step of it, and the manager forgets what it was told. */
static void stopped_after_any_step_it_goes_on_from_the_first(void **state)
{
    (void)state;
    for (unsigned stop = 1; stop < STEPS; stop++) {
        AUTO(drop_free) char *before = text_copy(world.agent.host.provider.kek);

        an_hour_passed();
        steps_until(stop);
        forget();
        world_restart();
        assert_int_equal(vm_open(vm_here("mgr"), &(struct err){0}), true);
        if (stop == 8) {
            /* h2 has retired it: h1 still must. */
            assert_null(second.host.old.kek);
        }
        an_hour_passed();
        if (stop == 1) {
            rotate_must(); /* nothing was begun: it begins */
        } else {
            AUTO(drop_free) char *made = text_copy(world.agent.host.provider.kek);

            rotate_must();
            assert_string_equal(world.agent.host.provider.kek, made);
        }
        all_is_under(before);
    }
}

/* Either side goes on with what the other began. */
static void the_deployment_unit_and_the_manager_finish_each_others_rotation(void **state)
{
    (void)state;
    AUTO(drop_free) char *first = text_copy(world.agent.host.provider.kek);

    (void)step_do("key.make", json_object());
    AUTO(drop_free) char *next = text_copy(world.agent.host.provider.kek);

    made_ago(&world.agent, 1); /* what is open may be finished at once */
    rotate_must();
    assert_string_equal(world.agent.host.provider.kek, next);
    all_is_under(first);

    an_hour_passed();
    steps_until(4);
    AUTO(drop_json) json_t *params = json_pack("{s:s}", "kek", told.old);

    forget();
    (void)step_do("key.make", json_object());
    (void)step_do("key.rewrap", json_object());
    second_did("key.rewrap", json_object());
    (void)step_do("key.retire", json_incref(params));
    second_did("key.retire", json_incref(params));
    all_is_under(next);
}

static void the_manager_may_ask_once_an_hour_and_root_at_any_time(void **state)
{
    (void)state;
    rotate_must();
    AUTO(drop_free) char *kek = text_copy(world.agent.host.provider.kek);

    a_minute_passed();
    phase_refused(&world.agent, "make", make_params(), ERR_DENIED, "once an hour");
    /* Nor by way of another host. */
    phase_refused(&second, "make", make_params(), ERR_DENIED, "once an hour");
    /* Nor after a restart, nor with the clock set forth: each clock alone holds it back. */
    world_restart();
    phase_refused(&world.agent, "make", make_params(), ERR_DENIED, "once an hour");
    a_minute_passed();
    int64_t due = second.rotate_new;

    made_ago(&second, ROTATE_SECONDS + 1);
    second.rotate_new = due;
    phase_refused(&second, "make", make_params(), ERR_DENIED, "once an hour");
    assert_string_equal(world.agent.host.provider.kek, kek);
    (void)step_do("key.make", json_object());
    assert_string_not_equal(world.agent.host.provider.kek, kek);
}

static void a_phase_is_asked_for_once_a_minute(void **state)
{
    static const char *const names[] = {"look", "make", "verify"};

    (void)state;
    json_decref(phase_does(&world.agent, "make", make_params()));
    a_minute_passed();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(drop_outcome)
        struct outcome first = phase_try(
            &world.agent, names[i], strcmp(names[i], "make") == 0 ? make_params() : json_object());

        assert_true(first.made || strcmp(names[i], "verify") == 0);

        phase_refused(&world.agent, names[i],
                      strcmp(names[i], "make") == 0 ? make_params() : json_object(), ERR_DENIED,
                      "less than a minute ago");
    }
}

static void without_a_datastore_that_answers_nothing_is_begun(void **state)
{
    (void)state;
    AUTO(drop_free) char *kek = text_copy(world.agent.host.provider.kek);

    fake_store.away = true;
    phase_refused(&world.agent, "look", json_object(), ERR_AWAY, "datastore");
    phase_refused(&world.agent, "make", make_params(), ERR_AWAY, "");
    fake_store.away = false;
    assert_string_equal(world.agent.host.provider.kek, kek);
    assert_null(world.agent.host.old.kek);
    assert_null(world.agent.host.next_label);
}

/* ---- a manager that was taken over ---- */

static void a_phase_takes_what_it_says_and_nothing_else(void **state)
{
    (void)state;
    phase_refused(
        &world.agent, "make",
        json_pack("{s:{}, s:{s:s, s:s}}", "words", "provider", "name", "mine", "type", "kmip"),
        ERR_INPUT, "nothing else");
    phase_refused(&world.agent, "take", json_pack("{s:s}", "kek", "x"), ERR_INPUT, "'parcel'");
    phase_refused(&world.agent, "export", json_object(), ERR_INPUT, "no phase");
    assert_null(world.agent.host.next_label);
}

/* A certificate of this cluster's CA; the caller frees it and the key. */
static char *certificate_of(enum role role, const char *name, struct secret **out_key)
{
    AUTO(drop_free) char *uri = role_uri(CLUSTER, role, name);
    const struct certificate_wish wish = {
        .common_name = name, .uri = uri, .server = true, .client = true, .days = 2};
    char *pem = NULL;
    struct err err = {0};

    assert_true(certificate_key_make(out_key, &err) &&
                ca_certify(&world.agent, *out_key, &wish, &pem, &err));
    return pem;
}

static void nobody_gets_a_parcel_but_a_host_that_has_the_kek_of_today(void **state)
{
    AUTO(drop_secret) struct secret *key = NULL, *stolen = NULL;
    AUTO(drop_free) char *own = certificate_of(ROLE_MANAGER, "mgr", &key);
    /* Of a host that was removed: its certificate is still good, and so is a word that it gave. */
    AUTO(drop_free) char *removed = certificate_of(ROLE_HOST, "h3", &stolen);
    AUTO(drop_json) json_t *kept = NULL, *ask = NULL;
    struct err err = {0};

    (void)state;
    assert_true(word_give(&second, WORD_ASK, second.host.provider.kek, "h3", removed, &kept, &err));
    phase_refused(&world.agent, "share",
                  json_pack("{s:s, s:O}", "certificate", removed, "word", kept), ERR_CLASH,
                  "no new KEK");
    steps_until(2);
    a_minute_passed();
    phase_refused(
        &world.agent, "share",
        json_pack("{s:s, s:O}", "certificate", own, "word", json_object_get(told.look[1], "word")),
        ERR_DENIED, "no host's");
    phase_refused(&world.agent, "share",
                  json_pack("{s:s, s:O}", "certificate", removed, "word", kept), ERR_DENIED,
                  "'h3' is no other host");
    /* Nor with the certificate of a host that is one, and another's word, or none. */
    ask = ask_of(told.look[1]);
    json_object_set(ask, "word", kept);
    phase_refused(&world.agent, "share", json_deep_copy(ask), ERR_CLASH, "h2");
    a_minute_passed();
    json_object_set_new(ask, "word", json_object());
    phase_refused(&world.agent, "share", json_deep_copy(ask), ERR_INPUT, "h2");
    /* Asked for twice in a minute it is not looked at. */
    phase_refused(&world.agent, "share", json_deep_copy(ask), ERR_DENIED, "less than a minute ago");
    /* A word of the time before: the KEK of that time is not the one that is left. */
    json_object_set(ask, "word", json_object_get(told.look[1], "word"));
    rotate_must();
    an_hour_passed();
    steps_until(2);
    phase_refused(&world.agent, "share", json_incref(ask), ERR_CLASH, "is under the KEK");
}

/* What a manager could make itself: the receiver's certificate is no secret. */
static json_t *parcel_of_its_own(const char *kek)
{
    AUTO(drop_parcel) struct parcel *parcel = parcel_new();
    AUTO(drop_free) char *certificate = NULL, *ca = NULL, *root = NULL;
    AUTO(drop_jwks) struct jwks *jwks = jwks_new();
    const struct parcel_about about = {CLUSTER, "h1", NULL};
    struct secret *keys[3] = {NULL}, *text = NULL;
    json_t *sealed = NULL;
    struct err err = {0};

    root = text_make("%.*s", (int)(strlen(kek) - UUID_SIZE), kek);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_true(secret_random(JWKS_KEY_SIZE, &keys[i], &err));
    }
    assert_true(jwks_add(jwks, root, keys[0], NULL, &err) &&
                jwks_add(jwks, kek, keys[1], keys[2], &err) && jwks_write(jwks, &text, &err) &&
                parcel_add(parcel, "native", text, &err) &&
                enrol_certificate(&second, &certificate, &err) && enrol_ca(&second, &ca, &err) &&
                parcel_seal(parcel, &about, certificate, ca, &sealed, &err));
    return sealed;
}

static char *ledger_of_second(void)
{
    AUTO(drop_free) char *path = text_make("%s/ledger.json", second.provider.folder);
    char *text = NULL;
    struct err err = {0};

    assert_true(file_read(path, 65536, &text, NULL, &err));
    return text;
}

static void a_host_takes_no_kek_but_one_that_another_host_made(void **state)
{
    AUTO(drop_free) char *before = NULL;

    (void)state;
    steps_until(3);
    AUTO(drop_free) char *kek = text_copy(second.host.provider.kek), *ledger = ledger_of_second();
    AUTO(drop_json) json_t *own = parcel_of_its_own(json_string_or(told.share, "kek", ""));
    AUTO(drop_json) json_t *params = take_of(told.share);

    /* Another parcel, for the same KEK; the right one, for another; no word; one that says
     * something else. */
    json_object_set(params, "parcel", own);
    phase_refused(&second, "take", json_deep_copy(params), ERR_CLASH, "h2");
    a_minute_passed();
    json_object_set(params, "parcel", json_object_get(told.share, "parcel"));
    json_object_set_new(params, "kek", json_string("native:mine"));
    phase_refused(&second, "take", json_deep_copy(params), ERR_CLASH, "h2");
    a_minute_passed();
    json_object_set(params, "kek", json_object_get(told.share, "kek"));
    json_object_set_new(params, "word", json_object());
    phase_refused(&second, "take", json_deep_copy(params), ERR_INPUT, "word");
    a_minute_passed();
    json_object_set(params, "word", json_object_get(told.look[1], "word"));
    phase_refused(&second, "take", json_deep_copy(params), ERR_CLASH, "");
    a_minute_passed();
    json_object_set_new(params, "parcel", json_null());
    phase_refused(&second, "take", json_deep_copy(params), ERR_INPUT, "no parcel");
    a_minute_passed();
    before = ledger_of_second();
    assert_string_equal(second.host.provider.kek, kek);
    assert_string_equal(before, ledger);
    /* Also the deployment unit's step, which asks for no word, does not take such a parcel. */
    json_object_set(params, "parcel", own);
    AUTO(drop_outcome) struct outcome forged = second_try("key.take", json_incref(params));

    assert_false(forged.made);
    assert_string_equal(second.host.provider.kek, kek);
    do_step(3);
}

/* A word under a KEK of its own, which has the id of the right one. */
static void a_word_that_no_host_gave_is_denied(void **state)
{
    const struct host *host = &second.host;
    AUTO(drop_secret) struct secret *own = NULL, *filling = NULL;
    AUTO(drop_envelope) struct envelope *genuine = NULL, *forged = NULL;
    struct err err = {0};

    (void)state;
    steps_until(3);
    assert_true(envelope_of_json(json_object_get(told.share, "word"), &genuine, &err));
    struct envelope_about about = *envelope_about(genuine);

    assert_string_equal(about.kek_id, host->provider.kek);
    assert_true(secret_random(32, &own, &err) && secret_random(32, &filling, &err) &&
                envelope_seal(own, &about, filling, &forged, &err));
    AUTO(drop_json) json_t *params = take_of(told.share);

    json_object_set_new(params, "word", envelope_json(forged));
    phase_refused(&second, "take", json_incref(params), ERR_DENIED, "h2");
    assert_null(host->old.kek);
}

static void nothing_is_rewrapped_before_every_host_has_the_kek(void **state)
{
    (void)state;
    steps_until(2);
    phase_refused(&world.agent, "rewrap", json_pack("{s:{}}", "words"), ERR_CLASH,
                  "host 'h2' must take part");
    a_minute_passed();
    /* Its own word does not pass for another's. */
    phase_refused(&world.agent, "rewrap",
                  json_pack("{s:{s:o}}", "words", "h2", of(told.made, "word")), ERR_CLASH, "h2");
    assert_int_equal(rewrap_state_of(&world.agent, vm_here("mgr")->envelope), REWRAP_OLD);
}

static void the_old_kek_is_not_retired_before_every_host_needs_it_no_more(void **state)
{
    (void)state;
    steps_until(7);
    const char *const refused[] = {"nobody's", "has"};

    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        a_minute_passed();
        phase_refused(&world.agent, "retire",
                      json_pack("{s:s, s:{s:o*}}", "kek", told.old, "words", "h2",
                                i == 0 ? NULL : of(told.taken, "word")),
                      ERR_CLASH, "h2");
    }
    assert_string_equal(world.agent.host.old.kek, told.old);
    a_minute_passed();
    do_step(7);
    do_step(8);
    assert_null(world.agent.host.old.kek);
}

/* With all the words of before: a header is under the old KEK again, or still. */
static void words_do_not_help_while_an_envelope_is_under_the_old_kek(void **state)
{
    struct vm *vm = NULL;

    (void)state;
    steps_until(7);
    vm = vm_here("mgr");
    AUTO(drop_free) char *path = text_make("%s/ca.envelope", world.folder), *text = NULL;
    AUTO(drop_envelope) struct envelope *back = NULL;
    AUTO(drop_secret) struct secret *ca = ca_secret();
    const struct envelope_about about = {
        .kek_id = told.old, .vm = CLUSTER, .purpose = "ca", .generation = 9};
    struct key *key = NULL;
    struct err err = {0};

    assert_non_null(vm);
    assert_true(agent_key(&world.agent, &key, &err) && key_wrap(key, &about, ca, &back, &err));
    text = text_copy(envelope_text(back));
    assert_true(file_write(path, text, strlen(text), 0644, &err));
    AUTO(drop_outcome)
    struct outcome retired = phase_try(&world.agent, "retire",
                                       json_pack("{s:s, s:o}", "kek", told.old, "words",
                                                 words_of(told.proven[0], told.proven[1])));

    assert_false(retired.made);
    assert_int_equal(retired.err.kind, ERR_CLASH);
    assert_string_equal(world.agent.host.old.kek, told.old);
}

static void another_hosts_vm_that_is_left_is_named(void **state)
{
    struct vm *vm = NULL;
    struct err err = {0};

    (void)state;
    vm = vm_here("mgr");
    assert_true(vm_open(vm, &err));
    vm_note(vm, vm->config, "host", json_string("h3"));
    assert_true(vm_save(vm, &err));
    steps_until(6);
    phase_refused(&world.agent, "verify", json_object(), ERR_AWAY, "VM 'mgr' of host 'h3'");
}

/* ---- one host makes it ---- */

static void two_hosts_do_not_each_make_one(void **state)
{
    json_t *maps = fake_store.hosts;
    AUTO(drop_json)
    json_t *alone = json_pack("[{s:s, s:s}]", "name", "h2", "address", second_address);

    (void)state;
    /* With words of before either has begun. */
    AUTO(drop_json) json_t *rests = make_params();

    json_decref(phase_does(&world.agent, "make", make_params()));
    phase_refused(&second, "make", json_incref(rests), ERR_CLASH, "host 'h1' has begun");
    assert_null(second.host.next_label);
    AUTO(drop_outcome) struct outcome step = second_try("key.make", json_object());

    assert_int_equal(step.err.kind, ERR_CLASH);
    /* It is no host of the cluster any more: nobody waits for it. */
    fake_store.hosts = alone;
    second_did("key.make", json_object());
    fake_store.hosts = maps;
}

static void what_an_older_rotation_left_there_is_no_obstacle(void **state)
{
    AUTO(drop_free) char *path = fake_store_object(MAKER_OBJECT), *text = NULL;
    struct err err = {0};

    (void)state;
    rotate_must();
    an_hour_passed();
    AUTO(drop_json) json_t *rests = make_params();

    json_decref(phase_does(&second, "make", make_params()));
    assert_true(file_read(path, 4096, &text, NULL, &err));
    assert_non_null(strstr(text, "\"maker\":\"h2\""));
    phase_refused(&world.agent, "make", json_incref(rests), ERR_CLASH, "host 'h2' has begun");
    a_minute_passed();
    /* Nor is what cannot be read: who can write it can remove it. */
    assert_true(file_write(path, "{]", 2, 0600, &err));
    json_decref(phase_does(&world.agent, "make", json_incref(rests)));
}

/* h2 has not retired the one before: it could not take a third. */
static void a_new_one_waits_until_every_host_has_retired_the_last(void **state)
{
    (void)state;
    steps_until(7);
    do_step(8);
    AUTO(drop_free) char *kek = text_copy(world.agent.host.provider.kek);

    assert_null(world.agent.host.old.kek);
    assert_non_null(second.host.old.kek);
    an_hour_passed();
    phase_refused(&world.agent, "make", make_params(), ERR_CLASH, "host 'h2' must take part");
    assert_string_equal(world.agent.host.provider.kek, kek);
    a_minute_passed();
    do_step(7);
    assert_null(second.host.old.kek);
    rotate_must();
    assert_string_not_equal(world.agent.host.provider.kek, kek);
}

/* It was stopped between its claim and its own note of it. */
static void who_claimed_it_is_known_by_that(void **state)
{
    AUTO(drop_free) char *path = fake_store_object(MAKER_OBJECT);
    AUTO(drop_free)
    char *said = text_make("{\"quoin\":{\"rekey\":1},\"old\":\"%s\",\"maker\":\"h2\"}",
                           world.agent.host.provider.kek);
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, said, strlen(said), 0600, &err));
    AUTO(drop_json) json_t *first = phase_does(&world.agent, "look", json_object());
    AUTO(drop_json) json_t *other = phase_does(&second, "look", json_object());

    assert_false(json_is_true(json_object_get(first, "begun")));
    assert_true(json_is_true(json_object_get(other, "begun")));
    json_decref(phase_does(&second, "make", make_params()));
}

static void what_a_newer_quoin_wrote_there_is_left_alone(void **state)
{
    static const char said[] = "{\"quoin\":{\"rekey\":2}}";
    AUTO(drop_free) char *path = fake_store_object(MAKER_OBJECT), *after = NULL;
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, said, strlen(said), 0600, &err));
    phase_refused(&world.agent, "make", make_params(), ERR_CLASH, "");
    assert_true(file_read(path, 4096, &after, NULL, &err));
    assert_string_equal(after, said);
}

static void a_move_that_is_not_finished_is_left_alone(void **state)
{
    (void)state;
    (void)step_do("key.make", json_pack("{s:{s:s, s:s, s:s}}", "provider", "name", "elsewhere",
                                        "type", "other", "tpm", "off"));
    phase_refused(&world.agent, "look", json_object(), ERR_CLASH, "a move");
    phase_refused(&world.agent, "make", make_params(), ERR_CLASH, "a move");
}

/* ---- one host ---- */

static void where_this_is_the_only_host_it_needs_no_other(void **state)
{
    const struct host *host = &world.agent.host;

    (void)state;
    make_running();
    (void)step_do("agent.enrol", json_object());
    made_ago(&world.agent, ROTATE_SECONDS + 1);
    AUTO(drop_free) char *before = text_copy(host->provider.kek);

    json_decref(phase_does(&world.agent, "look", json_object()));
    json_decref(phase_does(&world.agent, "make", json_pack("{s:{}}", "words")));
    json_decref(phase_does(&world.agent, "rewrap", json_pack("{s:{}}", "words")));
    json_decref(phase_does(&world.agent, "verify", json_object()));
    json_decref(
        phase_does(&world.agent, "retire", json_pack("{s:s, s:{}}", "kek", before, "words")));
    assert_string_not_equal(host->provider.kek, before);
    assert_null(host->old.kek);
    assert_int_equal(left(&world.agent), 0);
}

static void a_rotation_that_failed_may_be_asked_for_again_a_minute_later(void **state)
{
    const struct host *host = &world.agent.host;

    (void)state;
    make_running();
    made_ago(&world.agent, ROTATE_SECONDS + 1);
    AUTO(drop_free) char *kek = text_copy(host->provider.kek);

    fake_key_lies = true;
    AUTO(drop_outcome)
    struct outcome lied = phase_try(&world.agent, "make", json_pack("{s:{}}", "words"));

    fake_key_lies = false;
    assert_false(lied.made);
    assert_string_equal(host->provider.kek, kek);
    phase_refused(&world.agent, "make", json_pack("{s:{}}", "words"), ERR_DENIED,
                  "less than a minute ago");
    memset(world.agent.rotate_next, 0, sizeof(world.agent.rotate_next));
    json_decref(phase_does(&world.agent, "make", json_pack("{s:{}}", "words")));
}

static void before_a_deploy_there_is_nothing_to_rotate(void **state)
{
    (void)state;
    phase_refused(&world.agent, "look", json_object(), ERR_ABSENT, "no KEK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TWO(the_manager_has_the_keys_of_all_hosts_rotated_while_the_machine_runs),
        TWO(stopped_after_any_step_it_goes_on_from_the_first),
        TWO(the_deployment_unit_and_the_manager_finish_each_others_rotation),
        TWO(the_manager_may_ask_once_an_hour_and_root_at_any_time),
        TWO(a_phase_is_asked_for_once_a_minute),
        TWO(without_a_datastore_that_answers_nothing_is_begun),
        TWO(a_phase_takes_what_it_says_and_nothing_else),
        TWO(nobody_gets_a_parcel_but_a_host_that_has_the_kek_of_today),
        TWO(a_host_takes_no_kek_but_one_that_another_host_made),
        TWO(a_word_that_no_host_gave_is_denied),
        TWO(nothing_is_rewrapped_before_every_host_has_the_kek),
        TWO(the_old_kek_is_not_retired_before_every_host_needs_it_no_more),
        TWO(words_do_not_help_while_an_envelope_is_under_the_old_kek),
        TWO(another_hosts_vm_that_is_left_is_named),
        TWO(two_hosts_do_not_each_make_one),
        TWO(what_an_older_rotation_left_there_is_no_obstacle),
        TWO(a_new_one_waits_until_every_host_has_retired_the_last),
        TWO(who_claimed_it_is_known_by_that),
        TWO(what_a_newer_quoin_wrote_there_is_left_alone),
        TWO(a_move_that_is_not_finished_is_left_alone),
        IT(where_this_is_the_only_host_it_needs_no_other),
        IT(a_rotation_that_failed_may_be_asked_for_again_a_minute_later),
        IT(before_a_deploy_there_is_nothing_to_rotate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
