/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases and the fence. A lease is an exclusive lock of the class `lock` with a duration: the OSD
 * that is the primary of the object's placement group keeps "expires = its own now + duration" in
 * an attribute, and drops what has expired, by its own wall clock, whenever the lock is asked for
 * (cls/lock). When that OSD dies the next primary judges the same stored time by another clock: a
 * lease may end early or late by the difference of the two, or by a step of either.
 *
 * The fence is an entry on the OSD map's blocklist for the host's address with port 0 and nonce 0,
 * which OSDs hold against every client at that address (OSDMap::is_blocklisted), whichever port and
 * nonce it has or will have. Daemons are not asked: the check stands before clients' operations
 * alone. An entry with a time ends by the monitors' clock, so its time is longer than any clock
 * steps.
 *
 * Being in the map is not enough: an OSD refuses a client only once it has that map. An operation
 * carries its sender's epoch, and an OSD that is behind gets the map before it works on it; so we
 * list the pool, which asks the primary of every placement group, after our own client has the map.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/ceph_spread.h"

#define LOCK "lease"
/* Ten years. */
#define FENCE_SECONDS 315360000.0
/* The keeper asks, and holds up all else meanwhile: a host whose datastore is gone is to be undone
 * soon. Asked again, it costs nothing. */
#define LOOK_SECONDS 10u
/* One holder; more room than its words need. */
#define MAX_LOCKERS 1024u

/* One locker, as Ceph names it: client and cookie together. */
struct locker {
    char client[MAX_LOCKERS];
    char cookie[MAX_LOCKERS];
    char address[MAX_LOCKERS];
};

/* "v2:10.77.0.11:0/123" or "[fd00::1]:0/123" to the address alone. */
static void bare_address(const char *text, char *out, size_t room)
{
    const char *from = text_starts(text, "v1:") || text_starts(text, "v2:") ? text + 3 : text;
    bool v6 = from[0] == '[';
    const char *stop = v6 ? strchr(from, ']') : strchr(from, ':');

    from += v6 ? 1 : 0;
    (void)snprintf(out, room, "%.*s", stop ? (int)(stop - from) : 0, from);
}

/* `*out` is all empty when nobody holds it. */
static bool find_locker(struct store *store, const char *name, struct locker *out, struct err *err)
{
    char tag[MAX_LOCKERS];
    size_t tag_room = sizeof(tag), client_room = sizeof(out->client);
    size_t cookie_room = sizeof(out->cookie), address_room = sizeof(out->address);
    int exclusive = 0;

    *out = (struct locker){.client = ""};
    ssize_t count =
        rados_list_lockers(store->objects, name, LOCK, &exclusive, tag, &tag_room, out->client,
                           &client_room, out->cookie, &cookie_room, out->address, &address_room);
    if (count == 0 || count == -ENOENT) {
        *out = (struct locker){.client = ""};
    }
    return count >= 0 || count == -ENOENT ||
           ceph_errno(err, (int)count, "see who holds lease '%s'", name);
}

static bool same_host(const char *a, const char *b)
{
    size_t length = strcspn(a, "/");

    return length == strcspn(b, "/") && strncmp(a, b, length) == 0;
}

static int lock_now(struct store *store, const char *name, const char *holder, unsigned seconds)
{
    struct timeval duration = {.tv_sec = seconds};

    return rados_lock_exclusive(store->objects, name, LOCK, holder, "quoin", &duration,
                                LIBRADOS_LOCK_FLAG_MAY_RENEW);
}

static bool refuse(const char *name, const struct locker *locker, struct err *err)
{
    return err_set(err, ERR_CLASH, "lease '%s' is held by host '%.*s'", name,
                   (int)strcspn(locker->cookie, "/"), locker->cookie);
}

static bool lease_take(struct store *store, const char *name, const char *holder, unsigned seconds,
                       struct err *err)
{
    struct locker locker;
    int r = lock_now(store, name, holder, seconds);

    if (r == -EBUSY) {
        if (!find_locker(store, name, &locker, err)) {
            return false;
        }
        if (locker.client[0] && !same_host(locker.cookie, holder)) {
            return refuse(name, &locker, err);
        }
        if (locker.client[0]) {
            (void)rados_break_lock(store->objects, name, LOCK, locker.client, locker.cookie);
        }
        r = lock_now(store, name, holder, seconds);
    }
    if (r == -EBUSY) {
        return find_locker(store, name, &locker, err) && refuse(name, &locker, err);
    }
    return r >= 0 || ceph_errno(err, r, "take lease '%s'", name);
}

static bool lease_look(struct store *store, const char *name, struct store_lease *out,
                       struct err *err)
{
    struct locker locker;

    if (!find_locker(store, name, &locker, err)) {
        return false;
    }
    (void)snprintf(out->holder, sizeof(out->holder), "%.*s", (int)sizeof(out->holder) - 1,
                   locker.cookie);
    bare_address(locker.address, out->address, sizeof(out->address));
    return true;
}

