/* SPDX-License-Identifier: Apache-2.0 */
/* quoin status, host list, key list: what the agents say, put together. */
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "cli/open.h"
#include "deploy/manager.h"
#include "plan/health.h"

/* The first host that answers; the others only tell of themselves. */
struct gathered {
    json_t *first;  /* borrowed from `all` */
    json_t *hosts;  /* [{"name","address","state"}] */
    json_t *all;    /* what health_look wants of each host, its status in it */
    json_t *health; /* what that finds */
};

static void drop_gathered(struct gathered *gathered)
{
    json_decref(gathered->hosts);
    json_decref(gathered->all);
    json_decref(gathered->health);
}

/* So many connections stay open: the manager is asked through one of them. */
#define KEPT 8u

/* One host's answer, each in a place of its own. */
struct asked {
    struct session *session;
    json_t **entries;
};

static double clock_now(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

static void ask(void *context, size_t number)
{
    const struct asked *asked = context;
    struct session *session = asked->session;
    struct remote **remote = &session->deploy.remotes[number];
    struct err why = {0};
    json_t *status = NULL;
    bool up = remote_open(&session->blueprint->hosts[number], remote, &why) &&
              remote_agent(*remote, &why);
    double began = clock_now();

    up = up && remote_status(*remote, &status, &why);
    const json_t *said = json_object_get(status, "time");
    json_t *skew = up && json_is_number(said)
                       ? json_real(health_skew(json_number_value(said), began, clock_now()))
                       : json_null();

    asked->entries[number] = json_pack(
        "{s:s, s:s, s:s?, s:o, s:o?}", "name", session->blueprint->hosts[number].name, "state",
        up ? "up" : "away", "trouble", up ? NULL : why.what, "skew", skew, "status", status);
    if (number >= KEPT) {
        remote_close(TAKE(*remote));
    }
}

static void add_host(struct gathered *out, const struct blueprint_host *host, json_t *entry)
{
    json_t *status = json_object_get(entry, "status");

    json_array_append_new(out->hosts,
                          json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "name", host->name, "address",
                                    host->address, "state", json_string_or(entry, "state", ""),
                                    "waiting", json_string_or(status, "waiting", NULL), "why",
                                    json_string_or(entry, "trouble", NULL)));
    json_object_set_new(json_array_get(out->hosts, json_array_size(out->hosts) - 1), "maintenance",
                        json_boolean(json_is_true(json_object_get(status, "maintenance"))));
    json_array_append_new(out->all, entry);
    if (!out->first && json_is_object(status)) {
        out->first = status;
    }
}

static void gather(struct session *session, struct gathered *out)
{
    size_t count = session->blueprint->host_count;
    AUTO(drop_free) json_t **entries = text_room(count, sizeof(*entries));
    struct asked asked = {session, entries};

    session_rooms(session);
    side_by_side(count, SIDE_HOSTS, ask, &asked);
    out->hosts = json_array();
    out->all = json_array();
    for (size_t i = 0; i < count; i++) {
        add_host(out, &session->blueprint->hosts[i], entries[i]);
    }
    AUTO(drop_json)
    json_t *view = json_pack("{s:s, s:I, s:s, s:O}", "cluster", session->state->cluster_id, "now",
                             (json_int_t)clock_now(), "asker", "this machine", "hosts", out->all);

    out->health = health_look(view);
}

static bool manager_answers(struct session *session)
{
    AUTO(drop_client) struct client *client = NULL;
    const struct client_call call = {.method = "GET", .path = "/healthz", .seconds = 5};
    struct err ignored = {0};

    return deploy_manager(&session->deploy, &client, &ignored) &&
           client_ask(client, &call, NULL, &ignored);
}

/* What the host that runs the manager says; where none does, what `first` does. */
static const json_t *runner_of(const struct gathered *gathered)
{
    json_t *entry;
    size_t i;

    json_array_foreach(gathered->all, i, entry)
    {
        const json_t *status = json_object_get(entry, "status");
        const json_t *vm = json_array_get(json_object_get(status, "vms"), 0);

        if (strcmp(json_string_or(vm, "state", ""), "running") == 0) {
            return status;
        }
    }
    return gathered->first;
}

static json_t *manager_json(struct session *session, const json_t *first)
{
    AUTO(drop_free) char *url = deploy_manager_url(session->blueprint);
    const json_t *vm = json_array_get(json_object_get(first, "vms"), 0);
    const char *state = json_string_or(vm, "state", "unknown");
    bool running = strcmp(state, "running") == 0;

    if (running) {
        state = manager_answers(session) ? "up" : "starting";
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s*}", "name", session->blueprint->manager.name,
                     "state", state, "host", json_string_or(first, "host", ""), "url", url,
                     "encrypted", json_is_true(json_object_get(vm, "encrypted")), "trouble",
                     json_string_value(json_object_get(vm, "trouble")));
}

