/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/remote.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>

#define AGENT_SOCKET  "/run/quoin/quoind.sock"
#define AGENT_STATE   "/var/lib/quoin/cluster.json"
#define PACKAGE_PLACE "/var/cache/quoin"
/* Asking for facts boots a firmware once; a slow host under load still ends in this time. */
#define LOOK_SECONDS    90u
#define INSTALL_SECONDS 900u

bool remote_open(const struct blueprint_host *host, struct remote **out, struct err *err)
{
    const struct ssh_target target = {.address = host->address,
                                      .port = host->ssh.port,
                                      .user = host->ssh.user,
                                      .key = host->ssh.key,
                                      .host_key = host->ssh.host_key};
    AUTO(drop_remote) struct remote *remote = text_room(1, sizeof(*remote));

    remote->host = host;
    if (!ssh_open(&target, &remote->ssh, err)) {
        return err_add(err, "reach host '%s'", host->name);
    }
    *out = TAKE(remote);
    return true;
}

void remote_close(struct remote *remote)
{
    if (remote) {
        client_close(remote->agent);
        ssh_close(remote->ssh);
        free(remote->socket);
        free(remote);
    }
}

static double clock_now(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

bool remote_look(struct remote *remote, const char *script, struct facts **out_facts,
                 double *out_began, double *out_ended, struct err *err)
{
    AUTO(drop_run_result) struct run_result said = {0};
    const struct run run = {.argv = RUN("sh", "-s"),
                            .input = script,
                            .input_length = strlen(script),
                            .seconds = LOOK_SECONDS};

    *out_began = clock_now();
    if (!ssh_run(remote->ssh, &run, &said, err)) {
        return err_add(err, "look at host '%s'", remote->host->name);
    }
    *out_ended = clock_now();
    if (said.status != 0) {
        return err_set(err, ERR_SYSTEM, "host '%s' cannot be looked at: %.200s", remote->host->name,
                       said.errors);
    }
    return facts_read(said.out, said.out_length, out_facts, err) ||
           err_add(err, "what host '%s' says of itself", remote->host->name);
}

/* The package stands beside the program in a build, else where a package installs it. */
static bool find_package(char **out_package, char **out_version, struct err *err)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');

    if (slash) {
        *slash = '\0';
    }
    AUTO(drop_free) char *beside = text_make("%s/quoind.deb", self);
    const char *folder = file_exists(beside) ? self : "/usr/share/quoin";
    AUTO(drop_free) char *version = text_make("%s/quoind.version", folder);

    if (!file_read(version, 256, out_version, NULL, err)) {
        return err_mend(err, "build it with dist/build-agent-package");
    }
    (*out_version)[strcspn(*out_version, "\n")] = '\0';
    *out_package = text_make("%s/quoind.deb", folder);
    return true;
}

static bool installed(struct remote *remote, const char *version)
{
    const struct run query = {
        .argv = RUN("dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", "quoind")};
    AUTO(drop_free) char *wanted = text_make("installed %s", version);
    AUTO(drop_free) char *said = NULL;
    struct err ignored = {0};

    return ssh_ok(remote->ssh, &query, &said, &ignored) && strcmp(said, wanted) == 0;
}

bool remote_install(struct remote *remote, bool *out_changed, struct err *err)
{
    AUTO(drop_free) char *package = NULL, *version = NULL;
    const struct run folder = {.argv = RUN("mkdir", "-p", "-m", "0755", PACKAGE_PLACE)};
    const struct run install = {.argv = RUN("env", "DEBIAN_FRONTEND=noninteractive", "apt-get",
                                            "install", "-y", "--no-install-recommends",
                                            "--allow-downgrades", "-o", "DPkg::Lock::Timeout=120",
                                            PACKAGE_PLACE "/quoind.deb"),
                                .seconds = INSTALL_SECONDS};
    const struct run start = {.argv = RUN("systemctl", "enable", "--now", "quoind.service")};

    if (!find_package(&package, &version, err)) {
        return false;
    }
    *out_changed = !installed(remote, version);
    if (*out_changed && (!ssh_ok(remote->ssh, &folder, NULL, err) ||
                         !ssh_copy(remote->ssh, package, PACKAGE_PLACE "/quoind.deb", 0644, err) ||
                         !ssh_ok(remote->ssh, &install, NULL, err))) {
        return err_add(err, "install the agent on host '%s'", remote->host->name);
    }
    return ssh_ok(remote->ssh, &start, NULL, err) ||
           err_add(err, "start the agent on host '%s'", remote->host->name);
}

