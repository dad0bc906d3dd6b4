/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/crypto.h>
#include <string.h>

#include "base/password.h"
#include "base/text.h"
#include "manager/answer.h"
#include "manager/journal.h"
#include "manager/secret_json.h"
#include "manager/session.h"

#define BODY_MAX     (8u * 1024u)
#define PASSWORD_MAX 1024u
#define USER_MAX     63u

void answer_refusal(struct request *request, unsigned status, const struct err *err)
{
    AUTO(drop_json) json_t *body = json_of_err(err);

    reply_json(request, status, body);
}

json_t *answer_to_whom(struct request *request, struct manager *manager)
{
    json_t *session = NULL;
    struct err err = {0};

    if (session_find(manager->database, request_header(request, "Authorization"), &session, &err)) {
        return session;
    }
    if (err.kind == ERR_DENIED) {
        answer_refusal(request, 401, &err);
    } else {
        reply_err(request, &err);
    }
    return NULL;
}

static time_t now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

/* An unknown user takes as long as a wrong password, and gets the same words. */
static bool judge(struct manager *manager, const char *user, const struct secret *password,
                  struct err *err)
{
    const struct identity *identity = manager->identity;

    pthread_mutex_lock(&manager->judging);
    bool right = password_check(password, identity->password_hash, err);

    pthread_mutex_unlock(&manager->judging);
    if (right && strcmp(user, identity->user) != 0) {
        right = err_set(err, ERR_DENIED, "wrong user or password");
    }
    return right;
}

static bool read_who(struct request *request, char **out_user, struct secret **out_password,
                     struct err *err)
{
    AUTO(drop_secret) struct secret *body = NULL, *password = NULL;
    AUTO(drop_json) json_t *rest = NULL;
    const char *user = NULL;

    if (!request_secret(request, BODY_MAX, &body, err) ||
        !secret_json_read(body, "password", PASSWORD_MAX, &password, &rest, err) ||
        !json_get_string(rest, "user", USER_MAX, &user, err)) {
        return err_add(err, "sign in");
    }
    if (json_object_size(rest) != 2 || !json_object_get(rest, "password")) {
        return err_set(err, ERR_INPUT, "sign in: the body is {\"user\":…,\"password\":…}");
    }
    *out_user = text_copy(user);
    *out_password = TAKE(password);
    return true;
}

static void welcome(struct request *request, struct manager *manager, const char *user)
{
    const struct event event = {"info", "session", user, user};
    char token[SESSION_TOKEN_SIZE];
    AUTO(drop_json) json_t *session = NULL;
    struct err err = {0};

    if (!session_begin(manager->database, user, request_from(request), token, &session, &err)) {
        reply_err(request, &err);
        return;
    }
    journal_event(manager->database, &event, "signed in from %s", request_from(request));
    json_object_set_new(session, "token", json_string(token));
    OPENSSL_cleanse(token, sizeof(token));
    reply_json(request, 200, session);
}

/* What was typed as a user's name may be a password: it is neither logged nor kept. */
static void refuse(struct request *request, struct manager *manager, const struct err *err)
{
    const struct event event = {"warning", "session", "refused", NULL, 60};

    if (err->kind != ERR_DENIED) {
        reply_err(request, err);
        return;
    }
    journal_event(manager->database, &event, "somebody at %s gave a wrong name or password",
                  request_from(request));
    answer_refusal(request, 401, err);
}

static void refuse_for_now(struct request *request, unsigned wait)
{
    AUTO(drop_json) json_t *body = NULL;
    AUTO(drop_free) char *seconds = text_make("%u", wait), *text = NULL;
    const char *const headers[] = {"Retry-After", seconds, NULL};
    struct err err = {0};

    err_set(&err, ERR_AWAY, "too many sign ins failed");
    err_mend(&err, "try again in %u s", wait);
    body = json_of_err(&err);
    text = json_write(body);
    reply_bytes(request, 429, "application/json", headers, text, strlen(text));
}

void answer_sign_in(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_secret) struct secret *password = NULL;
    AUTO(drop_free) char *user = NULL;
    unsigned wait = 0;
    struct err err = {0};

    if (!read_who(request, &user, &password, &err)) {
        reply_err(request, &err);
        return;
    }
    if (!throttle_try(manager->throttle, request_from(request), now(), &wait)) {
        refuse_for_now(request, wait);
        return;
    }
    if (!judge(manager, user, password, &err)) {
        refuse(request, manager, &err);
        return;
    }
    throttle_forgive(manager->throttle, request_from(request));
    welcome(request, manager, user);
}

void answer_session(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_json) json_t *session = answer_to_whom(request, manager);

    if (session) {
        const struct identity *identity = manager->identity;

        json_object_set_new(session, "cluster", json_string(identity->cluster));
        json_object_set_new(session, "datacenter", json_string(identity->datacenter));
        json_object_set_new(session, "manager", json_string(identity->name));
        json_object_set_new(session, "version", json_string(QUOIN_VERSION));
        reply_json(request, 200, session);
    }
}

void answer_sign_out(struct request *request, void *context)
{
    struct manager *manager = context;
    AUTO(drop_json) json_t *session = answer_to_whom(request, manager);
    struct err err = {0};

    if (!session) {
        return;
    }
    if (!session_end(manager->database, request_header(request, "Authorization"), &err)) {
        reply_err(request, &err);
        return;
    }
    reply_empty(request);
}