static json_t *copy_or_null(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return value ? json_incref(value) : json_null();
}

static json_t *status_json(struct session *session, const struct gathered *gathered)
{
    return json_pack("{s:s, s:s, s:s*, s:b, s:o, s:o, s:o, s:o, s:O, s:O}", "cluster",
                     session->blueprint->cluster, "datacenter", session->blueprint->datacenter,
                     "phase", session->state->phase, "deployed", session->state->deployed,
                     "datastore", copy_or_null(gathered->first, "datastore"), "manager",
                     manager_json(session, runner_of(gathered)), "provider",
                     copy_or_null(gathered->first, "provider"), "recovery",
                     copy_or_null(gathered->first, "recovery"), "hosts", gathered->hosts, "health",
                     gathered->health);
}

static void print_datastore(const json_t *store)
{
    char used[16], total[16];

    printf("Datastore   %s (%s), %s, %s of %s used\n", json_string_or(store, "name", "-"),
           json_string_or(store, "type", "-"), json_string_or(store, "health", "unknown"),
           text_size((unsigned long long)json_integer_value(json_object_get(store, "bytes_used")),
                     used),
           text_size((unsigned long long)json_integer_value(json_object_get(store, "bytes_total")),
                     total));
    if (json_string_or(store, "reasons", "")[0]) {
        printf("            %s\n", json_string_or(store, "reasons", ""));
    }
}

/* Infos and each host's own words only where they are asked for. */
static void print_health(const json_t *health, bool detail)
{
    const char *worst = health_worst(health);
    size_t i;
    json_t *one;

    printf("Health      %s\n", strcmp(worst, "ok") == 0        ? "nothing stands against it"
                               : strcmp(worst, "warning") == 0 ? "needs attention"
                                                               : "needs help");
    json_array_foreach((json_t *)(uintptr_t)health, i, one)
    {
        const char *severity = json_string_or(one, "severity", "");

        if (detail || strcmp(severity, "info") != 0) {
            printf("            %s: %s\n              %s\n", severity,
                   json_string_or(one, "what", ""), json_string_or(one, "remedy", ""));
        }
    }
}

static void print_detail(const json_t *all)
{
    size_t i;
    json_t *host;

    json_array_foreach((json_t *)(uintptr_t)all, i, host)
    {
        const json_t *status = json_object_get(host, "status");
        const json_t *provider = json_object_get(status, "provider");

        printf(
            "Detail      %-12s agent %s, clock %+.0f s, provider %s %s, KEK %s, %zu machine(s)\n",
            json_string_or(host, "name", ""), json_string_or(status, "version", "-"),
            json_number_value(json_object_get(host, "skew")), json_string_or(provider, "name", "-"),
            json_string_or(provider, "state", "unknown"), json_string_or(provider, "kek", "-"),
            json_array_size(json_object_get(status, "vms")));
    }
}

static void print_recovery(const json_t *recovery)
{
    const char *state = json_string_or(recovery, "state", "none");

    printf("Recovery    %s\n",
           strcmp(state, "none") == 0 ? "no recovery key" : json_string_or(recovery, "id", "-"));
    if (strcmp(state, "fetched") == 0) {
        printf("            fetched %s\n", json_string_or(recovery, "fetched", ""));
    } else if (strcmp(state, "made") == 0) {
        puts("            not fetched yet: quoin key recovery --file FILE");
    }
}

static const char *maintenance_word(const json_t *host)
{
    return json_is_true(json_object_get(host, "maintenance")) ? ", in maintenance" : "";
}

static void print_status(const json_t *status)
{
    const json_t *manager = json_object_get(status, "manager");
    const json_t *provider = json_object_get(status, "provider");
    json_t *host;
    size_t i;

    printf("Cluster     %s in %s, last phase %s\n", json_string_or(status, "cluster", ""),
           json_string_or(status, "datacenter", ""), json_string_or(status, "phase", "none"));
    printf("Manager     %s, %s on %s, %s\n            %s\n", json_string_or(manager, "name", ""),
           json_string_or(manager, "state", ""), json_string_or(manager, "host", "-"),
           json_is_true(json_object_get(manager, "encrypted")) ? "encrypted" : "not sealed",
           json_string_or(manager, "url", ""));
    print_datastore(json_object_get(status, "datastore"));
    printf("Provider    %s (%s), KEK %s\n", json_string_or(provider, "name", "-"),
           json_string_or(provider, "type", "-"), json_string_or(provider, "kek", "-"));
    if (json_is_false(json_object_get(provider, "backup_fetched"))) {
        puts("            no backup of its keys was fetched yet: quoin key backup --file FILE");
    }
    print_recovery(json_object_get(status, "recovery"));
    json_array_foreach(json_object_get(status, "hosts"), i, host)
    {
        printf("Host        %-12s %-16s %s%s%s%s\n", json_string_or(host, "name", ""),
               json_string_or(host, "address", ""), json_string_or(host, "state", ""),
               maintenance_word(host),
               json_object_get(host, "waiting") || json_object_get(host, "why") ? ": " : "",
               json_string_or(host, "waiting", json_string_or(host, "why", "")));
    }
}

