/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/notice.h"

#include <string.h>

#include "agent/brought.h"
#include "agent/ca.h"
#include "agent/enrol.h"
#include "agent/step.h"
#include "key/ecjwk.h"
#include "key/ledger.h"
#include "key/secretfile.h"

#define PURPOSE "recovery"
#define COPY    "recovery.json"
#define PRIVATE "recovery.envelope"

/* ---- the notice, there and here ---- */

static char *copy_path(const struct agent *agent)
{
    return agent_path(agent, COPY);
}

static bool verify(const struct agent *agent, const char *text, size_t length,
                   struct recovery **out, struct err *err)
{
    AUTO(drop_free) char *ca = NULL;

    return enrol_ca(agent, &ca, err) &&
           recovery_read(text, length, ca, agent->host.cluster_id, 1, out, err);
}

/* What this host saw last; NULL: nothing. */
static bool read_copy(const struct agent *agent, char **out_text, struct recovery **out,
                      struct err *err)
{
    AUTO(drop_free) char *path = copy_path(agent);
    AUTO(drop_free) char *text = NULL;
    size_t length = 0;

    if (!file_exists(path)) {
        return true;
    }
    if (!file_read(path, RECOVERY_MAX_TEXT, &text, &length, err) ||
        !verify(agent, text, length, out, err)) {
        return err_add(err, "'%s'", path);
    }
    *out_text = TAKE(text);
    return true;
}

static bool write_copy(const struct agent *agent, const char *text, struct err *err)
{
    AUTO(drop_free) char *path = copy_path(agent);

    return file_write(path, text, strlen(text), 0644, err);
}

/* `*out` NULL: it is not there. */
static bool read_object(struct agent *agent, char **out_text, struct recovery **out,
                        uint64_t *out_version, struct err *err)
{
    AUTO(drop_free) char *text = NULL;
    struct store *store = NULL;
    struct err absent = {0};
    size_t length = 0;

    *out_version = 0;
    if (!agent_store(agent, &store, err)) {
        return false;
    }
    if (!agent->backend->objects->read(store, NOTICE_OBJECT, &text, &length, out_version,
                                       &absent)) {
        *err = absent;
        return absent.kind == ERR_ABSENT;
    }
    if (!verify(agent, text, length, out, err)) {
        err_add(err, "object '%s' of the datastore", NOTICE_OBJECT);
        return err_mend(err, "somebody wrote it who should not; remove the object, and a host that "
                             "has seen the right one puts it back");
    }
    *out_text = text_make("%.*s", (int)length, text);
    return true;
}

static bool write_object(struct agent *agent, const char *text, uint64_t version, struct err *err)
{
    struct store *store = NULL;

    return (agent_store(agent, &store, err) &&
            agent->backend->objects->write(store, NOTICE_OBJECT, text, strlen(text), version, NULL,
                                           err)) ||
           err_add(err, "put the notice of the recovery key on the datastore");
}

/* The newer of the two, in both places. */
static bool read_both(struct agent *agent, struct recovery **out, uint64_t *out_version,
                      struct err *err)
{
    AUTO(drop_recovery) struct recovery *here = NULL, *there = NULL;
    AUTO(drop_free) char *here_text = NULL, *there_text = NULL;

    if (!read_copy(agent, &here_text, &here, err) ||
        !read_object(agent, &there_text, &there, out_version, err)) {
        return false;
    }
    bool newer = there && (!here || there->serial > here->serial);

    if (here && !newer && (!there || there->serial < here->serial)) {
        recovery_free(TAKE(there));
        free(TAKE(there_text));
        if (!write_object(agent, here_text, *out_version, err) ||
            !read_object(agent, &there_text, &there, out_version, err)) {
            return false;
        }
    }
    if (newer && !write_copy(agent, there_text, err)) {
        return false;
    }
    *out = newer ? TAKE(there) : TAKE(here);
    return true;
}

bool notice_read(struct agent *agent, struct recovery **out, struct err *err)
{
    uint64_t version = 0;

    *out = NULL;
    return !agent->host.store_type || read_both(agent, out, &version, err);
}

