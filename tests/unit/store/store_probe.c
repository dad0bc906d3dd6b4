/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store-probe: drives the room on a host, with systemd and real places; by hand, and for the
 * end-to-end test 17-datastore.
 *
 *     store-probe CLUSTER HOST=ADDRESS NETWORK MONITORS REPLICAS VERB [ARGUMENT…]
 *
 * MONITORS is HOST=ADDRESS,…; keys go out by standard output and come in by standard input.
 *
 *     begin | keys | join | monitor | disk WWN BYTES [consent] | pool | undo
 *     settle | spread | leave HOST | pause HOST | resume HOST | look | status
 *     holes | image NAME BYTES | hold NAME | lock NAME | fence NAME | remove NAME | list
 *     write SECONDS     one small object after another; says the longest wait for one
 *     put NAME TEXT | get NAME
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "store/store.h"

static const struct store_backend *backend;

static void tell(void *context, unsigned percent, const char *what)
{
    (void)context;
    (void)fprintf(stderr, "%3u%% %s\n", percent, what);
}
static const struct progress progress = {.tell = tell};

static bool do_begin(const struct store_conf *conf, char **words, struct err *err)
{
    (void)words;
    return backend->build->begin(conf, &progress, err);
}

static bool do_disk(const struct store_conf *conf, char **words, struct err *err)
{
    struct disk_order order = {.name = {.wwn = words[0]},
                               .size = strtoull(words[1], NULL, 10),
                               .cluster = conf->cluster,
                               .host = conf->host,
                               .consent = words[2] != NULL};
    unsigned member = 0;

    if (!backend->build->disk(conf, &order, &progress, &member, err)) {
        return false;
    }
    printf("osd %u\n", member);
    return true;
}

static bool do_pool(const struct store_conf *conf, char **words, struct err *err)
{
    (void)words;
    return backend->build->pool(conf, &progress, err);
}

static bool do_keys(const struct store_conf *conf, char **words, struct err *err)
{
    AUTO(drop_secret) struct secret *keys = NULL;

    (void)words;
    return backend->build->keys(conf, &keys, err) && secret_write(keys, STDOUT_FILENO, err);
}

static bool do_join(const struct store_conf *conf, char **words, struct err *err)
{
    AUTO(drop_secret) struct secret *keys = NULL;

    (void)words;
    return secret_read(STDIN_FILENO, STORE_MAX_KEYS, &keys, err) &&
           backend->build->join(conf, keys, &progress, err);
}

static bool do_monitor(const struct store_conf *conf, char **words, struct err *err)
{
    (void)words;
    return backend->build->monitor(conf, &progress, err);
}

static bool do_settle(const struct store_conf *conf, char **words, struct err *err)
{
    (void)words;
    return backend->care->settle(conf, err);
}

static bool do_spread(const struct store_conf *conf, char **words, struct err *err)
{
    unsigned copies = 0;

    (void)words;
    if (!backend->care->spread(conf, &progress, &copies, err)) {
        return false;
    }
    printf("copies %u\n", copies);
    return true;
}

static bool do_leave(const struct store_conf *conf, char **words, struct err *err)
{
    return backend->care->leave(conf, words[0], NULL, &progress, err);
}

static bool do_pause(const struct store_conf *conf, char **words, struct err *err)
{
    return backend->care->pause(conf, words[0], true, err);
}

static bool do_resume(const struct store_conf *conf, char **words, struct err *err)
{
    return backend->care->pause(conf, words[0], false, err);
}

/* As JSON, for scripts. */
static bool do_status(const struct store_conf *conf, char **words, struct err *err)
{
    struct store_health health;

    (void)words;
    if (!backend->look(conf, &health, err)) {
        return false;
    }
    AUTO(drop_json)
    json_t *status =
        json_pack("{ss ss sb sb si si sb sf sf sO sO}", "state", store_state_name(health.state),
                  "reasons", health.reasons, "clean", health.clean, "available", health.available,
                  "copies", (int)health.copies, "least", (int)health.copies_least, "on_hosts",
                  health.copies_on_hosts, "degraded", health.degraded, "misplaced",
                  health.misplaced, "members", health.members, "hosts", health.hosts);
    AUTO(drop_free) char *text = json_write(status);

    printf("%s\n", text);
    store_health_clear(&health);
    return true;
}

