/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret_open.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct secret {
    size_t size;   /* bytes in use */
    size_t mapped; /* whole pages, this struct included */
    unsigned char bytes[];
};

static size_t pages_for(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (sizeof(struct secret) + size + page - 1) / page * page;
}

static bool map_refused(void *map, size_t mapped, int number, struct err *err)
{
    if (map != MAP_FAILED) {
        munmap(map, mapped);
    }
    err_errno(err, number, "lock %zu bytes of memory for a secret", mapped);
    err->kind = ERR_SYSTEM;
    return err_mend(err, "raise the limit of locked memory (LimitMEMLOCK, ulimit -l)");
}

bool secret_new(size_t size, struct secret **out, struct err *err)
{
    if (size == 0 || size > SECRET_MAX) {
        return err_set(err, ERR_INPUT, "a secret of %zu bytes is not between 1 and %u", size,
                       SECRET_MAX);
    }
    size_t mapped = pages_for(size);
    struct secret *secret =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    /* mlock2 without flags is mlock, which the sanitizers turn into nothing. */
    if (secret == MAP_FAILED || mlock2(secret, mapped, 0) != 0 ||
        madvise(secret, mapped, MADV_DONTDUMP) != 0 ||
        madvise(secret, mapped, MADV_WIPEONFORK) != 0) {
        return map_refused(secret, mapped, errno, err);
    }
    secret->size = size;
    secret->mapped = mapped;
    *out = secret;
    return true;
}

bool secret_random(size_t size, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;

    if (!secret_new(size, &secret, err)) {
        return false;
    }
    if (RAND_priv_bytes(secret->bytes, (int)size) != 1) {
        return err_set(err, ERR_SYSTEM, "no random bytes to be had");
    }
    *out = TAKE(secret);
    return true;
}

bool secret_copy(const struct secret *from, struct secret **out, struct err *err)
{
    if (!secret_new(from->size, out, err)) {
        return false;
    }
    memcpy((*out)->bytes, from->bytes, from->size);
    return true;
}

static bool read_all(int fd, struct secret *into, size_t *out_size, struct err *err)
{
    size_t size = 0;

    while (size < into->size) {
        ssize_t n = read(fd, into->bytes + size, into->size - size);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(err, errno, "read a secret");
        }
        if (n == 0) {
            break;
        }
        size += (size_t)n;
    }
    *out_size = size;
    return true;
}

/* Also gives back the pages that are not needed, so that small secrets stay one page each. */
static bool shrink(struct secret *from, size_t size, struct secret **out, struct err *err)
{
    if (!secret_new(size, out, err)) {
        return false;
    }
    memcpy((*out)->bytes, from->bytes, size);
    return true;
}

bool secret_read(int fd, size_t max, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *buffer = NULL;
    size_t size = 0;

    /* One byte more than allowed, to tell "just fits" from "too long". */
    if (!secret_new(max < SECRET_MAX ? max + 1 : SECRET_MAX, &buffer, err) ||
        !read_all(fd, buffer, &size, err)) {
        return false;
    }
    if (size > max || size == SECRET_MAX) {
        return err_set(err, ERR_INPUT, "a secret is longer than %zu bytes", max);
    }
    if (size == 0) {
        return err_set(err, ERR_INPUT, "a secret is empty");
    }
    return shrink(buffer, size, out, err);
}

/* Its owner, root or we: for root, who runs on a user's behalf (sudo), that is any owner. */
static bool others_may_read(const struct stat *st)
{
    bool ours = geteuid() == 0 || st->st_uid == geteuid() || st->st_uid == 0;

    return !ours || (st->st_mode & 077) != 0;
}

static bool file_is_closed(const char *path, int fd, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return err_errno(err, errno, "look at '%s'", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(err, ERR_INPUT, "'%s' is not a regular file", path);
    }
    if (others_may_read(&st)) {
        err_set(err, ERR_DENIED, "'%s' holds a secret, but others may read it", path);
        return err_mend(err, "chmod 600 %s", path);
    }
    return true;
}

