/* SPDX-License-Identifier: Apache-2.0 */
/* The key provider and its KEK: the same on all hosts, usable from each, and a way back. */
#include <string.h>

#include "plan/health_find.h"

/* Who has which provider and which KEK for new keys. */
struct keys {
    json_t *providers, *keks; /* {value: [hosts]} */
    json_t *in_files, *without_backup, *without;
};

static void sort_host(struct keys *keys, const json_t *host, const json_t *status)
{
    const json_t *provider = json_object_get(status, "provider");
    const char *name = json_string_or(host, "name", "");

    if (!json_is_object(provider)) {
        json_array_append(keys->without, json_object_get(host, "name"));
        return;
    }
    AUTO(drop_free)
    char *called = text_make("%s (%s)", json_string_or(provider, "name", "?"),
                             json_string_or(provider, "type", "?"));

    health_sort(keys->providers, called, name);
    health_sort(keys->keks, json_string_or(provider, "kek", ""), name);
    if (strcmp(json_string_or(provider, "sealed_by", ""), "file") == 0) {
        json_array_append(keys->in_files, json_object_get(host, "name"));
    }
    if (json_is_false(json_object_get(provider, "backup_fetched"))) {
        json_array_append(keys->without_backup, json_object_get(host, "name"));
    }
}

static void look_at_same(struct health *health, const struct keys *keys)
{
    const struct health_place provider = {"error", "provider.differs", "key-providers", NULL, NULL};
    const struct health_place kek = {"warning", "kek.differs", "key-providers", NULL, NULL};

    if (json_object_size(keys->providers) > 1) {
        AUTO(drop_free) char *who = health_groups(keys->providers);

        health_find(health, &provider, "run the same deploy, or the same quoin key move, again",
                    "the hosts have different key providers: %s", who);
    } else if (json_object_size(keys->keks) > 1) {
        AUTO(drop_free) char *who = health_groups(keys->keks);

        health_find(health, &kek, "a rotation was not finished: run quoin key rotate again",
                    "new keys are wrapped with different KEKs: %s", who);
    }
    for (size_t i = 0; json_object_size(keys->providers) > 0 && i < json_array_size(keys->without);
         i++) {
        const json_t *name = json_array_get(keys->without, i);
        const struct health_place place = {"error", "provider.missing", "hosts",
                                           json_string_value(name), name};

        health_find(health, &place, "run the same deploy again: it gives it one",
                    "host '%s' has no key provider: it can start no machine",
                    json_string_value(name));
    }
}

/* What using it from this host came to last. */
static void look_at_use(struct health *health, const json_t *host)
{
    const json_t *provider = json_object_get(health_status(host), "provider");
    const char *trouble = json_string_or(provider, "trouble", "");
    const char *remedy = json_string_or(provider, "remedy", "");

    if (trouble[0]) {
        health_find_host(
            health, "error", "provider.fails", host,
            remedy[0] ? remedy
                      : "what runs goes on, what starts there waits: mend the way from "
                        "that host to the key provider",
            "host '%s' cannot use key provider '%s': %s", json_string_or(host, "name", ""),
            json_string_or(provider, "name", ""), trouble);
    }
}

/* Told for a day: who opened once is asked no more, so nobody says it again. */
#define FINDING_SECONDS 86400LL

/* A key server that lacks a key which another one has, has another one in its place, or was away
 * when a KEK was to be found at all of them. */
static void look_at_finding(struct health *health, const json_t *host)
{
    const json_t *status = health_status(host), *provider = json_object_get(status, "provider");
    const char *finding = json_string_or(provider, "finding", "");
    long long found = json_integer_value(json_object_get(provider, "found"));
    long long now = json_integer_value(json_object_get(status, "time"));

    if (finding[0] && now - found < FINDING_SECONDS) {
        health_find_host(health, "warning", "provider.finding", host,
                         "tell its operators: is that server down, or was an older copy of its "
                         "database put back?",
                         "host '%s' found that a server of key provider '%s' is not of use: %s",
                         json_string_or(host, "name", ""), json_string_or(provider, "name", ""),
                         finding);
    }
}

