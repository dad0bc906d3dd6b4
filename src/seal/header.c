/* SPDX-License-Identifier: Apache-2.0 */
#include "seal/header.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/hkdf.h"
#include "base/hmac.h"
#include "base/json.h"
#include "base/secret_open.h"
#include "base/text.h"
#include "seal/header_metadata.h"

#define CIPHER      "aes"
#define CIPHER_MODE "xts-plain64"
#define SECTOR      4096u
#define MAX_COUNT   ((int64_t)1 << 53)
/* libcryptsetup's own size of the metadata. Room for four keyslots: a deep rekey needs two and some
 * space; all of the 4 MiB would be filled with random bytes, which takes longer than all else. */
#define METADATA_SIZE 16384u
#define KEYSLOTS_SIZE (1u << 20)

/* ---- derived keys ---- */

bool header_dek_make(struct secret **out, struct err *err)
{
    return secret_random(HEADER_DEK_SIZE, out, err);
}

bool header_passphrase(const struct secret *vm_key, const char *uuid, struct secret **out,
                       struct err *err)
{
    AUTO(drop_free) char *info = text_make("disk/%s", uuid);
    AUTO(drop_secret) struct secret *derived = NULL;

    return hkdf_derive(vm_key, SPAN_NONE, span_text(info), 32, &derived, err) &&
           secret_to_hex(derived, out, err);
}

/* HMAC-SHA256 under HKDF(VM key, "header") of a name, the UUID and a text, each ended by a NUL. */
static bool header_hmac(const struct secret *vm_key, const char *name, const char *uuid,
                        const char *text, unsigned char out[HMAC_SIZE], struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_text) struct text data = {0};

    text_add_bytes(&data, name, strlen(name) + 1);
    text_add_bytes(&data, uuid, strlen(uuid) + 1);
    text_add_bytes(&data, text, strlen(text) + 1);
    return hkdf_derive(vm_key, SPAN_NONE, span_text("header"), 32, &key, err) &&
           hmac_make(key, span_of(data.bytes, data.length), out, err);
}

/* 16 digits that tell one VM key from another, and tell nothing else of it. */
static bool check_make(const struct secret *vm_key, const char *uuid, char **out, struct err *err)
{
    unsigned char mac[HMAC_SIZE];

    if (!header_hmac(vm_key, "quoin header check", uuid, "", mac, err)) {
        return false;
    }
    *out = encode_hex(mac, 8);
    return true;
}

/* Of all metadata, with the token's "mac" empty. */
static bool mac_make(const struct secret *vm_key, const char *uuid, const json_t *metadata,
                     char **out, struct err *err)
{
    AUTO(drop_json) json_t *copy = json_deep_copy(metadata);
    json_t *token = json_object_get(json_object_get(copy, "tokens"), "0");
    unsigned char mac[HMAC_SIZE];

    if (json_object_set_new(token, "mac", json_string("")) != 0) {
        return err_set(err, ERR_CLASH, "the LUKS2 header has no token of ours");
    }
    AUTO(drop_free) char *canonical = json_write_canonical(copy);

    if (!header_hmac(vm_key, "quoin header mac", uuid, canonical, mac, err)) {
        return false;
    }
    *out = encode_hex(mac, sizeof(mac));
    return true;
}

/* ---- what it says ---- */

void header_facts_clear(struct header_facts *facts)
{
    free(facts->envelope);
    free(facts->recovery);
    *facts = (struct header_facts){0};
}

/* The metadata, judged; `*out_token` is borrowed from it. */
static bool look(const unsigned char *bytes, size_t length, const char *uuid, json_t **out,
                 const json_t **out_token, struct err *err)
{
    AUTO(drop_json) json_t *metadata = NULL;

    if (!header_metadata_read(bytes, length, uuid, &metadata, err) ||
        !header_metadata_check(metadata, out_token, err)) {
        return false;
    }
    if (length < HEADER_SIZE) {
        return err_set(err, ERR_CLASH, "the LUKS2 header is cut off");
    }
    *out = TAKE(metadata);
    return true;
}

static int64_t generation_of(const json_t *token)
{
    return json_integer_value(json_object_get(token, "generation"));
}

bool header_look(const unsigned char *bytes, size_t length, const char *uuid,
                 struct header_facts *out, struct err *err)
{
    AUTO(drop_json) json_t *metadata = NULL;
    const json_t *token = NULL;

