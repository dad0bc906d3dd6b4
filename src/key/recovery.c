/* SPDX-License-Identifier: Apache-2.0 */
#include "key/recovery.h"

#include <string.h>

#include "base/text.h"
#include "key/ecjwk.h"
#include "key/jws.h"
#include "key/protect.h"
#include "wire/certificate.h"

#define KIND          "recovery"
#define ENVELOPE_KIND "envelope"
#define FORMAT        1
#define PREFIX        "recovery:"

bool recovery_id(const char *public_key, char out[RECOVERY_ID_SIZE], struct err *err)
{
    char thumb[ECJWK_THUMB_SIZE];

    if (!ecjwk_thumb(public_key, thumb, err)) {
        return false;
    }
    (void)snprintf(out, RECOVERY_ID_SIZE, PREFIX "%s", thumb);
    return true;
}

static bool id_of(const struct secret *private_key, char out[RECOVERY_ID_SIZE], struct err *err)
{
    AUTO(drop_free) char *pem = NULL;

    return ecjwk_public(private_key, &pem, err) && recovery_id(pem, out, err);
}

bool recovery_key_make(struct secret **out_private, char out_id[RECOVERY_ID_SIZE], struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;

    if (!certificate_key_make(&key, err) || !id_of(key, out_id, err)) {
        return err_add(err, "make a recovery key");
    }
    *out_private = TAKE(key);
    return true;
}

/* --- the notice ----------------------------------------------------------------------------- */

bool recovery_write(const struct recovery *notice, const struct secret *ca_key, char **out_text,
                    struct err *err)
{
    AUTO(drop_json) json_t *payload = NULL;
    AUTO(drop_json) json_t *jws = NULL;
    char id[RECOVERY_ID_SIZE];

    if (!recovery_id(notice->public_key, id, err)) {
        return false;
    }
    payload =
        json_pack("{s:{s:i}, s:s, s:I, s:s, s:s, s:s, s:s?, s:o}", "quoin", KIND, FORMAT, "cluster",
                  notice->cluster, "serial", (json_int_t)notice->serial, "id", id, "key",
                  notice->public_key, "made", notice->made, "fetched",
                  notice->fetched[0] ? notice->fetched : NULL, "ca", envelope_json(notice->ca));
    if (!jws_sign(ca_key, payload, &jws, err)) {
        return err_add(err, "sign the notice of the recovery key");
    }
    *out_text = json_write(jws);
    return true;
}

/* In `to`, of `room` bytes; a missing or null member is an empty text. */
static bool take(const json_t *payload, const char *key, char *to, size_t room, struct err *err)
{
    const char *text = NULL;

    if (!json_get_string(payload, key, room - 1, &text, err)) {
        return false;
    }
    memcpy(to, text, strlen(text) + 1);
    return true;
}

static bool read_payload(const json_t *payload, struct recovery *out, struct err *err)
{
    const json_t *quoin = NULL, *ca = NULL;
    const char *pem = NULL;

    if (!json_get_object(payload, "quoin", &quoin, err) ||
        !json_get_format(quoin, KIND, FORMAT, err) ||
        !take(payload, "cluster", out->cluster, UUID_SIZE, err) ||
        !json_get_integer(payload, "serial", 1, ENVELOPE_MAX_GENERATION, &out->serial, err) ||
        !take(payload, "id", out->id, RECOVERY_ID_SIZE, err) ||
        !take(payload, "made", out->made, RECOVERY_TIME_SIZE, err) ||
        !json_get_string(payload, "key", ECJWK_MAX_PUBLIC, &pem, err) ||
        !json_get_object(payload, "ca", &ca, err) || !envelope_of_json(ca, &out->ca, err)) {
        return false;
    }
    out->public_key = text_copy(pem);
    return json_is_null(json_object_get(payload, "fetched")) ||
           take(payload, "fetched", out->fetched, RECOVERY_TIME_SIZE, err);
}

static bool is_right(const struct recovery *notice, const char *cluster, int64_t serial,
                     struct err *err)
{
    char id[RECOVERY_ID_SIZE];

    if (!recovery_id(notice->public_key, id, err)) {
        return false;
    }
    if (strcmp(id, notice->id) != 0) {
        return err_set(err, ERR_INPUT, "its key is %s, not %s", id, notice->id);
    }
    if (cluster && strcmp(cluster, notice->cluster) != 0) {
        return err_set(err, ERR_CLASH, "it is of cluster %s, not of %s", notice->cluster, cluster);
    }
    if (notice->serial < serial) {
        err_set(err, ERR_CLASH, "it is number %lld, but number %lld is known",
                (long long)notice->serial, (long long)serial);
        return err_mend(err, "an old notice was put back; bring back the latest one");
    }
    return true;
}

bool recovery_read(const char *text, size_t length, const char *ca, const char *cluster,
                   int64_t serial, struct recovery **out, struct err *err)
{
    AUTO(drop_recovery) struct recovery *notice = text_room(1, sizeof(*notice));
    AUTO(drop_json) json_t *jws = NULL;
    AUTO(drop_json) json_t *payload = NULL;

    if (length > RECOVERY_MAX_TEXT) {
        return err_set(err, ERR_INPUT, "the notice of the recovery key is too long");
    }
    if (!json_read(text, length, &jws, err) || !jws_verify(ca, jws, &payload, err) ||
        !read_payload(payload, notice, err) || !is_right(notice, cluster, serial, err)) {
        return err_add(err, "the notice of the recovery key");
    }
    *out = TAKE(notice);
    return true;
}

