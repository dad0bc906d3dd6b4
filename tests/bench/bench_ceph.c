/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The datastore side by side with its peers, interleaved, in one run; see README beside this file.
 * Each measured run is a process of its own.
 */
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"
#include "cluster.h"
#include "seal/seal.h"

#define MIB       ((uint64_t)1 << 20)
#define UNDER_WAY 16u
#define DISK      "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b44"

static uint64_t image_size = 1024 * MIB;
static unsigned rounds = 3, filled = 100;
static const char *parts = "start,seal,memory,data";
static const char *where = "/dev/shm", *plain_script = "tests/bench/plain-ceph";
static struct cluster cluster;
static char *source_path, *conf_path, *key_path;

struct report {
    double seconds;
    double written; /* until the payload is on stable storage; 0: not told */
    double opened;  /* seconds of opening what is encrypted */
    double cpu;
    long peak_kib;
    bool ok;
    struct err err;
};

static bool tell(struct report *report, double began)
{
    report->written = now() - began;
    return true;
}

/* ---- ours: raw writes, many under way ---- */

struct flight {
    pthread_mutex_t mutex;
    pthread_cond_t landed;
    unsigned under_way;
    struct err err;
};

static void land(void *context, const struct err *err)
{
    struct flight *flight = context;

    pthread_mutex_lock(&flight->mutex);
    flight->under_way--;
    if (err) {
        flight->err = *err;
    }
    pthread_cond_signal(&flight->landed);
    pthread_mutex_unlock(&flight->mutex);
}

static bool wait_for(struct flight *flight, unsigned at_most, struct err *err)
{
    pthread_mutex_lock(&flight->mutex);
    while (flight->under_way > at_most) {
        pthread_cond_wait(&flight->landed, &flight->mutex);
    }
    bool failed = flight->err.kind != ERR_NONE;

    *err = failed ? flight->err : *err;
    pthread_mutex_unlock(&flight->mutex);
    return !failed;
}

static bool is_zero(const unsigned char *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static bool write_raw(const struct medium *raw, const unsigned char *bytes, struct err *err)
{
    struct flight flight = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, {ERR_NONE}};

    for (uint64_t at = 0; at < image_size; at += STORE_OBJECT) {
        if (is_zero(bytes + at, STORE_OBJECT)) {
            continue;
        }
        if (!wait_for(&flight, UNDER_WAY - 1, err)) {
            return false;
        }
        pthread_mutex_lock(&flight.mutex);
        flight.under_way++;
        pthread_mutex_unlock(&flight.mutex);
        if (!raw->io->write_at(raw->image, at, bytes + at, STORE_OBJECT, land, &flight, err)) {
            return false;
        }
    }
    return wait_for(&flight, 0, err) && raw->io->flush(raw->image, err);
}

static bool open_ours(struct store **store, const char *name, uint64_t size, struct image **image,
                      struct err *err)
{
    return stores[0]->open(&cluster.conf, store, err) &&
           stores[0]->images->create(*store, name, size, err) &&
           stores[0]->images->open(*store, name, NULL, true, image, err);
}

static bool run_raw(struct report *report, struct err *err)
{
    AUTO(drop_fd) int fd = open(source_path, O_RDONLY | O_CLOEXEC);
    const unsigned char *bytes = mmap(NULL, image_size, PROT_READ, MAP_SHARED, fd, 0);
    struct store *store = NULL;
    struct image *image = NULL;
    double began = now();

    if (bytes == MAP_FAILED || !open_ours(&store, "bench", image_size, &image, err) ||
        !write_raw(&(struct medium){stores[0]->io, image}, bytes, err)) {
        return false;
    }
    stores[0]->images->close(image);
    (void)tell(report, began);
    stores[0]->close(store); /* else the next one would fence us first */
    return true;
}

/* ---- ours: the whole pour ---- */

struct view {
    struct store *store;
    struct report *report;
    double began;
};

static bool view_open(void *context, const struct secret *passphrase, struct medium *out,
                      struct err *err)
{
    struct view *view = context;

