/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/text.h"
#include "wire/tls.h"

/* RFC 1035: 253 characters, brackets, colon, port. */
#define MAX_SERVER 280u

struct stream {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    bool asked; /* the server wanted to see our certificate */
};

struct address {
    char host[MAX_SERVER];
    char port[8];
};

DROP(addresses, struct addrinfo *, freeaddrinfo);
DROP(bio, BIO *, BIO_free);
DROP(certificate, X509 *, X509_free);

/* --- time ------------------------------------------------------------------------------------ */

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static long long left(long long deadline)
{
    long long rest = deadline - now();

    return rest > 0 ? rest : 0;
}

static bool late(const char *doing, struct err *err)
{
    return err_set(err, ERR_AWAY, "%s: no answer in time", doing);
}

/* Until the descriptor is ready for `events`. */
static bool wait_for(int fd, short events, long long deadline, const char *doing, struct err *err)
{
    struct pollfd one = {.fd = fd, .events = events};
    int ready;

    do {
        ready = poll(&one, 1, (int)left(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready < 0) {
        return err_errno(err, errno, "%s", doing);
    }
    return ready > 0 || late(doing, err);
}

/* --- the address -------------------------------------------------------------------------------
 */

static bool split(const char *server, struct address *out, struct err *err)
{
    const char *colon = strrchr(server, ':');
    size_t length = colon ? (size_t)(colon - server) : 0;
    bool brackets = length > 2 && server[0] == '[' && server[length - 1] == ']';

    if (length == 0 || length >= sizeof(out->host) || strlen(colon + 1) >= sizeof(out->port) ||
        colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        (!brackets && memchr(server, ':', length))) {
        return err_set(err, ERR_INPUT, "'%s' is not name:port", server);
    }
    (void)snprintf(out->host, sizeof(out->host), "%.*s", (int)(length - (brackets ? 2 : 0)),
                   server + (brackets ? 1 : 0));
    (void)snprintf(out->port, sizeof(out->port), "%s", colon + 1);
    return true;
}

/* A name asked for in the background: what it needs outlives our patience. */
struct question {
    struct gaicb ask;
    struct addrinfo hints;
    struct address address;
};

static bool ask_name(const struct address *address, const struct addrinfo *hints,
                     long long deadline, struct addrinfo **out, struct err *err)
{
    struct question *question = text_room(1, sizeof(*question));
    struct gaicb *list[] = {&question->ask};
    long long rest = left(deadline);
    const struct timespec patience = {rest / 1000, rest % 1000 * 1000000};
    int state;

    question->hints = *hints;
    question->address = *address;
    question->ask = (struct gaicb){.ar_name = question->address.host,
                                   .ar_service = question->address.port,
                                   .ar_request = &question->hints};
    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) == 0) {
        (void)gai_suspend((const struct gaicb *const *)list, 1, &patience);
    }
    state = gai_error(&question->ask);
    if (state == EAI_INPROGRESS && gai_cancel(&question->ask) != EAI_CANCELED) {
        /* It is being asked right now and cannot be called back: its memory stays with it. */
        return err_set(err, ERR_AWAY, "'%s' is not resolved in time", address->host);
    }
    *out = question->ask.ar_result;
    free(question);
    return state == 0 ||
           err_set(err, ERR_AWAY, "'%s' is not resolved: %s", address->host, gai_strerror(state));
}

static bool resolve(const struct address *address, long long deadline, struct addrinfo **out,
                    struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};

    if (getaddrinfo(address->host, address->port, &hints, out) == 0) {
        return true;
    }
    hints.ai_flags = AI_NUMERICSERV;
    return ask_name(address, &hints, deadline, out, err);
}

/* --- the connection ----------------------------------------------------------------------------
 */

