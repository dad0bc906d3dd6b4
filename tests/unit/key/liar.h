/* SPDX-License-Identifier: Apache-2.0 */
/* A key server that lies: TLS as it should be, and answers that are wrong in one way. A thread. */
#ifndef QUOIN_TESTS_LIAR_H
#define QUOIN_TESTS_LIAR_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "key/kmipcall.h"
#include "pykmip.h"

#define LIAR_CRYPTO_FAILURE 0x0a

enum lie {
    LIE_NONE,
    LIE_LENGTH_4G,
    LIE_LENGTH_2G,
    LIE_DEEP,
    LIE_BATCHES,
    LIE_OTHER_ID,
    LIE_OTHER_TYPE,
    LIE_OTHER_FORMAT,
    LIE_OTHER_ALGORITHM,
    LIE_SHORT_KEY,
    LIE_ZERO_KEY,
    LIE_WRAPPED,
    LIE_PENDING,
    LIE_FAILS, /* "general failure" */
    LIE_OTHER_OPERATION,
    LIE_NO_PAYLOAD,
    LIE_NO_KMIP,
    LIE_CLOSE,
    LIE_CUT,         /* after `cut` bytes */
    LIE_DRIP,        /* a byte every 300 ms */
    LIE_OLD,         /* speaks KMIP 1.0 only */
    LIE_NO_STATE,    /* an answer without the state */
    LIE_LONG_WRAP,   /* a wrapped or unwrapped key of another size */
    LIE_OTHER_PLAIN, /* decrypts to another key */
    LIE_ECHO,        /* gives back as it is what it is to encrypt or decrypt */
    LIE_ECHO_PART,   /* encrypts all but a part */
    LIE_NO_TAG,      /* decrypts without a look at the tag */
    LIE_SAME,        /* encrypts the same twice to the same */
};

static struct {
    int listening;
    int port;
    char server[32];
    pthread_t thread;
    SSL_CTX *context;
    struct kmip_version version; /* that it speaks */
    bool encrypts;               /* it has Encrypt and Decrypt, by AES-GCM */
    uint32_t state;              /* of the KEK; 0: active */
    uint32_t without;            /* an operation that it does not have */
    enum lie lie;
    size_t cut;
    unsigned char data[48], iv[12], tag[16]; /* of the last Encrypt or Decrypt */
    volatile bool over;
} liar;

static inline void liar_key(struct ttlv_writer *writer)
{
    static const unsigned char zeros[32];
    unsigned char key[32];

    memset(key, 0x5a, sizeof(key));
    ttlv_put_begin(writer, KMIP_SYMMETRIC_KEY);
    ttlv_put_begin(writer, KMIP_KEY_BLOCK);
    ttlv_put_enum(writer, KMIP_KEY_FORMAT_TYPE, liar.lie == LIE_OTHER_FORMAT ? 7 : 1);
    ttlv_put_begin(writer, KMIP_KEY_VALUE);
    ttlv_put_bytes(
        writer, KMIP_KEY_MATERIAL,
        span_of(liar.lie == LIE_ZERO_KEY ? zeros : key, liar.lie == LIE_SHORT_KEY ? 16 : 32));
    ttlv_put_end(writer);
    ttlv_put_enum(writer, KMIP_CRYPTOGRAPHIC_ALGORITHM, liar.lie == LIE_OTHER_ALGORITHM ? 2 : 3);
    ttlv_put_integer(writer, KMIP_CRYPTOGRAPHIC_LENGTH, 256);
    if (liar.lie == LIE_WRAPPED) {
        ttlv_put_begin(writer, KMIP_KEY_WRAPPING_DATA);
        ttlv_put_end(writer);
    }
    ttlv_put_end(writer);
    ttlv_put_end(writer);
}

/* Of what was encrypted and its nonce: any change of a bit is seen. */
static inline void liar_tag(const unsigned char *cipher, unsigned char tag[16])
{
    memset(tag, 0x77, 16);
    for (size_t i = 0; i < 32; i++) {
        tag[i % 16] ^= (unsigned char)(cipher[i] + i);
    }
    for (size_t i = 0; i < sizeof(liar.iv); i++) {
        tag[i] ^= liar.iv[i];
    }
}