void recovery_free(struct recovery *notice)
{
    if (notice) {
        free(notice->public_key);
        envelope_free(notice->ca);
        free(notice);
    }
}

/* --- envelopes ------------------------------------------------------------------------------ */

bool recovery_wrap(const struct recovery *notice, const struct envelope_about *about,
                   const struct secret *secret, struct envelope **out, struct err *err)
{
    struct envelope_about full = *about;

    full.provider = full.type = RECOVERY_PROVIDER;
    full.kek_id = notice->id;
    full.cluster = notice->cluster;
    return envelope_seal_to(notice->public_key, &full, secret, out, err) ||
           err_add(err, "wrap for the recovery key");
}

bool recovery_unwrap(const struct secret *private_key, const struct envelope *envelope,
                     const struct envelope_about *expected, struct secret **out, struct err *err)
{
    struct envelope_about full = *expected;
    char id[RECOVERY_ID_SIZE];

    if (!id_of(private_key, id, err)) {
        return false;
    }
    full.provider = full.type = RECOVERY_PROVIDER;
    full.kek_id = id;
    if (!envelope_open_by(private_key, envelope, &full, out, err)) {
        return err_add(err, "open by the recovery key");
    }
    return true;
}

bool recovery_sign(const struct envelope *envelope, const struct secret *ca_key, char **out_text,
                   struct err *err)
{
    AUTO(drop_json) json_t *payload = NULL, *jws = NULL, *json = envelope_json(envelope);
    AUTO(drop_free) char *digest = NULL;

    if (!envelope_digest(envelope, &digest, err)) {
        return false;
    }
    payload = json_pack("{s:{s:i}, s:s}", "quoin", ENVELOPE_KIND, FORMAT, "sha256", digest);
    if (!jws_sign(ca_key, payload, &jws, err)) {
        return err_add(err, "sign the envelope for the recovery key");
    }
    json_object_set(json, "signed", jws);
    *out_text = json_write(json);
    return true;
}

static bool is_vouched_for(const struct envelope *envelope, const json_t *jws, const char *ca,
                           struct err *err)
{
    AUTO(drop_json) json_t *payload = NULL;
    AUTO(drop_free) char *digest = NULL;
    const json_t *quoin = NULL;
    const char *said = NULL;

    if (!jws) {
        return err_set(err, ERR_DENIED, "nobody signed it");
    }
    if (!jws_verify(ca, jws, &payload, err) || !json_get_object(payload, "quoin", &quoin, err) ||
        !json_get_format(quoin, ENVELOPE_KIND, FORMAT, err) ||
        !json_get_string(payload, "sha256", 64, &said, err) ||
        !envelope_digest(envelope, &digest, err)) {
        return false;
    }
    return strcmp(said, digest) == 0 ||
           err_set(err, ERR_DENIED, "what the cluster's CA signed is another envelope");
}

bool recovery_envelope(const char *text, const char *ca, struct envelope **out, struct err *err)
{
    AUTO(drop_json) json_t *json = NULL;
    AUTO(drop_json) json_t *jws = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;

    if (!json_read(text, strlen(text), &json, err)) {
        return err_add(err, "the envelope for the recovery key");
    }
    jws = json_incref(json_object_get(json, "signed"));
    (void)json_object_del(json, "signed");
    if (!envelope_of_json(json, &envelope, err) ||
        (ca && !is_vouched_for(envelope, jws, ca, err))) {
        return err_add(err, "the envelope for the recovery key");
    }
    *out = TAKE(envelope);
    return true;
}

/* --- the file ------------------------------------------------------------------------------- */

bool recovery_file_make(const struct secret *private_key, const char *cluster,
                        const struct secret *password, char **out_text, struct err *err)
{
    AUTO(drop_secret) struct secret *jwk = NULL;
    char id[RECOVERY_ID_SIZE];

    return (id_of(private_key, id, err) && ecjwk_write(private_key, id, &jwk, err) &&
            protect_seal(KIND, cluster, password, jwk, out_text, err)) ||
           err_add(err, "put the recovery key into a file");
}

bool recovery_file_is(const char *text, size_t length)
{
    char cluster[UUID_SIZE];
    struct err ignored = {0};

    return protect_look(KIND, text, length, cluster, &ignored);
}

bool recovery_file_open(const char *text, size_t length, const char *cluster,
                        const struct secret *password, struct secret **out_private,
                        char out_id[RECOVERY_ID_SIZE], struct err *err)
{
    AUTO(drop_secret) struct secret *jwk = NULL, *key = NULL;
    char kid[ECJWK_MAX_KID + 1], id[RECOVERY_ID_SIZE];

    if (!protect_open(KIND, text, length, cluster, password, &jwk, NULL, err) ||
        !ecjwk_read(jwk, &key, kid, err) || !id_of(key, id, err)) {
        return err_add(err, "open the file of the recovery key");
    }
    if (strcmp(kid, id) != 0) {
        return err_set(err, ERR_INPUT, "the recovery key in the file is %s, not %s", id, kid);
    }
    memcpy(out_id, id, RECOVERY_ID_SIZE);
    *out_private = TAKE(key);
    return true;
}
