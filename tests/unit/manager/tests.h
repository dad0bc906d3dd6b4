/* SPDX-License-Identifier: Apache-2.0 */
/* What each test of the manager begins with. */
#ifndef QUOIN_TESTS_MANAGER_TESTS_H
#define QUOIN_TESTS_MANAGER_TESTS_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "cluster.h"

__attribute__((unused)) static void assert_done(bool ok, const struct err *err)
{
    if (!ok) {
        fail_msg("%s; %s", err->what, err->remedy);
    }
}

/* Locked memory with these bytes. */
__attribute__((unused)) static struct secret *secret_of(const char *bytes, size_t length)
{
    struct secret *secret = NULL;
    struct err err = {0};

    assert_done(secret_new(length, &secret, &err), &err);
    memcpy(secret_bytes(secret), bytes, length);
    return secret;
}

/* JSON with ' for ", for tests that would else be full of backslashes. */
__attribute__((unused)) static json_t *json_of(const char *quoted)
{
    AUTO(drop_free) char *text = text_copy(quoted);
    json_t *json = NULL;
    struct err err = {0};

    for (char *c = text; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    assert_done(json_read(text, strlen(text), &json, &err), &err);
    return json;
}

__attribute__((unused)) static char *folder_make(void)
{
    char *folder = text_copy("/tmp/quoin-manager.XXXXXX");

    assert_non_null(mkdtemp(folder));
    return folder;
}

__attribute__((unused)) static void folder_drop(char **folder)
{
    struct err err = {0};

    assert_true(file_remove_tree(*folder, &err));
    free(*folder);
}

#endif
