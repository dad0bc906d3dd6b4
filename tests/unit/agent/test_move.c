/* SPDX-License-Identifier: Apache-2.0 */
/* agent/move.h, and the lease that goes from hand to hand: clocks are the tests' own, the other
 * host is what it wrote. */
#include <sys/eventfd.h>

#include "leases.h"

#include "agent/keeper.h"
#include "agent/lease_table.h"
#include "agent/move.h"
#include "agent/takeover.h"

#define PATIENCE_MS 20000

static void other_gives(void)
{
    uint64_t version = 0;
    AUTO(drop_json) json_t *before = record_now(&version);

    record_write(lease_record_given(before, "h1", world.address), version);
    fake_leases.ends = fake_leases.now;
}

/* The VM is the other host's, by lease and home. */
static void make_others(void)
{
    struct err err = {0};

    make_running();
    struct vm *vm = vm_here("mgr");

    vm_note(vm, vm->config, "host", json_string("h2"));
    assert_true(vm_save(vm, &err));
    lease_forget(&world.agent);
    other_takes("h2");
    vm_forget(vm);
}

/* …and a copy of it came here, and stands still. */
static void make_arrived(void)
{
    make_others();
    fake_hv.state = HV_PAUSED;
    fake_hv.starts = fake_hv.pulls = 0;
}

static void make_others_alone(void)
{
    make_others();
    world_power_cut();
    (void)vm_here("mgr");
}

/* ---- a move's certificates, as the two hosts make them ---- */

static json_t *expect_params(void)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *request = NULL;
    json_t *params = this_vm();
    struct err err = {0};

    assert_true(certificate_key_make(&key, &err));
    assert_true(certificate_request_make(key, "h2", &request, &err));
    json_object_set_new(params, "request", json_string(request));
    return params;
}

/* What the other host would answer to the request of vm.offer. */
static json_t *send_params(const json_t *offer)
{
    AUTO(drop_secret) struct secret *ca_key = NULL;
    AUTO(drop_free) char *ca = NULL, *certificate = NULL;
    const struct certificate_wish wish = {.common_name = "h1", .client = true, .days = 1};
    json_t *params = this_vm();
    struct err err = {0};

    assert_true(certificate_authority_make("move", 1, &ca_key, &ca, &err));
    const struct authority authority = {ca, ca_key};

    assert_true(certificate_sign(&authority, json_string_or(offer, "request", ""), &wish,
                                 &certificate, &err));
    json_object_set_new(
        params, "to", json_pack("{s:s, s:s, s:i}", "host", "h2", "address", OTHERS, "port", 7444));
    json_object_set_new(params, "certificate", json_string(certificate));
    json_object_set_new(params, "ca", json_string(ca));
    return params;
}

/* Offered and sent; h2 is a member of the datastore. */
static struct outcome send_try(void)
{
    struct outcome offer = step_try("vm.offer", this_vm());
    AUTO(drop_json)
    json_t *hosts = json_pack("[{s:s, s:s, s:s}]", "name", "h2", "address", "", "disks_at", OTHERS);

    assert_true(offer.made);
    fake_store.hosts = hosts;
    struct outcome sent = step_try("vm.send", send_params(offer.result));

    fake_store.hosts = NULL;
    drop_outcome(&offer);
    return sent;
}

static struct outcome receive_try(void)
{
    json_t *params = this_vm();

    json_object_set_new(params, "wait", json_integer(0));
    return step_try("vm.receive", params);
}

/* ---- the keeper, for as long as it takes ---- */

static bool keeper_brings(bool (*holds_true)(void))
{
    pthread_t keeper;
    struct err err = {0};
    bool held = false;

    assert_true(keeper_start(&world.agent, &keeper, &err));
    for (int waited = 0; waited < PATIENCE_MS && !held; waited += 20) {
        pthread_mutex_lock(&world.agent.work);
        held = holds_true();
        pthread_mutex_unlock(&world.agent.work);
        usleep(20000);
    }
    keeper_stop(&world.agent, keeper);
    return held;
}

static bool is_gone(void)
{
    return fake_hv.state == HV_ABSENT;
}

static bool is_running(void)
{
    return fake_hv.state == HV_RUNNING;
}

static bool is_given_away(void)
{
    uint64_t version = 0;
    AUTO(drop_json) json_t *record = record_now(&version);

    return strcmp(lease_record_host(record), "h2") == 0;
}

/* ---- the lease ---- */

