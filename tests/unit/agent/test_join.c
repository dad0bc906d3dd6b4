/* SPDX-License-Identifier: Apache-2.0 */
/* A further host: its request, its certificate, what comes in the parcel; and whom is refused. The
 * world's agent is h1, the first host; another agent is h2, over the same datastore. */
#include "second.h"

#include "agent/ca.h"
#include "agent/enrol.h"

static void second_refused(const char *kind, json_t *params, enum err_kind wanted, const char *word)
{
    AUTO(drop_outcome) struct outcome outcome = second_try(kind, params);

    assert_false(outcome.made);
    if (outcome.err.kind != wanted || !strstr(outcome.err.what, word)) {
        fail_msg("%s is %s: %s", kind, err_kind_name(outcome.err.kind), outcome.err.what);
    }
}

static void a_host_joins_with_the_keys_of_the_first(void **state)
{
    AUTO(drop_json) json_t *params = shared();
    AUTO(drop_json) json_t *opened = second_does("provider.open", json_incref(params));
    second_did("store.join", join_params(params));

    (void)state;
    assert_string_equal(json_string_or(opened, "kek", ""), world.agent.host.provider.kek);
    assert_string_equal(second.host.provider.kek, world.agent.host.provider.kek);
    assert_non_null(second.network);
    assert_string_equal(fake_store.joined, "h2");
    assert_true(second.host.member);
    assert_int_equal(json_array_size(second.host.monitors), 2);
}

static void joined_twice_it_is_the_same_host(void **state)
{
    AUTO(drop_json) json_t *params = shared();
    second_did("provider.open", json_incref(params));
    second_did("store.join", join_params(params));
    AUTO(drop_outcome) struct outcome asked = second_try("agent.request", json_object());
    AUTO(drop_outcome) struct outcome again = second_try("provider.open", json_incref(params));
    AUTO(drop_outcome) struct outcome once_more = second_try("store.join", join_params(params));

    (void)state;
    assert_false(asked.changed);
    assert_non_null(json_object_get(asked.result, "certificate"));
    assert_true(again.made);
    assert_false(again.changed);
    assert_true(once_more.made);
    assert_false(once_more.changed);
}

/* What is on the datastore and at the provider is enough: h2 can open what h1 made, and sign. */
static void the_joined_host_can_sign_when_the_first_is_gone(void **state)
{
    AUTO(drop_json) json_t *params = shared();
    second_did("provider.open", json_incref(params));
    second_did("store.join", join_params(params));
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *request = NULL, *ca = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_key_make(&key, &err));
    assert_true(certificate_request_make(key, "h3", &request, &err));
    AUTO(drop_json) json_t *given = second_does("ca.sign", sign_params(request, "h3"));

    assert_true(enrol_ca(&world.agent, &ca, &err));
    assert_true(certificate_check(json_string_or(given, "certificate", ""), ca, &err));
}

static void the_joined_host_opens_the_vm_that_the_first_made(void **state)
{
    AUTO(drop_json) json_t *params = shared();
    second_did("provider.open", json_incref(params));
    second_did("store.join", join_params(params));
    struct vm *vm = NULL;
    struct err err = {0};

    (void)state;
    (void)step_do("vm.seal", vm_params("mgr"));
    assert_true(vm_find(&second, vm_uuid("mgr"), &vm, &err));
    assert_true(vm_open(vm, &err));
    assert_true(secret_equal(vm->key, vm_here("mgr")->key));
}

static void a_request_for_another_name_is_denied(void **state)
{
    AUTO(drop_json) json_t *asked = second_does("agent.request", json_pack("{s:s}", "tpm", "off"));
    const char *request = json_string_or(asked, "request", "");

    (void)state;
    step_refused("ca.sign", sign_params(request, "h3"), ERR_DENIED);
}

static void nobody_gets_the_name_of_the_host_that_signs(void **state)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *request = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_key_make(&key, &err));
    assert_true(certificate_request_make(key, "h1", &request, &err));
    step_refused("ca.sign", sign_params(request, "h1"), ERR_CLASH);
}

