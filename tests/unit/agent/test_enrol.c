/* SPDX-License-Identifier: Apache-2.0 */
/* agent/enrol.h and agent/serve.h: the CA, this host's certificate, and who passes its doors. */
#include "world.h"

#include "agent/enrol.h"
#include "agent/serve.h"

static char *read_file(const char *name)
{
    AUTO(drop_free) char *path = agent_path(&world.agent, name);
    char *text = NULL;
    struct err err = {0};

    assert_true(file_read(path, CERTIFICATE_MAX, &text, NULL, &err));
    return text;
}

static void remove_file(const char *name)
{
    AUTO(drop_free) char *path = agent_path(&world.agent, name);
    struct err err = {0};

    assert_true(file_remove(path, &err));
}

static void the_ca_is_made_once(void **state)
{
    (void)state;
    (void)step_do("provider.open", provider_params());
    AUTO(drop_outcome) struct outcome first = step_try("ca.make", json_object());
    AUTO(drop_outcome) struct outcome second = step_try("ca.make", json_object());
    AUTO(drop_free) char *pem = read_file("ca.pem");

    assert_true(first.made);
    assert_true(first.changed);
    assert_true(second.made);
    assert_false(second.changed);
    assert_string_equal(json_string_or(first.result, "ca", ""), pem);
    assert_string_equal(json_string_or(second.result, "ca", ""), pem);
}

static void a_ca_that_was_made_in_part_is_made_again(void **state)
{
    (void)state;
    make_provider();
    AUTO(drop_free) char *first = read_file("ca.pem");

    remove_file("ca.pem");
    world_restart();
    assert_true(step_do("ca.make", json_object()));
    AUTO(drop_free) char *second = read_file("ca.pem");

    assert_string_not_equal(first, second);
    assert_false(step_do("ca.make", json_object()));
}

static void a_ca_without_its_key_is_not_said_to_hold(void **state)
{
    (void)state;
    make_provider();
    remove_file("ca.envelope");
    step_refused("ca.make", json_object(), ERR_ABSENT);
}

static void the_cas_key_rests_only_in_its_envelope(void **state)
{
    (void)state;
    make_provider();
    AUTO(drop_free) char *envelope = read_file("ca.envelope");
    AUTO(drop_free) char *pem = read_file("ca.pem");

    assert_null(strstr(envelope, "PRIVATE KEY"));
    assert_null(strstr(pem, "PRIVATE KEY"));
}

static void an_enrolled_host_has_its_name_in_a_certificate_of_the_ca(void **state)
{
    struct certificate_facts facts = {.server = false};
    struct err err = {0};

    (void)state;
    make_provider();
    AUTO(drop_outcome) struct outcome enrolled = step_try("agent.enrol", json_object());

    assert_true(enrolled.made);
    assert_true(enrolled.changed);
    assert_int_equal(json_integer_value(json_object_get(enrolled.result, "port")), AGENT_PORT);
    AUTO(drop_free) char *pem = read_file("tls.pem"), *ca = read_file("ca.pem");

    assert_true(certificate_check(pem, ca, &err));
    assert_true(certificate_read(pem, &facts, &err));
    assert_string_equal(facts.common_name, "h1");
    assert_true(facts.server);
    assert_true(facts.client);
    assert_false(facts.authority);
    assert_true(facts.has_peer);
    assert_int_equal(facts.peer.role, ROLE_HOST);
    assert_string_equal(facts.peer.cluster, CLUSTER);
    assert_string_equal(facts.peer.name, "h1");
    assert_int_equal((facts.not_after - facts.not_before) / 86400, PEER_DAYS);
}

