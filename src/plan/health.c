/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts, clocks, versions and certificates; and how findings are told. */
#include "plan/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plan/health_find.h"

/* One sentence, names of hosts and a peer's words in it. */
#define WHAT_SIZE 1024u
/* More names than this nobody reads. */
#define NAMES_SHOWN 5u
/* A status tells whole seconds, and the datastore's monitors want 0.05 s: this is only for clocks
 * that nobody keeps. Beyond the second, certificates and the datastore's tickets fail. */
#define CLOCK_WARNING 2.0
#define CLOCK_ERROR   30.0
/* Long enough for a holiday. */
#define CERTIFICATE_DAYS 30
#define DAY              86400

static void keep(struct health *health, const struct health_place *place, const char *remedy,
                 const char *what)
{
    json_t *list = strcmp(place->severity, "error") == 0     ? health->errors
                   : strcmp(place->severity, "warning") == 0 ? health->warnings
                                                             : health->infos;
    AUTO(drop_free)
    char *where =
        text_make("%s%s%s", place->kind, place->name ? "/" : "", place->name ? place->name : "");
    /* Copies: what is flattened below must not be what the view holds. */
    json_t *hosts = json_is_array(place->hosts) ? json_deep_copy(place->hosts) : json_array();

    if (json_is_string(place->hosts)) {
        json_array_append_new(hosts, json_string(json_string_value(place->hosts)));
    }
    json_t *finding =
        json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "severity", place->severity, "code",
                  place->code, "where", where, "hosts", hosts, "what", what, "remedy", remedy);

    json_flatten(finding);
    json_array_append_new(list, finding);
}

/* What was cut may end inside a character, which is no JSON. */
static void end_whole(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && (text[length - 1] & 0xc0) == 0x80) {
        length--;
    }
    if (length > 0 && (text[length - 1] & 0x80)) {
        length--;
    }
    text[length] = '\0';
}

__attribute__((format(printf, 4, 0))) static void put(struct health *health,
                                                      const struct health_place *place,
                                                      const char *remedy, const char *format,
                                                      va_list list)
{
    char what[WHAT_SIZE];

    if (vsnprintf(what, sizeof(what), format, list) >= (int)sizeof(what)) {
        end_whole(what);
    }
    keep(health, place, remedy, what);
}

void health_find(struct health *health, const struct health_place *place, const char *remedy,
                 const char *format, ...)
{
    va_list list;

    va_start(list, format);
    put(health, place, remedy, format, list);
    va_end(list);
}

void health_find_host(struct health *health, const char *severity, const char *code,
                      const json_t *host, const char *remedy, const char *format, ...)
{
    const struct health_place place = {severity, code, "hosts", json_string_or(host, "name", ""),
                                       json_object_get(host, "name")};
    va_list list;

    va_start(list, format);
    put(health, &place, remedy, format, list);
    va_end(list);
}

char *health_names(const json_t *names)
{
    AUTO(drop_text) struct text text = {0};
    size_t count = json_array_size(names), shown = count > NAMES_SHOWN + 1 ? NAMES_SHOWN : count;

    for (size_t i = 0; i < shown; i++) {
        text_addf(&text, "%s%s", i ? ", " : "", json_string_value(json_array_get(names, i)));
    }
    if (shown < count) {
        text_addf(&text, " and %zu more", count - shown);
    }
    return text_take(&text);
}

const json_t *health_status(const json_t *host)
{
    const json_t *status = json_object_get(host, "status");

    return strcmp(json_string_or(host, "state", ""), "up") == 0 && json_is_object(status) ? status
                                                                                          : NULL;
}

void health_sort(json_t *groups, const char *value, const char *host)
{
    json_t *names = json_object_get(groups, value);

    if (!value[0]) {
        return;
    }
    if (!names) {
        names = json_array();
        json_object_set_new(groups, value, names);
    }
    json_array_append_new(names, json_string(host));
}

char *health_groups(const json_t *groups)
{
    AUTO(drop_text) struct text text = {0};
    const char *value;
    json_t *names;

    json_object_foreach((json_t *)(uintptr_t)groups, value, names)
    {
        AUTO(drop_free) char *who = health_names(names);

        text_addf(&text, "%s%s on %s", text.length ? "; " : "", value, who);
    }
    return text_take(&text);
}

