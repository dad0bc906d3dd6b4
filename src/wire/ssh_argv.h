/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside wire: how ssh is called. Options that keep it from asking, from forwarding what the user's
 * configuration would, and from waiting for a dead host; and a command quoted for the shell that
 * sshd hands it to.
 */
#ifndef QUOIN_WIRE_SSH_ARGV_H
#define QUOIN_WIRE_SSH_ARGV_H

#include "wire/ssh.h"

/* The one name in our own file of known hosts, whatever the host is called today. */
#define SSH_HOST_ALIAS "quoin"
#define SSH_ARGV_MAX   40u

struct ssh_argv {
    const char *argv[SSH_ARGV_MAX]; /* owned, ended by NULL */
    unsigned count;
};

void ssh_argv_add(struct ssh_argv *argv, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "ssh" and what a new connection to `target` needs, which must succeed in `seconds`. */
void ssh_argv_begin(struct ssh_argv *argv, const struct ssh_target *target, unsigned seconds);
/* The address, and the command if there is one. Nothing after this is an option. */
void ssh_argv_end(struct ssh_argv *argv, const struct ssh_target *target, const char *command);
void ssh_argv_clear(struct ssh_argv *argv);

/* Each entry in single quotes: a POSIX shell gives back exactly these bytes. The caller frees. */
char *ssh_quote(const char *const *argv);

#endif
