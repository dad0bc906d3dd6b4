/* SPDX-License-Identifier: Apache-2.0 */
/* encryption.pcrs: what the agent keeps is bound to PCRs, anew when the blueprint names others, and
 * comes back by the recovery key. */
#include "world.h"

#include "../key/swtpm.h"

#include "agent/ca.h"
#include "agent/enrol.h"
#include "agent/notice.h"
#include "agent/recover.h"
#include "base/secret_open.h"

static struct swtpm a;

static json_t *params(json_t *pcrs)
{
    return json_pack("{s:s, s:s, s:s, s:o*}", "name", "corp", "type", "native", "tpm", "required",
                     "pcrs", pcrs);
}

static int begin(void **state)
{
    if (folder_make(state) != 0 || world_begin(state) != 0) {
        return -1;
    }
    swtpm_start("a", &a);
    world.agent.tcti = a.tcti;
    return 0;
}

static int end(void **state)
{
    swtpm_stop(&a);
    return world_end(state) || folder_drop(state);
}

static void boot(void)
{
    world_power_cut();
    world.agent.tcti = a.tcti;
}

/* The host boots something else. */
static void boot_other(void)
{
    tpm2(&a, RUN("tpm2_pcrextend",
                 "11:sha256=0101010101010101010101010101010101010101010101010101010101010101"));
    boot();
}

/* The number in a record that says what it is bound to. */
static json_int_t bound_to(const char *name)
{
    AUTO(drop_free) char *path = text_make("%s/%s", world.agent.host.folder, name);
    AUTO(drop_free) char *text = NULL;
    AUTO(drop_json) json_t *record = NULL;
    struct err err = {0};
    size_t length = 0;

    if (!file_read(path, JSON_MAX_BYTES, &text, &length, &err) ||
        !json_read(text, length, &record, &err)) {
        fail_msg("%s", err.what);
    }
    return json_integer_value(json_object_get(record, "pcrs"));
}

static void make(json_t *pcrs)
{
    (void)step_do("provider.open", params(pcrs));
    (void)step_do("ca.make", json_object());
    (void)step_do("agent.enrol", json_object());
}

static bool opens(struct err *err)
{
    AUTO(drop_secret) struct secret *ca = NULL, *tls = NULL;

    return ca_open(&world.agent, &ca, err) && enrol_key(&world.agent, &tls, err);
}

static void opens_must(void)
{
    struct err err = {0};

    if (!opens(&err)) {
        fail_msg("%s", err.what);
    }
}

static void what_is_kept_is_bound_to_the_pcrs_of_the_blueprint(void **state)
{
    (void)state;
    make(json_pack("[i, i]", 7, 11));
    assert_int_equal(bound_to("provider/root.json"), 1 << 7 | 1 << 11);
    assert_int_equal(bound_to("tls.key"), 1 << 7 | 1 << 11);
    boot();
    opens_must();
}

static void changed_pcrs_open_nothing_and_say_which_and_what_to_do(void **state)
{
    struct err err = {0};

    (void)state;
    make(json_pack("[i, i]", 7, 11));
    boot_other();
    assert_false(opens(&err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, "it is bound to PCR 7, 11"));
    assert_non_null(strstr(err.what, "the PCRs are not what they were"));
    assert_non_null(strstr(err.remedy, "quoin key recover"));
    step_refused("provider.open", params(json_pack("[i, i]", 7, 11)), ERR_DENIED);
}

/* Before the firmware is changed: bound to nothing; afterwards bound again. */
static void other_pcrs_in_the_blueprint_bind_all_of_it_anew(void **state)
{
    (void)state;
    make(json_pack("[i]", 11));
    (void)step_do("provider.open", params(NULL));
    assert_int_equal(bound_to("provider/root.json"), 0);
    assert_int_equal(bound_to("tls.key"), 0);
    boot_other();
    opens_must();
    (void)step_do("provider.open", params(json_pack("[i]", 11)));
    assert_int_equal(bound_to("provider/root.json"), 1 << 11);
    assert_int_equal(bound_to("tls.key"), 1 << 11);
    boot();
    opens_must();
}

/* quoin key csr, before or after a deploy. */
static void a_request_leaves_the_binding_as_it_is(void **state)
{
    (void)state;
    make(json_pack("[i]", 11));
    (void)step_do("provider.request", params(json_pack("[i]", 11)));
    assert_int_equal(bound_to("provider/root.json"), 1 << 11);
    assert_int_equal(bound_to("tls.key"), 1 << 11);
    assert_string_equal(world.agent.host.provider.pcrs, "11");
}

static void what_cannot_be_bound_anew_opens_all_the_same(void **state)
{
    const struct hostseal_conf bound = {.tpm = TPM_AUTO, .tcti = a.tcti, .pcrs = 1u << 11};
    const struct hostseal_conf plain = {.tpm = TPM_AUTO, .tcti = a.tcti};
    AUTO(drop_free) char *path = agent_path(&world.agent, "record.json");
    AUTO(drop_secret) struct secret *secret = NULL, *out = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &secret, &err));
    assert_true(hostseal_seal(&plain, path, "test", secret, &err));
    disk_full(0);
    bool opened = hostseal_open(&bound, path, "test", &out, &err);

    disk_free();
    assert_true(opened);
    assert_true(secret_equal(secret, out));
    assert_int_equal(bound_to("record.json"), 0);
}

