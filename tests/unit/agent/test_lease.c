/* SPDX-License-Identifier: Apache-2.0 */
/* agent/lease.h, agent/takeover.h. */
#include <dirent.h>

#include "leases.h"

#include "agent/lease_table.h"
#include "agent/takeover.h"

/* The VM is another host's, and runs there. */
static void make_others(void)
{
    struct err err = {0};

    make_running();
    struct vm *vm = vm_here("mgr");

    vm_note(vm, vm->config, "host", json_string("h2"));
    assert_true(vm_save(vm, &err));
    world_power_cut();
    other_takes("h2");
    (void)vm_here("mgr");
}

static bool ripe(void)
{
    char stuck[STORE_MAX_HOLDER];

    return lease_is_ripe(&world.agent, vm_uuid("mgr"), stuck);
}

static bool take_over(bool *out_taken)
{
    struct err err = {0};

    return takeover_try(vm_here("mgr"), out_taken, &err);
}

static void a_running_vm_has_a_lease_that_is_renewed(void **state)
{
    (void)state;
    make_running();
    assert_true(holds());
    holder_is("h1");
    pass(10 * LEASE_SECONDS);
    assert_true(holds());
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_true(fake_leases.ends - fake_leases.now > (LEASE_SECONDS - LEASE_RENEW - 1) * SECOND);
}

static void a_host_that_no_fence_would_stop_runs_nothing(void **state)
{
    (void)state;
    make_poured();
    (void)snprintf(fake_leases.seen_at, sizeof(fake_leases.seen_at), "127.99.0.9");
    lease_store_close(&world.agent);
    step_refused("vm.start", this_vm(), ERR_SYSTEM);
    assert_false(holds());
    assert_int_equal(fake_hv.starts, 0);
    fake_leases.seen_at[0] = '\0';
    (void)step_do("vm.start", this_vm());
    assert_true(holds());
}

static void a_stopped_vm_gives_its_lease_back(void **state)
{
    (void)state;
    make_running();
    (void)step_do("vm.stop", this_vm());
    assert_false(holds());
    holder_is("");
    assert_true(fake_leases.ends <= fake_leases.now);
    (void)step_do("vm.start", this_vm());
    assert_true(holds());
}

static void a_removed_vm_leaves_no_lease(void **state)
{
    AUTO(drop_free) char *record = lease_record_name(vm_uuid("mgr"));
    AUTO(drop_free) char *path = fake_store_object(record);

    (void)state;
    make_running();
    assert_true(file_exists(path));
    (void)step_do("vm.remove", this_vm());
    assert_false(file_exists(path));
}

static void a_host_that_cannot_renew_stops_its_vm_before_the_lease_runs_out(void **state)
{
    (void)state;
    make_running();
    pass(6);
    fake_store.away = true;
    while (fake_hv.state == HV_RUNNING) {
        assert_true(fake_leases.ends > fake_leases.now);
        pass(1);
    }
    assert_true(fake_leases.ends - fake_leases.now >= (LEASE_MARGIN - 1) * SECOND);
    assert_false(holds());
}

static void a_plug_that_cannot_be_pulled_is_tried_again_less_often(void **state)
{
    (void)state;
    make_running();
    fake_store.away = fake_hv.stuck = true;
    world.now += LEASE_SECONDS * SECOND;
    unsigned before = fake_hv.pulls;

    for (int i = 0; i < 60 * 5; i++) {
        world.now += SECOND / 5;
        lease_guard_due(&world.agent);
    }
    assert_in_range(fake_hv.pulls - before, 60 / 5, 25);
    fake_hv.stuck = false;
    pass(6);
    assert_int_equal(fake_hv.state, HV_ABSENT);
}

/* What it may have been at is not known before it answers: the lease stays lost until then. */
static void a_daemon_that_hangs_keeps_no_plug_in(void **state)
{
    (void)state;
    make_running();
    fake_store.away = fake_hv.hangs = true;
    world.now += (LEASE_SECONDS - LEASE_MARGIN) * SECOND;
    lease_guard_due(&world.agent);
    assert_int_equal(fake_hv.state, HV_ABSENT);
    assert_true(fake_hv.kills > 0);
    AUTO(drop_json) json_t *lost = lease_status(&world.agent, vm_uuid("mgr"));

    assert_string_equal(json_string_or(lost, "state", ""), "lost");
    fake_hv.hangs = false;
    pass(6);
    AUTO(drop_json) json_t *after = lease_status(&world.agent, vm_uuid("mgr"));

    assert_string_not_equal(json_string_or(after, "state", ""), "lost");
}