static bool do_look(const struct store_conf *conf, char **words, struct err *err)
{
    struct store_health health;

    (void)words;
    if (!backend->look(conf, &health, err)) {
        return false;
    }
    AUTO(drop_free) char *members = json_write(health.members);

    printf(
        "%s [%s] %llu of %llu bytes; disks %u up %u in %u; monitors %u quorum %u; clean %d; %s\n",
        store_state_name(health.state), health.reasons, (unsigned long long)health.bytes_used,
        (unsigned long long)health.bytes_total, health.disks, health.disks_up, health.disks_in,
        health.monitors, health.monitors_in_quorum, health.clean, members);
    store_health_clear(&health);
    return true;
}

static bool do_undo(const struct store_conf *conf, char **words, struct err *err)
{
    AUTO(drop_json) json_t *cleared = NULL;

    (void)words;
    if (!backend->build->undo(conf, &progress, &cleared, err)) {
        return false;
    }
    AUTO(drop_free) char *text = json_write(cleared);

    printf("cleared %s\n", text);
    return true;
}

static bool holes(struct store *store, char **words, struct err *err)
{
    bool hold = false;

    (void)words;
    if (!backend->holes(store, &hold, err)) {
        return false;
    }
    printf("holes hold: %d\n", hold);
    return true;
}

static bool image(struct store *store, char **words, struct err *err)
{
    return backend->images->create(store, words[0], strtoull(words[1], NULL, 10), err);
}

static bool take_lock(struct store *store, const char *name, unsigned seconds, struct err *err)
{
    struct image *opened = NULL;
    time_t begin = time(NULL);
    bool locked = backend->images->open(store, name, NULL, true, &opened, err) &&
                  backend->io->lock(opened, err);

    if (locked) {
        printf("locked after %ld s\n", (long)(time(NULL) - begin));
        (void)fflush(stdout);
        sleep(seconds);
    }
    backend->images->close(opened);
    return locked;
}

static bool hold(struct store *store, char **words, struct err *err)
{
    return take_lock(store, words[0], 600, err);
}

static bool lock(struct store *store, char **words, struct err *err)
{
    return take_lock(store, words[0], 0, err);
}

static bool fence(struct store *store, char **words, struct err *err)
{
    return backend->fence(store, words[0], err);
}

static bool remove_image(struct store *store, char **words, struct err *err)
{
    return backend->images->remove(store, words[0], &progress, err);
}

static bool list(struct store *store, char **words, struct err *err)
{
    AUTO(drop_json) json_t *names = NULL;

    (void)words;
    if (!backend->images->list(store, &names, err)) {
        return false;
    }
    AUTO(drop_free) char *text = json_write(names);

    printf("%s\n", text);
    return true;
}

static int64_t ms_since(int64_t *then)
{
    int64_t now = clock_ms(), passed = now - *then;

    *then = now;
    return passed;
}

