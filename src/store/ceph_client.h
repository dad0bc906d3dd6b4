/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are to the cluster, noted under /var/lib/quoin/store: so that the next process, also after
 * a power cut, can fence a client of this host whose process is dead. Its locks and watches are
 * then gone at once, not after the 45 s that the cluster gives the silent; and nothing it had under
 * way can land later. The locks must be taken from it: the hypervisor, which waits for one, has no
 * right to fence anybody and would give up.
 */
#ifndef QUOIN_STORE_CEPH_CLIENT_H
#define QUOIN_STORE_CEPH_CLIENT_H

#include "store/ceph.h"

/* `out_path`: the note, to be removed at the end; the caller frees. */
bool ceph_client_note(const struct store_conf *conf, rados_t cluster, char **out_path,
                      struct err *err);
/* Fences each noted client whose process is no more, takes the images' locks that it held, and
 * removes its note. A lock that cannot be taken is told in the log, and tried again by who opens
 * the datastore next. */
bool ceph_client_fence_dead(const struct store_conf *conf, struct store *store, struct err *err);
/* Puts one client (an address as Ceph writes it) on the blocklist. */
bool ceph_client_fence(rados_t cluster, const char *address, struct err *err);

#endif
