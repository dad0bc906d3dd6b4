/* SPDX-License-Identifier: Apache-2.0 */
/* T6 and T10, the KMIP half: answers that must not be believed. No key comes of any, no answer
 * takes longer than its deadline, and none makes the process grow. */
#include "liar.h"

#include <malloc.h>

#include "key/key.h"

#define CLUSTER "6f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define VM      "0a0b0c0d-1111-4222-8333-444455556666"

static char *ca, *certificate;
static struct secret *private_key;
static struct key *key;
static struct envelope *envelope;
static char provider[128];

static const struct envelope_about expected = {
    .kek_id = "kmip:17", .vm = VM, .purpose = "vm", .generation = 1};

static struct key *opened(void)
{
    const char *const servers[] = {liar.server, NULL};
    const struct provider_conf conf = {.name = "kms",
                                       .type = "kmip",
                                       .cluster = CLUSTER,
                                       .folder = provider,
                                       .host = {.tpm = TPM_OFF},
                                       .servers = servers,
                                       .ca = ca,
                                       .certificate = certificate,
                                       .private_key = private_key,
                                       .kek = liar.encrypts ? "server" : "auto"};
    struct key *one = NULL;
    struct err err = {0};

    if (!key_open(&conf, &one, &err)) {
        fail_msg("%s", err.what);
    }
    return one;
}

static int begin_with(void **state, struct kmip_version version, bool encrypts)
{
    AUTO(drop_secret) struct secret *vm_key = NULL;
    struct err err = {0};

    liar.version = version;
    liar.encrypts = encrypts;
    liar.lie = LIE_NONE;
    if (folder_make(state) != 0) {
        return -1;
    }
    pki_ca("ca");
    pki_sign("ca", "server", SERVER_EXTENSIONS, NULL);
    pki_sign("ca", "client", CLIENT_EXTENSIONS, NULL);
    ca = pki_text("ca.pem");
    certificate = pki_text("client.pem");
    private_key = pki_key("client.key");
    (void)snprintf(provider, sizeof(provider), "%s/provider", folder_path);
    liar_start();
    key = opened();
    if (secret_random(32, &vm_key, &err) && key_wrap(key, &expected, vm_key, &envelope, &err)) {
        return 0;
    }
    print_message("%s\n", err.what);
    return -1;
}

static int begin_1_2(void **state)
{
    return begin_with(state, (struct kmip_version){1, 2}, false);
}

static int begin_2_1(void **state)
{
    return begin_with(state, (struct kmip_version){2, 1}, false);
}

/* Its KEK stays there. */
static int begin_server_side(void **state)
{
    return begin_with(state, (struct kmip_version){2, 1}, true);
}

static int end(void **state)
{
    key_close(key);
    envelope_free(envelope);
    liar_stop();
    free(ca);
    free(certificate);
    secret_free(private_key);
    return folder_drop(state);
}

static int honest(void **state)
{
    (void)state;
    liar.lie = LIE_NONE;
    liar.state = 0;
    return 0;
}

static long long milliseconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static bool unwrap(struct err *err)
{
    AUTO(drop_secret) struct secret *out = NULL;

    return key_unwrap(key, envelope, &expected, &out, err);
}

static void an_honest_answer_opens_it(void **state)
{
    struct err err = {0};

    (void)state;
    if (!unwrap(&err)) {
        fail_msg("%s", err.what);
    }
}

enum only { ABOUT_ALL, ABOUT_KEYS, ABOUT_DECRYPTION };