static void a_given_lease_is_nobody_elses_before_its_time(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    fake_hv.state = HV_ABSENT;
    assert_true(lease_give(&world.agent, vm_uuid("mgr"), "h2", OTHERS, &err));
    assert_false(holds());
    holder_is("h2");
    assert_true(fake_leases.ends <= fake_leases.now); /* the lock is free for h2 */
    step_refused("vm.start", this_vm(), ERR_CLASH);
    assert_int_equal(fake_hv.starts, 1);
    assert_int_equal(fake_leases.fences, 0);
}

static void a_lease_that_this_host_does_not_hold_is_not_given(void **state)
{
    struct err err = {0};

    (void)state;
    make_others_alone();
    assert_false(lease_give(&world.agent, vm_uuid("mgr"), "h3", OTHERS, &err));
    holder_is("h2");
}

static void a_note_says_whose_a_lease_is_to_be(void **state)
{
    static const char *const none[] = {"12\n", "12", "12\nh2\n", "12\nh2 nowhere\n", ""};
    AUTO(drop_json) json_t *to = lease_note_to("12\nh2 10.77.0.12\n");

    (void)state;
    assert_string_equal(json_string_or(to, "host", ""), "h2");
    assert_string_equal(json_string_or(to, "address", ""), "10.77.0.12");
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        assert_null(lease_note_to(none[i]));
    }
}

static void an_agent_after_one_that_gave_keeps_no_lock(void **state)
{
    struct err err = {0};
    uint64_t version = 0;

    (void)state;
    make_running();
    /* It wrote that it was given, and ended before it dropped the lock and its note. */
    AUTO(drop_json) json_t *before = record_now(&version);

    record_write(lease_record_given(before, "h2", OTHERS), version);
    fake_hv.state = HV_ABSENT;
    world_restart();
    assert_true(lease_start(&world.agent, &err));
    lease_stop(&world.agent);
    int64_t ends = fake_leases.ends;

    pass(LEASE_RENEW + 2);
    assert_int_equal(fake_leases.ends, ends); /* it runs out, it is not renewed */
    assert_false(holds());
    holder_is("h2");
}

/* ---- it came ---- */

static void what_was_given_goes_on_here(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};

    (void)state;
    make_arrived();
    outcome = receive_try();
    assert_true(outcome.made);
    assert_true(json_is_false(json_object_get(outcome.result, "here")));
    assert_int_equal(fake_hv.state, HV_PAUSED);
    drop_outcome(&outcome);
    other_gives();
    outcome = receive_try();
    assert_true(outcome.made && outcome.changed);
    assert_true(json_is_true(json_object_get(outcome.result, "here")));
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_int_equal(fake_hv.pulls, 0);
    assert_int_equal(fake_leases.fences, 0);
    assert_true(holds());
    assert_string_equal(json_string_or(vm_here("mgr")->config, "host", ""), "h1");
}

static void what_was_given_waits_for_the_lock_of_who_gave_it(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};

    (void)state;
    make_arrived();
    other_gives();
    fake_leases.ends = fake_leases.now + LEASE_SECONDS * SECOND; /* it died before it let go */
    outcome = receive_try();
    assert_true(outcome.made && !outcome.changed);
    assert_int_equal(fake_hv.state, HV_PAUSED);
    fake_leases.ends = fake_leases.now;
    drop_outcome(&outcome);
    outcome = receive_try();
    assert_true(outcome.made && outcome.changed);
    assert_int_equal(fake_hv.pulls, 0);
}

/* It stands still meanwhile: nobody is to be asked for what is known. */
static void what_was_expected_goes_on_while_the_key_provider_is_away(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};

    (void)state;
    make_others();
    fake_hv.state = HV_ABSENT;
    outcome = step_try("vm.expect", expect_params());
    assert_true(outcome.made);
    fake_hv.state = HV_PAUSED;
    other_gives();
    fake_key_away = true;
    drop_outcome(&outcome);
    outcome = receive_try();
    fake_key_away = false;
    assert_true(outcome.made && outcome.changed);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_true(holds());
}

static void the_keeper_has_it_go_on_as_well(void **state)
{
    (void)state;
    make_arrived();
    other_gives();
    pass(LEASE_LOOK + 1); /* it is seen */
    assert_true(keeper_brings(is_running));
    assert_int_equal(fake_hv.pulls, 0);
    assert_int_equal(fake_leases.fences, 0);
}

