/* SPDX-License-Identifier: Apache-2.0 */
/* Client and server talking: bodies, errors, secrets. Everything runs over the unix socket and over
 * mutual TLS. */
#include "world.h"

/* Long handlers must outlive it. */
#define IDLE_SECONDS 2u

static void echo(struct request *request, void *context)
{
    AUTO(drop_json) json_t *json = NULL;
    struct err err = {0};

    (void)context;
    if (!request_json(request, &json, &err)) {
        reply_err(request, &err);
        return;
    }
    reply_json(request, 201, json);
}

static void describe(struct request *request, void *context)
{
    const char *header = request_header(request, "Authorization");
    const char *query = request_query(request, "q");
    AUTO(drop_json)
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "method", request_method(request), "path",
                             request_path(request), "name", request_value(request, "name"), "q",
                             query ? query : "", "authorization", header ? header : "");

    (void)context;
    reply_json(request, 200, json);
}

static void refuse(struct request *request, void *context)
{
    struct err err = {0};

    (void)context;
    err_set(&err, ERR_CLASH, "the disk '%s' belongs to another cluster", "wwn-1");
    err_mend(&err, "name another disk");
    reply_err(request, &err);
}

static void stay_silent(struct request *request, void *context)
{
    (void)request;
    (void)context;
}

static void take_long(struct request *request, void *context)
{
    (void)context;
    sleep(IDLE_SECONDS + 2);
    reply_empty(request);
}

static void page(struct request *request, void *context)
{
    static const char *const headers[] = {"Content-Security-Policy", "default-src 'self'",
                                          "X-Content-Type-Options", "nosniff", NULL};

    (void)context;
    reply_bytes(request, 200, "text/html; charset=utf-8", headers, "<p>hello", 8);
}

static void too_much(struct request *request, void *context)
{
    AUTO(drop_free) char *bytes = text_room(JSON_MAX_BYTES + 1, 1);

    (void)context;
    memset(bytes, ' ', JSON_MAX_BYTES + 1);
    reply_bytes(request, 200, "application/json", NULL, bytes, JSON_MAX_BYTES + 1);
}

static void secret_back(struct request *request, void *context)
{
    struct secret *secret = NULL;
    struct err err = {0};

    (void)context;
    if (!request_secret(request, 4096, &secret, &err)) {
        reply_err(request, &err);
        return;
    }
    reply_secret(request, secret);
}

static const struct route routes[] = {
    {"POST", "/echo", MEMBERS, 1024 * 1024, echo},
    {"GET", "/describe/{name}", MEMBERS, 0, describe},
    {"DELETE", "/describe/{name}", MEMBERS, 0, describe},
    {"POST", "/describe/{name}", MEMBERS, 0, describe},
    {"GET", "/refuse", MEMBERS, 0, refuse},
    {"GET", "/silent", MEMBERS, 0, stay_silent},
    {"GET", "/long", MEMBERS, 0, take_long},
    {"GET", "/page", MEMBERS, 0, page},
    {"GET", "/too-much", MEMBERS, 0, too_much},
    {"POST", "/secret", MEMBERS, 8192, secret_back},
};

static int begin(void **state)
{
    (void)state;
    return world_begin(routes, COUNT_OF(routes), IDLE_SECONDS);
}

static void a_body_goes_there_and_back(void **state)
{
    AUTO(drop_json) json_t *body = json_pack("{s:s, s:[i,i]}", "name", "fra1 \xc3\xa4", "n", 1, 2);
    struct client_call call = {.method = "POST", .path = "/echo", .json = body};

    (void)state;
    BOTH(client)
    {
        for (unsigned i = 0; i < 3; i++) {
            AUTO(drop_json) json_t *answer = NULL;
            struct err err = {0};

            assert_done(client_ask(client, &call, &answer, &err), &err);
            assert_true(json_equal(answer, body));
        }
    }
}

static void a_request_arrives_as_it_was_meant(void **state)
{
    AUTO(drop_secret) struct secret *token = NULL, *hex = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(16, &token, &err) && secret_to_hex(token, &hex, &err));
    struct client_call call = {
        .method = "DELETE", .path = "/describe/a%20b?q=x%2Fy&r=1", .bearer = hex};
    BOTH(client)
    {
        AUTO(drop_json) json_t *answer = NULL;

        assert_done(client_ask(client, &call, &answer, &err), &err);
        assert_string_equal(json_string_or(answer, "method", ""), "DELETE");
        assert_string_equal(json_string_or(answer, "name", ""), "a b");
        assert_string_equal(json_string_or(answer, "q", ""), "x/y");
        const char *authorization = json_string_or(answer, "authorization", "");
        assert_int_equal(strlen(authorization), strlen("Bearer ") + 32);
        assert_memory_equal(authorization, "Bearer ", 7);
    }
}

static void a_token_is_not_sent_again_with_the_next_request(void **state)
{
    AUTO(drop_secret) struct secret *token = NULL, *hex = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(16, &token, &err) && secret_to_hex(token, &hex, &err));
    struct client_call with = {.method = "GET", .path = "/describe/a", .bearer = hex};
    struct client_call without = {.method = "GET", .path = "/describe/a"};
    BOTH(client)
    {
        AUTO(drop_json) json_t *answer = NULL;

        assert_done(client_ask(client, &with, NULL, &err), &err);
        assert_done(client_ask(client, &without, &answer, &err), &err);
        assert_string_equal(json_string_or(answer, "authorization", "?"), "");
    }
}