/* The daemon may hang over the first of them for half a minute. */
static void every_process_is_ended_before_the_daemon_is_asked(void **state)
{
    AUTO(drop_free) char *other = text_copy(vm_uuid("other"));
    struct err err = {0};

    (void)state;
    make_running();
    fake_leases.ends = 0; /* the fake has one lock: the other's is taken beside it */
    assert_true(lease_take(&world.agent, other, &err));
    fake_store.away = fake_hv.hangs = true;
    fake_hv.pulls = fake_hv.signals = 0;
    world.now += (LEASE_SECONDS - LEASE_MARGIN) * SECOND;
    lease_guard_due(&world.agent);
    assert_int_equal(fake_hv.signals_before, 2);
    assert_int_equal(fake_hv.pulls, 2);
}

static void a_process_that_does_not_end_spares_the_daemon_nothing(void **state)
{
    (void)state;
    make_running();
    fake_store.away = fake_hv.unending = true;
    fake_hv.pulls = 0;
    world.now += (LEASE_SECONDS - LEASE_MARGIN) * SECOND;
    lease_guard_due(&world.agent);
    assert_int_equal(fake_hv.pulls, 1);
    AUTO(drop_json) json_t *lost = lease_status(&world.agent, vm_uuid("mgr"));

    assert_string_equal(json_string_or(lost, "state", ""), "lost");
    fake_hv.unending = false;
}

static void looking_at_others_costs_no_renewal(void **state)
{
    (void)state;
    make_running();
    for (int i = 0; i < 10; i++) {
        AUTO(drop_free) char *label = text_make("other-%d", i);
        AUTO(drop_free) char *home = text_make("home.%s", vm_uuid(label));
        struct err err = {0};

        assert_true(stores[0]->objects->write((struct store *)(void *)&fake_store, home, "{}", 2, 0,
                                              NULL, &err));
    }
    struct err err = {0};

    assert_true(vm_list_load(&world.agent, &err));
    fake_leases.slow = 4 * SECOND;
    pass(LEASE_SECONDS);
    assert_true(holds());
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_true(fake_leases.looks >= 10);
}

