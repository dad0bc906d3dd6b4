/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More copies on more hosts, one at a time: the copy is added and its place given in one go, so
 * that no data moves twice; then all data is waited for; and only then are that many copies asked
 * of a write.
 */
#include "store/ceph_spread.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECONDS 10u
/* Between two looks: the disks' daemons report about as often. */
#define LOOK_MS 300
/* From the start of a disk's daemon until it is one of the cluster, on a busy host. */
#define START_SECONDS 30u

static bool find_rule(rados_t cluster, const char *name, int *out, struct err *err)
{
    AUTO(drop_json) json_t *rule = NULL;
    int64_t number = 0;

    if (!ceph_command(cluster, json_pack("{ss ss}", "prefix", "osd crush rule dump", "name", name),
                      &rule, err) ||
        !json_get_integer(rule, "rule_id", 0, 255, &number, err)) {
        return false;
    }
    *out = (int)number;
    return true;
}

bool ceph_rule_make(rados_t cluster, const char *name, int *out_number, struct err *err)
{
    const char *domain = strcmp(name, CEPH_RULE_HOSTS) == 0 ? "host" : "osd";
    struct err absent = {0};

    if (find_rule(cluster, name, out_number, &absent)) {
        return true;
    }
    if (absent.kind != ERR_ABSENT) {
        return *err = absent, false;
    }
    return ceph_command(cluster,
                        json_pack("{ss ss ss ss}", "prefix", "osd crush rule create-replicated",
                                  "name", name, "root", "default", "type", domain),
                        NULL, err) &&
           find_rule(cluster, name, out_number, err);
}

bool ceph_state_look(rados_t cluster, struct ceph_state *out, struct err *err)
{
    AUTO(drop_json) json_t *tree = NULL, *pools = NULL;
    AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};
    struct err absent = {0};

    if (!ceph_command(cluster, json_pack("{ss}", "prefix", "osd tree"), &tree, err) ||
        !ceph_command(cluster, json_pack("{ss ss}", "prefix", "osd pool ls", "detail", "detail"),
                      &pools, err) ||
        !ceph_tree_read(tree, &state.tree, err) || !ceph_pools_read(pools, &state.pools, err)) {
        return err_add(err, "look at the datastore's disks");
    }
    if (!find_rule(cluster, CEPH_RULE_HOSTS, &state.rule_of_hosts, &absent) &&
        absent.kind != ERR_ABSENT) {
        return *err = absent, false;
    }
    *out = state;
    state.tree = (struct ceph_tree){.disks = NULL};
    return true;
}

/* How far it is. */
struct sight {
    struct ceph_groups groups;
    int64_t behind;
};

static bool look_at_groups(rados_t cluster, const char *leaving, struct sight *out, struct err *err)
{
    AUTO(drop_json) json_t *brief = NULL, *status = NULL;
    AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};
    struct ceph_status read;

    if (!ceph_state_look(cluster, &state, err) ||
        !ceph_command(cluster, json_pack("{ss}", "prefix", "status"), &status, err) ||
        !ceph_status_read(status, &read, err) ||
        !ceph_command(cluster,
                      json_pack("{ss s[s]}", "prefix", "pg dump", "dumpcontents", "pgs_brief"),
                      &brief, err)) {
        return false;
    }
    const struct ceph_wish wish = {.rule_of_hosts = state.rule_of_hosts,
                                   .leaving = leaving ? ceph_tree_host(&state.tree, leaving) : -1};

    out->behind = read.behind;
    return ceph_groups_read(brief, &state.pools, &state.tree, &wish, &out->groups, err);
}

static void tell_sight(const struct ceph_wait *wait, const struct sight *sight)
{
    char text[128];
    unsigned all = sight->groups.all ? sight->groups.all : 1;

    (void)snprintf(text, sizeof(text), "%s: %u of %u groups are safe",
                   wait->what ? wait->what : "data", sight->groups.settled, sight->groups.all);
    progress_tell(wait->progress,
                  wait->from + (wait->to - wait->from) * sight->groups.settled / all, text);
}

static bool tell_late(const struct store_conf *conf, const struct sight *best, struct err *err)
{
    (void)err_set(err, ERR_AWAY,
                  "the datastore's data is not safe yet, and nothing moved for %u s: %u of %u "
                  "placement groups are",
                  ceph_seconds(conf), best->groups.settled, best->groups.all);
    return err_mend(err, "Look at 'ceph status' and 'ceph health detail', then run again.");
}