    view->report->written = now() - view->began;
    out->io = stores[0]->io;
    return stores[0]->images->open(view->store, "bench", passphrase, false, &out->image, err);
}

static void view_close(void *context, struct medium *reader)
{
    (void)context;
    stores[0]->images->close(reader->image);
}

static bool run_pour(struct report *report, struct err *err)
{
    AUTO(drop_fd) int fd = open(source_path, O_RDONLY | O_CLOEXEC);
    AUTO(drop_secret) struct secret *vm_key = NULL;
    AUTO(drop_source) struct source source = {0};
    const struct header_plan plan = {DISK, "{\"protected\":\"bench\"}", 1};
    struct view view = {NULL, report, now()};
    struct image *image = NULL;
    struct pour_result result;

    if (!secret_random(32, &vm_key, err) || !source_file(fd, &source, err) ||
        !open_ours(&view.store, "bench", STORE_HEADER + image_size, &image, err) ||
        !stores[0]->io->lock(image, err)) {
        return false;
    }
    const struct pour wanted = {.source = &source,
                                .disk_size = image_size,
                                .plan = &plan,
                                .vm_key = vm_key,
                                .raw = {stores[0]->io, image},
                                .skip_zero = true,
                                .reader_open = view_open,
                                .reader_close = view_close,
                                .context = &view};

    bool poured = pour(&wanted, &result, err);

    stores[0]->images->close(image);
    stores[0]->close(view.store);
    return poured;
}

/* ---- the peers ---- */

static bool run_import(struct report *report, struct err *err)
{
    double began = now();

    return run_ok(&(struct run){.argv = RUN("rbd", "-c", conf_path, "--id", "quoin", "--keyring",
                                            key_path, "--no-progress", "import", source_path,
                                            "ds1/bench"),
                                .seconds = 600},
                  NULL, err) &&
           tell(report, began);
}

static bool create_plain(const char *size, struct err *err)
{
    return run_ok(&(struct run){.argv = RUN("rbd", "-c", conf_path, "--id", "quoin", "--keyring",
                                            key_path, "create", "--size", size, "ds1/bench")},
                  NULL, err);
}

static bool run_convert(struct report *report, struct err *err)
{
    AUTO(drop_free) char *size = text_make("%llu", (unsigned long long)(image_size / MIB));
    AUTO(drop_free)
    char *target = text_make("rbd:ds1/bench:id=quoin:keyring=%s:conf=%s", key_path, conf_path);
    double began = now();

    return create_plain(size, err) &&
           run_ok(&(struct run){.argv = RUN("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw",
                                            "-m", "16", "-W", source_path, target),
                                .seconds = 600},
                  NULL, err) &&
           tell(report, began);
}

/* Header included: what a person with the stock tools does. */
static bool run_stock_encryption(struct report *report, struct err *err)
{
    AUTO(drop_free) char *size = text_make("%llu", (unsigned long long)(image_size / MIB + 16));
    AUTO(drop_free) char *word = text_make("%s/word", cluster.root);
    AUTO(drop_free) char *secret = text_make("secret,id=s0,file=%s", word);
    AUTO(drop_free) char *conf = text_make("%s.bench", conf_path);
    AUTO(drop_free)
    char *target =
        text_make("driver=rbd,pool=ds1,image=bench,user=quoin,conf=%s,encrypt.format=luks2,"
                  "encrypt.key-secret=s0",
                  conf);
    double began = now();

    return create_plain(size, err) &&
           run_ok(&(struct run){.argv = RUN("rbd", "-c", conf_path, "--id", "quoin", "--keyring",
                                            key_path, "encryption", "format", "ds1/bench", "luks2",
                                            word),
                                .seconds = 600},
                  NULL, err) &&
           run_ok(&(struct run){.argv = RUN("qemu-img", "convert", "-n", "-f", "raw",
                                            "--target-image-opts", "-m", "16", "-W", "--object",
                                            secret, source_path, target),
                                .seconds = 600},
                  NULL, err) &&
           tell(report, began);
}

/* ---- what they made, compared when the clock has stopped ---- */

