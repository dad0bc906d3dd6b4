/* SPDX-License-Identifier: Apache-2.0 */
/* Client and server talking: bodies, errors, streams both ways, ceilings and deadlines. Everything
 * runs over the unix socket and over mutual TLS. */
#include "world.h"

#include <netinet/in.h>
#include <sys/socket.h>

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

/* What handlers saw, for the tests. */
static struct {
    unsigned long long bytes;
    enum err_kind kind;
    bool peer_gone;
    unsigned ended;
} seen;

/* Reads all, with a line for each MiB, and what it came to at the end. */
static void swallow(struct request *request, void *context)
{
    static char piece[65536];
    AUTO(drop_json) json_t *first = json_pack("{s:s}", "event", "begun");
    struct err err = {0};
    unsigned long long total = 0, told = 0, sum = 0;
    size_t n = 0;

    (void)context;
    (void)reply_line(request, first);
    do {
        if (!request_read(request, piece, sizeof(piece), &n, &err)) {
            seen.kind = err.kind;
            reply_err(request, &err);
            seen.ended++;
            return;
        }
        for (size_t i = 0; i < n; i++) {
            sum += (unsigned char)piece[i];
        }
        total += n;
        if (total - told >= 1024 * 1024) {
            AUTO(drop_json) json_t *line = json_pack("{s:I}", "at", (json_int_t)total);

            told = total;
            (void)reply_line(request, line);
        }
    } while (n > 0);
    AUTO(drop_json)
    json_t *last = json_pack("{s:I, s:I}", "total", (json_int_t)total, "sum", (json_int_t)sum);

    (void)reply_line(request, last);
    seen.ended++;
}

/* As a full disk would. */
static void refuse_midway(struct request *request, void *context)
{
    char piece[4096];
    struct err err = {0};
    size_t n = 0;

    (void)context;
    (void)request_read(request, piece, sizeof(piece), &n, &err);
    err_set(&err, ERR_SYSTEM, "the disk is full");
    reply_err(request, &err);
}

static void fail_after_a_line(struct request *request, void *context)
{
    AUTO(drop_json) json_t *line = json_pack("{s:i}", "n", 1);
    struct err err = {0};

    (void)context;
    (void)reply_line(request, line);
    err_set(&err, ERR_ABSENT, "the pool went away");
    reply_err(request, &err);
}

static void long_lines(struct request *request, void *context)
{
    AUTO(drop_free) char *pad = text_room(LINES_MAX, 1);

    (void)context;
    memset(pad, 'x', LINES_MAX - strlen("{\"pad\":\"\"}"));
    for (unsigned i = 0; i < 32; i++) {
        AUTO(drop_json) json_t *line = json_pack("{s:s}", "pad", pad);

        (void)reply_line(request, line);
    }
}

static void work_silently(struct request *request, void *context)
{
    AUTO(drop_json) json_t *line = json_pack("{s:i}", "n", 1);

    (void)context;
    (void)reply_line(request, line);
    sleep(12);
    (void)reply_line(request, line);
}

static void talk_until_alone(struct request *request, void *context)
{
    AUTO(drop_json) json_t *line = json_pack("{s:i}", "n", 1);

    (void)context;
    for (unsigned i = 0; i < 500 && reply_line(request, line); i++) {
        usleep(10000);
    }
    seen.peer_gone = !reply_line(request, line);
    seen.ended++;
}

#define MEMBERS (ROLE_LOCAL | ROLE_DEPLOYER)

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
    {"PUT", "/swallow", MEMBERS, ROUTE_NO_CEILING, swallow},
    {"PUT", "/swallow-little", MEMBERS, 100000, swallow},
    {"PUT", "/refuse-midway", MEMBERS, ROUTE_NO_CEILING, refuse_midway},
    {"GET", "/fail-after-a-line", MEMBERS, 0, fail_after_a_line},
    {"GET", "/long-lines", MEMBERS, 0, long_lines},
    {"GET", "/work-silently", MEMBERS, 0, work_silently},
    {"GET", "/talk", MEMBERS, 0, talk_until_alone},
};

static int begin(void **state)
{
    (void)state;
    return world_begin(routes, COUNT_OF(routes), IDLE_SECONDS);
}