static void a_path_with_two_meanings_is_refused(void **state)
{
    static const char *const paths[] = {"/describe/a%2Fb", "/describe/a%2fb", "/describe/a%00b"};

    (void)state;
    BOTH(client)
    {
        for (size_t i = 0; i < COUNT_OF(paths); i++) {
            struct client_call call = {.method = "GET", .path = paths[i]};
            struct err err = {0};

            assert_false(client_ask(client, &call, NULL, &err));
            assert_int_equal(err.kind, ERR_INPUT);
        }
    }
}

static void an_error_comes_back_whole(void **state)
{
    struct client_call call = {.method = "GET", .path = "/refuse"};

    (void)state;
    BOTH(client)
    {
        struct err err = {0};

        assert_false(client_ask(client, &call, NULL, &err));
        assert_int_equal(err.kind, ERR_CLASH);
        assert_non_null(strstr(err.what, "the disk 'wwn-1' belongs to another cluster"));
        assert_string_equal(err.remedy, "name another disk");
    }
}

static void what_is_not_there_is_absent_and_a_wrong_method_is_input(void **state)
{
    (void)state;
    BOTH(client)
    {
        struct err err = {0};

        assert_false(
            client_ask(client, &(struct client_call){.method = "GET", .path = "/x"}, NULL, &err));
        assert_int_equal(err.kind, ERR_ABSENT);
        assert_false(client_ask(client, &(struct client_call){.method = "PUT", .path = "/long"},
                                NULL, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void a_handler_that_does_not_answer_is_our_fault(void **state)
{
    struct client_call call = {.method = "GET", .path = "/silent"};
    struct err err = {0};

    (void)state;
    BOTH(client)
    {
        assert_false(client_ask(client, &call, NULL, &err));
        assert_int_equal(err.kind, ERR_BUG);
    }
}

static void a_handler_may_take_longer_than_a_connection_may_idle(void **state)
{
    struct client_call call = {.method = "GET", .path = "/long"};

    (void)state;
    BOTH(client)
    {
        AUTO(drop_json) json_t *answer = NULL;
        struct err err = {0};

        assert_done(client_ask(client, &call, &answer, &err), &err);
        assert_int_equal(json_object_size(answer), 0);
    }
}

static void a_page_has_its_type_and_headers(void **state)
{
    AUTO(drop_free) char *out = NULL;
    struct err err = {0};

    (void)state;
    assert_done(run_ok(&(struct run){.argv = RUN("curl", "-si", "--unix-socket", world.socket,
                                                 "http://localhost/page")},
                       &out, &err),
                &err);
    assert_non_null(strstr(out, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(out, "Content-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(out, "Content-Security-Policy: default-src 'self'\r\n"));
    assert_non_null(strstr(out, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(out, "\r\n\r\n<p>hello"));
}

static void an_answer_over_the_ceiling_is_refused(void **state)
{
    struct client_call call = {.method = "GET", .path = "/too-much"};

    (void)state;
    BOTH(client)
    {
        AUTO(drop_json) json_t *answer = NULL;
        struct err err = {0};

        assert_false(client_ask(client, &call, &answer, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(answer);
    }
}

static void a_body_over_the_routes_ceiling_is_refused(void **state)
{
    AUTO(drop_free) char *pad = text_room(1024 * 1024, 1);

    (void)state;
    memset(pad, 'x', 1024 * 1024 - 1);
    AUTO(drop_json) json_t *body = json_pack("{s:s}", "pad", pad);
    AUTO(drop_json) json_t *small = json_object();
    BOTH(client)
    {
        struct client_call large = {.method = "POST", .path = "/echo", .json = body};
        struct client_call any = {.method = "POST", .path = "/describe/x", .json = small};
        struct err err = {0};

        assert_false(client_ask(client, &large, NULL, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.what, "larger than 1048576 bytes"));
        assert_false(client_ask(client, &any, NULL, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void a_body_that_is_no_json_is_refused(void **state)
{
    AUTO(drop_secret) struct secret *junk = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(100, &junk, &err));
    BOTH(client)
    {
        struct client_call call = {.method = "POST", .path = "/echo", .secret = junk};

        assert_false(client_ask(client, &call, NULL, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.what, "not JSON"));
    }
}

static void a_secret_goes_there_and_back(void **state)
{
    AUTO(drop_secret) struct secret *secret = NULL, *large = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(4096, &secret, &err) && secret_random(4097, &large, &err));
    BOTH(client)
    {
        AUTO(drop_secret) struct secret *back = NULL;
        struct client_call call = {.method = "POST", .path = "/secret", .secret = secret};
        struct client_call over = {.method = "POST", .path = "/secret", .secret = large};

        assert_done(client_ask_secret(client, &call, 4096, &back, &err), &err);
        assert_true(secret_equal(secret, back));
        assert_false(client_ask_secret(client, &call, 4095, &back, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_false(client_ask_secret(client, &over, 8192, &back, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_body_goes_there_and_back),
        IT(a_request_arrives_as_it_was_meant),
        IT(a_token_is_not_sent_again_with_the_next_request),
        IT(a_path_with_two_meanings_is_refused),
        IT(an_error_comes_back_whole),
        IT(what_is_not_there_is_absent_and_a_wrong_method_is_input),
        IT(a_handler_that_does_not_answer_is_our_fault),
        IT(a_handler_may_take_longer_than_a_connection_may_idle),
        IT(a_page_has_its_type_and_headers),
        IT(an_answer_over_the_ceiling_is_refused),
        IT(a_body_over_the_routes_ceiling_is_refused),
        IT(a_body_that_is_no_json_is_refused),
        IT(a_secret_goes_there_and_back),
    };

    log_begin("test", LOG_CRIT);
    return cmocka_run_group_tests(tests, begin, world_end);
}
