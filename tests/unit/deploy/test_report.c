/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/report.h: the events of a run, as lines for programs and for people. */
#include "scratch.h"

#include <regex.h>

#include "deploy/report.h"

#define IT(test) cmocka_unit_test_setup_teardown(test, scratch_begin, scratch_end)

/* Both outputs go into files while `run` works. */
struct said {
    char *out, *errors;
};

static void drop_said(struct said *said)
{
    free(said->out);
    free(said->errors);
}

static int divert(int fd, const char *name)
{
    AUTO(drop_free) char *path = scratch_path(name);
    AUTO(drop_fd) int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int kept = dup(fd);

    assert_true(file >= 0 && kept >= 0 && dup2(file, fd) == fd);
    return kept;
}

static char *put_back(int fd, int kept, const char *name)
{
    AUTO(drop_free) char *path = scratch_path(name);
    char *text = NULL;
    struct err err = {0};

    assert_int_equal(dup2(kept, fd), fd);
    close(kept);
    assert_true(file_read(path, 65536, &text, NULL, &err));
    return text;
}

/* A run from its first phase to its end, and one that fails. */
static struct said run(bool json, struct state *state)
{
    AUTO(drop_json) json_t *result = json_pack("{s:s}", "url", "https://mgr/");
    struct report report;
    struct err err = {0};

    fflush(stdout);
    int out = divert(STDOUT_FILENO, "out"), errors = divert(STDERR_FILENO, "errors");

    report_begin(&report, json);
    report.state = state;
    report_phase(&report, "check", 1, 10);
    report_phase(&report, "datastore", 4, 10);
    report_step(&report, "store.disk", "h1", "serial s1");
    report_progress(&report, 40, "write");
    report_progress(&report, 40, "write");
    report_progress(&report, 140, "write");
    report_step_done(&report, "store.disk", true);
    report_done(&report, result, "all done");
    report_phase(&report, "pour", 6, 10);
    (void)err_set(&err, ERR_AWAY, "host 'h1' went away");
    err_mend(&err, "run it again");
    report_failed(&report, &err);
    fflush(stdout);
    return (struct said){put_back(STDOUT_FILENO, out, "out"),
                         put_back(STDERR_FILENO, errors, "errors")};
}

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB), 0);
    bool found = regexec(&regex, text, 0, NULL, 0) == 0;

    regfree(&regex);
    return found;
}

#define AT "\"at\":\"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z\"}$"

static void events_have_these_fields(void **state)
{
    static const char *const lines[] = {
        "^\\{\"event\":\"phase\",\"phase\":\"check\",\"number\":1,\"of\":10," AT,
        "^\\{\"event\":\"step\",\"phase\":\"datastore\",\"kind\":\"store.disk\",\"host\":\"h1\","
        "\"target\":\"serial s1\",\"state\":\"begun\"," AT,
        "^\\{\"event\":\"progress\",\"phase\":\"datastore\",\"percent\":40,\"what\":\"write\"," AT,
        "^\\{\"event\":\"progress\",\"phase\":\"datastore\",\"percent\":100,\"what\":\"write\"," AT,
        "^\\{\"event\":\"step\",\"phase\":\"datastore\",\"kind\":\"store.disk\",\"state\":\"done\","
        "\"changed\":true," AT,
        "^\\{\"event\":\"done\",\"seconds\":[0-9.]+,\"url\":\"https://mgr/\"," AT,
        "^\\{\"event\":\"failed\",\"phase\":\"pour\",\"error\":\\{\"kind\":\"away\",\"what\":"
        "\"host 'h1' went away\",\"remedy\":\"run it again\"\\},\"exit\":6," AT,
    };

    (void)state;
    AUTO(drop_said) struct said said = run(true, NULL);

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (!matches(said.out, lines[i])) {
            fail_msg("no line is %s in\n%s", lines[i], said.out);
        }
    }
    assert_string_equal(said.errors, "");
}