/* What openssl reads in it: the address as an address, the name as a name, and nothing else. */
static void an_enrolled_host_serves_its_name_and_address(void **state)
{
    AUTO(drop_free) char *out = NULL;
    struct err err = {0};

    (void)state;
    make_provider();
    (void)step_do("agent.enrol", json_object());
    AUTO(drop_free) char *path = agent_path(&world.agent, "tls.pem");
    AUTO(drop_free)
    char *wanted =
        text_make("DNS:h1, IP Address:%s, URI:quoin://" CLUSTER "/host/h1\n", world.address);

    assert_true(run_ok(&(struct run){.argv = RUN("openssl", "x509", "-in", path, "-noout", "-ext",
                                                 "subjectAltName")},
                       &out, &err));
    assert_non_null(strstr(out, wanted));
}

static void enrolled_twice_it_keeps_its_certificate(void **state)
{
    (void)state;
    make_provider();
    assert_true(step_do("agent.enrol", json_object()));
    AUTO(drop_free) char *first = read_file("tls.pem");

    assert_false(step_do("agent.enrol", json_object()));
    world_restart();
    assert_false(step_do("agent.enrol", json_object()));
    AUTO(drop_free) char *second = read_file("tls.pem");

    assert_string_equal(first, second);
    assert_non_null(world.agent.network);
}

static void an_enrolment_that_was_cut_off_is_finished(void **state)
{
    (void)state;
    make_provider();
    (void)step_do("agent.enrol", json_object());
    remove_file("tls.pem");
    world_restart();
    assert_null(world.agent.network);
    assert_true(step_do("agent.enrol", json_object()));
    assert_non_null(world.agent.network);
}

static void the_hosts_key_rests_sealed(void **state)
{
    (void)state;
    make_provider();
    (void)step_do("agent.enrol", json_object());
    AUTO(drop_free) char *record = read_file("tls.key");

    assert_null(strstr(record, "PRIVATE KEY"));
}

/* ---- the door ---- */

struct visitor {
    const char *cluster;
    enum role role;
    bool server, client;
    bool other_ca;
};

/* Through the network's door: the status, a step, a phase of a rotation; what came of them. The
 * phase has a param too many, so whoever is let in is told that. */
struct visit {
    bool got, posted, rotated;
    struct err get, post, rotate;
};

static bool take_line(void *context, const json_t *line, struct err *err)
{
    (void)context;
    return strcmp(json_string_or(line, "event", ""), "failed") != 0 ||
           (json_to_err(json_object_get(line, "error"), err) && false);
}

static void knock(struct client *client, struct visit *out)
{
    AUTO(drop_json) json_t *order = order_of("store.begin", store_params());
    AUTO(drop_json) json_t *status = NULL;

    out->got = client_ask(client, &(struct client_call){.method = "GET", .path = "/v1/status"},
                          &status, &out->get);
    out->posted = client_ask(
        client, &(struct client_call){.method = "POST", .path = "/v1/steps", .json = order}, NULL,
        &out->post);
    out->rotated = client_ask(
        client,
        &(struct client_call){
            .method = "POST", .path = "/v1/key/rotate/look", .json = order, .line = take_line},
        NULL, &out->rotate);
}

static struct visit visit_with(const char *certificate, const struct secret *key)
{
    AUTO(drop_free) char *ca = read_file("ca.pem");
    AUTO(drop_free) char *url = text_make("https://%s:%u", world.address, AGENT_PORT);
    const struct client_conf conf = {
        .url = url, .authority = ca, .certificate = certificate, .key = key};
    AUTO(drop_client) struct client *client = NULL;
    struct visit visit = {.got = false};
    struct err err = {0};

    if (!client_open(&conf, &client, &err)) {
        fail_msg("%s", err.what);
    }
    knock(client, &visit);
    return visit;
}

static struct visit visit_as(const struct visitor *visitor)
{
    AUTO(drop_secret) struct secret *ca_key = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *ca = NULL, *pem = NULL;
    AUTO(drop_free) char *uri = role_uri(visitor->cluster, visitor->role, "visitor");
    const char *names[] = {"visitor", NULL};
    const struct certificate_wish wish = {.common_name = "visitor",
                                          .names = names,
                                          .uri = uri,
                                          .server = visitor->server,
                                          .client = visitor->client,
                                          .days = 5};
    struct err err = {0};

