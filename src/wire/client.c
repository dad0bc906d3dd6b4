/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "wire/certificate.h"

#define CONNECT_SECONDS 10u
#define CALL_SECONDS    60u
#define SILENCE_SECONDS 30u
/* An answer that is an error: kind, what and remedy, with room to spare. */
#define ERROR_MAX (16u * 1024u)
/* A peer that vanished is noticed by TCP itself while no answer is due. */
#define KEEPALIVE_SECONDS 15L
/* Uploads go in pieces of this size: few calls, small memory. */
#define UPLOAD_BYTES (256L * 1024L)

struct client {
    CURL *curl;
    char *base;         /* "https://h1:8443", "http://localhost" */
    char *peer;         /* for messages */
    struct secret *key; /* libcurl borrows its bytes */
    struct curl_slist *connect_to;
};

/* What one answer is turned into. */
enum answer_kind { ANSWER_BYTES, ANSWER_LINES, ANSWER_SECRET };

struct exchange {
    struct client *client;
    const struct client_call *call;
    enum answer_kind kind;
    struct text bytes; /* the answer, or the body of an error */
    struct lines lines;
    struct secret *secret;
    size_t secret_used;
    curl_off_t moved; /* bytes both ways when last looked */
    time_t moved_at;
    bool failed; /* `err` is filled in by one of our own callbacks */
    struct err *err;
    struct curl_slist *headers;
    struct secret *bearer; /* the header line of `headers`, built in locked memory */
};

/* libcurl copies what is sent through its buffers; they are wiped as they are given back. */
static void wiping_free(void *memory)
{
    if (memory) {
        explicit_bzero(memory, malloc_usable_size(memory));
        free(memory);
    }
}

static void *wiping_realloc(void *memory, size_t size)
{
    size_t had = memory ? malloc_usable_size(memory) : 0;

    if (size <= had) {
        return memory;
    }
    void *larger = malloc(size);

    if (larger && memory) {
        memcpy(larger, memory, had);
        wiping_free(memory);
    }
    return larger;
}

static void begin_once(void)
{
    /* A peer that goes away must be an error, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc, strdup,
                               calloc);
}

static struct curl_blob blob_of(const void *bytes, size_t length)
{
    return (struct curl_blob){(void *)(uintptr_t)bytes, length, CURL_BLOB_COPY};
}

/* Programs that we start must not inherit the connection. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    (void)context;
    (void)purpose;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void set_common(CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_SECONDS);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BYTES);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
}

/* The key is not copied by libcurl: it reads the secret's own pages for each handshake. */
static bool set_identity(struct client *client, const struct client_conf *conf, struct err *err)
{
    if (!conf->certificate || !conf->key) {
        return true;
    }
    if (!certificate_fits(conf->certificate, conf->key, err) ||
        !secret_copy(conf->key, &client->key, err)) {
        return err_add(err, "our own certificate");
    }
    struct curl_blob certificate = blob_of(conf->certificate, strlen(conf->certificate));
    struct curl_blob key = blob_of(secret_look(client->key), secret_size(client->key));

    key.flags = CURL_BLOB_NOCOPY;
    if (curl_easy_setopt(client->curl, CURLOPT_SSLCERT_BLOB, &certificate) != CURLE_OK ||
        curl_easy_setopt(client->curl, CURLOPT_SSLKEY_BLOB, &key) != CURLE_OK) {
        return err_set(err, ERR_SYSTEM, "libcurl takes no certificate from memory");
    }
    return true;
}

static bool set_target(struct client *client, const struct client_conf *conf, struct err *err)
{
    unsigned seconds = conf->connect_seconds ? conf->connect_seconds : CONNECT_SECONDS;

    set_common(client->curl);
    curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT, (long)seconds);
    if (conf->socket) {
        curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, conf->socket);
    }
    if (conf->connect_to) {
        AUTO(drop_free) char *to = text_make("::%s", conf->connect_to);

        client->connect_to = curl_slist_append(NULL, to);
        curl_easy_setopt(client->curl, CURLOPT_CONNECT_TO, client->connect_to);
    }
    if (conf->authority) {
        struct curl_blob authority = blob_of(conf->authority, strlen(conf->authority));

        if (curl_easy_setopt(client->curl, CURLOPT_CAINFO_BLOB, &authority) != CURLE_OK) {
            return err_set(err, ERR_SYSTEM, "libcurl takes no authority from memory");
        }
    }
    return set_identity(client, conf, err);
}

