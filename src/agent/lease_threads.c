/* SPDX-License-Identifier: Apache-2.0 */
/* The renewer and the guard: agent/lease.h. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "agent/lease_table.h"
#include "agent/vm.h"

/* How often the renewer sees what is due, and the guard the clock. */
#define RENEWER_MS 500
#define GUARD_MS   200
/* A failed renewal is tried again so soon. */
#define AGAIN_MS 500
/* A plug that could not be pulled: again so soon, twice as late each time, up to so late. */
#define PULL_AGAIN_MS  200
#define PULL_SELDOM_MS 5000
/* A lease that the datastore holds for taken, and nobody renews, for so many times its length. */
#define STUCK 3
/* A number, a host's name and its address. */
#define MAX_NOTE 512
/* For an agent that was away to learn whether its lease is still its own. */
#define RETAKE_MS 8000

DROP(dir, DIR *, closedir);

static void wake_keeper(struct leases *leases)
{
    (void)eventfd_write(leases->agent->wake, 1);
}

/* ---- the guard ---- */

static void hv_told(void *context, const char *uuid, enum hv_state state)
{
    (void)context;
    (void)uuid;
    (void)state;
}

/* The process is ended by the kernel, and the daemon is asked in any case: as long as it does not
 * say that nothing is left, it could be at starting one. Both must say so. Under no lock: it may
 * take long, where the daemon hangs half a minute. */
static bool pull_plug(struct leases *leases, const char *uuid, struct err *err)
{
    const struct hypervisor *hypervisor = leases->agent->hypervisor;
    struct err theirs = {0};
    bool ended = process_kill(uuid, err);
    bool gone = (leases->hv || hypervisor->open(hv_told, NULL, &leases->hv, &theirs)) &&
                hypervisor->destroy(leases->hv, uuid, &theirs);

    if (ended && !gone) {
        *err = theirs;
    }
    return ended && gone;
}

/* The next that is to be stopped, of those that were to be at `since`: one that was not tried yet
 * goes before one whose plug could not be pulled. What is overdue becomes lost here and nowhere
 * else first. */
static bool next_lost(struct leases *leases, int64_t since, char out[UUID_SIZE])
{
    const struct leased *next = NULL;
    int64_t now = leases->agent->now();

    pthread_mutex_lock(&leases->table);
    for (struct leased *leased = leases->list; leased; leased = leased->next) {
        if (leased->state == LEASE_HELD && now >= leased->deadline) {
            lease_lose(leases, leased, "it could not be renewed in time; its plug is pulled");
        }
        if (leased->state == LEASE_LOST && since >= leased->pull_at &&
            (!next || leased->pull_at < next->pull_at)) {
            next = leased;
        }
    }
    if (next) {
        memcpy(out, next->uuid, UUID_SIZE);
    }
    pthread_mutex_unlock(&leases->table);
    return next != NULL;
}

/* Told when it is another failure than before; tried again later each time. */
static void set_stuck(struct leases *leases, const char *uuid, const struct err *err)
{
    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_entry(leases, uuid);
    int64_t wait = leased->pull_wait ? 2 * leased->pull_wait : PULL_AGAIN_MS;

    leased->pull_wait = wait < PULL_SELDOM_MS ? wait : PULL_SELDOM_MS;
    leased->pull_at = leases->agent->now() + leased->pull_wait;
    bool told = strcmp(leased->pull_failed.what, err->what) == 0;

    leased->pull_failed = *err;
    pthread_mutex_unlock(&leases->table);
    if (!told) {
        log_err(err);
    }
}

static void set_stopped(struct leases *leases, const char *uuid)
{
    pthread_mutex_lock(&leases->table);
    struct leased *leased = lease_entry(leases, uuid);

    if (leased->state == LEASE_LOST) {
        log_say(LOG_WARNING, "VM %s was stopped here, its lease is lost", uuid);
        leased->state = LEASE_FREE;
        leased->seen_at = leases->agent->now();
        leased->pull_at = leased->pull_wait = 0;
        leased->pull_failed = (struct err){0};
        lease_note_remove(leases, uuid);
    }
    pthread_mutex_unlock(&leases->table);
    wake_keeper(leases);
}