static bool write_on(struct store *store, char **words, struct err *err)
{
    int64_t then = clock_ms(), stop = then + 1000 * (int64_t)atoi(words[0]), longest = 0;
    unsigned count = 0;
    char text[32];

    while (then < stop) {
        (void)snprintf(text, sizeof(text), "%u", ++count);
        /* Names are spread over all groups, so that each of them is written to. */
        AUTO(drop_free) char *name = text_make("counter.%u", count % 256);

        if (!backend->objects->write(store, name, text, strlen(text), STORE_ANY, NULL, err)) {
            return false;
        }
        int64_t passed = ms_since(&then);

        longest = passed > longest ? passed : longest;
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    printf("writes %u longest_ms %lld\n", count, (long long)longest);
    return true;
}

static bool put(struct store *store, char **words, struct err *err)
{
    return backend->objects->write(store, words[0], words[1], strlen(words[1]), STORE_ANY, NULL,
                                   err);
}

static bool get(struct store *store, char **words, struct err *err)
{
    AUTO(drop_free) char *bytes = NULL;
    size_t length = 0;

    if (!backend->objects->read(store, words[0], &bytes, &length, NULL, err)) {
        return false;
    }
    printf("%s\n", bytes);
    return true;
}

static const struct {
    const char *name;
    int words;
    bool (*build)(const struct store_conf *conf, char **words, struct err *err);
    bool (*use)(struct store *store, char **words, struct err *err);
} verbs[] = {
    {"begin", 0, do_begin, NULL},   {"keys", 0, do_keys, NULL},
    {"join", 0, do_join, NULL},     {"monitor", 0, do_monitor, NULL},
    {"disk", 2, do_disk, NULL},     {"pool", 0, do_pool, NULL},
    {"undo", 0, do_undo, NULL},     {"settle", 0, do_settle, NULL},
    {"spread", 0, do_spread, NULL}, {"leave", 1, do_leave, NULL},
    {"pause", 1, do_pause, NULL},   {"resume", 1, do_resume, NULL},
    {"look", 0, do_look, NULL},     {"status", 0, do_status, NULL},
    {"holes", 0, NULL, holes},      {"image", 2, NULL, image},
    {"hold", 1, NULL, hold},        {"lock", 1, NULL, lock},
    {"fence", 1, NULL, fence},      {"remove", 1, NULL, remove_image},
    {"list", 0, NULL, list},        {"write", 1, NULL, write_on},
    {"put", 2, NULL, put},          {"get", 1, NULL, get},
};

static bool use(const struct store_conf *conf, size_t verb, char **words, struct err *err)
{
    struct store *store = NULL;

    if (!backend->open(conf, &store, err)) {
        return false;
    }
    bool done = verbs[verb].use(store, words, err);

    backend->close(store);
    return done;
}

/* "h1=10.77.0.11,h2=10.77.0.12": cut in place. */
static size_t read_monitors(char *text, struct store_monitor *out)
{
    size_t count = 0;
    char *rest = NULL;

    for (char *one = strtok_r(text, ",", &rest); one && count < STORE_MAX_MONITORS;
         one = strtok_r(NULL, ",", &rest)) {
        char *address = strchr(one, '=');

        if (address) {
            *address = '\0';
            out[count++] = (struct store_monitor){one, address + 1};
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    struct store_monitor monitors[STORE_MAX_MONITORS], self = {NULL, NULL};
    struct store_conf conf = {.name = "ds1", .monitors = monitors, .root = ""};
    struct err err = {.kind = ERR_NONE};
    bool done =
        err_set(&err, ERR_INPUT, "usage: CLUSTER HOST=ADDRESS NETWORK MONITORS REPLICAS VERB …");

    backend = stores[0];
    if (argc > 6 && read_monitors(argv[2], &self) == 1) {
        conf.cluster = argv[1];
        conf.host = self.host;
        conf.address = self.address;
        conf.network = argv[3];
        conf.monitor_count = read_monitors(argv[4], monitors);
        conf.replicas = (unsigned)atoi(argv[5]);
        conf.disk_memory = 1ull << 30;
    }
    for (size_t i = 0; conf.host && i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, argv[6]) == 0 && argc - 7 >= verbs[i].words) {
            done = verbs[i].build ? verbs[i].build(&conf, argv + 7, &err)
                                  : use(&conf, i, argv + 7, &err);
        }
    }
    if (!done) {
        (void)fprintf(stderr, "store-probe: %s (%s)\n  %s\n", err.what, err_kind_name(err.kind),
                      err.remedy);
    }
    return done ? 0 : err_exit_code(err.kind);
}