static bool compare_all(const struct medium *made, struct err *err)
{
    AUTO(drop_fd) int fd = open(source_path, O_RDONLY | O_CLOEXEC);
    AUTO(drop_free) unsigned char *wanted = text_room(1, STORE_OBJECT);
    AUTO(drop_free) unsigned char *bytes = text_room(1, STORE_OBJECT);

    for (uint64_t at = 0; at < image_size; at += STORE_OBJECT) {
        if (!file_pread(fd, wanted, STORE_OBJECT, (off_t)at, err) ||
            !medium_read(made, at, bytes, STORE_OBJECT, err)) {
            return false;
        }
        if (memcmp(wanted, bytes, STORE_OBJECT) != 0) {
            return err_set(err, ERR_SYSTEM, "it differs at %llu", (unsigned long long)at);
        }
    }
    return true;
}

static bool compare(const struct secret *passphrase, struct err *err)
{
    struct medium made = {.io = stores[0]->io};
    struct store *store = NULL;
    bool right = stores[0]->open(&cluster.conf, &store, err) &&
                 stores[0]->images->open(store, "bench", passphrase, false, &made.image, err) &&
                 compare_all(&made, err);

    stores[0]->images->close(made.image);
    stores[0]->close(store);
    return right;
}

static bool compare_plain(struct report *report, struct err *err)
{
    (void)report;
    return compare(NULL, err);
}

static bool stock_passphrase(struct secret **out, struct err *err)
{
    AUTO(drop_free) char *word = text_make("%s/word", cluster.root);

    return secret_read_file(word, 64, false, out, err);
}

static bool compare_stock(struct report *report, struct err *err)
{
    AUTO(drop_secret) struct secret *passphrase = NULL;

    (void)report;
    return stock_passphrase(&passphrase, err) && compare(passphrase, err);
}

static const struct contestant {
    const char *name;
    bool (*run)(struct report *report, struct err *err);
    bool (*compare)(struct report *report, struct err *err); /* NULL: did so as part of its work */
} contestants[] = {
    {"ours, raw, 16 writes under way", run_raw, compare_plain},
    {"ours, the whole pour", run_pour, NULL},
    {"rbd import", run_import, compare_plain},
    {"qemu-img convert, unencrypted", run_convert, compare_plain},
    {"rbd encryption format, qemu-img", run_stock_encryption, compare_stock},
};
enum { RAW, POUR, IMPORT, CONVERT, STOCK, CONTESTANTS };

/* ---- running and counting ---- */

static void must(bool done, const char *what, const struct err *err)
{
    if (!done) {
        fprintf(stderr, "bench: %s: %s\n", what, err->what);
        cluster_drop(&cluster);
        exit(1);
    }
}

/* In a process of its own: a fork of one that talked to Ceph would not do. */
static void measure(bool (*run)(struct report *report, struct err *err), const char *name,
                    struct report *shared)
{
    struct rusage usage;
    int status = 0;

    memset(shared, 0, sizeof(*shared));
    pid_t child = fork();

    if (child == 0) {
        double began = now();

        shared->ok = run(shared, &shared->err);
        shared->seconds = now() - began;
        _exit(0);
    }
    bool ended = wait4(child, &status, 0, &usage) == child;

