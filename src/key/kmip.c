/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KMIP key provider: KEKs live at an external key server, which the host itself asks over
 * mutual TLS (KMIP 1.2 to 2.1). A KEK is an AES-256 symmetric key with a name and an application
 * that its operators understand; its id here is "kmip:<unique identifier>".
 *
 * Where the server encrypts and decrypts itself, the KEK never leaves it: it wraps the content key
 * of an envelope, by AES key wrap or AES-GCM, whichever a round trip proves. Otherwise the KEK is
 * fetched into locked memory for the moment. Before each use its state is found to be active.
 */
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "key/kmipaccess.h"
#include "key/kmipbegun.h"
#include "key/kmipobject.h"
#include "key/provider.h"
#include "wire/stream.h"

#define ID_START "kmip:"
/* Where keys are wrapped, in the order of trying. */
enum way { WAY_UNKNOWN, WAY_SERVER_KW, WAY_SERVER_GCM, WAY_HOST };

struct kmip {
    struct kmipaccess *access;
    struct kmipserver_conf conf; /* points into `access` */
    struct kmipserver *server;
    char cluster[UUID_SIZE];
    char *begun;  /* path: kmipbegun.h */
    enum way way; /* proven by a round trip since this was opened */
    /* It was asked to decrypt one so, in vain, and the KEK at hand opened it. */
    bool in_vain[2];
};

static void kmip_close(void *self)
{
    struct kmip *kmip = self;

    kmipserver_free(kmip->server);
    kmipaccess_free(kmip->access);
    free(kmip->begun);
    free(kmip);
}
DROP(kmip, struct kmip *, kmip_close);

/* Asks nobody yet: a host may start while its key server is away, and say so. */
static bool kmip_open(const struct provider_conf *conf, void **out_self, struct err *err)
{
    AUTO(drop_kmip) struct kmip *kmip = text_room(1, sizeof(*kmip));

    if (!kmipaccess_open(conf, &kmip->access, err)) {
        return false;
    }
    memcpy(kmip->cluster, conf->cluster, UUID_SIZE);
    kmip->begun = text_make("%s/keks-begun.json", conf->folder);
    kmip->conf = kmipaccess_servers(kmip->access);
    kmip->server = kmipserver_new(&kmip->conf);
    *out_self = TAKE(kmip);
    return true;
}

/* ERR_INPUT: no id of a KEK here. Borrowed from it. */
static bool object_of(const char *kek_id, const char **out, struct err *err)
{
    *out = kek_id + strlen(ID_START);
    return (text_starts(kek_id, ID_START) && **out) ||
           err_set(err, ERR_INPUT, "'%s' is no id of a KEK at a key server", kek_id);
}

/* --- a KEK as envelopes want it ----------------------------------------------------------------
 */

struct kek {
    struct kmip *kmip;
    const char *object;
    enum jwe_alg alg; /* how it wraps */
};

static bool server_wrap(void *self, const struct secret *content_key, struct jwe_wrapped *out,
                        struct err *err)
{
    const struct kek *kek = self;

    return kmipobject_encrypt(kek->kmip->server, kek->object, kek->alg, content_key, out, err);
}

static bool server_unwrap(void *self, const struct jwe_wrapped *wrapped, struct secret **out,
                          struct err *err)
{
    const struct kek *kek = self;

    return kmipobject_decrypt(kek->kmip->server, kek->object, wrapped, out, err);
}

static bool host_wrap(void *self, const struct secret *content_key, struct jwe_wrapped *out,
                      struct err *err)
{
    const struct kek *kek = self;
    AUTO(drop_secret) struct secret *secret = NULL;

    if (!kmipobject_get(kek->kmip->server, kek->object, &secret, err)) {
        return false;
    }
    const struct jwe_kek at_hand = jwe_kek_of(secret);

    return at_hand.wrap(at_hand.self, content_key, out, err);
}

/* A server that gives another key under this id is there, and wrong: not away, and not us. */
static bool host_unwrap(void *self, const struct jwe_wrapped *wrapped, struct secret **out,
                        struct err *err)
{
    const struct kek *kek = self;
    AUTO(drop_secret) struct secret *secret = NULL;
    struct err why = {0};

    if (!kmipobject_get(kek->kmip->server, kek->object, &secret, err)) {
        return false;
    }
    const struct jwe_kek at_hand = jwe_kek_of(secret);