static void every_line_of_json_is_a_document(void **state)
{
    (void)state;
    AUTO(drop_said) struct said said = run(true, NULL);
    char *rest = said.out, *line;
    size_t count = 0;

    while ((line = strsep(&rest, "\n")) && line[0]) {
        AUTO(drop_json) json_t *event = NULL;
        struct err err = {0};

        assert_true(json_read(line, strlen(line), &event, &err));
        assert_true(json_is_string(json_object_get(event, "event")));
        assert_true(json_is_string(json_object_get(event, "at")));
        count++;
    }
    assert_true(count >= 8);
}

static void the_same_progress_is_told_once(void **state)
{
    (void)state;
    AUTO(drop_said) struct said said = run(true, NULL);
    const char *first = strstr(said.out, "\"percent\":40");

    assert_non_null(first);
    assert_null(strstr(first + 1, "\"percent\":40"));
}

static void without_a_terminal_there_are_no_escape_codes_and_no_bar(void **state)
{
    (void)state;
    AUTO(drop_said) struct said said = run(false, NULL);

    assert_null(strchr(said.errors, '\033'));
    assert_null(strchr(said.errors, '\r'));
    assert_string_equal(said.out, "all done\n");
    assert_true(matches(said.errors, "^\\[ 1/10\\] check +done in [0-9.]+ s$"));
    assert_true(matches(said.errors, "^quoin: error: pour: host 'h1' went away$"));
    assert_true(matches(said.errors, "^  remedy: run it again$"));
}

/* A terminal that records what comes to it. */
static char *on_terminal(void)
{
    AUTO(drop_fd) int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct report report;
    char *text = text_room(1, 65536);
    size_t length = 0;

    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    AUTO(drop_fd) int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    int kept = dup(STDERR_FILENO);

    assert_true(slave >= 0 && kept >= 0 && dup2(slave, STDERR_FILENO) >= 0);
    report_begin(&report, false);
    report_phase(&report, "pour", 6, 10);
    report_progress(&report, 50, "write");
    report_phase(&report, "start", 7, 10);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    close(kept);
    while (!strstr(text, "start") && length < 65535) {
        ssize_t n = read(master, text + length, 65535 - length);

        assert_true(n > 0);
        length += (size_t)n;
    }
    return text;
}

static void on_a_terminal_there_is_a_bar_in_colour(void **state)
{
    (void)state;
    assert_int_equal(setenv("TERM", "xterm", 1) | unsetenv("NO_COLOR"), 0);
    AUTO(drop_free) char *text = on_terminal();

    assert_non_null(strstr(text, "[############------------]  50 %"));
    assert_non_null(strstr(text, "\033[32m"));
}

static void no_color_is_obeyed(void **state)
{
    (void)state;
    assert_int_equal(setenv("TERM", "xterm", 1) | setenv("NO_COLOR", "1", 1), 0);
    AUTO(drop_free) char *text = on_terminal();

    assert_int_equal(unsetenv("NO_COLOR"), 0);
    assert_non_null(strstr(text, " 50 %"));
    assert_null(strstr(text, "\033[32m"));
    assert_null(strstr(text, "\033[1m"));
}

static void the_journal_has_every_event_but_progress(void **state)
{
    AUTO(drop_state) struct state *opened = NULL;
    AUTO(drop_free) char *path = scratch_path("edge-01/journal.jsonl"), *text = NULL;
    struct err err = {0};

    (void)state;
    assert_true(state_open(scratch_folder, "edge-01", true, &opened, &err));
    AUTO(drop_said) struct said said = run(false, opened);

    assert_string_equal(said.out, "all done\n");
    assert_true(file_read(path, 65536, &text, NULL, &err));
    assert_non_null(strstr(text, "\"event\":\"phase\""));
    assert_non_null(strstr(text, "\"event\":\"step\""));
    assert_non_null(strstr(text, "\"event\":\"done\""));
    assert_non_null(strstr(text, "\"event\":\"failed\""));
    assert_null(strstr(text, "\"event\":\"progress\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(events_have_these_fields),
        IT(every_line_of_json_is_a_document),
        IT(the_same_progress_is_told_once),
        IT(without_a_terminal_there_are_no_escape_codes_and_no_bar),
        IT(on_a_terminal_there_is_a_bar_in_colour),
        IT(no_color_is_obeyed),
        IT(the_journal_has_every_event_but_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