bool client_open(const struct client_conf *conf, struct client **out, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    AUTO(drop_client) struct client *client = text_room(1, sizeof(*client));

    pthread_once(&once, begin_once);
    if (!conf->url && !conf->socket) {
        return err_set(err, ERR_BUG, "a client without a URL and without a socket");
    }
    if (conf->url && !conf->authority && text_starts(conf->url, "https:")) {
        return err_set(err, ERR_BUG, "TLS without an authority to check the peer by");
    }
    client->curl = curl_easy_init();
    client->base = text_copy(conf->url ? conf->url : "http://localhost");
    client->peer = text_copy(conf->url ? conf->url : conf->socket);
    if (!client->curl) {
        return err_set(err, ERR_SYSTEM, "no memory for a connection");
    }
    if (!set_target(client, conf, err)) {
        return false;
    }
    *out = TAKE(client);
    return true;
}

void client_close(struct client *client)
{
    if (client) {
        curl_easy_cleanup(client->curl);
        curl_slist_free_all(client->connect_to);
        secret_free(client->key);
        free(client->base);
        free(client->peer);
        free(client);
    }
}

static bool answer_is_good(const struct exchange *exchange)
{
    long status = 0;

    curl_easy_getinfo(exchange->client->curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
}

static bool hold_bytes(struct exchange *exchange, const char *bytes, size_t length, size_t max)
{
    if (length > max - exchange->bytes.length) {
        return err_set(exchange->err, ERR_INPUT, "the answer is larger than %zu bytes", max);
    }
    text_add_bytes(&exchange->bytes, bytes, length);
    return true;
}

static bool hold_secret(struct exchange *exchange, const char *bytes, size_t length)
{
    size_t room = secret_size(exchange->secret) - exchange->secret_used;

    if (length > room) {
        return err_set(exchange->err, ERR_INPUT, "the answer is larger than %zu bytes",
                       secret_size(exchange->secret));
    }
    memcpy(secret_bytes(exchange->secret) + exchange->secret_used, bytes, length);
    exchange->secret_used += length;
    return true;
}

static bool hold(struct exchange *exchange, const char *bytes, size_t length)
{
    if (!answer_is_good(exchange)) {
        return hold_bytes(exchange, bytes, length, ERROR_MAX);
    }
    switch (exchange->kind) {
    case ANSWER_LINES:
        return lines_feed(&exchange->lines, bytes, length, exchange->err);
    case ANSWER_SECRET:
        return hold_secret(exchange, bytes, length);
    default:
        return hold_bytes(exchange, bytes, length, JSON_MAX_BYTES);
    }
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;

    if (!hold(exchange, bytes, size * count)) {
        exchange->failed = true;
        return size * count + 1;
    }
    return size * count;
}

static size_t give_body(char *to, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    ssize_t n = exchange->call->pull(exchange->call->pull_context, to, size * count, exchange->err);

    if (n < 0) {
        exchange->failed = true;
        return CURL_READFUNC_ABORT;
    }
    return (size_t)n;
}

/* libcurl calls this at least once a second: a stream may be slow, but not silent. */
static int watch(void *context, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                 curl_off_t up)
{
    struct exchange *exchange = context;
    const struct client_call *call = exchange->call;
    unsigned silence = call->silence_seconds ? call->silence_seconds : SILENCE_SECONDS;

    (void)down_all;
    (void)up_all;
    if (down + up != exchange->moved) {
        exchange->moved = down + up;
        exchange->moved_at = clock_ms() / 1000;
    } else if ((call->pull || call->line) &&
               clock_ms() / 1000 - exchange->moved_at >= (time_t)silence) {
        exchange->failed = true;
        err_set(exchange->err, ERR_AWAY, "no sign of life for %u seconds", silence);
        err_mend(exchange->err, "check that it still runs, then try again");
        return 1;
    }
    return 0;
}

/* "Authorization: Bearer …" is put together in locked memory; libcurl's own copy is wiped. */
static bool add_bearer(struct exchange *exchange, const struct secret *bearer, struct err *err)
{
    static const char name[] = "Authorization: Bearer ";

    if (!bearer) {
        return true;
    }
    if (!secret_new(sizeof(name) + secret_size(bearer), &exchange->bearer, err)) {
        return false;
    }
    unsigned char *line = secret_bytes(exchange->bearer);

    memcpy(line, name, sizeof(name) - 1);
    memcpy(line + sizeof(name) - 1, secret_look(bearer), secret_size(bearer));
    if (memchr(secret_look(bearer), '\n', secret_size(bearer)) ||
        memchr(secret_look(bearer), '\r', secret_size(bearer))) {
        return err_set(err, ERR_INPUT, "a token of more than one line");
    }
    exchange->headers = curl_slist_append(exchange->headers, (const char *)line);
    return true;
}

static void set_posted(CURL *curl, const void *bytes, size_t length)
{
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, bytes);
}

