/* SPDX-License-Identifier: Apache-2.0 */
/* One lease and one fence, in memory. */
#include "world.h"

struct fake_leases fake_leases;

static bool answers(struct err *err)
{
    return !fake_store.away || err_set(err, ERR_AWAY, "the datastore does not answer");
}

/* Whoever is "here" in the tests is fenced by the address of this world. */
static bool hears(struct err *err)
{
    return answers(err) && (strcmp(fake_leases.fenced, world.address) != 0 ||
                            err_set(err, ERR_AWAY, "this client was fenced"));
}

static const char *holder_now(void)
{
    return fake_leases.ends > fake_leases.now ? fake_leases.holder : "";
}

static bool same_host(const char *a, const char *b)
{
    size_t length = strcspn(a, "/");

    return length == strcspn(b, "/") && strncmp(a, b, length) == 0;
}

static bool take(struct store *store, const char *name, const char *holder, unsigned seconds,
                 struct err *err)
{
    const char *now = holder_now();

    (void)store;
    (void)name;
    if (!hears(err)) {
        return false;
    }
    if (now[0] && !same_host(now, holder)) {
        return err_set(err, ERR_CLASH, "the lease is held by '%s'", now);
    }
    (void)snprintf(fake_leases.holder, sizeof(fake_leases.holder), "%s", holder);
    fake_leases.ends = fake_leases.now + 1000 * (int64_t)seconds;
    return true;
}

static bool drop(struct store *store, const char *name, const char *holder, struct err *err)
{
    (void)store;
    (void)name;
    if (!hears(err)) {
        return false;
    }
    fake_leases.ends = same_host(fake_leases.holder, holder) ? fake_leases.now : fake_leases.ends;
    return true;
}

static bool seen_at(struct store *store, const char *address, struct err *err)
{
    const char *seen = fake_leases.seen_at[0] ? fake_leases.seen_at : world.address;

    (void)store;
    return answers(err) && (strcmp(seen, address) == 0 ||
                            err_set(err, ERR_SYSTEM, "the datastore sees this host at '%s'", seen));
}

static bool look(struct store *store, const char *name, struct store_lease *out, struct err *err)
{
    (void)store;
    (void)name;
    fake_leases.looks++;
    world.now += fake_leases.slow;
    fake_leases.now += fake_leases.slow;
    if (!hears(err)) {
        return false;
    }
    *out = (struct store_lease){.holder = ""};
    (void)snprintf(out->holder, sizeof(out->holder), "%s", holder_now());
    (void)snprintf(out->address, sizeof(out->address), "%s",
                   out->holder[0] ? fake_leases.address : "");
    return true;
}

static bool oust(struct store *store, const char *name, const char *holder, struct err *err)
{
    (void)store;
    (void)name;
    if (!hears(err)) {
        return false;
    }
    fake_leases.ends = strcmp(fake_leases.holder, holder) == 0 ? fake_leases.now : fake_leases.ends;
    return true;
}

static bool fence(struct store *store, const char *address, struct err *err)
{
    (void)store;
    if (!hears(err)) {
        return false;
    }
    if (fake_leases.fence_away) {
        return err_set(err, ERR_AWAY, "the fence does not hold yet");
    }
    (void)snprintf(fake_leases.fenced, sizeof(fake_leases.fenced), "%s", address);
    fake_leases.fences++;
    return true;
}

static bool fenced(const struct store_conf *conf, const char *address, bool *out, struct err *err)
{
    (void)conf;
    *out = strcmp(fake_leases.fenced, address) == 0;
    return answers(err);
}

static bool listed(const struct store_conf *conf, bool *out, struct err *err)
{
    (void)conf;
    *out = !fake_leases.unlisted;
    return answers(err);
}

static bool lift(const struct store_conf *conf, const char *address, bool anew, struct err *err)
{
    if (fake_leases.refused) {
        return err_set(err, ERR_DENIED, "the key is refused");
    }
    if (fake_leases.unlisted && !anew) {
        return err_set(err, ERR_DENIED, "host '%s' was taken out", conf->host);
    }
    if (strcmp(fake_leases.fenced, address) == 0) {
        fake_leases.fenced[0] = '\0';
    }
    return answers(err);
}

const struct store_leases fake_lease_backend = {take,  drop,   seen_at, look, oust,
                                                fence, listed, fenced,  lift};