static const struct {
    enum lie lie;
    enum err_kind kind;
    const char *said;
    enum only only;
} lies[] = {
    {LIE_LENGTH_4G, ERR_INPUT, "above"},
    {LIE_LENGTH_2G, ERR_INPUT, "above"},
    {LIE_DEEP, ERR_INPUT, "structures in one another"},
    {LIE_BATCHES, ERR_INPUT, "2147483647 questions"},
    {LIE_OTHER_ID, ERR_CLASH, "another object"},
    {LIE_OTHER_TYPE, ERR_CLASH, "something else than an AES-256 key", ABOUT_KEYS},
    {LIE_OTHER_FORMAT, ERR_CLASH, "something else than an AES-256 key", ABOUT_KEYS},
    {LIE_OTHER_ALGORITHM, ERR_CLASH, "something else than an AES-256 key", ABOUT_KEYS},
    {LIE_SHORT_KEY, ERR_CLASH, "something else than an AES-256 key", ABOUT_KEYS},
    {LIE_ZERO_KEY, ERR_CLASH, "something else than an AES-256 key", ABOUT_KEYS},
    {LIE_WRAPPED, ERR_CLASH, "something else than an AES-256 key", ABOUT_KEYS},
    {LIE_PENDING, ERR_SYSTEM, "again later"},
    {LIE_FAILS, ERR_SYSTEM, "it failed", ABOUT_KEYS}, /* not away: the cache stays shut */
    {LIE_OTHER_OPERATION, ERR_INPUT, "answers operation 0x1"},
    {LIE_NO_PAYLOAD, ERR_INPUT, "response payload"},
    {LIE_NO_KMIP, ERR_INPUT, "no KMIP"},
    {LIE_CLOSE, ERR_AWAY, "closed"},
    {LIE_NO_STATE, ERR_INPUT, "attribute"},
    {LIE_LONG_WRAP, ERR_CLASH, "40 bytes of unwrapped key, not 32", ABOUT_DECRYPTION},
    {LIE_OTHER_PLAIN, ERR_DENIED, "", ABOUT_DECRYPTION},
};

static void no_lie_is_believed_and_the_next_truth_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct err err = {0}, after = {0};

        if ((lies[i].only == ABOUT_KEYS && liar.encrypts) ||
            (lies[i].only == ABOUT_DECRYPTION && !liar.encrypts)) {
            continue;
        }
        long long start = milliseconds();

        liar.lie = lies[i].lie;
        bool opened = unwrap(&err);

        if (opened || err.kind != lies[i].kind || !strstr(err.what, lies[i].said)) {
            fail_msg("lie %d: %s (%s)", (int)lies[i].lie, opened ? "believed" : err.what,
                     err_kind_name(err.kind));
        }
        assert_true(milliseconds() - start < 2000);
        liar.lie = LIE_NONE;
        if (!unwrap(&after)) {
            fail_msg("after lie %d: %s", (int)lies[i].lie, after.what);
        }
    }
}

/* In the head at every byte, then in every other item; test_ttlv.c cuts at each byte. */
static void an_answer_cut_short_is_away(void **state)
{
    static unsigned char bytes[8192];
    size_t size = liar_message(liar.encrypts ? KMIP_DECRYPT : KMIP_GET, bytes, sizeof(bytes));

    (void)state;
    liar.lie = LIE_CUT;
    for (liar.cut = 0; liar.cut < size; liar.cut += liar.cut < 10 ? 1 : 16) {
        struct err err = {0};

        assert_false(unwrap(&err));
        if (err.kind != ERR_AWAY) {
            fail_msg("cut after %zu: %s", liar.cut, err.what);
        }
    }
}

static void an_answer_that_drips_ends_at_its_deadline(void **state)
{
    long long start = milliseconds();
    struct err err = {0};

    (void)state;
    liar.lie = LIE_DRIP;
    assert_false(unwrap(&err));
    assert_int_equal(err.kind, ERR_AWAY);
    /* The connection was kept, so it is tried once more over a new one. */
    assert_true(milliseconds() - start < 2 * 5000 + 2000);
}

/* T12 d. */
static void a_server_of_kmip_1_0_is_refused(void **state)
{
    struct err err = {0};

    (void)state;
    liar.lie = LIE_OLD;
    key_close(key); /* the liar listens to one at a time */
    key = opened();
    assert_false(unwrap(&err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "1.0"));
}

static void lies_about_sizes_take_no_memory(void **state)
{
    size_t before = mallinfo2().arena + mallinfo2().hblkhd;

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct err err = {0};

        liar.lie = i % 2 ? LIE_LENGTH_4G : LIE_LENGTH_2G;
        assert_false(unwrap(&err));
    }
    assert_true(mallinfo2().arena + mallinfo2().hblkhd < before + 8u * 1024u * 1024u);
}

