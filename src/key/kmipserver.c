/* SPDX-License-Identifier: Apache-2.0 */
#include "key/kmipserver.h"

#include <string.h>
#include <time.h>

#include "base/bigend.h"
#include "base/file.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "wire/stream.h"

struct kmipserver {
    struct kmipserver_conf conf;
    size_t count;
    size_t good;          /* tried first */
    long long remembered; /* of `good`, as it was written last: until when it is valid */
    struct stream *stream;
    bool fresh; /* nothing was asked over this connection but its version */
    bool once;
    struct kmip_version version;
    uint64_t operations; /* a bit for each that it has */
};

/* The ones we speak, best first. */
static const struct kmip_version spoken[] = {{2, 1}, {2, 0}, {1, 4}, {1, 3}, {1, 2}};

enum { QUERY_OPERATIONS = 1 }; /* KMIP 1.4, 9.1.3.2.24 */

static uint64_t bit_of(enum kmip_operation operation)
{
    return UINT64_C(1) << operation;
}

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static unsigned left(long long deadline)
{
    long long rest = deadline - now();

    return rest > 0 ? (unsigned)rest : 0;
}

long long kmipserver_remembered(const char *path)
{
    AUTO(drop_free) char *text = NULL;
    struct err ignored = {0};
    const char *second;

    if (!file_read(path, 512, &text, NULL, &ignored)) {
        return 0;
    }
    second = strchr(text, '\n');
    return second ? strtoll(second + 1, NULL, 10) : 0;
}

/* --- the good one ---------------------------------------------------------------------------- */

static void recall(struct kmipserver *server)
{
    AUTO(drop_free) char *name = NULL;
    struct err ignored = {0};

    if (!server->conf.remember || !file_read(server->conf.remember, 512, &name, NULL, &ignored)) {
        return;
    }
    name[strcspn(name, "\n")] = '\0';
    for (size_t i = 0; i < server->count; i++) {
        if (strcmp(server->conf.servers[i], name) == 0) {
            server->good = i;
            server->remembered = kmipserver_remembered(server->conf.remember);
        }
    }
}

/* It only saves time: where it cannot be written, nothing is lost. */
static void remember(struct kmipserver *server, size_t good)
{
    long long expires = stream_peer_expires(server->stream);
    AUTO(drop_free) char *text = text_make("%s\n%lld\n", server->conf.servers[good], expires);
    struct err ignored = {0};

    if (server->conf.remember && (server->good != good || server->remembered != expires)) {
        (void)file_write(server->conf.remember, text, strlen(text), 0600, &ignored);
        server->remembered = expires;
    }
    server->good = good;
}

struct kmipserver *kmipserver_new(const struct kmipserver_conf *conf)
{
    struct kmipserver *server = text_room(1, sizeof(*server));

    server->conf = *conf;
    while (server->count < KMIP_MAX_SERVERS && conf->servers[server->count]) {
        server->count++;
    }
    recall(server);
    return server;
}

void kmipserver_free(struct kmipserver *server)
{
    if (server) {
        stream_close(server->stream);
        free(server);
    }
}

/* --- a message there and one back ------------------------------------------------------------ */

/* No memory is taken before the length was found small enough. */
static bool hear(struct stream *stream, long long deadline, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *message = NULL;
    unsigned char head[TTLV_HEAD];
    uint32_t length;

    if (!stream_read(stream, head, sizeof(head), left(deadline), err)) {
        return false;
    }
    length = bigend_get32(head + 4);
    if (head[0] != 0x42 || head[1] != 0x00 || head[2] != 0x7B || head[3] != TTLV_STRUCTURE ||
        length == 0 || length > KMIP_MAX_REPLY - TTLV_HEAD) {
        return err_set(err, ERR_INPUT, "the key server's answer is no KMIP, or above %u bytes",
                       KMIP_MAX_REPLY);
    }
    if (!secret_new(TTLV_HEAD + length, &message, err)) {
        return false;
    }
    memcpy(secret_bytes(message), head, sizeof(head));
    if (!stream_read(stream, secret_bytes(message) + TTLV_HEAD, length, left(deadline), err)) {
        return false;
    }
    *out = TAKE(message);
    return true;
}

static bool exchange(struct stream *stream, const struct secret *request, long long deadline,
                     struct secret **out, struct err *err)
{
    return stream_write(stream, span_of(secret_look(request), secret_size(request)), left(deadline),
                        err) &&
           hear(stream, deadline, out, err);
}

/* --- reaching -------------------------------------------------------------------------------- */