static void what_was_not_given_is_destroyed_before_a_takeover(void **state)
{
    struct err err = {0};
    bool taken = false;

    (void)state;
    make_arrived();
    pass(LEASE_SECONDS + 4);
    assert_true(takeover_try(vm_here("mgr"), &taken, &err));
    assert_true(taken);
    assert_true(fake_hv.pulls > 0);
    assert_string_equal(fake_leases.fenced, OTHERS);
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

static void what_was_not_given_goes_by_the_keeper(void **state)
{
    (void)state;
    make_arrived();
    assert_true(keeper_brings(is_gone));
    holder_is("h2");
}

static void a_vm_is_not_stopped_with_what_came_from_an_earlier_try(void **state)
{
    (void)state;
    make_arrived();
    fake_hv_write("of an earlier try");
    step_refused("vm.stop", this_vm(), ERR_CLASH);
    assert_int_equal(fake_hv.state, HV_ABSENT);
    assert_false(fake_hv_has("of an earlier try"));
}

/* ---- it is expected ---- */

static void a_host_that_expects_a_vm_has_its_keys_and_a_door(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};

    (void)state;
    make_others_alone();
    outcome = step_try("vm.expect", expect_params());
    assert_true(outcome.made && outcome.changed);
    assert_non_null(strstr(json_string_or(outcome.result, "certificate", ""), "CERTIFICATE"));
    assert_non_null(strstr(json_string_or(outcome.result, "ca", ""), "CERTIFICATE"));
    assert_int_equal(json_integer_value(json_object_get(outcome.result, "port")), MOVE_PORT);
    assert_true(fake_moves.expects);
    drop_outcome(&outcome);
    /* Again, by a run after one that was broken off: another CA. */
    outcome = step_try("vm.expect", expect_params());
    assert_true(outcome.made);
    assert_true(step_do("vm.decline", this_vm()));
    assert_false(fake_moves.expects);
    assert_false(step_do("vm.decline", this_vm()));
    holder_is("h2");
}

static void what_an_earlier_try_left_is_destroyed_before_another(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};

    (void)state;
    make_arrived();
    outcome = step_try("vm.expect", expect_params());
    assert_true(outcome.made);
    assert_true(fake_hv.pulls > 0);
    assert_int_equal(fake_hv.state, HV_ABSENT);
}

static void a_host_that_has_the_vm_expects_it_not(void **state)
{
    (void)state;
    make_running();
    step_refused("vm.expect", expect_params(), ERR_CLASH);
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

static void a_vm_that_nobody_sends_is_not_waited_for_for_ever(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};
    struct err err = {0};

    (void)state;
    make_others_alone();
    outcome = step_try("vm.expect", expect_params());
    assert_true(outcome.made);
    assert_true(move_keep(vm_here("mgr"), &err));
    assert_true(move_expects(vm_here("mgr")));
    world.now += 3600 * SECOND;
    assert_true(move_keep(vm_here("mgr"), &err));
    assert_false(move_expects(vm_here("mgr")));
    assert_false(fake_moves.expects);
}

static void nothing_can_come_while_this_host_takes_over(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};
    struct err err = {0};
    bool taken = false;

    (void)state;
    make_others_alone();
    outcome = step_try("vm.expect", expect_params());
    assert_true(outcome.made);
    pass(LEASE_SECONDS + 4);
    assert_true(takeover_try(vm_here("mgr"), &taken, &err));
    assert_true(taken);
    assert_false(move_expects(vm_here("mgr")));
}

/* ---- it goes ---- */

static void a_vm_that_was_sent_is_the_other_hosts(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};

    (void)state;
    make_running();
    fake_hv_write("as it was when it went");
    outcome = send_try();
    assert_true(outcome.made && outcome.changed);
    assert_string_equal(json_string_or(outcome.result, "host", ""), "h2");
    assert_false(holds());
    holder_is("h2");
    assert_int_equal(fake_hv.starts, 1);
    assert_false(fake_hv_has("as it was when it went")); /* the files are not here any more */
    step_refused("vm.start", this_vm(), ERR_CLASH);
}

static void a_vm_that_could_not_be_sent_goes_on_here(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};

    (void)state;
    make_running();
    fake_moves.fails = fake_moves.stands_still = true;
    outcome = send_try();
    assert_false(outcome.made);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_int_equal(fake_hv.pulls, 0);
    assert_true(holds());
    holder_is("h1");
    fake_hv_write("after it"); /* its files are watched again */
    world_power_cut();
    (void)step_do("vm.start", this_vm());
    assert_true(fake_hv_has("after it"));
}

static void a_vm_goes_to_a_member_alone(void **state)
{
    AUTO(drop_outcome) struct outcome offer = {.made = false};

    (void)state;
    make_running();
    offer = step_try("vm.offer", this_vm());
    assert_true(offer.made);
    step_refused("vm.send", send_params(offer.result), ERR_DENIED);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    holder_is("h1");
    /* And what was not offered is not sent. */
    step_refused("vm.send", send_params(offer.result), ERR_ABSENT);
}