static void a_short_outage_costs_nothing(void **state)
{
    (void)state;
    make_running();
    fake_store.away = true;
    pass(LEASE_SECONDS - LEASE_MARGIN - LEASE_RENEW - 1);
    fake_store.away = false;
    pass(LEASE_SECONDS);
    assert_true(holds());
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

static void a_frozen_host_stops_its_vm_as_the_first_thing(void **state)
{
    (void)state;
    make_running();
    world.now += 3600 * SECOND;
    fake_leases.now += 3600 * SECOND;
    assert_false(holds());
    lease_guard_due(&world.agent);
    assert_int_equal(fake_hv.state, HV_ABSENT);
}

static void the_datastores_clock_set_forth_costs_nothing(void **state)
{
    (void)state;
    make_running();
    fake_leases.now += 3600 * SECOND;
    pass(LEASE_SECONDS);
    assert_true(holds());
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

static void a_lease_that_another_took_stops_the_vm(void **state)
{
    (void)state;
    make_running();
    other_takes("h2");
    pass(LEASE_RENEW + 1);
    assert_false(holds());
    assert_int_equal(fake_hv.state, HV_ABSENT);
    holder_is("h2");
}

static void a_write_whose_answer_was_lost_is_known_as_our_own(void **state)
{
    uint64_t version = 0;
    struct err err = {0};

    (void)state;
    make_running();
    AUTO(drop_json) json_t *record = record_now(&version);

    lease_record_count(record);
    assert_true(lease_record_write(stores[0], (struct store *)(void *)&fake_store, vm_uuid("mgr"),
                                   record, &version, &err));
    pass(2 * LEASE_SECONDS);
    assert_true(holds());
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

static void the_home_is_not_written_without_the_lease(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    struct vm *vm = vm_here("mgr");

    world.now += LEASE_SECONDS * SECOND;
    assert_false(vm_save(vm, &err));
    assert_int_equal(err.kind, ERR_AWAY);
}

static void a_restarted_agent_goes_on_with_its_lease(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    world_restart();
    assert_true(lease_start(&world.agent, &err));
    lease_stop(&world.agent);
    assert_true(holds());
    (void)step_do("vm.start", this_vm());
    assert_int_equal(fake_hv.starts, 1);
    pass(2 * LEASE_SECONDS);
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

static void a_restarted_agent_stops_what_another_took(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    world_restart();
    other_takes("h2");
    assert_true(lease_start(&world.agent, &err));
    lease_stop(&world.agent);
    pass(LEASE_RENEW);
    assert_int_equal(fake_hv.state, HV_ABSENT);
}

static void what_runs_without_a_note_is_stopped_when_another_has_it(void **state)
{
    (void)state;
    make_running();
    world_restart();
    other_takes("h2");
    /* Where it runs is as good as here. */
    assert_false(step_do("vm.start", this_vm()));
    assert_int_equal(fake_hv.state, HV_ABSENT);
}

static void the_same_host_takes_its_lease_again_at_once(void **state)
{
    (void)state;
    make_running();
    world_power_cut();
    (void)step_do("vm.start", this_vm());
    assert_int_equal(fake_hv.starts, 1);
    assert_int_equal(fake_leases.fences, 0);
}

static void a_lease_is_taken_over_only_after_it_ran_out(void **state)
{
    bool taken = false;

    (void)state;
    make_others();
    pass(LEASE_SECONDS - 2);
    assert_false(ripe());
    assert_true(take_over(&taken));
    assert_false(taken);
    pass(4);
    assert_true(ripe());
    assert_true(take_over(&taken));
    assert_true(taken);
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_string_equal(fake_leases.fenced, OTHERS);
    assert_string_equal(json_string_or(vm_here("mgr")->config, "host", ""), "h1");
    holder_is("h1");
}

static void nothing_is_started_before_the_fence_holds(void **state)
{
    bool taken = false;

    (void)state;
    make_others();
    fake_leases.fence_away = true;
    pass(LEASE_SECONDS + 4);
    assert_false(take_over(&taken));
    assert_int_equal(fake_hv.state, HV_ABSENT);
    fake_leases.fence_away = false;
    step_do("vm.start", this_vm());
    assert_int_equal(fake_hv.state, HV_RUNNING);
    assert_int_equal(fake_leases.fences, 1);
}

static void the_datastores_clock_set_forth_makes_nobody_take_over(void **state)
{
    (void)state;
    make_others();
    for (int i = 0; i < 30; i++) {
        other_takes("h2"); /* it renews */
        fake_leases.now += 3600 * SECOND;
        pass(LEASE_RENEW);
        assert_false(ripe());
    }
}

static void the_datastores_clock_set_back_delays_a_takeover_not_for_ever(void **state)
{
    bool taken = false;

    (void)state;
    make_others();
    fake_leases.now -= 3600 * SECOND;
    pass(2 * LEASE_SECONDS);
    assert_false(ripe());
    pass(LEASE_SECONDS + 4);
    assert_true(ripe());
    assert_true(take_over(&taken));
    assert_true(taken);
    assert_string_equal(fake_leases.fenced, OTHERS);
}

static void of_two_that_take_over_one_is_refused(void **state)
{
    bool taken = false;

    (void)state;
    make_others();
    pass(LEASE_SECONDS + 4);
    assert_true(ripe());
    other_takes("h3");
    assert_true(take_over(&taken));
    assert_false(taken);
    assert_false(ripe());
    assert_int_equal(fake_hv.state, HV_ABSENT);
    assert_int_equal(fake_leases.fences, 0);
}

static void a_vm_that_shall_be_off_is_not_taken_over(void **state)
{
    struct err err = {0};
    bool taken = true;

    (void)state;
    make_running();
    struct vm *vm = vm_here("mgr");

    vm_note(vm, vm->config, "wanted", json_string("off"));
    assert_true(vm_save(vm, &err));
    world_power_cut();
    other_takes("h2");
    (void)vm_here("mgr");
    pass(LEASE_SECONDS + 4);
    assert_true(ripe());
    assert_true(take_over(&taken));
    assert_false(taken);
    pass(LEASE_SECONDS);
    assert_false(ripe());
}

static void whom_the_last_holder_had_not_fenced_is_fenced_too(void **state)
{
    AUTO(drop_json) json_t *first = lease_record_taken(NULL, "h1", "10.0.0.1");
    AUTO(drop_json) json_t *second = lease_record_taken(first, "h2", "10.0.0.2");
    AUTO(drop_json) json_t *third = lease_record_taken(second, "h3", "10.0.0.3");

    (void)state;
    assert_null(lease_record_next(first));
    assert_string_equal(json_string_or(lease_record_next(third), "host", ""), "h1");
    lease_record_fenced(third, 1);
    assert_string_equal(json_string_or(lease_record_next(third), "host", ""), "h2");
    lease_record_fenced(third, 2);
    assert_null(lease_record_next(third));
    AUTO(drop_json) json_t *back = lease_record_taken(second, "h1", "10.0.0.1");

    assert_string_equal(json_string_or(lease_record_next(back), "host", ""), "h2");
}

static void who_let_go_is_not_fenced(void **state)
{
    AUTO(drop_json) json_t *first = lease_record_taken(NULL, "h1", "10.0.0.1");
    AUTO(drop_json) json_t *dropped = lease_record_dropped(first);
    AUTO(drop_json) json_t *second = lease_record_taken(dropped, "h2", "10.0.0.2");

    (void)state;
    assert_null(lease_record_next(second));
    assert_string_equal(lease_record_host(second), "h2");
}

static void a_fenced_host_destroys_what_it_runs_then_lifts_its_fence(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    other_takes("h2");
    (void)snprintf(fake_leases.fenced, sizeof(fake_leases.fenced), "%s", world.address);
    lease_renew_due(&world.agent);
    lease_suspect(&world.agent);
    assert_true(takeover_heal(&world.agent, &err));
    assert_int_equal(fake_hv.state, HV_ABSENT);
    assert_string_equal(fake_leases.fenced, "");
    assert_false(holds());
    assert_null(vm_here("mgr")->config);
}

static void a_host_that_was_fenced_while_it_was_off_comes_back(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    world_power_cut();
    (void)snprintf(fake_leases.fenced, sizeof(fake_leases.fenced), "%s", world.address);
    lease_suspect(&world.agent);
    assert_true(takeover_heal(&world.agent, &err));
    assert_string_equal(fake_leases.fenced, "");
}

static void a_host_that_was_taken_out_destroys_all_and_stays_fenced(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    other_takes("h2");
    (void)snprintf(fake_leases.fenced, sizeof(fake_leases.fenced), "%s", world.address);
    fake_leases.unlisted = true;
    lease_suspect(&world.agent);
    for (int i = 0; i < 2; i++) {
        assert_false(takeover_heal(&world.agent, &err));
        assert_int_equal(err.kind, ERR_DENIED);
        assert_non_null(strstr(err.what, "taken out"));
        assert_int_equal(fake_hv.state, HV_ABSENT);
        assert_string_equal(fake_leases.fenced, world.address);
    }
    assert_false(world.agent.host.member);
    /* Nor by being asked to start it. */
    pass(2 * LEASE_SECONDS);
    step_refused("vm.start", this_vm(), ERR_CLASH);
    assert_int_equal(fake_hv.state, HV_ABSENT);
}

static void a_refused_key_makes_no_host_one_that_was_taken_out(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    assert_true(world.agent.host.member);
    (void)snprintf(fake_leases.fenced, sizeof(fake_leases.fenced), "%s", world.address);
    fake_leases.refused = true;
    lease_suspect(&world.agent);
    assert_false(takeover_heal(&world.agent, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_true(world.agent.host.member);
    /* And one that was held for taken out is a member again when it is seen to be listed. */
    world.agent.host.member = false;
    fake_leases.refused = false;
    assert_true(takeover_heal(&world.agent, &err));
    assert_true(world.agent.host.member);
}

static void a_host_that_comes_in_anew_destroys_all_then_lifts_its_fence(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    (void)snprintf(fake_leases.fenced, sizeof(fake_leases.fenced), "%s", world.address);
    fake_leases.unlisted = true;
    assert_true(takeover_admit(&world.agent, &err));
    assert_int_equal(fake_hv.state, HV_ABSENT);
    assert_string_equal(fake_leases.fenced, "");
    assert_true(takeover_admit(&world.agent, &err));
}

DROP(dir, DIR *, closedir);

static size_t threads(void)
{
    AUTO(drop_dir) DIR *dir = opendir("/proc/self/task");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir)) {
        count++;
    }
    return count;
}

static void an_agent_that_ends_leaves_no_thread_at_its_leases(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    size_t before = threads();

    assert_true(lease_start(&world.agent, &err));
    assert_int_equal(threads(), before + 3);
    world_close();
    /* The kernel lists a joined thread for a moment longer. */
    for (int i = 0; i < 500 && threads() > before; i++) {
        usleep(10000);
    }
    assert_true(threads() <= before);
    world_open();
}

static unsigned closings, renewed;

static void closing(void)
{
    closings++;
    renewed += world.agent.leases->running && !world.agent.leases->leaving ? 1 : 0;
}

/* It waits for a daemon that hangs for longer than a lease lasts. */
static void an_agent_that_ends_renews_until_the_hypervisor_is_closed(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    assert_true(lease_start(&world.agent, &err));
    closings = renewed = 0;
    fake_hv_closing = closing;
    world_close();
    fake_hv_closing = NULL;
    assert_int_equal(closings, 1);
    assert_int_equal(renewed, 1);
    world_open();
}

/* The record as somebody wrote it who is none of the hosts. */
static void forge(const char *text)
{
    AUTO(drop_free) char *name = lease_record_name(vm_uuid("mgr"));
    struct err err = {0};

    assert_true(stores[0]->objects->write((struct store *)(void *)&fake_store, name, text,
                                          strlen(text), STORE_ANY, NULL, &err));
}

#define RECORD(holder, fence)                                                                      \
    "{\"holder\":" holder ",\"term\":9,\"count\":0,\"fence\":" fence ",\"fenced\":[]}"
#define AT(host, address) "{\"host\":\"" host "\",\"address\":\"" address "\"}"

static void a_record_names_hosts_by_addresses_and_not_too_many(void **state)
{
    static const char *const refused[] = {
        "[]",
        "{}",
        RECORD(AT("h2", ""), "[]"),
        RECORD(AT("h2", "10.0.0.1:0/0"), "[]"),
        RECORD("{\"address\":\"10.0.0.1\"}", "[]"),
        RECORD("null", "[" AT("h2", "10.0.0.0/8") "]"),
        RECORD("null", "{}"),
    };
    AUTO(drop_json) json_t *newer = json_pack("{s:i}", "format", 2);
    AUTO(drop_json) json_t *record = lease_record_taken(NULL, "h1", "fd00::1");
    json_t *fence = json_object_get(record, "fence");
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        AUTO(drop_json) json_t *bad = NULL;

        assert_true(json_read(refused[i], strlen(refused[i]), &bad, &err));
        assert_false(lease_record_check(bad, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    assert_false(lease_record_check(newer, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "newer quoin"));
    for (unsigned i = 0; i < LEASE_MAX_FENCE; i++) {
        assert_true(lease_record_check(record, &err));
        json_array_append_new(fence, json_pack("{s:s, s:s}", "host", "h2", "address", "10.0.0.1"));
    }
    assert_true(lease_record_check(record, &err));
    json_array_append_new(fence, json_pack("{s:s, s:s}", "host", "h2", "address", "10.0.0.1"));
    assert_false(lease_record_check(record, &err));
}

#define FORGED RECORD(AT("h2", OTHERS), "[" AT("h3", "127.99.0.3") "]")

static void a_record_cannot_have_anybody_fenced_who_is_no_member(void **state)
{
    AUTO(drop_outcome) struct outcome outcome = {.made = false};
    struct err err = {0};
    bool taken = false;

    (void)state;
    make_others();
    pass(LEASE_SECONDS);
    forge(FORGED);
    pass(LEASE_SECONDS + 4);
    assert_true(ripe());
    assert_false(takeover_try(vm_here("mgr"), &taken, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "h3"));
    assert_int_equal(fake_leases.fences, 0);
    assert_int_equal(fake_hv.state, HV_ABSENT);
    /* Known from the datastore's own maps, it is fenced. */
    AUTO(drop_json)
    json_t *hosts =
        json_pack("[{s:s, s:s, s:s}]", "name", "h3", "address", "", "disks_at", "127.99.0.3");

    fake_store.hosts = hosts;
    outcome = step_try("vm.start", this_vm());
    fake_store.hosts = NULL;
    assert_true(outcome.made);
    assert_int_equal(fake_leases.fences, 2);
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

static void who_was_fenced_by_hand_needs_no_proof_of_membership(void **state)
{
    (void)state;
    make_others();
    pass(LEASE_SECONDS);
    forge(FORGED);
    pass(LEASE_SECONDS + 4);
    step_refused("vm.start", this_vm(), ERR_DENIED);
    (void)snprintf(fake_leases.fenced, sizeof(fake_leases.fenced), "127.99.0.3");
    (void)step_do("vm.start", this_vm());
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

static void no_lease_is_ended_without_a_fence(void **state)
{
    struct err err = {0};
    bool taken = false;

    (void)state;
    make_others();
    forge(RECORD("null", "[]"));
    fake_leases.address[0] = '\0';
    fake_leases.now -= 3600 * SECOND;
    pass(3 * LEASE_SECONDS + 4);
    assert_true(ripe());
    assert_false(takeover_try(vm_here("mgr"), &taken, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_true(fake_leases.ends > fake_leases.now);
    assert_int_equal(fake_hv.state, HV_ABSENT);
    /* Where it is held from is enough. */
    (void)snprintf(fake_leases.address, sizeof(fake_leases.address), "%s", OTHERS);
    pass(LEASE_LOOK + 1);
    assert_true(ripe());
    assert_true(take_over(&taken));
    assert_true(taken);
    assert_string_equal(fake_leases.fenced, OTHERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_running_vm_has_a_lease_that_is_renewed),
        IT(a_host_that_no_fence_would_stop_runs_nothing),
        IT(a_stopped_vm_gives_its_lease_back),
        IT(a_removed_vm_leaves_no_lease),
        IT(a_host_that_cannot_renew_stops_its_vm_before_the_lease_runs_out),
        IT(a_plug_that_cannot_be_pulled_is_tried_again_less_often),
        IT(a_daemon_that_hangs_keeps_no_plug_in),
        IT(every_process_is_ended_before_the_daemon_is_asked),
        IT(a_process_that_does_not_end_spares_the_daemon_nothing),
        IT(looking_at_others_costs_no_renewal),
        IT(a_short_outage_costs_nothing),
        IT(a_frozen_host_stops_its_vm_as_the_first_thing),
        IT(the_datastores_clock_set_forth_costs_nothing),
        IT(a_lease_that_another_took_stops_the_vm),
        IT(a_write_whose_answer_was_lost_is_known_as_our_own),
        IT(the_home_is_not_written_without_the_lease),
        IT(a_restarted_agent_goes_on_with_its_lease),
        IT(a_restarted_agent_stops_what_another_took),
        IT(what_runs_without_a_note_is_stopped_when_another_has_it),
        IT(the_same_host_takes_its_lease_again_at_once),
        IT(a_lease_is_taken_over_only_after_it_ran_out),
        IT(nothing_is_started_before_the_fence_holds),
        IT(the_datastores_clock_set_forth_makes_nobody_take_over),
        IT(the_datastores_clock_set_back_delays_a_takeover_not_for_ever),
        IT(of_two_that_take_over_one_is_refused),
        IT(a_vm_that_shall_be_off_is_not_taken_over),
        IT(whom_the_last_holder_had_not_fenced_is_fenced_too),
        IT(who_let_go_is_not_fenced),
        IT(a_record_names_hosts_by_addresses_and_not_too_many),
        IT(a_record_cannot_have_anybody_fenced_who_is_no_member),
        IT(who_was_fenced_by_hand_needs_no_proof_of_membership),
        IT(no_lease_is_ended_without_a_fence),
        IT(a_fenced_host_destroys_what_it_runs_then_lifts_its_fence),
        IT(a_host_that_was_fenced_while_it_was_off_comes_back),
        IT(a_host_that_was_taken_out_destroys_all_and_stays_fenced),
        IT(a_refused_key_makes_no_host_one_that_was_taken_out),
        IT(a_host_that_comes_in_anew_destroys_all_then_lifts_its_fence),
        IT(an_agent_that_ends_leaves_no_thread_at_its_leases),
        IT(an_agent_that_ends_renews_until_the_hypervisor_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