/* In time, whatever the daemon is at: first every process that has lost its lease, waiting for
 * none. */
static void end_processes(struct leases *leases)
{
    char uuid[UUID_SIZE] = "";
    int64_t since = leases->agent->now();

    (void)next_lost(leases, since, uuid); /* what is overdue is lost now */
    pthread_mutex_lock(&leases->table);
    struct leased *leased = leases->list;
    pthread_mutex_unlock(&leases->table);
    for (; leased; leased = leased->next) {
        struct err told_by_the_other = {0};

        pthread_mutex_lock(&leases->table);
        bool lost = leased->state == LEASE_LOST && since >= leased->pull_at;
        pthread_mutex_unlock(&leases->table);
        if (lost) {
            (void)process_signal(leased->uuid, &told_by_the_other);
        }
    }
}

/* …then what their daemon has of them. */
static void pull_plugs(struct leases *leases)
{
    int64_t since = leases->agent->now();
    char uuid[UUID_SIZE] = "";

    while (next_lost(leases, since, uuid)) {
        struct err err = {0};

        if (pull_plug(leases, uuid, &err)) {
            set_stopped(leases, uuid);
        } else {
            set_stuck(leases, uuid, &err);
        }
    }
}

void lease_guard_due(struct agent *agent)
{
    end_processes(agent->leases);
    pull_plugs(agent->leases);
}

static void *guard(void *context)
{
    struct leases *leases = context;

    while (!leases->leaving) {
        end_processes(leases);
        nanosleep(&(struct timespec){.tv_nsec = GUARD_MS * 1000000L}, NULL);
    }
    return NULL;
}

static void *puller(void *context)
{
    struct leases *leases = context;

    while (!leases->leaving) {
        pull_plugs(leases);
        nanosleep(&(struct timespec){.tv_nsec = GUARD_MS * 1000000L}, NULL);
    }
    return NULL;
}

/* ---- the renewer: what is ours ---- */

/* Ours by the record, though with another version: a write whose answer was lost. */
static bool reread(struct leases *leases, struct leased *leased, json_t **out,
                   uint64_t *out_version, struct err *err)
{
    AUTO(drop_json) json_t *record = NULL;

    if (!lease_record_read(leases->backend, leases->store, leased->uuid, &record, out_version,
                           err)) {
        return false;
    }
    const char *host = lease_record_host(record);

    if (strcmp(host, leases->host) != 0) {
        return err_set(err, ERR_CLASH, "%s%s took it", host[0] ? "host " : "nobody has it any more",
                       host);
    }
    *out = TAKE(record);
    return true;
}

/* The lock, then the record: who took over in between has changed the record. */
static bool renew(struct leases *leases, struct leased *leased, json_t **record, uint64_t *version,
                  struct err *err)
{
    AUTO(drop_free) char *name = lease_name(leased->uuid);
    struct err changed = {0};

    /* An agent before us may have given it away: then the lock is another's to take. */
    if (!lease_link(leases, err) || (!*record && !reread(leases, leased, record, version, err)) ||
        !leases->backend->leases->take(leases->store, name, leases->holder, LEASE_SECONDS, err)) {
        return false;
    }
    lease_record_count(*record);
    if (lease_record_write(leases->backend, leases->store, leased->uuid, *record, version,
                           &changed)) {
        return true;
    }
    if (changed.kind == ERR_CLASH) {
        struct err ignored = {0};

        json_decref(TAKE(*record));
        if (!reread(leases, leased, record, version, err)) {
            (void)(err->kind == ERR_CLASH &&
                   leases->backend->leases->drop(leases->store, name, leases->holder, &ignored));
            return false;
        }
        return true;
    }
    *err = changed;
    return false;
}