static void a_request_with_a_name_that_no_host_has_is_refused(void **state)
{
    static const char *const names[] = {"../h2", "H2", "h2/host", ""};
    AUTO(drop_secret) struct secret *key = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_key_make(&key, &err));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(drop_free) char *request = NULL;

        assert_true(certificate_request_make(key, names[i][0] ? names[i] : "x", &request, &err));
        step_refused("ca.sign", sign_params(request, names[i]), ERR_INPUT);
    }
}

/* Somebody else's CA with the same name, in the right shape. */
static void a_forged_certificate_is_denied_and_changes_nothing(void **state)
{
    AUTO(drop_json) json_t *asked = second_does("agent.request", json_pack("{s:s}", "tpm", "off"));
    AUTO(drop_json)
    json_t *given = first_does("ca.sign", sign_params(json_string_or(asked, "request", ""), "h2"));
    AUTO(drop_secret) struct secret *other = NULL;
    AUTO(drop_free) char *other_ca = NULL, *pem = agent_path(&second, "tls.pem");
    struct err err = {0};

    (void)state;
    assert_true(certificate_authority_make("quoin CA edge-01", 9, &other, &other_ca, &err));
    second_refused("agent.enrol",
                   json_pack("{s:O, s:s}", "certificate", json_object_get(given, "certificate"),
                             "ca", other_ca),
                   ERR_DENIED, "refused");
    assert_false(file_exists(pem));
    assert_null(second.network);
}

static void a_certificate_for_another_hosts_key_or_name_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *request = NULL;
    struct err err = {0};

    (void)state;
    json_decref(signed_for_second());
    assert_true(certificate_key_make(&key, &err));
    assert_true(certificate_request_make(key, "h2", &request, &err));
    AUTO(drop_json) json_t *others = first_does("ca.sign", sign_params(request, "h2"));

    second_refused("agent.enrol", json_incref(others), ERR_CLASH, "another private key");
    secret_free(TAKE(key));
    assert_true(enrol_key(&second, &key, &err));
    free(TAKE(request));
    assert_true(certificate_request_make(key, "h3", &request, &err));
    AUTO(drop_json) json_t *named = first_does("ca.sign", sign_params(request, "h3"));

    second_refused("agent.enrol", json_incref(named), ERR_DENIED, "not that of host 'h2'");
}

static void a_host_of_another_cluster_is_refused_by_name(void **state)
{
    AUTO(drop_outcome)
    struct outcome other = second_as("h2", OTHER, "agent.request", json_object());

    (void)state;
    assert_true(other.made);
    second_refused("agent.request", json_object(), ERR_CLASH, OTHER);
}

/* Its state was copied from h2 to another machine, which then should be h4. */
static void a_copy_of_a_host_is_refused_by_name(void **state)
{
    AUTO(drop_json) json_t *given = signed_for_second();
    AUTO(drop_outcome)
    struct outcome copy = second_as("h4", CLUSTER, "agent.request", json_object());

    (void)state;
    assert_non_null(given);
    assert_false(copy.made);
    assert_int_equal(copy.err.kind, ERR_CLASH);
    assert_non_null(strstr(copy.err.what, "'h2'"));
}

static void a_parcel_for_another_host_is_refused(void **state)
{
    AUTO(drop_json) json_t *params = shared();
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *request = NULL;
    struct err err = {0};

    (void)state;
    assert_true(certificate_key_make(&key, &err));
    assert_true(certificate_request_make(key, "h3", &request, &err));
    AUTO(drop_json) json_t *given = first_does("ca.sign", sign_params(request, "h3"));
    AUTO(drop_json)
    json_t *others = first_does(
        "host.share", json_pack("{s:O}", "certificate", json_object_get(given, "certificate")));

    json_object_set(params, "parcel", json_object_get(others, "parcel"));
    second_refused("provider.open", json_incref(params), ERR_CLASH, "'h3'");
    assert_null(second.host.provider.kek);
}