bool remote_uninstall(struct remote *remote, struct err *err)
{
    const struct run query = {.argv = RUN("dpkg-query", "-W", "quoind")};
    const struct run purge = {
        .argv = RUN("env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--purge", "quoind"),
        .seconds = INSTALL_SECONDS};
    AUTO(drop_run_result) struct run_result said = {0};

    client_close(TAKE(remote->agent));
    return (ssh_run(remote->ssh, &query, &said, err) &&
            (said.status != 0 || ssh_ok(remote->ssh, &purge, NULL, err))) ||
           err_add(err, "remove the agent from host '%s'", remote->host->name);
}

/* What is there of an agent, in one question; ERR_ABSENT only where nothing of a cluster is:
 * destroy takes it for undone. A lost connection is no answer. */
static bool find_agent(struct remote *remote, struct err *err)
{
    static const char question[] = "test -S " AGENT_SOCKET " && echo listens; "
                                   "test -e " AGENT_STATE " && echo joined; echo end";
    AUTO(drop_run_result) struct run_result said = {0};

    if (!ssh_run(remote->ssh, &(struct run){.argv = RUN("sh", "-c", question)}, &said, err)) {
        return false;
    }
    if (said.status != 0 || !strstr(said.out, "end\n")) {
        return err_set(err, ERR_SYSTEM, "host '%s' does not tell whether it has an agent: %.200s",
                       remote->host->name, said.errors);
    }
    bool listens = strstr(said.out, "listens\n"), joined = strstr(said.out, "joined\n");

    if (!listens && joined) {
        err_set(err, ERR_AWAY, "the agent on host '%s' does not run", remote->host->name);
        return err_mend(err, "look at it there: systemctl status quoind");
    }
    if (!listens) {
        err_set(err, ERR_ABSENT, "host '%s' has no agent", remote->host->name);
        return err_mend(err, "quoin deploy installs it");
    }
    return true;
}

bool remote_agent(struct remote *remote, struct err *err)
{
    if (remote->agent) {
        return true;
    }
    if (!find_agent(remote, err)) {
        return false;
    }
    if (!remote->socket && !ssh_forward(remote->ssh, AGENT_SOCKET, &remote->socket, err)) {
        return err_add(err, "open a tunnel to host '%s'", remote->host->name);
    }
    return client_open(&(struct client_conf){.socket = remote->socket}, &remote->agent, err);
}

bool remote_status(struct remote *remote, json_t **out, struct err *err)
{
    const struct client_call call = {.method = "GET", .path = "/v1/status", .seconds = 20};

    if (!remote_agent(remote, err) || !client_ask(remote->agent, &call, out, err)) {
        return err_add(err, "host '%s'", remote->host->name);
    }
    json_flatten(*out);
    return true;
}

static void hear_progress(const struct remote_answer *answer, const json_t *line)
{
    AUTO(drop_free)
    char *what = text_make("%s%s%s", answer->who ? answer->who : "", answer->who ? ": " : "",
                           json_string_or(line, "what", ""));

    text_flatten(what);
    report_progress(answer->report, (unsigned)json_integer_value(json_object_get(line, "percent")),
                    what);
}

static bool hear(void *context, const json_t *line, struct err *err)
{
    struct remote_answer *answer = context;
    const char *event = json_string_or(line, "event", "");

    if (strcmp(event, "progress") == 0) {
        hear_progress(answer, line);
    } else if (strcmp(event, "done") == 0) {
        answer->ended = true;
        answer->changed = json_is_true(json_object_get(line, "changed"));
        json_decref(answer->result);
        answer->result = json_incref(json_object_get(line, "result"));
    } else if (strcmp(event, "failed") == 0) {
        answer->ended = true;
        (void)json_to_err(json_object_get(line, "error"), &answer->failure);
    } else {
        return err_set(err, ERR_INPUT, "an agent says '%s'", event);
    }
    return true;
}

bool remote_ask(struct remote *remote, struct client_call *call, struct remote_answer *answer,
                struct err *err)
{
    call->line = hear;
    call->line_context = answer;
    if (!remote_agent(remote, err)) {
        return false;
    }
    bool asked = client_ask(remote->agent, call, NULL, err);

    if (answer->failure.kind != ERR_NONE) {
        *err = answer->failure;
        asked = false;
    } else if (asked && !answer->ended) {
        asked = err_set(err, ERR_AWAY, "the agent went away in the middle of a step");
        err_mend(err, "run the same command again");
    }
    return asked || err_add(err, "host '%s'", remote->host->name);
}