    if (!look(bytes, length, uuid, &metadata, &token, err)) {
        return false;
    }
    const json_t *jwe = json_object_get(token, "jwe");
    const json_t *recovery = json_object_get(token, "recovery");

    /* The shape allows no other values. */
    *out = (struct header_facts){.generation = generation_of(token),
                                 .envelope = json_write(jwe),
                                 .recovery = recovery ? json_write(recovery) : NULL,
                                 .unfinished = json_object_size(jwe) == 0,
                                 .cipher = CIPHER "-" CIPHER_MODE,
                                 .key_bits = 8 * HEADER_DEK_SIZE,
                                 .sector_size = SECTOR,
                                 .iterations = HEADER_ITERATIONS};
    memcpy(out->uuid, uuid, UUID_SIZE);
    return true;
}

/* ---- libcryptsetup on a memfd ---- */

struct luks {
    int fd;
    struct crypt_device *device;
    char said[200]; /* what libcryptsetup complained of last */
};

static void luks_close(struct luks *luks)
{
    crypt_free(luks->device);
    drop_fd(&luks->fd);
}

static void luks_said(int level, const char *message, void *context)
{
    struct luks *luks = context;

    if (level == CRYPT_LOG_ERROR) {
        snprintf(luks->said, sizeof(luks->said), "%.*s", (int)strcspn(message, "\n"), message);
    }
}

static bool luks_failed(const struct luks *luks, int code, const char *doing, struct err *err)
{
    return err_set(err, ERR_SYSTEM, "%s: %s%s%s", doing, strerror(-code), luks->said[0] ? ": " : "",
                   luks->said);
}

/* The header is ours alone in a memfd: no lock files, no kernel keyring, no plug-ins. */
static void luks_begin(void)
{
    crypt_metadata_locking(NULL, 0);
    crypt_volume_key_keyring(NULL, 0);
    crypt_token_external_disable();
}

