/* SPDX-License-Identifier: Apache-2.0 */
/* agent/keeper.h: what shall run runs again, whatever was away. */
#include <sys/eventfd.h>

#include "world.h"

#include "agent/keeper.h"
#include "agent/lease.h"
#include "agent/status.h"
#include "agent/takeover.h"

/* The keeper looks again after at most this long when it was woken or is in its first failures. */
#define PATIENCE_MS 20000

static bool runs(void)
{
    return fake_hv.state == HV_RUNNING;
}

static char *waiting(void)
{
    AUTO(drop_json) json_t *status = status_make(&world.agent);

    return text_copy(json_string_or(status, "waiting", NULL));
}

static bool waits(void)
{
    AUTO(drop_free) char *what = waiting();

    return what != NULL;
}

static bool is_calm(void)
{
    return !waits();
}

static bool comes(bool (*holds)(void))
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 20) {
        pthread_mutex_lock(&world.agent.work);
        bool held = holds();
        pthread_mutex_unlock(&world.agent.work);
        if (held) {
            return true;
        }
        usleep(20000);
    }
    return false;
}

static pthread_t begin(void)
{
    pthread_t keeper;
    struct err err = {0};

    assert_true(keeper_start(&world.agent, &keeper, &err));
    return keeper;
}

static void wake(void)
{
    assert_int_equal(eventfd_write(world.agent.wake, 1), 0);
}

static void a_vm_that_shall_run_runs_again_after_a_power_cut(void **state)
{
    (void)state;
    make_running();
    fake_hv_write("written before the cut");
    world_power_cut();
    assert_int_equal(fake_hv.state, HV_ABSENT);
    pthread_t keeper = begin();

    assert_true(comes(runs));
    keeper_stop(&world.agent, keeper);
    assert_int_equal(fake_hv.starts, 1);
    assert_true(fake_hv_has("written before the cut"));
}

static void the_door_of_an_enrolled_host_opens_again(void **state)
{
    (void)state;
    make_provider();
    (void)step_do("agent.enrol", json_object());
    world_power_cut();
    assert_null(world.agent.network);
    pthread_t keeper = begin();

    usleep(50000);
    assert_true(comes(is_calm));
    keeper_stop(&world.agent, keeper);
    assert_non_null(world.agent.network);
}

static void a_vm_that_shall_be_off_stays_off(void **state)
{
    (void)state;
    make_running();
    (void)step_do("vm.stop", this_vm());
    world_power_cut();
    pthread_t keeper = begin();

    usleep(50000);
    assert_true(comes(is_calm));
    keeper_stop(&world.agent, keeper);
    assert_int_equal(fake_hv.starts, 0);
}

static void a_vm_of_another_host_is_not_started(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    struct vm *vm = vm_here("mgr");

    json_object_set_new(vm->config, "host", json_string("h2"));
    assert_true(vm_save(vm, &err));
    world_power_cut();
    pthread_t keeper = begin();

    usleep(50000);
    assert_true(comes(is_calm));
    keeper_stop(&world.agent, keeper);
    assert_int_equal(fake_hv.starts, 0);
}

static void it_waits_for(bool *away, const char *word)
{
    make_running();
    world_power_cut();
    *away = true;
    pthread_t keeper = begin();

    assert_true(comes(waits));
    AUTO(drop_free) char *what = waiting();

    assert_non_null(strstr(what, word));
    assert_int_equal(fake_hv.starts, 0);
    *away = false;
    assert_true(comes(runs));
    assert_true(comes(is_calm));
    keeper_stop(&world.agent, keeper);
    assert_int_equal(fake_hv.starts, 1);
}

static void it_waits_for_the_provider_and_says_so(void **state)
{
    (void)state;
    it_waits_for(&fake_key_away, "key provider");
}

static void it_waits_for_the_datastore_and_says_so(void **state)
{
    (void)state;
    it_waits_for(&fake_store.away, "datastore");
}

static bool saved(void)
{
    return !vm_here("mgr")->unsaved;
}

static void what_could_not_be_stored_is_stored_later(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    fake_store.full = true;
    fake_hv_write("written while the datastore was full");
    assert_true(vm_here("mgr")->unsaved);
    pthread_t keeper = begin();

    assert_true(comes(waits));
    fake_store.full = false;
    wake();
    assert_true(comes(saved));
    keeper_stop(&world.agent, keeper);
    world_power_cut();
    assert_true(vm_open(vm_here("mgr"), &err));
    keeper = begin();
    assert_true(comes(runs));
    keeper_stop(&world.agent, keeper);
    assert_true(fake_hv_has("written while the datastore was full"));
}

static void a_host_that_is_part_of_nothing_waits_for_nothing(void **state)
{
    (void)state;
    pthread_t keeper = begin();

    usleep(50000);
    assert_true(comes(is_calm));
    keeper_stop(&world.agent, keeper);
}

static void it_does_not_wait_for_a_step_at_work(void **state)
{
    (void)state;
    pthread_mutex_lock(&world.agent.work);
    pthread_t keeper = begin();

    usleep(50000);
    keeper_stop(&world.agent, keeper);
    pthread_mutex_unlock(&world.agent.work);
}

static void a_lease_that_cannot_be_noted_is_not_taken(void **state)
{
    AUTO(drop_free) char *folder = agent_path(&world.agent, "leases");
    struct err err = {0};

    (void)state;
    make_poured();
    assert_true(file_write(folder, "", 0, 0600, &err));
    assert_false(lease_take(&world.agent, vm_uuid("mgr"), &err));
    assert_false(lease_holds(&world.agent, vm_uuid("mgr")));
    assert_true(file_remove(folder, &err));
    (void)step_do("vm.start", this_vm());
    assert_true(lease_holds(&world.agent, vm_uuid("mgr")));
}

static void a_fenced_host_destroys_also_what_it_has_no_note_of(void **state)
{
    struct err err = {0};

    (void)state;
    make_running();
    world_restart(); /* it has read no notes, and knows of no VM */
    (void)snprintf(fake_leases.fenced, sizeof(fake_leases.fenced), "%s", world.address);
    lease_suspect(&world.agent);
    fake_hv.lives_on = true;
    assert_false(takeover_heal(&world.agent, &err));
    assert_string_equal(fake_leases.fenced, world.address);
    fake_hv.lives_on = false;
    assert_true(takeover_heal(&world.agent, &err));
    assert_int_equal(fake_hv.state, HV_ABSENT);
    assert_string_equal(fake_leases.fenced, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_fenced_host_destroys_also_what_it_has_no_note_of),
        IT(a_lease_that_cannot_be_noted_is_not_taken),
        IT(a_vm_that_shall_run_runs_again_after_a_power_cut),
        IT(the_door_of_an_enrolled_host_opens_again),
        IT(a_vm_that_shall_be_off_stays_off),
        IT(a_vm_of_another_host_is_not_started),
        IT(it_waits_for_the_provider_and_says_so),
        IT(it_waits_for_the_datastore_and_says_so),
        IT(what_could_not_be_stored_is_stored_later),
        IT(a_host_that_is_part_of_nothing_waits_for_nothing),
        IT(it_does_not_wait_for_a_step_at_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