/* Weeks ahead: who signs certificates takes days. */
#define EXPIRY_WARNING (30 * 86400LL)

static void look_at_expiry(struct health *health, const json_t *host, const char *key,
                           const char *whose)
{
    const json_t *status = health_status(host);
    long long until = json_integer_value(json_object_get(json_object_get(status, "provider"), key));
    long long now = json_integer_value(json_object_get(status, "time"));
    const char *name = json_string_or(host, "name", "");

    if (until && until <= now) {
        health_find_host(health, "error", "certificate.expired", host,
                         "renew it: what runs goes on, what starts there waits",
                         "%s certificate between host '%s' and its key server has expired", whose,
                         name);
    } else if (until && until - now < EXPIRY_WARNING) {
        health_find_host(health, "warning", "certificate.expires", host, "renew it in time",
                         "%s certificate between host '%s' and its key server expires in %lld days",
                         whose, name, (until - now) / 86400);
    }
}

static void look_at_backup(struct health *health, const struct keys *keys)
{
    const struct health_place none = {"warning", "backup.missing", "key-providers", NULL,
                                      keys->without_backup};
    const struct health_place file = {"info", "provider.file", "key-providers", NULL,
                                      keys->in_files};

    if (json_array_size(keys->without_backup) > 0) {
        AUTO(drop_free) char *names = health_names(keys->without_backup);

        health_find(health, &none, "fetch one and keep it elsewhere: quoin key backup --file FILE",
                    "no backup of the keys on %s was fetched: with the host goes all they protect",
                    names);
    }
    if (json_array_size(keys->in_files) > 0) {
        AUTO(drop_free) char *names = health_names(keys->in_files);

        health_find(health, &file, "switch on the TPM, or move to a key server: quoin key move",
                    "the keys' root lies in a file, without a TPM, on %s", names);
    }
}

/* The last notice that a host has seen counts: one that was away knows of an older one. */
static void look_at_recovery(struct health *health)
{
    const struct health_place place = {"warning", "recovery.unfetched", "key-providers", NULL,
                                       NULL};
    bool made = false, fetched = false;
    json_t *host;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        const json_t *recovery = json_object_get(health_status(host), "recovery");
        const char *state = json_string_or(recovery, "state", "");

        made = made || strcmp(state, "made") == 0;
        fetched = fetched || strcmp(state, "fetched") == 0;
    }
    if (made && !fetched) {
        health_find(health, &place,
                    "fetch it and keep it elsewhere: quoin key recovery --file FILE",
                    "the recovery key is still with a host: without it nothing opens when the key "
                    "provider is gone");
    }
}

/* Envelopes that a rotation left behind. */
static void look_at_envelopes(struct health *health, const char *current)
{
    size_t i, n;
    json_t *host, *vm;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        json_array_foreach(json_object_get(health_status(host), "vms"), n, vm)
        {
            const char *kek = json_string_or(vm, "kek", ""), *name = json_string_or(vm, "name", "");
            const struct health_place place = {"warning", "envelope.old", "vms", name,
                                               json_object_get(host, "name")};

            if (kek[0] && strcmp(kek, current) != 0) {
                health_find(health, &place,
                            "a rotation was not finished: run quoin key rotate again",
                            "the envelope of '%s' is wrapped with %s, new keys with %s", name, kek,
                            current);
            }
        }
    }
}

void health_keys(struct health *health)
{
    AUTO(drop_json) json_t *providers = json_object(), *keks = json_object();
    AUTO(drop_json) json_t *in_files = json_array(), *without_backup = json_array();
    AUTO(drop_json) json_t *without = json_array();
    struct keys keys = {providers, keks, in_files, without_backup, without};
    size_t i;
    json_t *host;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        if (health_status(host)) {
            sort_host(&keys, host, health_status(host));
            look_at_use(health, host);
            look_at_finding(health, host);
            look_at_expiry(health, host, "client_certificate_expires", "the client's");
            look_at_expiry(health, host, "server_certificate_expires", "the server's");
        }
    }
    look_at_same(health, &keys);
    if (health_most(keks)) {
        look_at_envelopes(health, health_most(keks));
    }
    look_at_backup(health, &keys);
    look_at_recovery(health);
}
