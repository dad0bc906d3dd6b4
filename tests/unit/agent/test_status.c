/* SPDX-License-Identifier: Apache-2.0 */
/* agent/status.h: the words of docs/protocol.md, null where a host cannot tell, and no secret. */
#include <ftw.h>

#include "world.h"

#include "agent/status.h"
#include "base/encode.h"
#include "base/secret_open.h"

static const char *const top[] = {"version",  "host", "cluster",  "time",   "datastore",
                                  "provider", "vms",  "enrolled", "waiting"};
static const char *const datastore[] = {"type",        "name",       "health", "reasons",
                                        "bytes_total", "bytes_used", "osds"};
static const char *const provider[] = {"name",  "type",      "kek",
                                       "state", "sealed_by", "backup_fetched"};
static const char *const vm_keys[] = {"name", "id",         "state", "encrypted",
                                      "kek",  "generation", "since"};

static void assert_keys(const json_t *object, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!json_object_get(object, keys[i])) {
            fail_msg("'%s' is missing", keys[i]);
        }
    }
}

static void a_host_that_is_part_of_nothing_says_null(void **state)
{
    static const char *const nulls[] = {"host", "cluster", "datastore", "provider", "waiting"};

    (void)state;
    AUTO(drop_json) json_t *status = status_make(&world.agent);

    assert_keys(status, top, COUNT_OF(top));
    for (size_t i = 0; i < COUNT_OF(nulls); i++) {
        assert_true(json_is_null(json_object_get(status, nulls[i])));
    }
    assert_int_equal(json_array_size(json_object_get(status, "vms")), 0);
    assert_true(json_is_false(json_object_get(status, "enrolled")));
}

static void a_running_host_says_what_the_protocol_says(void **state)
{
    (void)state;
    make_running();
    AUTO(drop_json) json_t *status = status_make(&world.agent);
    const json_t *vm = json_array_get(json_object_get(status, "vms"), 0);
    const json_t *cluster = json_object_get(status, "cluster");

    assert_keys(status, top, COUNT_OF(top));
    assert_keys(json_object_get(status, "datastore"), datastore, COUNT_OF(datastore));
    assert_keys(json_object_get(status, "provider"), provider, COUNT_OF(provider));
    assert_keys(vm, vm_keys, COUNT_OF(vm_keys));
    assert_string_equal(json_string_or(status, "version", ""), QUOIN_VERSION);
    assert_string_equal(json_string_or(status, "host", ""), "h1");
    assert_string_equal(json_string_or(cluster, "id", ""), CLUSTER);
    assert_string_equal(json_string_or(cluster, "name", ""), "edge-01");
    assert_string_equal(json_string_or(cluster, "datacenter", ""), "fra1");
    assert_string_equal(json_string_or(json_object_get(status, "datastore"), "health", ""), "ok");
    assert_string_equal(json_string_or(vm, "name", ""), "mgr");
    assert_string_equal(json_string_or(vm, "id", ""), vm_uuid("mgr"));
    assert_string_equal(json_string_or(vm, "state", ""), "running");
    assert_true(json_is_true(json_object_get(vm, "encrypted")));
    assert_string_equal(json_string_or(vm, "kek", ""), world.agent.host.provider.kek);
    assert_int_equal(json_integer_value(json_object_get(vm, "generation")),
                     vm_here("mgr")->generation);
    assert_int_equal(json_integer_value(json_object_get(vm, "since")), 1700000000);
}

/* A KEK that opens nothing, asked of the audit as the provider tells it. */
static void tell_use(const char *purpose, const struct err *err)
{
    const struct key_use use = {
        .verb = "unwrap", .kek_id = "k", .vm = CLUSTER, .purpose = purpose, .err = err};

    audit_key(world.agent.audit, &use);
}

static const json_t *provider_of(const json_t *status)
{
    return json_object_get(status, "provider");
}

