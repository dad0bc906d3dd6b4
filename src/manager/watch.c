/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/watch.h"

#include <pthread.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "manager/audit.h"
#include "manager/change.h"
#include "manager/inventory.h"
#include "manager/report.h"
#include "plan/health.h"

#define AGENT_PORT    7443u
#define EVERY_SECONDS 5u
/* A datastore that hangs makes a status slow, not a host dead. */
#define CONNECT_SECONDS 5u
#define ANSWER_SECONDS  10u
/* Threads are made when a host is due and nobody is free: a cluster of one has one or two. A tenth
 * of a thousand hosts may be dead, and each of those holds a thread for the seconds above. */
#define WORKERS_MAX 128u
/* Of them for hosts that did not answer last time: the rest are always there for the living. */
#define WORKERS_DEAD 64u
/* One lost answer is no news. */
#define PATIENCE 2u
/* When nobody is due. */
#define IDLE_MS 60000

struct host {
    char *name, *address;
    struct client *client;
    bool busy;    /* a worker asks it now; it alone touches `client` */
    bool removed; /* that worker frees it */
    int64_t due;  /* clock_ms */
    unsigned failures;
    const char *state; /* "unknown", "up", "away" */
    time_t since, seen;
    json_t *report, *skew;
    char *trouble;
    struct host *next;
};

struct watch {
    struct watch_conf conf;
    pthread_mutex_t lock;
    /* One idle worker looks out for who is due next; it is woken by `due`, the others by `work`. */
    pthread_cond_t due, work, settled;
    bool looked_out, ends, settling;
    struct host *hosts;
    struct change *change;
    pthread_t workers[WORKERS_MAX];
    unsigned worker_count, idle, with_dead;
};

/* What one question to a host gave. */
struct answer {
    json_t *report, *skew;
    struct err err;
};

static struct host *host_new(const char *name, const char *address)
{
    struct host *host = text_room(1, sizeof(*host));

    host->name = text_copy(name);
    host->address = text_copy(address);
    host->state = "unknown";
    host->since = time(NULL);
    return host;
}

static void host_free(struct host *host)
{
    client_close(host->client);
    json_decref(host->report);
    json_decref(host->skew);
    free(host->name);
    free(host->address);
    free(host->trouble);
    free(host);
}

static bool reach(const struct watch *watch, const char *address, struct client **out,
                  struct err *err)
{
    const struct identity *identity = watch->conf.identity;
    bool six = strchr(address, ':') != NULL;
    AUTO(drop_free)
    char *url =
        text_make("https://%s%s%s:%u", six ? "[" : "", address, six ? "]" : "", watch->conf.port);

    return client_open(&(struct client_conf){.url = url,
                                             .authority = identity->ca,
                                             .certificate = identity->tls_certificate,
                                             .key = identity->tls_key,
                                             .connect_seconds = CONNECT_SECONDS},
                       out, err);
}

