/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pour side by side with its peers, interleaved, in one run; see README beside this file.
 * Each measured run is a process of its own, so that its peak memory is its own.
 */
#include <fcntl.h>
#include <getopt.h>
#include <libcryptsetup.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"

#include "base/base.h"
#include "base/secret_open.h"
#include "seal/seal.h"

#define DISK "3f0e7a52-91cf-4c36-9c0a-7d0a3c1f2b44"
#define MIB  ((uint64_t)1 << 20)

static uint64_t image_size = 2048 * MIB;
static unsigned rounds = 5;
static char *source_path, *target_path;

/* What one run tells: shared with the process that made it. */
struct report {
    double seconds;   /* all of it */
    double written;   /* until the payload was on stable storage; 0: not told */
    double restarted; /* when the run that counts began; 0: at once */
    double cpu;       /* seconds of all threads */
    long peak_kib;
    bool ok;
    struct err err;
};

/* ---- ours ---- */

struct view {
    struct medium raw;
    struct report *report;
    double began;
};

/* As librbd does it: the data key out of the header in the image, by the passphrase. */
static bool view_open(void *context, const struct secret *passphrase, struct medium *out,
                      struct err *err)
{
    struct view *view = context;
    AUTO(drop_secret) struct secret *key = NULL;
    struct crypt_device *device = NULL;
    size_t size = HEADER_DEK_SIZE;

    view->report->written = now() - view->began;
    if (!secret_new(size, &key, err)) {
        return false;
    }
    bool ok =
        crypt_init(&device, target_path) == 0 && crypt_load(device, CRYPT_LUKS2, NULL) == 0 &&
        crypt_volume_key_get(device, 0, (char *)secret_bytes(key), &size,
                             (const char *)secret_look(passphrase), secret_size(passphrase)) >= 0;

    crypt_free(device);
    out->io = &file_image_io;
    return (ok || err_set(err, ERR_SYSTEM, "the header does not open")) &&
           file_image_decrypted(&view->raw, key, &out->image, err);
}

static void view_close(void *context, struct medium *reader)
{
    (void)context;
    file_image_close(reader->image);
}

static bool run_pour(struct report *report, struct err *err)
{
    AUTO(drop_fd) int fd = open(source_path, O_RDONLY | O_CLOEXEC);
    AUTO(drop_file_image) struct image *image = NULL;
    AUTO(drop_secret) struct secret *vm_key = NULL;
    AUTO(drop_source) struct source source = {0};
    const struct header_plan plan = {DISK, "{\"protected\":\"bench\"}", 1};
    struct pour_result result;

    if (!secret_random(32, &vm_key, err) || !source_file(fd, &source, err) ||
        !file_image_open(target_path, HEADER_SIZE + image_size, &image, err)) {
        return false;
    }
    struct view view = {{&file_image_io, image}, report, now()};
    const struct pour wanted = {.source = &source,
                                .disk_size = image_size,
                                .plan = &plan,
                                .vm_key = vm_key,
                                .raw = view.raw,
                                .skip_zero = true,
                                .reader_open = view_open,
                                .reader_close = view_close,
                                .context = &view};

    return pour(&wanted, &result, err);
}

/* ---- the limit: a copy by two threads that does nothing else ---- */

struct copy {
    int from, to;
    atomic_uint_fast64_t next;
    atomic_bool failed;
};

static void *copy_some(void *context)
{
    struct copy *copy = context;
    AUTO(drop_free) unsigned char *chunk = text_room(1, CHUNK_SIZE);
    uint64_t offset;
    struct err err = {0};

    while ((offset = atomic_fetch_add(&copy->next, CHUNK_SIZE)) < image_size) {
        size_t length = image_size - offset < CHUNK_SIZE ? image_size - offset : CHUNK_SIZE;

        if (!file_pread(copy->from, chunk, length, (off_t)offset, &err) ||
            !file_pwrite(copy->to, chunk, length, (off_t)(HEADER_SIZE + offset), &err)) {
            atomic_store(&copy->failed, true);
        }
    }
    return NULL;
}

