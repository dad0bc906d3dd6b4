/* SPDX-License-Identifier: Apache-2.0 */
#include "key/kmipcall.h"

#include <string.h>

#include "base/secret_open.h"

/* KMIP 1.4, 9.1.3.2.28 and 9.1.3.2.29; 2.1, 11.48. */
enum { STATUS_SUCCESS = 0, STATUS_PENDING = 2 };
enum { CRYPTO_FAILURE = 0x0A, GENERAL_FAILURE = 0x100 };
enum { CREDENTIAL_USER_AND_PASSWORD = 1 };

/* Away is who does not answer, and for that a host may keep keys (encryption.cache): who answers
 * that it cannot now is there. */
static const struct {
    uint32_t reason;
    enum err_kind kind;
    const char *what;
} reasons[] = {
    {0x01, ERR_ABSENT, "there is no such object"},
    {0x03, ERR_DENIED, "it does not know us"},
    {0x04, ERR_CLASH, "it does not understand the message"},
    {0x05, ERR_CLASH, "it does not have this operation"},
    {0x06, ERR_CLASH, "it misses a field"},
    {0x07, ERR_CLASH, "it does not take a field"},
    {0x08, ERR_CLASH, "it does not have this feature"},
    {0x0A, ERR_SYSTEM, "its cryptography failed"},
    {0x0B, ERR_DENIED, "the object does not allow this now"},
    {0x0C, ERR_DENIED, "permission denied"},
    {0x0D, ERR_DENIED, "the object is archived"},
    {0x10, ERR_CLASH, "it does not have this key format"},
    {0x16, ERR_DENIED, "the key is sensitive and is not given out"},
    {0x17, ERR_DENIED, "the key is not extractable"},
    {0x18, ERR_CLASH, "such an object is there already"},
    {0x24, ERR_CLASH, "it does not take these cryptographic parameters"},
    {0x29, ERR_DENIED, "the key's usage mask forbids it"},
    {0x2A, ERR_SYSTEM, "it failed"},
    {0x35, ERR_CLASH, "an object of this name is there already"},
    {0x36, ERR_ABSENT, "the object was destroyed"},
    {0x37, ERR_ABSENT, "there is no such object"},
    {0x39, ERR_DENIED, "permission denied"},
    {0x3E, ERR_CLASH, "it does not have these cryptographic parameters"},
    {0x43, ERR_DENIED, "the object's state forbids it"},
    {0x100, ERR_SYSTEM, "it failed"},
};

static const char *const operation_names[] = {
    [KMIP_CREATE] = "Create",
    [KMIP_LOCATE] = "Locate",
    [KMIP_GET] = "Get",
    [KMIP_GET_ATTRIBUTES] = "Get Attributes",
    [KMIP_ACTIVATE] = "Activate",
    [KMIP_REVOKE] = "Revoke",
    [KMIP_DESTROY] = "Destroy",
    [KMIP_QUERY] = "Query",
    [KMIP_DISCOVER_VERSIONS] = "Discover Versions",
    [KMIP_ENCRYPT] = "Encrypt",
    [KMIP_DECRYPT] = "Decrypt",
};

const char *kmip_operation_name(enum kmip_operation operation)
{
    return operation < COUNT_OF(operation_names) && operation_names[operation]
               ? operation_names[operation]
               : "unknown";
}

/* --- request --------------------------------------------------------------------------------- */

static void put_version(struct ttlv_writer *writer, struct kmip_version version)
{
    ttlv_put_begin(writer, KMIP_PROTOCOL_VERSION);
    ttlv_put_integer(writer, KMIP_PROTOCOL_MAJOR, version.major);
    ttlv_put_integer(writer, KMIP_PROTOCOL_MINOR, version.minor);
    ttlv_put_end(writer);
}

static void put_credential(struct ttlv_writer *writer, const struct kmip_credential *credential)
{
    struct ttlv_writer before;

    ttlv_put_begin(writer, KMIP_AUTHENTICATION);
    ttlv_put_begin(writer, KMIP_CREDENTIAL);
    ttlv_put_enum(writer, KMIP_CREDENTIAL_TYPE, CREDENTIAL_USER_AND_PASSWORD);
    ttlv_put_begin(writer, KMIP_CREDENTIAL_VALUE);
    ttlv_put_text(writer, KMIP_USERNAME, credential->user);
    before = *writer;
    ttlv_put_bytes(writer, KMIP_PASSWORD,
                   span_of(secret_look(credential->password), secret_size(credential->password)));
    /* A password is a text; from a secret it comes as bytes, of the same shape. */
    if (!writer->failed) {
        before.bytes[before.size + 3] = TTLV_TEXT;
    }
    ttlv_put_end(writer);
    ttlv_put_end(writer);
    ttlv_put_end(writer);
}

static void put_header(struct ttlv_writer *writer, struct kmip_version version,
                       const struct kmip_credential *credential)
{
    ttlv_put_begin(writer, KMIP_REQUEST_HEADER);
    put_version(writer, version);
    ttlv_put_integer(writer, KMIP_MAXIMUM_RESPONSE_SIZE, KMIP_MAX_REPLY);
    if (credential && credential->user && credential->password) {
        put_credential(writer, credential);
    }
    ttlv_put_integer(writer, KMIP_BATCH_COUNT, 1);
    ttlv_put_end(writer);
}

