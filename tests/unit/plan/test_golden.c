/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/golden/plan/CASE: blueprint.yaml, HOST.facts for each host (none: it was not reached),
 * maybe cluster-id; and what must come of them: findings.txt, and plan.json where there are no
 * errors.
 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <dirent.h>
#include <string.h>

#include "golden.h"
#include "plan/plan.h"

#define HOSTS_MAX 8

struct example {
    char folder[128];
    struct blueprint *blueprint;
    char *cluster_id;
    struct facts *facts[HOSTS_MAX];
    struct host_answer answers[HOSTS_MAX];
};

static char *part_of(const struct example *example, const char *name)
{
    return text_make("%s/%s", example->folder, name);
}

static void read_blueprint(struct example *example)
{
    static const char *const both[] = {"native", "kmip", NULL};
    const struct blueprint_limits limits = {.providers = both, .form_only = true};
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_free) char *part = part_of(example, "blueprint.yaml");
    struct err err = {0};
    size_t length;
    AUTO(drop_free) char *bytes = source_read(part, &length);

    assert_true(blueprint_parse(bytes, length, "blueprint.yaml", &limits, &example->blueprint,
                                &findings, &err));
    example->blueprint->manager.image_bytes = 2ull << 30; /* as if the file had been looked at */
    assert_true(example->blueprint->host_count <= HOSTS_MAX);
}

static void read_host(struct example *example, size_t number)
{
    struct host_answer *answer = &example->answers[number];
    AUTO(drop_free) char *file = text_make("%s.facts", example->blueprint->hosts[number].name);
    AUTO(drop_free) char *part = part_of(example, file);
    AUTO(drop_free) char *path = source_path(part);
    size_t length;

    *answer = (struct host_answer){.began = 1000, .ended = 1006};
    if (!file_exists(path)) {
        err_set(&answer->err, ERR_AWAY, "ssh: connect to host: Connection timed out");
        return;
    }
    AUTO(drop_free) char *bytes = source_read(part, &length);

    if (!facts_read(bytes, length, &example->facts[number], &answer->err)) {
        fail_msg("%s: %s", part, answer->err.what);
    }
    answer->facts = example->facts[number];
}

static void open_example(struct example *example, const char *name)
{
    *example = (struct example){0};
    (void)snprintf(example->folder, sizeof(example->folder), "tests/golden/plan/%s", name);
    read_blueprint(example);
    for (size_t i = 0; i < example->blueprint->host_count; i++) {
        read_host(example, i);
    }
    AUTO(drop_free) char *part = part_of(example, "cluster-id");
    AUTO(drop_free) char *path = source_path(part);
    size_t length;

    if (file_exists(path)) {
        example->cluster_id = source_read(part, &length);
    }
}

static void close_example(struct example *example)
{
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        facts_free(example->facts[i]);
    }
    blueprint_free(example->blueprint);
    free(example->cluster_id);
}

static void check(const struct example *example, struct findings *findings)
{
    plan_check(example->blueprint, example->answers, example->cluster_id, findings);
}

static struct plan *make(const struct example *example)
{
    struct plan *plan = NULL;
    struct err err = {0};

    if (!plan_make(example->blueprint, (const struct facts *const *)example->facts,
                   example->cluster_id, &plan, &err)) {
        fail_msg("%s", err.what);
    }
    return plan;
}

static bool plan_is_as_expected(const struct example *example)
{
    AUTO(drop_plan) struct plan *plan = make(example);
    AUTO(drop_json) json_t *json = plan_json(plan);
    char *dumped = json_dumps(json, JSON_INDENT(1));
    AUTO(drop_free) char *bytes = text_make("%s\n", dumped);
    AUTO(drop_free) char *part = part_of(example, "plan.json");
    AUTO(drop_text) struct text text = {0};
    AUTO(drop_free) char *text_part = part_of(example, "plan.txt");

    free(dumped);
    plan_text(plan, &text);
    bool same = golden_equal(part, bytes);

    return golden_equal(text_part, text.bytes) && same;
}

static bool is_as_expected(const char *name)
{
    AUTO(drop_findings) struct findings findings = {0};
    AUTO(drop_text) struct text text = {0};
    struct example example;
    bool equal;

    open_example(&example, name);
    check(&example, &findings);
    findings_text(&findings, "blueprint.yaml", example.blueprint->source,
                  example.blueprint->source_length, &text);
    AUTO(drop_free) char *part = part_of(&example, "findings.txt");

    equal = golden_equal(part, text.bytes ? text.bytes : "");
    if (findings.errors == 0) {
        equal &= plan_is_as_expected(&example);
    }
    close_example(&example);
    return equal;
}