void lease_renew(struct leases *leases, struct leased *leased)
{
    AUTO(drop_json) json_t *record = NULL;
    struct err err = {0};
    int64_t asked = leases->agent->now();

    pthread_mutex_lock(&leases->table);
    record = leased->record ? json_deep_copy(leased->record) : NULL;
    uint64_t version = leased->version;
    pthread_mutex_unlock(&leases->table);
    bool renewed = renew(leases, leased, &record, &version, &err);

    pthread_mutex_lock(&leases->table);
    if (leased->state == LEASE_HELD && renewed && leases->agent->now() < leased->deadline) {
        (void)lease_extend(leased, asked);
        if (!lease_note(leases, leased, &err)) {
            log_err(&err);
        }
        json_decref(leased->record);
        leased->record = TAKE(record);
        leased->version = version;
    } else if (!renewed && err.kind == ERR_CLASH) {
        lease_lose(leases, leased, err.what);
    } else if (!renewed) {
        leased->renew_at = leases->agent->now() + AGAIN_MS;
        leases->suspect = true;
    }
    pthread_mutex_unlock(&leases->table);
    if (!renewed) {
        wake_keeper(leases);
    }
}

/* ---- the renewer: what is others' ---- */

/* By our own clock: how long has nobody written the record? */
static void judge(struct leases *leases, struct leased *leased, const struct store_lease *lock)
{
    int64_t silent = leases->agent->now() - leased->seen_at;
    bool was = leased->ripe;

    leased->ripe = leased->seen && leased->dismissed != leased->seen_version &&
                   ((!lock->holder[0] && silent >= 1000 * (int64_t)LEASE_SECONDS) ||
                    silent >= STUCK * 1000 * (int64_t)LEASE_SECONDS);
    (void)snprintf(leased->stuck, sizeof(leased->stuck), "%s", leased->ripe ? lock->holder : "");
    if (leased->ripe && !was) {
        wake_keeper(leases);
    }
}

/* Nobody's look at others may cost us what is ours. */
static bool is_ours_due(struct leases *leases)
{
    int64_t now = leases->agent->now();
    bool due = false;

    pthread_mutex_lock(&leases->table);
    for (const struct leased *leased = leases->list; leased; leased = leased->next) {
        due = due || (leased->state == LEASE_HELD && now >= leased->renew_at);
    }
    pthread_mutex_unlock(&leases->table);
    return due;
}

/* False: given up in the middle, for what is ours; nothing was learned. */
static bool look_one(struct leases *leases, struct leased *leased)
{
    AUTO(drop_free) char *name = lease_name(leased->uuid);
    AUTO(drop_json) json_t *record = NULL;
    struct store_lease lock = {.holder = ""};
    struct err err = {0};
    uint64_t version = 0;
    bool given = false;

    bool seen =
        lease_link(leases, &err) &&
        lease_record_read(leases->backend, leases->store, leased->uuid, &record, &version, &err);

    if (seen && is_ours_due(leases)) {
        return false;
    }
    seen = seen && leases->backend->leases->look(leases->store, name, &lock, &err);
    pthread_mutex_lock(&leases->table);
    leased->look_at = leases->agent->now() + 1000 * (int64_t)LEASE_LOOK;
    leases->suspect = leases->suspect || !seen;
    if (seen && lock.holder[0]) {
        leased->locker = lock;
    }
    if (seen && leased->state == LEASE_FREE) {
        if (version != leased->seen_version) {
            leased->seen_at = leases->agent->now();
            leased->seen_version = version;
            json_decref(leased->seen);
            leased->seen = TAKE(record);
            given = strcmp(lease_record_host(leased->seen), leases->host) == 0;
        }
        judge(leases, leased, &lock);
    }
    pthread_mutex_unlock(&leases->table);
    if (given) {
        wake_keeper(leases);
    }
    return true;
}

/* Every VM on the datastore that the keeper knows of. */
static void list_others(struct leases *leases)
{
    struct agent *agent = leases->agent;

    pthread_mutex_lock(&agent->state);
    pthread_mutex_lock(&leases->table);
    for (struct leased *leased = leases->list; leased; leased = leased->next) {
        leased->known = false;
    }
    for (const struct vm *vm = agent->vms; vm; vm = vm->next) {
        lease_entry(leases, vm->uuid)->known = true;
    }
    pthread_mutex_unlock(&leases->table);
    pthread_mutex_unlock(&agent->state);
}

/* What is ours, as far as it is due. Entries are never freed while the threads run, and new ones
 * come in front. */
