/* SPDX-License-Identifier: Apache-2.0 */
/* cli/cli.h: the command line of quoin, by starting it; no host is asked for anything. */
#include "scratch.h"

#include "cli/cli.h"

#define IT(test) cmocka_unit_test_setup_teardown(test, scratch_begin, scratch_end)
#define COLUMNS  80u

static const char *program; /* the built quoin */

static void run_quoin(const char *const *words, struct run_result *out)
{
    const char *argv[16] = {program};
    AUTO(drop_free) char *home = text_make("XDG_STATE_HOME=%s", scratch_folder);
    const char *environment[] = {home, NULL};
    struct err err = {0};

    for (size_t i = 0; words[i]; i++) {
        assert_true(i < COUNT_OF(argv) - 2);
        argv[i + 1] = words[i];
    }
    if (!run_program(&(struct run){.argv = argv, .environment = environment}, out, &err)) {
        fail_msg("%s", err.what);
    }
}

#define QUOIN(out, ...)                                                                            \
    AUTO(drop_run_result) struct run_result out = {0};                                             \
    run_quoin(RUN(__VA_ARGS__), &out)

/* One document and nothing else. */
static json_t *document(const struct run_result *said)
{
    json_t *json = NULL;
    struct err err = {0};

    if (!json_read(said->out, said->out_length, &json, &err)) {
        fail_msg("%s in '%s'", err.what, said->out);
    }
    return json;
}

static char *starter(void)
{
    char *path = scratch_path("one.yaml");
    QUOIN(said, "blueprint", "new", path);

    assert_int_equal(said.status, 0);
    return path;
}

/* ---- options ---- */

static void version_and_help_need_no_verb(void **state)
{
    (void)state;
    QUOIN(version, "--version");
    QUOIN(help, "--help");
    QUOIN(nothing, NULL);

    assert_int_equal(version.status, 0);
    assert_string_equal(version.out, "quoin " QUOIN_VERSION "\n");
    assert_int_equal(help.status, 0);
    assert_true(text_starts(help.out, "Usage: quoin "));
    assert_int_equal(nothing.status, 2);
}

static void options_stand_before_and_after_the_verb(void **state)
{
    AUTO(drop_free) char *path = starter();

    (void)state;
    QUOIN(before, "-o", "json", "blueprint", "get", path, "cluster.name");
    QUOIN(between, "blueprint", "-o", "json", "get", path, "cluster.name");
    QUOIN(after, "blueprint", "get", path, "cluster.name", "-o", "json");

    assert_int_equal(before.status, 0);
    AUTO(drop_json) json_t *json = document(&before);

    assert_non_null(json);
    assert_string_equal(before.out, between.out);
    assert_string_equal(before.out, after.out);
}

static void what_is_not_understood_is_the_requests_fault(void **state)
{
    static const char *const lines[][5] = {
        {"dance", NULL},
        {"--dance", NULL},
        {"status", "--dance", NULL},
        {"status", "-o", "xml", NULL},
        {"status", "-o", NULL},
        {"status", "--yes", NULL},
        {"plan", "x.yaml", "--yes-destroy", "edge-01", NULL},
        {"check", NULL},
        {"check", "a.yaml", "b.yaml", NULL},
        {"blueprint", NULL},
        {"blueprint", "eat", NULL},
        {"status", "word", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        AUTO(drop_run_result) struct run_result said = {0};

        run_quoin(lines[i], &said);
        if (said.status != 2 || !said.errors[0] || said.out[0]) {
            fail_msg("quoin %s %s: exit %d, '%s'", lines[i][0], lines[i][1] ? lines[i][1] : "",
                     said.status, said.out);
        }
    }
}

static void what_was_meant_is_told(void **state)
{
    (void)state;
    QUOIN(noun, "blueprint", "check");
    QUOIN(verb, "nothing");
    QUOIN(letter, "status", "-Q");
    QUOIN(word, "status", "--quick");
    QUOIN(value, "status", "--cluster");
    QUOIN(both, "status", "--output");

    assert_non_null(strstr(noun.errors, "no verb 'blueprint check'"));
    assert_non_null(strstr(noun.errors, "one of: new, show, get, set, schema\n"));
    assert_non_null(strstr(verb.errors, "no verb 'nothing'"));
    assert_non_null(strstr(letter.errors, "option '-Q'"));
    assert_non_null(strstr(word.errors, "option '--quick'"));
    assert_non_null(strstr(value.errors, "option '--cluster'"));
    assert_non_null(strstr(both.errors, "option '--output'"));
}

static void an_option_of_another_verb_is_named(void **state)
{
    (void)state;
    QUOIN(said, "status", "--offline");

    assert_int_equal(said.status, 2);
    assert_non_null(strstr(said.errors, "'quoin status' takes no --offline"));
}

/* ---- help ---- */

static size_t columns(const char *line, size_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < length; i++) {
        count += ((unsigned char)line[i] & 0xc0) != 0x80;
    }
    return count;
}