static void each_case_gives_its_findings_and_its_plan(void **state)
{
    AUTO(drop_free) char *path = source_path("tests/golden/plan");
    DIR *folder = opendir(path);
    size_t cases = 0, wrong = 0;

    (void)state;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] != '.') {
            wrong += !is_as_expected(entry->d_name);
            cases++;
        }
    }
    closedir(folder);
    assert_true(cases >= 9);
    assert_int_equal(wrong, 0);
}

static void hash_of(const char *name, char out[DIGEST_HEX_SIZE], size_t *out_wipes)
{
    struct example example;

    open_example(&example, name);
    AUTO(drop_plan) struct plan *plan = make(&example);

    memcpy(out, plan->hash, DIGEST_HEX_SIZE);
    *out_wipes = plan->wipe_count;
    close_example(&example);
}

/* --plan HASH still holds when a deploy goes on after it was killed, and when all is done. */
static void the_hash_stays_while_the_wipes_become_fewer(void **state)
{
    char fresh[DIGEST_HEX_SIZE], half[DIGEST_HEX_SIZE], done[DIGEST_HEX_SIZE];
    size_t wipes;

    (void)state;
    hash_of("one-host", fresh, &wipes);
    assert_int_equal(wipes, 2);
    hash_of("one-host-interrupted", half, &wipes);
    assert_int_equal(wipes, 1);
    hash_of("one-host-again", done, &wipes);
    assert_int_equal(wipes, 0);
    assert_string_equal(fresh, half);
    assert_string_equal(fresh, done);
}

/* The hash after one change of the example. */
static void hashes_otherwise(void (*change)(struct example *example), bool otherwise)
{
    struct example example;

    open_example(&example, "one-host");
    AUTO(drop_plan) struct plan *before = make(&example);

    change(&example);
    AUTO(drop_plan) struct plan *after = make(&example);

    assert_int_equal(strcmp(before->hash, after->hash) != 0, otherwise);
    close_example(&example);
}

static void larger_disk(struct example *example)
{
    example->facts[0]->disks[0].bytes += 4096;
}

static void other_serial(struct example *example)
{
    free(example->facts[0]->disks[0].serial);
    example->facts[0]->disks[0].serial = text_copy("S2");
}

static void consent(struct example *example)
{
    example->blueprint->hosts[0].disks[0].wipe = true;
}

static void other_image(struct example *example)
{
    example->blueprint->manager.image_sha256[0] = '0';
}

static void other_cluster(struct example *example)
{
    example->blueprint->cluster[0] = 'x';
}

static void other_kernel_name(struct example *example)
{
    example->facts[0]->disks[0].node[7] = 'z';
}

static void other_time(struct example *example)
{
    example->facts[0]->began += 1000;
    example->facts[0]->memory_available /= 2;
}

static void other_place_of_the_image(struct example *example)
{
    example->blueprint->manager.image[0] = 'x';
}

static void the_hash_covers_what_is_made_and_every_disk_and_nothing_else(void **state)
{
    (void)state;
    hashes_otherwise(larger_disk, true);
    hashes_otherwise(other_serial, true);
    hashes_otherwise(consent, true);
    hashes_otherwise(other_image, true);
    hashes_otherwise(other_cluster, true);
    hashes_otherwise(other_kernel_name, false);
    hashes_otherwise(other_time, false);
    hashes_otherwise(other_place_of_the_image, false);
}

static void a_plan_never_takes_a_foreign_or_an_absent_disk(void **state)
{
    struct example example;
    struct plan *plan = NULL;
    struct err err = {0};

    (void)state;
    open_example(&example, "one-host-again");
    for (size_t i = 0; i < 2; i++) {
        const char *const ids[] = {NULL, "00000000-0000-4000-8000-000000000000"};

        err = (struct err){0};
        assert_false(plan_make(example.blueprint, (const struct facts *const *)example.facts,
                               ids[i], &plan, &err));
        assert_int_equal(err.kind, ERR_CLASH);
    }
    example.facts[0]->disk_count = 1; /* the second is gone */
    struct facts_disk gone = example.facts[0]->disks[1];

    assert_false(plan_make(example.blueprint, (const struct facts *const *)example.facts,
                           example.cluster_id, &plan, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
    example.facts[0]->disk_count = 3;
    example.facts[0]->disks[1] = gone;
    assert_null(plan);
    close_example(&example);
}

static void the_steps_go_through_the_phases_in_order(void **state)
{
    struct example example;

    (void)state;
    open_example(&example, "three-hosts");
    AUTO(drop_plan) struct plan *plan = make(&example);

    for (size_t i = 1; i < plan->step_count; i++) {
        assert_true(plan->steps[i - 1].kind->phase <= plan->steps[i].kind->phase);
    }
    for (const struct step_kind *kind = step_kinds; kind->name; kind++) {
        size_t count = 0;

        for (size_t i = 0; i < plan->step_count; i++) {
            count += plan->steps[i].kind == kind;
        }
        if (count == 0) {
            fail_msg("no step of the kind %s", kind->name);
        }
        assert_ptr_equal(step_kind_find(kind->name), kind);
        assert_true((kind + 1)->name == NULL || kind->phase <= (kind + 1)->phase);
    }
    assert_null(step_kind_find("no.such"));
    close_example(&example);
}

static size_t steps_of(const struct plan *plan, const char *kind, const char *host)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->step_count; i++) {
        count +=
            strcmp(plan->steps[i].kind->name, kind) == 0 && strcmp(plan->steps[i].host, host) == 0;
    }
    return count;
}

