/* SPDX-License-Identifier: Apache-2.0 */
#include "kmip_client.h"

#include "key/native.h"
#include "wire/stream.h"

static void the_round_trip_proves_it(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    struct err err = {0};

    (void)state;
    if (!key_prove(key, &err)) {
        fail_msg("%s", err.what);
    }
}

static void what_it_wrapped_opens_after_a_reboot_that_is_told_nothing(void **state)
{
    AUTO(drop_key) struct key *key = opened(), *later = NULL;
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = fresh(), *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = wrapped(key, kek, vm_key);
    struct provider_conf conf = conf_of(NULL);
    struct err err = {0};

    (void)state;
    conf.ca = conf.certificate = NULL;
    conf.private_key = NULL;
    assert_true(key_open(&conf, &later, &err));
    assert_true(key_unwrap(later, envelope, &expected, &back, &err));
    assert_true(secret_equal(vm_key, back));
}

static void the_servers_own_record_names_the_cluster_and_the_purpose(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *kek = kek_of(key);

    (void)state;
    operate(kek, "names = [str(a.attribute_value) for a in c.get_attributes(uid, ['Name'])[1]]\n"
                 "assert 'quoin: cluster edge-01' in names[0], names\n"
                 "info = str(c.get_attributes(uid, ['Application Specific Information'])[1][0])\n"
                 "assert '" CLUSTER "' in info, info");
}

