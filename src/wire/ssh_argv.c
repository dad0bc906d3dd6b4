/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/ssh_argv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/text.h"

static const char *const always[] = {
    "-T",
    "-oBatchMode=yes",
    "-oConnectionAttempts=1",
    "-oServerAliveInterval=5",
    "-oServerAliveCountMax=3",
    "-oUpdateHostKeys=no",
    "-oCheckHostIP=no",
    "-oClearAllForwardings=yes",
    "-oForwardAgent=no",
    "-oForwardX11=no",
    "-oPermitLocalCommand=no",
    "-oRemoteCommand=none",
    "-oControlPersist=no",
    "-oLogLevel=INFO", /* some refusals are told at this level only */
};

void ssh_argv_add(struct ssh_argv *argv, const char *format, ...)
{
    char *made = NULL;
    va_list list;

    assert(argv->count + 1 < SSH_ARGV_MAX);
    va_start(list, format);
    if (vasprintf(&made, format, list) < 0) {
        abort();
    }
    va_end(list);
    argv->argv[argv->count++] = made;
}

void ssh_argv_begin(struct ssh_argv *argv, const struct ssh_target *target, unsigned seconds)
{
    ssh_argv_add(argv, "%s", "ssh");
    for (size_t i = 0; i < COUNT_OF(always); i++) {
        ssh_argv_add(argv, "%s", always[i]);
    }
    ssh_argv_add(argv, "-oConnectTimeout=%u", seconds);
    if (target->port) {
        ssh_argv_add(argv, "-p%u", target->port);
    }
    if (target->user) {
        ssh_argv_add(argv, "-l%s", target->user);
    }
    if (target->key) {
        ssh_argv_add(argv, "%s", "-oIdentitiesOnly=yes");
        ssh_argv_add(argv, "-i%s", target->key);
    }
}

void ssh_argv_end(struct ssh_argv *argv, const struct ssh_target *target, const char *command)
{
    ssh_argv_add(argv, "%s", "--");
    ssh_argv_add(argv, "%s", target->address);
    if (command) {
        ssh_argv_add(argv, "%s", command);
    }
}

void ssh_argv_clear(struct ssh_argv *argv)
{
    for (unsigned i = 0; i < argv->count; i++) {
        free((void *)(uintptr_t)argv->argv[i]);
    }
    *argv = (struct ssh_argv){0};
}

char *ssh_quote(const char *const *argv)
{
    struct text text = {0};

    for (; *argv; argv++) {
        text_add(&text, text.length ? " '" : "'");
        for (const char *at = *argv; *at; at++) {
            if (*at == '\'') {
                text_add(&text, "'\\''");
            } else {
                text_add_bytes(&text, at, 1);
            }
        }
        text_add(&text, "'");
    }
    return text_take(&text);
}
