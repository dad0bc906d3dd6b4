/* SPDX-License-Identifier: Apache-2.0 */
/* T6, the TLS half: servers that are not what they must be, by the openssl command. */
#include "pykmip.h"

#include "wire/stream.h"

static char *ca, *certificate;
static struct secret *private_key;

static int begin(void **state)
{
    if (folder_make(state) != 0) {
        return -1;
    }
    pki_ca("ca");
    pki_ca("other-ca");
    pki_sign("ca", "client", CLIENT_EXTENSIONS, NULL);
    ca = pki_text("ca.pem");
    certificate = pki_text("client.pem");
    private_key = pki_key("client.key");
    return 0;
}

static int end(void **state)
{
    free(ca);
    free(certificate);
    secret_free(private_key);
    return folder_drop(state);
}

/* `openssl s_server` with FOLDER/NAME.pem; up to two more options. */
static struct child serve(const char *name, int *out_port, const char *one, const char *two)
{
    AUTO(drop_free) char *port = text_make("%d", *out_port = free_port());
    AUTO(drop_free) char *key = text_make("%s/%s.key", folder_path, name);
    AUTO(drop_free) char *pem = text_make("%s/%s.pem", folder_path, name);
    AUTO(drop_free) char *ca_path = text_make("%s/ca.pem", folder_path);
    struct child child;
    struct err err = {0};