static void how_the_provider_was_used_last_is_said_with_what_to_do(void **state)
{
    struct err away = {.kind = ERR_AWAY};

    (void)state;
    make_running();
    AUTO(drop_json) json_t *well = status_make(&world.agent);

    assert_true(json_is_null(json_object_get(provider_of(well), "trouble")));
    assert_true(json_is_integer(json_object_get(provider_of(well), "last_success")));
    (void)snprintf(away.what, sizeof(away.what), "no key server answers");
    (void)snprintf(away.remedy, sizeof(away.remedy), "mend the network");
    tell_use("vm", &away);
    AUTO(drop_json) json_t *ill = status_make(&world.agent);

    assert_string_equal(json_string_or(provider_of(ill), "trouble", ""), "no key server answers");
    assert_string_equal(json_string_or(provider_of(ill), "remedy", ""), "mend the network");
    assert_true(json_is_integer(json_object_get(provider_of(ill), "last_failure")));
    tell_use("vm", NULL);
    AUTO(drop_json) json_t *mended = status_make(&world.agent);

    assert_true(json_is_null(json_object_get(provider_of(mended), "trouble")));
    /* A proof ends with a canary that must be lost. */
    tell_use("canary", &away);
    AUTO(drop_json) json_t *proven = status_make(&world.agent);

    assert_true(json_is_null(json_object_get(provider_of(proven), "trouble")));
}

static void where_the_audit_has_got_to_is_said(void **state)
{
    (void)state;
    make_running();
    AUTO(drop_json) json_t *before = status_make(&world.agent);

    tell_use("vm", NULL);
    AUTO(drop_json) json_t *after = status_make(&world.agent);
    const json_t *was = json_object_get(before, "events"), *is = json_object_get(after, "events");

    assert_string_equal(json_string_or(is, "source", "?"), json_string_or(was, "source", ""));
    assert_int_equal(json_integer_value(json_object_get(is, "next")),
                     json_integer_value(json_object_get(was, "next")) + 1);
    AUTO(drop_json)
    json_t *nothing = audit_after(world.agent.audit, json_string_or(is, "source", ""),
                                  (uint64_t)json_integer_value(json_object_get(is, "next")));

    assert_int_equal(json_array_size(json_object_get(nothing, "events")), 0);
}

static void when_the_certificates_end_is_said(void **state)
{
    (void)state;
    make_running();
    (void)step_do("ca.make", json_object());
    (void)step_do("agent.enrol", json_object());
    AUTO(drop_json) json_t *status = status_make(&world.agent);
    const json_t *list = json_object_get(status, "certificates");

    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_or(json_array_get(list, 0), "name", ""), "host");
    for (size_t i = 0; i < 2; i++) {
        assert_true(json_integer_value(json_object_get(json_array_get(list, i), "ends")) >
                    time(NULL) + 86400);
    }
}

static void a_datastore_that_does_not_answer_is_away(void **state)
{
    (void)state;
    make_store();
    fake_store.away = true;
    AUTO(drop_json) json_t *status = status_make(&world.agent);

    assert_string_equal(json_string_or(json_object_get(status, "datastore"), "health", ""), "away");
}

static void of_a_vm_that_is_closed_it_cannot_tell(void **state)
{
    struct err err = {0};

    (void)state;
    make_poured();
    world_power_cut();
    assert_true(vm_list_load(&world.agent, &err));
    AUTO(drop_json) json_t *status = status_make(&world.agent);
    const json_t *vm = json_array_get(json_object_get(status, "vms"), 0);

    assert_keys(vm, vm_keys, COUNT_OF(vm_keys));
    assert_string_equal(json_string_or(vm, "id", ""), vm_uuid("mgr"));
    assert_true(json_is_null(json_object_get(vm, "name")));
    assert_true(json_is_null(json_object_get(vm, "encrypted")));
    assert_true(json_is_null(json_object_get(vm, "kek")));
}

static void status_answers_while_a_step_is_at_work(void **state)
{
    (void)state;
    make_poured();
    pthread_mutex_lock(&world.agent.work);
    AUTO(drop_json) json_t *status = status_make(&world.agent);
    pthread_mutex_unlock(&world.agent.work);
    assert_int_equal(json_array_size(json_object_get(status, "vms")), 1);
}

