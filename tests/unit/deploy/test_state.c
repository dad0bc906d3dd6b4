/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/state.h: what is remembered of a cluster, by one run at a time. */
#include "scratch.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "deploy/state.h"

#define IT(test) cmocka_unit_test_setup_teardown(test, scratch_begin, scratch_end)

static struct state *open_state(const char *cluster)
{
    struct state *state = NULL;
    struct err err = {0};

    if (!state_open(scratch_folder, cluster, true, &state, &err)) {
        fail_msg("%s", err.what);
    }
    return state;
}

static char *journal_of(const char *cluster)
{
    AUTO(drop_free) char *path = text_make("%s/%s/journal.jsonl", scratch_folder, cluster);
    char *text = NULL;
    struct err err = {0};

    assert_true(file_read(path, 65536, &text, NULL, &err));
    return text;
}

static void what_is_saved_is_there_the_next_time(void **state)
{
    AUTO(drop_state) struct state *first = open_state("edge-01");
    AUTO(drop_free) char *id = text_copy(first->cluster_id);
    struct err err = {0};

    (void)state;
    assert_true(uuid_valid(id));
    assert_false(first->deployed);
    first->blueprint = text_copy("/srv/one.yaml");
    first->phase = text_copy("pour");
    first->deployed = true;
    assert_true(state_save(first, &err));
    state_free(TAKE(first));
    AUTO(drop_state) struct state *second = open_state("edge-01");

    assert_string_equal(second->cluster_id, id);
    assert_string_equal(second->blueprint, "/srv/one.yaml");
    assert_string_equal(second->phase, "pour");
    assert_true(second->deployed);
}

static void the_id_of_a_killed_first_run_stays(void **state)
{
    AUTO(drop_state) struct state *first = open_state("edge-01");
    AUTO(drop_free) char *id = text_copy(first->cluster_id);

    (void)state;
    state_free(TAKE(first));
    AUTO(drop_state) struct state *second = open_state("edge-01");

    assert_string_equal(second->cluster_id, id);
}