    must(ended && shared->ok, name, &shared->err);
    shared->peak_kib = usage.ru_maxrss;
    shared->cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static bool run_remove(struct report *report, struct err *err)
{
    struct store *store = NULL;

    (void)report;
    bool removed = stores[0]->open(&cluster.conf, &store, err) &&
                   stores[0]->images->remove(store, "bench", NULL, err);

    stores[0]->close(store);
    return removed;
}

static void bench_data(struct report *shared)
{
    double seconds[CONTESTANTS][MAX_ROUNDS], written[CONTESTANTS][MAX_ROUNDS];
    double cpu[CONTESTANTS][MAX_ROUNDS], removed[MAX_ROUNDS * CONTESTANTS];
    long peak[CONTESTANTS] = {0};
    size_t removals = 0;

    /* The first pages of the disk's file are slow for whoever comes first. */
    measure(run_raw, "warm-up", shared);
    measure(run_remove, "remove", shared);
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < CONTESTANTS; i++) {
            measure(contestants[i].run, contestants[i].name, shared);
            seconds[i][round] = shared->seconds;
            written[i][round] = shared->written;
            cpu[i][round] = shared->cpu;
            peak[i] = shared->peak_kib > peak[i] ? shared->peak_kib : peak[i];
            if (contestants[i].compare) {
                measure(contestants[i].compare, contestants[i].name, shared);
            }
            measure(run_remove, "remove", shared);
            removed[removals++ % MAX_ROUNDS] = shared->seconds;
        }
    }
    printf("\n%llu MiB image, %u %% full, one disk under %s; medians of %u interleaved rounds\n",
           (unsigned long long)(image_size / MIB), filled, where, rounds);
    for (size_t i = 0; i < CONTESTANTS; i++) {
        printf("  %-34s %7.2f s, written after %6.2f s   CPU %6.2f s   peak %4ld MiB\n",
               contestants[i].name, median(seconds[i], rounds), median(written[i], rounds),
               median(cpu[i], rounds), peak[i] / 1024);
    }
    printf("  remove                             %7.2f s\n",
           median(removed, removals < MAX_ROUNDS ? removals : MAX_ROUNDS));
    printf("  rbd import / raw                   %7.2f\n",
           median_ratio(written[IMPORT], written[RAW], rounds));
    printf("  raw / pour, written                %7.2f (aim 0.9)\n",
           median_ratio(written[RAW], written[POUR], rounds));
    printf("  convert unencrypted / pour, written%7.2f (aim 0.9)\n",
           median_ratio(written[CONVERT], written[POUR], rounds));
    printf("  stock encryption / pour, written   %7.2f (aim 3)\n",
           median_ratio(written[STOCK], written[POUR], rounds));
    printf("  stock encryption / pour, read back %7.2f\n",
           median_ratio(written[STOCK], seconds[POUR], rounds));
}

/* ---- nothing but the header: sealing a disk, opening it ---- */

/* The image through its decryption, as a virtual machine opens it, and its first bytes. */
static bool open_sealed(struct store *store, const struct secret *passphrase, struct report *report,
                        struct err *err)
{
    unsigned char bytes[4096];
    struct medium made = {.io = stores[0]->io};
    double began = now();
    bool opened = stores[0]->images->open(store, "bench", passphrase, false, &made.image, err) &&
                  medium_read(&made, 0, bytes, sizeof(bytes), err);

    report->opened = now() - began;
    stores[0]->images->close(made.image);
    return opened;
}

static bool seal_ours(struct store *store, struct report *report, struct secret **passphrase,
                      struct err *err)
{
    const struct header_plan plan = {DISK, "{\"protected\":\"bench\"}", 1};
    AUTO(drop_secret) struct secret *vm_key = NULL, *dek = NULL;
    AUTO(drop_free) unsigned char *header = NULL;
    struct medium raw = {.io = stores[0]->io};
    double began = now();
    bool sealed = stores[0]->images->open(store, "bench", NULL, true, &raw.image, err) &&
                  secret_random(32, &vm_key, err) && header_dek_make(&dek, err) &&
                  header_make(&plan, vm_key, dek, &header, err) &&
                  medium_write(&raw, 0, header, HEADER_SIZE, err) &&
                  raw.io->flush(raw.image, err) &&
                  header_passphrase(vm_key, DISK, passphrase, err) && tell(report, began);

    stores[0]->images->close(raw.image);
    return sealed;
}

static bool run_seal(struct report *report, struct err *err)
{
    AUTO(drop_secret) struct secret *passphrase = NULL;
    struct store *store = NULL;
    bool done = stores[0]->open(&cluster.conf, &store, err) &&
                stores[0]->images->create(store, "bench", 64 * MIB, err) &&
                seal_ours(store, report, &passphrase, err) &&
                open_sealed(store, passphrase, report, err);

    stores[0]->close(store);
    return done;
}

