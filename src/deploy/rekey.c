/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/rekey.h"

#include <string.h>

#include "deploy/ask.h"

/* A host that is part of the cluster. */
struct member {
    struct remote *remote;
    json_t *status; /* owned */
    json_t *keks;   /* what key.make or key.take told; owned */
};

struct members {
    struct member *items;
    size_t count;
    struct member *maker;
};

static void drop_members(struct members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        json_decref(members->items[i].status);
        json_decref(members->items[i].keks);
    }
    free(members->items);
}

static const json_t *provider_of(const struct member *member)
{
    return json_object_get(member->status, "provider");
}

static const char *old_of(const json_t *keks)
{
    return json_string_value(json_object_get(keks, "old"));
}

/* ---- who is there ---- */

static bool not_reached(const struct err *why, const char *host, struct err *err)
{
    *err = *why;
    err_add(err, "host '%s' must take part", host);
    return err_mend(err, "bring it back, or take it out of the cluster: quoin host remove");
}

/* A host that is in the blueprint and not yet in the cluster has nothing to rewrap. */
static bool add_member(struct deploy *deploy, size_t number, struct members *members,
                       struct err *err)
{
    const char *name = deploy->blueprint->hosts[number].name;
    struct member member = {.remote = deploy->remotes[number]};
    struct err why = {0};

    if (!member.remote) {
        return not_reached(&deploy->answers[number].err, name, err);
    }
    if (!remote_status(member.remote, &member.status, &why)) {
        return why.kind == ERR_ABSENT || not_reached(&why, name, err);
    }
    if (!json_is_object(provider_of(&member)) ||
        !json_is_string(json_object_get(provider_of(&member), "kek"))) {
        json_decref(member.status);
        return true;
    }
    members->items[members->count++] = member;
    return true;
}

/* Who has begun goes on, also where the manager had it begin; else the first. */
static struct member *maker_of(const struct members *members)
{
    struct member *maker = &members->items[0];

    for (size_t i = members->count; i-- > 0;) {
        if (json_is_true(json_object_get(provider_of(&members->items[i]), "begun"))) {
            maker = &members->items[i];
        }
    }
    for (size_t i = members->count; i-- > 0;) {
        if (json_is_string(json_object_get(provider_of(&members->items[i]), "old_kek"))) {
            maker = &members->items[i];
        }
    }
    return maker;
}

/* A host that no blueprint names would be left with a KEK that is retired. */
static bool names_all(const struct deploy *deploy, const struct member *maker, struct err *err)
{
    const json_t *datastore = json_object_get(maker->status, "datastore"), *host;
    size_t i;

    json_array_foreach(json_object_get(datastore, "hosts"), i, host)
    {
        const char *name = json_string_or(host, "name", "");
        size_t k = 0;

        while (k < deploy->blueprint->host_count &&
               strcmp(deploy->blueprint->hosts[k].name, name) != 0) {
            k++;
        }
        if (k == deploy->blueprint->host_count) {
            err_set(err, ERR_CLASH, "host '%s' is in the cluster, but not in the blueprint", name);
            return err_mend(err, "put it into the blueprint, or take it out of the cluster: quoin "
                                 "host remove");
        }
    }
    return true;
}

static bool find_members(struct deploy *deploy, struct members *out, struct err *err)
{
    size_t count = deploy->blueprint->host_count;

    out->items = text_room(count, sizeof(*out->items));
    for (size_t i = 0; i < count; i++) {
        if (!add_member(deploy, i, out, err)) {
            return false;
        }
    }
    if (out->count == 0) {
        err_set(err, ERR_ABSENT, "no host of cluster '%s' has a KEK yet",
                deploy->blueprint->cluster);
        return err_mend(err, "run quoin deploy first");
    }
    out->maker = maker_of(out);
    return names_all(deploy, out->maker, err);
}

/* ---- steps ---- */

static bool step(struct deploy *deploy, struct remote *remote, const char *kind, json_t *params,
                 json_t **out_result, struct err *err)
{
    report_step(deploy->report, kind, remote->host->name, NULL);
    return deploy_step(deploy, remote, kind, params, out_result, err);
}

/* {"provider":…} for a move, {} for a rotation; secrets of the new provider go to the agent. */
static bool target_params(struct deploy *deploy, const struct blueprint *to, struct remote *remote,
                          json_t **out, struct err *err)
{
    struct deploy elsewhere = {.blueprint = to};
    json_t *provider = NULL;

    (void)deploy;
    *out = json_object();
    if (to && !ask_provider(&elsewhere, remote, &provider, err)) {
        return false;
    }
    if (provider) {
        json_object_set_new(*out, "provider", provider);
    }
    return true;
}