static void renew_ours(struct leases *leases)
{
    pthread_mutex_lock(&leases->table);
    struct leased *leased = leases->list;
    pthread_mutex_unlock(&leases->table);
    for (; leased; leased = leased->next) {
        pthread_mutex_lock(&leases->io);
        pthread_mutex_lock(&leases->table);
        bool due = leased->state == LEASE_HELD && leases->agent->now() >= leased->renew_at;
        pthread_mutex_unlock(&leases->table);
        if (due) {
            lease_renew(leases, leased);
        }
        pthread_mutex_unlock(&leases->io);
    }
}

/* Of those that were due at `since`, who waits longest: so a slow datastore leaves nobody out. */
static struct leased *next_others(struct leases *leases, int64_t since)
{
    struct leased *next = NULL;

    pthread_mutex_lock(&leases->table);
    for (struct leased *leased = leases->list; leased; leased = leased->next) {
        if (leased->known && leased->state == LEASE_FREE && since >= leased->look_at &&
            (!next || leased->look_at < next->look_at)) {
            next = leased;
        }
    }
    pthread_mutex_unlock(&leases->table);
    return next;
}

void lease_renew_due(struct agent *agent)
{
    struct leases *leases = agent->leases;
    int64_t since = agent->now();
    struct leased *leased = NULL;
    bool goes_on = true;

    list_others(leases);
    renew_ours(leases);
    while (goes_on && !is_ours_due(leases) && (leased = next_others(leases, since))) {
        pthread_mutex_lock(&leases->io);
        goes_on = look_one(leases, leased);
        pthread_mutex_unlock(&leases->io);
    }
}

static void *renewer(void *context)
{
    struct leases *leases = context;

    while (!leases->leaving) {
        lease_renew_due(leases->agent);
        nanosleep(&(struct timespec){.tv_nsec = RENEWER_MS * 1000000L}, NULL);
    }
    return NULL;
}

/* ---- start and end ---- */

/* What an agent before us held: its time goes on as it was. If that is over, and nobody took the
 * lease meanwhile, it is still ours; so there is time to ask. */
static void read_note(struct leases *leases, const char *uuid)
{
    AUTO(drop_free) char *path = text_make("%s/%s", leases->folder, uuid);
    AUTO(drop_free) char *text = NULL;
    struct err err = {0};

    if (!uuid_valid(uuid) || !file_read(path, MAX_NOTE, &text, NULL, &err)) {
        return;
    }
    struct leased *leased = lease_entry(leases, uuid);
    int64_t noted = strtoll(text, NULL, 10), soonest = leases->agent->now() + RETAKE_MS;

    leased->state = LEASE_HELD;
    leased->ever = true;
    leased->deadline = noted > soonest ? noted : soonest;
    leased->renewed_at = noted - 1000 * (int64_t)(LEASE_SECONDS - LEASE_MARGIN);
    leased->to = lease_note_to(text);
}

static void read_notes(struct leases *leases)
{
    AUTO(drop_dir) DIR *dir = opendir(leases->folder);
    const struct dirent *entry = NULL;

    while (dir && (entry = readdir(dir))) {
        read_note(leases, entry->d_name);
    }
}

bool lease_start(struct agent *agent, struct err *err)
{
    struct leases *leases = agent->leases;

    read_notes(leases);
    leases->suspect = true; /* we may have been fenced while we were away */
    int number = pthread_create(&leases->guard, NULL, guard, leases);

    leases->running = number == 0;
    if (number == 0) {
        number = pthread_create(&leases->puller, NULL, puller, leases);
        leases->pulling = number == 0;
    }
    if (number == 0) {
        number = pthread_create(&leases->renewer, NULL, renewer, leases);
        leases->renewing = number == 0;
    }
    return number == 0 || err_errno(err, number, "start the threads of leases");
}

void lease_stop(struct agent *agent)
{
    struct leases *leases = agent->leases;

    if (leases->running) {
        leases->leaving = true;
        if (leases->renewing) {
            (void)pthread_join(leases->renewer, NULL);
        }
        if (leases->pulling) {
            (void)pthread_join(leases->puller, NULL);
        }
        (void)pthread_join(leases->guard, NULL);
        leases->running = false;
    }
}