static void a_host_that_may_be_away_is_left_out_of_the_plan(void **state)
{
    AUTO(drop_findings) struct findings findings = {0};
    struct example example;

    (void)state;
    open_example(&example, "three-hosts");
    facts_free(TAKE(example.facts[2]));
    example.answers[2] = (struct host_answer){.may_be_away = true};
    err_set(&example.answers[2].err, ERR_AWAY, "no route to host");
    check(&example, &findings);
    assert_int_equal(findings.errors, 0);
    AUTO(drop_plan) struct plan *plan = make(&example);

    assert_int_equal(steps_of(plan, "host.join", "h2"), 1);
    assert_int_equal(steps_of(plan, "host.join", "h3") + steps_of(plan, "agent.install", "h3"), 0);
    close_example(&example);
}

static void another_failure_than_being_away_is_an_error_still(void **state)
{
    AUTO(drop_findings) struct findings findings = {0};
    struct example example;

    (void)state;
    open_example(&example, "three-hosts");
    facts_free(TAKE(example.facts[2]));
    example.answers[2] = (struct host_answer){.may_be_away = true};
    err_set(&example.answers[2].err, ERR_CLASH, "another host key");
    check(&example, &findings);
    assert_int_equal(findings.errors, 1);
    close_example(&example);
}

/* The first host was exchanged: it joins what the others are. */
static void a_member_leads_and_the_others_join(void **state)
{
    struct example example;

    (void)state;
    open_example(&example, "three-hosts");
    free(TAKE(example.cluster_id));
    example.cluster_id = text_copy("3b1dde21-af0e-4097-9452-7695f036aeb0");
    memcpy(example.facts[1]->agent_cluster, example.cluster_id, UUID_SIZE);
    example.facts[1]->member = true;
    AUTO(drop_plan) struct plan *plan = make(&example);

    assert_int_equal(plan->lead, 1);
    assert_int_equal(steps_of(plan, "provider.open", "h2"), 1);
    assert_int_equal(steps_of(plan, "host.join", "h1"), 1);
    assert_int_equal(steps_of(plan, "host.join", "h2"), 0);
    example.facts[1]->member = false; /* on its way only */
    assert_int_equal(plan_lead(example.blueprint, (const struct facts *const *)example.facts,
                               example.cluster_id),
                     0);
    close_example(&example);
}

static void a_plan_can_be_that_of_one_host(void **state)
{
    struct example example;

    (void)state;
    open_example(&example, "three-hosts");
    AUTO(drop_plan) struct plan *plan = make(&example);

    assert_true(plan_keep_host(plan, "h3"));
    assert_int_equal(plan->step_count, 2);
    assert_int_equal(plan->wipe_count, 2);
    assert_string_equal(plan->wipes[0].host, "h3");
    assert_false(plan_keep_host(plan, "h2"));
    close_example(&example);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_gives_its_findings_and_its_plan),
        cmocka_unit_test(the_hash_stays_while_the_wipes_become_fewer),
        cmocka_unit_test(the_hash_covers_what_is_made_and_every_disk_and_nothing_else),
        cmocka_unit_test(a_plan_never_takes_a_foreign_or_an_absent_disk),
        cmocka_unit_test(the_steps_go_through_the_phases_in_order),
        cmocka_unit_test(a_host_that_may_be_away_is_left_out_of_the_plan),
        cmocka_unit_test(another_failure_than_being_away_is_an_error_still),
        cmocka_unit_test(a_member_leads_and_the_others_join),
        cmocka_unit_test(a_plan_can_be_that_of_one_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
