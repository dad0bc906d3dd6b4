/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ceph's daemons without systemd, for tests on a machine that has none: started by hand over a
 * folder of their own, ended by the PIDs that they wrote there.
 */
#ifndef QUOIN_TESTS_STORE_DIRECT_H
#define QUOIN_TESTS_STORE_DIRECT_H

#include "store/store.h"

extern const struct store_daemons direct_daemons;
/* SIGKILL to each of them at once: a power cut. */
void direct_kill_all(const char *root);
/* SIGKILL to whatever wrote a .pid file into this folder. */
void direct_kill_pids(const char *folder);
/* Everything that was started is started again, as units do after a boot. */
bool direct_boot(const char *root, struct err *err);

/* A sparse file as a loop device; "" on failure. */
void loop_make(const char *file, uint64_t size, char out[64]);
void loop_free(const char *device);

#endif
