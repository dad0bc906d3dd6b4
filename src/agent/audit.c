/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/audit.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/base.h"

#define MAX_WHY 200
#define AT_SIZE 21 /* RFC 3339 in UTC and a NUL */

struct event {
    uint64_t id; /* 1 and up; 0: this place of the ring is empty */
    time_t at;
    unsigned times;
    char verb[16];
    char kek[ENVELOPE_MAX_KEK_ID + 1];
    char purpose[ENVELOPE_MAX_PURPOSE + 1];
    char vm[UUID_SIZE];
    const char *result; /* "done", or the kind of the failure */
    char why[MAX_WHY];
};

struct audit {
    pthread_mutex_t lock;
    char source[UUID_SIZE];
    uint64_t next;
    struct audit_health health;
    struct event ring[AUDIT_EVENTS]; /* number n lies at n % AUDIT_EVENTS */
};

struct audit *audit_new(void)
{
    struct audit *audit = text_room(1, sizeof(*audit));

    pthread_mutex_init(&audit->lock, NULL);
    uuid_make(audit->source);
    audit->next = 1;
    return audit;
}

void audit_free(struct audit *audit)
{
    if (audit) {
        pthread_mutex_destroy(&audit->lock);
        free(audit);
    }
}

/* What went wrong, or what should be mended though it worked; or NULL. */
static const struct err *what_of(const struct key_use *use)
{
    return use->err ? use->err : use->finding;
}

static struct event event_of(const struct key_use *use)
{
    const struct err *what = what_of(use);
    struct event event = {
        .at = time(NULL), .times = 1, .result = use->err ? err_kind_name(use->err->kind) : "done"};

    (void)snprintf(event.verb, sizeof(event.verb), "%s", use->verb);
    (void)snprintf(event.kek, sizeof(event.kek), "%s", use->kek_id);
    (void)snprintf(event.purpose, sizeof(event.purpose), "%s", use->purpose);
    (void)snprintf(event.vm, sizeof(event.vm), "%s", use->vm);
    (void)snprintf(event.why, sizeof(event.why), "%.*s", MAX_WHY - 1, what ? what->what : "");
    return event;
}

static bool same(const struct event *a, const struct event *b)
{
    return strcmp(a->verb, b->verb) == 0 && strcmp(a->kek, b->kek) == 0 &&
           strcmp(a->purpose, b->purpose) == 0 && strcmp(a->vm, b->vm) == 0 &&
           strcmp(a->result, b->result) == 0;
}

/* The same failure of this minute, or NULL. */
static struct event *repeated(struct audit *audit, const struct event *event)
{
    for (uint64_t id = audit->next - 1; id > 0 && id + AUDIT_EVENTS >= audit->next; id--) {
        struct event *past = &audit->ring[id % AUDIT_EVENTS];

        if (past->at + AUDIT_FOLD_SECONDS <= event->at || past->at > event->at) {
            return NULL;
        }
        if (same(past, event)) {
            return past;
        }
    }
    return NULL;
}

/* False: it is one that is told already. */
static bool keep(struct audit *audit, struct event *event, bool failed)
{
    pthread_mutex_lock(&audit->lock);
    struct event *past = failed ? repeated(audit, event) : NULL;

    if (past) {
        past->times++;
    } else {
        event->id = audit->next++;
        audit->ring[event->id % AUDIT_EVENTS] = *event;
    }
    pthread_mutex_unlock(&audit->lock);
    return !past;
}

/* With the lock. */
static void judge(struct audit *audit, const struct err *err)
{
    struct audit_health *health = &audit->health;

    if (err) {
        health->failure = time(NULL);
    } else {
        health->success = time(NULL);
    }
    (void)snprintf(health->why, sizeof(health->why), "%.*s", (int)sizeof(health->why) - 1,
                   err ? err->what : "");
    (void)snprintf(health->remedy, sizeof(health->remedy), "%.*s", (int)sizeof(health->remedy) - 1,
                   err ? err->remedy : "");
}

void audit_opened(struct audit *audit, const struct err *err)
{
    pthread_mutex_lock(&audit->lock);
    judge(audit, err);
    pthread_mutex_unlock(&audit->lock);
}

struct audit_health audit_health(struct audit *audit)
{
    pthread_mutex_lock(&audit->lock);
    struct audit_health health = audit->health;
    pthread_mutex_unlock(&audit->lock);
    return health;
}