static struct secret *file_for_the_user(void)
{
    static const char word[] = "correct horse battery staple";
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_free) char *file = NULL;
    struct secret *body = NULL;
    struct err err = {0};
    size_t n = strlen(word);

    assert_true(secret_new(n, &password, &err));
    memcpy(secret_bytes(password), word, n);
    assert_true(notice_give(&world.agent, password, &file, &err));
    assert_true(secret_new(n + 1 + strlen(file), &body, &err));
    memcpy(secret_bytes(body), word, n);
    secret_bytes(body)[n] = '\n';
    memcpy(secret_bytes(body) + n + 1, file, strlen(file));
    return body;
}

static void the_recovery_key_brings_all_back_under_the_pcrs_as_they_are(void **state)
{
    AUTO(drop_secret) struct secret *kept = NULL;
    struct err err = {0};
    bool recovery = false;

    (void)state;
    make(json_pack("[i]", 11));
    (void)step_do("store.begin", store_params());
    (void)step_do("store.disk", disk_params());
    (void)step_do("store.pool", json_object());
    (void)step_do("recovery.make", json_object());
    (void)step_do("vm.seal", vm_params("mgr"));
    kept = file_for_the_user();
    boot_other();
    assert_false(opens(&err));
    if (!recover_keys(&world.agent, kept, &recovery, &err)) {
        fail_msg("%s", err.what);
    }
    (void)step_do("key.recover", params(json_pack("[i]", 11)));
    boot();
    opens_must();
    assert_int_equal(bound_to("provider/root.json"), 1 << 11);
    assert_int_equal(bound_to("tls.key"), 1 << 11);
    if (!vm_open(vm_here("mgr"), &err)) {
        fail_msg("%s", err.what);
    }
}

/* A further host: another one has the cluster's keys, this one's own private key and the native
 * root are lost to it. Not wiped: the folder is put aside. */
static void what_the_pcrs_deny_is_put_aside_for_a_deploy_to_give_anew(void **state)
{
    AUTO(drop_free) char *key = NULL, *folder = NULL;

    (void)state;
    make(json_pack("[i]", 11));
    assert_false(step_do("key.forget", json_object()));
    opens_must();
    boot_other();
    key = agent_path(&world.agent, "tls.key");
    folder = agent_path(&world.agent, "provider");
    step_refused("agent.request", json_pack("{s:s}", "tpm", "required"), ERR_DENIED);
    assert_true(step_do("key.forget", json_object()));
    assert_false(file_exists(key));
    assert_false(file_exists(folder));
    assert_null(world.agent.host.provider.kek);
    assert_false(step_do("key.forget", json_object()));
    assert_true(step_do("agent.request", json_pack("{s:s}", "tpm", "required")));
    assert_int_equal(bound_to("tls.key"), 1 << 11);
}

/* A TPM that does not answer denies nothing: nothing is given up for it. */
static void a_silent_tpm_makes_nobody_forget(void **state)
{
    (void)state;
    make(json_pack("[i]", 11));
    boot();
    world.agent.tcti = "swtpm:path=/nowhere";
    step_refused("key.forget", json_object(), ERR_AWAY);
    boot();
    opens_must();
}

static void pcrs_that_no_tpm_has_and_a_host_without_one_are_refused(void **state)
{
    json_t *off = params(json_pack("[i]", 7));

    (void)state;
    step_refused("provider.open", params(json_pack("[i]", 24)), ERR_INPUT);
    step_refused("provider.open", params(json_pack("[s]", "seven")), ERR_INPUT);
    step_refused("provider.open", params(json_pack("{}")), ERR_INPUT);
    json_object_set_new(off, "tpm", json_string("off"));
    step_refused("provider.open", off, ERR_INPUT);
    world.agent.tcti = "swtpm:path=/nowhere";
    step_refused("provider.open", params(json_pack("[i]", 7)), ERR_AWAY);
}

#define BOUND(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOUND(what_is_kept_is_bound_to_the_pcrs_of_the_blueprint),
        BOUND(changed_pcrs_open_nothing_and_say_which_and_what_to_do),
        BOUND(other_pcrs_in_the_blueprint_bind_all_of_it_anew),
        BOUND(a_request_leaves_the_binding_as_it_is),
        BOUND(what_cannot_be_bound_anew_opens_all_the_same),
        BOUND(the_recovery_key_brings_all_back_under_the_pcrs_as_they_are),
        BOUND(what_the_pcrs_deny_is_put_aside_for_a_deploy_to_give_anew),
        BOUND(a_silent_tpm_makes_nobody_forget),
        BOUND(pcrs_that_no_tpm_has_and_a_host_without_one_are_refused),
    };

    if (swtpm_missing()) {
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
