/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster of one host for tests of the manager, without a host: peer FOLDER USER PASSWORD-FILE.
 * It makes a CA, the manager's identity disk and an agent's door on loopback, and answers there as
 * quoind does, with the status that FOLDER/status.json holds at that moment; without that file it
 * answers as a host whose datastore hangs. Prints the door's port, and serves until its standard
 * input ends.
 */
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/password.h"
#include "base/secret_open.h"
#include "wire/wire.h"

#define CLUSTER "01234567-89ab-4cde-8f01-23456789abcd"

struct world {
    const char *folder;
    struct authority ca;
    struct secret *ca_key, *agent_key;
    char *ca_pem, *agent_pem;
};

static void say_status(struct request *request, void *context)
{
    const struct world *world = context;
    AUTO(drop_free) char *path = text_make("%s/status.json", world->folder);
    AUTO(drop_free) char *bytes = NULL;
    AUTO(drop_json) json_t *status = NULL;
    size_t length = 0;
    struct err err = {0};

    if (!file_read(path, JSON_MAX_BYTES, &bytes, &length, &err) ||
        !json_read(bytes, length, &status, &err)) {
        err.kind = ERR_AWAY;
        reply_err(request, &err);
        return;
    }
    reply_json(request, 200, status);
}

static const struct route routes[] = {
    {"GET", "/v1/status", ROLE_MANAGER | ROLE_HOST, 0, say_status},
};

static bool make_certificate(const struct world *world, enum role role, const char *name,
                             struct secret **out_key, char **out_pem, struct err *err)
{
    static const char *const addresses[] = {"127.0.0.1", NULL}, *const names[] = {"localhost",
                                                                                  NULL};
    AUTO(drop_free) char *uri = role_uri(CLUSTER, role, name);
    const struct certificate_wish wish = {.common_name = name,
                                          .names = names,
                                          .addresses = addresses,
                                          .uri = uri,
                                          .server = true,
                                          .client = true,
                                          .days = 2};

    return certificate_key_make(out_key, err) &&
           certificate_make(&world->ca, *out_key, &wish, out_pem, err);
}

/* The document with its private key, which this test may show to the world. */
static bool write_identity(const struct world *world, const char *user, const char *hash,
                           struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *pem = NULL, *key_pem = NULL, *text = NULL;
    AUTO(drop_free) char *path = text_make("%s/identity", world->folder);
    AUTO(drop_json) json_t *document = NULL;

    if (!make_certificate(world, ROLE_MANAGER, "mgr", &key, &pem, err)) {
        return false;
    }
    key_pem = text_make("%.*s", (int)secret_size(key), (const char *)secret_look(key));
    document = json_pack(
        "{s:i, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:[]}}",
        "quoin", 1, "cluster", "id", CLUSTER, "name", "edge-01", "datacenter", "fra1", "manager",
        "name", "mgr", "hostname", "mgr.edge-01.test", "tls_key", key_pem, "tls_certificate", pem,
        "ca", world->ca_pem, "admin", "user", user, "password_hash", hash, "network", "address",
        "127.0.0.1/8", "dns");
    text = json_write(document);
    return file_write(path, text, strlen(text) + 1, 0600, err);
}

static bool begin(struct world *world, const char *user, const char *password_file,
                  struct server **out, struct err *err)
{
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_free) char *hash = NULL, *path = text_make("%s/ca.pem", world->folder);

    if (!secret_read_file(password_file, 1024, true, &password, err) ||
        !password_hash(password, &hash, err) ||
        !certificate_authority_make("quoin CA edge-01", 2, &world->ca_key, &world->ca_pem, err)) {
        return false;
    }
    world->ca = (struct authority){world->ca_pem, world->ca_key};
    if (!file_write(path, world->ca_pem, strlen(world->ca_pem), 0644, err) ||
        !write_identity(world, user, hash, err) ||
        !make_certificate(world, ROLE_HOST, "h1", &world->agent_key, &world->agent_pem, err)) {
        return false;
    }
    const struct server_conf conf = {.routes = routes,
                                     .route_count = COUNT_OF(routes),
                                     .context = world,
                                     .address = "127.0.0.1",
                                     .certificate = world->agent_pem,
                                     .key = world->agent_key,
                                     .authority = world->ca_pem,
                                     .cluster = CLUSTER};

    return server_start(&conf, out, err);
}

int main(int argc, char **argv)
{
    AUTO(drop_server) struct server *server = NULL;
    struct world world = {.folder = argc > 1 ? argv[1] : NULL};
    struct err err = {0};

    if (argc != 4) {
        fputs("usage: peer FOLDER USER PASSWORD-FILE\n", stderr);
        return 2;
    }
    if (!begin(&world, argv[2], argv[3], &server, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    printf("%u\n", server_port(server));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0;
}