static bool break_one(struct store *store, const char *name, const struct locker *locker,
                      struct err *err)
{
    int r = rados_break_lock(store->objects, name, LOCK, locker->client, locker->cookie);

    return r >= 0 || r == -ENOENT || ceph_errno(err, r, "end lease '%s'", name);
}

static bool lease_drop(struct store *store, const char *name, const char *holder, struct err *err)
{
    struct locker locker;

    return find_locker(store, name, &locker, err) &&
           (!locker.client[0] || !same_host(locker.cookie, holder) ||
            break_one(store, name, &locker, err));
}

static bool lease_oust(struct store *store, const char *name, const char *holder, struct err *err)
{
    struct locker locker;

    return find_locker(store, name, &locker, err) &&
           (strcmp(locker.cookie, holder) != 0 || break_one(store, name, &locker, err));
}

/* An address has many spellings in IPv6, and the map knows one. */
char *ceph_address(const char *address)
{
    static const int families[] = {AF_INET, AF_INET6};
    unsigned char bytes[sizeof(struct in6_addr)];
    char text[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < COUNT_OF(families); i++) {
        if (inet_pton(families[i], address, bytes) == 1 &&
            inet_ntop(families[i], bytes, text, sizeof(text))) {
            return text_copy(text);
        }
    }
    return text_copy(address);
}

static char *whole_host(const char *address)
{
    AUTO(drop_free) char *one = ceph_address(address);

    return strchr(one, ':') ? text_make("[%s]:0/0", one) : text_make("%s:0/0", one);
}

/* `list`: "v2:10.77.0.11:0/123", or several of them with commas between; each must be `wanted`. */
static bool all_at(char *list, const char *wanted, char *out_other, size_t room)
{
    char *rest = NULL;
    bool any = false;

    out_other[0] = '\0';
    for (const char *one = strtok_r(list, ", \n", &rest); one;
         one = strtok_r(NULL, ", \n", &rest)) {
        bare_address(text_starts(one, "[v") ? one + 1 : one, out_other, room);
        AUTO(drop_free) char *ours = ceph_address(out_other);

        if (strcmp(ours, wanted) != 0) {
            return false;
        }
        any = true;
    }
    return any;
}

/* What a client told the monitors of itself, from what the first of them saw, it tells every disk's
 * daemon; that is what the blocklist is compared with. */
static bool seen_at(struct store *store, const char *address, struct err *err)
{
    AUTO(drop_free) char *wanted = ceph_address(address);
    AUTO(drop_free) char *list = NULL;
    char other[MAX_LOCKERS];
    int r = rados_getaddrs(store->cluster, &list);

    if (r < 0) {
        return ceph_errno(err, r, "learn our address");
    }
    if (all_at(list, wanted, other, sizeof(other))) {
        return true;
    }
    (void)err_set(err, ERR_SYSTEM, "the datastore sees this host at '%s', not at %s", other,
                  address);
    return err_mend(err, "The route to the datastore's network must start at the address that the "
                         "blueprint gives this host: else nobody could fence it.");
}

/* The year in which it ends, 0: there is none. Of the whole map: what `osd blocklist ls` gives is
 * no JSON, but two lists in a row. */
static bool entry_ends(rados_t cluster, const char *entry, int *out, struct err *err)
{
    AUTO(drop_json) json_t *map = NULL;

    if (!ceph_command(cluster, json_pack("{ss}", "prefix", "osd dump"), &map, err)) {
        return false;
    }
    const json_t *ends = json_object_get(json_object_get(map, "blocklist"), entry);

    if (!ends) {
        *out = 0;
        return true;
    }
    return (json_is_string(ends) && sscanf(json_string_value(ends), "%d-", out) == 1 && *out > 0) ||
           err_set(err, ERR_INPUT, "the datastore does not say when the fence %s ends", entry);
}

static bool has_entry(rados_t cluster, const char *entry, bool *out, struct err *err)
{
    int year = 0;

    if (!entry_ends(cluster, entry, &year, err)) {
        return false;
    }
    *out = year > 0;
    return true;
}

/* Every placement group's primary works on an operation of the newest epoch. */
static bool tell_all_disks(struct store *store, const char *address, struct err *err)
{
    AUTO(drop_json) json_t *none = NULL;
    int r = rados_wait_for_latest_osdmap(store->cluster);

    if (r < 0) {
        return ceph_errno(err, r, "wait for the fence of %s", address);
    }
    return ceph_objects.list(store, "-", &none, err) ||
           err_add(err, "wait until every disk knows the fence of %s", address);
}