static bool run_stock_seal(struct report *report, struct err *err)
{
    AUTO(drop_free) char *word = text_make("%s/word", cluster.root);
    AUTO(drop_secret) struct secret *passphrase = NULL;
    struct store *store = NULL;

    if (!create_plain("64", err)) {
        return false;
    }
    double began = now();
    bool done = run_ok(&(struct run){.argv = RUN("rbd", "-c", conf_path, "--id", "quoin",
                                                 "--keyring", key_path, "encryption", "format",
                                                 "ds1/bench", "luks2", word),
                                     .seconds = 600},
                       NULL, err) &&
                tell(report, began) && stock_passphrase(&passphrase, err) &&
                stores[0]->open(&cluster.conf, &store, err) &&
                open_sealed(store, passphrase, report, err);

    stores[0]->close(store);
    return done;
}

static void bench_seal(struct report *shared)
{
    bool (*const runs[2])(struct report *, struct err *) = {run_seal, run_stock_seal};
    static const char *const names[2] = {"ours", "rbd encryption format, its opening"};
    double sealed[2][MAX_ROUNDS], opened[2][MAX_ROUNDS], both[2][MAX_ROUNDS];

    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < COUNT_OF(runs); i++) {
            measure(runs[i], names[i], shared);
            sealed[i][round] = shared->written;
            opened[i][round] = shared->opened;
            both[i][round] = shared->written + shared->opened;
            measure(run_remove, "remove", shared);
        }
    }
    printf("\nsealing a disk and opening it; medians of %u interleaved rounds\n", rounds);
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        printf("  %-34s seal %7.3f s   open %7.3f s\n", names[i], median(sealed[i], rounds),
               median(opened[i], rounds));
    }
    printf("  stock / ours                       seal %7.1f x   open %7.1f x   both %7.1f x "
           "(aim 50)\n",
           median_ratio(sealed[1], sealed[0], rounds), median_ratio(opened[1], opened[0], rounds),
           median_ratio(both[1], both[0], rounds));
    (void)fflush(stdout);
}

/* ---- peak memory ---- */

