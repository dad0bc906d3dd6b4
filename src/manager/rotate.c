/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/rotate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "manager/inventory.h"
#include "manager/journal.h"
#include "manager/rotation.h"

/* A host's name and a short phrase. */
#define DOING_SIZE 144u

struct rotate {
    struct database *database;
    struct watch *watch;
    unsigned seconds; /* for one phase of a host */
    atomic_bool over; /* the manager stops */
    pthread_mutex_t lock;
    bool runs, started; /* at work; `thread` is to be joined */
    pthread_t thread;
    /* Of the one at work. */
    int64_t task;
    json_t *hosts; /* names */
    char *provider, *user;
    unsigned percent; /* as last told */
    char doing[DOING_SIZE];
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
    json_decref(TAKE(rotate->hosts));
    free(TAKE(rotate->provider));
    free(TAKE(rotate->user));
    rotate->percent = 0;
    rotate->doing[0] = '\0';
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

static void tell(void *context, unsigned percent, const char *what)
{
    struct rotate *rotate = context;

    if (percent != rotate->percent || strcmp(what, rotate->doing) != 0) {
        rotate->percent = percent;
        (void)snprintf(rotate->doing, sizeof(rotate->doing), "%s", what);
        journal_task_tell(rotate->database, rotate->task, percent, rotate->doing);
    }
}

static void *work(void *context)
{
    struct rotate *rotate = context;
    const struct progress progress = {tell, rotate};
    const struct rotation rotation = {.watch = rotate->watch,
                                      .provider = rotate->provider,
                                      .hosts = rotate->hosts,
                                      .seconds = rotate->seconds,
                                      .over = &rotate->over,
                                      .progress = &progress};
    AUTO(drop_free) char *kek = NULL;
    struct err err = {0};
    bool done = rotation_run(&rotation, &kek, &err);
    const struct event event = {done ? "info" : "error", "key-providers", rotate->provider,
                                rotate->user};

    text_flatten(err.what);
    text_flatten(err.remedy);
    if (done) {
        text_flatten(kek);
        journal_event(
            rotate->database, &event, "rotated on %zu host%s: new keys are wrapped with %s",
            json_array_size(rotate->hosts), json_array_size(rotate->hosts) == 1 ? "" : "s", kek);
    } else {
        journal_event(rotate->database, &event, "the rotation failed: %s", err.what);
    }
    /* Who sees the end may ask for the next at once. */
    pthread_mutex_lock(&rotate->lock);
    rotate->runs = false;
    journal_task_end(rotate->database, rotate->task, done ? NULL : &err);
    pthread_mutex_unlock(&rotate->lock);
    return NULL;
}

/* Why it would fail, as far as the hosts said lately: known before a task begins. */
static bool may_take_part(const char *name, const json_t *seen, const char *provider,
                          struct err *err)
{
    const json_t *has = json_object_get(json_object_get(seen, "report"), "provider");

    if (strcmp(json_string_or(seen, "state", ""), "up") != 0) {
        err_set(err, ERR_AWAY, "host '%s' must take part, and does not answer", name);
        return err_mend(err, "bring it back, or take it out of the cluster: quoin host remove");
    }
    if (strcmp(json_string_or(has, "name", ""), provider) != 0) {
        err_set(err, ERR_CLASH, "host '%s' does not use key provider '%s'", name, provider);
        return err_mend(err, "bring all hosts to the same one: quoin deploy, or quoin key move");
    }
    return true;
}

/* The names of all hosts, oldest first, as a deployment adds them; a new reference. */
static bool find_hosts(struct rotate *rotate, const char *provider, json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *now = watch_look(rotate->watch), *all = NULL, *names = json_array();
    const json_t *host;
    size_t i;

    if (!inventory_list(rotate->database, inventory_kind_find("hosts"), &all, err)) {
        return false;
    }
    json_array_foreach(all, i, host)
    {
        const char *name = json_string_or(host, "name", "");

        if (!may_take_part(name, json_object_get(now, name), provider, err)) {
            return false;
        }
        json_array_append_new(names, json_string(name));
    }
    if (i == 0) {
        return err_set(err, ERR_ABSENT, "there is no host yet");
    }
    *out = TAKE(names);
    return true;
}

/* With the lock held. */
static bool start(struct rotate *rotate, const char *provider, const char *user, json_t *hosts,
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
    rotate->hosts = json_incref(hosts);
    rotate->provider = text_copy(provider);
    rotate->user = text_copy(user);
    int number = pthread_create(&rotate->thread, NULL, work, rotate);

    if (number != 0) {
        err_errno(err, number, "start a thread that asks the hosts");
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
    AUTO(drop_json) json_t *hosts = NULL;

    if (!find_hosts(rotate, provider, &hosts, err)) {
        return false;
    }
    pthread_mutex_lock(&rotate->lock);
    bool ok = start(rotate, provider, user, hosts, out_task, err);

    pthread_mutex_unlock(&rotate->lock);
    return ok;
}