/* Each test runs over both. */
static struct client *clients[2];

static int setup(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    clients[0] = local_client();
    clients[1] = deployer_client();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_close(clients[0]);
    client_close(clients[1]);
    return 0;
}

#define BOTH(client)                                                                               \
    for (struct client **at = clients, *client = *at; at < clients + 2;                            \
         client = ++at < clients + 2 ? *at : NULL)

static void assert_done(bool ok, const struct err *err)
{
    if (!ok) {
        fail_msg("%s", err->what);
    }
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

struct upload {
    unsigned long long left, sum;
    unsigned char next;
    unsigned pause_ms;
    bool give_up;
    unsigned lines;
    int64_t at, total, answer_sum;
    unsigned long long left_at_first_line;
};

static ssize_t pull(void *context, char *to, size_t room, struct err *err)
{
    struct upload *upload = context;
    size_t n = room < upload->left ? room : (size_t)upload->left;

    if (upload->give_up && upload->left < 1024 * 1024) {
        err_set(err, ERR_CLASH, "the image changed while it was read");
        return -1;
    }
    usleep(upload->pause_ms * 1000);
    for (size_t i = 0; i < n; i++) {
        to[i] = (char)upload->next;
        upload->sum += upload->next++;
    }
    upload->left -= n;
    return (ssize_t)n;
}

static bool upload_line(void *context, const json_t *line, struct err *err)
{
    struct upload *upload = context;

    (void)err;
    if (upload->lines++ == 0) {
        upload->left_at_first_line = upload->left;
    }
    if (json_object_get(line, "at")) {
        upload->at = json_integer_value(json_object_get(line, "at"));
    }
    if (json_object_get(line, "total")) {
        upload->total = json_integer_value(json_object_get(line, "total"));
        upload->answer_sum = json_integer_value(json_object_get(line, "sum"));
    }
    return true;
}

static struct client_call upload_call(const char *path, struct upload *upload)
{
    return (struct client_call){.method = "PUT",
                                .path = path,
                                .pull = pull,
                                .pull_context = upload,
                                .line = upload_line,
                                .line_context = upload};
}

#define UPLOAD_BYTES (48ull * 1024 * 1024 + 12345)

static void bytes_stream_up_while_lines_stream_down(void **state)
{
    (void)state;
    BOTH(client)
    {
        struct upload upload = {.left = UPLOAD_BYTES, .pause_ms = 1};
        struct client_call call = upload_call("/swallow", &upload);
        struct err err = {0};

        assert_done(client_ask(client, &call, NULL, &err), &err);
        assert_int_equal(upload.total, UPLOAD_BYTES);
        assert_int_equal(upload.answer_sum, upload.sum);
        assert_true(upload.lines > 40);
        /* The first line came while most was still to be sent. */
        assert_true(upload.left_at_first_line > UPLOAD_BYTES / 2);
    }
}

static void an_upload_may_be_empty(void **state)
{
    (void)state;
    BOTH(client)
    {
        struct upload upload = {.left = 0, .total = -1};
        struct client_call call = upload_call("/swallow", &upload);
        struct err err = {0};

        assert_done(client_ask(client, &call, NULL, &err), &err);
        assert_int_equal(upload.total, 0);
    }
}

static void an_upload_over_the_routes_ceiling_is_refused(void **state)
{
    (void)state;
    BOTH(client)
    {
        struct upload upload = {.left = 100001};
        struct client_call call = upload_call("/swallow-little", &upload);
        struct err err = {0};

        assert_false(client_ask(client, &call, NULL, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.what, "larger than 100000 bytes"));
    }
}

static void a_refusal_in_the_middle_of_an_upload_arrives(void **state)
{
    (void)state;
    BOTH(client)
    {
        struct upload upload = {.left = 4096ull * 1024 * 1024};
        struct client_call call = upload_call("/refuse-midway", &upload);
        struct err err = {0};

        assert_false(client_ask(client, &call, NULL, &err));
        assert_int_equal(err.kind, ERR_SYSTEM);
        assert_non_null(strstr(err.what, "the disk is full"));
        /* And at once, not after all of it. */
        assert_true(upload.left > 4000ull * 1024 * 1024);
    }
}

static void assert_handler_ended(unsigned count)
{
    for (unsigned i = 0; i < 1000 && __atomic_load_n(&seen.ended, __ATOMIC_SEQ_CST) < count; i++) {
        usleep(10000);
    }
    assert_int_equal(seen.ended, count);
}

static void a_handler_learns_that_an_upload_broke_off(void **state)
{
    unsigned count = 0;

    (void)state;
    BOTH(client)
    {
        struct upload upload = {.left = 4 * 1024 * 1024, .give_up = true};
        struct client_call call = upload_call("/swallow", &upload);
        struct err err = {0};

        seen.kind = ERR_NONE;
        assert_false(client_ask(client, &call, NULL, &err));
        assert_int_equal(err.kind, ERR_CLASH);
        assert_non_null(strstr(err.what, "the image changed"));
        assert_handler_ended(++count);
        assert_int_equal(seen.kind, ERR_AWAY);
    }
}

static void an_error_after_the_first_line_is_the_last_line(void **state)
{
    (void)state;
    BOTH(client)
    {
        struct upload upload = {0};
        struct client_call call = {.method = "GET",
                                   .path = "/fail-after-a-line",
                                   .line = upload_line,
                                   .line_context = &upload};
        struct err err = {0};

        assert_false(client_ask(client, &call, NULL, &err));
        assert_int_equal(err.kind, ERR_ABSENT);
        assert_non_null(strstr(err.what, "the pool went away"));
        assert_int_equal(upload.lines, 1);
    }
}

static void lines_of_64_KiB_arrive(void **state)
{
    (void)state;
    BOTH(client)
    {
        struct upload upload = {0};
        struct client_call call = {
            .method = "GET", .path = "/long-lines", .line = upload_line, .line_context = &upload};
        struct err err = {0};

        assert_done(client_ask(client, &call, NULL, &err), &err);
        assert_int_equal(upload.lines, 32);
    }
}

static void a_handler_at_work_is_not_taken_for_dead(void **state)
{
    struct upload upload = {0};
    struct client_call call = {.method = "GET",
                               .path = "/work-silently",
                               .line = upload_line,
                               .line_context = &upload,
                               .silence_seconds = 8};
    struct err err = {0};

    (void)state;
    assert_done(client_ask(clients[1], &call, NULL, &err), &err);
    assert_int_equal(upload.lines, 2);
}

static bool leave(void *context, const json_t *line, struct err *err)
{
    (void)context;
    (void)line;
    return err_set(err, ERR_CLASH, "seen enough");
}

static void a_handler_is_told_when_its_peer_left(void **state)
{
    unsigned count = 0;

    (void)state;
    BOTH(client)
    {
        struct client_call call = {.method = "GET", .path = "/talk", .line = leave};
        struct err err = {0};

        seen.peer_gone = false;
        assert_false(client_ask(client, &call, NULL, &err));
        assert_non_null(strstr(err.what, "seen enough"));
        assert_handler_ended(++count);
        assert_true(seen.peer_gone);
    }
}

/* Listens, and lets the kernel accept; nobody ever answers. */
static int dead_peer(unsigned *out_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

static void assert_away_within(const struct client_conf *conf, const struct client_call *call,
                               long long milliseconds)
{
    AUTO(drop_client) struct client *client = NULL;
    struct err err = {0};
    long long start = now_ms();

    assert_true(client_open(conf, &client, &err));
    assert_false(client_ask(client, call, NULL, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_true(err.remedy[0] != '\0');
    assert_in_range(now_ms() - start, 0, milliseconds);
}

static void a_dead_peer_ends_within_its_deadline(void **state)
{
    unsigned port = 0;
    AUTO(drop_fd) int fd = dead_peer(&port);
    AUTO(drop_free) char *tls = text_make("https://127.0.0.1:%u", port);
    AUTO(drop_free) char *plain = text_make("http://127.0.0.1:%u", port);
    struct upload upload = {0};

    (void)state;
    /* In the TLS handshake, while waiting for an answer, and in a stream. */
    assert_away_within(
        &(struct client_conf){.url = tls, .authority = world.ca, .connect_seconds = 1},
        &(struct client_call){.method = "GET", .path = "/"}, 2500);
    assert_away_within(&(struct client_conf){.url = plain},
                       &(struct client_call){.method = "GET", .path = "/", .seconds = 1}, 2500);
    assert_away_within(&(struct client_conf){.url = plain},
                       &(struct client_call){.method = "GET",
                                             .path = "/",
                                             .line = upload_line,
                                             .line_context = &upload,
                                             .silence_seconds = 1},
                       3500);
}

static void a_server_that_is_not_there_is_away(void **state)
{
    unsigned port = 0;

    (void)state;
    close(dead_peer(&port));
    AUTO(drop_free) char *url = text_make("http://127.0.0.1:%u", port);
    AUTO(drop_free) char *socket = text_make("%s/nobody", world.folder);

    assert_away_within(&(struct client_conf){.url = url},
                       &(struct client_call){.method = "GET", .path = "/"}, 1000);
    assert_away_within(&(struct client_conf){.socket = socket},
                       &(struct client_call){.method = "GET", .path = "/"}, 1000);
}

static int connect_tcp(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){10, 0}, sizeof(struct timeval));
    return fd;
}

static void one_address_gets_no_more_than_its_connections(void **state)
{
    struct server_conf conf = {.routes = routes,
                               .route_count = COUNT_OF(routes),
                               .address = "127.0.0.1",
                               .certificate = world.server_certificate,
                               .key = world.key,
                               .connections_address = 2};
    AUTO(drop_server) struct server *server = NULL;
    struct err err = {0};
    char byte;

    (void)state;
    assert_true(server_start(&conf, &server, &err));
    AUTO(drop_fd) int a = connect_tcp(server_port(server));
    AUTO(drop_fd) int b = connect_tcp(server_port(server));
    AUTO(drop_fd) int c = connect_tcp(server_port(server));
    assert_int_not_equal(recv(c, &byte, 1, 0), 1);
    assert_int_equal(recv(a, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(recv(b, &byte, 1, MSG_DONTWAIT), -1);
}

static void a_silent_connection_is_closed(void **state)
{
    AUTO(drop_fd) int fd = connect_tcp(server_port(world.server));
    long long start = now_ms();
    char byte;
    ssize_t n;

    (void)state;

    /* TLS may say goodbye first. */
    while ((n = recv(fd, &byte, 1, 0)) > 0) {
    }
    assert_int_equal(n, 0);
    assert_in_range(now_ms() - start, 500, IDLE_SECONDS * 1000 + 3000);
}

static void headers_have_a_ceiling(void **state)
{
    AUTO(drop_free) char *header = text_room(300001, 1);
    AUTO(drop_run_result) struct run_result result = {0};
    struct err err = {0};

    (void)state;
    memset(header, 'x', 300000);
    memcpy(header, "header = \"X-Long: ", 18);
    header[299999] = '"';
    struct run run = {.argv = RUN("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-K", "-",
                                  "--unix-socket", world.socket, "http://localhost/page"),
                      .input = header,
                      .input_length = 300000};
    assert_true(run_program(&run, &result, &err));
    assert_string_not_equal(result.out, "200");
}

int main(void)
{
#define IT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
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
        IT(bytes_stream_up_while_lines_stream_down),
        IT(an_upload_may_be_empty),
        IT(an_upload_over_the_routes_ceiling_is_refused),
        IT(a_refusal_in_the_middle_of_an_upload_arrives),
        IT(a_handler_learns_that_an_upload_broke_off),
        IT(an_error_after_the_first_line_is_the_last_line),
        IT(lines_of_64_KiB_arrive),
        IT(a_handler_at_work_is_not_taken_for_dead),
        IT(a_handler_is_told_when_its_peer_left),
        IT(a_dead_peer_ends_within_its_deadline),
        IT(a_server_that_is_not_there_is_away),
        IT(one_address_gets_no_more_than_its_connections),
        IT(a_silent_connection_is_closed),
        IT(headers_have_a_ceiling),
    };

    log_begin("test", LOG_CRIT);
    return cmocka_run_group_tests(tests, begin, world_end);
}