/* `json` is the body's text, which libcurl borrows until the end. */
static void set_body(struct exchange *exchange, const char *json)
{
    CURL *curl = exchange->client->curl;
    const struct client_call *call = exchange->call;
    const char *type =
        json ? "Content-Type: application/json" : "Content-Type: application/octet-stream";

    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, call->pull ? 1L : 0L);
    if (call->pull) {
        /* A broken upload cannot begin again by itself, so it gets a connection that is surely new.
         */
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)-1);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(curl, CURLOPT_READDATA, exchange);
        exchange->headers = curl_slist_append(exchange->headers, "Transfer-Encoding: chunked");
    } else if (call->secret) {
        set_posted(curl, secret_look(call->secret), secret_size(call->secret));
    } else if (json || strcmp(call->method, "GET") != 0) {
        set_posted(curl, json ? json : "", json ? strlen(json) : 0);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    exchange->headers = curl_slist_append(exchange->headers, type);
    exchange->headers = curl_slist_append(exchange->headers, "Expect:");
}

static void set_watch(struct exchange *exchange)
{
    CURL *curl = exchange->client->curl;
    const struct client_call *call = exchange->call;
    unsigned seconds = call->seconds                ? call->seconds
                       : (call->pull || call->line) ? 0
                                                    : CALL_SECONDS;

    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)seconds);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange);
    exchange->moved_at = clock_ms() / 1000;
}

static bool refused_by_os(CURL *curl, struct err *err)
{
    long number = 0;

    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
    if (number == EACCES || number == EPERM) {
        err->kind = ERR_DENIED;
        return err_mend(err, "run as root, or as the user who owns the socket");
    }
    return false;
}

static bool transport_failed(CURL *curl, CURLcode code, const char *detail, struct err *err)
{
    const char *why = detail[0] ? detail : curl_easy_strerror(code);

    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        err_set(err, ERR_DENIED, "the peer's certificate is refused: %s", why);
        return err_mend(err, "check its name, its dates and that this cluster's CA signed it");
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return err_set(err, ERR_INPUT, "%s", why);
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return err_set(err, ERR_SYSTEM, "%s", why);
    case CURLE_COULDNT_CONNECT:
        err_set(err, ERR_AWAY, "%s", why);
        refused_by_os(curl, err);
        return err_mend(err, "check that it runs and that the network leads to it");
    default:
        err_set(err, ERR_AWAY, "%s", why);
        return err_mend(err, "check that it runs and that the network leads to it, then try again");
    }
}

static enum err_kind kind_of_status(long status)
{
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
        return ERR_ABSENT;
    case 409:
        return ERR_CLASH;
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
        return ERR_AWAY;
    default:
        return status >= 400 && status < 500 ? ERR_INPUT : ERR_SYSTEM;
    }
}