    if (at_hand.unwrap(at_hand.self, wrapped, out, &why)) {
        return true;
    }
    if (why.kind != ERR_DENIED) {
        *err = why;
        return false;
    }
    err_set(err, ERR_CLASH,
            "'%s' holds another key under this id than the one that wrapped the envelope, or the "
            "envelope was changed",
            kmipserver_name(kek->kmip->server));
    return err_mend(err, "was an older copy of the key server's database put back?");
}

static struct jwe_kek kek_at_server(struct kek *kek)
{
    return (struct jwe_kek){kek, server_wrap, server_unwrap};
}

static struct jwe_kek kek_at_host(struct kek *kek)
{
    return (struct jwe_kek){kek, host_wrap, host_unwrap};
}

/* --- where it is wrapped -----------------------------------------------------------------------
 */

static bool may(const struct kmip *kmip, enum way way)
{
    const char *place = kmipaccess_kek(kmip->access);

    return strcmp(place, "auto") == 0 || (strcmp(place, "host") == 0) == (way == WAY_HOST);
}

static enum jwe_alg alg_of(enum way way)
{
    return way == WAY_SERVER_GCM ? JWE_A256GCMKW : JWE_A256KW;
}

/* `wrapped` with a bit of it changed at `at`, one of its own arrays. */
static bool refuses_change(struct kmip *kmip, const char *object, struct jwe_wrapped *wrapped,
                           unsigned char *at, struct err *err)
{
    AUTO(drop_secret) struct secret *out = NULL;
    struct err why = {0};

    *at ^= 1;
    bool opened = kmipobject_decrypt(kmip->server, object, wrapped, &out, &why);

    *at ^= 1;
    if (opened) {
        return err_set(err, ERR_CLASH, "the key server decrypts what was changed");
    }
    if (why.kind == ERR_AWAY) {
        *err = why;
    }
    return why.kind != ERR_AWAY;
}

/* One that knows nothing secret gives the same again for another nonce, or cannot tell what was
 * changed. */
static bool is_wrapped(struct kmip *kmip, const char *object, const struct secret *key,
                       struct jwe_wrapped *wrapped, struct err *err)
{
    struct jwe_wrapped again;

    if (!refuses_change(kmip, object, wrapped, &wrapped->bytes[0], err)) {
        return false;
    }
    return wrapped->alg == JWE_A256KW ||
           (refuses_change(kmip, object, wrapped, &wrapped->tag[0], err) &&
            kmipobject_encrypt(kmip->server, object, wrapped->alg, key, &again, err) &&
            (memcmp(again.bytes, wrapped->bytes, wrapped->size) != 0 ||
             err_set(err, ERR_CLASH, "the key server encrypts the same twice to the same")));
}

/* What the server says it can is believed when it did it. That it does it with the KEK and with no
 * other key, it alone knows. */
static bool server_proves(struct kmip *kmip, const char *object, enum jwe_alg alg, struct err *err)
{
    AUTO(drop_secret) struct secret *key = NULL, *back = NULL;
    struct jwe_wrapped wrapped;

    return secret_random(JWE_KEY_SIZE, &key, err) &&
           kmipobject_encrypt(kmip->server, object, alg, key, &wrapped, err) &&
           kmipobject_decrypt(kmip->server, object, &wrapped, &back, err) &&
           (secret_equal(key, back) ||
            err_set(err, ERR_CLASH, "the key server decrypts to something else")) &&
           is_wrapped(kmip, object, key, &wrapped, err);
}

/* Away is no answer: who does not answer now may still be able to. */
static bool choose_way(struct kmip *kmip, const char *object, struct err *err)
{
    static const enum way at_server[] = {WAY_SERVER_KW, WAY_SERVER_GCM};
    bool able =
        kmipserver_has(kmip->server, KMIP_ENCRYPT) && kmipserver_has(kmip->server, KMIP_DECRYPT);
    struct err why = {0};

    err_set(&why, ERR_CLASH, "the key server does not encrypt and decrypt itself");
    for (size_t i = 0; i < COUNT_OF(at_server) && able && may(kmip, at_server[i]); i++) {
        if (server_proves(kmip, object, alg_of(at_server[i]), &why)) {
            kmip->way = at_server[i];
            return true;
        }
        if (why.kind == ERR_AWAY) {
            *err = why;
            return false;
        }
    }
    if (may(kmip, WAY_HOST)) {
        kmip->way = WAY_HOST;
        return true;
    }
    *err = why;
    return err_mend(err, "write encryption.provider.kek: auto, or let it encrypt and decrypt");
}

