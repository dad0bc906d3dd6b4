/* SPDX-License-Identifier: Apache-2.0 */
/* The front door, with a list of backends of the test's own: it holds one KEK in memory, and lies
 * when told to. */
#include "../vectors.h"

#include "key/key.h"

#define CLUSTER "6f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define VM      "0a0b0c0d-1111-4222-8333-444455556666"

static struct {
    struct secret *kek;
    bool gone;
    bool gives_another; /* unwraps something else than was wrapped */
    bool never_retires;
    bool away;
    int closed;
} fake;

static bool fake_open(const struct provider_conf *conf, void **out_self, struct err *err)
{
    (void)conf;
    *out_self = &fake;
    return secret_random(32, &fake.kek, err);
}

static void fake_close(void *self)
{
    (void)self;
    secret_free(TAKE(fake.kek));
    fake.closed++;
}

static bool fake_kek_make(void *self, const char *label, char **out_kek_id, struct err *err)
{
    (void)self;
    if (fake.away) {
        return err_set(err, ERR_AWAY, "no answer");
    }
    *out_kek_id = text_make("fake:%s", label);
    for (char *blank = *out_kek_id; (blank = strchr(blank, ' '));) {
        *blank = '-';
    }
    return true;
}

static bool fake_wrap(void *self, const struct envelope_about *about, const struct secret *secret,
                      struct envelope **out, struct err *err)
{
    (void)self;
    return envelope_seal(fake.kek, about, secret, out, err);
}

static bool fake_unwrap(void *self, const struct envelope *envelope,
                        const struct envelope_about *expected, struct secret **out, struct err *err)
{
    (void)self;
    if (fake.gone && !fake.never_retires) {
        return err_set(err, ERR_ABSENT, "retired");
    }
    if (fake.gives_another) {
        return secret_random(32, out, err);
    }
    return envelope_open(fake.kek, envelope, expected, out, err);
}

static bool fake_kek_retire(void *self, const char *kek_id, struct err *err)
{
    (void)self;
    (void)kek_id;
    (void)err;
    fake.gone = true;
    return true;
}

static bool fake_look(void *self, json_t **out, struct err *err)
{
    (void)self;
    (void)err;
    *out = json_object();
    return true;
}

static const struct key_provider fake_provider = {
    .type = "fake",
    .summary = "for tests",
    .open = fake_open,
    .close = fake_close,
    .kek_make = fake_kek_make,
    .wrap = fake_wrap,
    .unwrap = fake_unwrap,
    .kek_retire = fake_kek_retire,
    .look = fake_look,
};

const struct key_provider *const key_providers[] = {&fake_provider, NULL};

static const struct provider_conf conf = {.name = "lab", .type = "fake", .cluster = CLUSTER};
static struct key *key;

static int open_fake(void **state)
{
    struct err err = {0};

    (void)state;
    memset(&fake, 0, sizeof(fake));
    return key_open(&conf, &key, &err) ? 0 : -1;
}

static int close_fake(void **state)
{
    (void)state;
    key_close(key);
    return fake.closed == 1 ? 0 : -1;
}

static void a_type_that_is_not_in_the_list_is_refused(void **state)
{
    struct provider_conf other = conf;
    struct key *none = NULL;
    struct err err = {0};

    (void)state;
    other.type = "native";
    assert_false(key_open(&other, &none, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "native"));
    other.type = NULL;
    assert_false(key_open(&other, &none, &err));
    assert_null(none);
}

static void a_sound_provider_is_proven(void **state)
{
    struct err err = {0};

    (void)state;
    assert_true(key_prove(key, &err));
    assert_true(fake.gone);
}