/* To be decrypted, and it does not fit its tag. */
static inline bool liar_refuses(uint32_t operation)
{
    unsigned char tag[16];

    liar_tag(liar.data, tag);
    return operation == KMIP_DECRYPT && liar.lie != LIE_NO_TAG && liar.lie != LIE_ECHO &&
           memcmp(tag, liar.tag, sizeof(tag)) != 0;
}

/* "Encrypts" by changing each bit, by the nonce too: nobody here looks closer. */
static inline void liar_crypt(struct ttlv_writer *writer, uint32_t operation)
{
    unsigned char out[48], tag[16];
    size_t size = liar.lie == LIE_LONG_WRAP ? 40 : 32;

    for (size_t i = 0; i < sizeof(out); i++) {
        unsigned char key = liar.lie == LIE_SAME ? 0xff : 0xff ^ liar.iv[i % sizeof(liar.iv)];

        key = liar.lie == LIE_ECHO || (liar.lie == LIE_ECHO_PART && i >= 16) ? 0 : key;
        out[i] = liar.data[i] ^ key ^ (liar.lie == LIE_OTHER_PLAIN);
    }
    ttlv_put_bytes(writer, KMIP_DATA, span_of(out, size));
    if (operation == KMIP_ENCRYPT) {
        liar_tag(out, tag);
        ttlv_put_bytes(writer, KMIP_AEAD_TAG, span_of(tag, sizeof(tag)));
    }
}

static inline void liar_state(struct ttlv_writer *writer)
{
    if (liar.version.major >= 2) {
        ttlv_put_begin(writer, KMIP_ATTRIBUTES);
        ttlv_put_enum(writer, KMIP_STATE, liar.state ? liar.state : 2);
    } else {
        ttlv_put_begin(writer, KMIP_ATTRIBUTE);
        ttlv_put_text(writer, KMIP_ATTRIBUTE_NAME, "State");
        ttlv_put_enum(writer, KMIP_ATTRIBUTE_VALUE, liar.state ? liar.state : 2);
    }
    ttlv_put_end(writer);
}

static inline void liar_operations(struct ttlv_writer *writer)
{
    static const uint32_t operations[] = {KMIP_CREATE,   KMIP_GET,    KMIP_GET_ATTRIBUTES,
                                          KMIP_ACTIVATE, KMIP_REVOKE, KMIP_DESTROY};

    for (size_t i = 0; i < COUNT_OF(operations); i++) {
        if (operations[i] != liar.without) {
            ttlv_put_enum(writer, KMIP_OPERATION, operations[i]);
        }
    }
    if (liar.encrypts) {
        ttlv_put_enum(writer, KMIP_OPERATION, KMIP_ENCRYPT);
        ttlv_put_enum(writer, KMIP_OPERATION, KMIP_DECRYPT);
    }
}

static inline void liar_payload(struct ttlv_writer *writer, uint32_t operation)
{
    if (operation == KMIP_DISCOVER_VERSIONS) {
        ttlv_put_begin(writer, KMIP_PROTOCOL_VERSION);
        ttlv_put_integer(writer, KMIP_PROTOCOL_MAJOR, liar.lie == LIE_OLD ? 1 : liar.version.major);
        ttlv_put_integer(writer, KMIP_PROTOCOL_MINOR, liar.lie == LIE_OLD ? 0 : liar.version.minor);
        ttlv_put_end(writer);
        return;
    }
    if (operation == KMIP_QUERY) {
        liar_operations(writer);
        return;
    }
    if (operation == KMIP_GET) {
        ttlv_put_enum(writer, KMIP_OBJECT_TYPE, liar.lie == LIE_OTHER_TYPE ? 7 : 2);
    }
    ttlv_put_text(writer, KMIP_UNIQUE_IDENTIFIER, liar.lie == LIE_OTHER_ID ? "18" : "17");
    if (operation == KMIP_GET_ATTRIBUTES && liar.lie != LIE_NO_STATE) {
        liar_state(writer);
    }
    if (operation == KMIP_ENCRYPT || operation == KMIP_DECRYPT) {
        liar_crypt(writer, operation);
    }
    if (operation == KMIP_GET) {
        liar_key(writer);
    }
}