    assert_true(child_start(
        &(struct run){.argv = (const char *const[]){"openssl", "s_server", "-quiet",
                                                    "-verify_return_error", "-accept", port, "-key",
                                                    key, "-cert", pem, "-CAfile", ca_path, one, two,
                                                    NULL}},
        true, &child, &err));
    for (int i = 0; i < 500 && !somebody_listens(*out_port); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return child;
}

static bool reach(const char *host, int port, struct err *err)
{
    AUTO(drop_free) char *server = text_make("%s:%d", host, port);
    const struct stream_conf conf = {
        .server = server, .ca = ca, .certificate = certificate, .private_key = private_key};
    struct stream *stream = NULL;
    bool reached = stream_open(&conf, 2000, &stream, err);

    stream_close(stream);
    return reached;
}

/* Is the server NAME, started with these options, refused, and with these words? */
static void is_denied(const char *name, const char *one, const char *two, const char *words)
{
    struct err err = {0};
    int port;
    struct child child = serve(name, &port, one, two);
    bool reached = reach("127.0.0.1", port, &err);

    child_stop(&child);
    if (reached || err.kind != ERR_DENIED || !strstr(err.what, words)) {
        fail_msg("%s: %s: '%s' (%s), not '%s'", name, reached ? "reached" : "refused", err.what,
                 err_kind_name(err.kind), words);
    }
}

static void a_server_that_is_right_is_reached_by_name_and_address(void **state)
{
    struct err err = {0};
    int port;

    (void)state;
    pki_sign("ca", "right", SERVER_EXTENSIONS, NULL);
    struct child child = serve("right", &port, "-Verify", "1");
    bool address = reach("127.0.0.1", port, &err);
    bool name = reach("localhost", port, &err);

    child_stop(&child);
    assert_true(address);
    assert_true(name);
}

static void a_server_of_another_ca_is_denied(void **state)
{
    (void)state;
    pki_sign("other-ca", "stranger", SERVER_EXTENSIONS, NULL);
    is_denied("stranger", "-Verify", "1", "certificate");
}

static void a_server_of_another_name_is_denied(void **state)
{
    (void)state;
    pki_sign("ca", "elsewhere",
             "subjectAltName=IP:127.0.0.2,DNS:kms.test\nextendedKeyUsage=serverAuth\n", NULL);
    is_denied("elsewhere", "-Verify", "1", "mismatch");
}

/* What stands in the subject alone is no name. */
static void a_server_whose_name_is_only_its_common_name_is_denied(void **state)
{
    (void)state;
    pki_sign("ca", "127.0.0.1", "extendedKeyUsage=serverAuth\n", NULL);
    is_denied("127.0.0.1", "-Verify", "1", "mismatch");
}

static void a_certificate_meant_for_clients_is_denied(void **state)
{
    (void)state;
    pki_sign(
        "ca", "client-like",
        "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n",
        NULL);
    is_denied("client-like", "-Verify", "1", "purpose");
}

static void a_self_signed_server_is_denied(void **state)
{
    (void)state;
    pki_ca("itself");
    is_denied("itself", "-Verify", "1", "self-signed");
}

/* openssl x509 takes only days, and a negative number of them: from the first second expired. */
static void an_expired_certificate_is_denied_and_the_clock_is_mentioned(void **state)
{
    static const char *const past[4] = {"-days", "-1"};
    struct err err = {0};
    int port;

    (void)state;
    pki_sign("ca", "expired", SERVER_EXTENSIONS, past);
    is_denied("expired", "-Verify", "1", "expired");
    struct child child = serve("expired", &port, "-Verify", "1");

    (void)reach("127.0.0.1", port, &err);
    child_stop(&child);
    assert_non_null(strstr(err.remedy, "clock"));
}

static void a_signature_by_sha1_is_denied(void **state)
{
    static const char *const sha1[4] = {"-days", "30", "-sha1"};

    (void)state;
    pki_sign("ca", "sha1", SERVER_EXTENSIONS, sha1);
    is_denied("sha1", "-cipher", "ALL:@SECLEVEL=0", "weak");
}

static void an_rsa_key_of_1024_bits_is_denied(void **state)
{
    (void)state;
    pki_sign_as("rsa", "rsa_keygen_bits:1024", "ca", "small", SERVER_EXTENSIONS, NULL);
    is_denied("small", "-cipher", "ALL:@SECLEVEL=0", "too weak");
}

static void a_certificate_that_is_not_valid_yet_is_denied_and_the_clock_is_mentioned(void **state)
{
    struct err err = {0};
    int port;

    (void)state;
    pki_sign_tomorrow("ca", "tomorrow", SERVER_EXTENSIONS);
    is_denied("tomorrow", "-Verify", "1", "not yet valid");
    struct child child = serve("tomorrow", &port, "-Verify", "1");

    (void)reach("127.0.0.1", port, &err);
    child_stop(&child);
    assert_non_null(strstr(err.remedy, "clock"));
}

/* Encrypts nothing, or with what was broken long ago: none of ours. */
static void a_server_without_a_cipher_of_ours_is_not_spoken_to(void **state)
{
    static const char *const ciphers[] = {"-cipher=NULL:@SECLEVEL=0", "-cipher=aNULL:@SECLEVEL=0",
                                          "-cipher=PSK:@SECLEVEL=0"};

    (void)state;
    pki_sign("ca", "bare", SERVER_EXTENSIONS, NULL);
    for (size_t i = 0; i < COUNT_OF(ciphers); i++) {
        struct err err = {0};
        int port;
        struct child child = serve("bare", &port, "-tls1_2", ciphers[i]);
        bool reached = reach("127.0.0.1", port, &err);

        child_stop(&child);
        assert_false(reached);
        assert_int_equal(err.kind, ERR_DENIED);
    }
}

static void an_old_version_of_tls_is_denied(void **state)
{
    (void)state;
    pki_sign("ca", "old", SERVER_EXTENSIONS, NULL);
    is_denied("old", "-tls1_1", "-cipher=ALL:@SECLEVEL=0", "protocol");
}

static void a_server_that_asks_for_no_certificate_is_denied(void **state)
{
    (void)state;
    pki_sign("ca", "open", SERVER_EXTENSIONS, NULL);
    is_denied("open", "-tls1_2", NULL, "anybody");
    is_denied("open", "-tls1_3", NULL, "anybody");
}

static void a_server_that_does_not_take_our_certificate_is_denied(void **state)
{
    AUTO(drop_free) char *ours = certificate;
    struct secret *our_key = private_key;
    struct err err = {0};
    int port;

    (void)state;
    pki_sign("ca", "picky", SERVER_EXTENSIONS, NULL);
    pki_sign("other-ca", "unknown", CLIENT_EXTENSIONS, NULL);
    certificate = pki_text("unknown.pem");
    private_key = pki_key("unknown.key");
    struct child child = serve("picky", &port, "-Verify", "1");
    AUTO(drop_free) char *server = text_make("127.0.0.1:%d", port);
    const struct stream_conf conf = {
        .server = server, .ca = ca, .certificate = certificate, .private_key = private_key};
    AUTO(drop_stream) struct stream *stream = NULL;
    unsigned char byte;
    /* In TLS 1.3 the refusal comes with the first answer. */
    bool reached = stream_open(&conf, 2000, &stream, &err) &&
                   stream_write(stream, span_text("hello\n"), 2000, &err) &&
                   stream_read(stream, &byte, 1, 2000, &err);

    child_stop(&child);
    free(certificate);
    secret_free(private_key);
    certificate = TAKE(ours);
    private_key = our_key;
    assert_false(reached);
    assert_int_equal(err.kind, ERR_DENIED);
}

static void texts_that_are_no_certificate_or_key_are_refused(void **state)
{
    AUTO(drop_secret) struct secret *no_key = secret_of_text("-----BEGIN nothing-----\n");
    struct stream_conf conf = {.server = "127.0.0.1:1",
                               .ca = "-----BEGIN CERTIFICATE-----\nAAAA\n",
                               .certificate = certificate,
                               .private_key = private_key};
    struct stream *stream = NULL;
    struct err err = {0};

    (void)state;
    assert_false(stream_open(&conf, 2000, &stream, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    conf.ca = ca;
    conf.certificate = "";
    assert_false(stream_open(&conf, 2000, &stream, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    conf.certificate = certificate;
    conf.private_key = no_key;
    assert_false(stream_open(&conf, 2000, &stream, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.what, "key"));
}

static void addresses_of_another_shape_are_refused(void **state)
{
    static const char *const servers[] = {"",          "host",     "host:",         ":5696",
                                          "host:port", "::1:5696", "host:123456789"};
    struct stream *stream = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        const struct stream_conf conf = {
            .server = servers[i], .ca = ca, .certificate = certificate, .private_key = private_key};
        struct err err = {0};

        assert_false(stream_open(&conf, 500, &stream, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_is_right_is_reached_by_name_and_address),
        cmocka_unit_test(a_server_of_another_ca_is_denied),
        cmocka_unit_test(a_server_of_another_name_is_denied),
        cmocka_unit_test(a_server_whose_name_is_only_its_common_name_is_denied),
        cmocka_unit_test(a_certificate_meant_for_clients_is_denied),
        cmocka_unit_test(a_self_signed_server_is_denied),
        cmocka_unit_test(an_expired_certificate_is_denied_and_the_clock_is_mentioned),
        cmocka_unit_test(a_certificate_that_is_not_valid_yet_is_denied_and_the_clock_is_mentioned),
        cmocka_unit_test(an_rsa_key_of_1024_bits_is_denied),
        cmocka_unit_test(a_server_without_a_cipher_of_ours_is_not_spoken_to),
        cmocka_unit_test(a_signature_by_sha1_is_denied),
        cmocka_unit_test(an_old_version_of_tls_is_denied),
        cmocka_unit_test(a_server_that_asks_for_no_certificate_is_denied),
        cmocka_unit_test(a_server_that_does_not_take_our_certificate_is_denied),
        cmocka_unit_test(texts_that_are_no_certificate_or_key_are_refused),
        cmocka_unit_test(addresses_of_another_shape_are_refused),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
