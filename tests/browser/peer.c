/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster of one host for the browser test, without a host: peer FOLDER USER PASSWORD-FILE.
 * Writes FOLDER/ca.pem and FOLDER/identity, opens an agent's door on loopback, and answers there
 * with the status that FOLDER/status.json holds at that moment; without that file it answers as a
 * host whose datastore hangs. Prints the door's port, and serves until its standard input ends.
 */
#include "../unit/manager/cluster.h"

static void say_status(struct request *request, void *context)
{
    AUTO(drop_free) char *path = text_make("%s/status.json", (const char *)context);
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

/* FOLDER/events.json, whatever is asked for. */
static void say_events(struct request *request, void *context)
{
    AUTO(drop_free) char *path = text_make("%s/events.json", (const char *)context);
    AUTO(drop_free) char *bytes = NULL;
    AUTO(drop_json) json_t *answer = NULL;
    size_t length = 0;
    struct err err = {0};

    if (!file_read(path, JSON_MAX_BYTES, &bytes, &length, &err) ||
        !json_read(bytes, length, &answer, &err)) {
        reply_err(request, &err);
        return;
    }
    reply_json(request, 200, answer);
}

/* What a phase gives; the provider is status.json's. */
static json_t *phase_result(const char *phase)
{
    if (strcmp(phase, "look") == 0) {
        return json_pack("{s:s, s:s, s:s, s:[s], s:{}}", "host", "h1", "provider", "native", "kek",
                         "native:0a17", "members", "h1", "word");
    }
    return json_pack("{s:s, s:s, s:{}}", "kek", "native:0b5e", "old", "native:0a17", "word");
}

/* Once; a second time it is refused, as an agent refuses it within the hour. */
static void say_rotated(struct request *request, void *context)
{
    static bool rotated;
    const char *phase = request_value(request, "phase");
    AUTO(drop_json)
    json_t *half =
        json_pack("{s:s, s:i, s:s}", "event", "progress", "percent", 50, "what", "wrap anew");
    AUTO(drop_json)
    json_t *done =
        json_pack("{s:s, s:b, s:o}", "event", "done", "changed", 1, "result", phase_result(phase));
    struct err err = {0};

    (void)context;
    if (rotated) {
        err_set(&err, ERR_DENIED, "the keys of this host were rotated less than an hour ago");
        err_mend(&err, "wait, or rotate from where the cluster was deployed: quoin key rotate");
        reply_err(request, &err);
        return;
    }
    rotated = strcmp(phase, "retire") == 0;
    (void)reply_line(request, half);
    usleep(50000);
    (void)reply_line(request, done);
}

static const struct route routes[] = {
    {"GET", "/v1/status", ROLE_MANAGER | ROLE_HOST, 0, say_status},
    {"GET", "/v1/events", ROLE_MANAGER, 0, say_events},
    {"POST", "/v1/key/rotate/{phase}", ROLE_MANAGER, 65536, say_rotated},
};

static bool begin(char *folder, const char *user, const char *password_file, struct server **out,
                  struct err *err)
{
    static struct cluster cluster;
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_free) char *hash = NULL, *path = text_make("%s/ca.pem", folder);
    AUTO(drop_json) json_t *document = NULL;

    if (!secret_read_file(password_file, 1024, true, &password, err) ||
        !password_hash(password, &hash, err) || !cluster_begin(&cluster, err)) {
        return false;
    }
    document = cluster_identity(&cluster, ROLE_MANAGER, user, hash);
    return file_write(path, cluster.ca, strlen(cluster.ca), 0644, err) &&
           cluster_write_identity(document, folder, err) &&
           cluster_agent(&cluster, "h1", routes, COUNT_OF(routes), folder, out, err);
}

int main(int argc, char **argv)
{
    AUTO(drop_server) struct server *server = NULL;
    struct err err = {0};

    if (argc != 4) {
        fputs("usage: peer FOLDER USER PASSWORD-FILE\n", stderr);
        return 2;
    }
    if (!begin(argv[1], argv[2], argv[3], &server, &err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    printf("%u\n", server_port(server));
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0;
}
