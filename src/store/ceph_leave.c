/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host goes: for good, or for a while. Everything that could forbid it is asked first; then it is
 * fenced, its data is moved while it is still a member, and it is forgotten last. Interrupted
 * anywhere, the next run goes on, from whichever host; or the host stays after all, and gets back
 * what was taken from it.
 *
 * The fence comes twice. While the host is listed it may come back and lift its own (ceph_lease);
 * once it is forgotten it may not, so what stands then stands for good.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/ceph_spread.h"

#define SECONDS 10u
/* How full the disks that remain may be with all the data on them: below Ceph's own warning (85).
 */
#define FULL_PERCENT 80

/* Where one host may be seen: the caller's word, its monitor's, its disks'. */
#define MAX_PLACES 8u

struct leave {
    const struct store_conf *conf;
    const char *host;
    rados_t cluster;
    struct ceph_state state;
    int place; /* of the host in the tree; -1: not there */
    size_t address_count;
    char *addresses[MAX_PLACES]; /* in the one spelling */
};

static void drop_leave(struct leave *leave)
{
    for (size_t i = 0; i < leave->address_count; i++) {
        free(leave->addresses[i]);
    }
    leave->address_count = 0;
    drop_state(&leave->state);
    drop_rados(&leave->cluster);
}

/* --- where it is ------------------------------------------------------------------------------ */

static bool add_address(struct leave *leave, const char *address, struct err *err)
{
    AUTO(drop_free) char *one = ceph_address(address ? address : "");

    if (!one[0]) {
        return true;
    }
    for (size_t i = 0; i < leave->address_count; i++) {
        if (strcmp(leave->addresses[i], one) == 0) {
            return true;
        }
    }
    if (leave->address_count == MAX_PLACES) {
        return err_set(err, ERR_CLASH, "%s is at more than %u addresses", leave->host, MAX_PLACES);
    }
    leave->addresses[leave->address_count++] = TAKE(one);
    return true;
}

/* A fence of another host's would stop that one. */
static bool check_address(struct leave *leave, const char *host, const char *address,
                          struct err *err)
{
    AUTO(drop_free) char *theirs = ceph_address(address);

    for (size_t i = 0; strcmp(host, leave->host) != 0 && i < leave->address_count; i++) {
        if (strcmp(leave->addresses[i], theirs) == 0) {
            (void)err_set(err, ERR_CLASH, "%s, which is to be fenced for %s, is the address of %s",
                          theirs, leave->host, host);
            return err_mend(err, "Write the address of '%s' into the blueprint as it was.",
                            leave->host);
        }
    }
    return true;
}

/* What is done with each place at which the datastore knows a disk or a monitor of a host. */
struct places {
    struct leave *leave;
    bool (*see)(struct leave *leave, const char *host, const char *address, struct err *err);
};

