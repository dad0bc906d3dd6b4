/* SPDX-License-Identifier: Apache-2.0 */
#include "key/hostseal.h"

#include <string.h>

#include "base/aead.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "key/secretfile.h"
#include "key/tpm.h"

/* The record's version. A reader refuses what is newer than itself. */
#define FORMAT 1
/* 16 KiB sealed and in base64url, and two TPM blobs. */
#define MAX_RECORD  (32u * 1024u)
#define MAX_PURPOSE 63u
/* Under the box's key, which is what the TPM seals. */
#define BOX_KEY_SIZE 32u
#define TCTI_FILE    "/etc/quoin/tpm.env"
#define TPM_DEVICE   "/dev/tpmrm0"

static const char *const mode_names[] = {
    [TPM_AUTO] = "auto", [TPM_REQUIRED] = "required", [TPM_OFF] = "off"};

struct record {
    enum hostseal_by by;
    char purpose[MAX_PURPOSE + 1];
    struct tpm_sealed sealed;
    unsigned char *box;
    size_t box_size;
};

static void drop_record(struct record *record)
{
    free(record->box);
}

bool tpm_mode_of(const char *name, enum tpm_mode *out, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(mode_names); i++) {
        if (strcmp(name, mode_names[i]) == 0) {
            *out = (enum tpm_mode)i;
            return true;
        }
    }
    return err_set(err, ERR_INPUT, "'%s' is not one of auto, required, off", name);
}

const char *hostseal_by_name(enum hostseal_by by)
{
    return by == HOSTSEAL_BY_TPM ? "tpm" : "file";
}

/* --- which TPM ------------------------------------------------------------------------------ */

/* The line "TCTI=…" of a file as systemd reads it; NULL without the file. */
static bool tcti_of_file(char **out, struct err *err)
{
    AUTO(drop_free) char *text = NULL;
    struct err absent = {0};

    *out = NULL;
    if (!file_read(TCTI_FILE, 4096, &text, NULL, &absent)) {
        return absent.kind == ERR_ABSENT || err_set(err, absent.kind, "%s", absent.what);
    }
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (text_starts(line, "TCTI=") && line[5] != '\0') {
            *out = text_copy(line + 5);
        }
    }
    return true;
}

/* Where a TPM is said to be; NULL where there is none. A TPM that somebody named must answer: it
 * is never passed over for a file. */
static bool tcti_of(const struct hostseal_conf *conf, char **out, struct err *err)
{
    if (conf->tcti) {
        *out = text_copy(conf->tcti);
        return true;
    }
    if (!tcti_of_file(out, err)) {
        return err_add(err, "find the TPM");
    }
    if (!*out && file_exists(TPM_DEVICE)) {
        *out = text_copy("device:" TPM_DEVICE);
    }
    return true;
}

/* NULL with success: seal to a file. */
static bool tpm_for_sealing(const struct hostseal_conf *conf, struct tpm **out, struct err *err)
{
    AUTO(drop_free) char *tcti = NULL;

    *out = NULL;
    if (conf->tpm == TPM_OFF) {
        return true;
    }
    if (!tcti_of(conf, &tcti, err)) {
        return false;
    }
    if (!tcti && conf->tpm == TPM_REQUIRED) {
        err_set(err, ERR_ABSENT, "a TPM is required, but this host has none");
        return err_mend(err, "fit a TPM 2.0, switch it on in the firmware, or allow 'tpm: auto'");
    }
    return !tcti || tpm_open(tcti, out, err);
}

bool hostseal_choose(const struct hostseal_conf *conf, enum hostseal_by *out, struct err *err)
{
    AUTO(drop_tpm) struct tpm *tpm = NULL;

    if (!tpm_for_sealing(conf, &tpm, err)) {
        return false;
    }
    *out = tpm ? HOSTSEAL_BY_TPM : HOSTSEAL_BY_FILE;
    return true;
}

/* --- the record ----------------------------------------------------------------------------- */

static void set_base64url(json_t *object, const char *key, const void *bytes, size_t size)
{
    AUTO(drop_free) char *text = encode_base64url(bytes, size);

    json_object_set_new(object, key, json_string(text));
}

static json_t *record_json(const struct record *record)
{
    json_t *json = json_pack("{s:i, s:s, s:s}", "version", FORMAT, "by",
                             hostseal_by_name(record->by), "purpose", record->purpose);
    const struct tpm_sealed *sealed = &record->sealed;

    if (record->by == HOSTSEAL_BY_TPM) {
        json_object_set_new(json, "parent",
                            json_pack("{s:I, s:s}", "handle", (json_int_t)sealed->parent_handle,
                                      "name", sealed->parent_name));
        json_object_set_new(json, "pcrs", json_integer(sealed->policy.pcrs));
        if (sealed->policy.until) {
            json_object_set_new(json, "until", json_integer((json_int_t)sealed->policy.until));
            json_object_set_new(json, "resets", json_integer(sealed->policy.resets));
        }
        set_base64url(json, "public", sealed->public_part, sealed->public_size);
        set_base64url(json, "private", sealed->private_part, sealed->private_size);
        set_base64url(json, "box", record->box, record->box_size);
    }
    return json;
}