/* Parcel and proof of two rounds do not go together: one cannot be replayed under the other. */
static void an_older_parcel_does_not_fit_the_proof(void **state)
{
    AUTO(drop_json) json_t *older = shared();
    AUTO(drop_free) char *path = agent_path(&second, "tls.pem"), *pem = NULL;
    struct err err = {0};

    (void)state;
    assert_true(file_read(path, CERTIFICATE_MAX, &pem, NULL, &err));
    AUTO(drop_json)
    json_t *newer = first_does("host.share", json_pack("{s:s}", "certificate", pem));

    json_object_set(older, "proof", json_object_get(newer, "proof"));
    second_refused("provider.open", json_incref(older), ERR_CLASH, "not the cluster's");
}

static void a_host_whose_provider_is_another_is_refused_before_its_disks(void **state)
{
    AUTO(drop_json) json_t *params = shared();
    AUTO(drop_free) char *folder = text_make("%s/elsewhere", world.root);
    struct provider_conf conf = {.name = "corp",
                                 .type = "native",
                                 .cluster = CLUSTER,
                                 .folder = folder,
                                 .host = {.tpm = TPM_OFF}};
    const struct envelope_about about = {.vm = CLUSTER, .purpose = "share", .generation = 1};
    AUTO(drop_secret) struct secret *nonce = NULL;
    AUTO(drop_envelope) struct envelope *proof = NULL;
    AUTO(drop_key) struct key *key = NULL;
    AUTO(drop_free) char *kek = NULL;
    struct err err = {0};

    (void)state;
    assert_true(key_open(&conf, &key, &err) && key_kek_make(key, "x", &kek, &err) &&
                secret_random(32, &nonce, &err));
    struct envelope_about full = about;

    full.kek_id = kek;
    assert_true(key_wrap(key, &full, nonce, &proof, &err));
    json_object_set_new(params, "proof", envelope_json(proof));
    second_refused("provider.open", json_incref(params), ERR_ABSENT, "another host of the cluster");
    assert_null(second.host.provider.kek);
    assert_string_equal(fake_store.joined, "");
}

static void nothing_is_shared_with_a_certificate_of_another_ca(void **state)
{
    AUTO(drop_secret) struct secret *ca_key = NULL, *key = NULL;
    AUTO(drop_free) char *ca = NULL, *uri = role_uri(CLUSTER, ROLE_HOST, "h2"), *pem = NULL;
    const struct certificate_wish wish = {
        .common_name = "h2", .uri = uri, .server = true, .client = true, .days = 2};
    struct err err = {0};

    (void)state;
    assert_true(certificate_authority_make("quoin CA edge-01", 9, &ca_key, &ca, &err) &&
                certificate_key_make(&key, &err) &&
                certificate_make(&(struct authority){ca, ca_key}, key, &wish, &pem, &err));
    step_refused("host.share", json_pack("{s:s}", "certificate", pem), ERR_DENIED);
}

static void a_new_kek_is_handed_to_the_other_host(void **state)
{
    AUTO(drop_json) json_t *params = shared();
    second_did("provider.open", json_incref(params));
    AUTO(drop_free) char *kek = NULL, *path = agent_path(&second, "tls.pem"), *pem = NULL;
    struct key *key = NULL;
    struct err err = {0};

    (void)state;
    assert_true(agent_key(&world.agent, &key, &err) && key_kek_make(key, "new", &kek, &err));
    host_set(&world.agent.host.provider.kek, kek);
    assert_true(file_read(path, CERTIFICATE_MAX, &pem, NULL, &err));
    AUTO(drop_json)
    json_t *again = first_does("host.share", json_pack("{s:s}", "certificate", pem));
    AUTO(drop_json) json_t *known = second_does("provider.import", json_incref(again));

    assert_string_equal(json_string_or(known, "kek", ""), kek);
    assert_string_equal(second.host.provider.kek, kek);
}

