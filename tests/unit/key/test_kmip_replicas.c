/* SPDX-License-Identifier: Apache-2.0 */
/* Several key servers that are to hold the same: before anything is under a KEK each of them that
 * answers opens what it wrapped (T10). */
#include "kmip_client.h"

#include <sys/socket.h>

#include "wire/stream.h"

static struct pykmip second;
static char finding[sizeof(((struct err *)0)->what)];
static unsigned longest; /* ms that a try was given */

bool __real_stream_open(const struct stream_conf *conf, unsigned milliseconds, struct stream **out,
                        struct err *err);
bool __wrap_stream_open(const struct stream_conf *conf, unsigned milliseconds, struct stream **out,
                        struct err *err);

bool __wrap_stream_open(const struct stream_conf *conf, unsigned milliseconds, struct stream **out,
                        struct err *err)
{
    longest = milliseconds > longest ? milliseconds : longest;
    return __real_stream_open(conf, milliseconds, out, err);
}

/* A second server for each test, with a database of its own. */
static int start_second(void **state)
{
    static int count;
    AUTO(drop_free) char *name = text_make("second-%d", count++);

    (void)fresh_provider(state);
    second = (struct pykmip){0};
    finding[0] = '\0';
    longest = 0;
    pykmip_start(&second, name, "server");
    return 0;
}

static int stop_second(void **state)
{
    (void)state;
    pykmip_stop(&second);
    return 0;
}

/* The second one has what the first has. */
static void replicate(void)
{
    AUTO(drop_free)
    char *command = text_make("cp '%s/kms.db' '%s/replica.db'", folder_path, folder_path);
    struct err err = {0};

    pykmip_stop(&second);
    pykmip_stop(&kms);
    assert_true(run_ok(&(struct run){.argv = RUN("/bin/sh", "-c", command)}, NULL, &err));
    pykmip_start(&kms, "kms", "server");
    pykmip_start(&second, "replica", "server");
}

static void proven(struct key *key, const char *kek)
{
    struct err err = {0};

    if (!key_prove_kek(key, kek, &err)) {
        fail_msg("%s", err.what);
    }
}

/* With the server's name, with a reason, and with what to do. */
static void refused(struct key *key, const char *kek, const char *said)
{
    struct err err = {0};

    assert_false(key_prove_kek(key, kek, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, second.server));
    assert_non_null(strstr(err.what, said));
    assert_non_null(strstr(err.remedy, "replicated"));
    assert_non_null(strstr(err.remedy, "out of the list"));
}

