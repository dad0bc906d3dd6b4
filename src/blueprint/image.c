/* SPDX-License-Identifier: Apache-2.0 */
#include "blueprint/image.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/file.h"

/* The head of a qcow2 file, big endian (QEMU's docs/interop/qcow2.txt), versions 2 and 3. */
struct qcow2_head {
    char magic[4]; /* "QFI\xfb" */
    uint32_t version;
    uint64_t backing_offset;
    uint32_t backing_size;
    uint32_t cluster_bits;
    uint64_t size;
    uint32_t crypt_method;
};

/* Larger than any disk we make; so sums of it cannot overflow. */
#define IMAGE_MAX_BYTES (1ull << 50)

static bool look_qcow2(const char *path, const struct qcow2_head *head, uint64_t *out_bytes,
                       struct err *err)
{
    uint32_t version = be32toh(head->version);

    if (version != 2 && version != 3) {
        return err_set(err, ERR_INPUT, "'%s' is qcow2 of the unknown version %u", path, version);
    }
    if (head->backing_offset != 0 || head->crypt_method != 0) {
        err_set(err, ERR_INPUT, "'%s' %s", path,
                head->crypt_method ? "is encrypted already" : "leans on another image");
        return err_mend(err, "make a whole one: qemu-img convert -O qcow2");
    }
    if (be64toh(head->size) > IMAGE_MAX_BYTES) {
        return err_set(err, ERR_INPUT, "'%s' claims to hold more than 1 PiB", path);
    }
    *out_bytes = be64toh(head->size);
    return true;
}

bool image_look(const char *path, enum image_format *out_format, uint64_t *out_bytes,
                struct err *err)
{
    AUTO(drop_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct qcow2_head head = {0};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        return err_errno(err, errno, "open '%s'", path);
    }
    if (!S_ISREG(st.st_mode) || st.st_size == 0) {
        return err_set(err, ERR_INPUT, "'%s' is %s", path,
                       S_ISREG(st.st_mode) ? "empty" : "no plain file");
    }
    if ((size_t)st.st_size >= sizeof(head) && !file_pread(fd, &head, sizeof(head), 0, err)) {
        return false;
    }
    bool is_qcow2 = memcmp(head.magic, "QFI\xfb", 4) == 0;
    uint64_t bytes = (uint64_t)st.st_size;

    if (is_qcow2 && !look_qcow2(path, &head, &bytes, err)) {
        return false;
    }
    *out_format = is_qcow2 ? IMAGE_QCOW2 : IMAGE_RAW;
    *out_bytes = bytes;
    return true;
}
