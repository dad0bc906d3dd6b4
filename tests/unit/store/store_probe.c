/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store-probe: drives the room on a host by hand, with systemd and real places.
 *
 *     store-probe CLUSTER HOST ADDRESS NETWORK REPLICAS VERB [ARGUMENT…]
 *     verbs: begin | disk WWN BYTES [consent] | pool | holes | look | image NAME BYTES | hold NAME
 *            | lock NAME | fence NAME | remove NAME | list | undo
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

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

static const struct {
    const char *name;
    int words;
    bool (*build)(const struct store_conf *conf, char **words, struct err *err);
    bool (*use)(struct store *store, char **words, struct err *err);
} verbs[] = {
    {"begin", 0, do_begin, NULL}, {"disk", 2, do_disk, NULL},        {"pool", 0, do_pool, NULL},
    {"look", 0, do_look, NULL},   {"undo", 0, do_undo, NULL},        {"holes", 0, NULL, holes},
    {"image", 2, NULL, image},    {"hold", 1, NULL, hold},           {"lock", 1, NULL, lock},
    {"fence", 1, NULL, fence},    {"remove", 1, NULL, remove_image}, {"list", 0, NULL, list},
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

int main(int argc, char **argv)
{
    struct store_monitor monitor;
    struct store_conf conf = {.name = "ds1", .monitors = &monitor, .monitor_count = 1, .root = ""};
    struct err err = {.kind = ERR_NONE};
    bool done = err_set(&err, ERR_INPUT, "usage: CLUSTER HOST ADDRESS NETWORK REPLICAS VERB …");

    backend = stores[0];
    if (argc > 6) {
        conf.cluster = argv[1];
        conf.host = argv[2];
        conf.address = argv[3];
        conf.network = argv[4];
        conf.replicas = (unsigned)atoi(argv[5]);
        conf.disk_memory = 1ull << 30;
        monitor = (struct store_monitor){argv[2], argv[3]};
    }
    for (size_t i = 0; argc > 6 && i < COUNT_OF(verbs); i++) {
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
