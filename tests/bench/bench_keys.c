/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes wrapped and opened per second, by each key provider, in turns: bench_keys [ROUNDS]
 *
 *   native       the KEK in this process, under a root key in a file
 *   kmip, host   the KEK fetched from a key server for each envelope (PyKMIP on loopback)
 *   kmip, server the key server wraps and decrypts, the KEK never leaves it
 *
 * A round is one batch of each; of the rounds the medians are told, with the load of the machine.
 * Every envelope that was wrapped is opened, and what comes out compared.
 */
#include "../unit/key/pykmip.h"
#include "bench.h"
#include "key/key.h"

#define CLUSTER "6f1c9d2e-5b1a-4c3e-9f00-0123456789ab"
#define VM      "0a0b0c0d-1111-4222-8333-444455556666"
#define MOST    2000u

struct contender {
    const char *name, *type, *kek_at;
    size_t batch;
    struct key *key;
    char *kek;
    double wrapped[MAX_ROUNDS], opened[MAX_ROUNDS]; /* per second */
};

static void one_round(struct contender *by, unsigned round, const struct secret *vm_key)
{
    static struct envelope *envelopes[MOST];
    struct envelope_about about = {.kek_id = by->kek, .vm = VM, .purpose = "vm", .generation = 1};
    struct err err = {0};
    double start = now();

    for (size_t i = 0; i < by->batch; i++) {
        need(key_wrap(by->key, &about, vm_key, &envelopes[i], &err), &err);
    }
    by->wrapped[round] = (double)by->batch / (now() - start);
    start = now();
    for (size_t i = 0; i < by->batch; i++) {
        AUTO(drop_secret) struct secret *back = NULL;

        need(key_unwrap(by->key, envelopes[i], &about, &back, &err), &err);
        if (!secret_equal(vm_key, back)) {
            fprintf(stderr, "bench_keys: another key came back\n");
            exit(70);
        }
    }
    by->opened[round] = (double)by->batch / (now() - start);
    for (size_t i = 0; i < by->batch; i++) {
        envelope_free(envelopes[i]);
    }
}

static void open_one(struct contender *by, const char *const *servers, const char *ca,
                     const char *certificate, const struct secret *private_key)
{
    AUTO(drop_free) char *folder = text_make("%s/%s-%s", folder_path, by->type, by->kek_at);
    bool kmip = strcmp(by->type, "kmip") == 0;
    const struct provider_conf conf = {.name = "bench",
                                       .type = by->type,
                                       .cluster = CLUSTER,
                                       .folder = folder,
                                       .host = {.tpm = TPM_OFF},
                                       .servers = kmip ? servers : NULL,
                                       .ca = kmip ? ca : NULL,
                                       .certificate = kmip ? certificate : NULL,
                                       .private_key = kmip ? private_key : NULL,
                                       .kek = kmip ? by->kek_at : NULL};
    struct err err = {0};

    need(key_open(&conf, &by->key, &err) && key_kek_make(by->key, "bench", &by->kek, &err), &err);
}

static void report(const struct contender *all, size_t count, unsigned rounds)
{
    double load[1] = {0};

    (void)getloadavg(load, 1);
    printf("envelopes per second, medians of %u rounds in turns; load %.1f\n", rounds, load[0]);
    for (size_t i = 0; i < count; i++) {
        const struct contender *by = &all[i];

        printf("  %-14s wrapped %9.1f   opened %9.1f   native is %6.1f and %6.1f times as fast\n",
               by->name, median(by->wrapped, rounds), median(by->opened, rounds),
               median(all[0].wrapped, rounds) / median(by->wrapped, rounds),
               median(all[0].opened, rounds) / median(by->opened, rounds));
    }
}

int main(int argc, char **argv)
{
    struct contender all[] = {
        {.name = "native", .type = "native", .kek_at = "host", .batch = MOST},
        {.name = "kmip, host", .type = "kmip", .kek_at = "host", .batch = 50},
        {.name = "kmip, server", .type = "kmip", .kek_at = "server", .batch = 50}};
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    struct pykmip kms = {0};
    AUTO(drop_secret) struct secret *vm_key = NULL;
    struct err err = {0};

    if (pykmip_missing()) {
        return 77;
    }
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    need(secret_random(32, &vm_key, &err), &err);
    assert_int_equal(folder_make(NULL), 0);
    pki_ca("ca");
    pki_sign("ca", "server", SERVER_EXTENSIONS, NULL);
    pki_sign("ca", "client", CLIENT_EXTENSIONS, NULL);
    AUTO(drop_free) char *ca = pki_text("ca.pem"), *certificate = pki_text("client.pem");
    AUTO(drop_secret) struct secret *private_key = pki_key("client.key");

    pykmip_start(&kms, "kms", "server");
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        open_one(&all[i], RUN(kms.server), ca, certificate, private_key);
    }
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < COUNT_OF(all); i++) {
            one_round(&all[i], round, vm_key);
        }
    }
    report(all, COUNT_OF(all), rounds);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        key_close(all[i].key);
        free(all[i].kek);
    }
    pykmip_stop(&kms);
    return folder_drop(NULL);
}
