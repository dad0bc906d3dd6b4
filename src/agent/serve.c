/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/serve.h"

#include <string.h>

#include "agent/brought.h"
#include "agent/disk.h"
#include "agent/notice.h"
#include "agent/recover.h"
#include "agent/rotate.h"
#include "agent/status.h"
#include "agent/step.h"

/* A step's order; the largest names a shelf of disks. */
#define ORDER_MAX (1024u * 1024u)
/* A private key in PEM; RSA of 8192 bits is 6 KiB. */
#define CREDENTIAL_MAX 16384u

/* Progress goes to the peer as lines; when it is gone the work goes on. */
static void tell_line(void *context, unsigned percent, const char *what)
{
    AUTO(drop_json)
    json_t *line =
        json_pack("{s:s, s:i, s:s}", "event", "progress", "percent", (int)percent, "what", what);

    (void)reply_line(context, line);
}

/* The first line goes out at once: from then on the peer hears that somebody is at work. */
static struct progress begin_lines(struct request *request)
{
    tell_line(request, 0, "begin");
    return (struct progress){tell_line, request};
}

/* Logs once, at the door, and ends the stream. */
static void end_lines(struct request *request, const char *what, bool made, struct making *making,
                      const struct err *err)
{
    AUTO(drop_json) json_t *line = NULL;

    if (made) {
        log_say(LOG_INFO, "%s: %s", what, making->changed ? "done" : "held already");
        line = json_pack("{s:s, s:b, s:o}", "event", "done", "changed", making->changed, "result",
                         making->result ? TAKE(making->result) : json_object());
    } else {
        log_err(err);
        line = json_pack("{s:s, s:o}", "event", "failed", "error", json_of_err(err));
    }
    json_decref(making->result);
    (void)reply_line(request, line);
}

static void answer_step(struct request *request, void *context)
{
    AUTO(drop_json) json_t *order = NULL;
    struct err err = {0};

    if (!request_json(request, &order, &err)) {
        reply_err(request, &err);
        return;
    }
    const struct progress progress = begin_lines(request);
    struct making making = {.progress = &progress};
    bool made = step_make(context, order, &making, &err);

    end_lines(request, json_string_or(order, "kind", "step"), made, &making, &err);
}

static void answer_rotate(struct request *request, void *context)
{
    const struct peer *peer = request_peer(request);
    const char *phase = request_value(request, "phase");
    AUTO(drop_free) char *what = text_make("rotation, %.32s, for %s", phase, peer->name);
    AUTO(drop_json) json_t *params = NULL;
    struct err err = {0};

    if (!request_json(request, &params, &err)) {
        reply_err(request, &err);
        return;
    }
    const struct progress progress = begin_lines(request);
    struct making making = {.progress = &progress};
    bool made = rotate_phase(context, phase, params, &making, &err);

    end_lines(request, what, made, &making, &err);
}

static bool read_body(void *context, void *to, size_t room, size_t *out_length, struct err *err)
{
    return request_read(context, to, room, out_length, err);
}

static void answer_pour(struct request *request, void *context)
{
    const struct progress progress = begin_lines(request);
    struct making making = {.progress = &progress};
    struct err err = {0};
    bool made = disk_pour_image(context, request_value(request, "vm"),
                                request_value(request, "disk"), read_body, request, &making, &err);

    end_lines(request, "pour", made, &making, &err);
}

static void answer_proof(struct request *request, void *context)
{
    const struct progress progress = begin_lines(request);
    struct making making = {.progress = &progress};
    struct err err = {0};
    bool made =
        disk_prove(context, request_value(request, "vm"), read_body, request, &making, &err);

    end_lines(request, "proof", made, &making, &err);
}

/* ?after=N&source=UUID, both as an earlier answer gave them; without them all that there is. */
static void answer_events(struct request *request, void *context)
{
    struct agent *agent = context;
    const char *after = request_query(request, "after");
    AUTO(drop_json)
    json_t *answer = audit_after(agent->audit, request_query(request, "source"),
                                 after ? strtoull(after, NULL, 10) : 0);

    pthread_mutex_lock(&agent->state);
    json_object_set_new(answer, "host",
                        agent->host.name ? json_string(agent->host.name) : json_null());
    pthread_mutex_unlock(&agent->state);
    reply_json(request, 200, answer);
}

static void answer_status(struct request *request, void *context)
{
    AUTO(drop_json) json_t *status = status_make(context);

    reply_json(request, 200, status);
}

/* A secret of the user's that the provider needs, kept in locked memory for the next step. */
static void take_secret(struct request *request, struct agent *agent, struct secret **field)
{
    struct secret *given = NULL;
    struct err err = {0};

    if (!request_secret(request, CREDENTIAL_MAX, &given, &err)) {
        reply_err(request, &err);
        return;
    }
    pthread_mutex_lock(&agent->work);
    secret_free(*field);
    *field = given;
    pthread_mutex_unlock(&agent->work);
    reply_empty(request);
}

static void answer_private_key(struct request *request, void *context)
{
    struct agent *agent = context;

    take_secret(request, agent, &agent->private_key);
}

static void answer_password(struct request *request, void *context)
{
    struct agent *agent = context;

    take_secret(request, agent, &agent->password);
}

static bool backup(struct agent *agent, const struct secret *password, char **out, struct err *err)
{
    const struct hostseal_conf conf = agent_hostseal_conf(agent);

    if (!agent->host.provider.type || strcmp(agent->host.provider.type, "native") != 0) {
        err_set(err, ERR_ABSENT, "there is no native key provider on this host");
        return err_mend(err, "an external key provider is backed up where it runs");
    }
    return backup_make(agent->provider.folder, &conf, agent->host.cluster_id, password, out, err);
}