/* The object first: what this host has seen must never be newer than what every host can see. */
static bool publish(struct agent *agent, struct recovery *notice, uint64_t version, struct err *err)
{
    AUTO(drop_secret) struct secret *ca = NULL;
    AUTO(drop_free) char *text = NULL;
    const struct envelope_about about = {.vm = notice->cluster, .purpose = "ca", .generation = 1};

    if (!recovery_id(notice->public_key, notice->id, err) || !ca_open(agent, &ca, err)) {
        return false;
    }
    envelope_free(TAKE(notice->ca));
    return recovery_wrap(notice, &about, ca, &notice->ca, err) &&
           recovery_write(notice, ca, &text, err) && write_object(agent, text, version, err) &&
           write_copy(agent, text, err);
}

/* ---- the private half ---- */

bool notice_private_read(const struct agent *agent, char **out_envelope, struct err *err)
{
    AUTO(drop_free) char *path = agent_path(agent, PRIVATE);

    return file_read(path, ENVELOPE_MAX_TEXT, out_envelope, NULL, err);
}

bool notice_private_write(const struct agent *agent, const char *envelope, struct err *err)
{
    AUTO(drop_free) char *path = agent_path(agent, PRIVATE);

    return file_write(path, envelope, strlen(envelope), 0600, err);
}

bool notice_private_wipe(const struct agent *agent, struct err *err)
{
    AUTO(drop_free) char *path = agent_path(agent, PRIVATE);

    return secretfile_wipe(path, err);
}

/* Any KEK and generation: a rekey changed them. */
static bool open_private(struct agent *agent, const char *text, struct secret **out,
                         struct err *err)
{
    const struct envelope_about expected = {.vm = agent->host.cluster_id, .purpose = PURPOSE};
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct key *key = NULL;

    return envelope_read(text, strlen(text), &envelope, err) &&
           agent_key_for(agent, envelope_about(envelope), &key, err) &&
           key_unwrap(key, envelope, &expected, out, err);
}

/* NULL with success: none rests here. */
static bool read_private(struct agent *agent, struct secret **out, struct err *err)
{
    AUTO(drop_free) char *text = NULL;
    struct err none = {0};

    if (!notice_private_read(agent, &text, &none)) {
        *err = none;
        return none.kind == ERR_ABSENT;
    }
    return open_private(agent, text, out, err) ||
           err_add(err, "the recovery key that was not fetched yet");
}

bool notice_private_prove(struct agent *agent, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL;

    return read_private(agent, &key, err);
}

/* Given out only once it rests here and comes back. */
static bool make_private(struct agent *agent, struct secret **out, struct err *err)
{
    const struct envelope_about about = {.kek_id = agent->host.provider.kek,
                                         .vm = agent->host.cluster_id,
                                         .purpose = PURPOSE,
                                         .generation = 1};
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_secret) struct secret *made = NULL;
    struct key *key = NULL;
    char id[RECOVERY_ID_SIZE];

    return recovery_key_make(&made, id, err) && agent_key(agent, &key, err) &&
           key_wrap(key, &about, made, &envelope, err) &&
           notice_private_write(agent, envelope_text(envelope), err) &&
           read_private(agent, out, err);
}

static bool have_private(struct agent *agent, struct secret **out, struct err *err)
{
    return read_private(agent, out, err) && (*out || make_private(agent, out, err));
}

/* ---- from none to fetched ---- */

static struct recovery *notice_new(const struct agent *agent, int64_t serial)
{
    struct recovery *notice = text_room(1, sizeof(*notice));

    memcpy(notice->cluster, agent->host.cluster_id, UUID_SIZE);
    notice->serial = serial;
    ledger_now(notice->made);
    return notice;
}

