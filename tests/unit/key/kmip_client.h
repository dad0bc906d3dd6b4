/* SPDX-License-Identifier: Apache-2.0 */
/* A client of PyKMIP servers: one CA, one server and one client for all tests of a program, and for
 * each test a folder of its own. */
#ifndef QUOIN_TESTS_KMIP_CLIENT_H
#define QUOIN_TESTS_KMIP_CLIENT_H

#include "pykmip.h"

#include "key/key.h"

#define CLUSTER "6f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define OTHER   "7f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define VM      "0a0b0c0d-1111-4222-8333-444455556666"

static struct pykmip kms;
static char *ca, *certificate;
static struct secret *private_key;
static char provider[128];

static const struct envelope_about expected = {.vm = VM, .purpose = "vm", .generation = 1};

static inline int begin(void **state)
{
    if (folder_make(state) != 0) {
        return -1;
    }
    pki_ca("ca");
    pki_sign("ca", "server", SERVER_EXTENSIONS, NULL);
    pki_sign("ca", "client", CLIENT_EXTENSIONS, NULL);
    ca = pki_text("ca.pem");
    certificate = pki_text("client.pem");
    private_key = pki_key("client.key");
    pykmip_start(&kms, "kms", "server");
    return 0;
}

static inline int end(void **state)
{
    pykmip_stop(&kms);
    free(ca);
    free(certificate);
    secret_free(private_key);
    return folder_drop(state);
}

static inline int fresh_provider(void **state)
{
    static int count;

    (void)state;
    (void)snprintf(provider, sizeof(provider), "%s/provider-%d", folder_path, count++);
    return 0;
}

/* `servers` of NULL: what the folder holds. */
static inline struct provider_conf conf_of(const char *const *servers)
{
    return (struct provider_conf){.name = "corp-kms",
                                  .type = "kmip",
                                  .cluster = CLUSTER,
                                  .folder = provider,
                                  .host = {.tpm = TPM_OFF},
                                  .servers = servers,
                                  .ca = ca,
                                  .certificate = certificate,
                                  .private_key = private_key};
}

static inline struct key *opened_at(const char *const *servers)
{
    const struct provider_conf conf = conf_of(servers);
    struct key *key = NULL;
    struct err err = {0};

    if (!key_open(&conf, &key, &err)) {
        fail_msg("%s", err.what);
    }
    return key;
}

static inline struct key *opened(void)
{
    return opened_at(RUN(kms.server));
}

static inline char *kek_of(struct key *key)
{
    char *kek = NULL;
    struct err err = {0};

    if (!key_kek_make(key, "cluster edge-01", &kek, &err)) {
        fail_msg("%s", err.what);
    }
    return kek;
}

static inline struct envelope *wrapped(struct key *key, const char *kek,
                                       const struct secret *secret)
{
    struct envelope_about about = expected;
    struct envelope *envelope = NULL;
    struct err err = {0};

    about.kek_id = kek;
    if (!key_wrap(key, &about, secret, &envelope, &err)) {
        fail_msg("%s", err.what);
    }
    return envelope;
}

static inline struct secret *fresh(void)
{
    struct secret *secret = NULL;

    assert_true(secret_random(32, &secret, &(struct err){0}));
    return secret;
}

/* What an operator does at the key server, with its own client; `uid` is the object of this KEK.
 * Inlined, gcc 12 sees a pointer that dangles where none does. */
__attribute__((noinline, unused)) static void operate_at(int port, const char *kek,
                                                         const char *what)
{
    AUTO(drop_free)
    char *program =
        text_make("from kmip.pie.client import ProxyKmipClient\n"
                  "from kmip import enums\n"
                  "c = ProxyKmipClient(hostname='127.0.0.1', port=%d, cert='%s/client.pem',\n"
                  "    key='%s/client.key', ca='%s/ca.pem', ssl_version='PROTOCOL_TLSv1_2')\n"
                  "c.open()\n"
                  "uid = '%s'\n"
                  "%s\n"
                  "c.close()\n",
                  port, folder_path, folder_path, folder_path, strchr(kek, ':') + 1, what);
    struct err err = {0};

    if (!run_ok(&(struct run){.argv = RUN("/usr/bin/python3", "-W", "ignore", "-c", program)}, NULL,
                &err)) {
        fail_msg("%s", err.what);
    }
}

static inline void operate(const char *kek, const char *what)
{
    operate_at(kms.port, kek, what);
}

/* The last finding that a use of a key came with; empty: none. */
static inline void hear_finding(void *context, const struct key_use *use)
{
    (void)snprintf(context, sizeof(((struct err *)0)->what), "%s",
                   use->finding ? use->finding->what : "");
}

/* At another server than the cluster's, until it has given out this id as well. */
#define MAKE_ANOTHER                                                                               \
    "made = ''\n"                                                                                  \
    "while made != uid:\n"                                                                         \
    "    made = c.create(enums.CryptographicAlgorithm.AES, 256, cryptographic_usage_mask=[\n"      \
    "        enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT])\n"       \
    "c.activate(uid)\n"

#endif
