/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/watch.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "manager/change.h"
#include "manager/inventory.h"
#include "manager/report.h"
#include "wire/client.h"

#define AGENT_PORT    7443u
#define EVERY_SECONDS 5u
/* A datastore that hangs makes a status slow, not a host dead. */
#define CONNECT_SECONDS 5u
#define ANSWER_SECONDS  10u
/* Dead hosts cost a thread the seconds above; the living are still asked in time. */
#define WORKERS 4u
/* One lost answer is no news. */
#define PATIENCE 2u

struct host {
    char *name, *address;
    struct client *client;
    bool busy;    /* a worker asks it now; it alone touches `client` */
    bool removed; /* that worker frees it */
    time_t due;   /* monotonic */
    unsigned failures;
    const char *state; /* "unknown", "up", "away" */
    time_t since, seen;
    json_t *report;
    char *trouble;
    struct host *next;
};

struct watch {
    struct watch_conf conf;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool ends;
    struct host *hosts;
    struct change *change;
    pthread_t workers[WORKERS];
    unsigned worker_count;
};

static time_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

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
    free(host->name);
    free(host->address);
    free(host->trouble);
    free(host);
}

static bool host_open(const struct watch *watch, struct host *host, struct err *err)
{
    const struct identity *identity = watch->conf.identity;
    bool six = strchr(host->address, ':') != NULL;
    AUTO(drop_free)
    char *url = text_make("https://%s%s%s:%u", six ? "[" : "", host->address, six ? "]" : "",
                          watch->conf.port);

    return host->client ||
           client_open(&(struct client_conf){.url = url,
                                             .authority = identity->ca,
                                             .certificate = identity->tls_certificate,
                                             .key = identity->tls_key,
                                             .connect_seconds = CONNECT_SECONDS},
                       &host->client, err);
}

/* Without the lock. */
static bool host_ask(const struct watch *watch, struct host *host, json_t **out, struct err *err)
{
    const struct client_call call = {
        .method = "GET", .path = "/v1/status", .seconds = ANSWER_SECONDS};
    AUTO(drop_json) json_t *status = NULL, *report = NULL;

    if (!host_open(watch, host, err) || !client_ask(host->client, &call, &status, err) ||
        !report_make(status, &report, err) ||
        !report_is_of(report, watch->conf.identity->cluster_id, host->name, err)) {
        return false;
    }
    *out = TAKE(report);
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

static void serve(struct watch *watch, struct host *host)
{
    json_t *report = NULL;
    struct err err = {0};

    host->busy = true;
    pthread_mutex_unlock(&watch->lock);
    bool answered = host_ask(watch, host, &report, &err);

    pthread_mutex_lock(&watch->lock);
    host->busy = false;
    host->due = now() + (time_t)watch->conf.seconds;
    if (host->removed) {
        json_decref(report);
        host_free(host);
    } else if (answered) {
        note_answer(watch, host, report);
    } else {
        note_failure(watch, host, &err);
    }
}

/* The one that waits longest, or NULL and when to look again. */
static struct host *pick(const struct watch *watch, time_t *out_until)
{
    struct host *first = NULL;

    for (struct host *host = watch->hosts; host; host = host->next) {
        if (!host->busy && (!first || host->due < first->due)) {
            first = host;
        }
    }
    *out_until = first ? first->due : now() + 60;
    return first && first->due <= now() ? first : NULL;
}

static void *work(void *context)
{
    struct watch *watch = context;

    pthread_mutex_lock(&watch->lock);
    while (!watch->ends) {
        time_t until = 0;
        struct host *host = pick(watch, &until);

        if (host) {
            serve(watch, host);
            pthread_cond_broadcast(&watch->moved);
        } else {
            struct timespec ts = {.tv_sec = until};

            (void)pthread_cond_timedwait(&watch->moved, &watch->lock, &ts);
        }
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

static void forget(struct watch *watch, struct host **at)
{
    struct host *host = *at;

    (void)watch;
    *at = host->next;
    host->removed = true;
    if (!host->busy) {
        host_free(host);
    }
}

static bool is_listed(const json_t *list, const struct host *host)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (strcmp(json_string_or(item, "name", ""), host->name) == 0 &&
            strcmp(json_string_or(item, "address", ""), host->address) == 0) {
            return true;
        }
    }
    return false;
}

static void add_new(struct watch *watch, const json_t *list)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *name = json_string_or(item, "name", "");
        struct host **at = &watch->hosts;

        while (*at && strcmp((*at)->name, name) != 0) {
            at = &(*at)->next;
        }
        if (!*at) {
            *at = host_new(name, json_string_or(item, "address", ""));
        }
    }
}

bool watch_again(struct watch *watch, struct err *err)
{
    AUTO(drop_json) json_t *list = NULL;

    pthread_mutex_lock(&watch->lock);
    bool ok = inventory_list(watch->conf.database, inventory_kind_find("hosts"), &list, err);

    for (struct host **at = &watch->hosts; ok && *at;) {
        if (is_listed(list, *at)) {
            at = &(*at)->next;
        } else {
            forget(watch, at);
        }
    }
    if (ok) {
        add_new(watch, list);
    }
    pthread_cond_broadcast(&watch->moved);
    pthread_mutex_unlock(&watch->lock);
    return ok;
}

static bool start_workers(struct watch *watch, struct err *err)
{
    for (; watch->worker_count < WORKERS; watch->worker_count++) {
        int number = pthread_create(&watch->workers[watch->worker_count], NULL, work, watch);

        if (number != 0) {
            return err_errno(err, number, "start a thread that asks the hosts");
        }
    }
    return true;
}

bool watch_start(const struct watch_conf *conf, struct watch **out, struct err *err)
{
    AUTO(drop_watch) struct watch *watch = text_room(1, sizeof(*watch));
    pthread_condattr_t monotonic;

    watch->conf = *conf;
    watch->conf.port = conf->port ? conf->port : AGENT_PORT;
    watch->conf.seconds = conf->seconds ? conf->seconds : EVERY_SECONDS;
    watch->change = change_new(conf->database);
    pthread_mutex_init(&watch->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (!watch_again(watch, err) || !start_workers(watch, err)) {
        return false;
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
    pthread_cond_broadcast(&watch->moved);
    pthread_mutex_unlock(&watch->lock);
    for (unsigned i = 0; i < watch->worker_count; i++) {
        pthread_join(watch->workers[i], NULL);
    }
    while (watch->hosts) {
        forget(watch, &watch->hosts);
    }
    change_free(watch->change);
    pthread_cond_destroy(&watch->moved);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

static json_t *look_at(const struct host *host)
{
    return json_pack("{s:s, s:I, s:o, s:s?, s:O?}", "state", host->state, "since",
                     (json_int_t)host->since, "seen",
                     host->seen ? json_integer(host->seen) : json_null(), "trouble", host->trouble,
                     "report", host->report);
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