bool secret_read_file(const char *path, size_t max, bool line, struct secret **out, struct err *err)
{
    AUTO(drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    AUTO(drop_secret) struct secret *secret = NULL;

    if (fd < 0) {
        return err_errno(err, errno, "open '%s'", path);
    }
    if (!file_is_closed(path, fd, err)) {
        return false;
    }
    if (!secret_read(fd, max, &secret, err)) {
        return err_add(err, "'%s'", path);
    }
    if (line && secret->bytes[secret->size - 1] == '\n') {
        if (secret->size == 1) {
            return err_set(err, ERR_INPUT, "'%s' is empty", path);
        }
        secret_cut(secret, secret->size - 1);
    }
    *out = TAKE(secret);
    return true;
}

bool secret_to_hex(const struct secret *from, struct secret **out, struct err *err)
{
    static const char digits[] = "0123456789abcdef";

    if (!secret_new(from->size * 2, out, err)) {
        return false;
    }
    for (size_t i = 0; i < from->size; i++) {
        (*out)->bytes[2 * i] = (unsigned char)digits[from->bytes[i] >> 4];
        (*out)->bytes[2 * i + 1] = (unsigned char)digits[from->bytes[i] & 15];
    }
    return true;
}

static int digit_of(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool secret_from_hex(const struct secret *from, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;

    if (from->size % 2 != 0) {
        return err_set(err, ERR_INPUT, "an odd number of hexadecimal digits");
    }
    if (!secret_new(from->size / 2, &secret, err)) {
        return false;
    }
    for (size_t i = 0; i < secret->size; i++) {
        int high = digit_of(from->bytes[2 * i]);
        int low = digit_of(from->bytes[2 * i + 1]);

        if (high < 0 || low < 0) {
            return err_set(err, ERR_INPUT, "not hexadecimal at digit %zu", 2 * i);
        }
        secret->bytes[i] = (unsigned char)(high << 4 | low);
    }
    *out = TAKE(secret);
    return true;
}

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool secret_to_base64url(const struct secret *from, struct secret **out, struct err *err)
{
    struct secret *secret = NULL;
    unsigned bits = 0, have = 0;
    size_t n = 0;

    if (!secret_new((from->size * 8 + 5) / 6, &secret, err)) {
        return false;
    }
    for (size_t i = 0; i < from->size; i++) {
        bits = (bits << 8 | from->bytes[i]) & 0xffff;
        for (have += 8; have >= 6;) {
            have -= 6;
            secret->bytes[n++] = (unsigned char)base64_digits[bits >> have & 63];
        }
    }
    if (have > 0) {
        secret->bytes[n] = (unsigned char)base64_digits[bits << (6 - have) & 63];
    }
    *out = secret;
    return true;
}

bool secret_from_base64url(const struct secret *from, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *secret = NULL;
    unsigned bits = 0, have = 0;
    size_t n = 0;

    if (from->size % 4 == 1 || from->size < 2) {
        return err_set(err, ERR_INPUT, "not base64url: %zu digits", from->size);
    }
    if (!secret_new(from->size * 6 / 8, &secret, err)) {
        return false;
    }
    for (size_t i = 0; i < from->size; i++) {
        const char *digit = memchr(base64_digits, from->bytes[i], sizeof(base64_digits) - 1);

        if (!digit) {
            return err_set(err, ERR_INPUT, "not base64url at digit %zu", i);
        }
        bits = (bits << 6 | (unsigned)(digit - base64_digits)) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            secret->bytes[n++] = (unsigned char)(bits >> have);
        }
    }
    if ((bits & ((1u << have) - 1)) != 0) {
        return err_set(err, ERR_INPUT, "not base64url: stray bits at its end");
    }
    *out = TAKE(secret);
    return true;
}

bool secret_write(const struct secret *secret, int fd, struct err *err)
{
    size_t done = 0;

    while (done < secret->size) {
        ssize_t n = write(fd, secret->bytes + done, secret->size - done);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(err, errno, "write a secret");
        }
        done += (size_t)n;
    }
    return true;
}

size_t secret_size(const struct secret *secret)
{
    return secret->size;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
    return a->size == b->size && CRYPTO_memcmp(a->bytes, b->bytes, a->size) == 0;
}

void secret_free(struct secret *secret)
{
    if (secret) {
        size_t mapped = secret->mapped;

        OPENSSL_cleanse(secret, mapped);
        munlock(secret, mapped);
        munmap(secret, mapped);
    }
}

unsigned char *secret_bytes(struct secret *secret)
{
    return secret->bytes;
}

const unsigned char *secret_look(const struct secret *secret)
{
    return secret->bytes;
}

void secret_cut(struct secret *secret, size_t size)
{
    if (size < secret->size) {
        OPENSSL_cleanse(secret->bytes + size, secret->size - size);
        secret->size = size;
    }
}

bool secret_guard_process(struct err *err)
{
    const struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return err_errno(err, errno, "switch core dumps off");
    }
    return true;
}