/* Better than it ever was, or not to be compared. */
static bool is_better(const struct sight *now, const struct sight *best)
{
    return now->groups.all != best->groups.all || now->groups.settled > best->groups.settled ||
           now->behind < best->behind;
}

bool ceph_wait_settled(const struct store_conf *conf, rados_t cluster, const struct ceph_wait *wait,
                       struct err *err)
{
    const int64_t patience = 1000 * (int64_t)ceph_seconds(conf);
    int64_t stop = clock_ms() + patience;
    struct sight best = {.behind = INT64_MAX};

    for (;;) {
        struct sight now = {.behind = 0};
        struct err silent = {0};
        bool seen = look_at_groups(cluster, wait->leaving, &now, &silent);

        if (!seen && silent.kind != ERR_AWAY) {
            return *err = silent, false;
        }
        if (seen) {
            tell_sight(wait, &now);
            if (now.groups.settled >= now.groups.all) {
                return true;
            }
        }
        if (seen && is_better(&now, &best)) {
            best = now;
            stop = clock_ms() + patience;
        }
        if (clock_ms() >= stop) {
            return seen ? tell_late(conf, &best, err) : (*err = silent, false);
        }
        nanosleep(&(struct timespec){0, LOOK_MS * 1000000}, NULL);
    }
}

bool ceph_wait_hosts(const struct store_conf *conf, rados_t cluster, const char *leaving,
                     unsigned hosts, struct err *err)
{
    unsigned patience = ceph_seconds(conf) < START_SECONDS ? ceph_seconds(conf) : START_SECONDS;
    int64_t stop = clock_ms() + 1000 * (int64_t)patience;

    for (;;) {
        AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};

        if (!ceph_state_look(cluster, &state, err)) {
            return false;
        }
        int place = leaving ? ceph_tree_host(&state.tree, leaving) : -1;
        struct ceph_count all = ceph_tree_count(&state.tree, -1);
        struct ceph_count less =
            place >= 0 ? ceph_tree_count(&state.tree, place) : (struct ceph_count){0, 0, 0, 0};

        if (ceph_tree_hosts_ready(&state.tree, place) >= hosts ||
            all.in - less.in == all.ready - less.ready || clock_ms() >= stop) {
            return true;
        }
        nanosleep(&(struct timespec){0, LOOK_MS * 1000000}, NULL);
    }
}

static bool set_pool(rados_t cluster, const char *pool, const char *name, unsigned value,
                     struct err *err)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", value);
    return ceph_command(cluster,
                        json_pack("{ss ss ss ss sb}", "prefix", "osd pool set", "pool", pool, "var",
                                  name, "val", text, "yes_i_really_mean_it", 1),
                        NULL, err) ||
           err_add(err, "pool '%s'", pool);
}

static bool give_places(rados_t cluster, const struct ceph_pool *pool, int rule, struct err *err)
{
    return pool->rule == (unsigned)rule ||
           ceph_command(cluster,
                        json_pack("{ss ss ss ss}", "prefix", "osd pool set", "pool", pool->name,
                                  "var", "crush_rule", "val", CEPH_RULE_HOSTS),
                        NULL, err) ||
           err_add(err, "pool '%s'", pool->name);
}

static unsigned fewest_copies(const struct ceph_pools *pools)
{
    unsigned fewest = UINT_MAX;

    for (size_t i = 0; i < pools->count; i++) {
        fewest = pools->each[i].size < fewest ? pools->each[i].size : fewest;
    }
    return fewest;
}

/* Of three copies two must be there, of two one. */
static unsigned least_of(unsigned copies)
{
    return copies - copies / 2;
}

/* `copies` of everything, on hosts of their own where there are as many. */
static bool add_copies(rados_t cluster, const struct ceph_state *state, unsigned copies,
                       struct err *err)
{
    unsigned hosts = ceph_tree_hosts_ready(&state->tree, -1);
    int rule = 0;