bool notice_make(struct agent *agent, bool *out_made, struct err *err)
{
    AUTO(drop_recovery) struct recovery *have = NULL, *notice = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    uint64_t version = 0;

    if (!read_both(agent, &have, &version, err)) {
        return false;
    }
    *out_made = !have;
    if (have) {
        return true;
    }
    notice = notice_new(agent, 1);
    return have_private(agent, &key, err) && ecjwk_public(key, &notice->public_key, err) &&
           publish(agent, notice, version, err);
}

static bool none_there(struct err *err)
{
    err_set(err, ERR_ABSENT, "this cluster has no recovery key");
    return err_mend(err, "write 'recovery: required' into the blueprint and deploy it again");
}

bool notice_give(struct agent *agent, const struct secret *password, char **out_text,
                 struct err *err)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    AUTO(drop_secret) struct secret *key = NULL;

    if (!notice_read(agent, &notice, err)) {
        return false;
    }
    if (!notice) {
        return none_there(err);
    }
    return have_private(agent, &key, err) &&
           recovery_file_make(key, agent->host.cluster_id, password, out_text, err);
}

/* The notice says from now on that the user has `key`. */
static bool tell_fetched(struct agent *agent, const struct secret *key,
                         const struct recovery *before, uint64_t version, struct err *err)
{
    AUTO(drop_recovery) struct recovery *notice = notice_new(agent, before->serial + 1);
    char id[RECOVERY_ID_SIZE];

    if (!ecjwk_public(key, &notice->public_key, err) || !recovery_id(notice->public_key, id, err)) {
        return false;
    }
    memcpy(notice->fetched, notice->made, sizeof(notice->fetched));
    if (strcmp(id, before->id) == 0) {
        memcpy(notice->made, before->made, sizeof(notice->made));
    }
    return publish(agent, notice, version, err);
}

/* What opens on the user's disk must be what would be wiped here. */
static bool file_opens(struct agent *agent, const struct secret *body, const char *due,
                       struct err *err)
{
    AUTO(drop_secret) struct secret *password = NULL, *theirs = NULL;
    const char *text = NULL;
    size_t length = 0;
    char id[RECOVERY_ID_SIZE];

    if (!brought_part(body, &password, &text, &length, err) ||
        !recovery_file_open(text, length, agent->host.cluster_id, password, &theirs, id, err)) {
        return err_add(err, "the recovery key as it lies on the user's disk");
    }
    return strcmp(id, due) == 0 ||
           err_set(err, ERR_CLASH, "the file is of %s, but what was given out is %s", id, due);
}

/* Of the private half that rests here, else of the one that is with the user already. */
static bool id_that_is_due(const struct secret *key, const struct recovery *notice,
                           char out[RECOVERY_ID_SIZE], struct err *err)
{
    AUTO(drop_free) char *mine = NULL;

    if (key) {
        return ecjwk_public(key, &mine, err) && recovery_id(mine, out, err);
    }
    memcpy(out, notice->id, RECOVERY_ID_SIZE);
    return notice->fetched[0] || err_set(err, ERR_ABSENT, "no recovery key was given out here");
}

bool notice_fetched(struct agent *agent, const struct secret *body, struct err *err)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    uint64_t version = 0;
    char id[RECOVERY_ID_SIZE];

    if (!read_both(agent, &notice, &version, err) || !read_private(agent, &key, err)) {
        return false;
    }
    if (!notice) {
        return none_there(err);
    }
    if (!id_that_is_due(key, notice, id, err) || !file_opens(agent, body, id, err)) {
        return false;
    }
    bool told = strcmp(id, notice->id) == 0 && notice->fetched[0];

    return !key || ((told || tell_fetched(agent, key, notice, version, err)) &&
                    notice_private_wipe(agent, err));
}

bool notice_forget(struct agent *agent, struct err *err)
{
    AUTO(drop_free) char *path = copy_path(agent);

    return notice_private_wipe(agent, err) && file_remove(path, err);
}

/* ---- envelopes ---- */

/* A notice that is lost, or was taken away, is none that was never there: where one is required
 * nothing is wrapped for the provider alone. */