    if (visitor->other_ca) {
        assert_true(certificate_authority_make("quoin CA edge-01", 5, &ca_key, &ca, &err));
    } else {
        ca_key = ca_secret();
        ca = read_file("ca.pem");
    }
    assert_true(certificate_key_make(&key, &err));
    const struct authority authority = {ca, ca_key};

    assert_true(certificate_make(&authority, key, &wish, &pem, &err));
    return visit_with(pem, key);
}

static void make_door(void)
{
    make_provider();
    (void)step_do("agent.enrol", json_object());
}

static void assert_shut(const struct visit *visit)
{
    assert_false(visit->got);
    assert_false(visit->posted);
    assert_false(visit->rotated);
    assert_false(fake_store.begun);
}

static void the_door_is_shut_to_the_anonymous(void **state)
{
    (void)state;
    make_door();
    struct visit visit = visit_with(NULL, NULL);

    assert_shut(&visit);
}

static void the_door_is_shut_to_certificates_of_servers_only(void **state)
{
    (void)state;
    make_door();
    struct visit visit = visit_as(&(struct visitor){CLUSTER, ROLE_HOST, true, false, false});

    assert_shut(&visit);
}

static void the_door_is_shut_to_other_clusters(void **state)
{
    (void)state;
    make_door();
    struct visit visit = visit_as(&(struct visitor){OTHER, ROLE_HOST, true, true, false});

    assert_shut(&visit);
}

static void the_door_is_shut_to_other_authorities(void **state)
{
    (void)state;
    make_door();
    struct visit visit = visit_as(&(struct visitor){CLUSTER, ROLE_HOST, true, true, true});

    assert_shut(&visit);
}

static void manager_and_hosts_may_look_and_make_no_steps(void **state)
{
    static const enum role roles[] = {ROLE_MANAGER, ROLE_HOST};

    (void)state;
    make_door();
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        struct visit visit = visit_as(&(struct visitor){CLUSTER, roles[i], true, true, false});

        assert_true(visit.got);
        assert_false(visit.posted);
        assert_int_equal(visit.post.kind, ERR_DENIED);
    }
    assert_false(fake_store.begun);
}

static void a_phase_of_a_rotation_answers_the_manager_alone(void **state)
{
    (void)state;
    make_door();
    struct visit host = visit_as(&(struct visitor){CLUSTER, ROLE_HOST, true, true, false});
    struct visit manager = visit_as(&(struct visitor){CLUSTER, ROLE_MANAGER, true, true, false});

    assert_false(host.rotated);
    assert_int_equal(host.rotate.kind, ERR_DENIED);
    assert_false(manager.rotated);
    assert_int_equal(manager.rotate.kind, ERR_INPUT);
    assert_non_null(strstr(manager.rotate.what, "takes nothing else"));
}

/* Nothing that gives a key, or takes one, answers who is not root on this host. */
static void the_door_gives_keys_to_nobody(void **state)
{
    static const struct {
        const char *method, *path;
    } asked[] = {{"POST", "/v1/key/backup"},       {"POST", "/v1/key/backup/fetched"},
                 {"POST", "/v1/key/recover"},      {"PUT", "/v1/provider/private-key"},
                 {"PUT", "/v1/provider/password"}, {"GET", "/v1/key"},
                 {"GET", "/v1/key/export"},        {"POST", "/v1/key/export"}};
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *pem = NULL, *ca = NULL;
    AUTO(drop_client) struct client *client = NULL;
    struct err err = {0};

    (void)state;
    make_door();
    ca = read_file("ca.pem");
    AUTO(drop_free) char *url = text_make("https://%s:%u", world.address, AGENT_PORT);

    assert_true(
        enrol_manager(&world.agent, "mgr", "mgr.edge-01.test", "127.0.0.10", &key, &pem, &err));
    assert_true(client_open(
        &(struct client_conf){.url = url, .authority = ca, .certificate = pem, .key = key}, &client,
        &err));
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        const struct client_call call = {.method = asked[i].method, .path = asked[i].path};
        struct err refusal = {0};

        if (client_ask(client, &call, NULL, &refusal)) {
            fail_msg("%s %s is answered", asked[i].method, asked[i].path);
        }
        assert_true(refusal.kind == ERR_DENIED || refusal.kind == ERR_ABSENT ||
                    refusal.kind == ERR_INPUT);
    }
}

