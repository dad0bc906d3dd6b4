/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/rotate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "manager/journal.h"

#define DOING_SIZE 64u

struct rotate {
    struct database *database;
    struct watch *watch;
    unsigned seconds; /* for all of one */
    atomic_bool over; /* the manager stops */
    pthread_mutex_t lock;
    bool runs, started; /* at work; `thread` is to be joined */
    pthread_t thread;
    /* Of the one at work. */
    int64_t task;
    char *host, *provider, *user;
    unsigned percent; /* as last told */
    char *kek;        /* what the agent says wraps now, or NULL */
    bool ended;       /* the agent's last line came */
    struct err failure;
};

struct rotate *rotate_new(struct database *database, struct watch *watch, unsigned seconds)
{
    struct rotate *rotate = text_room(1, sizeof(*rotate));

    rotate->database = database;
    rotate->watch = watch;
    rotate->seconds = seconds ? seconds : ROTATE_SECONDS;
    pthread_mutex_init(&rotate->lock, NULL);
    return rotate;
}

static void clear(struct rotate *rotate)
{
    free(TAKE(rotate->host));
    free(TAKE(rotate->provider));
    free(TAKE(rotate->user));
    free(TAKE(rotate->kek));
    rotate->percent = 0;
    rotate->ended = false;
    rotate->failure = (struct err){0};
}

void rotate_free(struct rotate *rotate)
{
    if (rotate) {
        rotate->over = true;
        if (rotate->started) {
            pthread_join(rotate->thread, NULL);
        }
        clear(rotate);
        pthread_mutex_destroy(&rotate->lock);
        free(rotate);
    }
}

/* A line of the agent's answer. */
static bool hear(void *context, const json_t *line, struct err *err)
{
    struct rotate *rotate = context;
    const char *event = json_string_or(line, "event", "");

    if (rotate->over) {
        return err_set(err, ERR_AWAY, "the manager was stopped meanwhile");
    }
    if (strcmp(event, "progress") == 0) {
        json_int_t percent = json_integer_value(json_object_get(line, "percent"));

        if (percent >= 0 && percent <= 100 && (unsigned)percent != rotate->percent) {
            AUTO(drop_free)
            char *doing = text_make("%.*s", (int)DOING_SIZE, json_string_or(line, "what", ""));

            rotate->percent = (unsigned)percent;
            text_flatten(doing);
            journal_task_tell(rotate->database, rotate->task, rotate->percent, doing);
        }
    } else if (strcmp(event, "done") == 0) {
        const char *kek = json_string_or(json_object_get(line, "result"), "kek", NULL);

        rotate->ended = true;
        free(rotate->kek);
        rotate->kek = text_copy(kek);
    } else if (strcmp(event, "failed") == 0) {
        rotate->ended = true;
        (void)json_to_err(json_object_get(line, "error"), &rotate->failure);
    }
    return true;
}

static bool ask(struct rotate *rotate, struct err *err)
{
    AUTO(drop_client) struct client *client = NULL;
    const struct client_call call = {.method = "POST",
                                     .path = "/v1/key/rotate",
                                     .line = hear,
                                     .line_context = rotate,
                                     .seconds = rotate->seconds};

    if (!watch_reach(rotate->watch, rotate->host, &client, err) ||
        !client_ask(client, &call, NULL, err)) {
        return err_mend(err, "ask for it again: what is done already is found done");
    }
    if (!rotate->ended) {
        err_set(err, ERR_AWAY, "the agent of '%s' did not say how it ended", rotate->host);
        return err_mend(err, "ask for it again: what is done already is found done");
    }
    if (rotate->failure.kind != ERR_NONE) {
        *err = rotate->failure;
        return false;
    }
    return true;
}

static void *work(void *context)
{
    struct rotate *rotate = context;
    struct err err = {0};
    bool done = ask(rotate, &err);
    const struct event event = {done ? "info" : "error", "key-providers", rotate->provider,
                                rotate->user};

    text_flatten(err.what);
    text_flatten(err.remedy);
    if (done) {
        journal_event(rotate->database, &event, "rotated on %s: new keys are wrapped with %s",
                      rotate->host, rotate->kek ? rotate->kek : "a new KEK");
    } else {
        journal_event(rotate->database, &event, "the rotation on %s failed: %s", rotate->host,
                      err.what);
    }
    journal_task_end(rotate->database, rotate->task, done ? NULL : &err);
    pthread_mutex_lock(&rotate->lock);
    rotate->runs = false;
    pthread_mutex_unlock(&rotate->lock);
    return NULL;
}

/* Who has the provider; the caller frees. */
static bool find_host(const json_t *now, const char *provider, char **out, struct err *err)
{
    const char *name, *found = NULL, *state = "";
    unsigned count = 0;
    json_t *host;

    json_object_foreach((json_t *)(uintptr_t)now, name, host)
    {
        const json_t *has = json_object_get(json_object_get(host, "report"), "provider");

        if (strcmp(json_string_or(has, "name", ""), provider) == 0) {
            found = name;
            state = json_string_or(host, "state", "");
            count++;
        }
    }
    if (count > 1) {
        err_set(err, ERR_INPUT,
                "%u hosts have key provider '%s': the manager rotates the keys of one host, and "
                "gives no key from host to host",
                count, provider);
        return err_mend(err, "rotate from where the cluster was deployed: quoin key rotate");
    }
    if (count == 0 || strcmp(state, "up") != 0) {
        err_set(err, ERR_AWAY, "no host that has key provider '%s' answers now", provider);
        return err_mend(err, "bring the host back, then ask again");
    }
    *out = text_copy(found);
    return true;
}

/* With the lock held. */
static bool start(struct rotate *rotate, const char *provider, const char *user, const char *host,
                  int64_t *out_task, struct err *err)
{
    const struct task task = {"rotate", "key-providers", provider, user};

    if (rotate->runs) {
        err_set(err, ERR_CLASH, "a rotation runs already: task %lld", (long long)rotate->task);
        return err_mend(err, "wait for its end");
    }
    if (rotate->started) {
        pthread_join(rotate->thread, NULL);
        rotate->started = false;
    }
    clear(rotate);
    if (!journal_task_begin(rotate->database, &task, &rotate->task, err)) {
        return false;
    }
    rotate->host = text_copy(host);
    rotate->provider = text_copy(provider);
    rotate->user = text_copy(user);
    int number = pthread_create(&rotate->thread, NULL, work, rotate);

    if (number != 0) {
        err_errno(err, number, "start a thread that asks the host");
        journal_task_end(rotate->database, rotate->task, err);
        return false;
    }
    rotate->started = rotate->runs = true;
    *out_task = rotate->task;
    return true;
}

bool rotate_begin(struct rotate *rotate, const char *provider, const char *user, int64_t *out_task,
                  struct err *err)
{
    AUTO(drop_json) json_t *now = watch_look(rotate->watch);
    AUTO(drop_free) char *host = NULL;

    if (!find_host(now, provider, &host, err)) {
        return false;
    }
    pthread_mutex_lock(&rotate->lock);
    bool ok = start(rotate, provider, user, host, out_task, err);

    pthread_mutex_unlock(&rotate->lock);
    return ok;
}
