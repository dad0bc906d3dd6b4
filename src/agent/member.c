/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member.h"

#include <string.h>

#include "agent/lease.h"
#include "agent/lease_record.h"

static bool is_pair(const char *host, const char *address, const char *known,
                    const char *known_address)
{
    return strcmp(host, known) == 0 && lease_address_equal(address, known_address);
}

static bool is_monitor(const struct store_conf *conf, const char *host, const char *address)
{
    for (size_t i = 0; i < conf->monitor_count; i++) {
        if (is_pair(host, address, conf->monitors[i].host, conf->monitors[i].address)) {
            return true;
        }
    }
    return false;
}

static bool is_in_maps(const json_t *hosts, const char *host, const char *address)
{
    const json_t *one = NULL;
    size_t i;

    json_array_foreach(hosts, i, one)
    {
        const char *name = json_string_or(one, "name", "");

        if (is_pair(host, address, name, json_string_or(one, "address", "")) ||
            is_pair(host, address, name, json_string_or(one, "disks_at", ""))) {
            return true;
        }
    }
    return false;
}

static bool refuse(const char *host, const char *address, struct err *err)
{
    err_set(err, ERR_DENIED,
            "the lease's record wants host '%s' fenced at %s, which is not known for its address",
            host, address);
    return err_mend(err,
                    "who else writes to this datastore? If that host is known to be off, fence "
                    "its address by hand and try again");
}

/* What the datastore says: in its maps, or fenced already. */
static bool ask(struct agent *agent, const struct store_conf *conf, const char *host,
                const char *address, struct err *err)
{
    struct store_health health = {0};
    bool fenced = false;

    if (!agent->backend->look(conf, &health, err)) {
        return false;
    }
    bool member = is_in_maps(health.hosts, host, address), away = health.state == STORE_AWAY;

    store_health_clear(&health);
    if (member) {
        return true;
    }
    if (away) {
        return err_set(err, ERR_AWAY, "the datastore does not say whether host '%s' is at %s", host,
                       address);
    }
    return agent->backend->leases->fenced(conf, address, &fenced, err) &&
           (fenced || refuse(host, address, err));
}

bool member_check(struct agent *agent, const char *host, const char *address, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    const struct store_conf conf = host_store_conf(&agent->host, monitors);

    if (!lease_address_valid(address) || lease_address_equal(address, conf.address) ||
        strcmp(host, conf.host) == 0) {
        return refuse(host, address, err);
    }
    return is_monitor(&conf, host, address) || lease_located(agent, host, address) ||
           ask(agent, &conf, host, address, err);
}

static void add_names(json_t *names, const json_t *list, const char *key)
{
    const json_t *one;
    size_t i, k;

    json_array_foreach(list, i, one)
    {
        const char *name = json_string_or(one, key, "");

        for (k = 0; k < json_array_size(names); k++) {
            if (strcmp(json_string_value(json_array_get(names, k)), name) == 0) {
                break;
            }
        }
        if (name[0] && k == json_array_size(names)) {
            json_array_append_new(names, json_string(name));
        }
    }
}

bool member_names(struct agent *agent, json_t **out, struct err *err)
{
    struct store_monitor monitors[STORE_MAX_MONITORS];
    struct store_health health = {.state = STORE_AWAY};

    pthread_mutex_lock(&agent->state);
    AUTO(host_clear) struct host host = host_copy(&agent->host);
    pthread_mutex_unlock(&agent->state);
    const struct store_conf conf = host_store_conf(&host, monitors);
    const struct store_backend *backend = NULL;

    if (!host.store_type) {
        return err_set(err, ERR_ABSENT, "this host has no datastore yet");
    }
    if (!store_backend_find(host.store_type, &backend, err) ||
        !backend->look(&conf, &health, err)) {
        return false;
    }
    bool away = health.state == STORE_AWAY;
    AUTO(drop_json) json_t *names = json_pack("[s]", host.name);

    add_names(names, health.hosts, "name");
    add_names(names, health.members, "host");
    store_health_clear(&health);
    if (away) {
        err_set(err, ERR_AWAY, "the datastore does not answer");
        return err_mend(err, "bring it back, then ask again");
    }
    *out = TAKE(names);
    return true;
}

bool member_is(struct agent *agent, const char *host, bool *out, struct err *err)
{
    AUTO(drop_json) json_t *names = NULL;
    const json_t *name;
    size_t i;

    if (!member_names(agent, &names, err)) {
        return false;
    }
    *out = false;
    json_array_foreach(names, i, name)
    {
        *out = *out || strcmp(json_string_value(name), host) == 0;
    }
    return true;
}

bool member_set(struct agent *agent, bool member, struct err *err)
{
    if (agent->host.member == member) {
        return true;
    }
    pthread_mutex_lock(&agent->state);
    agent->host.member = member;
    pthread_mutex_unlock(&agent->state);
    return agent_save(agent, err);
}