static bool answer_failed(struct exchange *exchange, struct err *err)
{
    AUTO(drop_json) json_t *body = NULL;
    const struct text *bytes = &exchange->bytes;
    long status = 0;
    struct err ignored;

    curl_easy_getinfo(exchange->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (bytes->length > 0 && json_read(bytes->bytes, bytes->length, &body, &ignored) &&
        json_is_string(json_object_get(body, "kind"))) {
        return json_to_err(body, err);
    }
    return err_set(err, kind_of_status(status), "it answered with status %ld", status);
}

static void exchange_clear(struct exchange *exchange)
{
    struct err ignored;

    text_clear(&exchange->bytes);
    (void)lines_end(&exchange->lines, &ignored);
    secret_free(exchange->secret);
    secret_free(exchange->bearer);
    curl_slist_free_all(exchange->headers);
}

static bool transfer(struct exchange *exchange, const char *json, struct err *err)
{
    CURL *curl = exchange->client->curl;
    AUTO(drop_free) char *url = text_make("%s%s", exchange->client->base, exchange->call->path);
    char detail[CURL_ERROR_SIZE] = "";

    if (!add_bearer(exchange, exchange->call->bearer, err)) {
        return false;
    }
    set_body(exchange, json);
    set_watch(exchange);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    CURLcode code = curl_easy_perform(curl);

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
    if (exchange->failed) {
        return false;
    }
    /* A refusal that came before our body was through says more than the broken pipe. */
    long status = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 400) {
        return answer_failed(exchange, err);
    }
    if (code != CURLE_OK) {
        return transport_failed(curl, code, detail, err);
    }
    return answer_is_good(exchange) || answer_failed(exchange, err);
}

static bool exchange_run(struct exchange *exchange, struct err *err)
{
    const struct client_call *call = exchange->call;
    AUTO(drop_free) char *json = call->json ? json_write(call->json) : NULL;

    exchange->err = err;
    if (!transfer(exchange, json, err) ||
        (exchange->kind == ANSWER_LINES && !lines_end(&exchange->lines, err))) {
        return err_add(err, "%s %s at %s", call->method, call->path, exchange->client->peer);
    }
    return true;
}

/* A handler that fails after its first line says so in a last one: {"error":{…}}. */
static bool take_line(void *context, const json_t *line, struct err *err)
{
    const struct exchange *exchange = context;
    const json_t *error = json_object_get(line, "error");

    if (json_object_size(line) == 1 && json_is_object(error)) {
        return json_to_err(error, err);
    }
    return exchange->call->line(exchange->call->line_context, line, err);
}

bool client_ask(struct client *client, const struct client_call *call, json_t **out,
                struct err *err)
{
    AUTO(exchange_clear)
    struct exchange exchange = {
        .client = client, .call = call, .kind = call->line ? ANSWER_LINES : ANSWER_BYTES};

    exchange.lines.take = take_line;
    exchange.lines.context = &exchange;
    if (!exchange_run(&exchange, err)) {
        return false;
    }
    if (call->line || !out) {
        return true;
    }
    if (exchange.bytes.length == 0) {
        *out = json_object();
        return true;
    }
    return json_read(exchange.bytes.bytes, exchange.bytes.length, out, err) ||
           err_add(err, "the answer of %s to %s", client->peer, call->path);
}

bool client_ask_secret(struct client *client, const struct client_call *call, size_t max,
                       struct secret **out, struct err *err)
{
    AUTO(exchange_clear)
    struct exchange exchange = {.client = client, .call = call, .kind = ANSWER_SECRET};

    if (!secret_new(max, &exchange.secret, err) || !exchange_run(&exchange, err)) {
        return false;
    }
    if (exchange.secret_used == 0) {
        return err_set(err, ERR_INPUT, "the answer of %s to %s is empty", client->peer, call->path);
    }
    secret_cut(exchange.secret, exchange.secret_used);
    *out = TAKE(exchange.secret);
    return true;
}

bool client_ask_bytes(struct client *client, const struct client_call *call, char **out,
                      size_t *out_length, struct err *err)
{
    AUTO(exchange_clear)
    struct exchange exchange = {.client = client, .call = call, .kind = ANSWER_BYTES};

    if (!exchange_run(&exchange, err)) {
        return false;
    }
    *out_length = exchange.bytes.length;
    *out = text_take(&exchange.bytes);
    return true;
}