/* Random bytes in so many of a hundred objects. */
static void make_source(void)
{
    AUTO(drop_fd) int fd = open(source_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    AUTO(drop_free) unsigned char *bytes = text_room(1, STORE_OBJECT);
    struct err err = {0};

    must(fd >= 0 && ftruncate(fd, (off_t)image_size) == 0, source_path, &err);
    for (uint64_t at = 0, i = 0; at < image_size; at += STORE_OBJECT, i++) {
        if (i * 61 % 100 < filled) {
            must(RAND_bytes(bytes, (int)STORE_OBJECT) == 1 &&
                     file_pwrite(fd, bytes, STORE_OBJECT, (off_t)at, &err),
                 source_path, &err);
        }
    }
}

static void bench_memory(struct report *shared)
{
    uint64_t large = image_size;

    /* What any process has that uses these libraries for as much as one block. */
    measure(run_seal, "libraries", shared);
    long libraries = shared->peak_kib / 1024;
    measure(run_remove, "remove", shared);
    printf("\npeak memory of a pour; the libraries alone (a header made, written, opened) have %ld "
           "MiB\n",
           libraries);
    for (int i = 0; i < 2; i++) {
        image_size = i ? large : 64 * MIB;
        make_source();
        measure(run_pour, "pour", shared);
        printf("  image of %5llu MiB                  %4ld MiB, beyond the libraries %4ld MiB "
               "(aim 64)\n",
               (unsigned long long)(image_size / MIB), shared->peak_kib / 1024,
               shared->peak_kib / 1024 - libraries);
        measure(run_remove, "remove", shared);
    }
    (void)fflush(stdout);
}

/* ---- from nothing to the first image ---- */

static bool run_first_image(struct report *report, struct err *err)
{
    struct store *store = NULL;
    double began = now();

    bool made = cluster_make(&cluster, NULL, err) && stores[0]->open(&cluster.conf, &store, err) &&
                stores[0]->images->create(store, "first", 1 << 30, err) && tell(report, began);

    stores[0]->close(store);
    return made;
}

static bool run_plain_commands(struct report *report, struct err *err)
{
    double began = now();

    return run_ok(&(struct run){.argv = RUN(plain_script, cluster.root, cluster.loops[0],
                                            cluster.address),
                                .seconds = 300},
                  NULL, err) &&
           tell(report, began);
}

static void drop_plain(void)
{
    AUTO(drop_free) char *pids = text_make("%s/run", cluster.root);

    direct_kill_pids(pids);
    cluster_drop(&cluster);
}

static void bench_start(struct report *shared)
{
    double ours[MAX_ROUNDS], plain[MAX_ROUNDS];

    for (unsigned round = 0; round < rounds; round++) {
        cluster_prepare(&cluster, where, 1);
        measure(run_first_image, "first image", shared);
        ours[round] = shared->written;
        cluster_drop(&cluster);
        cluster_prepare(&cluster, where, 1);
        measure(run_plain_commands, "plain commands", shared);
        plain[round] = shared->written;
        drop_plain();
    }
    printf("from nothing to the first image, one disk; medians of %u interleaved rounds\n", rounds);
    printf("  ours                               %7.2f s\n", median(ours, rounds));
    printf("  plain commands                     %7.2f s\n", median(plain, rounds));
    printf("  plain / ours                       %7.2f x\n", median_ratio(plain, ours, rounds));
    (void)fflush(stdout);
}

/* The stock tools take the keyring's place from the settings. */
static void write_stock_files(void)
{
    AUTO(drop_free) char *word = text_make("%s/word", cluster.root);
    AUTO(drop_free) char *conf = text_make("%s.bench", conf_path);
    AUTO(drop_free) char *text = NULL, *whole = NULL;
    struct err err = {0};

    must(file_read(conf_path, 65536, &text, NULL, &err), "settings", &err);
    whole = text_make("%skeyring = %s\n", text, key_path);
    must(file_write(conf, whole, strlen(whole), 0644, &err) &&
             file_write(word, "0123456789abcdef0123456789abcdef", 32, 0600, &err),
         "settings", &err);
}

static void options(int argc, char **argv)
{
    int option = 0;

    while ((option = getopt(argc, argv, "s:r:f:d:p:o:")) != -1) {
        switch (option) {
        case 's':
            image_size = strtoull(optarg, NULL, 10) * MIB / STORE_OBJECT * STORE_OBJECT;
            break;
        case 'r':
            rounds = (unsigned)atoi(optarg);
            break;
        case 'f':
            filled = (unsigned)atoi(optarg);
            break;
        case 'd':
            where = optarg;
            break;
        case 'o':
            parts = optarg;
            break;
        case 'p':
            plain_script = optarg;
            break;
        default:
            exit(2);
        }
    }
    if (rounds < 1 || rounds > MAX_ROUNDS || image_size == 0 || geteuid() != 0) {
        fprintf(stderr, "usage (root): bench_ceph [-s MiB] [-f PERCENT] [-r ROUNDS] [-d FOLDER] "
                        "[-o start,seal,memory,data] [-p tests/bench/plain-ceph]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct report *shared = NULL;

    options(argc, argv);
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* as quoind does */
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return 1;
    }
    if (strstr(parts, "start")) {
        bench_start(shared);
    }
    cluster_prepare(&cluster, where, 1);
    measure(run_first_image, "first image", shared);
    source_path = text_make("%s/source", cluster.root);
    conf_path = text_make("%s/etc/ceph/ceph.conf", cluster.root);
    key_path = text_make("%s/etc/ceph/ceph.client.quoin.keyring", cluster.root);
    write_stock_files();
    if (strstr(parts, "seal")) {
        bench_seal(shared);
    }
    if (strstr(parts, "memory")) {
        bench_memory(shared);
    }
    if (strstr(parts, "data")) {
        make_source();
        bench_data(shared);
    }
    cluster_drop(&cluster);
    return 0;
}
