/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another process of this host that opens image "a", takes its lock, says so, and writes when it is
 * told to: alive, dead or fenced, as the test wants it.
 */
#ifndef QUOIN_TESTS_STORE_OTHER_H
#define QUOIN_TESTS_STORE_OTHER_H

#include "cluster.h"

struct other {
    pid_t pid;
    int to;   /* a byte: write */
    int from; /* "locked", then "wrote" or "refused" */
};

/* Has the lock when it returns. */
struct other other_start(const struct cluster *cluster);
/* SIGKILL. */
void other_end(struct other *other);
/* What the process does: main's arguments "hold" ROOT CLUSTER ADDRESS. */
int other_be(char **argv);

#endif