static double clock_now(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

static json_t *skew_of(const json_t *status, double began, double ended)
{
    const json_t *said = json_object_get(status, "time");

    return json_is_integer(said)
               ? json_real(health_skew((double)json_integer_value(said), began, ended))
               : NULL;
}

/* Without the lock. */
static bool host_ask(const struct watch *watch, struct host *host, struct answer *out)
{
    const struct client_call call = {
        .method = "GET", .path = "/v1/status", .seconds = ANSWER_SECONDS};
    AUTO(drop_json) json_t *status = NULL, *report = NULL;
    double began = clock_now();

    if ((!host->client && !reach(watch, host->address, &host->client, &out->err)) ||
        !client_ask(host->client, &call, &status, &out->err)) {
        return false;
    }
    out->skew = skew_of(status, began, clock_now());
    if (!report_make(status, &report, &out->err) ||
        !report_is_of(report, watch->conf.identity->cluster_id, host->name, &out->err)) {
        return false;
    }
    audit_gather(watch->conf.database, host->client, host->name, report);
    out->report = TAKE(report);
    return true;
}

/* True when this is news. */
static bool host_turn(struct host *host, const char *state)
{
    if (strcmp(host->state, state) == 0) {
        return false;
    }
    host->state = state;
    host->since = time(NULL);
    return true;
}

static void note_answer(struct watch *watch, struct host *host, json_t *report)
{
    AUTO(drop_json) json_t *before = host->report;

    host->report = report;
    host->seen = time(NULL);
    host->failures = 0;
    free(TAKE(host->trouble));
    if (host_turn(host, "up")) {
        change_up(watch->change, host->name);
    }
    change_report(watch->change, host->name, before, report);
}

static void note_failure(struct watch *watch, struct host *host, const struct err *err)
{
    host->failures++;
    free(host->trouble);
    host->trouble = text_copy(err->what);
    if ((strcmp(host->state, "up") != 0 || host->failures >= PATIENCE) && host_turn(host, "away")) {
        change_away(watch->change, host->name, err->what);
    }
}

/* Writes what changed, without the lock and many at once: a database that is slow, or a thousand
 * hosts that come at once, hold up nobody. With the lock held; it is given back in between. */
static void settle(struct watch *watch)
{
    while (!watch->settling && change_waits(watch->change)) {
        AUTO(drop_json) json_t *events = change_take(watch->change);

        watch->settling = true;
        pthread_mutex_unlock(&watch->lock);
        change_write(watch->conf.database, events);
        pthread_mutex_lock(&watch->lock);
        watch->settling = false;
        pthread_cond_broadcast(&watch->settled);
    }
}

static void serve(struct watch *watch, struct host *host)
{
    struct answer answer = {0};
    bool dead = host->failures > 0;

    host->busy = true;
    watch->with_dead += dead;
    pthread_mutex_unlock(&watch->lock);
    bool answered = host_ask(watch, host, &answer);

    pthread_mutex_lock(&watch->lock);
    watch->with_dead -= dead;
    host->busy = false;
    host->due = clock_ms() + (int64_t)watch->conf.seconds * 1000;
    json_decref(host->skew);
    host->skew = answer.skew;
    if (host->removed) {
        json_decref(answer.report);
        host_free(host);
    } else if (answered) {
        note_answer(watch, host, answer.report);
    } else {
        note_failure(watch, host, &answer.err);
    }
    settle(watch);
}

/* The one that waits longest, or NULL and when to look again. */
static struct host *pick(const struct watch *watch, int64_t *out_until)
{
    struct host *first = NULL;
    int64_t now = clock_ms();

    for (struct host *host = watch->hosts; host; host = host->next) {
        bool may = !host->busy && (host->failures == 0 || watch->with_dead < WORKERS_DEAD);

        if (may && (!first || host->due < first->due)) {
            first = host;
        }
    }
    *out_until = first ? first->due : now + IDLE_MS;
    return first && first->due <= now ? first : NULL;
}

/* NULL: the end. */
static struct host *look_out(struct watch *watch)
{
    struct host *host = NULL;
    int64_t until = 0;

    watch->looked_out = true;
    while (!watch->ends && !(host = pick(watch, &until))) {
        struct timespec ts = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};

        (void)pthread_cond_timedwait(&watch->due, &watch->lock, &ts);
    }
    watch->looked_out = false;
    return host;
}

static void *work(void *context);

/* Somebody else looks out from now on. */
static void hand_on(struct watch *watch)
{
    if (watch->idle > 0) {
        pthread_cond_signal(&watch->work);
    } else if (watch->worker_count < WORKERS_MAX &&
               pthread_create(&watch->workers[watch->worker_count], NULL, work, watch) == 0) {
        watch->worker_count++;
    }
}