static bool connect_one(const struct addrinfo *address, long long deadline, const char *doing,
                        int *out, struct err *err)
{
    AUTO(drop_fd)
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int number = 0, yes = 1;
    socklen_t size = sizeof(number);

    if (fd < 0) {
        return err_errno(err, errno, "%s", doing);
    }
    /* Questions are small and each is waited for. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        if (errno != EINPROGRESS) {
            return err_set(err, ERR_AWAY, "%s: %s", doing, strerror(errno));
        }
        if (!wait_for(fd, POLLOUT, deadline, doing, err)) {
            return false;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0 || number != 0) {
            return err_set(err, ERR_AWAY, "%s: %s", doing, strerror(number));
        }
    }
    *out = TAKE_FD(fd);
    return true;
}

static bool connect_any(const struct address *address, long long deadline, const char *doing,
                        int *out, struct err *err)
{
    AUTO(drop_addresses) struct addrinfo *list = NULL;

    if (!resolve(address, deadline, &list, err)) {
        return false;
    }
    for (const struct addrinfo *one = list; one; one = one->ai_next) {
        if (connect_one(one, deadline, doing, out, err)) {
            return true;
        }
    }
    return false;
}

/* --- who we are and whom we trust --------------------------------------------------------------
 */

static int note_question(SSL *ssl, void *stream)
{
    (void)ssl;
    ((struct stream *)stream)->asked = true;
    return 1;
}

static bool context_make(const struct stream_conf *conf, struct stream *stream, struct err *err)
{
    SSL_CTX *context = stream->context = SSL_CTX_new(TLS_client_method());

    if (!context) {
        return err_set(err, ERR_SYSTEM, "OpenSSL has no TLS");
    }
    SSL_CTX_set_cert_cb(context, note_question, stream);
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
    return tls_set(context, conf->ca, conf->certificate, conf->private_key, err);
}

/* --- what went wrong ---------------------------------------------------------------------------
 */

static const struct {
    int code;
    const char *remedy;
} verdicts[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "renew the key server's certificate, or set this host's clock"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "set this host's clock"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "dial a name that is in the certificate's subjectAltName"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "dial an address that is in the certificate's subjectAltName"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "name the CA that signed the key server"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "name the CA that signed the key server"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "name the CA that signed the key server"},
    {X509_V_ERR_INVALID_PURPOSE, "the key server needs a certificate for servers (serverAuth)"},
};

static bool distrust(long code, const char *doing, struct err *err)
{
    err_set(err, ERR_DENIED, "%s: its certificate: %s", doing, X509_verify_cert_error_string(code));
    for (size_t i = 0; i < COUNT_OF(verdicts); i++) {
        if (verdicts[i].code == code) {
            return err_mend(err, "%s", verdicts[i].remedy);
        }
    }
    return false;
}

/* Alerts come as reasons above this number. */
static bool is_alert(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET;
}

static bool broken(struct stream *stream, const char *doing, struct err *err)
{
    long verdict = SSL_get_verify_result(stream->ssl);
    unsigned long error = ERR_peek_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    bool alert = is_alert(error);

    ERR_clear_error();
    if (verdict != X509_V_OK) {
        return distrust(verdict, doing, err);
    }
    if (alert) {
        err_set(err, ERR_DENIED, "%s: it does not take us: %s", doing, reason ? reason : "");
        return err_mend(err, "is our certificate signed by its CA, known to it, and valid?");
    }
    if (reason && ERR_GET_REASON(error) != SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return err_set(err, ERR_DENIED, "%s: %s", doing, reason);
    }
    return err_set(err, ERR_AWAY, "%s: it closed the connection", doing);
}

/* After a call of OpenSSL that did not succeed: true, call it again. */
static bool again(struct stream *stream, int result, long long deadline, const char *doing,
                  struct err *err)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(stream->fd, POLLIN, deadline, doing, err);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(stream->fd, POLLOUT, deadline, doing, err);
    default:
        return broken(stream, doing, err);
    }
}

/* --- a peer that is gone -----------------------------------------------------------------------
 */

/* OpenSSL writes with write(2), so a peer that is gone would end the program by SIGPIPE, unless the
 * program ignores it. Here it is kept out for the time of a call, and taken back if it came. */
struct quiet {
    sigset_t before;
    bool pending;
};

static struct quiet quiet_begin(void)
{
    struct quiet quiet;
    sigset_t pipe, pending;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    quiet.pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &quiet.before);
    return quiet;
}