static bool change_entry(rados_t cluster, const char *entry, bool add, struct err *err)
{
    json_t *command = json_pack("{ss ss ss}", "prefix", "osd blocklist", "blocklistop",
                                add ? "add" : "rm", "addr", entry);

    if (add) {
        json_object_set_new(command, "expire", json_real(FENCE_SECONDS));
    }
    return ceph_command(cluster, command, NULL, err);
}

static int this_year(void)
{
    struct tm now = {0};
    time_t seconds = time(NULL);

    (void)gmtime_r(&seconds, &now);
    return 1900 + now.tm_year;
}

/* One that was made by hand ends, by default after an hour; and an entry that there is keeps its
 * end, whatever is added (OSDMap::apply_incremental). Nothing is started behind such a one. */
static bool make_entry_last(rados_t cluster, const char *entry, struct err *err)
{
    int ends = 0;

    if (!entry_ends(cluster, entry, &ends, err)) {
        return false;
    }
    if (ends == 0) {
        return change_entry(cluster, entry, true, err);
    }
    if (ends > this_year() + 1) {
        return true;
    }
    (void)err_set(err, ERR_DENIED, "the fence %s was set by hand and ends: it does not hold",
                  entry);
    return err_mend(err,
                    "With that host off: 'ceph osd blocklist rm %s', then 'ceph osd blocklist add "
                    "%s %.0f'.",
                    entry, entry, FENCE_SECONDS);
}

static bool fence_add(struct store *store, const char *address, struct err *err)
{
    AUTO(drop_free) char *entry = whole_host(address);

    if (!make_entry_last(store->cluster, entry, err)) {
        return err_add(err, "fence host %s", address);
    }
    return tell_all_disks(store, address, err);
}

static bool fence_look(const struct store_conf *conf, const char *address, bool *out,
                       struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    AUTO(drop_free) char *entry = whole_host(address);

    return (ceph_connect(conf, CEPH_USER, LOOK_SECONDS, &cluster, err) &&
            has_entry(cluster, entry, out, err)) ||
           err_add(err, "ask whether host %s is fenced", address);
}

bool ceph_is_listed(rados_t cluster, const char *host, bool *out, struct err *err)
{
    AUTO(drop_state) struct ceph_state state = {.rule_of_hosts = -1};
    struct ceph_monitors monitors;

    if (!ceph_state_look(cluster, &state, err) || !ceph_monitors_look(cluster, &monitors, err)) {
        return false;
    }
    int place = ceph_tree_host(&state.tree, host);

    *out = ceph_monitors_find(&monitors, host) >= 0 ||
           (place >= 0 && ceph_tree_count(&state.tree, place).all > 0);
    return true;
}

static bool check_listed(rados_t cluster, const char *host, struct err *err)
{
    bool listed = false;

    if (!ceph_is_listed(cluster, host, &listed, err)) {
        return false;
    }
    if (!listed) {
        (void)err_set(err, ERR_DENIED, "host '%s' was taken out of the datastore: its fence stays",
                      host);
        return err_mend(err, "'quoin host remove' undoes what is left on it; 'quoin host add' "
                             "brings it in anew.");
    }
    return true;
}

static bool fence_listed(const struct store_conf *conf, bool *out, struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;

    return (ceph_connect(conf, CEPH_USER, LOOK_SECONDS, &cluster, err) &&
            ceph_is_listed(cluster, conf->host, out, err)) ||
           err_add(err, "ask whether this host is listed");
}

/* Who took this host out while it was at it has fenced it after that, perhaps before we took the
 * entry away: so it is put back. */
static bool lift_while_listed(rados_t cluster, const char *host, const char *entry, struct err *err)
{
    struct err again = {0};

    if (!check_listed(cluster, host, err) || !change_entry(cluster, entry, false, err)) {
        return false;
    }
    return check_listed(cluster, host, err) ||
           (change_entry(cluster, entry, true, &again) ? false : err_add(err, "%s", again.what));
}

/* By the administrator's key, which hypervisors do not have: whoever breaks out of a guest cannot
 * lift a fence. */
static bool fence_lift(const struct store_conf *conf, const char *address, bool anew,
                       struct err *err)
{
    AUTO(drop_rados) rados_t cluster = NULL;
    AUTO(drop_free) char *entry = whole_host(address);
    bool there = true;

    if (!ceph_connect(conf, CEPH_ADMIN, LOOK_SECONDS, &cluster, err) ||
        !has_entry(cluster, entry, &there, err)) {
        return err_add(err, "lift the fence of host %s", address);
    }
    return !there ||
           (anew ? change_entry(cluster, entry, false, err)
                 : lift_while_listed(cluster, conf->host, entry, err)) ||
           err_add(err, "lift the fence of host %s", address);
}

const struct store_leases ceph_leases = {
    .take = lease_take,
    .drop = lease_drop,
    .seen_at = seen_at,
    .look = lease_look,
    .oust = lease_oust,
    .fence = fence_add,
    .listed = fence_listed,
    .fenced = fence_look,
    .lift = fence_lift,
};