static void assert_narrow(const char *what, const char *text)
{
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");

        if (columns(line, length) > COLUMNS) {
            fail_msg("%s: more than %u columns: %.*s", what, COLUMNS, (int)length, line);
        }
        line += length + (line[length] ? 1 : 0);
    }
}

static char *help_of(const struct verb *verb)
{
    AUTO(drop_free) char *name = text_copy(verb->name);
    AUTO(drop_run_result) struct run_result said = {0};
    char *second = strchr(name, ' ');

    if (second) {
        *second++ = '\0';
    }
    run_quoin(second ? RUN(name, second, "--help") : RUN(name, "--help"), &said);
    assert_int_equal(said.status, 0);
    return TAKE(said.out);
}

static void every_verb_has_help_of_eighty_columns(void **state)
{
    (void)state;
    QUOIN(all, "--help");

    assert_narrow("quoin --help", all.out);
    for (const struct verb *verb = verbs; verb->name; verb++) {
        AUTO(drop_free) char *text = help_of(verb);
        AUTO(drop_free) char *usage = text_make("Usage: quoin %s", verb->name);

        assert_true(text_starts(text, usage));
        assert_non_null(strstr(text, verb->summary));
        assert_non_null(strstr(all.out, verb->summary));
        assert_narrow(verb->name, text);
    }
}

static char *manual(void)
{
    AUTO(drop_free) char *path = text_make("%s/man/quoin.1.scd", getenv("QUOIN_SOURCE"));
    char *text = NULL;
    struct err err = {0};

    if (!file_read(path, 1u << 20, &text, NULL, &err)) {
        fail_msg("%s", err.what);
    }
    return text;
}

static void the_manual_has_every_verb_and_every_option(void **state)
{
    AUTO(drop_free) char *text = manual();

    (void)state;
    for (const struct verb *verb = verbs; verb->name; verb++) {
        AUTO(drop_free) char *bold = text_make("*%s*", verb->name);
        AUTO(drop_free) char *options = text_copy(verb->options ? verb->options : "");
        char *rest = options, *option;

        if (!strstr(text, bold)) {
            fail_msg("the manual has no %s", bold);
        }
        while ((option = strsep(&rest, ",")) && option[0]) {
            AUTO(drop_free) char *dashed = text_make("--%s", option);

            if (!strstr(text, dashed)) {
                fail_msg("the manual has no %s", dashed);
            }
        }
    }
}

/* ---- results ---- */

static void assert_error(const struct run_result *said, int status, const char *kind)
{
    AUTO(drop_json) json_t *json = document(said);
    const json_t *error = json_object_get(json, "error");

    assert_int_equal(said->status, status);
    assert_string_equal(json_string_or(error, "kind", ""), kind);
    assert_string_not_equal(json_string_or(error, "what", ""), "");
    assert_true(json_is_string(json_object_get(error, "remedy")));
}

static void failures_are_documents_too(void **state)
{
    AUTO(drop_free) char *missing = scratch_path("missing.yaml");

    (void)state;
    QUOIN(absent, "status", "-o", "json");
    QUOIN(verify, "-o", "json", "verify");
    QUOIN(unread, "plan", missing, "-o", "json");
    QUOIN(no_verb, "-o", "json", "dance");
    QUOIN(no_option, "-o", "json", "status", "--dance");

    assert_error(&absent, 4, "absent");
    assert_error(&verify, 4, "absent");
    assert_error(&unread, 4, "absent");
    assert_error(&no_verb, 2, "input");
    assert_error(&no_option, 2, "input");
}