static void a_provider_that_gives_another_key_back_is_found(void **state)
{
    struct err err = {0};

    (void)state;
    fake.gives_another = true;
    assert_false(key_prove(key, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_true(fake.gone);
}

static void a_provider_that_does_not_retire_is_found(void **state)
{
    struct err err = {0};

    (void)state;
    fake.never_retires = true;
    assert_false(key_prove(key, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "retired"));
}

static void a_provider_that_is_away_is_away(void **state)
{
    struct err err = {0};

    (void)state;
    fake.away = true;
    assert_false(key_prove(key, &err));
    assert_int_equal(err.kind, ERR_AWAY);
}

/* What the audit would write. */
struct heard {
    int count;
    char last[512];
};

static void hear(void *context, const struct key_use *use)
{
    struct heard *heard = context;

    heard->count++;
    (void)snprintf(heard->last, sizeof(heard->last), "%s %s %s %s %s", use->verb, use->kek_id,
                   use->vm, use->purpose, use->err ? err_kind_name(use->err->kind) : "done");
}

static void every_use_of_a_kek_is_heard_whether_it_worked_or_not(void **state)
{
    const struct envelope_about about = {
        .kek_id = "fake:k", .vm = VM, .purpose = "vm", .generation = 1};
    AUTO(drop_free) char *kek = NULL;
    AUTO(drop_secret) struct secret *secret = NULL, *back = NULL, *none = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct heard heard = {0};
    struct err err = {0};

    (void)state;
    key_listen(key, hear, &heard);
    assert_true(key_kek_make(key, "k", &kek, &err));
    assert_string_equal(heard.last, "kek_make fake:k   done");
    assert_true(secret_random(32, &secret, &err));
    assert_true(key_wrap(key, &about, secret, &envelope, &err));
    assert_string_equal(heard.last, "wrap fake:k " VM " vm done");
    assert_true(key_unwrap(key, envelope, &about, &back, &err));
    assert_string_equal(heard.last, "unwrap fake:k " VM " vm done");
    assert_true(key_kek_retire(key, kek, &err));
    assert_string_equal(heard.last, "kek_retire fake:k   done");
    assert_false(key_unwrap(key, envelope, &about, &none, &err));
    assert_string_equal(heard.last, "unwrap fake:k " VM " vm absent");
    assert_int_equal(heard.count, 5);
}

static void an_envelope_of_another_provider_or_cluster_is_a_clash(void **state)
{
    const struct envelope_about theirs = {.provider = "lab",
                                          .type = "fake",
                                          .kek_id = "fake:k",
                                          .cluster = VM,
                                          .vm = VM,
                                          .purpose = "vm",
                                          .generation = 1};
    const struct envelope_about expected = {.vm = VM, .purpose = "vm"};
    AUTO(drop_secret) struct secret *secret = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &secret, &err));
    assert_true(envelope_seal(fake.kek, &theirs, secret, &envelope, &err));
    assert_false(key_unwrap(key, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void a_secret_is_not_wrapped_under_no_kek(void **state)
{
    const struct envelope_about about = {.vm = VM, .purpose = "vm", .generation = 1};
    AUTO(drop_secret) struct secret *secret = NULL;
    struct envelope *envelope = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &secret, &err));
    assert_false(key_wrap(key, &about, secret, &envelope, &err));
    assert_int_equal(err.kind, ERR_BUG);
}

static void rewrapping_keeps_the_key_and_moves_to_a_later_generation(void **state)
{
    struct envelope_about about = {.kek_id = "fake:k", .vm = VM, .purpose = "vm", .generation = 1};
    AUTO(drop_secret) struct secret *secret = NULL, *back = NULL;
    AUTO(drop_envelope) struct envelope *old = NULL, *fresh = NULL, *none = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &secret, &err));
    assert_true(key_wrap(key, &about, secret, &old, &err));
    assert_false(key_rewrap(key, key, old, &about, &none, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    about.kek_id = "fake:new";
    about.generation = 2;
    assert_true(key_rewrap(key, key, old, &about, &fresh, &err));
    assert_string_equal(envelope_about(fresh)->kek_id, "fake:new");
    assert_true(key_unwrap(key, fresh, &about, &back, &err));
    assert_true(secret_equal(secret, back));
}

static void an_envelope_that_would_not_open_again_never_comes_out_of_a_rewrap(void **state)
{
    struct envelope_about about = {.kek_id = "fake:k", .vm = VM, .purpose = "vm", .generation = 1};
    AUTO(drop_secret) struct secret *secret = NULL;
    AUTO(drop_envelope) struct envelope *old = NULL;
    struct envelope *fresh = NULL;
    struct err err = {0};

    (void)state;
    assert_true(secret_random(32, &secret, &err));
    assert_true(key_wrap(key, &about, secret, &old, &err));
    about.generation = 2;
    fake.gives_another = true;
    assert_false(key_rewrap(key, key, old, &about, &fresh, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_null(fresh);
}

static void the_list_can_be_shown(void **state)
{
    AUTO(drop_json) json_t *list = key_providers_json();

    (void)state;
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_or(json_array_get(list, 0), "type", ""), "fake");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fake, close_fake)
    const struct CMUnitTest tests[] = {
        TEST(a_type_that_is_not_in_the_list_is_refused),
        TEST(a_sound_provider_is_proven),
        TEST(a_provider_that_gives_another_key_back_is_found),
        TEST(a_provider_that_does_not_retire_is_found),
        TEST(a_provider_that_is_away_is_away),
        TEST(every_use_of_a_kek_is_heard_whether_it_worked_or_not),
        TEST(an_envelope_of_another_provider_or_cluster_is_a_clash),
        TEST(a_secret_is_not_wrapped_under_no_kek),
        TEST(rewrapping_keeps_the_key_and_moves_to_a_later_generation),
        TEST(an_envelope_that_would_not_open_again_never_comes_out_of_a_rewrap),
        TEST(the_list_can_be_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