static void answer_backup(struct request *request, void *context)
{
    struct agent *agent = context;
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_free) char *text = NULL;
    struct err err = {0};

    if (!request_secret(request, BACKUP_MAX_PASSWORD, &password, &err)) {
        reply_err(request, &err);
        return;
    }
    pthread_mutex_lock(&agent->work);
    bool made = backup(agent, password, &text, &err);
    pthread_mutex_unlock(&agent->work);
    if (made) {
        log_say(LOG_NOTICE, "a backup of the key provider was made");
        reply_bytes(request, 200, "application/json", NULL, text, strlen(text));
    } else {
        log_err(&err);
        reply_err(request, &err);
    }
}

/* The user has it on disk now: only that counts as fetched. */
static void answer_backup_fetched(struct request *request, void *context)
{
    struct agent *agent = context;
    struct err err = {0};

    pthread_mutex_lock(&agent->work);
    bool told = backup_fetched(agent->provider.folder, &err);
    pthread_mutex_unlock(&agent->work);
    if (told) {
        reply_empty(request);
    } else {
        reply_err(request, &err);
    }
}

static void answer_recover(struct request *request, void *context)
{
    struct agent *agent = context;
    AUTO(drop_secret) struct secret *body = NULL;
    struct err err = {0};
    bool recovery = false;

    if (!request_secret(request, BROUGHT_MAX, &body, &err)) {
        reply_err(request, &err);
        return;
    }
    pthread_mutex_lock(&agent->work);
    bool made = recover_keys(agent, body, &recovery, &err);
    pthread_mutex_unlock(&agent->work);
    if (made) {
        AUTO(drop_json) json_t *answer = json_pack("{s:b}", "recovery", recovery);

        log_say(LOG_NOTICE, recovery ? "the recovery key was brought"
                                     : "the key provider was recovered from a backup");
        reply_json(request, 200, answer);
    } else {
        log_err(&err);
        reply_err(request, &err);
    }
}

static void answer_recovery(struct request *request, void *context)
{
    struct agent *agent = context;
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_free) char *text = NULL;
    struct err err = {0};

    if (!request_secret(request, PROTECT_MAX_PASSWORD, &password, &err)) {
        reply_err(request, &err);
        return;
    }
    pthread_mutex_lock(&agent->work);
    bool made = notice_give(agent, password, &text, &err);
    pthread_mutex_unlock(&agent->work);
    if (made) {
        log_say(LOG_NOTICE, "the recovery key was given out");
        reply_bytes(request, 200, "application/json", NULL, text, strlen(text));
    } else {
        log_err(&err);
        reply_err(request, &err);
    }
}

/* The user has it on disk now, and there it opens: only then it is wiped here. */
static void answer_recovery_fetched(struct request *request, void *context)
{
    struct agent *agent = context;
    AUTO(drop_secret) struct secret *body = NULL;
    struct err err = {0};

    if (!request_secret(request, BROUGHT_MAX, &body, &err)) {
        reply_err(request, &err);
        return;
    }
    pthread_mutex_lock(&agent->work);
    bool told = notice_fetched(agent, body, &err);
    pthread_mutex_unlock(&agent->work);
    if (told) {
        log_say(LOG_NOTICE, "the recovery key is with the user; this host has it no more");
        reply_empty(request);
    } else {
        log_err(&err);
        reply_err(request, &err);
    }
}

static const struct route routes[] = {
    {"GET", "/v1/status", ROLE_LOCAL | ROLE_HOST | ROLE_MANAGER, 0, answer_status},
    {"GET", "/v1/events", ROLE_LOCAL | ROLE_MANAGER, 0, answer_events},
    {"POST", "/v1/steps", ROLE_LOCAL, ORDER_MAX, answer_step},
    {"PUT", "/v1/vms/{vm}/disks/{disk}", ROLE_LOCAL, ROUTE_NO_CEILING, answer_pour},
    {"POST", "/v1/vms/{vm}/proof", ROLE_LOCAL, BLOCKS_MAX_BYTES, answer_proof},
    {"PUT", "/v1/provider/private-key", ROLE_LOCAL, CREDENTIAL_MAX, answer_private_key},
    {"PUT", "/v1/provider/password", ROLE_LOCAL, CREDENTIAL_MAX, answer_password},
    {"POST", "/v1/key/rotate/{phase}", ROLE_MANAGER, ROTATE_MAX_BODY, answer_rotate},
    {"POST", "/v1/key/backup", ROLE_LOCAL, BACKUP_MAX_PASSWORD, answer_backup},
    {"POST", "/v1/key/backup/fetched", ROLE_LOCAL, 0, answer_backup_fetched},
    {"POST", "/v1/key/recovery", ROLE_LOCAL, PROTECT_MAX_PASSWORD, answer_recovery},
    {"POST", "/v1/key/recovery/fetched", ROLE_LOCAL, BROUGHT_MAX, answer_recovery_fetched},
    {"POST", "/v1/key/recover", ROLE_LOCAL, BROUGHT_MAX, answer_recover},
};

bool serve_local(struct agent *agent, const char *socket, struct server **out, struct err *err)
{
    const struct server_conf conf = {
        .routes = routes, .route_count = COUNT_OF(routes), .context = agent, .socket = socket};

    return server_start(&conf, out, err);
}

bool serve_network(struct agent *agent, const char *certificate, const struct secret *key,
                   const char *authority, struct err *err)
{
    const struct server_conf conf = {.routes = routes,
                                     .route_count = COUNT_OF(routes),
                                     .context = agent,
                                     .address = agent->host.address,
                                     .port = AGENT_PORT,
                                     .certificate = certificate,
                                     .key = key,
                                     .authority = authority,
                                     .cluster = agent->host.cluster_id};

    return server_start(&conf, &agent->network, err);
}