static void what_was_sent_is_given_later_also_by_another_agent(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};

    (void)state;
    make_running();
    fake_moves.cuts_store = true;
    outcome = send_try();
    assert_false(outcome.made);
    assert_int_equal(outcome.err.kind, ERR_AWAY);
    assert_int_equal(fake_hv.state, HV_ABSENT);
    world_restart();
    fake_store.away = false;
    struct err err = {0};

    assert_true(lease_start(&world.agent, &err));
    assert_true(keeper_brings(is_given_away));
    lease_stop(&world.agent);
    assert_int_equal(fake_hv.starts, 1); /* it was not started here again */
    assert_false(holds());
}

static void only_what_runs_here_is_offered(void **state)
{
    (void)state;
    make_others_alone();
    step_refused("vm.offer", this_vm(), ERR_ABSENT);
    assert_int_equal(fake_hv.state, HV_ABSENT);
}

/* ---- maintenance ---- */

static json_t *on(bool is)
{
    return json_pack("{s:b}", "on", (int)is);
}

static void a_host_in_maintenance_takes_nothing_over_and_nothing_in(void **state)
{
    struct err err = {0};
    bool taken = false;

    (void)state;
    make_others_alone();
    assert_true(step_do("host.maintenance", on(true)));
    assert_false(step_do("host.maintenance", on(true)));
    step_refused("vm.expect", expect_params(), ERR_CLASH);
    pass(LEASE_SECONDS + 4);
    assert_true(takeover_try(vm_here("mgr"), &taken, &err));
    assert_false(taken);
    step_refused("vm.start", this_vm(), ERR_CLASH);
    world_restart();
    assert_true(world.agent.host.maintenance);
    (void)vm_here("mgr");
    assert_true(step_do("host.maintenance", on(false)));
    pass(LEASE_SECONDS + 4);
    AUTO(drop_json)
    json_t *hosts = json_pack("[{s:s, s:s, s:s}]", "name", "h2", "address", "", "disks_at", OTHERS);

    fake_store.hosts = hosts;
    assert_true(takeover_try(vm_here("mgr"), &taken, &err));
    fake_store.hosts = NULL;
    assert_true(taken);
}

static void what_runs_on_a_host_in_maintenance_runs_on(void **state)
{
    (void)state;
    make_running();
    assert_true(step_do("host.maintenance", on(true)));
    pass(2 * LEASE_SECONDS);
    assert_true(holds());
    assert_false(step_do("vm.start", this_vm()));
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

/* A destroy that was broken off stops it once more. */
static void what_is_off_on_a_host_in_maintenance_may_be_stopped_and_not_started(void **state)
{
    (void)state;
    make_running();
    assert_true(step_do("vm.stop", this_vm()));
    assert_true(step_do("host.maintenance", on(true)));
    step_refused("vm.start", this_vm(), ERR_CLASH);
    assert_false(step_do("vm.stop", this_vm()));
    assert_int_equal(fake_hv.state, HV_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_given_lease_is_nobody_elses_before_its_time),
        IT(a_lease_that_this_host_does_not_hold_is_not_given),
        IT(a_note_says_whose_a_lease_is_to_be),
        IT(an_agent_after_one_that_gave_keeps_no_lock),
        IT(what_was_given_goes_on_here),
        IT(what_was_given_waits_for_the_lock_of_who_gave_it),
        IT(what_was_expected_goes_on_while_the_key_provider_is_away),
        IT(the_keeper_has_it_go_on_as_well),
        IT(what_was_not_given_is_destroyed_before_a_takeover),
        IT(what_was_not_given_goes_by_the_keeper),
        IT(a_vm_is_not_stopped_with_what_came_from_an_earlier_try),
        IT(a_host_that_expects_a_vm_has_its_keys_and_a_door),
        IT(what_an_earlier_try_left_is_destroyed_before_another),
        IT(a_host_that_has_the_vm_expects_it_not),
        IT(a_vm_that_nobody_sends_is_not_waited_for_for_ever),
        IT(nothing_can_come_while_this_host_takes_over),
        IT(a_vm_that_was_sent_is_the_other_hosts),
        IT(a_vm_that_could_not_be_sent_goes_on_here),
        IT(a_vm_goes_to_a_member_alone),
        IT(what_was_sent_is_given_later_also_by_another_agent),
        IT(only_what_runs_here_is_offered),
        IT(a_host_in_maintenance_takes_nothing_over_and_nothing_in),
        IT(what_runs_on_a_host_in_maintenance_runs_on),
        IT(what_is_off_on_a_host_in_maintenance_may_be_stopped_and_not_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