static bool see_all(const struct places *places, const json_t *map,
                    const struct ceph_monitors *monitors, struct err *err)
{
    const struct ceph_tree *tree = &places->leave->state.tree;
    char at[64];

    for (size_t i = 0; i < tree->disk_count; i++) {
        const struct ceph_disk *disk = &tree->disks[i];
        const char *host = disk->host >= 0 ? tree->hosts[disk->host] : "";

        ceph_disk_address(map, disk->id, at);
        if (!places->see(places->leave, host, at, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < monitors->count; i++) {
        if (!places->see(places->leave, monitors->each[i].host, monitors->each[i].address, err)) {
            return false;
        }
    }
    return true;
}

static bool add_own(struct leave *leave, const char *host, const char *address, struct err *err)
{
    return strcmp(host, leave->host) != 0 || add_address(leave, address, err);
}

/* Nobody could be fenced where no address is known: then it may not look as if somebody was. */
static bool check_known(const struct leave *leave, struct err *err)
{
    if (leave->address_count > 0 || !ceph_pools_find(&leave->state.pools, leave->conf->name)) {
        return true;
    }
    (void)err_set(err, ERR_INPUT, "no address of %s is known, so it cannot be fenced", leave->host);
    return err_mend(err, "Write its address into the blueprint as digits, not as a name.");
}

static bool find_addresses(struct leave *leave, const char *address, struct err *err)
{
    const struct places own = {leave, add_own}, others = {leave, check_address};
    AUTO(drop_json) json_t *map = NULL;
    struct ceph_monitors monitors;

    return add_address(leave, address, err) &&
           ceph_command(leave->cluster, json_pack("{ss}", "prefix", "osd dump"), &map, err) &&
           ceph_monitors_look(leave->cluster, &monitors, err) &&
           see_all(&own, map, &monitors, err) && see_all(&others, map, &monitors, err) &&
           check_address(leave, leave->conf->host, leave->conf->address, err) &&
           check_known(leave, err);
}

/* Without a pool nobody writes. */
static bool fence(const struct leave *leave, struct err *err)
{
    struct store *store = NULL;
    bool fenced = true;

    if (!ceph_pools_find(&leave->state.pools, leave->conf->name)) {
        return true;
    }
    if (!ceph_open(leave->conf, &store, err)) {
        return false;
    }
    for (size_t i = 0; fenced && i < leave->address_count; i++) {
        fenced = ceph_leases.fence(store, leave->addresses[i], err);
    }
    ceph_close(store);
    return fenced;
}

/* --- may it go -------------------------------------------------------------------------------- */

static bool refuse_ours(const struct store_conf *conf, const char *host, struct err *err)
{
    if (strcmp(conf->host, host) == 0) {
        (void)err_set(err, ERR_INPUT, "%s cannot see to its own leaving", host);
        return err_mend(err, "Ask another host of the cluster.");
    }
    for (size_t i = 0; i < conf->monitor_count; i++) {
        if (strcmp(conf->monitors[i].host, host) == 0) {
            return err_set(err, ERR_INPUT, "%s is to leave and to keep a monitor", host);
        }
    }
    return true;
}

/* Who takes its place must have it, and the others a majority. */
static bool check_monitors(const struct leave *leave, struct err *err)
{
    const struct store_conf *conf = leave->conf;
    struct ceph_monitors monitors;

    if (!ceph_monitors_look(leave->cluster, &monitors, err) ||
        !ceph_monitor_spare(leave->cluster, leave->host, err)) {
        return false;
    }
    for (size_t i = 0; i < conf->monitor_count; i++) {
        int place = ceph_monitors_find(&monitors, conf->monitors[i].host);

        if (place < 0 || !monitors.each[place].in_quorum) {
            (void)err_set(err, ERR_CLASH, "the monitor of %s is not in the quorum",
                          conf->monitors[i].host);
            return err_mend(err, "Bring it in first; then run again.");
        }
    }
    return true;
}

static bool check_copies(const struct leave *leave, struct err *err)
{
    const struct ceph_tree *tree = &leave->state.tree;
    unsigned hosts = ceph_tree_hosts_ready(tree, leave->place);
    unsigned disks = ceph_tree_count(tree, -1).ready - ceph_tree_count(tree, leave->place).ready;

    for (size_t i = 0; i < leave->state.pools.count; i++) {
        const struct ceph_pool *pool = &leave->state.pools.each[i];
        bool on_hosts = (int)pool->rule == leave->state.rule_of_hosts;

        if (pool->size > (on_hosts ? hosts : disks)) {
            (void)err_set(err, ERR_CLASH, "%u copies of the data need %u %s, and %u would be left",
                          pool->size, pool->size, on_hosts ? "hosts" : "disks",
                          on_hosts ? hosts : disks);
            return err_mend(err, "Add a host first: 'quoin host replace %s --with' another.",
                            leave->host);
        }
    }
    return true;
}

/* Bytes of the disks that remain, in all and on the smallest host. */
struct room {
    int64_t all, least;
};

static bool measure_room(const struct leave *leave, struct room *out, struct err *err)
{
    AUTO(drop_json) json_t *answer = NULL;
    AUTO(drop_free) int64_t *hosts = text_room(leave->state.tree.host_count + 1, sizeof(*hosts));
    const json_t *nodes = NULL, *node = NULL;
    int64_t id = 0, kib = 0;
    size_t i;

    if (!ceph_command(leave->cluster, json_pack("{ss}", "prefix", "osd df"), &answer, err) ||
        !json_get_array(answer, "nodes", CEPH_MAX_DISKS, &nodes, err)) {
        return false;
    }
    *out = (struct room){0, INT64_MAX};
    json_array_foreach(nodes, i, node)
    {
        if (!json_get_integer(node, "id", 0, INT32_MAX, &id, err) ||
            !json_get_integer(node, "kb", 0, INT64_MAX >> 11, &kib, err)) {
            return false;
        }
        const struct ceph_disk *disk = ceph_tree_disk(&leave->state.tree, (int)id);

        if (disk && disk->host >= 0 && disk->host != leave->place && disk->up && disk->in) {
            hosts[disk->host] += kib * 1024;
            out->all += kib * 1024;
        }
    }
    for (i = 0; i < leave->state.tree.host_count; i++) {
        out->least = hosts[i] > 0 && hosts[i] < out->least ? hosts[i] : out->least;
    }
    return true;
}

static bool check_room(const struct leave *leave, struct err *err)
{
    AUTO(drop_json) json_t *answer = NULL;
    const struct ceph_pool *pool = ceph_pools_find(&leave->state.pools, leave->conf->name);
    struct ceph_status status;
    struct room room;

    if (!pool) {
        return true;
    }
    if (!ceph_command(leave->cluster, json_pack("{ss}", "prefix", "status"), &answer, err) ||
        !ceph_status_read(answer, &status, err) || !measure_room(leave, &room, err)) {
        return err_add(err, "measure the room of the other hosts");
    }
    /* With as many hosts as copies, each holds everything. */
    bool each_holds_all = ceph_tree_hosts_ready(&leave->state.tree, leave->place) <= pool->size;

    if (status.data_bytes > room.all / 100 * FULL_PERCENT / pool->size ||
        (each_holds_all && status.data_bytes > room.least / 100 * FULL_PERCENT)) {
        (void)err_set(err, ERR_CLASH,
                      "the other hosts have no room for the data: %lld bytes, %u times",
                      (long long)status.data_bytes, pool->size);
        return err_mend(err, "Add disks or a host first.");
    }
    return true;
}

/* --- it goes ---------------------------------------------------------------------------------- */

/* Numbers of the host's disks, as a command takes them; `in` alone: those that have data's place.
 */
static json_t *list_disks(const struct leave *leave, bool in)
{
    const struct ceph_tree *tree = &leave->state.tree;
    json_t *list = json_array();
    char id[16];

    for (size_t i = 0; i < tree->disk_count; i++) {
        if (leave->place >= 0 && tree->disks[i].host == leave->place &&
            (!in || tree->disks[i].in)) {
            (void)snprintf(id, sizeof(id), "%d", tree->disks[i].id);
            json_array_append_new(list, json_string(id));
        }
    }
    return list;
}

/* Without weight they get no data, and then it makes no difference that they go: "out" alone would
 * have data move a second time. */
static bool take_weight(const struct leave *leave, const json_t *disks, struct err *err)
{
    const json_t *id = NULL;
    size_t i;

    json_array_foreach(disks, i, id)
    {
        AUTO(drop_free) char *name = text_make("osd.%s", json_string_value(id));

        if (!ceph_command(leave->cluster,
                          json_pack("{ss ss sf}", "prefix", "osd crush reweight", "name", name,
                                    "weight", 0.0),
                          NULL, err)) {
            return false;
        }
    }
    return true;
}

static bool move_data(const struct leave *leave, const struct progress *progress, struct err *err)
{
    const struct ceph_wait wait = {.leaving = leave->host,
                                   .what = "data is moved",
                                   .progress = progress,
                                   .from = 10,
                                   .to = 80};
    AUTO(drop_json) json_t *in = list_disks(leave, true);

    return (json_array_size(in) == 0 ||
            (take_weight(leave, in, err) &&
             ceph_command(leave->cluster, json_pack("{ss sO}", "prefix", "osd out", "ids", in),
                          NULL, err))) &&
           ceph_wait_settled(leave->conf, leave->cluster, &wait, err);
}

/* "Safe to destroy" is what the disks themselves told last: it may come a moment late. */
static bool forget_disk(const struct leave *leave, const char *id, struct err *err)
{
    int64_t stop = clock_ms() + 1000 * (int64_t)ceph_seconds(leave->conf);

    for (;;) {
        struct err refused = {0};

        if (ceph_command(leave->cluster,
                         json_pack("{ss s[s]}", "prefix", "osd safe-to-destroy", "ids", id), NULL,
                         &refused) &&
            ceph_command(leave->cluster,
                         json_pack("{ss si sb}", "prefix", "osd purge-actual", "id", atoi(id),
                                   "yes_i_really_mean_it", 1),
                         NULL, &refused)) {
            return true;
        }
        if ((refused.kind != ERR_CLASH && refused.kind != ERR_AWAY) || clock_ms() >= stop) {
            return *err = refused, err_add(err, "forget disk %s", id);
        }
        nanosleep(&(struct timespec){0, 300000000}, NULL);
    }
}

static bool set_flag(const struct leave *leave, const char *flag, bool on, struct err *err)
{
    return ceph_command(leave->cluster,
                        json_pack("{ss ss s[s]}", "prefix",
                                  on ? "osd set-group" : "osd unset-group", "flags", flag, "who",
                                  leave->host),
                        NULL, err);
}

static bool forget_all(const struct leave *leave, struct err *err)
{
    AUTO(drop_json) json_t *all = list_disks(leave, false);
    const json_t *id = NULL;
    size_t i;

    if ((json_array_size(all) > 0 &&
         !ceph_command(leave->cluster, json_pack("{ss sO}", "prefix", "osd down", "ids", all), NULL,
                       err))) {
        return false;
    }
    json_array_foreach(all, i, id)
    {
        if (!forget_disk(leave, json_string_value(id), err)) {
            return false;
        }
    }
    return true;
}

/* Their daemons may still run: told down, they would come back before they are forgotten. Where
 * that fails they may: the host is a member still. */
static bool forget_disks(const struct leave *leave, struct err *err)
{
    struct err ignored = {0};

    if (!set_flag(leave, "noup", true, err) || !forget_all(leave, err)) {
        (void)set_flag(leave, "noup", false, &ignored);
        return false;
    }
    return set_flag(leave, "noup", false, err) && set_flag(leave, "noout", false, err);
}

static bool succeeds_or_absent(rados_t cluster, json_t *command, struct err *err)
{
    struct err refused = {0};

    return ceph_command(cluster, command, NULL, &refused) || refused.kind == ERR_ABSENT ||
           (*err = refused, false);
}

/* Disks, place, manager and its key, and last what makes decisions. */
static bool forget_host(const struct leave *leave, struct err *err)
{
    AUTO(drop_free) char *manager = text_make("mgr.%s", leave->host);

    if (leave->place >= 0 && !forget_disks(leave, err)) {
        return false;
    }
    return succeeds_or_absent(
               leave->cluster,
               json_pack("{ss ss}", "prefix", "osd crush remove", "name", leave->host), err) &&
           succeeds_or_absent(leave->cluster,
                              json_pack("{ss ss}", "prefix", "mgr fail", "who", leave->host),
                              err) &&
           succeeds_or_absent(leave->cluster,
                              json_pack("{ss ss}", "prefix", "auth rm", "entity", manager), err) &&
           ceph_monitor_remove(leave->cluster, leave->host, err);
}

static bool look_at_host(struct leave *leave, struct err *err)
{
    if (!ceph_connect(leave->conf, CEPH_ADMIN, SECONDS, &leave->cluster, err) ||
        !ceph_state_look(leave->cluster, &leave->state, err)) {
        return false;
    }
    leave->place = ceph_tree_host(&leave->state.tree, leave->host);
    return true;
}

/* Those who take over may have started just now. */
static bool look_when_started(struct leave *leave, struct err *err)
{
    unsigned copies = 1;

    if (!look_at_host(leave, err)) {
        return false;
    }
    for (size_t i = 0; i < leave->state.pools.count; i++) {
        unsigned size = leave->state.pools.each[i].size;

        copies = size > copies ? size : copies;
    }
    if (!ceph_wait_hosts(leave->conf, leave->cluster, leave->host, copies, err)) {
        return false;
    }
    drop_leave(leave);
    leave->cluster = NULL;
    leave->state = (struct ceph_state){.rule_of_hosts = -1};
    return look_at_host(leave, err);
}

static bool may_leave(struct leave *leave, const char *address, struct err *err)
{
    return (refuse_ours(leave->conf, leave->host, err) && look_when_started(leave, err) &&
            check_monitors(leave, err) &&
            (leave->place < 0 || (check_copies(leave, err) && check_room(leave, err))) &&
            find_addresses(leave, address, err)) ||
           err_add(err, "%s may not leave", leave->host);
}

bool ceph_leave(const struct store_conf *conf, const char *host, const char *address,
                const struct progress *progress, struct err *err)
{
    AUTO(drop_leave) struct leave leave = {.conf = conf, .host = host};

    progress_tell(progress, 0, "ask whether the host may leave");
    if (!may_leave(&leave, address, err)) {
        return false;
    }
    progress_tell(progress, 5, "fence it");
    if (!fence(&leave, err)) {
        return err_add(err, "fence %s", host);
    }
    progress_tell(progress, 10, "move its data");
    if (leave.place >= 0 && !move_data(&leave, progress, err)) {
        return err_add(err, "move the data of %s", host);
    }
    progress_tell(progress, 80, "forget the host");
    if (!forget_host(&leave, err) || !fence(&leave, err)) {
        return err_add(err, "forget %s", host);
    }
    progress_tell(progress, 100, "the host is no part of the datastore");
    return true;
}

/* --- it stays after all ----------------------------------------------------------------------- */

bool ceph_leave_undo_host(rados_t cluster, const char *host, struct err *err)
{
    AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};
    const struct leave leave = {.host = host, .cluster = cluster};

    return ceph_state_look(cluster, &state, err) &&
           (ceph_tree_host(&state.tree, host) < 0 || set_flag(&leave, "noup", false, err));
}

/* A disk that has never been up has no weight either; its daemon gives it one. */
static bool has_lost_weight(const json_t *tree, unsigned number)
{
    const json_t *node = NULL;
    size_t i;

    json_array_foreach(json_object_get(tree, "nodes"), i, node)
    {
        const json_t *id = json_object_get(node, "id"),
                     *weight = json_object_get(node, "crush_weight");

        if (json_is_integer(id) && json_integer_value(id) == (json_int_t)number) {
            return json_is_number(weight) && json_number_value(weight) <= 0;
        }
    }
    return false;
}

/* As the daemon itself counts it (OSD::update_crush_location): TiB, and never nothing. */
static double weight_of(uint64_t bytes)
{
    double weight = (double)bytes / (double)(1ull << 40);

    return weight > 0.00001 ? weight : 0.00001;
}

/* The weight last: as long as it is missing, the rest is tried again. */
bool ceph_leave_undo_disk(rados_t cluster, unsigned number, uint64_t bytes, struct err *err)
{
    AUTO(drop_free) char *id = text_make("%u", number);
    AUTO(drop_free) char *name = text_make("osd.%u", number);
    AUTO(drop_json) json_t *tree = NULL;

    if (!ceph_command(cluster, json_pack("{ss}", "prefix", "osd tree"), &tree, err)) {
        return false;
    }
    return !has_lost_weight(tree, number) ||
           (ceph_command(cluster, json_pack("{ss s[s]}", "prefix", "osd in", "ids", id), NULL,
                         err) &&
            ceph_command(cluster,
                         json_pack("{ss ss sf}", "prefix", "osd crush reweight", "name", name,
                                   "weight", weight_of(bytes)),
                         NULL, err)) ||
           err_add(err, "give %s its weight again", name);
}

/* --- for a while ------------------------------------------------------------------------------ */

/* Could all be read and written without its disks, and decided without its monitor? */
static bool can_stop(const struct leave *leave, struct err *err)
{
    AUTO(drop_json) json_t *disks = list_disks(leave, false);
    struct err no = {0};

    if (json_array_size(disks) > 0 &&
        !ceph_command(leave->cluster,
                      json_pack("{ss sO}", "prefix", "osd ok-to-stop", "ids", disks), NULL, &no)) {
        if (no.kind != ERR_CLASH) {
            return *err = no, false;
        }
        (void)err_set(err, ERR_CLASH, "without %s there is data that cannot be reached",
                      leave->host);
        return err_mend(err, "Wait until the datastore is healthy and has a copy on another host.");
    }
    return ceph_monitor_spare(leave->cluster, leave->host, err);
}

bool ceph_pause(const struct store_conf *conf, const char *host, bool on, struct err *err)
{
    AUTO(drop_leave) struct leave leave = {.conf = conf, .host = host};

    if (!look_at_host(&leave, err)) {
        return false;
    }
    if (leave.place < 0) {
        return err_set(err, ERR_ABSENT, "no disk of the datastore is on %s", host);
    }
    return (!on || can_stop(&leave, err)) && set_flag(&leave, "noout", on, err);
}
