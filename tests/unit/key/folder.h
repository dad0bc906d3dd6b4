/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of a test's own under /tmp, and ways to hurt what lies in it. */
#ifndef QUOIN_TESTS_FOLDER_H
#define QUOIN_TESTS_FOLDER_H

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../vectors.h"

static char folder_path[64];

static inline int folder_make(void **state)
{
    (void)state;
    (void)snprintf(folder_path, sizeof(folder_path), "/tmp/quoin-key-XXXXXX");
    return mkdtemp(folder_path) ? 0 : -1;
}

static inline int folder_drop(void **state)
{
    struct err err = {0};

    (void)state;
    return file_remove_tree(folder_path, &err) ? 0 : -1;
}

/* "FOLDER/name", for the rest of the test; at most eight at once. */
static inline const char *in_folder(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder_path, name);
    return path;
}

static inline void tear(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
}

/* One byte in the middle becomes another digit. */
static inline void damage(const char *path, const char *after)
{
    AUTO(drop_free) char *bytes = NULL;
    size_t length = 0;
    struct err err = {0};

    assert_true(file_read(path, JSON_MAX_BYTES, &bytes, &length, &err));
    char *at = strstr(bytes, after);

    assert_non_null(at);
    at += strlen(after);
    *at = *at == '5' ? '6' : '5';
    assert_true(file_write(path, bytes, length, 0600, &err));
}

/* From here on every write beyond `bytes` of a file fails: a full disk. */
static inline void disk_full(rlim_t bytes)
{
    struct rlimit limit;

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static inline void disk_free(void)
{
    disk_full(RLIM_INFINITY);
}

/* The folder can be read, and nothing made in it; root is not asked for permission, so the test
 * becomes nobody until folder_writable. */
static inline void folder_read_only(void)
{
    if (geteuid() == 0) {
        assert_int_equal(chmod(folder_path, 0755) || seteuid(65534),
                         0); /* nobody: may look, not write */
    } else {
        assert_int_equal(chmod(folder_path, 0500), 0);
    }
}

static inline void folder_writable(void)
{
    assert_int_equal(seteuid(getuid()), 0);
    assert_int_equal(chmod(folder_path, 0700), 0);
}

#endif
