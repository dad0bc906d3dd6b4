/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/manager.h"

#include "base/file.h"
#include "base/text.h"
#include "manager/api.h"
#include "manager/journal.h"

/* All addresses, IPv4 among them. */
#define EVERYWHERE "::"
/* A page takes six connections, a person has a few pages. */
#define CONNECTIONS         128u
#define CONNECTIONS_ADDRESS 32u

static bool serve(struct manager *manager, const struct manager_conf *conf, struct err *err)
{
    const struct server_conf server = {.routes = api_routes,
                                       .route_count = api_route_count,
                                       .headers = api_headers,
                                       .context = manager,
                                       .address = conf->address ? conf->address : EVERYWHERE,
                                       .port = conf->port,
                                       .certificate = manager->identity->tls_certificate,
                                       .key = manager->identity->tls_key,
                                       .connections = CONNECTIONS,
                                       .connections_address = CONNECTIONS_ADDRESS};

    return server_start(&server, &manager->server, err);
}

bool manager_open(const struct manager_conf *conf, struct manager **out, struct err *err)
{
    AUTO(drop_manager) struct manager *manager = text_room(1, sizeof(*manager));
    struct watch_conf watch = {.port = conf->agent_port, .seconds = conf->seconds};

    pthread_mutex_init(&manager->judging, NULL);
    manager->began = time(NULL);
    manager->throttle = throttle_new();
    if (!identity_load(conf->identity, &manager->identity, err) ||
        !file_make_folder(conf->data, 0700, err) ||
        !database_open(conf->data, &manager->database, err) ||
        !journal_tasks_left(manager->database, err)) {
        return false;
    }
    watch.identity = manager->identity;
    watch.database = manager->database;
    if (!watch_start(&watch, &manager->watch, err)) {
        return false;
    }
    manager->rotate = rotate_new(manager->database, manager->watch, conf->rotate);
    if (!serve(manager, conf, err)) {
        return false;
    }
    *out = TAKE(manager);
    return true;
}

unsigned manager_port(const struct manager *manager)
{
    return server_port(manager->server);
}

void manager_close(struct manager *manager)
{
    if (!manager) {
        return;
    }
    server_stop(manager->server);
    rotate_free(manager->rotate);
    watch_stop(manager->watch);
    database_close(manager->database);
    throttle_free(manager->throttle);
    identity_free(manager->identity);
    pthread_mutex_destroy(&manager->judging);
    free(manager);
}
