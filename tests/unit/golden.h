/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Golden files: what a test makes against what the file of that name says. Run a test with
 * QUOIN_GOLDEN=write to write them anew, and read the difference before it is committed.
 */
#ifndef QUOIN_TESTS_GOLDEN_H
#define QUOIN_TESTS_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

/* A path below the source; the caller frees. */
__attribute__((unused)) static char *source_path(const char *part)
{
    return text_make("%s/%s", getenv("QUOIN_SOURCE"), part);
}

__attribute__((unused)) static char *source_read(const char *part, size_t *out_length)
{
    AUTO(drop_free) char *path = source_path(part);
    struct err err = {0};
    char *bytes = NULL;

    if (!file_read(path, 16u << 20, &bytes, out_length, &err)) {
        print_error("%s\n", err.what);
        fail();
    }
    return bytes;
}

/* True when equal; else both are printed. */
__attribute__((unused)) static bool golden_equal(const char *part, const char *made)
{
    AUTO(drop_free) char *path = source_path(part);
    AUTO(drop_free) char *wanted = NULL;
    struct err err = {0};
    size_t length;

    if (getenv("QUOIN_GOLDEN") && strcmp(getenv("QUOIN_GOLDEN"), "write") == 0) {
        assert_true(file_write(path, made, strlen(made), 0644, &err));
    }
    if (!file_read(path, 16u << 20, &wanted, &length, &err) || strcmp(wanted, made) != 0) {
        print_error("%s\nwanted:\n%s\nmade:\n%s\n", part, wanted ? wanted : err.what, made);
        return false;
    }
    return true;
}

#endif