static bool choose_version(const struct ttlv *payload, struct kmip_version *out, struct err *err)
{
    struct ttlv_reader reader = ttlv_inside(payload);
    struct ttlv version, major, minor;
    struct kmip_version newest = {0};
    int best = -1;

    while (ttlv_next(&reader, &version)) {
        if (version.tag != KMIP_PROTOCOL_VERSION || version.type != TTLV_STRUCTURE ||
            !ttlv_find(&version, KMIP_PROTOCOL_MAJOR, TTLV_INTEGER, &major) ||
            !ttlv_find(&version, KMIP_PROTOCOL_MINOR, TTLV_INTEGER, &minor)) {
            continue;
        }
        if (!kmip_version_from(newest, ttlv_integer(&major), ttlv_integer(&minor))) {
            newest = (struct kmip_version){ttlv_integer(&major), ttlv_integer(&minor)};
        }
        for (int i = 0; i < (int)COUNT_OF(spoken); i++) {
            if (ttlv_integer(&major) == spoken[i].major &&
                ttlv_integer(&minor) == spoken[i].minor && (best < 0 || i < best)) {
                best = i;
            }
        }
    }
    if (best < 0) {
        err_set(err, ERR_CLASH, "the key server speaks no KMIP from 1.2 to 2.1 (newest: %d.%d)",
                newest.major, newest.minor);
        return err_mend(err, "switch KMIP 1.2 or newer on at the key server");
    }
    *out = spoken[best];
    return true;
}

/* One question over a connection that is not the server's yet. */
static bool ask_early(struct stream *stream, struct kmipcall *call, long long deadline,
                      struct secret **out_message, struct ttlv *out_payload, struct err *err)
{
    return kmipcall_end(call, err) && exchange(stream, call->bytes, deadline, out_message, err) &&
           kmipcall_reply(*out_message, call->operation, out_payload, err);
}

/* Asked in the oldest version that we speak: who speaks a newer one understands it. */
static bool negotiate(struct stream *stream, const struct kmip_credential *credential,
                      long long deadline, struct kmip_version *out, struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL;
    struct ttlv payload;

    return kmipcall_begin(KMIP_DISCOVER_VERSIONS, spoken[COUNT_OF(spoken) - 1], credential, &call,
                          err) &&
           ask_early(stream, &call, deadline, &message, &payload, err) &&
           choose_version(&payload, out, err);
}

static uint64_t operations_in(const struct ttlv *payload)
{
    struct ttlv_reader reader = ttlv_inside(payload);
    struct ttlv item;
    uint64_t bits = 0;

    while (ttlv_next(&reader, &item)) {
        if (item.tag == KMIP_OPERATION && item.type == TTLV_ENUM && ttlv_enum(&item) < 64) {
            bits |= bit_of(ttlv_enum(&item));
        }
    }
    return bits;
}

/* A server that refuses the question is taken to have what every server has. */
static bool learn_operations(struct kmipserver *server, struct stream *stream, long long deadline,
                             struct err *err)
{
    AUTO(drop_kmipcall) struct kmipcall call = {0};
    AUTO(drop_secret) struct secret *message = NULL;
    struct err refusal = {0};
    struct ttlv payload;

    if (!kmipcall_begin(KMIP_QUERY, server->version, &server->conf.credential, &call, err)) {
        return false;
    }
    ttlv_put_enum(&call.writer, KMIP_QUERY_FUNCTION, QUERY_OPERATIONS);
    if (ask_early(stream, &call, deadline, &message, &payload, &refusal)) {
        server->operations = operations_in(&payload);
        return true;
    }
    if (refusal.kind == ERR_AWAY || refusal.kind == ERR_INPUT) {
        *err = refusal;
        return false;
    }
    server->operations = ~(bit_of(KMIP_ENCRYPT) | bit_of(KMIP_DECRYPT));
    return true;
}

static bool reach_one(struct kmipserver *server, const char *name, struct err *err)
{
    const struct stream_conf conf = {.server = name,
                                     .ca = server->conf.ca,
                                     .certificate = server->conf.certificate,
                                     .private_key = server->conf.private_key};
    AUTO(drop_stream) struct stream *stream = NULL;
    long long deadline = now() + KMIP_REACH_MS;

    if (!stream_open(&conf, KMIP_REACH_MS, &stream, err)) {
        return false;
    }
    if (!negotiate(stream, &server->conf.credential, deadline, &server->version, err) ||
        !learn_operations(server, stream, deadline, err)) {
        return err_add(err, "'%s'", name);
    }
    server->stream = TAKE(stream);
    server->fresh = true;
    return true;
}

static void leave(struct kmipserver *server)
{
    stream_close(TAKE(server->stream));
}

size_t kmipserver_count(const struct kmipserver *server)
{
    return server->count;
}

bool kmipserver_pass(struct kmipserver *server)
{
    if (server->count < 2) {
        return false;
    }
    leave(server);
    server->good = (server->good + 1) % server->count;
    server->remembered = -1; /* the file names another one */
    return true;
}

