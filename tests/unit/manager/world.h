/* SPDX-License-Identifier: Apache-2.0 */
/* A whole manager on loopback, with real TLS, and one agent that the tests make say things. */
#ifndef QUOIN_TESTS_MANAGER_WORLD_H
#define QUOIN_TESTS_MANAGER_WORLD_H

#include <pthread.h>
#include <time.h>

#include "manager/journal.h"
#include "manager/manager.h"
#include "tests.h"

#define PASSWORD "correct \"horse\" \\ b\xc3\xa4ttery"

static struct {
    struct cluster cluster;
    char *folder, *data, *identity, *url;
    struct server *agent;
    struct manager *manager;
    struct client *client;
    struct secret *token; /* of who is signed in, or NULL */
    pthread_mutex_t lock;
    json_t *status; /* what the agent says; NULL: that it is busy */
    json_t *audit;  /* what it says of uses of keys; NULL: that it is busy */
    /* What it does when asked for a phase of a rotation. */
    void (*rotate)(struct request *request, const char *phase);
    unsigned rotate_seconds; /* 0: as usual */
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((unused)) static void agent_answer(struct request *request, void *context)
{
    struct err err = {0};

    (void)context;
    pthread_mutex_lock(&world.lock);
    AUTO(drop_json) json_t *status = json_deep_copy(world.status);
    pthread_mutex_unlock(&world.lock);
    if (status) {
        reply_json(request, 200, status);
    } else {
        err_set(&err, ERR_AWAY, "the host is busy");
        reply_err(request, &err);
    }
}

/* Those after ?after=, if ?source= is the same, two at a time; as quoind does with 512. */
__attribute__((unused)) static void agent_events(struct request *request, void *context)
{
    const char *after = request_query(request, "after"), *source = request_query(request, "source");
    struct err err = {0};

    (void)context;
    pthread_mutex_lock(&world.lock);
    AUTO(drop_json) json_t *audit = json_deep_copy(world.audit);
    pthread_mutex_unlock(&world.lock);
    if (!audit) {
        err_set(&err, ERR_AWAY, "the host is busy");
        reply_err(request, &err);
        return;
    }
    json_t *all = json_object_get(audit, "events");
    bool same = source && strcmp(source, json_string_or(audit, "source", "")) == 0;
    json_int_t from = same && after ? strtoll(after, NULL, 10) : 0;
    json_t *some = json_array();

    for (size_t i = 0; i < json_array_size(all) && json_array_size(some) < 2; i++) {
        json_t *event = json_array_get(all, i);

        if (json_integer_value(json_object_get(event, "id")) > from) {
            json_array_append(some, event);
        }
    }
    json_t *last = json_array_get(some, json_array_size(some) - 1);

    json_object_set_new(audit, "next",
                        last ? json_incref(json_object_get(last, "id")) : json_integer(from));
    json_object_set_new(audit, "events", some);
    reply_json(request, 200, audit);
}

__attribute__((unused)) static void agent_rotate(struct request *request, void *context)
{
    (void)context;
    world.rotate(request, request_value(request, "phase"));
}

/* Agents serve who is a manager, and nobody who only says so. */
static const struct route agent_routes[] = {
    {"GET", "/v1/status", ROLE_MANAGER, 0, agent_answer},
    {"GET", "/v1/events", ROLE_MANAGER, 0, agent_events},
    {"POST", "/v1/key/rotate/{phase}", ROLE_MANAGER, 65536, agent_rotate},
};

/* NULL: it is busy. */
__attribute__((unused)) static void agent_says(const char *quoted)
{
    json_t *next = quoted ? json_of(quoted) : NULL;

    pthread_mutex_lock(&world.lock);
    json_decref(world.status);
    world.status = next;
    pthread_mutex_unlock(&world.lock);
}

__attribute__((unused)) static void agent_audits(const char *quoted)
{
    json_t *next = quoted ? json_of(quoted) : NULL;

    pthread_mutex_lock(&world.lock);
    json_decref(world.audit);
    world.audit = next;
    pthread_mutex_unlock(&world.lock);
}

#define STATUS(rest)                                                                               \
    "{'version': '0.1.0', 'host': 'h1', 'cluster': {'id': '" CLUSTER "', 'name': 'edge-01',"       \
    " 'datacenter': 'fra1'}, 'enrolled': true" rest "}"

__attribute__((unused)) static void manager_begin(void)
{
    const struct manager_conf conf = {.identity = world.identity,
                                      .data = world.data,
                                      .address = "127.0.0.1",
                                      .agent_port = server_port(world.agent),
                                      .seconds = 1,
                                      .rotate = world.rotate_seconds};
    struct err err = {0};

    assert_done(manager_open(&conf, &world.manager, &err), &err);
    world.url = text_make("https://127.0.0.1:%u", manager_port(world.manager));
    const struct client_conf client = {.url = world.url, .authority = world.cluster.ca};

    assert_done(client_open(&client, &world.client, &err), &err);
}

__attribute__((unused)) static void manager_end(void)
{
    client_close(world.client);
    manager_close(TAKE(world.manager));
    free(TAKE(world.url));
}

__attribute__((unused)) static void write_identity(enum role role)
{
    AUTO(drop_secret) struct secret *password = secret_of(PASSWORD, strlen(PASSWORD));
    AUTO(drop_free) char *hash = NULL;
    AUTO(drop_json) json_t *document = NULL;
    struct err err = {0};

    assert_done(password_hash(password, &hash, &err), &err);
    document = cluster_identity(&world.cluster, role, "admin", hash);
    assert_done(cluster_write_identity(document, world.folder, &err), &err);
}

__attribute__((unused)) static int world_begin(void **state)
{
    struct err err = {0};

    (void)state;
    world.folder = folder_make();
    world.data = text_make("%s/data", world.folder);
    world.identity = text_make("%s/identity", world.folder);
    assert_done(cluster_begin(&world.cluster, &err), &err);
    write_identity(ROLE_MANAGER);
    assert_done(cluster_agent(&world.cluster, "h1", agent_routes, COUNT_OF(agent_routes), NULL,
                              &world.agent, &err),
                &err);
    agent_says(STATUS(""));
    manager_begin();
    return 0;
}

__attribute__((unused)) static int world_end(void **state)
{
    (void)state;
    manager_end();
    server_stop(world.agent);
    secret_free(TAKE(world.token));
    json_decref(TAKE(world.status));
    json_decref(TAKE(world.audit));
    cluster_end(&world.cluster);
    folder_drop(&world.folder);
    free(world.data);
    free(world.identity);
    return 0;
}

/* `body` as json_of reads it, or NULL; the answer or the error. */
__attribute__((unused)) static bool api(const char *method, const char *path, const char *body,
                                        json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *json = body ? json_of(body) : NULL;
    AUTO(drop_free) char *whole = text_make("/api/v1/%s", path);
    const struct client_call call = {
        .method = method, .path = whole, .json = json, .bearer = world.token, .seconds = 20};

    return client_ask(world.client, &call, out, err);
}

__attribute__((unused)) static bool sign_in(const char *user, const char *password, json_t **out,
                                            struct err *err)
{
    AUTO(drop_json) json_t *body = json_pack("{s:s, s:s}", "user", user, "password", password);
    const struct client_call call = {
        .method = "POST", .path = "/api/v1/session", .json = body, .seconds = 20};

