/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager's memory: one SQLite file, written through (WAL, synchronous FULL), with foreign keys
 * and STRICT tables. Prepared statements only; values are bound, never written into SQL. Rows come
 * as JSON objects, because that is where they go. Calls from any thread; they take turns.
 *
 * No secret is in it: of a session only the SHA-256 of its token is kept.
 */
#ifndef QUOIN_MANAGER_DATABASE_H
#define QUOIN_MANAGER_DATABASE_H

#include "base/json.h"

struct database;

/* One bound value; text NULL is SQL's NULL. */
struct value {
    const char *text;
    int64_t integer;
    bool is_integer;
};
#define TEXT_VALUE(string)    ((struct value){.text = (string)})
#define INTEGER_VALUE(number) ((struct value){.integer = (number), .is_integer = true})
#define VALUES(...)           ((const struct value[]){__VA_ARGS__})

/* manager.db in `folder`, which is there; made, or brought to this version's tables, when need be.
 * ERR_CLASH: of a newer version, or another manager has it open. ERR_SYSTEM: damaged. */
bool database_open(const char *folder, struct database **out, struct err *err);
void database_close(struct database *database);
DROP(database, struct database *, database_close);

/* One statement; `values` for its ?1, ?2, … ERR_CLASH: a constraint forbids it. */
bool database_do(struct database *database, const char *sql, const struct value *values,
                 unsigned count, struct err *err);
/* The rows as an array of objects, keys as the columns are called. The caller owns it. */
bool database_rows(struct database *database, const char *sql, const struct value *values,
                   unsigned count, json_t **out, struct err *err);
/* Rows that the last database_do of this thread's transaction changed. */
int64_t database_changed(struct database *database);

/* Between these two no other thread is served; what was done is kept only if `keep`. */
bool database_begin(struct database *database, struct err *err);
bool database_end(struct database *database, bool keep, struct err *err);

#endif