const char *health_most(const json_t *groups)
{
    const char *value, *most = NULL;
    size_t count = 0;
    json_t *names;

    json_object_foreach((json_t *)(uintptr_t)groups, value, names)
    {
        if (json_array_size(names) > count) {
            count = json_array_size(names);
            most = value;
        }
    }
    return most;
}

/* What a host waits for is often what one of its machines is in trouble for: said there. */
static bool is_said(const json_t *status, const char *waiting)
{
    size_t i;
    json_t *vm;

    json_array_foreach(json_object_get(status, "vms"), i, vm)
    {
        if (strcmp(json_string_or(vm, "trouble", ""), waiting) == 0) {
            return true;
        }
    }
    return strcmp(json_string_or(json_object_get(status, "provider"), "trouble", ""), waiting) == 0;
}

static void look_at_up(struct health *health, const json_t *host, const json_t *status)
{
    const char *name = json_string_or(host, "name", "");
    const char *id = json_string_or(json_object_get(status, "cluster"), "id", "");
    const char *waiting = json_string_or(status, "waiting", "");
    const char *remedy = json_string_or(status, "waiting_remedy", NULL);

    if (id[0] && health->cluster[0] && strcmp(id, health->cluster) != 0) {
        health_find_host(health, "error", "host.stranger", host,
                         "check its address; a host is of one cluster only",
                         "the host at the address of '%s' is of another cluster (%.36s)", name, id);
        return;
    }
    if (json_is_false(json_object_get(status, "enrolled"))) {
        health_find_host(health, "warning", "host.not_enrolled", host,
                         remedy ? remedy : "run the same deploy again: it gives it one",
                         "the agent of '%s' has no certificate of the cluster, so no other host "
                         "can reach it",
                         name);
    }
    if (waiting[0] && !is_said(status, waiting)) {
        health_find_host(health, "warning", "host.waits", host,
                         remedy ? remedy
                                : "it goes on by itself once that is there; its journal says more: "
                                  "journalctl -u quoind",
                         "host '%s' waits: %s", name, waiting);
    }
}

static void look_at_hosts(struct health *health)
{
    size_t i;
    json_t *host;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        const json_t *status = health_status(host);
        const char *name = json_string_or(host, "name", "");

        if (strcmp(json_string_or(host, "state", ""), "away") == 0) {
            AUTO(drop_free)
            char *remedy = text_make("see to its power, its network and its agent (systemctl "
                                     "status quoind); if it is gone for good: quoin host replace "
                                     "%s --with HOST",
                                     name);

            health_find_host(health, "error", "host.away", host, remedy,
                             "host '%s' does not answer: %s", name,
                             json_string_or(host, "trouble", "no reason is known"));
        } else if (status) {
            look_at_up(health, host, status);
        }
    }
}

double health_skew(double said, double began, double ended)
{
    /* It said a whole second: the moment lies in that second. */
    double least = said - ended, most = said + 1 - began;

    return least > 0 ? least : most < 0 ? most : 0;
}

static bool skew_of(const json_t *host, double *out)
{
    const json_t *skew = json_object_get(host, "skew");

    *out = json_number_value(skew);
    return json_is_number(skew) && strcmp(json_string_or(host, "state", ""), "up") == 0;
}

static double off_by(double a, double b)
{
    return a < b ? b - a : a - b;
}

/* How many clocks, the asker's (which is at 0) among them, agree with `skew`. */
static unsigned supporters(const struct health *health, double skew)
{
    unsigned count = skew <= CLOCK_WARNING && skew >= -CLOCK_WARNING;
    size_t i;
    json_t *host;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        double other;

        count += skew_of(host, &other) && off_by(other, skew) <= CLOCK_WARNING;
    }
    return count;
}

/* What most clocks say; in doubt the asker's own. */
static double clock_of_most(const struct health *health)
{
    unsigned most = supporters(health, 0);
    double reference = 0;
    size_t i;
    json_t *host;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        double skew;
        unsigned count = 0;

        if (skew_of(host, &skew) && off_by(skew, reference) > CLOCK_WARNING &&
            (count = supporters(health, skew)) > most) {
            most = count;
            reference = skew;
        }
    }
    return reference;
}

static const char *clock_severity(double off)
{
    return off > CLOCK_ERROR ? "error" : "warning";
}

