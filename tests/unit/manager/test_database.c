/* SPDX-License-Identifier: Apache-2.0 */
/* The database: what it promises of its file, and what it refuses. */
#include <sqlite3.h>

#include "manager/database.h"
#include "tests.h"

static struct database *open_in(const char *folder)
{
    struct database *database = NULL;
    struct err err = {0};

    assert_done(database_open(folder, &database, &err), &err);
    return database;
}

static json_t *ask(struct database *database, const char *sql)
{
    json_t *rows = NULL;
    struct err err = {0};

    assert_done(database_rows(database, sql, NULL, 0, &rows, &err), &err);
    return rows;
}

static const json_t *first(const json_t *rows, const char *column)
{
    return json_object_get(json_array_get(rows, 0), column);
}

static void alter(const char *folder, const char *sql)
{
    AUTO(drop_free) char *path = text_make("%s/manager.db", folder);
    sqlite3 *sqlite = NULL;

    assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
    assert_int_equal(sqlite3_exec(sqlite, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(sqlite);
}

static void it_is_written_through_and_strict(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    AUTO(drop_database) struct database *database = open_in(folder);
    static const struct {
        const char *pragma, *column;
        long long wanted;
    } pragmas[] = {{"PRAGMA synchronous", "synchronous", 2},
                   {"PRAGMA foreign_keys", "foreign_keys", 1},
                   {"PRAGMA trusted_schema", "trusted_schema", 0},
                   {"PRAGMA user_version", "user_version", 2}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(pragmas); i++) {
        AUTO(drop_json) json_t *rows = ask(database, pragmas[i].pragma);

        assert_int_equal(json_integer_value(first(rows, pragmas[i].column)), pragmas[i].wanted);
    }
    AUTO(drop_json) json_t *mode = ask(database, "PRAGMA journal_mode");
    AUTO(drop_json)
    json_t *loose = ask(database, "SELECT count(*) AS n FROM sqlite_schema WHERE type = 'table'"
                                  " AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE '%STRICT'");

    assert_string_equal(json_string_value(first(mode, "journal_mode")), "wal");
    assert_int_equal(json_integer_value(first(loose, "n")), 0);
}

static void what_was_kept_is_there_after_a_restart(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    struct database *database = open_in(folder);
    struct err err = {0};

    (void)state;
    assert_done(database_do(database, "INSERT INTO datacenters VALUES (?1, ?2, ?3)",
                            VALUES(TEXT_VALUE("fra1"), TEXT_VALUE("x"), INTEGER_VALUE(7)), 3, &err),
                &err);
    database_close(database);
    database = open_in(folder);
    AUTO(drop_json) json_t *rows = ask(database, "SELECT * FROM datacenters");

    assert_string_equal(json_string_value(first(rows, "name")), "fra1");
    assert_int_equal(json_integer_value(first(rows, "created")), 7);
    database_close(database);
}

static void a_value_is_never_sql(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    AUTO(drop_database) struct database *database = open_in(folder);
    static const char evil[] = "x'); DROP TABLE datacenters; --";
    struct err err = {0};

    (void)state;
    assert_done(database_do(database, "INSERT INTO datacenters VALUES (?1, ?2, 1)",
                            VALUES(TEXT_VALUE(evil), TEXT_VALUE("x")), 2, &err),
                &err);
    AUTO(drop_json) json_t *rows = ask(database, "SELECT name FROM datacenters");

    assert_string_equal(json_string_value(first(rows, "name")), evil);
}

static void what_is_not_kept_leaves_no_trace(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    AUTO(drop_database) struct database *database = open_in(folder);
    struct err err = {0};

    (void)state;
    assert_done(database_begin(database, &err), &err);
    assert_done(
        database_do(database, "INSERT INTO datacenters VALUES ('a', 'b', 1)", NULL, 0, &err), &err);
    assert_false(database_end(database, false, &err));
    AUTO(drop_json) json_t *rows = ask(database, "SELECT * FROM datacenters");

    assert_int_equal(json_array_size(rows), 0);
}

static void a_constraint_is_a_clash(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    AUTO(drop_database) struct database *database = open_in(folder);
    static const char *const broken[] = {
        "INSERT INTO clusters VALUES ('c', 'i', 'no such data center', 1)",
        "INSERT INTO datacenters VALUES (NULL, NULL, NULL)",
        "INSERT INTO datacenters VALUES ('a', 'b', 'a text for a number')"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct err err = {0};

        assert_false(database_do(database, broken[i], NULL, 0, &err));
        assert_int_equal(err.kind, ERR_CLASH);
    }
}

static void a_newer_database_is_refused_and_left_alone(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    struct database *database = open_in(folder);
    struct err err = {0};

    (void)state;
    database_close(database);
    alter(folder, "PRAGMA user_version=99");
    database = NULL;
    assert_false(database_open(folder, &database, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "99"));
    alter(folder, "PRAGMA user_version=2");
    database = open_in(folder);
    database_close(database);
}

/* As version 1 left it. */
static void an_older_database_is_brought_to_this_version_with_all_that_is_in_it(void **state)
{
    static const char *const back[] = {"DROP INDEX events_by_kind",
                                       "DROP INDEX events_by_host",
                                       "ALTER TABLE events DROP COLUMN kind",
                                       "ALTER TABLE events DROP COLUMN host",
                                       "DROP TABLE audits",
                                       "DROP TABLE keks",
                                       "ALTER TABLE tasks DROP COLUMN percent",
                                       "ALTER TABLE tasks DROP COLUMN doing",
                                       "ALTER TABLE tasks DROP COLUMN error",
                                       "ALTER TABLE tasks DROP COLUMN remedy",
                                       ("INSERT INTO events (at, severity, object, name, what) "
                                        "VALUES (7, 'info', 'hosts', 'h1', 'it was so')"),
                                       "PRAGMA user_version=1"};
    AUTO(folder_drop) char *folder = folder_make();
    struct database *database = open_in(folder);

    (void)state;
    database_close(database);
    for (size_t i = 0; i < COUNT_OF(back); i++) {
        alter(folder, back[i]);
    }
    database = open_in(folder);
    AUTO(drop_json) json_t *rows = ask(database, "SELECT what, kind FROM events");
    AUTO(drop_json) json_t *tasks = ask(database, "SELECT percent, error FROM tasks");

    assert_string_equal(json_string_value(first(rows, "what")), "it was so");
    assert_string_equal(json_string_value(first(rows, "kind")), "cluster");
    assert_int_equal(json_array_size(tasks), 0);
    database_close(database);
}

static void a_damaged_database_is_refused(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    AUTO(drop_free) char *path = text_make("%s/manager.db", folder);
    AUTO(drop_free) char *bytes = NULL;
    struct database *database = open_in(folder);
    size_t length = 0;
    struct err err = {0};

    (void)state;
    database_close(database);
    database = NULL;
    assert_done(file_read(path, 1 << 20, &bytes, &length, &err), &err);
    memset(bytes + 4096, 0x5a, 4096);
    assert_done(file_write(path, bytes, length, 0600, &err), &err);
    assert_false(database_open(folder, &database, &err));
    assert_int_equal(err.kind, ERR_SYSTEM);
    memset(bytes, 'x', 100);
    assert_done(file_write(path, bytes, length, 0600, &err), &err);
    assert_false(database_open(folder, &database, &err));
    assert_int_equal(err.kind, ERR_SYSTEM);
}

static void a_second_manager_is_refused(void **state)
{
    AUTO(folder_drop) char *folder = folder_make();
    AUTO(drop_database) struct database *database = open_in(folder), *second = NULL;
    struct err err = {0};

    (void)state;
    assert_false(database_open(folder, &second, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    json_decref(ask(database, "SELECT 1 AS one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_written_through_and_strict),
        cmocka_unit_test(what_was_kept_is_there_after_a_restart),
        cmocka_unit_test(a_value_is_never_sql),
        cmocka_unit_test(what_is_not_kept_leaves_no_trace),
        cmocka_unit_test(a_constraint_is_a_clash),
        cmocka_unit_test(a_newer_database_is_refused_and_left_alone),
        cmocka_unit_test(an_older_database_is_brought_to_this_version_with_all_that_is_in_it),
        cmocka_unit_test(a_damaged_database_is_refused),
        cmocka_unit_test(a_second_manager_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