/* --- the contract -------------------------------------------------------------------------------
 */

/* In use from now on, but for a trial: a KEK that is begun next is another one. */
static bool settle(struct kmip *kmip, const struct envelope_about *about, const char *object,
                   struct err *err)
{
    return strcmp(about->purpose, KEY_CANARY) == 0 || strcmp(about->purpose, KEY_REPLICAS) == 0 ||
           kmipbegun_settle(kmip->begun, object, err);
}

static bool wrap_under(struct kmip *kmip, const char *object, const struct envelope_about *about,
                       const struct secret *secret, struct envelope **out, struct err *err)
{
    if (!kmipobject_is_active(kmip->server, object, err) ||
        (kmip->way == WAY_UNKNOWN && !choose_way(kmip, object, err)) ||
        !settle(kmip, about, object, err)) {
        return false;
    }
    struct kek kek = {kmip, object, alg_of(kmip->way)};
    const struct jwe_kek wrapper = kmip->way == WAY_HOST ? kek_at_host(&kek) : kek_at_server(&kek);

    return envelope_seal_at(&wrapper, about, secret, out, err);
}

static bool kmip_wrap(void *self, const struct envelope_about *about, const struct secret *secret,
                      struct envelope **out, struct err *err)
{
    const char *object = NULL;

    return object_of(about->kek_id, &object, err) &&
           (wrap_under(self, object, about, secret, out, err) ||
            err_add(err, "KEK %s", about->kek_id));
}

/* At the server where it can, else here; what it does not decrypt may still open here, since
 * envelopes outlive the way they were wrapped in. */
static bool unwrap_under(struct kmip *kmip, const char *object, const struct envelope *envelope,
                         const struct envelope_about *expected, struct secret **out,
                         struct err *err)
{
    enum jwe_alg alg = envelope_alg(envelope);
    struct kek kek = {kmip, object, alg};
    const struct jwe_kek there = kek_at_server(&kek), here = kek_at_host(&kek);
    bool host = may(kmip, WAY_HOST);
    bool server = may(kmip, WAY_SERVER_KW) && !kmip->in_vain[alg] &&
                  kmipserver_has(kmip->server, KMIP_DECRYPT);
    struct err why = {0};

    if (!kmipobject_is_active(kmip->server, object, err)) {
        return false;
    }
    if (server && envelope_open_at(&there, envelope, expected, out, &why)) {
        return true;
    }
    if (!host || why.kind == ERR_AWAY) {
        *err = why;
        return why.kind == ERR_NONE
                   ? err_set(err, ERR_CLASH, "the key server does not decrypt itself")
                   : false;
    }
    if (!envelope_open_at(&here, envelope, expected, out, err)) {
        return false;
    }
    kmip->in_vain[alg] = true;
    return true;
}

/* Servers that are meant to hold the same may not: one was restored from an older copy, has not
 * heard of a key yet, or fails. What the operators decided (deactivated, compromised, not for us)
 * is no such thing, and no other server is asked whether it knows of it. */
static bool another_may_know(enum err_kind kind)
{
    return kind == ERR_CLASH || kind == ERR_ABSENT || kind == ERR_SYSTEM;
}

static bool pass(struct kmip *kmip)
{
    if (!kmipserver_pass(kmip->server)) {
        return false;
    }
    kmip->way = WAY_UNKNOWN;
    memset(kmip->in_vain, 0, sizeof(kmip->in_vain));
    return true;
}

/* What one says is no last word while another cannot be heard. */
static bool not_all_heard(const struct err *first, struct err *err)
{
    *err = *first;
    err->kind = ERR_AWAY;
    return err_add(err, "another key server is away, and of those that answer none opens it");
}

/* The next server that was not asked yet; with none, all that are left are away. */
static bool reach_another(struct kmip *kmip, const char *const *asked, size_t count)
{
    struct err ignored = {0};

    if (!pass(kmip) || !kmipserver_reach(kmip->server, &ignored)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(asked[i], kmipserver_name(kmip->server)) == 0) {
            return false;
        }
    }
    return true;
}