/* Lies are told about the key only, so that everything before it goes well. */
static inline bool lies_now(uint32_t operation)
{
    return operation == (liar.encrypts ? KMIP_DECRYPT : KMIP_GET);
}

static inline size_t liar_message(uint32_t operation, unsigned char *bytes, size_t room)
{
    struct ttlv_writer writer = ttlv_writer(bytes, room);
    bool lies = lies_now(operation);
    size_t size = 0;

    ttlv_put_begin(&writer, KMIP_RESPONSE_MESSAGE);
    ttlv_put_begin(&writer, KMIP_RESPONSE_HEADER);
    ttlv_put_begin(&writer, KMIP_PROTOCOL_VERSION);
    ttlv_put_integer(&writer, KMIP_PROTOCOL_MAJOR, liar.version.major);
    ttlv_put_integer(&writer, KMIP_PROTOCOL_MINOR, liar.version.minor);
    ttlv_put_end(&writer);
    ttlv_put_integer(&writer, KMIP_BATCH_COUNT, lies && liar.lie == LIE_BATCHES ? 0x7fffffff : 1);
    ttlv_put_end(&writer);
    ttlv_put_begin(&writer, KMIP_BATCH_ITEM);
    ttlv_put_enum(&writer, KMIP_OPERATION,
                  lies && liar.lie == LIE_OTHER_OPERATION ? KMIP_CREATE : operation);
    bool fails = lies && liar.lie == LIE_FAILS;
    bool refuses = fails || (liar.encrypts && liar_refuses(operation));

    ttlv_put_enum(&writer, KMIP_RESULT_STATUS,
                  refuses                           ? 1
                  : lies && liar.lie == LIE_PENDING ? 2
                                                    : 0);
    if (refuses) {
        ttlv_put_enum(&writer, KMIP_RESULT_REASON, fails ? 0x100 : LIAR_CRYPTO_FAILURE);
    } else if (!lies || liar.lie != LIE_NO_PAYLOAD) {
        ttlv_put_begin(&writer, KMIP_RESPONSE_PAYLOAD);
        if (lies && liar.lie == LIE_DEEP) {
            while (writer.depth < TTLV_MAX_DEPTH) {
                ttlv_put_begin(&writer, KMIP_ATTRIBUTE);
            }
            while (writer.depth > 3) {
                ttlv_put_end(&writer);
            }
        }
        liar_payload(&writer, operation);
        ttlv_put_end(&writer);
    }
    ttlv_put_end(&writer);
    ttlv_put_end(&writer);
    assert_true(ttlv_end(&writer, &size, &(struct err){0}));
    return size;
}

