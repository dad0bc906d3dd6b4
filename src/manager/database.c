/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/database.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/text.h"

/* What `versions` makes; a file that says more is of a newer manager. */
#define VERSION ((int64_t)COUNT_OF(versions))

struct database {
    sqlite3 *sqlite;
    pthread_mutex_t turn; /* recursive: a transaction holds it */
};

/* versions[n] brings a database of version n to n + 1; one statement an entry. */
static const char *const version_1[] = {
    "CREATE TABLE datacenters (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " created INTEGER NOT NULL) STRICT",
    "CREATE TABLE clusters (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " datacenter TEXT NOT NULL REFERENCES datacenters(name), created INTEGER NOT NULL) STRICT",
    "CREATE TABLE hosts (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " address TEXT NOT NULL UNIQUE, cluster TEXT NOT NULL REFERENCES clusters(name),"
    " created INTEGER NOT NULL) STRICT",
    "CREATE TABLE datastores (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " type TEXT NOT NULL, cluster TEXT NOT NULL REFERENCES clusters(name),"
    " created INTEGER NOT NULL) STRICT",
    "CREATE TABLE key_providers (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " type TEXT NOT NULL, cluster TEXT NOT NULL REFERENCES clusters(name),"
    " created INTEGER NOT NULL) STRICT",
    "CREATE TABLE tasks (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,"
    " object TEXT NOT NULL, name TEXT NOT NULL, actor TEXT NOT NULL, state TEXT NOT NULL,"
    " began INTEGER NOT NULL, ended INTEGER) STRICT",
    "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
    " severity TEXT NOT NULL, object TEXT NOT NULL, name TEXT NOT NULL, actor TEXT,"
    " what TEXT NOT NULL) STRICT",
    "CREATE TABLE sessions (digest TEXT PRIMARY KEY, user TEXT NOT NULL, address TEXT NOT NULL,"
    " began INTEGER NOT NULL, expires INTEGER NOT NULL) STRICT",
    NULL,
};
static const char *const version_2[] = {
    /* Uses of keys, gathered from the hosts' audits, beside what happens in the cluster. */
    "ALTER TABLE events ADD COLUMN kind TEXT NOT NULL DEFAULT 'cluster'",
    "ALTER TABLE events ADD COLUMN host TEXT",
    "CREATE INDEX events_by_kind ON events (kind, id)",
    "CREATE INDEX events_by_host ON events (kind, host, id)",
    "CREATE TABLE audits (host TEXT PRIMARY KEY REFERENCES hosts(name) ON DELETE CASCADE,"
    " source TEXT NOT NULL, next INTEGER NOT NULL) STRICT",
    /* When a KEK was first seen. */
    "CREATE TABLE keks (kek TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT",
    /* Tasks that take their time. */
    "ALTER TABLE tasks ADD COLUMN percent INTEGER NOT NULL DEFAULT 100",
    "ALTER TABLE tasks ADD COLUMN doing TEXT",
    "ALTER TABLE tasks ADD COLUMN error TEXT",
    "ALTER TABLE tasks ADD COLUMN remedy TEXT",
    NULL,
};
static const char *const *const versions[] = {version_1, version_2};

static bool refuse(const struct database *database, struct err *err)
{
    int code = sqlite3_errcode(database->sqlite);
    const char *what = sqlite3_errmsg(database->sqlite);

    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return err_set(err, ERR_CLASH, "%s", what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_CLASH, "another program uses the database");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        err_set(err, ERR_SYSTEM, "the database is damaged: %s", what);
        return err_mend(err, "move it away and deploy again: the hosts know the rest");
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return err_set(err, ERR_BUG, "the database says: %s", what);
    default:
        return err_set(err, ERR_SYSTEM, "the database says: %s", what);
    }
}

static void drop_statement(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}

static bool prepare(const struct database *database, const char *sql, const struct value *values,
                    unsigned count, sqlite3_stmt **out, struct err *err)
{
    AUTO(drop_statement) sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(database->sqlite, sql, -1, &statement, NULL) != SQLITE_OK) {
        return refuse(database, err);
    }
    for (unsigned i = 0; i < count; i++) {
        int code =
            values[i].is_integer
                ? sqlite3_bind_int64(statement, (int)i + 1, values[i].integer)
                : sqlite3_bind_text(statement, (int)i + 1, values[i].text, -1, SQLITE_TRANSIENT);

        if (code != SQLITE_OK) {
            return refuse(database, err);
        }
    }
    *out = TAKE(statement);
    return true;
}

static json_t *cell(sqlite3_stmt *row, int column)
{
    json_t *text;

    switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(row, column));
    case SQLITE_TEXT:
        text = json_string((const char *)sqlite3_column_text(row, column));
        /* A message that was cut may end inside a character. */
        return text ? text : json_string("(unreadable)");
    default:
        return json_null();
    }
}

static json_t *object_of(sqlite3_stmt *row)
{
    json_t *object = json_object();

    for (int i = 0; i < sqlite3_column_count(row); i++) {
        json_object_set_new(object, sqlite3_column_name(row, i), cell(row, i));
    }
    return object;
}

static bool step_all(struct database *database, const char *sql, const struct value *values,
                     unsigned count, json_t *rows, struct err *err)
{
    AUTO(drop_statement) sqlite3_stmt *statement = NULL;
    int code;

    if (!prepare(database, sql, values, count, &statement, err)) {
        return false;
    }
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (rows) {
            json_array_append_new(rows, object_of(statement));
        }
    }
    return code == SQLITE_DONE || refuse(database, err);
}

