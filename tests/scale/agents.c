/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many agents without hosts: agents FOLDER PORT LIVING DEAD [NETWORK]. Makes a CA, writes
 * FOLDER/identity (a manager's) and FOLDER/ca.pem, and opens a door on PORT for each agent, at
 * 127.1.0.2, 127.1.0.3 and so on: real servers of wire/, each with a certificate of its own, which
 * answer the manager as quoind does. With NETWORK, "10.78", the addresses begin so and the doors
 * are the agents' sockets instead, FOLDER/h1/quoind.sock and so on, in folders that are there. The
 * dead ones come after the living: on PORT they take a connection and never say a word. Prints
 * "ready" and serves until its standard input ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "../unit/manager/cluster.h"

#define HOSTS_MAX 4096u
#define DISKS     3

struct agent {
    unsigned number;
    char name[16], address[32];
    struct server *server;
    int silent; /* of a dead one */
};

static struct agent agents[HOSTS_MAX];
static struct cluster cluster;
static unsigned living, dead;
static const char *network; /* of the doors that are sockets, or NULL */
static const char *folder;
static time_t began;

static json_t *status_of(const struct agent *agent)
{
    json_t *osds = json_array();

    for (unsigned i = 0; i < DISKS; i++) {
        unsigned id = agent->number * DISKS + i;
        AUTO(drop_free) char *disk = text_make("/dev/disk/by-id/wwn-0x5000c5%010x", id);

        json_array_append_new(osds, json_pack("{s:i, s:s, s:s, s:b}", "id", (int)id, "host",
                                              agent->name, "disk", disk, "up", 1));
    }
    AUTO(drop_free) char *vm = text_make("vm-%u", agent->number);
    AUTO(drop_free) char *id = text_make("%08x-89ab-4cde-8f01-23456789abcd", agent->number);

    return json_pack(
        "{s:s, s:s, s:s, s:{s:s, s:s, s:s}, s:I, s:b, s:n,"
        " s:{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:o},"
        " s:{s:s, s:s, s:s, s:s, s:n, s:n, s:n, s:I},"
        " s:[{s:s, s:s, s:s, s:b, s:s, s:i, s:I, s:n, s:i, s:i, s:[{s:s, s:I}]}],"
        " s:[{s:s, s:I}]}",
        "version", QUOIN_VERSION, "host", agent->name, "address", agent->address, "cluster", "id",
        CLUSTER, "name", "edge-01", "datacenter", "fra1", "time", (json_int_t)time(NULL),
        "enrolled", 1, "waiting", "datastore", "type", "ceph", "name", "ds1", "health", "ok",
        "reasons", "", "bytes_total", (json_int_t)living * DISKS << 40, "bytes_used",
        (json_int_t)living * DISKS << 37, "replicas", 1, "copies", 1, "monitors", 5,
        "monitors_in_quorum", 5, "osds", osds, "provider", "name", "corp-kms", "type", "kmip",
        "kek", "kek-1", "state", "open", "sealed_by", "backup_fetched", "trouble", "last_success",
        (json_int_t)began, "vms", "name", vm, "id", id, "state", "running", "encrypted", 1, "kek",
        "kek-1", "generation", 1, "since", (json_int_t)began, "trouble", "cpus", 2, "memory", 1024,
        "disks", "name", "system", "bytes", (json_int_t)4 << 30, "certificates", "name", "host",
        "ends", (json_int_t)began + (json_int_t)365 * 86400);
}

static void say_status(struct request *request, void *context)
{
    AUTO(drop_json) json_t *status = status_of(context);

    reply_json(request, 200, status);
}

static const struct route routes[] = {
    {"GET", "/v1/status", ROLE_MANAGER | ROLE_LOCAL, 0, say_status}};

static bool open_socket(struct agent *agent, unsigned port, struct err *err)
{
    AUTO(drop_free) char *path = text_make("%s/%s/quoind.sock", folder, agent->name);
    const struct server_conf conf = {.routes = routes,
                                     .route_count = COUNT_OF(routes),
                                     .context = agent,
                                     .socket = path,
                                     .connections = 8};

    (void)port;
    return server_start(&conf, &agent->server, err);
}

static bool open_living(struct agent *agent, unsigned port, struct err *err)
{
    const char *const addresses[] = {agent->address, NULL};
    AUTO(drop_free) char *uri = role_uri(CLUSTER, ROLE_HOST, agent->name);
    const struct certificate_wish wish = {.common_name = agent->name,
                                          .addresses = addresses,
                                          .uri = uri,
                                          .server = true,
                                          .client = true,
                                          .days = 2};
    const struct authority ca = {cluster.ca, cluster.ca_key};
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *pem = NULL;

    if (!certificate_key_make(&key, err) || !certificate_make(&ca, key, &wish, &pem, err)) {
        return false;
    }
    const struct server_conf conf = {.routes = routes,
                                     .route_count = COUNT_OF(routes),
                                     .context = agent,
                                     .address = agent->address,
                                     .port = port,
                                     .certificate = pem,
                                     .key = key,
                                     .authority = cluster.ca,
                                     .cluster = CLUSTER,
                                     .connections = 8,
                                     .connections_address = 8};

    return server_start(&conf, &agent->server, err);
}

static bool open_dead(struct agent *agent, unsigned port, struct err *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    static const int again = 1; /* connections of an earlier test may still end */

    agent->silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)inet_pton(AF_INET, agent->address, &at.sin_addr);
    return (agent->silent >= 0 &&
            setsockopt(agent->silent, SOL_SOCKET, SO_REUSEADDR, &again, sizeof(again)) == 0 &&
            bind(agent->silent, (struct sockaddr *)&at, sizeof(at)) == 0 &&
            listen(agent->silent, 64) == 0) ||
           err_errno(err, errno, "listen at %s", agent->address);
}