static void a_second_run_is_refused_and_told_who_works(void **state)
{
    AUTO(drop_state) struct state *first = open_state("edge-01");
    AUTO(drop_free) char *pid = text_make("process %d)", (int)getpid());
    struct state *second = NULL;
    struct err err = {0};

    (void)state;
    assert_false(state_open(scratch_folder, "edge-01", true, &second, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_non_null(strstr(err.what, pid));
    assert_null(second);
    assert_non_null(first->cluster_id);
    AUTO(drop_state) struct state *other = open_state("edge-02");

    assert_non_null(other);
}

/* The lock is the process', not the file's. */
static void a_killed_run_locks_nobody_out(void **state)
{
    pid_t child = fork();
    int status = 0;

    (void)state;
    if (child == 0) {
        struct state *held = NULL;
        struct err err = {0};

        _exit(state_open(scratch_folder, "edge-01", true, &held, &err) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    AUTO(drop_state) struct state *again = open_state("edge-01");

    assert_non_null(again);
}

static void a_cluster_that_is_not_known_is_absent_and_leaves_nothing(void **state)
{
    AUTO(drop_free) char *folder = scratch_path("edge-01");
    struct state *opened = NULL;
    struct err err = {0};

    (void)state;
    assert_false(state_open(scratch_folder, "edge-01", false, &opened, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_false(file_exists(folder));
}

static void the_only_cluster_is_found(void **state)
{
    AUTO(drop_free) char *found = NULL;
    struct err err = {0};

    (void)state;
    assert_false(state_find_one(scratch_folder, &found, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    state_free(open_state("edge-01"));
    assert_true(state_find_one(scratch_folder, &found, &err));
    assert_string_equal(found, "edge-01");
}

static void of_several_clusters_one_must_be_named(void **state)
{
    AUTO(drop_free) char *found = NULL;
    struct err err = {0};

    (void)state;
    state_free(open_state("edge-01"));
    state_free(open_state("edge-02"));
    assert_false(state_find_one(scratch_folder, &found, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "edge-01"));
    assert_non_null(strstr(err.what, "edge-02"));
    assert_non_null(strstr(err.remedy, "--cluster"));
}

static void the_journal_keeps_every_event_of_every_run_on_a_line(void **state)
{
    struct err err = {0};

    (void)state;
    for (int run = 0; run < 2; run++) {
        AUTO(drop_state) struct state *opened = open_state("edge-01");
        AUTO(drop_json) json_t *event = json_pack("{s:i, s:s}", "run", run, "what", "two\nlines");

        assert_true(state_note(opened, event, &err));
    }
    AUTO(drop_free) char *text = journal_of("edge-01");

    assert_string_equal(text, "{\"run\":0,\"what\":\"two\\nlines\"}\n"
                              "{\"run\":1,\"what\":\"two\\nlines\"}\n");
}

static void the_ca_is_kept_and_absent_before(void **state)
{
    AUTO(drop_state) struct state *opened = open_state("edge-01");
    AUTO(drop_free) char *pem = NULL;
    struct err err = {0};

    (void)state;
    assert_false(state_read_ca(opened, &pem, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    assert_true(state_write_ca(opened, "PEM\n", &err));
    assert_true(state_read_ca(opened, &pem, &err));
    assert_string_equal(pem, "PEM\n");
}

static void a_forgotten_cluster_is_not_found_and_its_journal_stays(void **state)
{
    AUTO(drop_state) struct state *opened = open_state("edge-01");
    AUTO(drop_json) json_t *event = json_pack("{s:s}", "event", "done");
    AUTO(drop_free) char *id = text_copy(opened->cluster_id), *found = NULL;
    struct err err = {0};

    (void)state;
    assert_true(state_write_ca(opened, "PEM\n", &err) && state_note(opened, event, &err));
    assert_true(state_forget(opened, &err));
    state_free(TAKE(opened));
    assert_false(state_find_one(scratch_folder, &found, &err));
    AUTO(drop_free) char *text = journal_of("edge-01");

    assert_string_equal(text, "{\"event\":\"done\"}\n");
    AUTO(drop_state) struct state *again = open_state("edge-01");

    assert_string_not_equal(again->cluster_id, id);
}

static void a_damaged_state_is_refused(void **state)
{
    AUTO(drop_free) char *path = scratch_path("edge-01/cluster.json");
    struct state *opened = NULL;
    struct err err = {0};

    (void)state;
    state_free(open_state("edge-01"));
    assert_true(file_write(path, "{\"cluster_id\":\"1\"}", 18, 0600, &err));
    assert_false(state_open(scratch_folder, "edge-01", true, &opened, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(opened);
}

static void what_a_newer_quoin_knows_of_a_cluster_is_left_alone(void **state)
{
    static const char newer[] = "{\"format\":2,\"cluster_id\":1}";
    AUTO(drop_free) char *path = scratch_path("edge-01/cluster.json");
    AUTO(drop_free) char *text = NULL;
    struct state *opened = NULL;
    struct err err = {0};

    (void)state;
    state_free(open_state("edge-01"));
    assert_true(file_write(path, newer, strlen(newer), 0600, &err));
    assert_false(state_open(scratch_folder, "edge-01", true, &opened, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "newer quoin"));
    assert_true(file_read(path, 4096, &text, NULL, &err));
    assert_string_equal(text, newer);
}

static void nobody_else_may_look(void **state)
{
    AUTO(drop_free) char *folder = scratch_path("edge-01");
    struct stat st;

    (void)state;
    state_free(open_state("edge-01"));
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void the_folder_is_the_wanted_one_or_the_users(void **state)
{
    (void)state;
    assert_int_equal(setenv("XDG_STATE_HOME", "/x", 1), 0);
    assert_int_equal(setenv("HOME", "/h", 1), 0);
    AUTO(drop_free) char *wanted = state_folder("/w"), *xdg = state_folder(NULL);

    assert_int_equal(setenv("XDG_STATE_HOME", "relative", 1), 0);
    AUTO(drop_free) char *home = state_folder(NULL);

    assert_string_equal(wanted, "/w");
    assert_string_equal(xdg, "/x/quoin");
    assert_string_equal(home, "/h/.local/state/quoin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(what_is_saved_is_there_the_next_time),
        IT(the_id_of_a_killed_first_run_stays),
        IT(a_second_run_is_refused_and_told_who_works),
        IT(a_killed_run_locks_nobody_out),
        IT(a_cluster_that_is_not_known_is_absent_and_leaves_nothing),
        IT(the_only_cluster_is_found),
        IT(of_several_clusters_one_must_be_named),
        IT(the_journal_keeps_every_event_of_every_run_on_a_line),
        IT(the_ca_is_kept_and_absent_before),
        IT(a_forgotten_cluster_is_not_found_and_its_journal_stays),
        IT(a_damaged_state_is_refused),
        IT(what_a_newer_quoin_knows_of_a_cluster_is_left_alone),
        IT(nobody_else_may_look),
        IT(the_folder_is_the_wanted_one_or_the_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
