/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside wire: host keys. ssh pins keys, people pin fingerprints; so the key a host offers is
 * known to ssh only when its fingerprint is the pinned one.
 */
#ifndef QUOIN_WIRE_SSH_KEY_H
#define QUOIN_WIRE_SSH_KEY_H

#include "wire/ssh.h"

#define SSH_SECONDS 15u

unsigned ssh_patience(const struct ssh_target *target);
/* Whether this machine's ssh can be asked to judge by a program: OpenSSH 8.5. */
bool ssh_key_judges(void);
/* The way of one connection: the value of KnownHostsCommand (ssh_config(5), OpenSSH 8.5), which
 * calls the key known whose fingerprint is the pinned one. Its program is written into `folder`. It
 * does not find a pinned key of a kind that the host does not offer first. The caller frees. */
bool ssh_key_judge(const struct ssh_target *target, const char *folder, char **out,
                   struct err *err);
/* The way of several: leaves the pinned key, and no other, in the file `known`. ERR_CLASH: the host
 * has no such key, and the message names those it has. */
bool ssh_key_pin(const struct ssh_target *target, const char *known, struct err *err);
/* What ssh said, as whose turn it is. Returns false. */
bool ssh_explain(const struct ssh_target *target, const char *said, struct err *err);
/* Where the last line begins, and its length without the newline. */
int ssh_last_line(const char *said, const char **out);

/* A private folder with a short, plain path, for as long as it is held: what a process left behind
 * that was killed is removed by the next that makes one, also from another container that shares
 * the place. */
struct ssh_folder {
    char *path; /* NULL: none */
    int held;
};

bool ssh_folder_make(struct ssh_folder *out, struct err *err);
void ssh_folder_remove(struct ssh_folder *folder);

#endif