static void the_managers_own_certificate_passes(void **state)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *pem = NULL;
    struct certificate_facts facts = {.server = false};
    struct err err = {0};

    (void)state;
    make_door();
    assert_true(
        enrol_manager(&world.agent, "mgr", "mgr.edge-01.test", "127.0.0.10", &key, &pem, &err));
    assert_true(certificate_read(pem, &facts, &err));
    assert_int_equal(facts.peer.role, ROLE_MANAGER);
    assert_string_equal(facts.peer.name, "mgr");
    struct visit visit = visit_with(pem, key);

    assert_true(visit.got);
    assert_int_equal(visit.post.kind, ERR_DENIED);
}

static bool keep_last(void *context, const json_t *line, struct err *err)
{
    json_t **last = context;

    (void)err;
    json_decref(*last);
    *last = json_deep_copy(line);
    return true;
}

static json_t *ask_local(struct client *client, json_t *order)
{
    json_t *last = NULL;
    struct err err = {0};
    const struct client_call call = {.method = "POST",
                                     .path = "/v1/steps",
                                     .json = order,
                                     .line = keep_last,
                                     .line_context = &last};

    if (!client_ask(client, &call, NULL, &err)) {
        fail_msg("%s", err.what);
    }
    json_decref(order);
    return last;
}

static void roots_door_answers_steps_with_lines(void **state)
{
    AUTO(drop_server) struct server *server = NULL;
    AUTO(drop_client) struct client *client = NULL;
    AUTO(drop_free) char *socket = text_make("%s/socket", world.root);
    struct err err = {0};

    (void)state;
    assert_true(serve_local(&world.agent, socket, &server, &err));
    assert_true(client_open(&(struct client_conf){.socket = socket}, &client, &err));
    AUTO(drop_json)
    json_t *done = ask_local(client, order_of("provider.open", provider_params()));
    AUTO(drop_json) json_t *failed = ask_local(client, order_of("store.pool", json_object()));

    assert_string_equal(json_string_or(done, "event", ""), "done");
    assert_true(json_is_true(json_object_get(done, "changed")));
    assert_true(json_is_string(json_object_get(json_object_get(done, "result"), "kek")));
    assert_string_equal(json_string_or(failed, "event", ""), "failed");
    assert_string_equal(json_string_or(json_object_get(failed, "error"), "kind", ""), "absent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(the_ca_is_made_once),
        IT(a_ca_that_was_made_in_part_is_made_again),
        IT(a_ca_without_its_key_is_not_said_to_hold),
        IT(the_cas_key_rests_only_in_its_envelope),
        IT(an_enrolled_host_has_its_name_in_a_certificate_of_the_ca),
        IT(an_enrolled_host_serves_its_name_and_address),
        IT(enrolled_twice_it_keeps_its_certificate),
        IT(an_enrolment_that_was_cut_off_is_finished),
        IT(the_hosts_key_rests_sealed),
        IT(the_door_is_shut_to_the_anonymous),
        IT(the_door_is_shut_to_certificates_of_servers_only),
        IT(the_door_is_shut_to_other_clusters),
        IT(the_door_is_shut_to_other_authorities),
        IT(manager_and_hosts_may_look_and_make_no_steps),
        IT(a_phase_of_a_rotation_answers_the_manager_alone),
        IT(the_door_gives_keys_to_nobody),
        IT(the_managers_own_certificate_passes),
        IT(roots_door_answers_steps_with_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
