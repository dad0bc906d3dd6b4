/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shallow rekey of 1, 100 and 10,000 sealed headers in plain files, against cryptsetup
 * luksChangeKey of the same kind of header: bench_rekey [MOST]
 *
 * One rekey: the header read, its envelope opened under the old KEK, the VM key wrapped under the
 * new one and opened once more, the header made anew, written, flushed, read back and opened. Above
 * 100 the files are gone through in rounds: each round is a rotation of all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bench.h"

#include "base/base.h"
#include "key/envelope.h"
#include "seal/seal.h"

#define FILES   100u
#define CLUSTER "6f1c2a3b-4d5e-4f60-8a1b-2c3d4e5f6071"

struct bench {
    const char *folder;
    struct secret *vm_key, *kek;
    char vm[UUID_SIZE];
    char uuids[FILES][UUID_SIZE];
    int64_t generation;
};

static char *path_of(const struct bench *bench, unsigned i)
{
    return text_make("%s/header-%u", bench->folder, i);
}

static struct envelope *wrap(const struct bench *bench, const struct secret *kek,
                             int64_t generation)
{
    const struct envelope_about about = {.provider = "native",
                                         .type = "native",
                                         .kek_id = "native:bench",
                                         .cluster = CLUSTER,
                                         .vm = bench->vm,
                                         .purpose = "vm",
                                         .generation = generation};
    struct envelope *envelope = NULL;
    struct err err = {0};

    need(envelope_seal(kek, &about, bench->vm_key, &envelope, &err), &err);
    return envelope;
}

