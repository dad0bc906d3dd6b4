/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in to a manager over TLS: who may, how long, how often, and what is kept of it. */
#include "manager/session.h"
#include "world.h"

static int begin(void **state)
{
    return world_begin(state);
}

/* Each test has a manager that heard no wrong password yet, and nobody signed in. */
static int fresh(void **state)
{
    (void)state;
    secret_free(TAKE(world.token));
    manager_end();
    manager_begin();
    return 0;
}

static void the_right_password_gives_a_token(void **state)
{
    AUTO(drop_json) json_t *session = NULL, *who = NULL;
    struct err err = {0};

    (void)state;
    assert_done(sign_in("admin", PASSWORD, &session, &err), &err);
    const char *token = json_string_or(session, "token", "");

    assert_int_equal(strlen(token), 43);
    assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789_-"),
                     43);
    signed_in();
    assert_done(api("GET", "session", NULL, &who, &err), &err);
    assert_string_equal(json_string_or(who, "user", ""), "admin");
    assert_string_equal(json_string_or(who, "cluster", ""), "edge-01");
    assert_null(json_object_get(who, "token"));
}

static void a_wrong_name_or_password_gets_the_same_words(void **state)
{
    struct err one = {0}, two = {0};

    (void)state;
    assert_false(sign_in("admin", "wrong", NULL, &one));
    assert_false(sign_in("root", PASSWORD, NULL, &two));
    assert_int_equal(one.kind, ERR_DENIED);
    assert_string_equal(one.what, two.what);
}

static void a_sign_in_that_is_no_sign_in_is_refused(void **state)
{
    static const char *const bodies[] = {"[]",
                                         "{}",
                                         "{'user': 'admin'}",
                                         "{'password': 'x'}",
                                         "{'user': 7, 'password': 'x'}",
                                         "{'user': 'admin', 'password': 7}",
                                         "{'user': 'admin', 'password': 'x', 'more': 1}",
                                         "{'user': 'admin', 'inside': {'password': 'x'}}"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct err err = {0};

        assert_false(api("POST", "session", bodies[i], NULL, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void nothing_is_told_to_who_is_not_signed_in(void **state)
{
    static const char *const paths[] = {"datacenters", "clusters",      "hosts",   "datastores",
                                        "vms",         "key-providers", "tasks",   "events",
                                        "session",     "hosts/h1",      "nonsense"};
    static const char *const tokens[] = {"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                         "' OR 1=1 --"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        for (size_t t = 0; t < COUNT_OF(tokens); t++) {
            struct err err = {0};

            secret_free(TAKE(world.token));
            world.token = tokens[t][0] ? secret_of(tokens[t], strlen(tokens[t])) : NULL;
            assert_false(api("GET", paths[i], NULL, NULL, &err));
            assert_int_equal(err.kind, ERR_DENIED);
        }
    }
    struct err err = {0};

    assert_false(api("POST", "datacenters", "{'name': 'x'}", NULL, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_false(api("DELETE", "hosts/h1", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void signing_out_ends_the_session(void **state)
{
    struct err err = {0};

    (void)state;
    signed_in();
    assert_done(api("GET", "hosts", NULL, NULL, &err), &err);
    assert_done(api("DELETE", "session", NULL, NULL, &err), &err);
    assert_false(api("GET", "hosts", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_session_ends_by_itself(void **state)
{
    struct err err = {0};

    (void)state;
    signed_in();
    assert_done(database_do(world.manager->database,
                            "UPDATE sessions SET expires = unixepoch() + ?1",
                            VALUES(INTEGER_VALUE(60)), 1, &err),
                &err);
    assert_done(api("GET", "hosts", NULL, NULL, &err), &err);
    assert_done(database_do(world.manager->database, "UPDATE sessions SET expires = unixepoch()",
                            NULL, 0, &err),
                &err);
    assert_false(api("GET", "hosts", NULL, NULL, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static void a_session_outlives_a_restart(void **state)
{
    struct err err = {0};

    (void)state;
    signed_in();
    manager_end();
    manager_begin();
    assert_done(api("GET", "hosts", NULL, NULL, &err), &err);
}

static void who_guesses_is_made_to_wait(void **state)
{
    struct err err = {0};

    (void)state;
    for (unsigned i = 0; i < THROTTLE_ADDRESS; i++) {
        assert_false(sign_in("admin", "wrong", NULL, &err));
        assert_int_equal(err.kind, ERR_DENIED);
    }
    assert_false(sign_in("admin", PASSWORD, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_non_null(strstr(err.remedy, " s"));
}

static void who_guesses_fills_no_journal(void **state)
{
    unsigned before;
    struct err err = {0};

    (void)state;
    signed_in();
    before = events_with("wrong name or password");
    for (unsigned i = 0; i < 5; i++) {
        assert_false(sign_in("admin", "wrong", NULL, &err));
    }
    assert_in_range(events_with("wrong name or password"), before, before + 1);
    assert_true(events_with("wrong name or password") > 0);
}

static void there_are_only_so_many_sessions(void **state)
{
    AUTO(drop_json) json_t *rows = NULL;
    struct err err = {0};

    (void)state;
    for (unsigned i = 0; i < SESSIONS_MAX + 5; i++) {
        AUTO(drop_json) json_t *session = NULL;
        char token[SESSION_TOKEN_SIZE];

        assert_done(
            session_begin(world.manager->database, "admin", "10.0.0.1", token, &session, &err),
            &err);
    }
    assert_done(database_rows(world.manager->database, "SELECT count(*) AS n FROM sessions", NULL,
                              0, &rows, &err),
                &err);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 0), "n")),
                     SESSIONS_MAX);
}

/* All files of the manager, as one text with bytes. */
static bool files_hold(const char *needle, size_t length)
{
    static const char *const names[] = {"manager.db", "manager.db-wal"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(drop_free) char *path = text_make("%s/%s", world.data, names[i]), *bytes = NULL;
        size_t size = 0;
        struct err err = {0};

        if (file_read(path, 16 << 20, &bytes, &size, &err) && memmem(bytes, size, needle, length)) {
            return true;
        }
    }
    return false;
}

static void neither_token_nor_password_nor_key_is_in_the_database(void **state)
{
    const struct secret *key = world.manager->identity->tls_key;

    (void)state;
    signed_in();
    assert_true(files_hold("admin", 5));
    assert_false(files_hold((const char *)secret_look(world.token), secret_size(world.token)));
    assert_false(files_hold(PASSWORD, strlen(PASSWORD)));
    assert_false(files_hold((const char *)secret_look(key) + 30, 40));
    assert_false(files_hold("scrypt$", 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_right_password_gives_a_token, fresh),
        cmocka_unit_test_setup(a_wrong_name_or_password_gets_the_same_words, fresh),
        cmocka_unit_test_setup(a_sign_in_that_is_no_sign_in_is_refused, fresh),
        cmocka_unit_test_setup(nothing_is_told_to_who_is_not_signed_in, fresh),
        cmocka_unit_test_setup(signing_out_ends_the_session, fresh),
        cmocka_unit_test_setup(a_session_ends_by_itself, fresh),
        cmocka_unit_test_setup(a_session_outlives_a_restart, fresh),
        cmocka_unit_test_setup(who_guesses_is_made_to_wait, fresh),
        cmocka_unit_test_setup(who_guesses_fills_no_journal, fresh),
        cmocka_unit_test_setup(there_are_only_so_many_sessions, fresh),
        cmocka_unit_test_setup(neither_token_nor_password_nor_key_is_in_the_database, fresh),
    };

    return cmocka_run_group_tests(tests, begin, world_end);
}
