/* SPDX-License-Identifier: Apache-2.0 */
/* The password of a file of keys: from --password-file, else from the terminal. */
#ifndef QUOIN_CLI_PASSWORD_H
#define QUOIN_CLI_PASSWORD_H

#include "base/secret.h"
#include "cli/cli.h"

/* The bytes go straight into locked memory. ERR_INPUT: nobody is there to type it. */
bool password_get(const struct cli *cli, struct secret **out, struct err *err);
/* A line with the password, then the file, as an agent takes them: docs/protocol.md. */
bool password_before(const struct secret *password, const char *file, size_t length,
                     struct secret **out, struct err *err);
/* --file was given. */
bool password_need_file(const struct cli *cli, struct err *err);

#endif