/* A native provider's new keys go to the other host in a parcel for its certificate. */
static bool hand_on(struct deploy *deploy, struct remote *from, struct remote *to, json_t *params,
                    struct err *err)
{
    AUTO(drop_json) json_t *request = NULL, *share = NULL;
    const char *certificate;

    if (!step(deploy, to, "agent.request",
              json_pack("{s:s}", "tpm", ask_tpm_word(deploy->blueprint)), &request, err) ||
        !json_get_string(request, "certificate", CERTIFICATE_MAX, &certificate, err) ||
        !step(deploy, from, "host.share", json_pack("{s:s}", "certificate", certificate), &share,
              err)) {
        return err_add(err, "hand the new keys on to host '%s'", to->host->name);
    }
    json_object_set(params, "parcel", json_object_get(share, "parcel"));
    json_object_set(params, "proof", json_object_get(share, "proof"));
    return true;
}

static bool take(struct deploy *deploy, const struct blueprint *to, const struct members *members,
                 struct member *member, struct err *err)
{
    const json_t *made = members->maker->keks;
    const char *kek = json_string_or(made, "kek", "");
    AUTO(drop_json) json_t *params = NULL;
    bool has = strcmp(json_string_or(provider_of(member), "kek", ""), kek) == 0;

    if (!target_params(deploy, to, member->remote, &params, err) ||
        (!has && strcmp(json_string_or(made, "type", ""), "native") == 0 &&
         !hand_on(deploy, members->maker->remote, member->remote, params, err))) {
        return false;
    }
    json_object_set_new(params, "kek", json_string(kek));
    return step(deploy, member->remote, "key.take", json_incref(params), &member->keks, err);
}

static bool make_at(struct deploy *deploy, const struct blueprint *to, struct member *member,
                    struct err *err)
{
    json_t *params = NULL;

    if (!target_params(deploy, to, member->remote, &params, err)) {
        json_decref(params);
        return false;
    }
    return step(deploy, member->remote, "key.make", params, &member->keks, err);
}

/* Another host may have claimed to make it and was stopped there: it alone goes on, and those that
 * are asked in vain change nothing. */
static bool make_kek(struct deploy *deploy, const struct blueprint *to, struct members *members,
                     struct err *err)
{
    if (make_at(deploy, to, members->maker, err)) {
        return true;
    }
    if (to || err->kind != ERR_CLASH ||
        json_is_string(json_object_get(provider_of(members->maker), "old_kek"))) {
        return false;
    }
    for (size_t i = 0; i < members->count; i++) {
        struct err other = {0};

        if (&members->items[i] != members->maker &&
            make_at(deploy, to, &members->items[i], &other)) {
            members->maker = &members->items[i];
            *err = (struct err){0};
            return true;
        }
    }
    return false;
}

static bool bring_all(struct deploy *deploy, const struct blueprint *to, struct members *members,
                      struct err *err)
{
    report_phase(deploy->report, "keys", 1, REKEY_PHASES);
    if (!make_kek(deploy, to, members, err)) {
        return false;
    }
    for (size_t i = 0; i < members->count; i++) {
        if (&members->items[i] != members->maker &&
            !take(deploy, to, members, &members->items[i], err)) {
            return false;
        }
    }
    return true;
}

static bool rewrap_all(struct deploy *deploy, const struct members *members, json_t *vms,
                       struct err *err)
{
    report_phase(deploy->report, "rewrap", 2, REKEY_PHASES);
    for (size_t i = 0; i < members->count; i++) {
        AUTO(drop_json) json_t *done = NULL;
        const char *host = members->items[i].remote->host->name;
        json_t *vm;
        size_t k;

        if (!step(deploy, members->items[i].remote, "key.rewrap", NULL, &done, err)) {
            return false;
        }
        json_array_foreach(json_object_get(done, "vms"), k, vm)
        {
            const char *owner = json_string_or(vm, "host", "");

            if (strcmp(owner, host) == 0 || (owner[0] == '\0' && i == 0)) {
                json_array_append(vms, vm);
            }
        }
    }
    return true;
}