static bool record_write(const char *path, const struct record *record, struct err *err)
{
    AUTO(drop_json) json_t *json = record_json(record);
    AUTO(drop_free) char *text = json_write_canonical(json);

    return file_write(path, text, strlen(text), 0600, err);
}

static bool read_blob(const json_t *json, const char *key, unsigned char *out, size_t *out_size,
                      struct err *err)
{
    AUTO(drop_free) unsigned char *bytes = NULL;
    const char *text = NULL;
    size_t size = 0;

    if (!json_get_string(json, key, TPM_MAX_BLOB / 3 * 4, &text, err) ||
        !decode_base64url(text, &bytes, &size, err)) {
        return false;
    }
    memcpy(out, bytes, size);
    *out_size = size;
    return true;
}

static bool read_sealed(const json_t *json, struct record *record, struct err *err)
{
    struct tpm_sealed *sealed = &record->sealed;
    const json_t *parent = NULL;
    const char *name = NULL, *box = NULL;
    int64_t handle = 0, pcrs = 0, until = 0, resets = 0;

    if (!json_get_object(json, "parent", &parent, err) ||
        !json_get_integer(parent, "handle", 0, UINT32_MAX, &handle, err) ||
        !json_get_string(parent, "name", TPM_NAME_SIZE - 1, &name, err) ||
        !json_get_integer(json, "pcrs", 0, (1 << 24) - 1, &pcrs, err) ||
        (json_object_get(json, "until") &&
         (!json_get_integer(json, "until", 1, INT64_MAX, &until, err) ||
          !json_get_integer(json, "resets", 1, UINT32_MAX, &resets, err))) ||
        !read_blob(json, "public", sealed->public_part, &sealed->public_size, err) ||
        !read_blob(json, "private", sealed->private_part, &sealed->private_size, err) ||
        !json_get_string(json, "box", MAX_RECORD, &box, err) ||
        !decode_base64url(box, &record->box, &record->box_size, err)) {
        return false;
    }
    sealed->parent_handle = (uint32_t)handle;
    sealed->policy = (struct tpm_policy){
        .pcrs = (unsigned)pcrs, .until = (uint64_t)until, .resets = (uint32_t)resets};
    memcpy(sealed->parent_name, name, strlen(name) + 1);
    return true;
}

static bool read_fields(const json_t *json, struct record *record, struct err *err)
{
    const char *by = NULL, *purpose = NULL;

    if (!json_get_format(json, "version", FORMAT, err) ||
        !json_get_string(json, "by", 8, &by, err) ||
        !json_get_string(json, "purpose", MAX_PURPOSE, &purpose, err)) {
        return false;
    }
    memcpy(record->purpose, purpose, strlen(purpose) + 1);
    if (strcmp(by, "file") == 0) {
        record->by = HOSTSEAL_BY_FILE;
        return true;
    }
    record->by = HOSTSEAL_BY_TPM;
    return strcmp(by, "tpm") == 0 ? read_sealed(json, record, err)
                                  : err_set(err, ERR_INPUT, "sealed by '%s'", by);
}

static bool record_read(const char *path, struct record *out, struct err *err)
{
    AUTO(drop_free) char *text = NULL;
    AUTO(drop_json) json_t *json = NULL;
    size_t length = 0;

    return (file_read(path, MAX_RECORD, &text, &length, err) &&
            json_read(text, length, &json, err) && read_fields(json, out, err)) ||
           err_add(err, "sealed record '%s'", path);
}

bool hostseal_look(const char *path, enum hostseal_by *out, struct err *err)
{
    AUTO(drop_record) struct record record = {0};

    if (!record_read(path, &record, err)) {
        return false;
    }
    *out = record.by;
    return true;
}

/* --- sealing and opening -------------------------------------------------------------------- */

static char *secret_path(const char *path)
{
    return text_make("%s.secret", path);
}

static bool seal_to_tpm(struct tpm *tpm, const struct hostseal_conf *conf,
                        const struct secret *secret, struct record *record, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    struct tpm_policy policy = {.pcrs = conf->pcrs};
    struct tpm_time now = {0};

    if (conf->seconds) {
        if (!tpm_now(tpm, &now, err)) {
            return false;
        }
        policy.until = now.clock + (uint64_t)conf->seconds * 1000;
        policy.resets = now.resets + HOSTSEAL_STARTS;
    }
    return secret_random(BOX_KEY_SIZE, &key, err) &&
           aead_seal(key, span_text(record->purpose), secret, &record->box, &record->box_size,
                     err) &&
           tpm_seal(tpm, &policy, key, &record->sealed, err);
}