static void quiet_end(struct quiet *quiet)
{
    const struct timespec at_once = {0};
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    while (!quiet->pending && sigtimedwait(&pipe, NULL, &at_once) == -1 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
}

/* --- the door ----------------------------------------------------------------------------------
 */

static bool shake_hands(struct stream *stream, const char *host, long long deadline,
                        const char *doing, struct err *err)
{
    AUTO(quiet_end) __attribute__((unused)) struct quiet quiet = quiet_begin();
    int result;

    stream->ssl = SSL_new(stream->context);
    if (!stream->ssl || SSL_set_fd(stream->ssl, stream->fd) != 1 ||
        !tls_expect_name(stream->ssl, host)) {
        return err_set(err, ERR_SYSTEM, "%s: OpenSSL has no TLS", doing);
    }
    ERR_clear_error();
    while ((result = SSL_connect(stream->ssl)) != 1) {
        if (!again(stream, result, deadline, doing, err)) {
            return false;
        }
    }
    if (!stream->asked) {
        err_set(err, ERR_DENIED, "%s: it asks for no certificate, so it serves anybody", doing);
        return err_mend(err, "make it ask its clients for certificates");
    }
    return true;
}

bool stream_open(const struct stream_conf *conf, unsigned milliseconds, struct stream **out,
                 struct err *err)
{
    AUTO(drop_stream) struct stream *stream = text_room(1, sizeof(*stream));
    AUTO(drop_free) char *doing = text_make("reach '%s'", conf->server);
    long long deadline = now() + milliseconds;
    struct address address;

    stream->fd = -1;
    if (!split(conf->server, &address, err) || !context_make(conf, stream, err) ||
        !connect_any(&address, deadline, doing, &stream->fd, err) ||
        !shake_hands(stream, address.host, deadline, doing, err)) {
        return false;
    }
    *out = TAKE(stream);
    return true;
}

void stream_close(struct stream *stream)
{
    if (stream) {
        SSL_free(stream->ssl);
        SSL_CTX_free(stream->context);
        drop_fd(&stream->fd);
        free(stream);
    }
}

bool stream_write(struct stream *stream, struct span bytes, unsigned milliseconds, struct err *err)
{
    AUTO(quiet_end) __attribute__((unused)) struct quiet quiet = quiet_begin();
    long long deadline = now() + milliseconds;
    size_t n = 0;

    ERR_clear_error();
    /* Without partial writes it is all or nothing. */
    while (SSL_write_ex(stream->ssl, bytes.bytes, bytes.size, &n) != 1) {
        if (!again(stream, 0, deadline, "ask the key server", err)) {
            return false;
        }
    }
    return true;
}

bool stream_read(struct stream *stream, unsigned char *bytes, size_t size, unsigned milliseconds,
                 struct err *err)
{
    AUTO(quiet_end) __attribute__((unused)) struct quiet quiet = quiet_begin();
    long long deadline = now() + milliseconds;
    size_t n = 0;

    ERR_clear_error();
    while (size > 0) {
        if (SSL_read_ex(stream->ssl, bytes, size, &n) == 1) {
            bytes += n;
            size -= n;
            /* A byte a second would never wait, and never end. */
            if (size > 0 && left(deadline) == 0) {
                return late("hear the key server", err);
            }
        } else if (!again(stream, 0, deadline, "hear the key server", err)) {
            return false;
        }
    }
    return true;
}

/* --- until when --------------------------------------------------------------------------------
 */

static long long expires(const X509 *certificate)
{
    struct tm parts = {0};

    return certificate && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1
               ? (long long)timegm(&parts)
               : 0;
}

long long stream_peer_expires(const struct stream *stream)
{
    return expires(SSL_get0_peer_certificate(stream->ssl));
}

bool stream_pem_expires(const char *pem, long long *out, struct err *err)
{
    AUTO(drop_bio) BIO *bio = BIO_new_mem_buf(pem, (int)strnlen(pem, STREAM_MAX_PEM));
    AUTO(drop_certificate) X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    ERR_clear_error();
    if (!certificate) {
        return err_set(err, ERR_INPUT, "this is no certificate in PEM");
    }
    *out = expires(certificate);
    return true;
}
