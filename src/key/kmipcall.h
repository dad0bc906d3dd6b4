/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One KMIP operation as a message: a request built, a response taken apart (KMIP 1.4, sections 6
 * and 7; 2.1, sections 8 and 9). Pure; no sockets. Messages lie in secrets, since a key or a
 * password may be in one.
 */
#ifndef QUOIN_KEY_KMIPCALL_H
#define QUOIN_KEY_KMIPCALL_H

#include "base/secret.h"
#include "key/ttlv.h"

/* Ours are below 1 KiB. */
#define KMIP_MAX_REQUEST 8192u
/* A key, a list of operations, a page of ids: far below. It is also said in each request. */
#define KMIP_MAX_REPLY 65536u

enum kmip_tag {
    KMIP_APPLICATION_DATA = 0x420002,
    KMIP_APPLICATION_NAMESPACE = 0x420003,
    KMIP_APPLICATION_INFORMATION = 0x420004,
    KMIP_ATTRIBUTE = 0x420008,
    KMIP_ATTRIBUTE_NAME = 0x42000A,
    KMIP_ATTRIBUTE_VALUE = 0x42000B,
    KMIP_AUTHENTICATION = 0x42000C,
    KMIP_BATCH_COUNT = 0x42000D,
    KMIP_BATCH_ITEM = 0x42000F,
    KMIP_BLOCK_CIPHER_MODE = 0x420011,
    KMIP_CREDENTIAL = 0x420023,
    KMIP_CREDENTIAL_TYPE = 0x420024,
    KMIP_CREDENTIAL_VALUE = 0x420025,
    KMIP_CRYPTOGRAPHIC_ALGORITHM = 0x420028,
    KMIP_CRYPTOGRAPHIC_LENGTH = 0x42002A,
    KMIP_CRYPTOGRAPHIC_PARAMETERS = 0x42002B,
    KMIP_CRYPTOGRAPHIC_USAGE_MASK = 0x42002C,
    KMIP_IV_COUNTER_NONCE = 0x42003D,
    KMIP_KEY_BLOCK = 0x420040,
    KMIP_KEY_FORMAT_TYPE = 0x420042,
    KMIP_KEY_MATERIAL = 0x420043,
    KMIP_KEY_VALUE = 0x420045,
    KMIP_KEY_WRAPPING_DATA = 0x420046,
    KMIP_MAXIMUM_ITEMS = 0x42004F,
    KMIP_MAXIMUM_RESPONSE_SIZE = 0x420050,
    KMIP_NAME = 0x420053,
    KMIP_NAME_TYPE = 0x420054,
    KMIP_NAME_VALUE = 0x420055,
    KMIP_OBJECT_TYPE = 0x420057,
    KMIP_OPERATION = 0x42005C,
    KMIP_PROTOCOL_VERSION = 0x420069,
    KMIP_PROTOCOL_MAJOR = 0x42006A,
    KMIP_PROTOCOL_MINOR = 0x42006B,
    KMIP_QUERY_FUNCTION = 0x420074,
    KMIP_REQUEST_HEADER = 0x420077,
    KMIP_REQUEST_MESSAGE = 0x420078,
    KMIP_REQUEST_PAYLOAD = 0x420079,
    KMIP_RESPONSE_HEADER = 0x42007A,
    KMIP_RESPONSE_MESSAGE = 0x42007B,
    KMIP_RESPONSE_PAYLOAD = 0x42007C,
    KMIP_RESULT_MESSAGE = 0x42007D,
    KMIP_RESULT_REASON = 0x42007E,
    KMIP_RESULT_STATUS = 0x42007F,
    KMIP_REVOCATION_REASON = 0x420081,
    KMIP_REVOCATION_REASON_CODE = 0x420082,
    KMIP_STATE = 0x42008D,
    KMIP_SYMMETRIC_KEY = 0x42008F,
    KMIP_TEMPLATE_ATTRIBUTE = 0x420091,
    KMIP_UNIQUE_IDENTIFIER = 0x420094,
    KMIP_USERNAME = 0x420099,
    KMIP_VENDOR = 0x42009D,
    KMIP_PASSWORD = 0x4200A1,
    KMIP_DATA = 0x4200C2,
    KMIP_TAG_LENGTH = 0x4200CE,
    KMIP_AEAD_TAG = 0x4200FF,
    KMIP_ATTRIBUTES = 0x420125,
    KMIP_ATTRIBUTE_REFERENCE = 0x42013B,
};

enum kmip_operation {
    KMIP_CREATE = 0x01,
    KMIP_LOCATE = 0x08,
    KMIP_GET = 0x0A,
    KMIP_GET_ATTRIBUTES = 0x0B,
    KMIP_ACTIVATE = 0x12,
    KMIP_REVOKE = 0x13,
    KMIP_DESTROY = 0x14,
    KMIP_QUERY = 0x18,
    KMIP_DISCOVER_VERSIONS = 0x1E,
    KMIP_ENCRYPT = 0x1F,
    KMIP_DECRYPT = 0x20,
};

struct kmip_version {
    int major;
    int minor;
};

static inline bool kmip_version_from(struct kmip_version version, int major, int minor)
{
    return version.major > major || (version.major == major && version.minor >= minor);
}

/* Who asks, beside the certificate; a user of NULL: nobody. */
struct kmip_credential {
    const char *user;
    const struct secret *password;
};

struct kmipcall {
    enum kmip_operation operation;
    struct secret *bytes;
    struct ttlv_writer writer; /* the payload's fields are put here */
};

/* The caller puts the payload's fields, then ends the call. `out` is dropped by kmipcall_drop. */
bool kmipcall_begin(enum kmip_operation operation, struct kmip_version version,
                    const struct kmip_credential *credential, struct kmipcall *out,
                    struct err *err);
/* Afterwards `bytes` is the message and nothing more. */
bool kmipcall_end(struct kmipcall *call, struct err *err);
void kmipcall_clear(struct kmipcall *call);
__attribute__((unused)) static inline void drop_kmipcall(struct kmipcall *call)
{
    kmipcall_clear(call);
}

/* The payload of the response to `operation`, pointing into `message`. What the server refuses is
 * an error of the kind that its reason means, with its own words: ERR_ABSENT no such object,
 * ERR_DENIED not allowed, ERR_CLASH not supported, ERR_SYSTEM it failed or
 * is busy. ERR_INPUT: no sound response, or
 * one to something else. */
bool kmipcall_reply(const struct secret *message, enum kmip_operation operation, struct ttlv *out,
                    struct err *err);
/* "Create", …: as the standard calls it. */
const char *kmip_operation_name(enum kmip_operation operation);

#endif
