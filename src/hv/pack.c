/* SPDX-License-Identifier: Apache-2.0 */
#include "hv/pack.h"

#include <stdio.h>
#include <string.h>

#include "base/secret_open.h"

#define MAGIC "QFILES1\n"
/* A name, a space, a length below SECRET_MAX, a newline. */
#define MAX_LINE 32

/* The line before the file's bytes; its length. */
static size_t head(const struct pack_file *file, char out[MAX_LINE])
{
    int length = snprintf(out, MAX_LINE, "%s %zu\n", file->name, file->length);

    return (size_t)length;
}

bool pack_make(const struct pack_file *files, size_t count, struct secret **out, struct err *err)
{
    AUTO(drop_secret) struct secret *packed = NULL;
    size_t size = strlen(MAGIC), at = strlen(MAGIC);
    char line[MAX_LINE];

    for (size_t i = 0; i < count; i++) {
        if (files[i].length > SECRET_MAX) {
            return err_set(err, ERR_INPUT, "the file '%s' is too large", files[i].name);
        }
        size += files[i].bytes ? head(&files[i], line) + files[i].length : 0;
    }
    if (size > SECRET_MAX) {
        return err_set(err, ERR_INPUT, "a virtual machine's files are larger than %u bytes",
                       SECRET_MAX);
    }
    if (!secret_new(size, &packed, err)) {
        return false;
    }
    unsigned char *bytes = secret_bytes(packed);
    memcpy(bytes, MAGIC, at);
    for (size_t i = 0; i < count; i++) {
        if (files[i].bytes) {
            size_t length = head(&files[i], line);

            memcpy(bytes + at, line, length);
            memcpy(bytes + at + length, files[i].bytes, files[i].length);
            at += length + files[i].length;
        }
    }
    *out = TAKE(packed);
    return true;
}

/* One file at `*at`; it must be one of `files` and be new. */
static bool read_file(const unsigned char *bytes, size_t size, size_t *at, struct pack_file *files,
                      size_t count)
{
    char line[MAX_LINE] = {0}, again[MAX_LINE];
    size_t most = size - *at < MAX_LINE - 1 ? size - *at : MAX_LINE - 1;
    const unsigned char *end = memchr(bytes + *at, '\n', most);

    if (!end) {
        return false;
    }
    size_t length = (size_t)(end - (bytes + *at)) + 1;
    memcpy(line, bytes + *at, length);
    for (size_t i = 0; i < count; i++) {
        struct pack_file file = {.name = files[i].name, .bytes = end + 1};
        size_t name = strlen(file.name);

        if (files[i].bytes || strncmp(line, file.name, name) != 0 || line[name] != ' ') {
            continue;
        }
        file.length = strtoul(line + name + 1, NULL, 10);
        /* One spelling for one length: no sign, no space, no leading zero. */
        if (head(&file, again) != length || memcmp(again, line, length) != 0 ||
            file.length > size - *at - length) {
            return false;
        }
        *at += length + file.length;
        files[i] = file;
        return true;
    }
    return false;
}

bool pack_read(const struct secret *packed, struct pack_file *files, size_t count, struct err *err)
{
    const unsigned char *bytes = secret_look(packed);
    size_t size = secret_size(packed), at = strlen(MAGIC);
    bool good = size >= at && !memcmp(bytes, MAGIC, at);

    while (good && at < size) {
        good = read_file(bytes, size, &at, files, count);
    }
    if (!good) {
        for (size_t i = 0; i < count; i++) {
            files[i] = (struct pack_file){.name = files[i].name};
        }
        return err_set(err, ERR_INPUT, "a virtual machine's packed files have an unknown format");
    }
    return true;
}