static bool run_copy(struct report *report, struct err *err)
{
    AUTO(drop_fd) int from = open(source_path, O_RDONLY | O_CLOEXEC);
    AUTO(drop_fd) int to = open(target_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct copy copy = {.from = from, .to = to};
    pthread_t threads[2];

    (void)report;
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        if (pthread_create(&threads[i], NULL, copy_some, &copy) != 0) {
            return err_set(err, ERR_SYSTEM, "no thread to be had");
        }
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    return (!atomic_load(&copy.failed) && fdatasync(to) == 0) ||
           err_set(err, ERR_SYSTEM, "the copy failed");
}

/* ---- the peer ---- */

/* User's view: the header too. O_DIRECT where the file system has it. */
static bool run_qemu(struct report *report, struct err *err)
{
    const struct run run = {
        .argv = RUN("qemu-img", "convert", "-f", "raw", "-m", "16", "-W", "-t", "none", "-T",
                    "none", "--object", "secret,id=s0,data=0123456789abcdef0123456789abcdef", "-O",
                    "luks", "-o", "key-secret=s0,iter-time=10", source_path, target_path),
        .seconds = 300};

    for (int tries = 0; tries < 10; tries++) {
        if (run_ok(&run, NULL, err)) {
            return true;
        }
        /* Its measuring of the PBKDF fails now and then: start again, and so does the clock. */
        if (!strstr(err->what, "accurate CPU usage")) {
            return false;
        }
        report->restarted = now();
        (void)unlink(target_path);
    }
    return false;
}

/* ---- what they made, compared when the clock has stopped ---- */

/* The pour compared already, as a part of its work: not to have failed is to be right. */
static bool compare_nothing(struct err *err)
{
    (void)err;
    return true;
}

static bool compare_copy(struct err *err)
{
    AUTO(drop_fd) int from = open(source_path, O_RDONLY | O_CLOEXEC);
    AUTO(drop_fd) int to = open(target_path, O_RDONLY | O_CLOEXEC);
    AUTO(drop_free) unsigned char *wanted = text_room(1, CHUNK_SIZE);
    AUTO(drop_free) unsigned char *made = text_room(1, CHUNK_SIZE);

    for (uint64_t at = 0; at < image_size; at += CHUNK_SIZE) {
        if (!file_pread(from, wanted, CHUNK_SIZE, (off_t)at, err) ||
            !file_pread(to, made, CHUNK_SIZE, (off_t)(HEADER_SIZE + at), err)) {
            return false;
        }
        if (memcmp(wanted, made, CHUNK_SIZE) != 0) {
            return err_set(err, ERR_SYSTEM, "the copy differs at %llu", (unsigned long long)at);
        }
    }
    return true;
}

static bool compare_qemu(struct err *err)
{
    AUTO(drop_free) char *wanted = text_make("driver=raw,file.filename=%s", source_path);
    AUTO(drop_free)
    char *made = text_make("driver=luks,key-secret=s0,file.filename=%s", target_path);

    return run_ok(&(struct run){.argv = RUN("qemu-img", "compare", "--object",
                                            "secret,id=s0,data=0123456789abcdef0123456789abcdef",
                                            "--image-opts", wanted, made),
                                .seconds = 300},
                  NULL, err);
}

/* ---- running and counting ---- */

static const struct contestant {
    const char *name;
    bool (*run)(struct report *report, struct err *err);
    bool (*compare)(struct err *err);
} contestants[] = {
    {"pour", run_pour, compare_nothing},
    {"plain copy, two threads", run_copy, compare_copy},
    {"qemu-img convert to LUKS", run_qemu, compare_qemu},
};

/* Every run finds the same: as many pages as it needs, just given back. On a virtual machine the
 * first use of a page costs many times the second. */
static void warm(struct report *shared)
{
    struct err err = {0};

    if (!run_copy(shared, &err)) {
        fprintf(stderr, "bench: %s\n", err.what);
        exit(1);
    }
    (void)unlink(target_path);
}

static void measure(const struct contestant *who, struct report *shared)
{
    struct rusage usage;
    int status = 0;

    warm(shared);
    memset(shared, 0, sizeof(*shared));
    pid_t child = fork();

    if (child == 0) {
        double began = now();

        shared->ok = who->run(shared, &shared->err);
        shared->seconds = now() - (shared->restarted > 0 ? shared->restarted : began);
        _exit(0);
    }
    if (wait4(child, &status, 0, &usage) != child || !shared->ok) {
        fprintf(stderr, "bench: %s: %s\n", who->name, shared->err.what);
        exit(1);
    }
    if (!who->compare(&shared->err)) {
        fprintf(stderr, "bench: %s: %s\n", who->name, shared->err.what);
        exit(1);
    }
    shared->peak_kib = usage.ru_maxrss;
    shared->cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void bench_data(const char *what, struct report *shared)
{
    double seconds[COUNT_OF(contestants)][MAX_ROUNDS], cpu[COUNT_OF(contestants)][MAX_ROUNDS];
    double written[MAX_ROUNDS];
    long peak[COUNT_OF(contestants)] = {0};

    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < COUNT_OF(contestants); i++) {
            measure(&contestants[i], shared);
            seconds[i][round] = shared->seconds;
            cpu[i][round] = shared->cpu;
            peak[i] = shared->peak_kib > peak[i] ? shared->peak_kib : peak[i];
            if (i == 0) {
                written[round] = shared->written;
            }
        }
    }
    printf("\n%llu MiB image, %s, to a file in memory; medians of %u interleaved rounds\n",
           (unsigned long long)(image_size / MIB), what, rounds);
    for (size_t i = 0; i < COUNT_OF(contestants); i++) {
        printf("  %-34s %8.3f s   CPU %7.3f s   peak %4ld MiB\n", contestants[i].name,
               median(seconds[i], rounds), median(cpu[i], rounds), peak[i] / 1024);
    }
    printf("  %-34s %8.3f s\n", "pour, until all is written", median(written, rounds));
    printf("  qemu-img / pour, written            %7.2f x (aim 10)\n",
           median_ratio(seconds[2], written, rounds));
    printf("  qemu-img / pour, read back as well  %7.2f x\n",
           median_ratio(seconds[2], seconds[0], rounds));
    printf("  plain copy / pour, written          %7.2f (aim 0.5)\n",
           median_ratio(seconds[1], written, rounds));
    (void)fflush(stdout);
}