static void a_retired_kek_stays_lost(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = fresh(), *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = wrapped(key, kek, vm_key);
    struct err err = {0};

    (void)state;
    assert_true(key_kek_retire(key, kek, &err));
    assert_true(key_kek_retire(key, kek, &err));
    assert_false(key_unwrap(key, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

/* T10 c: each state has its own message. */
static void a_kek_that_was_revoked_or_destroyed_there_says_which(void **state)
{
    static const struct {
        const char *what;
        enum err_kind kind;
        const char *said;
    } cases[] = {
        {"c.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid)", ERR_DENIED,
         "deactivated"},
        {"c.revoke(enums.RevocationReasonCode.KEY_COMPROMISE, uid)", ERR_DENIED, "compromised"},
        {"c.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid); c.destroy(uid)",
         ERR_ABSENT, "no such object"},
    };
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_secret) struct secret *vm_key = fresh();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(drop_free) char *kek = kek_of(key);
        AUTO(drop_envelope) struct envelope *envelope = wrapped(key, kek, vm_key);
        struct secret *back = NULL;
        struct err err = {0};

        operate(kek, cases[i].what);
        assert_false(key_unwrap(key, envelope, &expected, &back, &err));
        assert_int_equal(err.kind, cases[i].kind);
        assert_non_null(strstr(err.what, cases[i].said));
        assert_non_null(strstr(err.what, kek));
        assert_null(back);
    }
}

/* T10 b: same id, other key, as after a restore of the wrong database. */
static void another_key_under_the_same_id_is_a_clash_not_away(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *one = kek_of(key);
    AUTO(drop_free) char *two = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = fresh(), *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = wrapped(key, one, vm_key), *moved = NULL;
    AUTO(drop_json) json_t *json = envelope_json(envelope);
    AUTO(drop_envelope) struct envelope *other = wrapped(key, two, vm_key);
    AUTO(drop_json) json_t *theirs = envelope_json(other);
    struct err err = {0};

    (void)state;
    /* What `one` wrapped, as if `two` were asked for it. */
    json_object_set(json, "protected", json_object_get(theirs, "protected"));
    assert_true(envelope_of_json(json, &moved, &err));
    assert_false(key_unwrap(key, moved, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "another key under this id"));
}

static void a_kek_of_another_client_is_refused(void **state)
{
    AUTO(drop_key) struct key *key = opened(), *other = NULL;
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = fresh(), *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = wrapped(key, kek, vm_key);
    AUTO(drop_secret) struct secret *stranger = NULL;
    AUTO(drop_free) char *strange = NULL;
    struct provider_conf conf = conf_of(RUN(kms.server));
    struct err err = {0};

    (void)state;
    pki_sign("ca", "stranger", CLIENT_EXTENSIONS, NULL);
    strange = pki_text("stranger.pem");
    stranger = pki_key("stranger.key");
    conf.certificate = strange;
    conf.private_key = stranger;
    assert_true(key_open(&conf, &other, &err));
    assert_false(key_unwrap(other, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_DENIED);
}

static struct key *opened_with(const char *kek_at, const char *const *servers)
{
    struct provider_conf conf = conf_of(servers);
    struct key *key = NULL;
    struct err err = {0};

    conf.kek = kek_at;
    if (!key_open(&conf, &key, &err)) {
        fail_msg("%s", err.what);
    }
    return key;
}

static void says(struct key *key, const char *member, const char *value)
{
    AUTO(drop_json) json_t *look = NULL;

    assert_true(key_look(key, &look, &(struct err){0}));
    assert_string_equal(json_string_or(look, member, ""), value);
}

/* PyKMIP knows no newer one than 2.0, and its AES-GCM has a tag from 1.4 on. */
static void it_works_in_each_version_of_kmip(void **state)
{
    static const struct {
        const char *version, *at;
    } cases[] = {
        {"1.2", "host"}, {"1.3", "host"}, {"1.4", "server, AES-GCM"}, {"2.0", "server, AES-GCM"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pykmip one = {.version = cases[i].version};
        struct err err = {0};

        (void)fresh_provider(NULL);
        pykmip_start(&one, cases[i].version, "server");
        AUTO(drop_key) struct key *key = opened_at(RUN(one.server));

        if (!key_prove(key, &err)) {
            fail_msg("KMIP %s: %s", cases[i].version, err.what);
        }
        says(key, "version", cases[i].version);
        says(key, "wrapped_at", cases[i].at);
        pykmip_stop(&one);
    }
}

/* The KEK stays there; and who is given it opens the same envelope without the server's help. */
static void
what_the_server_wrapped_opens_with_the_kek_on_the_host_and_the_other_way_round(void **state)
{
    static const char *const ways[][2] = {{"server", "host"}, {"host", "server"}, {"host", "auto"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        AUTO(drop_key) struct key *one = opened_with(ways[i][0], RUN(kms.server));
        AUTO(drop_free) char *kek = kek_of(one);
        AUTO(drop_secret) struct secret *vm_key = fresh(), *back = NULL;
        AUTO(drop_envelope) struct envelope *envelope = wrapped(one, kek, vm_key);
        AUTO(drop_key) struct key *other = opened_with(ways[i][1], RUN(kms.server));
        struct err err = {0};
        bool server = strcmp(ways[i][0], "server") == 0;

        assert_int_equal(envelope_alg(envelope), server ? JWE_A256GCMKW : JWE_A256KW);
        /* This server does not do AES key wrap, so what was wrapped so needs the KEK here. */
        if (strcmp(ways[i][1], "server") == 0) {
            assert_false(key_unwrap(other, envelope, &expected, &back, &err));
            assert_int_equal(err.kind, ERR_CLASH);
        } else if (!key_unwrap(other, envelope, &expected, &back, &err)) {
            fail_msg("%s", err.what);
        } else {
            assert_true(secret_equal(vm_key, back));
        }
    }
}

static void a_server_that_does_not_wrap_itself_is_refused_where_that_is_demanded(void **state)
{
    struct pykmip old = {.version = "1.2"};
    struct err err = {0};

    (void)state;
    pykmip_start(&old, "old", "server");
    AUTO(drop_key) struct key *key = opened_with("server", RUN(old.server));

    assert_false(key_prove(key, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.remedy, "kek: auto"));
    pykmip_stop(&old);
}

/* A crash between Create and the saving of the id, at its two places. */
static void an_interrupted_make_is_found_again_and_leaves_no_orphan(void **state)
{
    AUTO(drop_free) char *begun = text_make("%s/keks-begun.json", provider);
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *first = kek_of(key);
    AUTO(drop_key) struct key *later = opened_at(NULL);
    AUTO(drop_free) char *again = kek_of(later), *third = NULL, *fourth = NULL, *text = NULL;
    AUTO(drop_secret) struct secret *vm_key = fresh();
    struct err err = {0};

    (void)state;
    assert_string_equal(first, again);
    /* Its id was not noted yet: only its name is known. */
    assert_true(file_read(begun, 4096, &text, NULL, &err));
    strstr(text, "\"id\"")[1] = 'x';
    assert_true(file_write(begun, text, strlen(text), 0600, &err));
    third = kek_of(later);
    assert_string_equal(first, third);
    /* In use: from now on another one is meant. */
    envelope_free(wrapped(later, third, vm_key));
    assert_false(file_exists(begun));
    fourth = kek_of(later);
    assert_string_not_equal(first, fourth);
}

/* Begun, and then destroyed or deactivated there before it was in use. */
static void a_begun_kek_that_is_of_no_use_is_made_anew(void **state)
{
    static const char *const whats[] = {
        "c.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid); c.destroy(uid)",
        "c.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid)"};
    AUTO(drop_key) struct key *key = opened();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(whats); i++) {
        AUTO(drop_free) char *first = kek_of(key), *again = NULL;

        operate(first, whats[i]);
        again = kek_of(key);
        assert_string_not_equal(first, again);
    }
}

/* Which servers were tried, and for how long at most: the linker puts this in stream_open's place.
 */
static struct {
    size_t count;
    char server[16][32];
    unsigned milliseconds[16];
} tries;

bool __real_stream_open(const struct stream_conf *conf, unsigned milliseconds, struct stream **out,
                        struct err *err);
bool __wrap_stream_open(const struct stream_conf *conf, unsigned milliseconds, struct stream **out,
                        struct err *err);

bool __wrap_stream_open(const struct stream_conf *conf, unsigned milliseconds, struct stream **out,
                        struct err *err)
{
    if (tries.count < COUNT_OF(tries.milliseconds)) {
        (void)snprintf(tries.server[tries.count], sizeof(tries.server[0]), "%s", conf->server);
        tries.milliseconds[tries.count] = milliseconds;
    }
    tries.count++;
    return __real_stream_open(conf, milliseconds, out, err);
}

static void was_tried(size_t at, const char *server)
{
    assert_true(at < tries.count);
    assert_string_equal(tries.server[at], server);
    assert_in_range(tries.milliseconds[at], 1, 2000);
}

static size_t tries_of(const char *server)
{
    size_t n = 0;

    for (size_t i = 0; i < tries.count && i < COUNT_OF(tries.server); i++) {
        n += strcmp(tries.server[i], server) == 0;
    }
    return n;
}

/* Listens and never accepts: packets go in and nothing comes back. */
static int black_hole(char name[32])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int hole = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(hole, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(hole, 8), 0);
    assert_int_equal(getsockname(hole, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(name, 32, "127.0.0.1:%d", ntohs(address.sin_port));
    return hole;
}

static size_t connections_to(int hole)
{
    size_t n = 0;

    for (int fd; (fd = accept(hole, NULL, NULL)) >= 0; n++) {
        close(fd);
    }
    return n;
}

static void a_dead_server_before_the_good_one_is_tried_once_for_two_seconds_at_most(void **state)
{
    char silent[32], refusing[32];
    AUTO(drop_fd) int hole = black_hole(silent);
    struct err err = {0};

    (void)state;
    (void)snprintf(refusing, sizeof(refusing), "127.0.0.1:%d", free_port());
    AUTO(drop_key) struct key *key = opened_at(RUN(refusing, silent, kms.server));

    tries.count = 0;
    AUTO(drop_free) char *kek = kek_of(key);

    was_tried(0, refusing);
    was_tried(1, silent);
    was_tried(2, kms.server);
    assert_int_equal(tries_of(refusing), 1);
    assert_int_equal(tries_of(silent), 1);
    assert_int_equal(connections_to(hole), 1);
    /* The good one is remembered, also over a restart. */
    AUTO(drop_key) struct key *later = opened_at(NULL);
    AUTO(drop_secret) struct secret *vm_key = fresh();

    tries.count = 0;
    envelope_free(wrapped(later, kek, vm_key));
    assert_int_equal(tries_of(kms.server), tries.count);
    assert_int_equal(connections_to(hole), 0);
    AUTO(drop_json) json_t *look = NULL;

    assert_true(key_look(later, &look, &err));
    assert_string_equal(json_string_or(look, "server", ""), kms.server);
    assert_string_equal(json_string_or(look, "state", ""), "good");
    assert_true(json_integer_value(json_object_get(look, "server_certificate_expires")) >
                time(NULL));
}

/* T10 b: two servers that are meant to hold the same. */
static void a_server_with_another_key_or_none_is_passed_over_and_told_of(void **state)
{
    static const struct {
        const char *name, *made, *said;
    } cases[] = {{"restored", MAKE_ANOTHER, "another key under this id"},
                 {"behind", NULL, "no such object"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pykmip wrong = {0}, good = {0};
        char finding[sizeof(((struct err *)0)->what)] = "";
        struct err err = {0};

        (void)fresh_provider(NULL);
        pykmip_start(&wrong, cases[i].name, "server");
        pykmip_start(&good, i == 0 ? "good-0" : "good-1", "server");
        AUTO(drop_key) struct key *sound = opened_at(RUN(good.server));
        AUTO(drop_free) char *kek = kek_of(sound);
        AUTO(drop_secret) struct secret *vm_key = fresh(), *back = NULL, *again = NULL;
        AUTO(drop_envelope) struct envelope *envelope = wrapped(sound, kek, vm_key);

        if (cases[i].made) {
            operate_at(wrong.port, kek, cases[i].made);
        }
        (void)fresh_provider(NULL);
        AUTO(drop_key) struct key *key = opened_at(RUN(wrong.server, good.server));

        key_listen(key, hear_finding, finding);
        if (!key_unwrap(key, envelope, &expected, &back, &err)) {
            fail_msg("%s", err.what);
        }
        assert_true(secret_equal(vm_key, back));
        assert_int_equal(err.kind, ERR_NONE);
        assert_non_null(strstr(finding, cases[i].said));
        assert_non_null(strstr(finding, wrong.server));
        says(key, "server", good.server);
        /* The good one is remembered, also over a restart. */
        AUTO(drop_key) struct key *later = opened_at(NULL);

        key_listen(later, hear_finding, finding);
        tries.count = 0;
        assert_true(key_unwrap(later, envelope, &expected, &again, &err));
        assert_string_equal(finding, "");
        assert_int_equal(tries_of(wrong.server), 0);
        /* Where no other holds it either, it is the first one's word that counts. */
        (void)fresh_provider(NULL);
        AUTO(drop_key) struct key *alone = opened_at(RUN(wrong.server));
        struct secret *none = NULL;

        assert_false(key_unwrap(alone, envelope, &expected, &none, &err));
        assert_int_equal(err.kind, cases[i].made ? ERR_CLASH : ERR_ABSENT);
        /* But it is no last word while the other is away: that one may have it. */
        (void)fresh_provider(NULL);
        pykmip_stop(&good);
        AUTO(drop_key) struct key *half = opened_at(RUN(wrong.server, good.server));

        assert_false(key_unwrap(half, envelope, &expected, &none, &err));
        assert_int_equal(err.kind, ERR_AWAY);
        assert_non_null(strstr(err.what, cases[i].said));
        pykmip_stop(&wrong);
    }
}

static void what_was_deactivated_at_one_server_is_asked_of_no_other(void **state)
{
    struct pykmip second = {0};
    struct err err = {0};

    (void)state;
    pykmip_start(&second, "second", "server");
    AUTO(drop_key) struct key *key = opened_at(RUN(kms.server, second.server));
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = fresh();
    AUTO(drop_envelope) struct envelope *envelope = wrapped(key, kek, vm_key);
    struct secret *back = NULL;

    operate(kek, "c.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid)");
    tries.count = 0;
    assert_false(key_unwrap(key, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_DENIED);
    assert_int_equal(tries_of(second.server), 0);
    pykmip_stop(&second);
}

/* T10 a: away is away, and over when it is over. */
static void an_outage_is_away_and_ends(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    AUTO(drop_free) char *kek = kek_of(key);
    AUTO(drop_secret) struct secret *vm_key = fresh(), *back = NULL;
    AUTO(drop_envelope) struct envelope *envelope = wrapped(key, kek, vm_key);
    AUTO(drop_json) json_t *look = NULL;
    struct err err = {0};

    (void)state;
    pykmip_stop(&kms);
    assert_false(key_unwrap(key, envelope, &expected, &back, &err));
    assert_int_equal(err.kind, ERR_AWAY);
    assert_true(key_look(key, &look, &err));
    assert_string_equal(json_string_or(look, "state", ""), "away");
    pykmip_start(&kms, "kms", "server");
    assert_true(key_unwrap(key, envelope, &expected, &back, &err));
    assert_true(secret_equal(vm_key, back));
}

/* Issue 3, part 8: a rewrap, and the disks know nothing of it. */
static void keys_move_from_native_to_the_key_server_and_back(void **state)
{
    AUTO(drop_key) struct key *kmip = opened(), *native = NULL;
    AUTO(drop_free) char *folder = text_make("%s-native", provider);
    const struct provider_conf conf = {.name = "host-keys",
                                       .type = "native",
                                       .cluster = CLUSTER,
                                       .folder = folder,
                                       .host = {.tpm = TPM_OFF}};
    struct envelope_about about = expected;
    AUTO(drop_secret) struct secret *vm_key = fresh(), *back = NULL;
    AUTO(drop_envelope) struct envelope *first = NULL, *there = NULL, *again = NULL;
    AUTO(drop_free) char *kek = NULL;
    AUTO(drop_free) char *far = kek_of(kmip);
    struct err err = {0};

    (void)state;
    assert_true(key_open(&conf, &native, &err));
    kek = kek_of(native);
    first = wrapped(native, kek, vm_key);
    about.kek_id = far;
    about.generation = 2;
    assert_true(key_rewrap(native, kmip, first, &about, &there, &err));
    assert_string_equal(envelope_about(there)->type, "kmip");
    about.kek_id = kek;
    about.generation = 3;
    assert_true(key_rewrap(kmip, native, there, &about, &again, &err));
    assert_true(key_unwrap(native, again, &about, &back, &err));
    assert_true(secret_equal(vm_key, back));
}

static void no_secret_of_ours_lies_beside_the_way_to_it(void **state)
{
    AUTO(drop_free) char *path = text_make("%s/kmip.json", provider);
    AUTO(drop_free) char *text = NULL;
    struct err err = {0};

    (void)state;
    key_close(opened());
    assert_true(file_read(path, 65536, &text, NULL, &err));
    assert_null(strstr(text, "PRIVATE"));
    assert_non_null(strstr(text, kms.server));
    assert_true(native_destroy(provider, &err));
    assert_false(file_exists(provider));
}

static void what_is_missing_to_reach_it_is_named(void **state)
{
    struct provider_conf conf = conf_of(RUN(kms.server));
    struct key *key = NULL;
    struct err err = {0};

    (void)state;
    conf.ca = NULL;
    assert_false(key_open(&conf, &key, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "CA"));
    conf = conf_of(NULL);
    assert_false(key_open(&conf, &key, &err));
    assert_int_equal(err.kind, ERR_ABSENT);
}

static void another_clusters_way_is_a_clash(void **state)
{
    struct provider_conf conf = conf_of(NULL);
    struct key *key = NULL;
    struct err err = {0};

    (void)state;
    key_close(opened());
    conf.cluster = OTHER;
    assert_false(key_open(&conf, &key, &err));
    assert_int_equal(err.kind, ERR_CLASH);
}

static void ids_that_are_not_its_own_are_refused(void **state)
{
    AUTO(drop_key) struct key *key = opened();
    struct err err = {0};

    (void)state;
    assert_false(key_kek_retire(key, "native:a:b", &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(key_kek_retire(key, "kmip:", &err));
    assert_int_equal(err.kind, ERR_INPUT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh_provider)
    const struct CMUnitTest tests[] = {
        TEST(the_round_trip_proves_it),
        TEST(what_it_wrapped_opens_after_a_reboot_that_is_told_nothing),
        TEST(the_servers_own_record_names_the_cluster_and_the_purpose),
        TEST(a_retired_kek_stays_lost),
        TEST(a_kek_that_was_revoked_or_destroyed_there_says_which),
        TEST(another_key_under_the_same_id_is_a_clash_not_away),
        TEST(a_kek_of_another_client_is_refused),
        TEST(it_works_in_each_version_of_kmip),
        TEST(what_the_server_wrapped_opens_with_the_kek_on_the_host_and_the_other_way_round),
        TEST(a_server_that_does_not_wrap_itself_is_refused_where_that_is_demanded),
        TEST(an_interrupted_make_is_found_again_and_leaves_no_orphan),
        TEST(a_begun_kek_that_is_of_no_use_is_made_anew),
        TEST(a_dead_server_before_the_good_one_is_tried_once_for_two_seconds_at_most),
        TEST(a_server_with_another_key_or_none_is_passed_over_and_told_of),
        TEST(what_was_deactivated_at_one_server_is_asked_of_no_other),
        TEST(an_outage_is_away_and_ends),
        TEST(keys_move_from_native_to_the_key_server_and_back),
        TEST(no_secret_of_ours_lies_beside_the_way_to_it),
        TEST(what_is_missing_to_reach_it_is_named),
        TEST(another_clusters_way_is_a_clash),
        TEST(ids_that_are_not_its_own_are_refused),
    };

    return pykmip_missing() ? 77 : cmocka_run_group_tests(tests, begin, end);
}
