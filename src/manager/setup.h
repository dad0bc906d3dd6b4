/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before the network is up: what systemd-networkd and the resolver read, and the machine's name,
 * from the identity. Nothing secret is written. `root` is "" but in tests.
 */
#ifndef QUOIN_MANAGER_SETUP_H
#define QUOIN_MANAGER_SETUP_H

#include "manager/identity.h"

/* /run/systemd/network/10-quoin.network and /run/quoin/resolv.conf; twice gives the same. */
bool setup_files(const struct identity *identity, const char *root, struct err *err);
/* The kernel's host name. */
bool setup_name(const struct identity *identity, struct err *err);

#endif