/* Nothing but the header: what a process needs that pours nothing. */
static bool run_header(struct report *report, struct err *err)
{
    const struct header_plan plan = {DISK, "{\"protected\":\"bench\"}", 1};
    const struct header_want want = {DISK, 1};
    AUTO(drop_secret) struct secret *vm_key = NULL, *dek = NULL;
    AUTO(drop_free) unsigned char *header = NULL;

    if (!secret_random(32, &vm_key, err) || !header_dek_make(&dek, err)) {
        return false;
    }
    double began = now();

    if (!header_make(&plan, vm_key, dek, &header, err)) {
        return false;
    }
    report->written = now() - began;
    return header_open(header, HEADER_SIZE, &want, vm_key, NULL, err);
}

static void bench_header(struct report *shared)
{
    const struct contestant ours = {"header", run_header, compare_nothing};
    double make[MAX_ROUNDS], open_[MAX_ROUNDS], peer[MAX_ROUNDS];
    long peak = 0;
    struct err err = {0};

    for (unsigned i = 0; i < rounds; i++) {
        measure(&ours, shared);
        make[i] = shared->written;
        open_[i] = shared->seconds - shared->written;
        peak = shared->peak_kib > peak ? shared->peak_kib : peak;
        double began = now();
        const struct run format = {.argv = RUN("cryptsetup", "luksFormat", "--batch-mode", "--type",
                                               "luks2", "--key-file", "-", target_path),
                                   .input = "0123456789abcdef",
                                   .input_length = 16,
                                   .seconds = 300};

        if (!file_write(target_path, "", 0, 0600, &err) ||
            truncate(target_path, 64 * (off_t)MIB) != 0 || !run_ok(&format, NULL, &err)) {
            fprintf(stderr, "bench: cryptsetup: %s\n", err.what);
            exit(1);
        }
        peer[i] = now() - began;
    }
    printf("\nheader of one disk; medians of %u interleaved rounds\n", rounds);
    printf("  %-34s %8.1f ms\n", "seal", 1000 * median(make, rounds));
    printf("  %-34s %8.1f ms   peak %4ld MiB\n", "open", 1000 * median(open_, rounds), peak / 1024);
    printf("  %-34s %8.1f ms\n", "cryptsetup luksFormat, defaults", 1000 * median(peer, rounds));
    printf("  luksFormat / seal                   %7.1f x\n", median_ratio(peer, make, rounds));
}

