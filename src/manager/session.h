/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is signed in. A token is 256 random bits; the database keeps its SHA-256 alone, so that its
 * reader cannot sign in. A session ends by itself after twelve hours.
 */
#ifndef QUOIN_MANAGER_SESSION_H
#define QUOIN_MANAGER_SESSION_H

#include "manager/database.h"

/* 43 characters of base64url and a NUL. */
#define SESSION_TOKEN_SIZE 44u
#define SESSION_SECONDS    (12 * 60 * 60)
/* Of all people together; the oldest gives way. */
#define SESSIONS_MAX 64

/* `token` is the only copy: wipe it once it was sent. */
bool session_begin(struct database *database, const char *user, const char *address,
                   char token[SESSION_TOKEN_SIZE], json_t **out, struct err *err);
/* `authorization` is the header's value or NULL. {"user","began","expires"}; ERR_DENIED. */
bool session_find(struct database *database, const char *authorization, json_t **out,
                  struct err *err);
bool session_end(struct database *database, const char *authorization, struct err *err);

#endif