bool kmipcall_begin(enum kmip_operation operation, struct kmip_version version,
                    const struct kmip_credential *credential, struct kmipcall *out, struct err *err)
{
    struct kmipcall call = {.operation = operation};

    if (!secret_new(KMIP_MAX_REQUEST, &call.bytes, err)) {
        return false;
    }
    call.writer = ttlv_writer(secret_bytes(call.bytes), KMIP_MAX_REQUEST);
    ttlv_put_begin(&call.writer, KMIP_REQUEST_MESSAGE);
    put_header(&call.writer, version, credential);
    ttlv_put_begin(&call.writer, KMIP_BATCH_ITEM);
    ttlv_put_enum(&call.writer, KMIP_OPERATION, operation);
    ttlv_put_begin(&call.writer, KMIP_REQUEST_PAYLOAD);
    *out = call;
    return true;
}

bool kmipcall_end(struct kmipcall *call, struct err *err)
{
    size_t size = 0;

    ttlv_put_end(&call->writer);
    ttlv_put_end(&call->writer);
    ttlv_put_end(&call->writer);
    if (!ttlv_end(&call->writer, &size, err)) {
        return false;
    }
    secret_cut(call->bytes, size);
    return true;
}

void kmipcall_clear(struct kmipcall *call)
{
    secret_free(call->bytes);
    call->bytes = NULL;
}

/* --- response -------------------------------------------------------------------------------- */

/* What does not decrypt is no trouble of the server's, whatever it calls it. */
static bool is_no_decryption(enum kmip_operation operation, uint32_t reason)
{
    return operation == KMIP_DECRYPT && (reason == GENERAL_FAILURE || reason == CRYPTO_FAILURE);
}

static bool refused(const struct ttlv *item, enum kmip_operation operation, struct err *err)
{
    struct ttlv reason = {0}, message = {0};
    uint32_t number = ttlv_find(item, KMIP_RESULT_REASON, TTLV_ENUM, &reason) ? ttlv_enum(&reason)
                                                                              : GENERAL_FAILURE;
    const char *what = "it refuses";
    enum err_kind kind = ERR_CLASH;

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].reason == number) {
            kind = reasons[i].kind;
            what = reasons[i].what;
        }
    }
    if (is_no_decryption(operation, number)) {
        kind = ERR_CLASH;
        what = "it does not decrypt this";
    }
    if (!ttlv_find(item, KMIP_RESULT_MESSAGE, TTLV_TEXT, &message)) {
        return err_set(err, kind, "the key server says: %s (0x%x)", what, number);
    }
    /* Its own words, cut: err makes one clean line of them. */
    return err_set(err, kind, "the key server says: %s (0x%x: %.*s)", what, number,
                   message.length < 200 ? (int)message.length : 200, (const char *)message.value);
}

static bool header_is_sound(const struct ttlv *message, struct err *err)
{
    struct ttlv header, version, major, count;

    if (message->tag != KMIP_RESPONSE_MESSAGE) {
        return err_set(err, ERR_INPUT, "the key server's answer is no response");
    }
    if (!ttlv_get(message, KMIP_RESPONSE_HEADER, TTLV_STRUCTURE, "response header", &header, err) ||
        !ttlv_get(&header, KMIP_PROTOCOL_VERSION, TTLV_STRUCTURE, "protocol version", &version,
                  err) ||
        !ttlv_get(&version, KMIP_PROTOCOL_MAJOR, TTLV_INTEGER, "major version", &major, err) ||
        !ttlv_get(&header, KMIP_BATCH_COUNT, TTLV_INTEGER, "batch count", &count, err)) {
        return false;
    }
    return ttlv_integer(&count) == 1 ||
           err_set(err, ERR_INPUT, "the key server answers %d questions, not one",
                   ttlv_integer(&count));
}

bool kmipcall_reply(const struct secret *bytes, enum kmip_operation operation, struct ttlv *out,
                    struct err *err)
{
    struct ttlv message, item, status, echo;

    if (!ttlv_read(span_of(secret_look(bytes), secret_size(bytes)), &message, err) ||
        !header_is_sound(&message, err) ||
        !ttlv_get(&message, KMIP_BATCH_ITEM, TTLV_STRUCTURE, "batch item", &item, err) ||
        !ttlv_get(&item, KMIP_RESULT_STATUS, TTLV_ENUM, "result status", &status, err)) {
        return err_add(err, "the key server's answer");
    }
    if (ttlv_enum(&status) == STATUS_PENDING) {
        return err_set(err, ERR_SYSTEM, "the key server wants to be asked again later");
    }
    if (ttlv_enum(&status) != STATUS_SUCCESS) {
        return refused(&item, operation, err);
    }
    if (!ttlv_get(&item, KMIP_OPERATION, TTLV_ENUM, "operation", &echo, err) ||
        !ttlv_get(&item, KMIP_RESPONSE_PAYLOAD, TTLV_STRUCTURE, "response payload", out, err)) {
        return err_add(err, "the key server's answer");
    }
    return ttlv_enum(&echo) == (uint32_t)operation ||
           err_set(err, ERR_INPUT, "the key server answers operation 0x%x, not 0x%x",
                   ttlv_enum(&echo), (unsigned)operation);
}