/* ---- no secret ---- */

/* The VM key in each form in which it could slip out. */
static struct {
    unsigned char raw[32];
    char *hex, *base64;
} needle;

static void needle_make(void)
{
    const struct secret *key = vm_here("mgr")->key;

    assert_int_equal(secret_size(key), sizeof(needle.raw));
    memcpy(needle.raw, secret_look(key), sizeof(needle.raw));
    needle.hex = encode_hex(needle.raw, sizeof(needle.raw));
    needle.base64 = encode_base64url(needle.raw, sizeof(needle.raw));
}

static bool holds_key(const char *bytes, size_t length)
{
    return memmem(bytes, length, needle.raw, sizeof(needle.raw)) ||
           memmem(bytes, length, needle.hex, strlen(needle.hex)) ||
           memmem(bytes, length, needle.base64, strlen(needle.base64));
}

static bool holds_secret(const char *bytes, size_t length)
{
    return holds_key(bytes, length) || memmem(bytes, length, "PRIVATE KEY", 11);
}

static void assert_clean(const json_t *json)
{
    AUTO(drop_free) char *text = json_write(json);

    assert_false(holds_secret(text, strlen(text)));
}

static void assert_clean_step(const char *kind, json_t *params)
{
    AUTO(drop_outcome) struct outcome outcome = step_try(kind, params);

    assert_true(outcome.made);
    if (outcome.result) {
        assert_clean(outcome.result);
    }
}

static void no_secret_is_in_a_status_or_in_a_result(void **state)
{
    (void)state;
    make_running();
    needle_make();
    AUTO(drop_json) json_t *status = status_make(&world.agent);

    assert_clean(status);
    AUTO(drop_free) char *text = json_write(status);

    assert_null(strstr(text, "scrypt"));
    assert_clean_step("provider.open", provider_params());
    assert_clean_step("ca.make", json_object());
    assert_clean_step("agent.enrol", json_object());
    assert_clean_step("vm.seal", vm_params("mgr"));
    assert_clean_step("disk.blank", this_disk("data"));
    assert_clean_step("disk.identity", this_vm());
    assert_clean_step("vm.start", this_vm());
    free(TAKE(needle.hex));
    free(TAKE(needle.base64));
}

static unsigned looked;

static bool text_ends(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static int look_into(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    AUTO(drop_free) char *bytes = NULL;
    size_t length = 0;
    struct err err = {0};

    (void)ftw;
    if (type != FTW_F || strstr(path, "/image")) {
        return 0;
    }
    assert_true(file_read(path, 64 * MIB, &bytes, &length, &err));
    looked++;
    /* Without a TPM the host's own keys rest in files for root alone (key/hostseal.h). */
    bool own = text_ends(path, ".secret");

    if (own ? holds_key(bytes, length) || (st->st_mode & 077) : holds_secret(bytes, length)) {
        fail_msg("'%s' holds a secret", path);
    }
    return 0;
}

static void no_secret_lies_in_the_hosts_folder_or_on_the_datastore(void **state)
{
    (void)state;
    make_running();
    (void)step_do("agent.enrol", json_object());
    fake_hv_write("files");
    needle_make();
    assert_int_equal(nftw(world.root, look_into, 8, FTW_PHYS), 0);
    assert_true(looked > 8);
    free(TAKE(needle.hex));
    free(TAKE(needle.base64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_host_that_is_part_of_nothing_says_null),
        IT(a_running_host_says_what_the_protocol_says),
        IT(how_the_provider_was_used_last_is_said_with_what_to_do),
        IT(where_the_audit_has_got_to_is_said),
        IT(when_the_certificates_end_is_said),
        IT(a_datastore_that_does_not_answer_is_away),
        IT(of_a_vm_that_is_closed_it_cannot_tell),
        IT(status_answers_while_a_step_is_at_work),
        IT(no_secret_is_in_a_status_or_in_a_result),
        IT(no_secret_lies_in_the_hosts_folder_or_on_the_datastore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