static void *work(void *context)
{
    struct watch *watch = context;

    pthread_mutex_lock(&watch->lock);
    while (!watch->ends) {
        if (watch->looked_out) {
            watch->idle++;
            pthread_cond_wait(&watch->work, &watch->lock);
            watch->idle--;
            continue;
        }
        struct host *host = look_out(watch);

        if (host) {
            hand_on(watch);
            serve(watch, host);
            pthread_cond_signal(&watch->due);
        }
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

static void forget(struct host **at)
{
    struct host *host = *at;

    *at = host->next;
    host->removed = true;
    if (!host->busy) {
        host_free(host);
    }
}

/* {NAME: ADDRESS} */
static json_t *addresses_of(const json_t *list)
{
    json_t *addresses = json_object();
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        json_object_set(addresses, json_string_or(item, "name", ""),
                        json_object_get(item, "address"));
    }
    return addresses;
}

/* Those that are gone or moved go; what is left of `addresses` is new. */
static void take_list(struct watch *watch, json_t *addresses)
{
    const char *name;
    json_t *address;

    for (struct host **at = &watch->hosts; *at;) {
        if (strcmp(json_string_or(addresses, (*at)->name, ""), (*at)->address) == 0) {
            json_object_del(addresses, (*at)->name);
            at = &(*at)->next;
        } else {
            forget(at);
        }
    }
    struct host **end = &watch->hosts;

    while (*end) {
        end = &(*end)->next;
    }
    json_object_foreach(addresses, name, address)
    {
        *end = host_new(name, json_string_value(address));
        end = &(*end)->next;
    }
}

bool watch_again(struct watch *watch, struct err *err)
{
    AUTO(drop_json) json_t *list = NULL, *addresses = NULL;

    pthread_mutex_lock(&watch->lock);
    bool ok = inventory_list(watch->conf.database, inventory_kind_find("hosts"), &list, err);

    if (ok) {
        addresses = addresses_of(list);
        take_list(watch, addresses);
    }
    pthread_cond_signal(&watch->due);
    pthread_mutex_unlock(&watch->lock);
    return ok;
}

static void prepare(struct watch *watch)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&watch->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->due, &monotonic);
    pthread_cond_init(&watch->work, NULL);
    pthread_cond_init(&watch->settled, NULL);
    pthread_condattr_destroy(&monotonic);
}

bool watch_start(const struct watch_conf *conf, struct watch **out, struct err *err)
{
    AUTO(drop_watch) struct watch *watch = text_room(1, sizeof(*watch));

    watch->conf = *conf;
    watch->conf.port = conf->port ? conf->port : AGENT_PORT;
    watch->conf.seconds = conf->seconds ? conf->seconds : EVERY_SECONDS;
    watch->change = change_new();
    prepare(watch);
    if (!watch_again(watch, err)) {
        return false;
    }
    /* With the lock, so that the first worker is counted before it makes the second. */
    pthread_mutex_lock(&watch->lock);
    int number = pthread_create(&watch->workers[0], NULL, work, watch);

    watch->worker_count = number == 0;
    pthread_mutex_unlock(&watch->lock);
    if (number != 0) {
        return err_errno(err, number, "start a thread that asks the hosts");
    }
    *out = TAKE(watch);
    return true;
}

void watch_stop(struct watch *watch)
{
    if (!watch) {
        return;
    }
    pthread_mutex_lock(&watch->lock);
    watch->ends = true;
    pthread_cond_broadcast(&watch->due);
    pthread_cond_broadcast(&watch->work);
    /* No worker makes another one from here on. */
    unsigned count = watch->worker_count;

    pthread_mutex_unlock(&watch->lock);
    for (unsigned i = 0; i < count; i++) {
        pthread_join(watch->workers[i], NULL);
    }
    while (watch->hosts) {
        forget(&watch->hosts);
    }
    change_free(watch->change);
    pthread_cond_destroy(&watch->due);
    pthread_cond_destroy(&watch->work);
    pthread_cond_destroy(&watch->settled);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

static json_t *look_at(const struct host *host)
{
    return json_pack("{s:s, s:I, s:o, s:s?, s:O?, s:O?}", "state", host->state, "since",
                     (json_int_t)host->since, "seen",
                     host->seen ? json_integer(host->seen) : json_null(), "trouble", host->trouble,
                     "skew", host->skew, "report", host->report);
}

json_t *watch_look(struct watch *watch)
{
    json_t *all = json_object();

    pthread_mutex_lock(&watch->lock);
    for (const struct host *host = watch->hosts; host; host = host->next) {
        json_object_set_new(all, host->name, look_at(host));
    }
    pthread_mutex_unlock(&watch->lock);
    return all;
}

void watch_settle(struct watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    while (watch->settling) {
        pthread_cond_wait(&watch->settled, &watch->lock);
    }
    settle(watch);
    pthread_mutex_unlock(&watch->lock);
}

bool watch_reach(struct watch *watch, const char *host, struct client **out, struct err *err)
{
    AUTO(drop_free) char *address = NULL;

    pthread_mutex_lock(&watch->lock);
    for (const struct host *one = watch->hosts; one && !address; one = one->next) {
        address = strcmp(one->name, host) == 0 ? text_copy(one->address) : NULL;
    }
    pthread_mutex_unlock(&watch->lock);
    return address ? reach(watch, address, out, err)
                   : err_set(err, ERR_ABSENT, "there is no host '%.63s'", host);
}