/* By its operators' decision: nobody is told to go round it. */
static void denied(struct key *key, const char *kek, const char *said)
{
    struct err err = {0};

    assert_false(key_prove_kek(key, kek, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_non_null(strstr(err.what, second.server));
    assert_non_null(strstr(err.what, said));
    assert_true(err.remedy[0] != '\0');
    assert_null(strstr(err.remedy, "out of the list"));
}

static void uses(struct key *key, const char *server)
{
    AUTO(drop_json) json_t *look = NULL;

    assert_true(key_look(key, &look, &(struct err){0}));
    assert_string_equal(json_string_or(look, "server", ""), server);
}

static void a_kek_that_another_server_does_not_have_yet_is_waited_for(void **state)
{
    AUTO(drop_key) struct key *key = opened_at(RUN(kms.server, second.server));
    AUTO(drop_free) char *kek = kek_of(key), *again = NULL;
    AUTO(drop_secret) struct secret *vm_key = fresh(), *back = NULL;

    (void)state;
    key_listen(key, hear_finding, finding);
    refused(key, kek, "no such object");
    /* Nothing is under it: who asks again is given the same one, which is there by now. */
    replicate();
    again = kek_of(key);
    assert_string_equal(kek, again);
    proven(key, again);
    assert_string_equal(finding, "");
    uses(key, kms.server);
    AUTO(drop_envelope) struct envelope *envelope = wrapped(key, kek, vm_key);

    assert_true(key_unwrap(key, envelope, &expected, &back, &(struct err){0}));
}

static void a_server_with_another_key_under_that_id_is_named(void **state)
{
    AUTO(drop_key) struct key *key = opened_at(RUN(kms.server, second.server));
    AUTO(drop_free) char *kek = kek_of(key);

    (void)state;
    operate_at(second.port, kek, MAKE_ANOTHER);
    refused(key, kek, "another key under this id");
}

static void a_server_where_the_kek_is_out_of_use_is_named(void **state)
{
    AUTO(drop_key) struct key *key = opened_at(RUN(kms.server, second.server));
    AUTO(drop_free) char *kek = kek_of(key);

    (void)state;
    replicate();
    proven(key, kek);
    operate_at(second.port, kek, "c.revoke(enums.RevocationReasonCode.KEY_COMPROMISE, uid)");
    denied(key, kek, "compromised");
}

/* Anybody in the network can answer so: it stops nothing that dropping packets would not stop. */
static void a_server_of_another_ca_was_not_heard_and_is_told_of(void **state)
{
    AUTO(drop_key) struct key *key = opened_at(RUN(kms.server, second.server));
    AUTO(drop_free) char *kek = kek_of(key);

    (void)state;
    key_listen(key, hear_finding, finding);
    replicate();
    pykmip_stop(&second);
    pki_ca("other");
    pki_sign("other", "foreign", SERVER_EXTENSIONS, NULL);
    pykmip_start(&second, "replica", "foreign");
    proven(key, kek);
    assert_non_null(strstr(finding, second.server));
    assert_non_null(strstr(finding, "certificate"));
}

/* It listens and never answers. */
static void silent(struct pykmip *out)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    out->port = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(out->port, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(out->port, 8), 0);
    assert_int_equal(getsockname(out->port, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(out->server, sizeof(out->server), "127.0.0.1:%d", ntohs(address.sin_port));
}

static void a_server_that_is_away_is_something_to_mend_and_costs_two_seconds_to_reach(void **state)
{
    struct pykmip hole = {0}, other = {0};

    (void)state;
    silent(&hole);
    silent(&other);
    AUTO(drop_key)
    struct key *key = opened_at(RUN(kms.server, hole.server, other.server, second.server));
    AUTO(drop_free) char *kek = kek_of(key);

    key_listen(key, hear_finding, finding);
    replicate();
    proven(key, kek);
    assert_non_null(strstr(finding, hole.server));
    assert_non_null(strstr(finding, other.server));
    assert_in_range(longest, 1, 2000);
    uses(key, kms.server);
    /* The others are asked all the same. */
    pykmip_stop(&second);
    pykmip_start(&second, "empty", "server");
    refused(key, kek, "no such object");
    close(hole.port);
    close(other.port);
}

static void a_server_that_refuses_connections_is_away(void **state)
{
    AUTO(drop_key) struct key *key = opened_at(RUN(kms.server, second.server));
    AUTO(drop_free) char *kek = kek_of(key);

    (void)state;
    key_listen(key, hear_finding, finding);
    pykmip_stop(&second);
    proven(key, kek);
    assert_non_null(strstr(finding, second.server));
    pykmip_start(&second, "back", "server");
    refused(key, kek, "no such object");
    replicate();
    proven(key, kek);
    assert_string_equal(finding, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_second, stop_second)
    const struct CMUnitTest tests[] = {
        TEST(a_kek_that_another_server_does_not_have_yet_is_waited_for),
        TEST(a_server_with_another_key_under_that_id_is_named),
        TEST(a_server_where_the_kek_is_out_of_use_is_named),
        TEST(a_server_of_another_ca_was_not_heard_and_is_told_of),
        TEST(a_server_that_is_away_is_something_to_mend_and_costs_two_seconds_to_reach),
        TEST(a_server_that_refuses_connections_is_away),
    };

    return pykmip_missing() ? 77 : cmocka_run_group_tests(tests, begin, end);
}