/* At the first of the servers that opens it. `err` with success: what one before it lacked. */
static bool unwrap_anywhere(struct kmip *kmip, const char *object, const struct envelope *envelope,
                            const struct envelope_about *expected, struct secret **out,
                            struct err *err)
{
    bool canary = strcmp(envelope_about(envelope)->purpose, KEY_CANARY) == 0;
    const char *asked[KMIP_MAX_SERVERS];
    struct err first = {0}, why = {0};

    for (size_t n = 0;; n++) {
        if (unwrap_under(kmip, object, envelope, expected, out, &why)) {
            *err = first;
            return true;
        }
        first = n == 0 ? why : first;
        /* A canary asks after one server, the one in use. */
        if (canary || !another_may_know(why.kind) || n + 1 == kmipserver_count(kmip->server)) {
            break;
        }
        asked[n] = kmipserver_name(kmip->server);
        if (!asked[n] || !reach_another(kmip, asked, n + 1)) {
            return not_all_heard(&first, err);
        }
    }
    if (why.kind == ERR_AWAY && first.kind != ERR_AWAY) {
        return not_all_heard(&first, err);
    }
    *err = first;
    return false;
}

/* What each of the others is to open, as the one in use did. */
struct replica {
    struct kmip *kmip;
    const char *object;
    const struct envelope *envelope;
    const struct envelope_about *expected;
};

static bool opens_there(void *context, struct err *err)
{
    const struct replica *replica = context;
    struct kmip *kmip = replica->kmip;
    AUTO(drop_secret) struct secret *opened = NULL;

    memset(kmip->in_vain, 0, sizeof(kmip->in_vain));
    return unwrap_under(kmip, replica->object, replica->envelope, replica->expected, &opened, err);
}

/* That one does not have it is no loss of the KEK. What its operators decided is not gone round. */
static bool not_there(struct err *err)
{
    if (err->kind == ERR_DENIED) {
        return err_mend(err, "that server's operators have put the KEK out of use, or do not let "
                             "this host use it: ask them, or rotate to a new one");
    }
    if (err->kind == ERR_ABSENT || err->kind == ERR_CLASH) {
        err->kind = ERR_CLASH;
        err->remedy[0] = '\0';
    }
    return err_mend(err, "wait until the KEK was replicated to that server and run the same "
                         "command again, or take it out of the list of servers");
}

/* That it opens there is enough: an envelope says by its tag what was in it. */
static bool unwrap_everywhere(struct kmip *kmip, const char *object,
                              const struct envelope *envelope,
                              const struct envelope_about *expected, struct secret **out,
                              struct err *err)
{
    struct replica replica = {kmip, object, envelope, expected};
    AUTO(drop_secret) struct secret *opened = NULL;
    struct err away = {0};

    if (!unwrap_under(kmip, object, envelope, expected, &opened, err)) {
        return false;
    }
    if (!kmipserver_others(kmip->server, opens_there, &replica, &away, err)) {
        return not_there(err);
    }
    memset(kmip->in_vain, 0, sizeof(kmip->in_vain));
    *out = TAKE(opened);
    *err = away;
    return true;
}

static bool kmip_unwrap(void *self, const struct envelope *envelope,
                        const struct envelope_about *expected, struct secret **out, struct err *err)
{
    const char *kek_id = envelope_about(envelope)->kek_id, *object = NULL;
    bool all = strcmp(envelope_about(envelope)->purpose, KEY_REPLICAS) == 0;

    return object_of(kek_id, &object, err) && ((all ? unwrap_everywhere : unwrap_anywhere)(
                                                   self, object, envelope, expected, out, err) ||
                                               err_add(err, "KEK %s", kek_id));
}

/* One that was begun before, or a fresh one. */
static bool find_or_make(struct kmip *kmip, const char *label, const char *name, bool again,
                         char **out_object, struct err *err)
{
    AUTO(drop_free) char *object = NULL;

    if (again && kmipserver_has(kmip->server, KMIP_LOCATE) &&
        !kmipobject_find(kmip->server, name, &object, err)) {
        return err_add(err, "find a KEK that was begun");
    }
    if (!object && !kmipobject_make(kmip->server, name, kmip->cluster, label, &object, err)) {
        return err_add(err, "make a KEK at the key server");
    }
    if (!kmipbegun_note(kmip->begun, label, object, err)) {
        return false;
    }
    *out_object = TAKE(object);
    return true;
}

