/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cached.h: what starts from a kept key, what does not, and when it is wiped. */
#include "world.h"

#include "../key/swtpm.h"

#include "agent/cached.h"
#include "agent/home.h"
#include "agent/status.h"
#include "key/cache.h"

static struct swtpm a;

static json_t *params(int seconds)
{
    return json_pack("{s:s, s:s, s:s, s:i}", "name", "corp", "type", "native", "tpm", "auto",
                     "cache", seconds);
}

static int begin(void **state)
{
    if (folder_make(state) != 0 || world_begin(state) != 0) {
        return -1;
    }
    swtpm_start("a", &a);
    world.agent.tcti = a.tcti;
    make_running();
    (void)step_do("provider.open", params(3600));
    return 0;
}

static int end(void **state)
{
    swtpm_stop(&a);
    return world_end(state) || folder_drop(state);
}

static bool is_kept(void)
{
    AUTO(drop_free)
    char *path = text_make("%s/cache/%s.json", world.agent.host.folder, vm_uuid("mgr"));

    return file_exists(path);
}

static void keep(void)
{
    struct err err = {0};

    if (!cached_keep(vm_here("mgr"), &err)) {
        fail_msg("%s", err.what);
    }
}

static void keep_once(void)
{
    keep();
    assert_true(is_kept());
}

/* The host starts again, its provider away. */
static void start_alone(void)
{
    world_power_cut();
    world.agent.tcti = a.tcti;
    fake_key_away = true;
}

static bool opens(struct err *err)
{
    return vm_open(vm_here("mgr"), err);
}

static void does_not_open(enum err_kind kind, const char *why)
{
    struct err err = {0};

    assert_false(opens(&err));
    assert_int_equal(err.kind, kind);
    if (!strstr(err.what, why)) {
        fail_msg("%s", err.what);
    }
}

/* Of the VM, as status tells it. */
static json_t *told(const char *key)
{
    AUTO(drop_json) json_t *status = status_make(&world.agent);

    return json_incref(json_object_get(json_array_get(json_object_get(status, "vms"), 0), key));
}

/* The last event of this verb; NULL: none. */
static json_t *event(const char *verb)
{
    AUTO(drop_json) json_t *answer = audit_after(world.agent.audit, NULL, 0);
    json_t *events = json_object_get(answer, "events");

    for (size_t i = json_array_size(events); i > 0; i--) {
        json_t *one = json_array_get(events, i - 1);

        if (strcmp(json_string_or(one, "verb", ""), verb) == 0) {
            return json_incref(one);
        }
    }
    return NULL;
}

/* What was put at another time than now. */
static void put_at(time_t at)
{
    AUTO(drop_free) char *folder = agent_path(&world.agent, "cache");
    const struct cache_conf conf = {
        .folder = folder, .host = agent_hostseal_conf(&world.agent), .seconds = 3600};
    const struct vm *vm = vm_here("mgr");
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err err = {0};

    assert_true(envelope_read(vm->envelope, strlen(vm->envelope), &envelope, &err));
    if (!cache_put(&conf, envelope, vm->key, at, &err)) {
        fail_msg("%s", err.what);
    }
}

static void a_vm_starts_from_the_kept_key_while_its_provider_is_away(void **state)
{
    bool started = false;
    struct err err = {0};

    (void)state;
    keep_once();
    start_alone();
    if (!vm_start(vm_here("mgr"), &started, &err)) {
        fail_msg("%s", err.what);
    }
    assert_true(started);
    AUTO(drop_json) json_t *cached = told("cached"), *use = event("cache");

    assert_true(json_is_integer(cached));
    assert_string_equal(json_string_or(use, "result", ""), "done");
    assert_string_equal(json_string_or(use, "vm", ""), vm_uuid("mgr"));
    /* It says nothing of the provider. */
    assert_string_equal(audit_health(world.agent.audit).why, "open key provider 'corp': the key "
                                                             "provider does not answer");
}

static void once_the_provider_answers_nothing_is_said_any_more(void **state)
{
    struct err err = {0};

    (void)state;
    keep_once();
    start_alone();
    assert_true(opens(&err));
    keep(); /* away: no failure */
    AUTO(drop_json) json_t *before = told("cached");

    assert_true(json_is_integer(before));
    fake_key_away = false;
    world.now += 60000;
    keep();
    AUTO(drop_json) json_t *after = told("cached");

    assert_true(json_is_null(after));
    assert_true(is_kept());
}

static void without_a_kept_key_it_waits(void **state)
{
    (void)state;
    start_alone();
    does_not_open(ERR_AWAY, "does not answer");
    assert_null(event("cache"));
}

static void too_old_a_key_is_not_used_and_the_reason_is_told(void **state)
{
    (void)state;
    put_at(time(NULL) - 3660);
    start_alone();
    does_not_open(ERR_AWAY, "61 minutes old, and 60 are allowed");
    AUTO(drop_json) json_t *use = event("cache");

    assert_string_equal(json_string_or(use, "result", ""), "denied");
}

static void a_host_whose_clock_was_set_back_waits(void **state)
{
    (void)state;
    put_at(time(NULL) + 600);
    start_alone();
    does_not_open(ERR_AWAY, "set back");
}

static void a_provider_that_denies_is_obeyed_and_the_key_is_wiped(void **state)
{
    (void)state;
    keep_once();
    start_alone();
    fake_key_away = false;
    fake_key_denies = true;
    does_not_open(ERR_DENIED, "lets nobody in");
    assert_false(is_kept());
    fake_key_denies = false;
    fake_key_away = true;
    does_not_open(ERR_AWAY, "does not answer");
}