bool kmipserver_reach(struct kmipserver *server, struct err *err)
{
    struct err worst = {0};

    if (server->stream) {
        return true;
    }
    for (size_t i = 0; i < server->count; i++) {
        size_t one = (server->good + i) % server->count;
        struct err reason = {0};

        if (reach_one(server, server->conf.servers[one], &reason)) {
            remember(server, one);
            return true;
        }
        /* Who is there but wrong says more than who is away. */
        if (worst.kind == ERR_NONE || (worst.kind == ERR_AWAY && reason.kind != ERR_AWAY)) {
            worst = reason;
        }
    }
    if (server->count == 0) {
        return err_set(err, ERR_INPUT, "no key server is named");
    }
    *err = worst;
    if (server->count > 1) {
        err_add(err, "none of %zu key servers is of use; the first reason", server->count);
    }
    return false;
}

/* Whoever cannot be reached was not heard, whatever stands in the way: he may be no server of ours.
 * A connection that ended on the way may have led to another one. */
static bool ask_at(struct kmipserver *server, size_t one,
                   bool (*ask)(void *context, struct err *err), void *context, struct err *err)
{
    leave(server);
    server->good = one;
    if (!reach_one(server, server->conf.servers[one], err)) {
        err->kind = ERR_AWAY;
        return false;
    }
    bool opened = ask(context, err);

    return server->good == one ? opened : err_set(err, ERR_AWAY, "it ended the connection");
}

static void note_away(const char *name, const struct err *why, struct err *out_away)
{
    if (out_away->kind != ERR_NONE) {
        err_add(out_away, "nor of '%s'", name);
        return;
    }
    *out_away = *why;
    err_add(out_away, "whether key server '%s' has the KEK is not known", name);
}

bool kmipserver_others(struct kmipserver *server, bool (*ask)(void *context, struct err *err),
                       void *context, struct err *out_away, struct err *err)
{
    size_t home = server->good, one = home;
    struct err why = {0};

    for (size_t i = 1; i < server->count && why.kind == ERR_NONE; i++) {
        one = (home + i) % server->count;
        if (!ask_at(server, one, ask, context, &why) && why.kind == ERR_AWAY) {
            note_away(server->conf.servers[one], &why, out_away);
            why = (struct err){0};
        }
    }
    leave(server);
    server->good = home;
    server->remembered = -1; /* the file may name another one */
    if (why.kind == ERR_NONE) {
        return true;
    }
    *err = why;
    return err_add(err, "key server '%s' does not open what '%s' wrapped",
                   server->conf.servers[one], server->conf.servers[home]);
}

/* --- asking ---------------------------------------------------------------------------------- */

static bool has_operation(const struct kmipserver *server, enum kmip_operation operation,
                          struct err *err)
{
    if (server->operations & bit_of(operation)) {
        return true;
    }
    err_set(err, ERR_CLASH, "the key server '%s' does not have the operation '%s'",
            server->conf.servers[server->good], kmip_operation_name(operation));
    return err_mend(err, "switch it on there, for this client");
}

bool kmipserver_has(struct kmipserver *server, enum kmip_operation operation)
{
    struct err ignored = {0};

    return kmipserver_reach(server, &ignored) && (server->operations & bit_of(operation));
}

bool kmipserver_begin(struct kmipserver *server, enum kmip_operation operation, bool once,
                      struct kmipcall *out, struct err *err)
{
    /* A connection that was kept may be dead already: not the one to try a thing once on. */
    if (once && server->stream && !server->fresh) {
        leave(server);
    }
    server->once = once;
    return kmipserver_reach(server, err) && has_operation(server, operation, err) &&
           kmipcall_begin(operation, server->version, &server->conf.credential, out, err);
}

static bool ask_once(struct kmipserver *server, const struct kmipcall *call, struct secret **out,
                     struct err *err)
{
    if (!kmipserver_reach(server, err)) {
        return false;
    }
    server->fresh = false;
    if (!exchange(server->stream, call->bytes, now() + KMIP_ANSWER_MS, out, err)) {
        leave(server);
        return err_add(err, "'%s'", server->conf.servers[server->good]);
    }
    return true;
}

bool kmipserver_ask(struct kmipserver *server, struct kmipcall *call, struct secret **out_message,
                    struct ttlv *out_payload, struct err *err)
{
    AUTO(drop_secret) struct secret *message = NULL;
    bool kept = server->stream && !server->fresh;
    struct ttlv payload;

    if (!kmipcall_end(call, err)) {
        return false;
    }
    if (!ask_once(server, call, &message, err) && (!kept || server->once || err->kind != ERR_AWAY ||
                                                   !ask_once(server, call, &message, err))) {
        return false;
    }
    if (!kmipcall_reply(message, call->operation, &payload, err)) {
        if (err->kind == ERR_INPUT) {
            leave(server); /* who knows where its next answer begins */
        }
        return err_add(err, "'%s'", server->conf.servers[server->good]);
    }
    *out_message = TAKE(message);
    *out_payload = payload;
    return true;
}

const char *kmipserver_name(const struct kmipserver *server)
{
    return server->stream ? server->conf.servers[server->good] : NULL;
}

struct kmip_version kmipserver_version(const struct kmipserver *server)
{
    return server->version;
}

long long kmipserver_expires(const struct kmipserver *server)
{
    return server->stream ? stream_peer_expires(server->stream) : 0;
}