/* Nothing is wrapped under it yet, so it may go. */
static void give_up(struct kmip *kmip, const char *label, const char *object)
{
    struct err ignored = {0};

    (void)kmipobject_destroy(kmip->server, object, &ignored);
    (void)kmipbegun_forget(kmip->begun, label, &ignored);
}

/* Active, and its id written down. `*out_again`: it was begun before. */
static bool begin_kek(struct kmip *kmip, const char *label, char **out_object, bool *out_again,
                      struct err *err)
{
    AUTO(drop_free) char *name = NULL;
    AUTO(drop_free) char *object = NULL;

    if (!kmipbegun_name(kmip->begun, label, &name, out_again, err) ||
        !find_or_make(kmip, label, name, *out_again, &object, err)) {
        return false;
    }
    if (!kmipobject_activate(kmip->server, object, err)) {
        if (err->kind != ERR_AWAY) {
            give_up(kmip, label, object);
        }
        return err_add(err, "activate a KEK at the key server");
    }
    *out_object = TAKE(object);
    return true;
}

static bool kmip_kek_make(void *self, const char *label, char **out_kek_id, struct err *err)
{
    struct kmip *kmip = self;
    AUTO(drop_free) char *object = NULL;
    bool again = false;

    if (!kmipserver_reach(kmip->server, err)) {
        return false;
    }
    /* One that was begun before and put out of use there meanwhile: nothing is lost with it. */
    if (!begin_kek(kmip, label, &object, &again, err) &&
        !(again && err->kind != ERR_AWAY && begin_kek(kmip, label, &object, &again, err))) {
        return false;
    }
    *out_kek_id = text_make(ID_START "%s", object);
    return true;
}

static bool kmip_kek_retire(void *self, const char *kek_id, struct err *err)
{
    struct kmip *kmip = self;
    const char *object = NULL;

    return object_of(kek_id, &object, err) && ((kmipobject_destroy(kmip->server, object, err) &&
                                                kmipbegun_settle(kmip->begun, object, err)) ||
                                               err_add(err, "retire KEK %s", kek_id));
}

/* --- what people want to know
 * ---------------------------------------------------------------------- */

static json_t *servers_json(const struct kmip *kmip)
{
    json_t *servers = json_array();

    for (size_t i = 0; kmip->conf.servers[i]; i++) {
        json_array_append_new(servers, json_string(kmip->conf.servers[i]));
    }
    return servers;
}

static const char *way_name(enum way way)
{
    static const char *const names[] = {[WAY_UNKNOWN] = "unknown",
                                        [WAY_SERVER_KW] = "server, AES key wrap",
                                        [WAY_SERVER_GCM] = "server, AES-GCM",
                                        [WAY_HOST] = "host"};

    return names[way];
}

/* Away is something to say, not a failure to say something. */
static bool kmip_look(void *self, json_t **out, struct err *err)
{
    struct kmip *kmip = self;
    struct err reason = {0};
    bool there = kmipserver_reach(kmip->server, &reason);
    struct kmip_version version = kmipserver_version(kmip->server);
    long long ours = 0;

    (void)err;
    *out = json_pack("{s:s, s:s, s:o, s:s, s:s*}", "protection", "kms", "backup", "kms", "servers",
                     servers_json(kmip), "state", there ? "good" : err_kind_name(reason.kind),
                     "server", kmipserver_name(kmip->server));
    if (there) {
        AUTO(drop_free) char *text = text_make("%d.%d", version.major, version.minor);

        json_object_set_new(*out, "version", json_string(text));
        json_object_set_new(*out, "wrapped_at", json_string(way_name(kmip->way)));
        json_object_set_new(*out, "server_certificate_expires",
                            json_integer(kmipserver_expires(kmip->server)));
    } else {
        json_object_set_new(*out, "trouble", json_of_err(&reason));
    }
    if (stream_pem_expires(kmip->conf.certificate, &ours, &reason)) {
        json_object_set_new(*out, "client_certificate_expires", json_integer(ours));
    }
    return true;
}

const struct key_provider kmip_provider = {
    .type = "kmip",
    .summary = "keys at an external key server that speaks KMIP 1.2 to 2.1",
    .open = kmip_open,
    .close = kmip_close,
    .kek_make = kmip_kek_make,
    .wrap = kmip_wrap,
    .unwrap = kmip_unwrap,
    .kek_retire = kmip_kek_retire,
    .look = kmip_look,
};