    if (!ceph_rule_make(cluster, CEPH_RULE_HOSTS, &rule, err)) {
        return false;
    }
    for (size_t i = 0; i < state->pools.count; i++) {
        const struct ceph_pool *pool = &state->pools.each[i];
        unsigned size = pool->size < copies ? copies : pool->size;

        if ((hosts >= size && !give_places(cluster, pool, rule, err)) ||
            (size > pool->size && !set_pool(cluster, pool->name, "size", size, err))) {
            return false;
        }
    }
    return true;
}

/* How many copies a write waits for, from now on. */
static bool ask_for_copies(rados_t cluster, struct err *err)
{
    AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};

    if (!ceph_state_look(cluster, &state, err)) {
        return false;
    }
    for (size_t i = 0; i < state.pools.count; i++) {
        const struct ceph_pool *pool = &state.pools.each[i];

        if (pool->min_size < least_of(pool->size) &&
            !set_pool(cluster, pool->name, "min_size", least_of(pool->size), err)) {
            return false;
        }
    }
    return true;
}

bool ceph_pool_refine(const struct store_conf *conf, rados_t cluster, struct err *err)
{
    AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};

    if (!ceph_state_look(cluster, &state, err)) {
        return false;
    }
    const struct ceph_pool *pool = ceph_pools_find(&state.pools, conf->name);
    unsigned groups =
        pool ? ceph_pool_groups(ceph_tree_count(&state.tree, -1).ready, pool->size) : 0;

    return !pool || groups <= pool->groups_wanted ||
           (set_pool(cluster, conf->name, "pg_num", groups, err) &&
            set_pool(cluster, conf->name, "pgp_num", groups, err));
}

/* A disk's daemon is down when so many hosts say so: two where there are two besides it, so that
 * one sick host cannot talk the others out. */
static bool set_reporters(rados_t cluster, unsigned hosts, struct err *err)
{
    return ceph_command(cluster,
                        json_pack("{ss ss ss ss}", "prefix", "config set", "who", "global", "name",
                                  "mon_osd_min_down_reporters", "value", hosts > 2 ? "2" : "1"),
                        NULL, err);
}

/* One copy more than the fewest, up to `goal`. `*out_copies`: the fewest that there are then. */
static bool spread_once(const struct store_conf *conf, rados_t cluster, struct ceph_wait *wait,
                        unsigned *out_copies, unsigned *out_goal, struct err *err)
{
    AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};
    char what[32];

    if (!ceph_state_look(cluster, &state, err)) {
        return false;
    }
    unsigned hosts = ceph_tree_hosts_ready(&state.tree, -1);
    unsigned copies = fewest_copies(&state.pools);

    if (state.pools.count == 0) {
        return err_set(err, ERR_ABSENT, "the datastore has no pool yet");
    }
    *out_goal = conf->replicas < hosts ? conf->replicas : hosts;
    copies += copies < *out_goal;
    (void)snprintf(what, sizeof(what), "%u %s", copies, copies == 1 ? "copy" : "copies");
    wait->what = what;
    wait->to = 5 + 80 * copies / (copies < *out_goal ? *out_goal : copies);
    if (!set_reporters(cluster, hosts, err) || !add_copies(cluster, &state, copies, err) ||
        !ceph_wait_settled(conf, cluster, wait, err)) {
        return false;
    }
    wait->from = wait->to;
    wait->what = NULL;
    *out_copies = copies;
    return ask_for_copies(cluster, err);
}

bool ceph_spread(const struct store_conf *conf, const struct progress *progress,
                 unsigned *out_copies, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    struct ceph_wait wait = {.progress = progress, .from = 5};
    unsigned copies = 0, goal = 0;

    progress_tell(progress, 0, "look at the datastore's hosts");
    if (!ceph_connect(conf, CEPH_ADMIN, SECONDS, &cluster, err) ||
        !ceph_wait_hosts(conf, cluster, NULL, conf->replicas, err)) {
        return false;
    }
    do {
        if (!spread_once(conf, cluster, &wait, &copies, &goal, err)) {
            return err_add(err, "spread the data over the hosts");
        }
    } while (copies < goal);
    wait.what = "finer groups";
    wait.to = 99;
    if (!ceph_pool_refine(conf, cluster, err) || !ceph_wait_settled(conf, cluster, &wait, err)) {
        return false;
    }
    *out_copies = copies;
    progress_tell(progress, 100, "the data is spread over the hosts");
    return true;
}