static inline void liar_send(SSL *ssl, const unsigned char *bytes, size_t size)
{
    size_t n = 0;

    for (size_t at = 0; liar.lie == LIE_DRIP && at < size && !liar.over; at++) {
        if (SSL_write_ex(ssl, bytes + at, 1, &n) != 1) {
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    }
    if (liar.lie != LIE_DRIP && size > 0) {
        (void)SSL_write_ex(ssl, bytes, size, &n);
    }
}

/* false: hang up. */
static inline bool liar_answer(SSL *ssl, uint32_t operation)
{
    static unsigned char bytes[8192];
    size_t size = liar_message(operation, bytes, sizeof(bytes)), n = 0;

    if (!lies_now(operation)) {
        return SSL_write_ex(ssl, bytes, size, &n) == 1;
    }
    switch (liar.lie) {
    case LIE_LENGTH_4G:
        memcpy(bytes + 4, "\xff\xff\xff\xff", 4);
        break;
    case LIE_LENGTH_2G:
        memcpy(bytes + 4, "\x7f\xff\xff\xf8", 4);
        break;
    case LIE_DEEP: /* one more around all of it, past the ceiling */
        memmove(bytes + 8, bytes, size);
        bytes[6] = (unsigned char)(size >> 8);
        bytes[7] = (unsigned char)size;
        size += 8;
        break;
    case LIE_NO_KMIP:
        memcpy(bytes, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        break;
    case LIE_CLOSE:
        return false;
    case LIE_CUT:
        size = liar.cut < size ? liar.cut : size;
        break;
    default:
        break;
    }
    liar_send(ssl, bytes, size);
    return liar.lie == LIE_NONE || liar.lie >= LIE_ECHO;
}

static inline void liar_take(const struct ttlv *payload, enum kmip_tag tag, unsigned char *to,
                             size_t room)
{
    struct ttlv item;

    memset(to, 0, room);
    if (ttlv_find(payload, tag, TTLV_BYTES, &item) && item.length <= room) {
        memcpy(to, item.value, item.length);
    }
}

/* What is to be encrypted or decrypted; key wrap is what this server does not have. */
static inline void liar_note(const struct ttlv *item)
{
    struct ttlv payload;

    if (ttlv_find(item, KMIP_REQUEST_PAYLOAD, TTLV_STRUCTURE, &payload)) {
        liar_take(&payload, KMIP_DATA, liar.data, sizeof(liar.data));
        liar_take(&payload, KMIP_IV_COUNTER_NONCE, liar.iv, sizeof(liar.iv));
        liar_take(&payload, KMIP_AEAD_TAG, liar.tag, sizeof(liar.tag));
    }
}

/* A request's bytes, and which operation it asks for; 0: none came. */
static inline uint32_t liar_hear(SSL *ssl)
{
    static unsigned char bytes[8192];
    struct ttlv message, item, operation;
    size_t have = 0, n = 0;

    while (SSL_read_ex(ssl, bytes + have, sizeof(bytes) - have, &n) == 1) {
        have += n;
        if (ttlv_read(span_of(bytes, have), &message, &(struct err){0}) &&
            ttlv_find(&message, KMIP_BATCH_ITEM, TTLV_STRUCTURE, &item) &&
            ttlv_find(&item, KMIP_OPERATION, TTLV_ENUM, &operation)) {
            liar_note(&item);
            return ttlv_enum(&operation);
        }
    }
    return 0;
}

static inline void *liar_run(void *nothing)
{
    (void)nothing;
    while (!liar.over) {
        AUTO(drop_fd) int fd = accept(liar.listening, NULL, NULL);
        SSL *ssl = SSL_new(liar.context);
        uint32_t operation;

        if (fd >= 0 && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1) {
            while ((operation = liar_hear(ssl)) != 0 && liar_answer(ssl, operation)) {
            }
            (void)SSL_shutdown(ssl);
        }
        SSL_free(ssl);
    }
    return NULL;
}

static inline void liar_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    AUTO(drop_free) char *pem = text_make("%s/server.pem", folder_path);
    AUTO(drop_free) char *key = text_make("%s/server.key", folder_path);
    AUTO(drop_free) char *ca_path = text_make("%s/ca.pem", folder_path);

    (void)signal(SIGPIPE, SIG_IGN);
    liar.over = false;
    liar.context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_file(liar.context, pem, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(liar.context, key, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_load_verify_locations(liar.context, ca_path, NULL), 1);
    SSL_CTX_set_verify(liar.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    liar.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(liar.listening, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(liar.listening, 8), 0);
    assert_int_equal(getsockname(liar.listening, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(liar.server, sizeof(liar.server), "127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&liar.thread, NULL, liar_run, NULL), 0);
}

static inline void liar_stop(void)
{
    liar.over = true;
    (void)shutdown(liar.listening, SHUT_RDWR);
    (void)pthread_join(liar.thread, NULL);
    close(liar.listening);
    SSL_CTX_free(liar.context);
}

#endif