static bool write_ca(const struct state *state, const char *path, struct err *err)
{
    AUTO(drop_free) char *pem = NULL;

    return (state_read_ca(state, &pem, err) && file_write(path, pem, strlen(pem), 0644, err)) ||
           err_add(err, "write the certificate of the cluster's CA");
}

bool verb_status(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_gathered) struct gathered gathered = {0};

    if (!session_find(cli, &session, err)) {
        return false;
    }
    if (cli->ca && !write_ca(session.state, cli->ca, err)) {
        return false;
    }
    gather(&session, &gathered);
    AUTO(drop_json) json_t *status = status_json(&session, &gathered);

    if (cli->json) {
        cli_print_json(status);
    } else {
        print_status(status);
        print_health(gathered.health, cli->detail);
        if (cli->detail) {
            print_detail(gathered.all);
        }
    }
    if (!gathered.first) {
        cli->exit = err_exit_code(ERR_AWAY);
    }
    return true;
}

bool verb_host_list(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_gathered) struct gathered gathered = {0};
    json_t *host;
    size_t i;

    session.deploy.report = &session.report;
    report_begin(&session.report, cli->json);
    if (cli->count > 0 ? !session_load(cli, cli->words[0], &session, err) ||
                             !session_state(cli, false, &session, err)
                       : !session_find(cli, &session, err)) {
        return false;
    }
    gather(&session, &gathered);
    if (cli->json) {
        AUTO(drop_json) json_t *result = json_pack("{s:O}", "hosts", gathered.hosts);

        cli_print_json(result);
        return true;
    }
    json_array_foreach(gathered.hosts, i, host)
    {
        printf("%-16s %-20s %s%s\n", json_string_or(host, "name", ""),
               json_string_or(host, "address", ""), json_string_or(host, "state", ""),
               maintenance_word(host));
    }
    return true;
}

static void print_keys(const json_t *provider, const json_t *vms)
{
    json_t *vm;
    size_t i;

    printf("Provider %s (%s), sealed by %s\nKEK %s\n  made %s\n",
           json_string_or(provider, "name", "-"), json_string_or(provider, "type", "-"),
           json_string_or(provider, "sealed_by", "-"), json_string_or(provider, "kek", "-"),
           json_string_or(provider, "kek_made", "at the deploy"));
    if (json_is_string(json_object_get(provider, "old_kek"))) {
        printf("KEK %s of '%s' is being left: run the rotate or move again that was begun\n",
               json_string_or(provider, "old_kek", ""),
               json_string_or(provider, "old_provider", ""));
    }
    json_array_foreach(vms, i, vm)
    {
        const json_t *envelope = json_object_get(vm, "envelope");

        printf("VM %-12s envelope %s, generation %lld\n", json_string_or(vm, "name", "?"),
               json_string_or(envelope, "state", "unknown"),
               (long long)json_integer_value(json_object_get(envelope, "generation")));
    }
    printf("Backup fetched: %s\n",
           json_is_true(json_object_get(provider, "backup_fetched")) ? "yes" : "no");
}

bool verb_key_list(struct cli *cli, struct err *err)
{
    AUTO(drop_session) struct session session = {0};
    AUTO(drop_gathered) struct gathered gathered = {0};

    if (!session_find(cli, &session, err)) {
        return false;
    }
    gather(&session, &gathered);
    const json_t *provider = json_object_get(gathered.first, "provider");
    AUTO(drop_json)
    json_t *result = json_pack(
        "{s:o, s:o, s:o}", "provider", copy_or_null(gathered.first, "provider"), "vms",
        copy_or_null(gathered.first, "vms"), "recovery", copy_or_null(gathered.first, "recovery"));

    if (cli->json) {
        cli_print_json(result);
        return true;
    }
    print_keys(provider, json_object_get(result, "vms"));
    print_recovery(json_object_get(gathered.first, "recovery"));
    return true;
}