static void open_one(void *context, size_t number)
{
    struct agent *agent = &agents[number];
    unsigned port = *(const unsigned *)context;
    struct err err = {0};

    agent->number = (unsigned)number;
    (void)snprintf(agent->name, sizeof(agent->name), "h%u", agent->number + 1);
    (void)snprintf(agent->address, sizeof(agent->address), "%s.%u.%u", network ? network : "127.1",
                   (agent->number + 1) / 250, (agent->number + 1) % 250 + 1);
    if (!(number >= living ? open_dead : network ? open_socket : open_living)(agent, port, &err)) {
        log_err(&err);
        exit(err_exit_code(err.kind));
    }
}

/* A listener and a connection for each. */
static void raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool write_cluster(struct err *err)
{
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_free) char *hash = NULL, *path = text_make("%s/ca.pem", folder);
    AUTO(drop_free) char *word = text_make("%s/password", folder);

    if (!secret_read_file(word, 1024, true, &password, err) ||
        !password_hash(password, &hash, err) || !cluster_begin(&cluster, err)) {
        return false;
    }
    AUTO(drop_json) json_t *document = cluster_identity(&cluster, ROLE_MANAGER, "admin", hash);

    return file_write(path, cluster.ca, strlen(cluster.ca), 0644, err) &&
           cluster_write_identity(document, folder, err);
}

int main(int argc, char **argv)
{
    struct err err = {0};

    if (argc != 5 && argc != 6) {
        fputs("usage: agents FOLDER PORT LIVING DEAD [NETWORK]\n", stderr);
        return 2;
    }
    folder = argv[1];
    network = argv[5]; /* argv ends with NULL */
    unsigned port = (unsigned)strtoul(argv[2], NULL, 10);

    living = (unsigned)strtoul(argv[3], NULL, 10);
    dead = (unsigned)strtoul(argv[4], NULL, 10);
    if (living + dead > HOSTS_MAX) {
        fputs("agents: too many\n", stderr);
        return 2;
    }
    raise_files();
    began = time(NULL);
    if (!write_cluster(&err)) {
        log_err(&err);
        return err_exit_code(err.kind);
    }
    side_by_side(living + dead, 8, open_one, &port);
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {
    }
    return 0; /* The servers end with the process. */
}