/* `percent` of the chunks have random bytes, the others are holes. */
static void make_source(unsigned percent)
{
    AUTO(drop_fd) int fd = open(source_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    AUTO(drop_free) unsigned char *chunk = text_room(1, CHUNK_SIZE);
    struct err err = {0};

    if (fd < 0 || ftruncate(fd, (off_t)image_size) != 0) {
        perror("bench: source");
        exit(1);
    }
    for (uint64_t at = 0, index = 0; at < image_size; at += CHUNK_SIZE, index++) {
        if (index * percent / 100 == (index + 1) * percent / 100) {
            continue;
        }
        RAND_bytes(chunk, CHUNK_SIZE);
        if (!file_pwrite(fd, chunk, CHUNK_SIZE, (off_t)at, &err)) {
            fprintf(stderr, "bench: %s\n", err.what);
            exit(1);
        }
    }
}

/* Memory in huge pages, seen by this process and its children alone and gone with them; where that
 * is not to be had, /dev/shm. The pages' allocation would be most of the time otherwise. */
static const char *folder_make(void)
{
    static char folder[] = "/tmp/quoin-bench-XXXXXX";

    if (!mkdtemp(folder) || unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "huge=always,mode=0700") != 0) {
        (void)rmdir(folder);
        return "/dev/shm";
    }
    return folder;
}

static void engines_show(void)
{
    const struct xts_engine *best = NULL;
    struct err err = {0};

    if (xts_engine_best(&best, &err)) {
        printf("AES-256-XTS by %s, %u CPUs\n", best->name, (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    }
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    int option;

    while ((option = getopt(argc, argv, "s:r:d:")) != -1) {
        switch (option) {
        case 's':
            image_size = strtoull(optarg, NULL, 10) * MIB / CHUNK_SIZE * CHUNK_SIZE;
            break;
        case 'r':
            rounds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'd':
            folder = optarg;
            break;
        default:
            fprintf(stderr, "usage: bench_pour [-s MiB] [-r ROUNDS] [-d FOLDER]\n");
            return 2;
        }
    }
    if (image_size == 0 || rounds == 0 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "bench: a size of 4 MiB or more, 1 to %u rounds\n", MAX_ROUNDS);
        return 2;
    }
    struct report *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    folder = folder ? folder : folder_make();
    source_path = text_make("%s/quoin-bench-%d.source", folder, (int)getpid());
    target_path = text_make("%s/quoin-bench-%d.target", folder, (int)getpid());
    engines_show();
    make_source(100);
    bench_header(shared);
    bench_data("full", shared);
    make_source(10);
    bench_data("a tenth full", shared);
    (void)unlink(source_path);
    (void)unlink(target_path);
    return 0;
}