static void a_provider_that_denies_while_it_runs_wipes_it_too(void **state)
{
    struct err err = {0};

    (void)state;
    keep_once();
    fake_key_denies = true;
    world.now += 450 * 1000;
    assert_false(cached_keep(vm_here("mgr"), &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_false(is_kept());
    assert_int_equal(fake_hv.state, HV_RUNNING);
}

static void another_key_from_the_provider_wipes_it(void **state)
{
    struct err err = {0};

    (void)state;
    keep_once();
    fake_key_lies = true;
    world.now += 450 * 1000;
    assert_false(cached_keep(vm_here("mgr"), &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_false(is_kept());
}

static void the_provider_is_asked_again_eight_times_in_its_time(void **state)
{
    (void)state;
    keep_once();
    (void)cached_drop(vm_here("mgr"), &(struct err){0});
    vm_here("mgr")->cache_next = world.now + 450 * 1000;
    world.now += 449 * 1000;
    keep();
    assert_false(is_kept());
    world.now += 1000;
    keep_once();
}

static void a_rotation_wipes_it_and_the_new_envelope_is_kept(void **state)
{
    AUTO(drop_outcome) struct outcome made = step_try("key.make", json_object());
    struct err err = {0};

    (void)state;
    keep_once();
    (void)step_do("key.rewrap", json_object());
    assert_false(is_kept());
    keep_once();
    (void)step_do("key.retire", json_pack("{s:s}", "kek", json_string_or(made.result, "old", "")));
    assert_false(is_kept());
    keep_once();
    start_alone();
    assert_true(opens(&err));
}

static void a_move_and_a_deep_rekey_wipe_it(void **state)
{
    (void)state;
    keep_once();
    (void)step_do("vm.copy", this_vm());
    assert_false(is_kept());
    keep_once();
    (void)step_do("key.make", json_pack("{s:{s:s, s:s, s:s, s:i}}", "provider", "name", "there",
                                        "type", "other", "tpm", "auto", "cache", 3600));
    (void)step_do("key.rewrap", json_object());
    assert_false(is_kept());
    keep_once();
}

static void off_in_the_blueprint_wipes_it(void **state)
{
    (void)state;
    keep_once();
    (void)step_do("provider.open", params(0));
    assert_false(is_kept());
    keep();
    assert_false(is_kept());
}

static void another_time_in_the_blueprint_counts_at_once(void **state)
{
    (void)state;
    keep_once();
    (void)step_do("provider.open", params(60));
    assert_false(is_kept());
    keep_once();
    assert_int_equal(vm_here("mgr")->cache_next, world.now + 7500);
}

static void a_vm_that_is_off_or_anothers_is_not_kept(void **state)
{
    (void)state;
    keep_once();
    (void)step_do("vm.stop", this_vm());
    keep();
    assert_false(is_kept());
    (void)step_do("vm.start", this_vm());
    keep_once();
    vm_note(vm_here("mgr"), vm_here("mgr")->config, "host", json_string("h2"));
    keep();
    assert_false(is_kept());
}

static void a_vm_that_is_removed_and_a_host_that_leaves_keep_nothing(void **state)
{
    (void)state;
    keep_once();
    (void)step_do("vm.remove", this_vm());
    assert_false(is_kept());
    (void)step_do("store.remove", json_object());
    (void)step_do("provider.remove", json_object());
    AUTO(drop_free) char *folder = agent_path(&world.agent, "cache");

    assert_true(!file_exists(folder) || rmdir(folder) == 0);
}

static void the_cache_needs_a_tpm(void **state)
{
    json_t *off = params(3600);

    (void)state;
    json_object_set_new(off, "tpm", json_string("off"));
    step_refused("provider.open", off, ERR_INPUT);
    step_refused("provider.open", params(31 * 86400), ERR_INPUT);
    world.agent.tcti = "swtpm:path=/nowhere";
    step_refused("provider.open", params(60), ERR_AWAY);
    assert_string_equal(world.agent.host.provider.cache, "3600");
}

#define KEPT(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEPT(a_vm_starts_from_the_kept_key_while_its_provider_is_away),
        KEPT(once_the_provider_answers_nothing_is_said_any_more),
        KEPT(without_a_kept_key_it_waits),
        KEPT(too_old_a_key_is_not_used_and_the_reason_is_told),
        KEPT(a_host_whose_clock_was_set_back_waits),
        KEPT(a_provider_that_denies_is_obeyed_and_the_key_is_wiped),
        KEPT(a_provider_that_denies_while_it_runs_wipes_it_too),
        KEPT(another_key_from_the_provider_wipes_it),
        KEPT(the_provider_is_asked_again_eight_times_in_its_time),
        KEPT(a_rotation_wipes_it_and_the_new_envelope_is_kept),
        KEPT(a_move_and_a_deep_rekey_wipe_it),
        KEPT(off_in_the_blueprint_wipes_it),
        KEPT(another_time_in_the_blueprint_counts_at_once),
        KEPT(a_vm_that_is_off_or_anothers_is_not_kept),
        KEPT(a_vm_that_is_removed_and_a_host_that_leaves_keep_nothing),
        KEPT(the_cache_needs_a_tpm),
    };

    if (swtpm_missing()) {
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