bool hostseal_seal(const struct hostseal_conf *conf, const char *path, const char *purpose,
                   const struct secret *secret, struct err *err)
{
    AUTO(drop_record) struct record record = {.by = HOSTSEAL_BY_FILE};
    AUTO(drop_tpm) struct tpm *tpm = NULL;
    AUTO(drop_free) char *beside = secret_path(path);

    if (strlen(purpose) > MAX_PURPOSE || secret_size(secret) > HOSTSEAL_MAX_SECRET) {
        return err_set(err, ERR_INPUT, "'%s' is too large to be sealed to the host", purpose);
    }
    memcpy(record.purpose, purpose, strlen(purpose) + 1);
    if (!tpm_for_sealing(conf, &tpm, err)) {
        return err_add(err, "seal '%s' to this host", purpose);
    }
    if (!tpm && (conf->seconds || conf->pcrs)) {
        err_set(err, ERR_ABSENT, "'%s' is to be bound to %s, but this host has no TPM", purpose,
                conf->pcrs ? "PCRs" : "a time");
        return err_mend(err, "fit a TPM 2.0, or switch it on in the firmware");
    }
    if (!tpm) {
        return secretfile_write(beside, secret, err) && record_write(path, &record, err);
    }
    record.by = HOSTSEAL_BY_TPM;
    return (seal_to_tpm(tpm, conf, secret, &record, err) && record_write(path, &record, err) &&
            secretfile_wipe(beside, err)) ||
           err_add(err, "seal '%s' to this host", purpose);
}

/* "7, 11" in front of why it does not open; which is all that a person can look at. */
static bool name_pcrs(unsigned pcrs, struct err *err)
{
    AUTO(drop_text) struct text list = {0};

    for (unsigned i = 0; i < TPM_PCRS; i++) {
        if (pcrs & 1u << i) {
            text_addf(&list, "%s%u", list.length ? ", " : "", i);
        }
    }
    return pcrs == 0 ? false : err_add(err, "it is bound to PCR %s", list.bytes);
}

static bool open_by_tpm(const struct hostseal_conf *conf, const struct record *record,
                        struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;
    AUTO(drop_free) char *tcti = NULL;
    AUTO(drop_tpm) struct tpm *tpm = NULL;

    if (!tcti_of(conf, &tcti, err)) {
        return false;
    }
    if (!tcti) {
        err_set(err, ERR_DENIED, "it was sealed by a TPM, but this host has none");
        return err_mend(err, "open it on the host that sealed it, or recover from the backup");
    }
    if (!tpm_open(tcti, &tpm, err)) {
        return false;
    }
    if (!tpm_unseal(tpm, &record->sealed, &key, err)) {
        return name_pcrs(record->sealed.policy.pcrs, err);
    }
    return aead_open(key, span_text(record->purpose), span_of(record->box, record->box_size), out,
                     err);
}

/* What the record must be before it is opened. */
static bool suits(const struct hostseal_conf *conf, const struct record *record,
                  const char *purpose, struct err *err)
{
    if (strcmp(record->purpose, purpose) != 0) {
        return err_set(err, ERR_CLASH, "it was sealed for '%s', not for '%s'", record->purpose,
                       purpose);
    }
    if (conf->tpm == TPM_REQUIRED && record->by != HOSTSEAL_BY_TPM) {
        err_set(err, ERR_CLASH, "it rests in a file, but a TPM is required");
        return err_mend(err, "seal it again with the TPM");
    }
    return true;
}

/* A limit in time would begin anew. What opened is not thrown away because it could not be bound to
 * something else: that is told, and tried at the next opening. */
static void refit(const struct hostseal_conf *conf, const char *path, const struct record *record,
                  const struct secret *secret)
{
    const struct tpm_policy *policy = &record->sealed.policy;
    struct err err = {0};

    if (conf->tpm != TPM_OFF && policy->until == 0 && policy->pcrs != conf->pcrs &&
        !hostseal_seal(conf, path, record->purpose, secret, &err)) {
        err_add(&err, "'%s' stays bound to the PCRs that it was bound to", path);
        log_err(&err);
    }
}

bool hostseal_open(const struct hostseal_conf *conf, const char *path, const char *purpose,
                   struct secret **out, struct err *err)
{
    AUTO(drop_record) struct record record = {0};
    AUTO(drop_free) char *beside = secret_path(path);
    AUTO(drop_secret) struct secret *secret = NULL;

    if (!record_read(path, &record, err)) {
        return false;
    }
    if (!suits(conf, &record, purpose, err) ||
        !(record.by == HOSTSEAL_BY_TPM
              ? open_by_tpm(conf, &record, &secret, err)
              : secret_read_file(beside, HOSTSEAL_MAX_SECRET, false, &secret, err))) {
        return err_add(err, "open '%s'", path);
    }
    refit(conf, path, &record, secret);
    *out = TAKE(secret);
    return true;
}

bool hostseal_remove(const char *path, struct err *err)
{
    AUTO(drop_free) char *beside = secret_path(path);

    return secretfile_wipe(beside, err) && secretfile_wipe(path, err);
}