static bool read_wanted(struct agent *agent, struct recovery **out, struct err *err)
{
    if (!notice_read(agent, out, err)) {
        return false;
    }
    if (!*out && agent->host.recovery && agent->host.store_type) {
        err_set(err, ERR_ABSENT,
                "a recovery key is required, but neither the datastore nor this "
                "host knows of one");
        return err_mend(err, "run quoin deploy again: it makes one, which you fetch");
    }
    return true;
}

bool notice_wrap(struct agent *agent, const struct envelope_about *about,
                 const struct secret *secret, char **out_envelope, struct err *err)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_secret) struct secret *ca = NULL;

    if (!read_wanted(agent, &notice, err)) {
        return false;
    }
    if (!notice) {
        *out_envelope = NULL;
        return true;
    }
    return recovery_wrap(notice, about, secret, &envelope, err) && ca_open(agent, &ca, err) &&
           recovery_sign(envelope, ca, out_envelope, err);
}

bool notice_unwrap(const struct agent *agent, const struct secret *recovery_key, const char *text,
                   const struct envelope_about *expected, struct secret **out, struct err *err)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_free) char *ca = NULL;

    if (!enrol_ca(agent, &ca, err)) {
        return false;
    }
    if (!recovery_envelope(text, ca, &envelope, err)) {
        return err->kind != ERR_DENIED
                   ? false
                   : err_mend(err,
                              "somebody wrote it who should not: put the virtual machine's home "
                              "back from a copy of the datastore, or open its disks by hand "
                              "(docs/recovery.md) and look at what they hold");
    }
    return recovery_unwrap(recovery_key, envelope, expected, out, err);
}

json_t *notice_id_of(const char *text)
{
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    struct err ignored = {0};

    return text && recovery_envelope(text, NULL, &envelope, &ignored)
               ? json_string(envelope_about(envelope)->kek_id)
               : json_null();
}

bool notice_holds(struct agent *agent, const char *envelope, bool *out, struct err *err)
{
    AUTO(drop_recovery) struct recovery *notice = NULL;
    AUTO(drop_envelope) struct envelope *its = NULL;
    AUTO(drop_free) char *ca = NULL;
    struct err other = {0};

    if (!read_wanted(agent, &notice, err)) {
        return false;
    }
    if (notice && !enrol_ca(agent, &ca, err)) {
        return false;
    }
    *out = !notice || (envelope && recovery_envelope(envelope, ca, &its, &other) &&
                       strcmp(envelope_about(its)->kek_id, notice->id) == 0);
    return true;
}

/* ---- for people ---- */

static json_t *text_or_null(const char *text)
{
    return text[0] ? json_string(text) : json_null();
}

json_t *notice_look(const char *folder)
{
    AUTO(drop_free) char *copy = text_make("%s/" COPY, folder);
    AUTO(drop_free) char *private = text_make("%s/" PRIVATE, folder);
    AUTO(drop_free) char *pem_path = text_make("%s/ca.pem", folder);
    AUTO(drop_free) char *text = NULL, *pem = NULL;
    AUTO(drop_recovery) struct recovery *notice = NULL;
    struct err ignored = {0};
    size_t length = 0;

    if (!file_read(copy, RECOVERY_MAX_TEXT, &text, &length, &ignored) ||
        !file_read(pem_path, CERTIFICATE_MAX, &pem, NULL, &ignored) ||
        !recovery_read(text, length, pem, NULL, 1, &notice, &ignored)) {
        return json_pack("{s:s, s:n, s:n, s:n, s:b}", "state", "none", "id", "made", "fetched",
                         "held", 0);
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:b}", "state", notice->fetched[0] ? "fetched" : "made",
                     "id", notice->id, "made", notice->made, "fetched",
                     text_or_null(notice->fetched), "held", file_exists(private));
}

bool step_recovery_make(struct agent *agent, struct making *making, struct err *err)
{
    if (!notice_make(agent, &making->changed, err)) {
        return err_add(err, "make the recovery key");
    }
    making->result = notice_look(agent->host.folder);
    return true;
}
