/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/image.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE           (1u << 20)
#define CONVERT_SECONDS 1800u

static const char qcow2_magic[4] = {'Q', 'F', 'I', (char)0xfb};

static bool hash_all(int fd, EVP_MD_CTX *hash, struct err *err)
{
    AUTO(drop_free) char *piece = text_room(PIECE, 1);
    off_t at = 0;

    for (;;) {
        ssize_t n = pread(fd, piece, PIECE, at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_errno(err, errno, "read the image");
        }
        if (n == 0) {
            return true;
        }
        if (EVP_DigestUpdate(hash, piece, (size_t)n) != 1) {
            return err_set(err, ERR_SYSTEM, "SHA-256 failed");
        }
        at += n;
    }
}

static bool check_digest(int fd, const char *path, const char *sha256, struct err *err)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    bool hashed = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                  hash_all(fd, hash, err) && EVP_DigestFinal_ex(hash, digest, &length) == 1;

    EVP_MD_CTX_free(hash);
    if (!hashed) {
        return err->kind != ERR_NONE ? false : err_set(err, ERR_SYSTEM, "SHA-256 failed");
    }
    AUTO(drop_free) char *hex = encode_hex(digest, length);

    if (strcmp(hex, sha256) != 0) {
        err_set(err, ERR_CLASH, "image '%s' has the SHA-256 %s, not %s", path, hex, sha256);
        return err_mend(err,
                        "fetch the image again, or put its real image_sha256 in the blueprint");
    }
    return true;
}

static bool leans_on_nothing(const char *path, struct err *err)
{
    const struct run info = {.argv = RUN("qemu-img", "info", "--output=json", "-f", "qcow2", path)};
    AUTO(drop_free) char *said = NULL;
    AUTO(drop_json) json_t *object = NULL;

    if (!run_ok(&info, &said, err) || !json_read(said, strlen(said), &object, err)) {
        return err_mend(err, "install qemu-utils, or give a raw image");
    }
    const json_t *specific = json_object_get(json_object_get(object, "format-specific"), "data");

    if (json_object_get(object, "backing-filename") || json_object_get(specific, "data-file")) {
        err_set(err, ERR_INPUT, "image '%s' leans on another file", path);
        return err_mend(err, "flatten it: qemu-img convert -O qcow2");
    }
    return true;
}

/* Into a file without a name: it is gone with us, however we end. qemu-img reaches it by ours. */
static bool unpack(const char *path, int *out_fd, struct err *err)
{
    const char *folder = getenv("TMPDIR");
    AUTO(drop_free)
    char *name =
        text_make("%s/quoin-image-XXXXXX", folder && folder[0] == '/' ? folder : "/var/tmp");
    AUTO(drop_fd) int fd = mkostemp(name, O_CLOEXEC);

    if (fd < 0 || unlink(name) != 0) {
        return err_errno(err, errno, "make a temporary file");
    }
    AUTO(drop_free) char *raw = text_make("/proc/%d/fd/%d", (int)getpid(), fd);
    const struct run convert = {
        .argv = RUN("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw),
        .seconds = CONVERT_SECONDS};

    if (!leans_on_nothing(path, err) || !run_ok(&convert, NULL, err)) {
        return err_add(err, "unpack image '%s'", path);
    }
    *out_fd = TAKE_FD(fd);
    return true;
}

static bool is_qcow2(int fd)
{
    char head[sizeof(qcow2_magic)];

    return pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
           memcmp(head, qcow2_magic, sizeof(head)) == 0;
}

static bool measure(int fd, uint64_t *out, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return err_errno(err, errno, "look at the image");
    }
    *out = (uint64_t)st.st_size;
    return true;
}

bool manager_image_open(const char *path, const char *sha256, bool check, struct manager_image *out,
                        struct err *err)
{
    AUTO(drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(drop_fd) int raw = -1;
    uint64_t bytes = 0;

    if (fd < 0) {
        return err_errno(err, errno, "open image '%s'", path);
    }
    bool packed = is_qcow2(fd);

    /* Nothing parses an image that is not the one that was meant. */
    if (((packed || check) && !check_digest(fd, path, sha256, err)) ||
        (packed && !unpack(path, &raw, err)) || !measure(packed ? raw : fd, &bytes, err)) {
        return false;
    }
    *out = (struct manager_image){.fd = packed ? TAKE_FD(raw) : TAKE_FD(fd),
                                  .sha256 = packed ? NULL : sha256,
                                  .bytes = bytes};
    return true;
}

void manager_image_close(struct manager_image *image)
{
    drop_fd(&image->fd);
    image->fd = -1;
}