static void a_failure_is_told_on_standard_error_with_its_remedy(void **state)
{
    (void)state;
    QUOIN(said, "status");

    assert_int_equal(said.status, 4);
    assert_string_equal(said.out, "");
    assert_true(text_starts(said.errors, "quoin: error: "));
    assert_non_null(strstr(said.errors, "\n  remedy: "));
    assert_null(strchr(said.errors, '\033'));
}

/* It may be the one that still opens everything. */
static void a_file_of_a_recovery_key_is_never_written_over(void **state)
{
    AUTO(drop_free) char *path = scratch_path("recovery.json");
    AUTO(drop_free) char *text = NULL;
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, "the first", 9, 0600, &err));
    QUOIN(said, "key", "recovery", "--file", path);

    assert_int_equal(said.status, 2);
    assert_non_null(strstr(said.errors, "is there already"));
    assert_non_null(strstr(said.errors, "\n  remedy: "));
    assert_true(file_read(path, 100, &text, NULL, &err));
    assert_string_equal(text, "the first");
}

static void check_answers_with_findings_as_the_contract_says(void **state)
{
    static const char *const keys[] = {"severity", "where", "line", "column", "what", "remedy"};
    static const char bad[] = "quoin: 1\ncluster: {name: edge-01}\nhorses: []\n";
    AUTO(drop_free) char *path = scratch_path("bad.yaml");
    struct err err = {0};

    (void)state;
    assert_true(file_write(path, bad, strlen(bad), 0600, &err));
    QUOIN(said, "check", path, "--offline", "-o", "json");
    AUTO(drop_json) json_t *json = document(&said);
    const json_t *findings = json_object_get(json, "findings"),
                 *first = json_array_get(findings, 0);

    assert_int_equal(said.status, 2);
    assert_true(json_is_false(json_object_get(json, "ok")));
    assert_true(json_array_size(findings) > 0);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_non_null(json_object_get(first, keys[i]));
    }
    QUOIN(text, "check", path, "--offline");

    assert_int_equal(text.status, 2);
    assert_non_null(strstr(text.errors, "horses"));
    assert_string_equal(text.out, "");
}

static void the_schema_is_a_document(void **state)
{
    (void)state;
    QUOIN(said, "blueprint", "schema");
    AUTO(drop_json) json_t *json = document(&said);

    assert_int_equal(said.status, 0);
    assert_non_null(json_object_get(json, "$schema"));
}

static void a_parameter_that_is_set_is_got(void **state)
{
    AUTO(drop_free) char *path = starter();

    (void)state;
    QUOIN(set, "blueprint", "set", path, "cluster.name", "edge-77");
    QUOIN(get, "blueprint", "get", path, "cluster.name");
    QUOIN(none, "blueprint", "get", path, "cluster.horse");

    assert_int_equal(set.status, 0);
    assert_int_equal(get.status, 0);
    assert_non_null(strstr(get.out, "edge-77"));
    assert_true(none.status == 2 || none.status == 4);
}

static void destroy_wants_the_clusters_name(void **state)
{
    AUTO(drop_free) char *path = starter();

    (void)state;
    QUOIN(without, "destroy", path, "-o", "json");
    QUOIN(other, "destroy", path, "--yes-destroy", "another", "-o", "json");
    AUTO(drop_json) json_t *first = document(&without), *second = document(&other);

    assert_int_not_equal(without.status, 0);
    assert_int_not_equal(other.status, 0);
    assert_non_null(first);
    assert_non_null(second);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        IT(version_and_help_need_no_verb),
        IT(options_stand_before_and_after_the_verb),
        IT(what_is_not_understood_is_the_requests_fault),
        IT(what_was_meant_is_told),
        IT(an_option_of_another_verb_is_named),
        IT(every_verb_has_help_of_eighty_columns),
        IT(the_manual_has_every_verb_and_every_option),
        IT(failures_are_documents_too),
        IT(a_failure_is_told_on_standard_error_with_its_remedy),
        IT(a_file_of_a_recovery_key_is_never_written_over),
        IT(check_answers_with_findings_as_the_contract_says),
        IT(the_schema_is_a_document),
        IT(a_parameter_that_is_set_is_got),
        IT(destroy_wants_the_clusters_name),
    };

    program = argc > 1 ? argv[1] : "build/quoin";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