static void write_header(const char *path, const unsigned char *bytes)
{
    AUTO(drop_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct err err = {0};

    need(fd >= 0 && file_pwrite(fd, bytes, HEADER_SIZE, 0, &err), &err);
    if (fsync(fd) != 0) {
        need(err_errno(&err, errno, "flush '%s'", path), &err);
    }
}

static void read_header(const char *path, unsigned char *bytes)
{
    AUTO(drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct err err = {0};

    need(fd >= 0 && file_pread(fd, bytes, HEADER_SIZE, 0, &err), &err);
}

static void make_headers(struct bench *bench, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        AUTO(drop_envelope) struct envelope *envelope = wrap(bench, bench->kek, 1);
        AUTO(drop_secret) struct secret *dek = NULL;
        AUTO(drop_free) unsigned char *bytes = NULL;
        AUTO(drop_free) char *path = path_of(bench, i);
        struct err err = {0};

        uuid_make(bench->uuids[i]);
        const struct header_plan plan = {
            .uuid = bench->uuids[i], .envelope = envelope_text(envelope), .generation = 1};

        need(header_dek_make(&dek, &err) && header_make(&plan, bench->vm_key, dek, &bytes, &err),
             &err);
        write_header(path, bytes);
    }
    bench->generation = 1;
}

static void open_old(const struct bench *bench, const unsigned char *bytes, const char *uuid)
{
    const struct envelope_about expected = {.cluster = CLUSTER, .vm = bench->vm, .purpose = "vm"};
    AUTO(drop_header_facts) struct header_facts facts = {0};
    AUTO(drop_envelope) struct envelope *old = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    struct err err = {0};

    need(header_look(bytes, HEADER_SIZE, uuid, &facts, &err) &&
             envelope_read(facts.envelope, strlen(facts.envelope), &old, &err) &&
             envelope_open(bench->kek, old, &expected, &key, &err),
         &err);
}

static void rekey_one(const struct bench *bench, unsigned i, const struct secret *kek)
{
    const struct envelope_about expected = {.cluster = CLUSTER, .vm = bench->vm, .purpose = "vm"};
    const struct header_want before = {bench->uuids[i], bench->generation};
    const struct header_want after = {bench->uuids[i], bench->generation + 1};
    AUTO(drop_free) char *path = path_of(bench, i);
    AUTO(drop_free) unsigned char *bytes = text_room(HEADER_SIZE, 1), *fresh = NULL;
    AUTO(drop_envelope) struct envelope *envelope = NULL;
    AUTO(drop_secret) struct secret *key = NULL;
    struct err err = {0};

    read_header(path, bytes);
    open_old(bench, bytes, bench->uuids[i]);
    envelope = wrap(bench, kek, after.generation);
    need(envelope_open(kek, envelope, &expected, &key, &err), &err);
    const struct header_plan plan = {.uuid = bench->uuids[i],
                                     .envelope = envelope_text(envelope),
                                     .generation = after.generation};

    need(header_rewrap(bytes, HEADER_SIZE, &before, key, &plan, &fresh, &err), &err);
    write_header(path, fresh);
    read_header(path, bytes);
    need(header_open(bytes, HEADER_SIZE, &after, key, NULL, &err), &err);
}

static void rotate(struct bench *bench, unsigned count)
{
    struct secret *kek = NULL;
    struct err err = {0};

    need(secret_random(32, &kek, &err), &err);
    for (unsigned i = 0; i < count; i++) {
        rekey_one(bench, i, kek);
    }
    secret_free(bench->kek);
    bench->kek = kek;
    bench->generation++;
}

static void bench_ours(const char *folder, unsigned headers)
{
    struct bench bench = {.folder = folder};
    unsigned files = headers < FILES ? headers : FILES;
    struct err err = {0};

    uuid_make(bench.vm);
    need(secret_random(32, &bench.vm_key, &err) && secret_random(32, &bench.kek, &err), &err);
    make_headers(&bench, files);
    double began = now();

    for (unsigned done = 0; done < headers; done += files) {
        rotate(&bench, files);
    }
    double seconds = now() - began;

    printf("  rekey of %6u headers              %9.3f s   %8.2f ms each\n", headers, seconds,
           1000 * seconds / headers);
    secret_free(bench.vm_key);
    secret_free(bench.kek);
}

static void run_or_end(const struct run *run)
{
    struct err err = {0};

    need(run_ok(run, NULL, &err), &err);
}

/* What changing a passphrase of the same cheap kind costs: two derivations and two writes. */
static void bench_cryptsetup(const char *folder, unsigned headers)
{
    AUTO(drop_free) char *path = text_make("%s/luks", folder);
    AUTO(drop_free) char *keys[2] = {text_make("%s/key-0", folder)};
    AUTO(drop_free) char *other = text_make("%s/key-1", folder);
    struct err err = {0};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    keys[1] = other;
    need(fd >= 0 && ftruncate(fd, 2 * (off_t)HEADER_SIZE) == 0 && close(fd) == 0, &err);
    need(file_write(keys[0], "0123456789abcdef0123456789abcdef", 32, 0600, &err) &&
             file_write(keys[1], "fedcba9876543210fedcba9876543210", 32, 0600, &err),
         &err);
    run_or_end(&(struct run){.argv = RUN("cryptsetup", "-q", "luksFormat", "--type", "luks2",
                                         "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
                                         "--key-size", "512", "--key-file", keys[0], path)});
    double began = now();

    for (unsigned i = 0; i < headers; i++) {
        run_or_end(&(struct run){.argv = RUN("cryptsetup", "-q", "luksChangeKey", "--pbkdf",
                                             "pbkdf2", "--pbkdf-force-iterations", "1000",
                                             "--key-file", keys[i % 2], path, keys[(i + 1) % 2])});
    }
    double seconds = now() - began;

    printf("  cryptsetup luksChangeKey, %6u     %9.3f s   %8.2f ms each\n", headers, seconds,
           1000 * seconds / headers);
}

int main(int argc, char **argv)
{
    static const unsigned counts[] = {1, 100, 10000};
    AUTO(drop_free) char *folder = text_copy("/dev/shm/quoin-bench-rekey.XXXXXX");
    struct err err = {0};
    unsigned most = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;

    if (!mkdtemp(folder)) {
        need(err_errno(&err, errno, "make '%s'", folder), &err);
    }
    puts("\nshallow rekey, plain files in memory");
    for (size_t i = 0; i < COUNT_OF(counts) && counts[i] <= most; i++) {
        bench_ours(folder, counts[i]);
    }
    bench_cryptsetup(folder, 1);
    bench_cryptsetup(folder, most < 100 ? most : 100);
    need(file_remove_tree(folder, &err), &err);
    return 0;
}