/* The first envelope that is not under the new KEK, by name. */
static bool refuse_left(const json_t *look, const char *host, struct err *err)
{
    json_t *vm;
    size_t i;

    json_array_foreach(json_object_get(look, "vms"), i, vm)
    {
        if (strcmp(json_string_or(vm, "state", ""), "current") != 0) {
            err_set(err, ERR_AWAY, "VM '%s' of host '%s' is not under the new KEK yet%s%s",
                    json_string_or(vm, "name", "?"), json_string_or(vm, "host", "?"),
                    json_object_get(vm, "why") ? ": " : "", json_string_or(vm, "why", ""));
            return err_mend(err, "both KEKs open it; run the same command again");
        }
    }
    err_set(err, ERR_CLASH, "host '%s' sees envelopes that are not under the new KEK", host);
    return err_mend(err, "both KEKs are kept; quoin key list says which it is");
}

static bool verify_all(struct deploy *deploy, const struct members *members, struct err *err)
{
    report_phase(deploy->report, "verify", 3, REKEY_PHASES);
    for (size_t i = 0; i < members->count; i++) {
        struct remote *remote = members->items[i].remote;
        AUTO(drop_json) json_t *look = NULL;

        if (!step(deploy, remote, "key.look", json_pack("{s:b}", "prove", 1), &look, err)) {
            return false;
        }
        if (json_integer_value(json_object_get(look, "left")) != 0) {
            return refuse_left(look, remote->host->name, err);
        }
    }
    return true;
}

static bool retire_all(struct deploy *deploy, const struct members *members, struct err *err)
{
    report_phase(deploy->report, "retire", 4, REKEY_PHASES);
    for (size_t i = 0; i < members->count; i++) {
        const char *old = old_of(members->items[i].keks);

        if (old && !step(deploy, members->items[i].remote, "key.retire",
                         json_pack("{s:s}", "kek", old), NULL, err)) {
            return false;
        }
    }
    return true;
}

bool rekey_run(struct deploy *deploy, const struct blueprint *to, json_t **out_result,
               struct err *err)
{
    AUTO(drop_members) struct members members = {0};
    AUTO(drop_json) json_t *vms = json_array();

    if (!find_members(deploy, &members, err) || !bring_all(deploy, to, &members, err) ||
        !rewrap_all(deploy, &members, vms, err) || !verify_all(deploy, &members, err) ||
        !retire_all(deploy, &members, err)) {
        return false;
    }
    *out_result = json_deep_copy(members.maker->keks);
    json_object_set_new(*out_result, "changed", json_boolean(deploy->changed));
    json_object_set(*out_result, "vms", vms);
    return true;
}

/* ---- only looking ---- */

static json_t *vm_json(const json_t *vm)
{
    static const char *const keys[] = {"id", "name", "kek", "generation", "state"};
    json_t *object = json_object(), *disks = json_array(), *disk;
    const json_t *envelope = json_object_get(vm, "envelope");
    size_t i;

    for (i = 0; i < COUNT_OF(keys); i++) {
        json_t *value = json_object_get(envelope, keys[i]);

        value = value ? value : json_object_get(vm, keys[i]);
        json_object_set_new(object, keys[i], value ? json_incref(value) : json_null());
    }
    json_array_foreach(json_object_get(vm, "disks"), i, disk)
    {
        json_array_append(disks, json_object_get(disk, "name"));
    }
    json_object_set_new(object, "disks", disks);
    return object;
}

bool rekey_look(struct deploy *deploy, const struct blueprint *to, json_t **out_result,
                struct err *err)
{
    AUTO(drop_members) struct members members = {0};
    json_t *hosts, *vms, *vm;
    size_t i;

    if (!find_members(deploy, &members, err)) {
        return false;
    }
    const json_t *provider = provider_of(members.maker);
    json_t *made = json_object_get(provider, "kek_made");

    hosts = json_array();
    vms = json_array();
    for (i = 0; i < members.count; i++) {
        json_array_append_new(hosts, json_string(members.items[i].remote->host->name));
    }
    /* Each host sees all VMs of the datastore. */
    json_array_foreach(json_object_get(members.maker->status, "vms"), i, vm)
    {
        json_array_append_new(vms, vm_json(vm));
    }
    *out_result = json_pack(
        "{s:s, s:s, s:s, s:o, s:b, s:o, s:o, s:o}", "provider",
        json_string_or(provider, "name", ""), "type", json_string_or(provider, "type", ""), "kek",
        json_string_or(provider, "kek", ""), "made", made ? json_incref(made) : json_null(),
        "unfinished", json_is_string(json_object_get(provider, "old_kek")), "to",
        to ? json_string(to->encryption.provider.name) : json_null(), "hosts", hosts, "vms", vms);
    return true;
}