void audit_add_finding(struct audit *audit, const char *kek, json_t *result)
{
    const struct audit_health health = audit_health(audit);

    if (health.finding[0] && strcmp(health.finding_kek, kek) == 0) {
        json_object_set_new(result, "finding", json_string(health.finding));
    }
}

json_t *audit_where(struct audit *audit)
{
    pthread_mutex_lock(&audit->lock);
    json_t *where =
        json_pack("{s:s, s:I}", "source", audit->source, "next", (json_int_t)(audit->next - 1));
    pthread_mutex_unlock(&audit->lock);
    return where;
}

/* A key that went lost is the provider's trouble only where something needs it; and one that was
 * kept on this host (agent/cached.h) says nothing of the provider. */
static bool counts(const struct key_use *use)
{
    return strcmp(use->verb, "cache") != 0 &&
           (!use->err ||
            (strcmp(use->purpose, KEY_CANARY) != 0 && strcmp(use->purpose, KEY_REPLICAS) != 0));
}

/* All places were asked, and nothing is to be mended: what was found before is over. */
static bool finds_nothing(const struct key_use *use)
{
    return !use->err && strcmp(use->verb, "unwrap") == 0 && strcmp(use->purpose, KEY_REPLICAS) == 0;
}

/* What was found of another KEK stays. */
static void note_finding(struct audit *audit, const char *kek, const struct err *finding)
{
    struct audit_health *health = &audit->health;

    pthread_mutex_lock(&audit->lock);
    if (finding || strcmp(health->finding_kek, kek) == 0) {
        health->found = finding ? time(NULL) : 0;
        (void)snprintf(health->finding_kek, sizeof(health->finding_kek), "%s", finding ? kek : "");
        (void)snprintf(health->finding, sizeof(health->finding), "%.*s",
                       (int)sizeof(health->finding) - 1, finding ? finding->what : "");
    }
    pthread_mutex_unlock(&audit->lock);
}

void audit_found(struct audit *audit, const char *kek, const struct err *finding)
{
    note_finding(audit, kek, finding);
}

void audit_key(void *audit, const struct key_use *use)
{
    struct event event = event_of(use);
    const struct err *what = what_of(use);

    if (counts(use)) {
        audit_opened(audit, use->err);
    }
    if (use->finding || finds_nothing(use)) {
        note_finding(audit, use->kek_id, use->finding);
    }

    if (!keep(audit, &event, use->err != NULL)) {
        return;
    }
    const char *const fields[] = {
        "QUOIN_EVENT",  "key",        "QUOIN_VERB", event.verb,      "QUOIN_KEK",
        event.kek,      "QUOIN_VM",   event.vm,     "QUOIN_PURPOSE", event.purpose,
        "QUOIN_RESULT", event.result, NULL};

    log_fields(what ? LOG_WARNING : LOG_INFO, fields, "key %s: KEK %s, %s %s: %s%s", use->verb,
               use->kek_id, use->purpose, use->vm, use->finding ? "done, but " : "",
               what ? what->what : "done");
}

static json_t *event_json(const struct event *event)
{
    char at[AT_SIZE] = "";
    struct tm parts;

    gmtime_r(&event->at, &parts);
    if (strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        at[0] = '\0'; /* a year of five digits */
    }
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:i}", "id",
                     (json_int_t)event->id, "at", at, "kind", "key", "verb", event->verb, "kek",
                     event->kek, "purpose", event->purpose, "vm", event->vm, "result",
                     event->result, "why", event->why[0] ? event->why : NULL, "times",
                     (int)event->times);
}

json_t *audit_after(struct audit *audit, const char *source, uint64_t after)
{
    json_t *events = json_array();

    pthread_mutex_lock(&audit->lock);
    uint64_t oldest = audit->next > AUDIT_EVENTS ? audit->next - AUDIT_EVENTS : 1;
    uint64_t from = source && strcmp(source, audit->source) == 0 ? after + 1 : 1;
    bool lost = from < oldest;
    uint64_t id = lost ? oldest : from;

    for (; id < audit->next && json_array_size(events) < AUDIT_MAX_ANSWER; id++) {
        json_array_append_new(events, event_json(&audit->ring[id % AUDIT_EVENTS]));
    }
    json_t *answer = json_pack("{s:s, s:I, s:b, s:o}", "source", audit->source, "next",
                               (json_int_t)(id - 1), "lost", lost, "events", events);
    pthread_mutex_unlock(&audit->lock);
    return answer;
}