/* `bytes` NULL: an empty header. */
static bool luks_open(const unsigned char *bytes, struct luks *out, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char path[32];

    pthread_once(&once, luks_begin);
    out->fd = memfd_create("header", MFD_CLOEXEC);
    if (out->fd < 0 || ftruncate(out->fd, HEADER_SIZE) != 0) {
        return err_errno(err, errno, "make room for a LUKS2 header");
    }
    if (bytes && !file_pwrite(out->fd, bytes, HEADER_SIZE, 0, err)) {
        return false;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", out->fd);
    int code = crypt_init(&out->device, path);

    if (code == 0) {
        crypt_set_log_callback(out->device, luks_said, out);
        code = bytes ? crypt_load(out->device, CRYPT_LUKS2, NULL) : 0;
    }
    return code == 0 || luks_failed(out, code, "open a LUKS2 header", err);
}

static bool luks_bytes(const struct luks *luks, unsigned char **out, struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = text_room(1, HEADER_SIZE);

    if (!file_pread(luks->fd, bytes, HEADER_SIZE, 0, err)) {
        return false;
    }
    *out = TAKE(bytes);
    return true;
}

static bool luks_format(struct luks *luks, const struct header_plan *plan, const struct secret *dek,
                        const struct secret *passphrase, struct err *err)
{
    const struct crypt_pbkdf_type pbkdf = {.type = CRYPT_KDF_PBKDF2,
                                           .hash = "sha256",
                                           .iterations = HEADER_ITERATIONS,
                                           .flags = CRYPT_PBKDF_NO_BENCHMARK};
    struct crypt_params_luks2 params = {.pbkdf = &pbkdf, .sector_size = SECTOR};
    const char *key = (const char *)secret_look(dek);
    int code = crypt_set_data_offset(luks->device, HEADER_SIZE / 512);

    if (code == 0) {
        code = crypt_set_metadata_size(luks->device, METADATA_SIZE, KEYSLOTS_SIZE);
    }
    if (code == 0) {
        code = crypt_format(luks->device, CRYPT_LUKS2, CIPHER, CIPHER_MODE, plan->uuid, key,
                            HEADER_DEK_SIZE, &params);
    }
    if (code == 0) {
        code = crypt_keyslot_add_by_volume_key(luks->device, 0, key, HEADER_DEK_SIZE,
                                               (const char *)secret_look(passphrase),
                                               secret_size(passphrase));
    }
    return code >= 0 || luks_failed(luks, code, "make a LUKS2 header", err);
}

static bool luks_token(struct luks *luks, const struct header_plan *plan, const char *check,
                       const char *mac, struct err *err)
{
    AUTO(drop_json)
    json_t *token =
        json_pack("{s:s,s:[s],s:o,s:I,s:s,s:s}", "type", "quoin", "keyslots", "0", "jwe",
                  json_loads(plan->envelope, JSON_REJECT_DUPLICATES, NULL), "generation",
                  (json_int_t)plan->generation, "check", check, "mac", mac);

    if (token && plan->recovery) {
        json_object_set_new(token, "recovery",
                            json_loads(plan->recovery, JSON_REJECT_DUPLICATES, NULL));
    }
    AUTO(drop_free) char *text = token ? json_write(token) : text_copy("");
    int code = crypt_token_json_set(luks->device, 0, text);

    return code >= 0 || luks_failed(luks, code, "put the token into a LUKS2 header", err);
}

/* The token twice: the MAC covers the metadata that holds the token. */
static bool luks_seal(struct luks *luks, const struct header_plan *plan,
                      const struct secret *vm_key, struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    AUTO(drop_free) char *check = NULL, *mac = NULL;
    AUTO(drop_json) json_t *metadata = NULL;

    return check_make(vm_key, plan->uuid, &check, err) && luks_token(luks, plan, check, "", err) &&
           luks_bytes(luks, &bytes, err) &&
           header_metadata_read(bytes, HEADER_SIZE, plan->uuid, &metadata, err) &&
           mac_make(vm_key, plan->uuid, metadata, &mac, err) &&
           luks_token(luks, plan, check, mac, err);
}

static bool luks_unlock(struct luks *luks, const struct secret *passphrase, struct secret **out,
                        struct err *err)
{
    AUTO(drop_secret) struct secret *dek = NULL;
    size_t size = HEADER_DEK_SIZE;

    if (!secret_new(size, &dek, err)) {
        return false;
    }
    int code = crypt_volume_key_get(luks->device, 0, (char *)secret_bytes(dek), &size,
                                    (const char *)secret_look(passphrase), secret_size(passphrase));

    if (code == -EPERM) {
        return err_set(err, ERR_CLASH, "the keyslot of the LUKS2 header is damaged");
    }
    if (code < 0 || size != HEADER_DEK_SIZE) {
        return luks_failed(luks, code, "open the keyslot of a LUKS2 header", err);
    }
    *out = TAKE(dek);
    return true;
}

/* ---- opening ---- */

static bool key_is_right(const json_t *token, const struct secret *vm_key, const char *uuid,
                         struct err *err)
{
    AUTO(drop_free) char *check = NULL;

    if (!check_make(vm_key, uuid, &check, err)) {
        return false;
    }
    return strcmp(check, json_string_or(token, "check", "")) == 0 ||
           err_set(err, ERR_DENIED, "the VM key is not the one that the header of disk %s is for",
                   uuid);
}

static bool mac_is_right(const json_t *metadata, const json_t *token, const struct secret *vm_key,
                         const char *uuid, struct err *err)
{
    AUTO(drop_free) char *mac = NULL;

    if (!mac_make(vm_key, uuid, metadata, &mac, err)) {
        return false;
    }
    /* Both are public by now: the time that this takes tells nothing. */
    return strcmp(mac, json_string_or(token, "mac", "")) == 0 ||
           err_set(err, ERR_CLASH, "the header of disk %s was changed by somebody else", uuid);
}

static bool generation_is_right(const json_t *token, const struct header_want *want,
                                struct err *err)
{
    int64_t generation = generation_of(token);

    if (generation < want->generation) {
        err_set(err, ERR_CLASH,
                "the header of disk %s is of generation %lld, but generation %lld is known",
                want->uuid, (long long)generation, (long long)want->generation);
        return err_mend(err, "an old header was put back; bring back the latest one");
    }
    return true;
}

bool header_open(const unsigned char *bytes, size_t length, const struct header_want *want,
                 const struct secret *vm_key, struct secret **out_dek, struct err *err)
{
    AUTO(drop_json) json_t *metadata = NULL;
    AUTO(drop_secret) struct secret *passphrase = NULL, *dek = NULL;
    AUTO(luks_close) struct luks luks = {.fd = -1};
    const json_t *token = NULL;

    if (!look(bytes, length, want->uuid, &metadata, &token, err) ||
        !key_is_right(token, vm_key, want->uuid, err) ||
        !mac_is_right(metadata, token, vm_key, want->uuid, err) ||
        !generation_is_right(token, want, err)) {
        return false;
    }
    if (!header_passphrase(vm_key, want->uuid, &passphrase, err) || !luks_open(bytes, &luks, err) ||
        !luks_unlock(&luks, passphrase, &dek, err)) {
        return err_add(err, "disk %s", want->uuid);
    }
    if (out_dek) {
        *out_dek = TAKE(dek);
    }
    return true;
}

/* ---- making ---- */

static bool envelope_is_right(const char *text, struct err *err)
{
    size_t length = strlen(text);
    AUTO(drop_json) json_t *envelope = NULL;

    if (length > HEADER_MAX_ENVELOPE) {
        return err_set(err, ERR_INPUT, "an envelope of %zu bytes is longer than %u", length,
                       HEADER_MAX_ENVELOPE);
    }
    if (!json_read(text, length, &envelope, err) || !json_is_object(envelope)) {
        return err_set(err, ERR_INPUT, "an envelope is no JSON object");
    }
    return true;
}

static bool plan_is_right(const struct header_plan *plan, struct err *err)
{
    if (!uuid_valid(plan->uuid)) {
        return err_set(err, ERR_INPUT, "'%.40s' is no UUID", plan->uuid);
    }
    if (plan->generation < 1 || plan->generation > MAX_COUNT) {
        return err_set(err, ERR_INPUT, "a header cannot be of generation %lld",
                       (long long)plan->generation);
    }
    return envelope_is_right(plan->envelope, err) &&
           (!plan->recovery || envelope_is_right(plan->recovery, err));
}

/* What was made must pass what is asked of it later. */
static bool give(const struct luks *luks, const struct header_plan *plan,
                 const struct secret *vm_key, unsigned char **out, struct err *err)
{
    const struct header_want want = {.uuid = plan->uuid, .generation = plan->generation};
    AUTO(drop_free) unsigned char *bytes = NULL;

    if (!luks_bytes(luks, &bytes, err) ||
        !header_open(bytes, HEADER_SIZE, &want, vm_key, NULL, err)) {
        return err_add(err, "the new header is not right");
    }
    *out = TAKE(bytes);
    return true;
}

bool header_make(const struct header_plan *plan, const struct secret *vm_key,
                 const struct secret *dek, unsigned char **out, struct err *err)
{
    AUTO(luks_close) struct luks luks = {.fd = -1};
    AUTO(drop_secret) struct secret *passphrase = NULL;

    if (secret_size(dek) != HEADER_DEK_SIZE) {
        return err_set(err, ERR_INPUT, "a data key has %u bytes, not %zu", HEADER_DEK_SIZE,
                       secret_size(dek));
    }
    return plan_is_right(plan, err) && header_passphrase(vm_key, plan->uuid, &passphrase, err) &&
           luks_open(NULL, &luks, err) && luks_format(&luks, plan, dek, passphrase, err) &&
           luks_seal(&luks, plan, vm_key, err) && give(&luks, plan, vm_key, out, err);
}

bool header_rewrap(const unsigned char *bytes, size_t length, const struct header_want *want,
                   const struct secret *vm_key, const struct header_plan *plan, unsigned char **out,
                   struct err *err)
{
    AUTO(luks_close) struct luks luks = {.fd = -1};
    AUTO(drop_header_facts) struct header_facts facts = {0};

    if (!plan_is_right(plan, err) || !header_open(bytes, length, want, vm_key, NULL, err) ||
        !header_look(bytes, length, want->uuid, &facts, err)) {
        return false;
    }
    if (strcmp(plan->uuid, want->uuid) != 0 || plan->generation <= facts.generation) {
        return err_set(err, ERR_INPUT, "generation %lld does not follow %lld of disk %s",
                       (long long)plan->generation, (long long)facts.generation, want->uuid);
    }
    return luks_open(bytes, &luks, err) && luks_seal(&luks, plan, vm_key, err) &&
           give(&luks, plan, vm_key, out, err);
}