bool database_do(struct database *database, const char *sql, const struct value *values,
                 unsigned count, struct err *err)
{
    pthread_mutex_lock(&database->turn);
    bool ok = step_all(database, sql, values, count, NULL, err);

    pthread_mutex_unlock(&database->turn);
    return ok;
}

bool database_rows(struct database *database, const char *sql, const struct value *values,
                   unsigned count, json_t **out, struct err *err)
{
    AUTO(drop_json) json_t *rows = json_array();

    pthread_mutex_lock(&database->turn);
    bool ok = step_all(database, sql, values, count, rows, err);

    pthread_mutex_unlock(&database->turn);
    if (ok) {
        *out = TAKE(rows);
    }
    return ok;
}

int64_t database_changed(struct database *database)
{
    return sqlite3_changes64(database->sqlite);
}

bool database_begin(struct database *database, struct err *err)
{
    pthread_mutex_lock(&database->turn);
    if (!step_all(database, "BEGIN IMMEDIATE", NULL, 0, NULL, err)) {
        pthread_mutex_unlock(&database->turn);
        return false;
    }
    return true;
}

bool database_end(struct database *database, bool keep, struct err *err)
{
    struct err ignored = {0};
    bool ok = keep && step_all(database, "COMMIT", NULL, 0, NULL, err);

    if (!ok) {
        (void)step_all(database, "ROLLBACK", NULL, 0, NULL, &ignored);
    }
    pthread_mutex_unlock(&database->turn);
    return ok;
}

/* The one value of a pragma, as text that the caller frees. */
static bool ask_pragma(struct database *database, const char *sql, char **out, struct err *err)
{
    AUTO(drop_statement) sqlite3_stmt *statement = NULL;

    if (!prepare(database, sql, NULL, 0, &statement, err)) {
        return false;
    }
    if (sqlite3_step(statement) != SQLITE_ROW) {
        return refuse(database, err);
    }
    *out = text_make("%s", (const char *)sqlite3_column_text(statement, 0));
    return true;
}

static bool expect_pragma(struct database *database, const char *sql, const char *wanted,
                          struct err *err)
{
    AUTO(drop_free) char *is = NULL;

    if (!ask_pragma(database, sql, &is, err)) {
        return false;
    }
    if (strcmp(is, wanted) != 0) {
        err_set(err, ERR_SYSTEM, "the database fails '%s': %s", sql, is);
        return err_mend(err, "move it away and deploy again: the hosts know the rest");
    }
    return true;
}

static bool check(struct database *database, struct err *err)
{
    /* Exclusive: a second manager on the same disk is refused instead of let in. */
    static const struct {
        const char *sql, *wanted;
    } pragmas[] = {
        {"PRAGMA locking_mode=EXCLUSIVE", "exclusive"},
        {"PRAGMA journal_mode=WAL", "wal"},
        {"PRAGMA integrity_check", "ok"},
    };

    for (size_t i = 0; i < COUNT_OF(pragmas); i++) {
        if (!expect_pragma(database, pragmas[i].sql, pragmas[i].wanted, err)) {
            return false;
        }
    }
    return step_all(database, "PRAGMA synchronous=FULL", NULL, 0, NULL, err) &&
           step_all(database, "PRAGMA foreign_keys=ON", NULL, 0, NULL, err) &&
           step_all(database, "PRAGMA trusted_schema=OFF", NULL, 0, NULL, err);
}

static bool bring_to(struct database *database, int64_t version, struct err *err)
{
    AUTO(drop_free) char *mark = text_make("PRAGMA user_version=%lld", (long long)version);

    for (const char *const *sql = versions[version - 1]; *sql; sql++) {
        if (!step_all(database, *sql, NULL, 0, NULL, err)) {
            return false;
        }
    }
    return step_all(database, mark, NULL, 0, NULL, err);
}

static bool migrate(struct database *database, struct err *err)
{
    AUTO(drop_free) char *text = NULL;

    if (!ask_pragma(database, "PRAGMA user_version", &text, err)) {
        return false;
    }
    int64_t version = strtoll(text, NULL, 10);

    if (version > VERSION) {
        err_set(err, ERR_CLASH, "the database is of version %lld, this manager knows %lld",
                (long long)version, (long long)VERSION);
        return err_mend(err, "start the newer manager, or restore the older database");
    }
    while (version < VERSION) {
        if (!database_begin(database, err) ||
            !database_end(database, bring_to(database, ++version, err), err)) {
            return err_add(err, "bring the database to version %lld", (long long)version);
        }
    }
    return true;
}

bool database_open(const char *folder, struct database **out, struct err *err)
{
    AUTO(drop_database) struct database *database = text_room(1, sizeof(*database));
    AUTO(drop_free) char *path = text_make("%s/manager.db", folder);
    pthread_mutexattr_t recursive;

    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&database->turn, &recursive);
    pthread_mutexattr_destroy(&recursive);
    if (sqlite3_open_v2(path, &database->sqlite,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                            SQLITE_OPEN_NOFOLLOW,
                        NULL) != SQLITE_OK) {
        return refuse(database, err) || err_add(err, "open '%s'", path);
    }
    (void)sqlite3_db_config(database->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (!check(database, err) || !migrate(database, err)) {
        return err_add(err, "'%s'", path);
    }
    *out = TAKE(database);
    return true;
}

void database_close(struct database *database)
{
    if (!database) {
        return;
    }
    sqlite3_close(database->sqlite);
    pthread_mutex_destroy(&database->turn);
    free(database);
}
