/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/session.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"

#define TOKEN_BYTES 32u
#define SCHEME      "Bearer "

static bool token_make(char token[SESSION_TOKEN_SIZE], struct err *err)
{
    unsigned char bytes[TOKEN_BYTES];

    if (RAND_priv_bytes(bytes, sizeof(bytes)) != 1) {
        return err_set(err, ERR_SYSTEM, "no random bytes to be had");
    }
    char *text = encode_base64url(bytes, sizeof(bytes));

    memcpy(token, text, SESSION_TOKEN_SIZE);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(text, SESSION_TOKEN_SIZE);
    free(text);
    return true;
}

/* Makes room: those that ended, then the oldest beyond the ceiling. */
static bool tidy(struct database *database, struct err *err)
{
    return database_do(database, "DELETE FROM sessions WHERE expires <= unixepoch()", NULL, 0,
                       err) &&
           database_do(database,
                       "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions"
                       " ORDER BY expires DESC, digest LIMIT -1 OFFSET ?1)",
                       VALUES(INTEGER_VALUE(SESSIONS_MAX - 1)), 1, err);
}

#define SHOWN                                                                                      \
    "SELECT user, strftime('%Y-%m-%dT%H:%M:%SZ', began, 'unixepoch') AS began,"                    \
    " strftime('%Y-%m-%dT%H:%M:%SZ', expires, 'unixepoch') AS expires"                             \
    " FROM sessions WHERE digest = ?1 AND expires > unixepoch()"

static bool find(struct database *database, const char *digest, json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *rows = NULL;

    if (!database_rows(database, SHOWN, VALUES(TEXT_VALUE(digest)), 1, &rows, err)) {
        return false;
    }
    if (json_array_size(rows) != 1) {
        err_set(err, ERR_DENIED, "nobody is signed in with this token");
        return err_mend(err, "sign in: POST /api/v1/session");
    }
    *out = json_incref(json_array_get(rows, 0));
    return true;
}

bool session_begin(struct database *database, const char *user, const char *address,
                   char token[SESSION_TOKEN_SIZE], json_t **out, struct err *err)
{
    char digest[DIGEST_HEX_SIZE];

    if (!token_make(token, err)) {
        return false;
    }
    digest_hex(token, strlen(token), digest);
    return tidy(database, err) &&
           database_do(database,
                       "INSERT INTO sessions (digest, user, address, began, expires)"
                       " VALUES (?1, ?2, ?3, unixepoch(), unixepoch() + ?4)",
                       VALUES(TEXT_VALUE(digest), TEXT_VALUE(user), TEXT_VALUE(address),
                              INTEGER_VALUE(SESSION_SECONDS)),
                       4, err) &&
           find(database, digest, out, err);
}

/* The digest of the token that the header carries. */
static bool digest_of(const char *authorization, char digest[DIGEST_HEX_SIZE], struct err *err)
{
    if (!authorization || !text_starts(authorization, SCHEME) ||
        strlen(authorization) != strlen(SCHEME) + SESSION_TOKEN_SIZE - 1) {
        err_set(err, ERR_DENIED, "this needs somebody who is signed in");
        return err_mend(err, "sign in: POST /api/v1/session");
    }
    digest_hex(authorization + strlen(SCHEME), SESSION_TOKEN_SIZE - 1, digest);
    return true;
}

bool session_find(struct database *database, const char *authorization, json_t **out,
                  struct err *err)
{
    char digest[DIGEST_HEX_SIZE];

    return digest_of(authorization, digest, err) && find(database, digest, out, err);
}

bool session_end(struct database *database, const char *authorization, struct err *err)
{
    char digest[DIGEST_HEX_SIZE];

    return digest_of(authorization, digest, err) &&
           database_do(database, "DELETE FROM sessions WHERE digest = ?1",
                       VALUES(TEXT_VALUE(digest)), 1, err);
}