static void settings_monitors_copies_and_a_hosts_leaving_are_steps(void **state)
{
    AUTO(drop_json) json_t *settled = NULL;
    json_t *params = store_params();

    (void)state;
    json_object_set_new(params, "replicas", json_integer(3));
    json_object_set_new(params, "monitors",
                        json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]", "host", "h1", "address",
                                  world.address, "host", "h2", "address", second_address, "host",
                                  "h3", "address", "127.0.0.3"));
    assert_true(step_do("store.settle", json_incref(params)));
    assert_false(step_do("store.settle", params));
    assert_int_equal(fake_store.monitors, 3);
    world_restart();
    assert_int_equal(json_array_size(world.agent.host.monitors), 3);
    (void)step_do("store.monitor", json_object());
    assert_string_equal(fake_store.monitor, "h1");
    settled = first_does("store.spread", json_object());
    assert_int_equal(json_integer_value(json_object_get(settled, "copies")), 3);
    (void)step_do("store.leave", json_pack("{s:s, s:s}", "host", "h3", "address", "127.0.0.3"));
    assert_string_equal(fake_store.left, "h3");
    assert_string_equal(fake_store.left_from, "127.0.0.3");
    /* A name fences nobody. */
    (void)step_do("store.leave", json_pack("{s:s, s:s}", "host", "h3", "address", "h3.test"));
    assert_string_equal(fake_store.left_from, "");
}

static void who_joins_anew_is_fenced_no_more(void **state)
{
    AUTO(drop_json) json_t *params = shared();

    (void)state;
    (void)snprintf(fake_leases.fenced, sizeof(fake_leases.fenced), "%s", second_address);
    fake_leases.unlisted = true;
    second_did("provider.open", json_incref(params));
    second_did("store.join", join_params(params));
    assert_string_equal(fake_leases.fenced, "");
    assert_true(second.host.member);
}

static void a_host_leaves_and_the_cluster_keeps_its_kek(void **state)
{
    AUTO(drop_json) json_t *params = shared();
    second_did("provider.open", json_incref(params));
    second_did("store.join", join_params(params));
    struct err err = {0};

    (void)state;
    (void)step_do("vm.seal", vm_params("mgr"));
    assert_true(vm_list_load(&second, &err));
    second_did("store.remove", json_pack("{s:b}", "leave", 1));
    second_did("provider.remove", json_pack("{s:b}", "leave", 1));
    assert_null(second.host.cluster_id);
    assert_true(vm_open(vm_here("mgr"), &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOINS(a_host_joins_with_the_keys_of_the_first),
        JOINS(joined_twice_it_is_the_same_host),
        JOINS(the_joined_host_can_sign_when_the_first_is_gone),
        JOINS(the_joined_host_opens_the_vm_that_the_first_made),
        JOINS(a_request_for_another_name_is_denied),
        JOINS(nobody_gets_the_name_of_the_host_that_signs),
        JOINS(a_request_with_a_name_that_no_host_has_is_refused),
        JOINS(a_forged_certificate_is_denied_and_changes_nothing),
        JOINS(a_certificate_for_another_hosts_key_or_name_is_refused),
        JOINS(a_host_of_another_cluster_is_refused_by_name),
        JOINS(a_copy_of_a_host_is_refused_by_name),
        JOINS(a_parcel_for_another_host_is_refused),
        JOINS(an_older_parcel_does_not_fit_the_proof),
        JOINS(a_host_whose_provider_is_another_is_refused_before_its_disks),
        JOINS(nothing_is_shared_with_a_certificate_of_another_ca),
        JOINS(a_new_kek_is_handed_to_the_other_host),
        JOINS(settings_monitors_copies_and_a_hosts_leaving_are_steps),
        JOINS(who_joins_anew_is_fenced_no_more),
        JOINS(a_host_leaves_and_the_cluster_keeps_its_kek),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
