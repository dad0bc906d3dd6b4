/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that has no agent yet, reached by the OpenSSH client run as a program: the user's own
 * configuration, agent, jump hosts and security keys work. The host key is the pinned one or there
 * is no connection. All goes through one master connection, kept in a private folder that
 * ssh_close removes. No root is needed.
 */
#ifndef QUOIN_WIRE_SSH_H
#define QUOIN_WIRE_SSH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/run.h"

struct ssh;

struct ssh_target {
    const char *address;  /* IPv4, IPv6 or a name; also an alias in the user's configuration */
    unsigned port;        /* 0: as configured, else 22 */
    const char *user;     /* NULL: as configured */
    const char *key;      /* private key file, or NULL: as configured */
    const char *host_key; /* "SHA256:…" as ssh-keygen -l prints it; NULL: must be known to the
                             user's known_hosts */
    unsigned seconds;     /* until connected; 0 means 15 */
};

/* Called in a thread that lives as long as the connection shall: the connection ends with it, so
 * that none is left behind. ERR_AWAY: not reached; ERR_CLASH: another host key than pinned, both
 * are named; ERR_DENIED: no login. */
bool ssh_open(const struct ssh_target *target, struct ssh **out, struct err *err);
void ssh_close(struct ssh *ssh);
DROP(ssh, struct ssh *, ssh_close);

/* The fingerprints the host offers now, "SHA256:… ED25519" one a line, for a person to compare. */
bool ssh_offered(const struct ssh_target *target, char **out, struct err *err);

/* As run_program and run_ok, on the host. Each argv entry arrives as it is, whatever it holds;
 * `environment` must be NULL. */
bool ssh_run(struct ssh *ssh, const struct run *run, struct run_result *out, struct err *err);
bool ssh_ok(struct ssh *ssh, const struct run *run, char **out, struct err *err);
/* A file to the host: written beside, synced, then renamed. */
bool ssh_copy(struct ssh *ssh, const char *from, const char *to, mode_t mode, struct err *err);
/* A socket on this machine that leads to `remote` ("/run/quoin/quoind.sock", or "127.0.0.1:8443"
 * seen from the host) until ssh_close. The caller frees the path. */
bool ssh_forward(struct ssh *ssh, const char *remote, char **out_socket, struct err *err);

#endif
