/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: bytes up, lines down, both at once, and what happens when one side stops. */
#include "world.h"

/* What handlers saw, for the tests. */
static struct {
    enum err_kind kind;
    bool peer_gone;
    _Atomic unsigned ended; /* counted last: what is before it is then written */
} seen;

/* Reads all, with a line for each MiB, and what it came to at the end. */
static void swallow(struct request *request, void *context)
{
    char piece[65536];
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

static const struct route routes[] = {
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
    return world_begin(routes, COUNT_OF(routes), 2);
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
    for (unsigned i = 0; i < 1000 && seen.ended < count; i++) {
        usleep(10000);
    }
    assert_int_equal(seen.ended, count);
}

static void a_handler_learns_that_an_upload_broke_off(void **state)
{
    unsigned count = seen.ended;

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
    unsigned count = seen.ended;

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(bytes_stream_up_while_lines_stream_down),
        IT(an_upload_may_be_empty),
        IT(an_upload_over_the_routes_ceiling_is_refused),
        IT(a_refusal_in_the_middle_of_an_upload_arrives),
        IT(a_handler_learns_that_an_upload_broke_off),
        IT(an_error_after_the_first_line_is_the_last_line),
        IT(lines_of_64_KiB_arrive),
        IT(a_handler_at_work_is_not_taken_for_dead),
        IT(a_handler_is_told_when_its_peer_left),
    };

    log_begin("test", LOG_CRIT);
    return cmocka_run_group_tests(tests, begin, world_end);
}
