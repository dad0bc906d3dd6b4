/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/password.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret_open.h"

#define PASSWORD_MAX 1024u

/* From the terminal, its echo off; the bytes go straight into locked memory. */
static bool ask_password(struct secret **out, struct err *err)
{
    struct termios shown, hidden;
    AUTO(drop_secret) struct secret *typed = NULL;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &shown) != 0) {
        err_set(err, ERR_INPUT, "nobody is here to type a password");
        return err_mend(err, "give it with --password-file");
    }
    if (!secret_new(PASSWORD_MAX, &typed, err)) {
        return false;
    }
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    fputs("Password of the file: ", stderr);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    ssize_t length = read(STDIN_FILENO, secret_bytes(typed), PASSWORD_MAX);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    fputc('\n', stderr);
    if (length < 2) {
        return err_set(err, ERR_INPUT, "no password");
    }
    secret_cut(typed, (size_t)length - 1);
    *out = TAKE(typed);
    return true;
}

bool password_get(const struct cli *cli, struct secret **out, struct err *err)
{
    return cli->password_file ? secret_read_file(cli->password_file, PASSWORD_MAX, true, out, err)
                              : ask_password(out, err);
}

bool password_before(const struct secret *password, const char *file, size_t length,
                     struct secret **out, struct err *err)
{
    size_t n = secret_size(password);

    if (!secret_new(n + 1 + length, out, err)) {
        return false;
    }
    memcpy(secret_bytes(*out), secret_look(password), n);
    secret_bytes(*out)[n] = '\n';
    memcpy(secret_bytes(*out) + n + 1, file, length);
    return true;
}

bool password_need_file(const struct cli *cli, struct err *err)
{
    return cli->output || err_set(err, ERR_INPUT, "say which file with --file");
}