static void look_at_clocks(struct health *health)
{
    static const char remedy[] = "set it: systemctl enable --now systemd-timesyncd, or chrony";
    double reference = clock_of_most(health), off = off_by(reference, 0);
    const struct health_place asker = {clock_severity(off), "clock.asker", "clock", NULL, NULL};
    size_t i;
    json_t *host;

    if (off > CLOCK_WARNING) {
        health_find(health, &asker, remedy, "the clock of %s is %.0f s %s, as most hosts say",
                    health->asker, off, reference > 0 ? "slow" : "fast");
    }
    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        double skew;

        if (!skew_of(host, &skew) || off_by(skew, reference) <= CLOCK_WARNING) {
            continue;
        }
        off = off_by(skew, reference);
        health_find_host(health, clock_severity(off), "clock.off", host, remedy,
                         "the clock of '%s' is %.0f s %s", json_string_or(host, "name", ""), off,
                         skew > reference ? "fast" : "slow");
    }
}

static void look_at_versions(struct health *health)
{
    AUTO(drop_json) json_t *groups = json_object();
    size_t i;
    json_t *host;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        health_sort(groups, json_string_or(health_status(host), "version", ""),
                    json_string_or(host, "name", ""));
    }
    if (json_object_size(groups) > 1) {
        AUTO(drop_free) char *who = health_groups(groups);
        const struct health_place place = {"warning", "version.differs", "hosts", NULL, NULL};

        health_find(health, &place, "run the same deploy again: it brings all hosts to one version",
                    "the agents are of different versions: %s", who);
    }
}

/* What a certificate in a status is for, and how to get a new one. */
static const struct {
    const char *name, *what, *remedy;
} certificates[] = {
    {"host", "the agent's certificate", "run the same deploy again: it makes a new one"},
    {"ca", "the certificate of the cluster's CA", "deploy the cluster again before that day"},
    {"provider", "the client certificate for the key provider",
     "have a new one signed, put it into the blueprint and deploy again"},
};

static void look_at_certificate(struct health *health, const json_t *host,
                                const json_t *certificate)
{
    const char *name = json_string_or(certificate, "name", ""), *what = name;
    const char *remedy = "renew it before that day";
    const json_t *ends = json_object_get(certificate, "ends");
    json_int_t days = (json_integer_value(ends) - health->now) / DAY;

    if (!json_is_integer(ends) || days >= CERTIFICATE_DAYS) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(certificates); i++) {
        if (strcmp(certificates[i].name, name) == 0) {
            what = certificates[i].what;
            remedy = certificates[i].remedy;
        }
    }
    if (json_integer_value(ends) <= health->now) {
        health_find_host(health, "error", "certificate.ended", host, remedy,
                         "%s on '%s' has expired", what, json_string_or(host, "name", ""));
    } else {
        health_find_host(health, "warning", "certificate.ends", host, remedy,
                         "%s on '%s' expires in %lld day%s", what, json_string_or(host, "name", ""),
                         (long long)days, days == 1 ? "" : "s");
    }
}

static void look_at_certificates(struct health *health)
{
    size_t i, n;
    json_t *host, *certificate;

    json_array_foreach((json_t *)(uintptr_t)health->hosts, i, host)
    {
        json_array_foreach(json_object_get(health_status(host), "certificates"), n, certificate)
        {
            look_at_certificate(health, host, certificate);
        }
    }
}

json_t *health_look(const json_t *view)
{
    struct health health = {.hosts = json_object_get(view, "hosts"),
                            .cluster = json_string_or(view, "cluster", ""),
                            .asker = json_string_or(view, "asker", "this machine"),
                            .now = json_integer_value(json_object_get(view, "now")),
                            .errors = json_array(),
                            .warnings = json_array(),
                            .infos = json_array()};

    look_at_hosts(&health);
    health_store(&health);
    health_vms(&health);
    health_leases(&health);
    health_keys(&health);
    look_at_clocks(&health);
    look_at_certificates(&health);
    look_at_versions(&health);
    json_array_extend(health.errors, health.warnings);
    json_array_extend(health.errors, health.infos);
    json_decref(health.warnings);
    json_decref(health.infos);
    return health.errors;
}

const char *health_worst(const json_t *findings)
{
    const char *first = json_string_or(json_array_get(findings, 0), "severity", "info");

    return strcmp(first, "info") == 0 ? "ok" : first;
}