/* T10 c. */
static void each_state_of_a_kek_has_its_own_message(void **state)
{
    static const struct {
        uint32_t state;
        enum err_kind kind;
        const char *said;
    } states[] = {
        {1, ERR_DENIED, "not active yet"}, {3, ERR_DENIED, "deactivated"},
        {4, ERR_DENIED, "compromised"},    {5, ERR_ABSENT, "destroyed"},
        {6, ERR_ABSENT, "destroyed"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        struct err err = {0};

        liar.state = states[i].state;
        assert_false(unwrap(&err));
        assert_int_equal(err.kind, states[i].kind);
        assert_non_null(strstr(err.what, states[i].said));
    }
}

static void a_server_without_an_operation_is_not_asked_for_it(void **state)
{
    struct err err = {0};

    (void)state;
    liar.without = KMIP_GET_ATTRIBUTES;
    key_close(key); /* what it has is asked once a connection */
    key = opened();
    assert_false(unwrap(&err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "does not have the operation 'Get Attributes'"));
    liar.without = 0;
    key_close(key);
    key = opened();
    assert_true(unwrap(&err));
}

/* T10: the content key of an envelope would lie there for everybody to read. */
static void a_server_that_does_not_really_encrypt_wraps_no_key(void **state)
{
    static const struct {
        enum lie lie;
        const char *said;
    } cases[] = {
        {LIE_ECHO, "in clear"},
        {LIE_ECHO_PART, "in clear"},
        {LIE_NO_TAG, "decrypts what was changed"},
        {LIE_SAME, "twice to the same"},
    };
    AUTO(drop_secret) struct secret *vm_key = NULL;
    struct err err = {0};

    (void)state;
    if (!liar.encrypts) {
        return;
    }
    assert_true(secret_random(32, &vm_key, &err));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(drop_envelope) struct envelope *made = NULL;

        liar.lie = cases[i].lie;
        key_close(key); /* what a server can is proven once an opening */
        key = opened();
        assert_false(key_wrap(key, &expected, vm_key, &made, &err));
        assert_int_equal(err.kind, ERR_CLASH);
        if (!strstr(err.what, cases[i].said)) {
            fail_msg("lie %d: %s", (int)cases[i].lie, err.what);
        }
    }
}

static void a_server_that_turns_to_giving_it_back_in_clear_is_refused(void **state)
{
    AUTO(drop_envelope) struct envelope *good = NULL, *bad = NULL;
    AUTO(drop_secret) struct secret *vm_key = NULL;
    struct err err = {0};

    (void)state;
    if (!liar.encrypts) {
        return;
    }
    key_close(key);
    key = opened();
    assert_true(secret_random(32, &vm_key, &err));
    assert_true(key_wrap(key, &expected, vm_key, &good, &err));
    liar.lie = LIE_ECHO;
    assert_false(key_wrap(key, &expected, vm_key, &bad, &err));
    assert_int_equal(err.kind, ERR_CLASH);
    assert_non_null(strstr(err.what, "in clear"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, honest)
    const struct CMUnitTest tests[] = {
        TEST(an_honest_answer_opens_it),
        TEST(no_lie_is_believed_and_the_next_truth_is),
        TEST(a_server_that_does_not_really_encrypt_wraps_no_key),
        TEST(a_server_that_turns_to_giving_it_back_in_clear_is_refused),
        TEST(each_state_of_a_kek_has_its_own_message),
        TEST(a_server_without_an_operation_is_not_asked_for_it),
        TEST(an_answer_cut_short_is_away),
        TEST(an_answer_that_drips_ends_at_its_deadline),
        TEST(lies_about_sizes_take_no_memory),
        TEST(a_server_of_kmip_1_0_is_refused),
    };

    return cmocka_run_group_tests_name("KMIP 1.2", tests, begin_1_2, end) +
           cmocka_run_group_tests_name("KMIP 2.1", tests, begin_2_1, end) +
           cmocka_run_group_tests_name("KMIP 2.1, wrapped at the server", tests, begin_server_side,
                                       end);
}