    return client_ask(world.client, &call, out, err);
}

__attribute__((unused)) static void signed_in(void)
{
    AUTO(drop_json) json_t *session = NULL;
    struct err err = {0};

    assert_done(sign_in("admin", PASSWORD, &session, &err), &err);
    const char *token = json_string_or(session, "token", "");

    secret_free(TAKE(world.token));
    world.token = secret_of(token, strlen(token));
}

/* What a deployment creates, in its order. */
__attribute__((unused)) static const char *const deployment[][2] = {
    {"datacenters", "{'name': 'fra1'}"},
    {"clusters", "{'name': 'edge-01', 'datacenter': 'fra1', 'id': '" CLUSTER "'}"},
    {"key-providers", "{'name': 'native', 'type': 'native', 'cluster': 'edge-01'}"},
    {"datastores", "{'name': 'ds1', 'type': 'ceph', 'cluster': 'edge-01'}"},
    {"hosts", "{'name': 'h1', 'address': '127.0.0.1', 'cluster': 'edge-01'}"},
};

__attribute__((unused)) static void deployed(void)
{
    struct err err = {0};

    for (size_t i = 0; i < COUNT_OF(deployment); i++) {
        assert_done(api("POST", deployment[i][0], deployment[i][1], NULL, &err), &err);
    }
}

/* The item of a collection, once its field is this; waits for the hosts to be asked. */
__attribute__((unused)) static json_t *item_when(const char *path, const char *field,
                                                 const char *wanted)
{
    for (unsigned i = 0; i < 200; i++) {
        json_t *item = NULL;
        struct err err = {0};

        if (api("GET", path, NULL, &item, &err) &&
            strcmp(json_string_or(item, field, ""), wanted) == 0) {
            return item;
        }
        json_decref(item);
        usleep(100000);
    }
    fail_msg("%s: %s did not become %s", path, field, wanted);
    return NULL;
}

/* The manager has seen what the agent says now. */
__attribute__((unused)) static void seen_again(void)
{
    for (unsigned i = 0; i < 2; i++) {
        AUTO(drop_json) json_t *before = NULL;
        struct err err = {0};

        assert_done(api("GET", "hosts/h1", NULL, &before, &err), &err);
        for (unsigned n = 0; n < 200; n++) {
            AUTO(drop_json) json_t *after = NULL;

            assert_done(api("GET", "hosts/h1", NULL, &after, &err), &err);
            if (strcmp(json_string_or(after, "seen", ""), json_string_or(before, "seen", ""))) {
                break;
            }
            usleep(50000);
        }
    }
}

/* How many events say this. */
__attribute__((unused)) static unsigned events_with(const char *what)
{
    AUTO(drop_json) json_t *answer = NULL;
    unsigned count = 0;
    struct err err = {0};
    size_t i;
    json_t *event;

    assert_done(api("GET", "events?limit=1000", NULL, &answer, &err), &err);
    json_array_foreach(json_object_get(answer, "items"), i, event)
    {
        count += strstr(json_string_or(event, "what", ""), what) != NULL;
    }
    return count;
}

#endif
